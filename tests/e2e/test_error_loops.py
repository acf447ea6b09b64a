#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The n-th call of each kind fails, for every n until a run passes: once, and for good.

strace makes calls of the shipped program fail.  Each run ends in the old image to the byte
or the complete new one, with an exit code and words that say which; or, where the rollback
cannot be done, in a hot journal that is named.

INSTAR_EVERY_FAULT=1 meets every edit with every fault; otherwise some edits meet a spread.
"""

import os
import re
import shlex
import shutil
import sys
from collections import Counter

from lib import faults, harness
from lib.edits import EDITS, HOT, NEW, OLD, EditCase

EVERYTHING = os.environ.get("INSTAR_EVERY_FAULT") == "1"
FULL = tuple(EDITS) if EVERYTHING else ("add", "add with growth")
SPREAD = () if EVERYTHING else tuple(name for name in EDITS if name not in FULL)

# What touches the image, the journal and its directory, and what talks to the index.
STORAGE = ("pwrite64", "pread64", "fdatasync", "fsync", "ftruncate", "fallocate", "unlinkat",
           "openat", "lseek", "fcntl", "recvfrom", "write")
# Calls that a full disk or a quota can make fail.
TAKES_SPACE = ("pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "openat", "write")
# Everything else between the start of main() and the end of the process.
OTHER = {
    "error=ENOMEM": ("mmap", "madvise", "clone", "socketpair", "setsockopt", "timer_create"),
    "error=EINVAL": ("ioctl", "timer_settime", "prctl", "prlimit64", "seccomp",
                     "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"),
    "error=EIO": ("newfstatat", "statx", "fstatfs", "name_to_handle_at", "faccessat2", "readlink",
                  "read", "close", "getrandom"),
}
if harness.SANDBOX == "process":
    OTHER["error=ESRCH"] = ("ptrace", "wait4")
MOST_CALLS = 200


class Loops(EditCase):
    """One loop: for every n the n-th call fails; each end is judged."""

    @classmethod
    def setUpClass(cls):
        cls.ends = Counter()

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    @classmethod
    def tearDownClass(cls):
        print(f"{cls.__name__}: {cls.ends.total()} faulty runs: {dict(cls.ends)}", file=sys.stderr)

    def loop(self, calls, fault, paths=(), for_good=False, **options):
        """How often the fault was met, over all n."""
        for number in range(1, MOST_CALLS):
            injection = faults.Injection(
                calls, fault, f"{number}+" if for_good else number, paths, **options)
            with self.subTest(edit=self.name, injection=injection):
                self.run_into(injection)
            if not self.met:
                return number - 1
        return self.fail(f"{calls}: no end of calls")

    def run_into(self, injection, ends=(OLD, NEW, HOT)):
        """One run.  That which meets no fault must be like any other."""
        log = self.path("strace.log")
        self.renew()
        result = self.run_program(*injection.prefix(log), harness.INSTAR, "bitmap", *self.command)
        hits = injection.met(log)
        self.met = bool(hits)
        # With standard error out of order nothing can be told.
        end = self.judge(result, told=not any("write(2," in line for line in hits))
        if self.met:
            self.ends[end] += 1
            self.assertIn(end, ends, result)
        elif not injection.also:
            self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        return result


class Once(Loops):
    """A fault that passes."""

    def test_every_call_of_the_storage(self):
        for name in FULL:
            self.prepare(name)
            for call in STORAGE:
                self.loop(call, "error=EIO")
            for call in TAKES_SPACE:
                self.loop(call, "error=ENOSPC")
        for name in SPREAD:
            self.prepare(name)
            for call in ("pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate", "openat"):
                self.loop(call, "error=ENOSPC")
            self.loop("pread64", "error=EIO")

    def test_a_failed_sync_is_not_taken_for_a_success(self):
        """A success without a warning means that all was written and synced once more, or that
        the journal was removed for good instead of being ended."""
        made_up = 0
        for name in FULL:
            self.prepare(name)
            for number in range(1, MOST_CALLS):
                self.renew()
                log = self.path("strace.log")
                injection = faults.Injection("fdatasync", "error=EIO", number)
                command = injection.prefix(log)
                command[-3] += ",pwrite64,unlinkat,fsync"
                result = self.run_program(*command[:1], "-y", *command[1:], harness.INSTAR,
                                          "bitmap", *self.command)
                if not injection.met(log):
                    break
                if result.code == 0 and "warning" not in result.err:
                    self.assert_made_up_for(log)
                    made_up += 1
            self.assertGreater(number, 3)
        self.assertGreater(made_up, 0)

    def assert_made_up_for(self, log):
        with open(log, encoding="utf-8", errors="replace") as file:
            calls = re.findall(r"^(\w+)\(\d+<([^>]*)>.*?(INJECTED)?\)?$", file.read(), re.MULTILINE)
        failed = max(i for i, call in enumerate(calls) if call[2])
        path, folder = calls[failed][1], os.path.dirname(calls[failed][1])
        behind = [call[:2] for call in calls[failed + 1:]]
        again = behind.index(("pwrite64", path)) if ("pwrite64", path) in behind else None
        removed = behind.index(("unlinkat", folder)) if ("unlinkat", folder) in behind else None
        self.assertTrue(
            again is not None and ("fdatasync", path) in behind[again:] or
            removed is not None and ("fsync", folder) in behind[removed:], calls)

    def test_quota(self):
        self.prepare("add")
        for call in ("pwrite64", "ftruncate", "openat"):
            self.assertGreater(self.loop(call, "error=EDQUOT"), 0)

    def test_interrupted_calls(self):
        """EINTR, which a signal handler without SA_RESTART or a debugger makes."""
        for name in FULL:
            self.prepare(name)
            for call in ("pread64", "pwrite64", "ftruncate", "recvfrom", "write"):
                self.loop(call, "error=EINTR")

    def test_a_write_that_writes_nothing(self):
        self.prepare("add")
        self.assertGreater(self.loop("pwrite64", "retval=0"), 3)

    def test_every_other_call(self):
        for name in FULL if EVERYTHING else ("add",):
            self.prepare(name)
            for fault, calls in OTHER.items():
                for call in calls:
                    self.loop(call, fault)


class ForGood(Loops):
    """From the n-th call on every one fails: on all files, or on one of them."""

    def everywhere(self):
        """What may break by itself: everything, the image, the journal, their directory."""
        return ((), (self.image,), (self.image + harness.JOURNAL_SUFFIX,), (str(self.directory),))

    def test_every_call_of_the_storage(self):
        for name in FULL:
            self.prepare(name)
            for call in STORAGE:
                for paths in self.everywhere():
                    self.loop(call, "error=EIO", paths, for_good=True)
            for call in ("pwrite64", "fdatasync", "ftruncate"):
                self.loop(call, "error=ENOSPC", (self.image,), for_good=True)
        for name in SPREAD:
            self.prepare(name)
            for call in ("pwrite64", "fdatasync", "ftruncate", "fallocate", "pread64"):
                self.loop(call, "error=EIO", (self.image,), for_good=True)
            self.loop("pwrite64", "error=ENOSPC", for_good=True)

    def test_every_other_call(self):
        for name in FULL if EVERYTHING else ("add",):
            self.prepare(name)
            for call in ("mmap", "madvise", "ioctl", "clone", "socketpair", "close"):
                self.loop(call, "error=ENOMEM", for_good=True)

    def test_an_image_that_cannot_be_written_any_more_leaves_a_hot_journal(self):
        """Else the loops above could pass without ever seeing one."""
        self.prepare("add")
        for call, number in (("fdatasync", 1), ("pwrite64", 2)):
            self.run_into(faults.Injection(call, "error=EIO", f"{number}+", (self.image,)),
                          ends=(HOT,))
            self.assertTrue(self.met)

    def test_a_journal_that_cannot_be_removed_either(self):
        """Behind the switch the edit is done all the same, and what is left is named."""
        for name in FULL:
            self.prepare(name)
            for call in ("pwrite64", "fdatasync"):
                for paths in self.everywhere()[:-1]:
                    self.loop(call, "error=EIO", paths and paths + (str(self.directory),),
                              for_good=True, also="unlinkat")


class Memory(Loops):
    def test_every_size_of_the_address_space(self):
        """Allocations fail in turn: the program's, and in the end the index process's, whose
        mapping of 64 MiB is the largest of all beside a small guest."""
        self.prepare("add", "--memory-limit", "4M")
        size = 2 << 10  # KiB; what the program itself takes
        while size < 100 << 10:
            with self.subTest(kibibytes=size):
                self.renew()
                result = self.run_program(
                    "sh", "-c", f'ulimit -v {size} && exec "$0" bitmap {self.shell_command()}',
                    harness.INSTAR)
                if result.code in (0, 1):
                    self.ends[self.judge(result)] += 1
                else:  # no room for the program, before its first line
                    self.assertLess(size, 4 << 10, result)
                    self.assertEqual(self.see().what, OLD)
            size += max(16, size // 64)
        self.assertTrue(self.ends[OLD] and self.ends[NEW], self.ends)
        self.assertEqual((result.code, result.err), (0, ""))

    def shell_command(self):
        return " ".join(shlex.quote(word) for word in self.command)


class Index(Loops):
    """Faults of the index's own process: never more than a warning."""

    CALLS = ("openat", "newfstatat", "fstatfs", "pread64", "mmap", "writev", "pwrite64",
             "fdatasync", "fsync", "lseek", "fcntl", "mkdir", "mkdirat")
    ALONE = ("sendto", "writev")        # which only that process makes
    BEFORE = ("close_range", "dup2")    # the host makes them, too, before it runs a guest

    def index_loop(self, calls, fault, paths=(), for_good=False, fresh=False, ends=(NEW,)):
        state = self.path("state")
        for number in range(1, MOST_CALLS):
            if fresh:
                shutil.rmtree(state, ignore_errors=True)
            injection = faults.Injection(calls, fault, f"{number}+" if for_good else number,
                                         paths, children=True)
            with self.subTest(injection=injection, fresh=fresh):
                self.run_into(injection, ends=ends)
            if not self.met:
                return number - 1
        return self.fail(f"{calls}: no end of calls")

    def files(self):
        return tuple(self.path(name) for name in (
            "state", "state/index", "state/index/data.mdb", "state/index/lock.mdb"))

    def test_every_call_on_its_files(self):
        self.prepare("add")
        for fresh in (False, True):
            for call in self.CALLS:
                self.index_loop(call, "error=EIO", self.files(), fresh=fresh)
            for call in ("writev", "pwrite64", "openat", "mmap"):
                self.index_loop(call, "error=ENOSPC", self.files(), fresh=fresh)
            self.index_loop("fdatasync", "error=EIO", self.files(), for_good=True, fresh=fresh)

    def test_what_could_not_be_made_durable_is_told(self):
        self.prepare("add")
        for call in ("writev", "fdatasync", "pwrite64"):
            injection = faults.Injection(call, "error=EIO", 1, self.files(), True)
            result = self.run_into(injection, ends=(NEW,))
            self.assertTrue(self.met)
            self.assertIn("warning: the index of interrupted edits could not be written",
                          result.first_line)

    def test_calls_that_only_it_makes(self):
        self.prepare("add")
        for call in self.ALONE:
            self.assertGreater(self.index_loop(call, "error=EIO"), 0, call)
        for call in self.BEFORE:
            self.assertGreater(self.index_loop(call, "error=EIO", ends=(OLD, NEW)), 0, call)

    def test_its_death_at_every_call(self):
        """Killed, or by the signals that a damaged file brings."""
        self.prepare("add")
        for signal in ("SIGKILL", "SIGBUS", "SIGSEGV"):
            for call in ("pread64", "writev", "fdatasync", "fcntl"):
                self.index_loop(call, f"signal={signal}", self.files())

    def test_a_slow_one_is_not_waited_for(self):
        self.prepare("add")
        for call in ("writev", "fcntl"):
            injection = faults.Injection(call, "delay_enter=3000000", 1, self.files(), True)
            self.run_into(injection, ends=(NEW,))
            self.assertTrue(self.met)


if __name__ == "__main__":
    harness.main()
