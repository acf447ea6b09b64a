# SPDX-License-Identifier: MIT
"""The harness: a directory of its own for every test, instar runs in it (lib/runner.py), and
what every test asserts.
"""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
import unittest
from dataclasses import dataclass

from lib import check, facts, images
from lib.qcow2 import FLAG_AUTO, TABLE_OFFSET_MASK, Image
from lib.runner import (IN_MEMORY, INSTAR, JOURNAL_SUFFIX, REPOSITORY, SANDBOX,  # noqa: F401
                        SLOW_INDEX, Result, Runner)
from lib.skips import ALLOWED_IN_CI

# Of a long series of images or rounds, every how manieth is judged where the series is about
# the guest programs, which are the same bytes in both sandboxes.
SHARE = 1 if SANDBOX == "kvm" else 4

# Long ago: a write of any kind shows, however coarse the clock's ticks are.
OLD_TIME = 1_500_000_000 * 10**9
ZEROS = bytes(1 << 16)
CLUSTER_SIZES = (512, 4096, 65536, 2 << 20)
# For a shell in a mount namespace of its own: from here on there is no KVM.
HIDE_KVM = "{ [ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm; }"


@dataclass(frozen=True)
class State:
    """All of a file that a refused command must leave as it was."""

    digest: str
    size: int
    mtime: int
    ctime: int
    mode: int
    owner: tuple
    inode: int


