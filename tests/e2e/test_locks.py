#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who else uses the image, and a journal that is already there."""

import fcntl
import os
import subprocess
import time

from lib import harness, images, locks
from lib.craft import Craft


class Locks(harness.Case, locks.Holder):
    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def assert_locked_out(self):
        """qemu's two lines, exit 1, nothing written."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.instar("--add", self.image, "n", timeout=30)
        self.assertEqual((result.code, result.out), (1, ""), result)
        self.assertEqual(result.err.splitlines(), [
            'instar bitmap: Failed to get "write" lock',
            f"Is another process using the image [{self.image}]?"])
        self.assertEqual(harness.state_of(self.image), before)
        self.assert_no_journal()

    def test_running_qemu_storage_daemon(self):
        for read_only in ("off", "on"):
            with self.subTest(read_only=read_only):
                daemon = self.hold_by_daemon(self.image, read_only)
                self.assert_locked_out()
                self.ended(daemon)
        self.edit("--remove", self.image, "b")

    def test_running_qemu_io(self):
        process = self.hold("qemu-io", "-f", "qcow2", self.image, ready=b"qemu-io>")
        self.assert_locked_out()
        self.ended(process)
        # The bitmaps are in use now, as after the crash of a machine.
        self.refuses("bitmap is in use / inconsistent (only --remove is allowed)", "--clear",
                     self.image, "a")

    def test_every_lock_byte_of_qemu(self):
        """A lock on any of these says that somebody writes or does not want writers."""
        for byte in (101, 103, 200, 201, 203):
            with open(self.image, "r+b") as file, self.subTest(byte=byte):
                locks.lock(file.fileno(), fcntl.F_RDLCK, byte)
                self.assert_locked_out()

    def test_locks_that_do_not_conflict(self):
        """libvirt's byte 0, and a reader that shares everything."""
        for number, byte in enumerate((0, 100, 102, 202, 5000)):
            with open(self.image, "r+b") as file, self.subTest(byte=byte):
                locks.lock(file.fileno(), fcntl.F_RDLCK, byte)
                self.edit("--add", self.image, f"n{number}")

    def test_the_locks_are_gone_afterwards(self):
        self.edit("--add", self.image, "n")
        with open(self.image, "r+b") as file:
            locks.lock(file.fileno(), fcntl.F_WRLCK, 0, 0)
        images.bitmap(self.image, "--remove", "n")

    def test_of_many_instars_at_once_each_adds_or_is_refused(self):
        processes = [subprocess.Popen(
            [harness.INSTAR, "bitmap", "--add", self.image, f"n{i}"], env=self.environment,
            stderr=subprocess.PIPE) for i in range(12)]
        done, deadline = set(), time.monotonic() + 60
        for i, process in enumerate(processes):
            err = process.communicate(timeout=deadline - time.monotonic())[1]
            if process.returncode == 0:
                done.add(f"n{i}")
            else:
                self.assertEqual(process.returncode, 1, err)
                self.assertIn(b'Failed to get "write" lock', err)
        self.assertTrue(done)
        names = {b[0] for b in self.listed(self.image)}
        self.assertEqual(names, {"a", "b", "c"} | done)
        self.assert_sound(self.image)
        self.assert_no_journal()

    def test_instar_and_qemu_img_at_once(self):
        for i in range(10):
            pair = [subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE)
                    for command in (
                        [harness.INSTAR, "bitmap", "--add", self.image, f"i{i}"],
                        ["qemu-img", "bitmap", "--add", self.image, f"q{i}"])]
            for process in pair:
                process.communicate(timeout=60)
            names = {b[0] for b in self.listed(self.image)}
            self.assertEqual(f"i{i}" in names, pair[0].returncode == 0)
            self.assertEqual(f"q{i}" in names, pair[1].returncode == 0)
            self.assert_sound(self.image)


