#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ctrl-C and its kin: before the switch the old image, behind it the new one (invariant 2)."""

import signal
import sys
from collections import Counter

from lib import crashes, faults, harness
from lib.edits import EDITS, HOT, NEW, OLD, EditCase

ENDS = ("SIGINT", "SIGTERM", "SIGHUP")
# What writes and what makes durable; and what is there between the two.
WRITES = ("pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "unlinkat")
OTHER = ("pread64", "openat", "ioctl", "recvfrom", "write", "lseek", "fcntl", "mmap", "clone")
MOST_CALLS = 200


def number_of(name):
    return getattr(signal, name).value


class SignalCase(EditCase):
    """The signal comes while the n-th call is made, for every n."""

    @classmethod
    def setUpClass(cls):
        cls.ends = Counter()

    @classmethod
    def tearDownClass(cls):
        print(f"{cls.__name__}: {cls.ends.total()} signals: {dict(cls.ends)}", file=sys.stderr)

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def every_call(self, calls, name, begin, command, end):
        """`begin` before each run, `end(result)` behind it; how many signals came."""
        log = self.path("strace.log")
        for call in calls:
            for number in range(1, MOST_CALLS):
                injection = faults.Injection(call, f"signal={name}", number)
                begin()
                with self.subTest(edit=self.name, call=call, number=number, signal=name):
                    result = self.run_program(*injection.prefix(log), harness.INSTAR, *command)
                    came = injection.met(log)
                    self.ends[end(result, name if came else None)] += 1
                if not injection.met(log):
                    break

    def assert_ended(self, result, name):
        """What came of the edit: OLD and 128 + n, or NEW and 0, never else."""
        seen = self.see()
        self.assertEqual(self.journals(), [], result)
        if result.code == 0:
            self.assertEqual((seen.what, seen.leaks, result.err), (NEW, (), ""), result)
        else:
            self.assertEqual(seen.what, OLD, result)
            self.assert_died_of(result, name)
        return seen.what

    def assert_died_of(self, result, name):
        """128 + n and a line; or, before the program could ask for the signal, as any other
        program."""
        if result.code == -number_of(name):
            self.assertEqual(result.err, "", result)
        else:
            self.assertEqual(result.code, 128 + number_of(name), result)
            self.assertRegex(result.err, rf"^instar \w+: interrupted by {name}; [^\n]*\n$")


class DuringAnEdit(SignalCase):
    def edit_signalled(self, edit, calls, name):
        self.prepare(edit)
        self.every_call(calls, name, self.renew, ("bitmap", *self.command), self.assert_ended)

    def test_every_write_and_sync(self):
        for name in ENDS:
            self.edit_signalled("add", WRITES, name)
        for edit in set(EDITS) - {"add"}:
            self.edit_signalled(edit, WRITES, "SIGINT")

    def test_everything_else(self):
        for edit in ("add", "add with growth"):
            self.edit_signalled(edit, OTHER, "SIGTERM")

    def test_both_ends_are_seen(self):
        """Before the switch and behind it: else the loops above would prove little."""
        self.prepare("add")
        log = self.path("strace.log")
        for number, code in ((1, 130), (2, 0)):
            self.renew()
            injection = faults.Injection("fdatasync", "signal=SIGINT", number, (self.image,))
            result = self.run_program(*injection.prefix(log), harness.INSTAR, "bitmap",
                                      *self.command)
            self.assertEqual((result.code, len(injection.met(log))), (code, 1), result)
            self.assertEqual(self.assert_ended(result, "SIGINT"), OLD if code else NEW)

    def test_a_second_signal_during_the_rollback(self):
        """An impatient user presses Ctrl-C again and again."""
        self.prepare("merge")
        log = self.path("strace.log")
        for first in range(1, 4):
            self.renew()
            injection = faults.Injection("pwrite64,fdatasync", "signal=SIGINT", f"{first}+",
                                         (self.image, self.image + harness.JOURNAL_SUFFIX))
            result = self.run_program(*injection.prefix(log), harness.INSTAR, "bitmap",
                                      *self.command)
            self.assertGreater(len(injection.met(log)), 2)
            self.assert_ended(result, "SIGINT")


class Ignored(SignalCase):
    """Signals that must not end anything."""

    def assert_done(self, result, _):
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertEqual((self.see().what, self.journals()), (NEW, []))
        return NEW

    def test_size_limit_and_broken_pipe(self):
        self.prepare("add")
        for name in ("SIGXFSZ", "SIGPIPE"):
            self.every_call(("pwrite64", "fdatasync", "ftruncate", "write"), name, self.renew,
                            ("bitmap", *self.command), self.assert_done)

    def test_what_the_caller_ignores(self):
        """nohup(1), and a shell's background jobs."""
        self.prepare("add")
        log = self.path("strace.log")
        for name in ENDS:
            for number in range(1, 9):
                self.renew()
                injection = faults.Injection("pwrite64,fdatasync", f"signal={name}", number)
                result = self.run_program(
                    "sh", "-c", f"trap '' {name[3:]}; exec \"$@\"", "sh", *injection.prefix(log),
                    harness.INSTAR, "bitmap", *self.command)
                self.assert_done(result, name)


class DuringARecovery(SignalCase):
    """What was begun is finished; then the command is given up."""

    CALLS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlinkat", "pread64", "openat",
             "fcntl")

    def recovery_signalled(self, command, end, *cuts):
        for cut in cuts:
            crash = crashes.Crash(self, cut)
            self.every_call(self.CALLS, "SIGINT", crash.restore, command, end)

    def recovered(self, result):
        """OLD, or HOT where the signal came before anything was done; then it still can be."""
        if self.hot_journals():
            self.assertNotEqual(result.code, 0)
            self.assertIn(self.recover(), (OLD, NEW))
            return HOT
        return self.see().what

    def end_of_check(self, result, name):
        end = self.recovered(result)
        if result.code:
            self.assert_died_of(result, name)
        else:
            self.assertIn(end, (OLD, NEW), result)
        return end

    def end_of_bitmap(self, result, name):
        end = self.recovered(result)
        if result.code:
            self.assert_died_of(result, name)
            self.assertIn(end, (OLD, HOT))
        else:
            self.assertEqual((end, result.err), (NEW, ""), result)
        return end

    def test_instar_check(self):
        self.prepare("add")
        self.recovery_signalled(("check", "-q", self.image), self.end_of_check,
                                crashes.BEFORE_THE_IMAGE, crashes.IN_THE_BUILD, crashes.SWITCHED)

    def test_instar_bitmap(self):
        """It recovers, then does what it was asked for: the same edit once more."""
        self.prepare("add")
        self.recovery_signalled(("bitmap", *self.command), self.end_of_bitmap,
                                crashes.IN_THE_BUILD)


if __name__ == "__main__":
    harness.main()
