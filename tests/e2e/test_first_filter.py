#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing of a journal is read before the process has given up what it will not need, and
a run that finds no journal arms once."""

import shutil

from lib import harness, images, interrupt

ARM, READ = "seccomp(", "pread64("


class FirstFilter(harness.Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.environment["INSTAR_STATE_DIR"] = "none"
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def trace(self, *arguments):
        """What the process itself does: (whether it arms or reads a journal, in order)."""
        log = self.path("trace.log")
        self.run_program("strace", "-qq", "-y", "-e", "trace=seccomp,pread64", "-o", log,
                         harness.INSTAR, *arguments)
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        return [line.split("(")[0] for line in lines
                if line.startswith(ARM) or (line.startswith(READ)
                                            and harness.JOURNAL_SUFFIX in line)]

    def test_no_journal(self):
        self.assertEqual(self.trace("bitmap", "--add", self.image, "n"), ["seccomp"])
        self.assertEqual(self.trace("info", self.image), ["seccomp"])
        self.assertEqual(self.trace("check", "-n", self.image), [])

    def test_journal(self):
        interrupt.kill(self, self.image, "--add", self.image, "n")
        journal = interrupt.journal_of(self.image)
        for arguments in (("journal", "show", journal), ("info", self.image),
                          ("check", "-n", self.image), ("bitmap", "--add", self.image, "n")):
            with self.subTest(arguments=arguments):
                calls = self.trace(*arguments)
                self.assertIn("pread64", calls)
                self.assertEqual(calls[0], "seccomp")


if __name__ == "__main__":
    harness.main()
