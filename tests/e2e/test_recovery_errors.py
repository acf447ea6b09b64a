#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The n-th call of a recovery fails, for every n until one passes: once, and for good.

A recovery that cannot be finished leaves the journal, says so, and the next one finishes it
(invariant 3).  The other tools' view of what lies in between is tests/crash's matter.
"""

import os
import sys
from collections import Counter

from lib import crashes, faults, harness
from lib.edits import HOT, NEW, OLD, EditCase, read_journal

EVERYTHING = os.environ.get("INSTAR_EVERY_FAULT") == "1"
CUTS = {
    "add": (crashes.BEFORE_THE_IMAGE, crashes.IN_THE_BUILD, crashes.SWITCHED),
    "merge": (crashes.IN_THE_BUILD,),
    "first on an overlay": (("pwrite64", "image", 3), ("pwrite64", "image", 5)),
    "add with growth": (crashes.IN_THE_BUILD, ("fdatasync", "image", 4)),
}
STORAGE = ("pwrite64", "pread64", "fdatasync", "fsync", "ftruncate", "unlinkat", "openat",
           "lseek", "fcntl")
OTHER = ("newfstatat", "fstatfs", "name_to_handle_at", "statx", "mmap", "clone",
         "socketpair", "recvfrom", "write", "read", "close")
MOST_CALLS = 200


class Recovery(EditCase):
    @classmethod
    def setUpClass(cls):
        cls.ends = Counter()

    @classmethod
    def tearDownClass(cls):
        print(f"{cls.__name__}: {cls.ends.total()} faulty recoveries: {dict(cls.ends)}",
              file=sys.stderr)

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def loop(self, crash, command, calls, fault, for_good=False, paths=()):
        log = self.path("strace.log")
        for number in range(1, MOST_CALLS):
            injection = faults.Injection(calls, fault, f"{number}+" if for_good else number, paths)
            crash.restore()
            with self.subTest(edit=self.name, command=command[0], injection=injection):
                result = self.run_program(*injection.prefix(log), harness.INSTAR, *command)
                met = injection.met(log)
                end = self.judge_recovery(result, any("write(2," in line for line in met))
                self.ends[end] += bool(met)
            if not met:
                return
        self.fail(f"{calls}: no end of calls")

    def judge_recovery(self, result, mute=False):
        """OLD or NEW, or HOT and told; and in the end it is recovered."""
        self.assertIn(result.code, (0, 1, 5), result)
        hot = self.hot_journals()
        if not mute:
            self.assertEqual(bool(result.code), bool(result.err) and "warning" not in result.err)
        if hot:
            self.assertIn(result.code, (1, 5), result)
            if read_journal(hot[0]).state == "recovering" and not mute:
                self.assertIn(hot[0], result.err, "a journal that stays is named")
            self.assertIn(self.recover(), (OLD, NEW))
            return HOT
        seen = self.see()
        self.assertIn(seen.what, (OLD, NEW), f"{seen.why}: {result}")
        return seen.what

    def every_fault(self, name, command):
        self.prepare(name)
        for cut in CUTS[name]:
            crash = crashes.Crash(self, cut)
            for call in STORAGE:
                self.loop(crash, command, call, "error=EIO")
            for call in ("pwrite64", "fdatasync", "openat"):
                self.loop(crash, command, call, "error=EIO", True)
            for call in ("pwrite64", "pread64", "fdatasync", "ftruncate"):
                self.loop(crash, command, call, "error=EIO", True, (self.image,))
        self.assertTrue(self.ends[HOT] and self.ends[OLD], self.ends)

    def test_instar_check(self):
        for name in CUTS if EVERYTHING else ("add", "first on an overlay"):
            self.prepare(name)
            self.every_fault(name, ("check", "-q", self.image))

    def test_instar_bitmap(self):
        for name in CUTS if EVERYTHING else ("add with growth", "merge"):
            self.prepare(name)
            self.every_fault(name, ("bitmap", "--clear", self.image, "nosuch"))

    def test_every_other_call(self):
        self.prepare("add")
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        for call in OTHER:
            self.loop(crash, ("check", "-q", self.image), call, "error=ENOMEM")
        self.assertTrue(self.ends[HOT] and self.ends[OLD], self.ends)


if __name__ == "__main__":
    harness.main()
