#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check`: what it recovers, tells and leaves alone; its exit codes and its JSON."""

import os
import shutil
import subprocess

from lib import faults, harness, images, interrupt
from lib.check_case import CheckCase


class Recovery(CheckCase):
    def test_nothing_to_do(self):
        with self.unchanged(self.image):
            self.assertEqual(self.checks(self.image), self.qemu(self.image).out)
            self.assertEqual(self.checks("-q", self.image), "")
            result = self.check("--output=json", self.image)
            self.assertEqual(result.out, self.qemu(self.image, "--output=json").out)

    def test_a_look_makes_no_state_directory(self):
        self.checks(self.image)
        self.checks("--all", str(self.directory))
        self.assertFalse(os.path.exists(self.path("state")))

    def test_before_the_switch_it_gives_the_old_image_back(self):
        self.kill()
        self.assertNotEqual(harness.digest_of(self.image), harness.digest_of(self.original))
        out = self.checks(self.image)
        self.assertTrue(out.startswith(f"{self.image}: an interrupted edit was undone"), out)
        self.assertIn(f"instar bitmap --add {self.image} n\n", out)
        self.assertIn(f"{self.journal}\n", out)
        self.assert_old()
        self.assert_no_journal()
        self.assertEqual(self.states(self.image), [])

    def test_a_file_that_ends_inside_a_sector_keeps_its_size(self):
        image = images.create(self.path("short.qcow2"), "1G")
        for name in "abc":
            images.bitmap(image, "--add", name)
        self.assertNotEqual(os.path.getsize(image) % 512, 0)
        before = harness.digest_of(image)
        for action in ("--disable", "--remove"):
            log = self.path("write.log")
            self.run_program(*faults.prefix(image, "pwrite64", 1, log, "signal=SIGKILL"),
                             harness.INSTAR, "bitmap", action, image, "c")
            self.assertEqual(self.states(image), ["undone"])
            self.assertEqual(harness.digest_of(image), before)

    def test_behind_the_switch_the_edit_is_complete(self):
        self.kill(sync=interrupt.SWITCH)
        self.assertEqual(self.states(self.image), ["complete"])
        self.assertIn("n", [entry[0] for entry in self.listed(self.image)])
        self.assert_sound(self.image)
        self.assert_no_journal()

    def test_the_report_says_what_was_asked_and_when(self):
        self.kill()
        found, = self.journals(self.image)
        self.assertEqual((found["journal"], found["state"]), (self.journal, "undone"))
        self.assertEqual(found["asked"], f"instar bitmap --add {self.image} n")
        self.assertRegex(found["transaction"], "^[0-9a-f]{32}$")
        self.assertRegex(found["begun"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(found["old-size"], os.path.getsize(self.original))
        self.assertGreater(found["final-size"], found["old-size"])
        self.assertGreaterEqual(found["bytes"], 512 * found["extents"])

    def test_a_dry_run_tells_and_changes_nothing(self):
        for sync, state in ((interrupt.BUILD, "undo"), (interrupt.SWITCH, "complete")):
            shutil.copyfile(self.original, self.image)
            self.kill(sync=sync)
            harness.age(self.journal)
            with self.unchanged(self.image, self.journal):
                for option in ("-n", "--dry-run"):
                    self.assertEqual(self.states(option, self.image), [f"pending-{state}"])
                    out = self.checks(option, self.image)
                    self.assertIn("would be", out)
                    self.assertNotIn("No errors", out)  # nothing can be said yet
                    self.assertNotIn("check-errors", self.json(option, self.image))
            self.checks(self.image)

    def test_bitmap_recovers_in_silence_and_goes_on(self):
        self.kill()
        self.edit("--add", self.image, "m")
        names = [entry[0] for entry in self.listed(self.image)]
        self.assertIn("m", names)
        self.assertNotIn("n", names)

    def test_the_same_edit_again_after_a_crash(self):
        self.kill()
        self.edit("--add", self.image, "n")
        shutil.copyfile(self.original, self.image)
        self.kill(sync=interrupt.SWITCH)
        new = harness.digest_of(self.image)
        self.assert_refused(self.instar("--add", self.image, "n"), "bitmap already exists")
        self.assertEqual(harness.digest_of(self.image), new)

    def test_a_refused_edit_recovers_as_well(self):
        self.kill()
        self.assert_refused(self.instar("--remove", self.image, "nosuch"), "bitmap not found",
                            exact=False)
        self.assert_old()
        self.assert_no_journal()

    def test_a_recovery_that_is_killed_is_gone_through_again(self):
        for number in range(1, 30):
            shutil.copyfile(self.original, self.image)
            self.kill()
            log = self.path("check.log")
            result = self.run_program(*faults.prefix(
                self.image, faults.WRITES + ",ftruncate," + faults.SYNCS, number, log,
                "signal=SIGKILL"), harness.INSTAR, "check", self.image)
            killed = result.code != 0
            self.assertEqual(self.check(self.image).code, 0)
            self.assert_old()
            self.assert_no_journal()
            if not killed:
                break
        self.assertGreater(number, 4)
        self.assertFalse(killed)

    def test_a_journal_that_is_mostly_a_hole_is_read_at_once(self):
        self.kill()
        os.truncate(self.journal, 15 << 40)
        self.assertEqual(self.states(self.image), ["undone"])
        with open(self.journal, "wb") as file:
            file.truncate(15 << 40)
        self.assertEqual(self.states(self.image), ["removed"])

    def test_a_journal_that_ended_is_removed(self):
        self.kill()
        shutil.copyfile(self.journal, self.path("hot"))
        self.checks(self.image)
        with open(self.path("hot"), "rb") as file:
            hot = file.read()
        with open(self.journal, "wb") as file:
            file.write(hot[:1024])  # header, no batch
        os.chmod(self.journal, 0o600)
        with self.unchanged(self.image):
            self.assertEqual(self.states("-n", self.image), ["pending-remove"])
            self.assertEqual(self.states(self.image), ["removed"])
        self.assert_no_journal()


class BadInput(CheckCase):
    def test_the_command_line(self):
        for arguments, words in (
                ((), "missing argument FILENAME"), (("--bogus", "x"), "unrecognized option"),
                (("--output", "xml", "x"), "invalid argument 'xml'"),
                (("--journal-dir", "", "x"), "--journal-dir"),
                (("--all", "--discard-journal"), "exclude each other")):
            result = self.check(*arguments)
            self.assertEqual((result.code, result.out), (2, ""), result)
            self.assertIn(words, result.first_line)
            self.assertIn("Try 'instar check --help'", result.err)

    def test_what_is_no_image(self):
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.write(b"\0" * 65536)
        self.fails(63, "not a qcow2 image", raw)
        self.assertEqual(self.qemu(raw).code, 63)
        self.fails(1, "not a qcow2 image", "-f", "qcow2", raw)
        self.assertEqual(self.qemu(raw, "-f", "qcow2").code, 1)
        self.fails(1, "it is a directory", str(self.directory))
        self.fails(1, "No such file", self.path("missing"))
        self.fails(63, "unsupported format 'raw'", "-f", "raw", self.image)
        self.assertEqual(self.qemu(self.image, "-f", "raw").code, 63)
        os.mkfifo(self.path("fifo"))
        self.fails(1, "neither a regular file", self.path("fifo"))

    def test_an_image_in_use_is_left_alone(self):
        self.kill()
        import fcntl
        import struct
        with open(self.image, "rb") as file:
            # qemu's writer: byte 101 and 201 held, as an OFD lock.
            for byte in (101, 201):
                lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
                fcntl.fcntl(file.fileno(), 37, lock)
            with self.unchanged(self.image, self.journal):
                result = self.check(self.image)
            self.assertEqual(result.code, 1)
            self.assertIn('Failed to get shared "write" lock', result.err)
        self.checks(self.image)
        self.assert_old()

    def test_an_image_that_may_only_be_read_can_be_checked(self):
        """By another user, who has no more than /dev/kvm, if that."""
        os.chmod(self.image, 0o444)
        os.chmod(self.directory, 0o755)
        result = self.run_program(
            *self.kvm_for_everybody(), "setpriv", "--reuid=12345", "--regid=12345",
            "--clear-groups", harness.INSTAR, "check", self.image,
            environment=dict(self.environment, INSTAR_STATE_DIR="none"))
        self.assert_checked(result, self.image)
        self.assertEqual(result.code, 0, result)

    def kvm_for_everybody(self):
        """A command's prefix."""
        if os.environ.get("INSTAR_SANDBOX") == "process":
            return ()
        os.mkdir(self.path("dev"))
        device = os.stat("/dev/kvm").st_rdev
        return ("unshare", "-m", "sh", "-c",
                'mount -t tmpfs none dev && mknod -m 666 dev/kvm c "$1" "$2" && '
                'mount --bind dev/kvm /dev/kvm && shift 2 && exec "$@"', "sh",
                str(os.major(device)), str(os.minor(device)))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            for options in ((), ("--output=json",)):
                done = subprocess.run([harness.INSTAR, "check", *options, self.image], stdout=full,
                                      stderr=subprocess.PIPE, env=self.environment, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"cannot write to standard output", done.stderr)


if __name__ == "__main__":
    harness.main()
