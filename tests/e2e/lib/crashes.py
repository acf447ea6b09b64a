# SPDX-License-Identifier: MIT
"""An image whose edit was killed, and that state again and again.

A journal knows its image by inode and generation, so the state is given back in place,
with the time stamps that it had.
"""

import os

from lib import faults, harness

# Where an edit is killed: before which call on which file.
BEFORE_THE_IMAGE = ("ftruncate", "image", 1)    # the journal is there, nothing is changed
IN_THE_BUILD = ("fdatasync", "image", 1)        # the build is written
SWITCHED = ("fdatasync", "image", 2)            # the switch is written: the edit is complete
NOT_ENDED = ("pwrite64", "journal", 2)          # and durable, but its end is not noted


class Crash:
    """Kills an edit of case.image (after case.prepare()) and keeps what it left."""

    def __init__(self, case, cut):
        self.case = case
        calls, kind, number = cut
        image = os.path.realpath(case.image)
        path = image if kind == "image" else image + harness.JOURNAL_SUFFIX
        injection = faults.Injection(calls, "signal=SIGKILL", number, (path,))
        case.renew()
        log = case.path("kill.log")
        result = case.run_program(*injection.prefix(log), harness.INSTAR, "bitmap", *case.command)
        case.assertEqual((result.code, len(injection.met(log))), (-9, 1), result)
        self.journal, = case.journals()
        case.assertEqual(case.hot_journals(), [self.journal])
        self.files = [self._kept(path) for path in (case.image, self.journal)]

    @staticmethod
    def _kept(path):
        with open(path, "rb") as file:
            return path, file.read(), os.stat(path).st_mtime_ns

    def restore(self):
        for path in self.case.journals():
            os.unlink(path)
        for path, content, mtime in self.files:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with open(fd, "wb") as file:
                file.truncate(0)
                file.write(content)
            os.utime(path, ns=(mtime, mtime))
