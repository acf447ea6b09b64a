#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two programs at one image: exactly one goes on, the other is refused in words, nothing is lost.

Where it can be, the first one is stopped behind each of its reads and writes in turn, and the
others have their try; so no moment is left to luck.
"""

import json
import os
import subprocess
import time

from lib import crashes, faults, harness, images
from lib.edits import NEW, OLD, EditCase
from lib.stops import StoppedRun

ROUNDS = 25
# The locks on the image come first; a recovery that looks for journals meets theirs.
LOCKED_OUT = (r'Failed to get (shared )?"write" lock|'
              r"the undo journal \S+ is in use by another process")


class Concurrency(EditCase):
    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def assert_locked_out(self, result, program):
        self.assertEqual((result.code, result.out), (1, ""), result)
        self.assertEqual(result.err.splitlines(), [
            f'{program}: Failed to get "write" lock',
            f"Is another process using the image [{self.image}]?"])

    def others(self):
        """Everybody else's try, each of which is refused and writes nothing."""
        before = harness.digest_of(self.image), self.journals()
        self.assert_locked_out(self.instar("--add", self.image, "m"), "instar bitmap")
        self.assert_locked_out(self.instar("--add", "--discard-journal", self.image, "m"),
                               "instar bitmap")
        check = self.run_program(harness.INSTAR, "check", self.image)
        self.assertEqual((check.code, check.out), (1, ""), check)
        self.assertEqual(len(check.err.splitlines()), 2, check)
        for command in (("bitmap", "--add", self.image, "q"), ("check", "-r", "all", self.image),
                        ("snapshot", "-c", "s", self.image)):
            qemu = self.run_program("qemu-img", *command)
            self.assertNotEqual(qemu.code, 0, command)
            self.assertRegex(qemu.err, 'Failed to get "?(shared )?"?(write|resize)', command)
        self.assertEqual((harness.digest_of(self.image), self.journals()), before)

    def everybody_at_every_call(self, command, begin, calls):
        """The number of calls behind which the others had their try."""
        begin()
        run = StoppedRun(self, [harness.INSTAR, *command], calls, self.image)
        tries = 0
        for _ in run:
            tries += 1
            self.others()
        self.assertEqual((run.result.code, run.result.err), (0, ""), run.result)
        self.assertEqual(self.journals(), [])
        return tries

    def test_at_every_call_of_an_edit(self):
        for name in ("add", "add with growth"):
            self.prepare(name)
            calls = self.everybody_at_every_call(
                ("bitmap", *self.command), self.renew, "pread64,pwrite64,fdatasync,ftruncate")
            self.assertGreater(calls, 10)
            self.assertEqual(self.see().what, NEW)

    def test_at_every_call_of_a_recovery(self):
        self.prepare("add")
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        calls = self.everybody_at_every_call(
            ("check", "-q", self.image), crash.restore, "pwrite64,fdatasync,ftruncate")
        self.assertGreater(calls, 3)
        self.assertEqual(self.see().what, OLD)


class Together(EditCase):
    """Started at one time, many times."""

    def start(self, *command):
        return subprocess.Popen([os.fspath(word) for word in command], env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                cwd=self.directory)

    def ends(self, *processes):
        """(exit code, standard error) of each."""
        deadline = time.monotonic() + 60
        return [(p.returncode, err) for p in processes
                for err in [p.communicate(timeout=deadline - time.monotonic())[1]]]

    def assert_one_went_on(self, ends):
        """One at least, and who did not was locked out."""
        self.assertIn(0, [code for code, _ in ends], ends)
        for code, err in ends:
            if code:
                self.assertEqual(code, 1, ends)
                self.assertRegex(err, LOCKED_OUT)

    def test_two_edits(self):
        self.prepare("add")
        self.renew()
        expected = {"a", "b", "c"}
        for i in range(ROUNDS):
            names = (f"x{i}", f"y{i}")
            ends = self.ends(*(self.start(harness.INSTAR, "bitmap", "--add", self.image, name)
                               for name in names))
            self.assert_one_went_on(ends)
            expected |= {name for name, (code, _) in zip(names, ends) if code == 0}
            self.assertEqual({b[0] for b in self.listed(self.image)}, expected)
        self.assert_sound(self.image)
        self.assertEqual(self.journals(), [])

    def test_two_recoveries(self):
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        for _ in range(ROUNDS):
            crash.restore()
            ends = self.ends(*(self.start(harness.INSTAR, "check", self.image) for _ in range(2)))
            self.assert_one_went_on(ends)
            self.assertEqual((self.see().what, self.journals()), (OLD, []))

    def test_a_recovery_and_an_edit(self):
        """In whatever order: the edit is there if it says so."""
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        for _ in range(ROUNDS):
            crash.restore()
            ends = self.ends(self.start(harness.INSTAR, "bitmap", *self.command),
                             self.start(harness.INSTAR, "check", self.image))
            self.assert_one_went_on(ends)
            self.assertEqual(self.see().what, OLD if ends[0][0] else NEW, ends)
            self.assertEqual(self.journals(), [])

    def test_a_recovery_of_all_and_an_edit_of_one(self):
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        for _ in range(ROUNDS):
            crash.restore()
            ends = self.ends(self.start(harness.INSTAR, "bitmap", *self.command),
                             self.start(harness.INSTAR, "check", "--all", self.directory))
            self.assert_one_went_on(ends)
            self.assertEqual(self.see().what, OLD if ends[0][0] else NEW, ends)
            self.assertEqual(self.journals(), [])

    def test_an_edit_and_qemu_img(self):
        self.prepare("add")
        self.renew()
        expected = {"a", "b", "c"}
        for i in range(ROUNDS):
            other = (("bitmap", "--add", self.image, f"q{i}"), ("check", "-r", "leaks", self.image))
            ends = self.ends(
                self.start(harness.INSTAR, "bitmap", "--add", self.image, f"i{i}"),
                self.start("qemu-img", *other[i % 2]))
            self.assertIn(0, [code for code, _ in ends], ends)
            expected |= {f"i{i}"} if ends[0][0] == 0 else set()
            expected |= {f"q{i}"} if ends[1][0] == 0 and i % 2 == 0 else set()
            self.assertEqual({b[0] for b in self.listed(self.image)}, expected)
        self.assert_sound(self.image)


