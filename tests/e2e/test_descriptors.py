#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is open while a guest runs: what the rest of the run needs, and nothing that the
caller happened to leave open."""

import os
import stat
import subprocess
import sys

from lib import faults, harness, images
from lib.stops import StoppedRun, descendants

# Leaves fifty descriptors open to the program that it becomes.
CARELESS = """
import os, sys
for i in range(50):
    os.set_inheritable(os.open(sys.argv[1], os.O_RDONLY), True)
os.execv(sys.argv[2], sys.argv[2:])
"""
PROCESS = os.environ.get("INSTAR_SANDBOX") == "process"


def is_armed(pid):
    """It has a filter, and is not the process of a machine, which has no descriptor."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    return fields["Seccomp"].strip() == "2" and bool(os.listdir(f"/proc/{pid}/fd"))


def descriptors(pid):
    """What each number leads to."""
    folder = f"/proc/{pid}/fd"
    return {int(fd): os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)}


class Descriptors(harness.Case):
    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.image = os.path.realpath(images.with_bitmaps(self.path("disk.qcow2")))
        self.secret = self.path("secret")
        with open(self.secret, "w", encoding="ascii") as file:
            file.write("the caller's")

    def while_armed(self, call, *arguments, children=False):
        """The descriptors of the armed process, at its first `call` on the image."""
        command = (sys.executable, "-c", CARELESS, self.secret, harness.INSTAR, *arguments)
        run, found = StoppedRun(self, command, call, self.image, children=children), None
        for _ in run:
            for pid in descendants(run.strace.pid):
                if found is None and is_armed(pid):
                    found = descriptors(pid)
        self.assertEqual(run.result.code, 0, run.result)
        self.assertIsNotNone(found, "never armed")
        return found

    def assert_only(self, found, *needed):
        """The standard ones lead to nothing of the caller's but outputs; behind them is
        what is needed, each once."""
        self.assertEqual(found.pop(0), "/dev/null")
        for fd in (1, 2):
            self.assertTrue(found.pop(fd).startswith("pipe:"))
        self.assert_behind(found, *needed)

    def assert_behind(self, found, *needed):
        others = sorted(target.split(":")[0] for target in found.values())
        machine = () if PROCESS else ("anon_inode",)
        self.assertEqual(others, sorted((self.image, *machine, *needed)), found)

    def test_an_edit(self):
        found = self.while_armed("fdatasync", "bitmap", "--add", self.image, "n")
        self.assert_only(found, os.path.dirname(self.image),
                         self.image + harness.JOURNAL_SUFFIX, "socket")

    def test_without_an_index(self):
        self.environment["INSTAR_STATE_DIR"] = "none"
        found = self.while_armed("fdatasync", "bitmap", "--add", self.image, "n")
        self.assert_only(found, os.path.dirname(self.image),
                         self.image + harness.JOURNAL_SUFFIX)

    def test_a_look(self):
        self.assert_only(self.while_armed("pread64", "info", self.image))
        self.assert_only(self.while_armed("pread64", "map", "--bitmap=a", self.image))

    def test_a_child(self):
        """It speaks to its parent, and to nobody else."""
        found = self.while_armed("pread64", "check", self.image, children=True)
        self.assertEqual([found.pop(fd) for fd in (0, 1, 2)], 3 * ["/dev/null"])
        self.assert_behind(found, "pipe")


class Named(harness.Case):
    """The image may be named by a descriptor: it is opened before any is closed."""

    def test_image_by_descriptor(self):
        for folder in ("/dev/fd", "/proc/self/fd"):
            path = images.with_bitmaps(self.path("disk.qcow2"))
            fd = os.open(path, os.O_RDWR)
            self.addCleanup(os.close, fd)
            done = subprocess.run(
                [harness.INSTAR, "bitmap", "--add", f"{folder}/{fd}", "n"], pass_fds=(fd,),
                capture_output=True, check=False, env=self.environment)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIsNotNone(self.entry(path, "n"))

    def test_image_as_stdin(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with open(path, "r+b") as file:
            done = subprocess.run(
                [harness.INSTAR, "bitmap", "--add", "/dev/stdin", "n"], stdin=file,
                capture_output=True, check=False, env=self.environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(stat.S_ISREG(os.stat(path).st_mode))
        self.assertIsNotNone(self.entry(path, "n"))


if __name__ == "__main__":
    harness.main()