class Journals(harness.Case):
    """Where the journal lies, and what is no journal of ours (invariant 11)."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        self.journal = self.image + harness.JOURNAL_SUFFIX

    def assert_stopped(self, *options, image=None, code=5):
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.instar(*options, "--add", image or self.image, "n")
        self.assert_refused(result, "journal", exact=False, code=code)
        self.assertEqual(harness.state_of(self.image), before)

    def test_file_that_is_no_journal(self):
        for content in (b"not a journal", b"\0" * 100 + b"x", os.urandom(4096)):
            with open(self.journal, "wb") as file:
                file.write(content)
            self.assert_stopped()
            with open(self.journal, "rb") as file:
                self.assertEqual(file.read(), content)

    def test_journal_that_never_began_is_removed(self):
        for number, content in enumerate((b"", b"\0" * 100, b"instar", b"\0" * 4096)):
            with open(self.journal, "wb") as file:
                file.write(content)
            self.edit("--add", self.image, f"n{number}")

    def test_journal_beside_the_resolved_image(self):
        with open(self.journal, "wb") as file:
            file.write(b"x" * 100)
        os.mkdir(self.path("other"))
        os.symlink(self.image, self.path("other/link.qcow2"))
        self.assert_stopped(image=self.path("other/link.qcow2"))

    def test_journal_that_is_a_link_directory_or_fifo(self):
        victim = self.path("victim")
        with open(victim, "wb") as file:
            file.write(b"precious")
        for make in (lambda: os.symlink(victim, self.journal), lambda: os.mkdir(self.journal),
                     lambda: os.mkfifo(self.journal),
                     lambda: os.symlink(self.path("nowhere"), self.journal)):
            make()
            self.assert_stopped()
            (os.rmdir if os.path.isdir(self.journal) and not os.path.islink(self.journal)
             else os.unlink)(self.journal)
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"precious")
        self.assertFalse(os.path.exists(self.path("nowhere")))

    def test_journal_directory_of_ones_own(self):
        os.mkdir(self.path("journals-here"))
        self.edit("--journal-dir", self.path("journals-here"), "--add", self.image, "n")
        self.assertEqual(os.listdir(self.path("journals-here")), [])
        self.environment["INSTAR_JOURNAL_DIR"] = self.path("journals-here")
        self.edit("--add", self.image, "m")
        self.assert_stopped("--journal-dir", self.path("missing-folder"), code=1)

    def test_no_state_directory(self):
        for value in ("none", "/proc/nowhere/at/all"):
            self.environment["INSTAR_STATE_DIR"] = value
            result = self.instar("--add", self.image, f"n{len(value)}")
            self.assertEqual((result.code, result.out), (0, ""), result)
            if value == "none":
                self.assertEqual(result.err, "")
            else:
                self.assertIn("warning: ", result.err)
        self.assert_sound(self.image)

    def test_damaged_index_is_a_warning_at_most(self):
        """A truncated or garbled LMDB file kills who opens it: that is a child of ours."""
        self.edit("--add", self.image, "first")
        files = [os.path.join(f, n) for f, _, names in os.walk(self.path("state")) for n in names]
        self.assertTrue(files, "no index was written")
        for number, damage in enumerate((b"", b"\xff" * 4096, os.urandom(8192))):
            for name in files:
                with open(name, "wb") as file:
                    file.write(damage)
            started = time.monotonic()
            result = self.instar("--add", self.image, f"n{number}")
            self.assertEqual((result.code, result.out), (0, ""), result)
            self.assertLess(time.monotonic() - started, 5)
        self.assert_sound(self.image)

    def test_image_in_a_folder_that_cannot_be_written(self):
        self.need_root("runs the program as another user")
        with Craft(self.image) as image:
            self.assertEqual(len(image.bitmaps()), 3)
        folder = self.path("closed")
        os.mkdir(folder, 0o755)
        os.rename(self.image, folder + "/disk.qcow2")
        result = self.run_program(
            "unshare", "-m", "sh", "-c",
            'mount --bind "$1/disk.qcow2" "$1/disk.qcow2" && '
            'exec "$0" bitmap --add "$1/disk.qcow2" n', harness.INSTAR, folder)
        self.assertEqual((result.code, result.out), (0, ""), result)
        self.assertEqual(os.listdir(folder), ["disk.qcow2"])
        self.assert_sound(folder + "/disk.qcow2")


if __name__ == "__main__":
    harness.main()