class Daemons(EditCase):
    """A virtual machine's disk, as qemu-storage-daemon holds it open."""

    def started(self, read_only):
        process = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev",
             f"driver=qcow2,node-name=n,read-only={read_only},file.driver=file,"
             f"file.filename={self.image}", "--nbd-server",
             f"addr.type=unix,addr.path={self.path('nbd')}", "--export",
             f"type=nbd,id=e,node-name=n,writable={'off' if read_only == 'on' else 'on'}",
             "--chardev", "stdio,id=c", "--monitor", "chardev=c"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.killed, process)
        self.assertIn("QMP", process.stdout.readline())
        return process

    @staticmethod
    def killed(process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def quit(self, process):
        """An orderly end, in which bitmaps are stored."""
        for command in ("qmp_capabilities", "quit"):
            process.stdin.write(json.dumps({"execute": command}) + "\n")
            process.stdin.flush()
        process.stdout.read()
        self.assertEqual(process.wait(timeout=30), 0)
        os.unlink(self.path("nbd"))

    def assert_refused_now(self, *command):
        before = harness.digest_of(self.image), self.journals()
        result = self.run_program(harness.INSTAR, *command)
        self.assertEqual((result.code, result.out), (1, ""), result)
        self.assertRegex(result.err, 'Failed to get (shared )?"write" lock')
        self.assertEqual((harness.digest_of(self.image), self.journals()), before)

    def test_an_edit_waits_for_nobody_and_loses_nothing(self):
        self.prepare("add")
        for read_only in ("off", "on"):
            self.renew()
            daemon = self.started(read_only)
            self.assert_refused_now("bitmap", *self.command)
            if read_only == "off":
                images.tool("qemu-io", "-f", "raw", "-c", "write -P 77 5M 128k",
                            f"nbd+unix:///n?socket={self.path('nbd')}")
            self.quit(daemon)
            self.edit(*self.command)
            if read_only == "off":
                images.tool("qemu-io", "-c", "read -P 77 5M 128k", self.image)

    def test_a_crashed_image_that_is_in_use_is_left_alone(self):
        """And recovered as soon as a daemon that only read it is gone."""
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        crashes.Crash(self, crashes.IN_THE_BUILD)
        daemon = self.started("on")
        for command in (("check", self.image), ("check", "--discard-journal", self.image),
                        ("bitmap", *self.command)):
            self.assert_refused_now(*command)
        self.quit(daemon)
        self.assertEqual(self.run_program(harness.INSTAR, "check", "-q", self.image).code, 0)
        self.assertEqual((self.see().what, self.journals()), (OLD, []))

    def test_a_crashed_image_that_was_written_to_is_the_truth(self):
        """The daemon stored its bitmaps and a guest's data: nothing of that may be undone."""
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        crashes.Crash(self, crashes.IN_THE_BUILD)
        daemon = self.started("off")
        images.tool("qemu-io", "-f", "raw", "-c", "write -P 77 5M 128k",
                    f"nbd+unix:///n?socket={self.path('nbd')}")
        for command in (("check", self.image), ("bitmap", *self.command)):
            self.assert_refused_now(*command)
        self.quit(daemon)
        before = harness.digest_of(self.image)
        checked = self.run_program(harness.INSTAR, "check", self.image)
        self.assertIn(checked.code, (0, 3), checked)
        self.assertIn("since", checked.out)
        self.assertEqual((harness.digest_of(self.image), self.journals()), (before, []))
        self.succeeds(*self.command)
        images.tool("qemu-io", "-c", "read -P 77 5M 128k", self.image)
        self.assertEqual({b[0] for b in self.listed(self.image)}, {"a", "b", "c", "n"})


if __name__ == "__main__":
    harness.main()