def digest_of(path):
    """A hash of the file's bytes; fast over holes, the same for holes and zeros."""
    digest, block = hashlib.sha256(), len(ZEROS)
    with open(path, "rb") as file:
        fd = file.fileno()
        end, at = os.lseek(fd, 0, os.SEEK_END), 0
        digest.update(b"%d" % end)
        while at < end:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break  # a hole to the end
                data = at  # a device knows no holes
            at = max(at, data // block * block)
            piece = os.pread(fd, block, at)
            if piece != ZEROS[:len(piece)]:
                digest.update(b"@%d" % at + piece)
            at += block
    return digest.hexdigest()


def state_of(path):
    status = os.stat(path)
    return State(digest_of(path), status.st_size, status.st_mtime_ns,
                 status.st_ctime_ns, status.st_mode, (status.st_uid, status.st_gid), status.st_ino)


def age(path):
    """Give the file an old mtime, so that a write cannot go unseen."""
    os.utime(path, ns=(OLD_TIME, OLD_TIME))


class Case(Runner, unittest.TestCase):
    """A test with a directory of its own and the assertions that all share."""

    maxDiff = None

    def setUp(self):
        self.use_folder(tempfile.mkdtemp(prefix="instar-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    # ---- what a run must have done ----

    def succeeds(self, *arguments, warns=False, **options):
        """Silent, exit 0, and no journal is left."""
        result = self.instar(*arguments, **options)
        self.assertEqual((result.code, result.out), (0, ""), f"{arguments}: {result}")
        if not warns:
            self.assertEqual(result.err, "", arguments)
        self.assert_no_journal()
        return result

    def edit(self, *arguments, qemu=True, leaks=None, **options):
        """succeeds(), and all that an edit must keep: the guest's data, every feature of the
        image, every bitmap not named; both judges find the image sound.  `leaks`: the clusters
        that may stay leaked.  The image is the last argument but one."""
        image, name = arguments[-2:]
        before, others = self.facts(image), self.bystanders(image, name)
        result = self.succeeds(*arguments, **options)
        self.assertEqual(self.facts(image), before)
        self.assertEqual(self.bystanders(image, name), others)
        self.assert_sound(image, leaks or (), qemu)
        return result

    def writes_nothing(self, *arguments, **options):
        """A success that leaves every byte and time stamp."""
        age(arguments[-2])
        before = state_of(arguments[-2])
        self.succeeds(*arguments, **options)
        self.assertEqual(state_of(arguments[-2]), before, f"{arguments}: wrote something")

    def assert_refused(self, result, message, exact=True, code=1):
        """Exit 1, one first line, nothing on stdout, at most a hint behind it."""
        self.assertEqual(result.code, code, result)
        self.assertEqual(result.out, "")
        if exact:
            self.assertEqual(result.first_line, f"instar bitmap: {message}")
        else:
            self.assertTrue(result.first_line.startswith("instar bitmap: "), result)
            self.assertIn(message, result.err)
        lines = result.err.splitlines()
        self.assertTrue(result.err.endswith("\n"), result)
        for line in lines[1:]:
            self.assertTrue(line.startswith("hint: "), result)
        self.assertLessEqual(len(lines), 2, result)

    def refuses(self, message, *arguments, image=None, exact=True, run=None, **options):
        """The command is refused in these words and the image keeps every byte and its
        time stamps (invariant 6)."""
        image = image or arguments[-2]
        age(image)
        before = state_of(image)
        result = (run or self.instar)(*arguments, **options)
        self.assert_refused(result, message, exact)
        self.assertEqual(state_of(image), before, "the image was touched")
        self.assert_no_journal()
        return result

    def assert_no_journal(self):
        """Neither beside an image nor in the state directory."""
        self.assertEqual(self.journals_left(), [])

    # ---- what an image must be ----

    def assert_sound(self, image, leaks=(), qemu=True):
        """The independent checker and `qemu-img check` find nothing but `leaks`."""
        with Image(image) as opened:
            report = check.check(opened)
        self.assertEqual(report.corruptions, [])
        self.assertEqual(report.leaks, sorted(leaks))
        if qemu:
            done = self.run_program("qemu-img", "check", "-q", *images.check_options(image))
            self.assertEqual(done.code, 3 if leaks else 0, done)

    def assert_checked(self, result, image):
        """`instar check` has looked at the image: what it says is what `qemu-img check` says."""
        done = self.run_program("qemu-img", "check", "-q", *images.check_options(image))
        self.assertEqual((result.code, result.err), (done.code, done.err), result)

    def listed(self, image):
        """(name, flags, granularity) in order as `qemu-img info` lists them."""
        return [(b["name"], tuple(b["flags"]), b["granularity"]) for b in images.listed(image)]

    def facts(self, image):
        """Everything of an image that an edit of bitmaps must keep."""
        return facts.facts(image)

    def bystanders(self, image, *named):
        """All of every bitmap that the command does not name: entry, table place, bits."""
        return facts.bystanders(image, *named)

    def dirty(self, image, name):
        with Image(image) as opened:
            self.assertTrue(opened.tail_is_clean(name))
            return opened.dirty(name)

    def entry(self, image, name):
        with Image(image) as opened:
            return opened.bitmap(name)

    def is_enabled(self, image, name):
        return bool(self.entry(image, name).flags & FLAG_AUTO)

    def data_clusters(self, image, name):
        """How many data clusters the bitmap's table names."""
        with Image(image) as opened:
            return sum(1 for e in opened.table(opened.bitmap(name)) if e & TABLE_OFFSET_MASK)

    def need_root(self, why):
        if os.geteuid() != 0:
            self.skipTest(f"needs root: {why}")

    def need_kvm(self):
        """Without KVM this fails, where `./dev test` has not found (and said) that there is none."""
        if os.environ.get("INSTAR_TEST_NO_KVM") == "1":
            self.skipTest("INSTAR_TEST_NO_KVM=1: needs /dev/kvm")


class _Results(unittest.TextTestResult):
    """Under CI an unlisted skip is a failure, so that no test goes missing there."""

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if os.environ.get("CI") == "true" and reason not in ALLOWED_IN_CI:
            error = AssertionError(f"skipped in CI: {reason}")
            self.addFailure(test, (AssertionError, error, None))


def main():
    """Run a test file: print every skip with its reason."""
    if not os.access(INSTAR, os.X_OK):
        print(f"{INSTAR}: not there; build it first", file=sys.stderr)
        sys.exit(1)
    runner = unittest.TextTestRunner(resultclass=_Results, verbosity=1)
    program = unittest.main(module="__main__", testRunner=runner, exit=False)
    for test, reason in program.result.skipped:
        print(f"skipped: {test}: {reason}", file=sys.stderr)
    sys.exit(not program.result.wasSuccessful())


