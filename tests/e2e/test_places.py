#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Crashed wherever an image may lie, and recovered: by `instar check`, and by `instar bitmap`.

The journal lies beside the image where that will do, else in the state directory, and is
found again under another name, without the option that placed it, and after a mount under
another device number.
"""

import os
import shutil
import subprocess

from lib import crashes, disks, faults, harness, images
from lib.edits import NEW, OLD, EditCase


class Places(EditCase):
    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def recovers(self, beside, seen_as=None, cut=crashes.IN_THE_BUILD):
        """Crash, check: the old image.  Crash, the same edit again: the new one.  `beside`: where
        the journal must lie.  `seen_as`: another path of the image, that the commands get."""
        image = seen_as or self.image
        for command, end in ((("check", "-q", image), OLD), (("bitmap", "--add", image, "n"), NEW)):
            with self.subTest(command=command):
                crash = crashes.Crash(self, cut)
                self.assert_lies(crash.journal, beside)
                self.assertNotEqual(harness.digest_of(self.image), self.old_digest())
                done = self.run_program(harness.INSTAR, *command)
                self.assertEqual((done.code, done.out, done.err), (0, "", ""))
                self.assertEqual((self.see().what, self.journals()), (end, []))

    def old_digest(self):
        return next(digest for digest, seen in self.seen.items() if seen.what == OLD)

    def assert_lies(self, journal, beside):
        folder = os.path.dirname(os.path.realpath(self.image)) if beside else \
            self.path("state/journals")
        self.assertEqual(os.path.dirname(journal), folder)

    # ---- names ----

    def test_symbolic_links(self):
        """To the file, and to its folder: the journal lies beside the file itself."""
        os.mkdir(self.path("real"))
        os.symlink(self.path("real/disk.qcow2"), self.path("link.qcow2"))
        os.symlink(self.path("real"), self.path("folder"))
        self.prepare("add", image=self.path("real/disk.qcow2"))
        for made, seen in (("link.qcow2", "real/disk.qcow2"), ("real/disk.qcow2", "link.qcow2"),
                           ("folder/disk.qcow2", "link.qcow2")):
            self.command = ("--add", self.path(made), "n")
            self.recovers(True, self.path(seen))
        self.assertEqual(os.listdir(self.path("real")), ["disk.qcow2"])

    def test_hard_links(self):
        """Either name leads to the journal, which lies beside neither."""
        os.mkdir(self.path("there"))
        with open(self.path("disk.qcow2"), "wb"):
            os.link(self.path("disk.qcow2"), self.path("there/other.qcow2"))
        self.prepare("add")
        self.recovers(False, self.path("there/other.qcow2"))
        self.recovers(False)

    def test_link_made_after_the_crash(self):
        """The journal lies beside the first name; the second one is not enough to find it, the
        index is."""
        self.prepare("add")
        for seen in ("second.qcow2", "disk.qcow2"):
            crashes.Crash(self, crashes.IN_THE_BUILD)
            os.link(self.image, self.path("second.qcow2"))
            done = self.run_program(harness.INSTAR, "check", "-q", self.path(seen))
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertEqual((self.see().what, self.journals()), (OLD, []))
            os.unlink(self.path("second.qcow2"))

    def test_name_of_250_bytes(self):
        self.prepare("add", image=self.path("x" * 250))
        self.recovers(False)

    def test_odd_names(self):
        for name in ("new\nline", "sp ace", "-n", "\u00fc.qcow2", "a:b"):
            self.prepare("add", image=self.path(name))
            self.recovers(True)

    def test_renamed_after_the_crash_with_its_journal(self):
        """A folder that was moved."""
        os.mkdir(self.path("before"))
        self.prepare("add", image=self.path("before/disk.qcow2"))
        crashes.Crash(self, crashes.IN_THE_BUILD)
        os.rename(self.path("before"), self.path("after"))
        self.image = self.path("after/disk.qcow2")
        self.assertEqual(self.run_program(harness.INSTAR, "check", "-q", self.image).code, 0)
        self.assertEqual((self.see().what, self.journals()), (OLD, []))

    def test_renamed_after_the_crash_without_its_journal(self):
        """The index leads to the journal, which knows the file by its identity."""
        self.prepare("add")
        crashes.Crash(self, crashes.IN_THE_BUILD)
        moved = self.path("moved.qcow2")
        os.rename(self.image, moved)
        self.image = moved
        done = self.run_program(harness.INSTAR, "check", "-q", moved)
        self.assertEqual((done.code, done.err), (0, ""))
        self.assertEqual((self.see().what, self.journals()), (OLD, []))

    # ---- folders ----

    def test_sticky_folder(self):
        os.mkdir(self.path("sticky"))
        os.chmod(self.path("sticky"), 0o1777)
        self.prepare("add", image=self.path("sticky/disk.qcow2"))
        self.recovers(False)

    def test_folder_that_cannot_be_written(self):
        """By root without the capability that makes modes void for it."""
        os.mkdir(self.path("closed"))
        self.image = self.path("closed/disk.qcow2")
        self.prepare("add", image=self.image)
        os.chown(self.path("closed"), 1234, 1234)
        os.chmod(self.path("closed"), 0o755)
        plain = self.run_program
        bound = ("setpriv", "--bounding-set=-dac_override,-dac_read_search",
                 "--inh-caps=-dac_override,-dac_read_search")
        self.run_program = lambda *command, **options: plain(*bound, *command, **options)
        self.recovers(False)
        self.assertEqual(os.listdir(self.path("closed")), ["disk.qcow2"])

    def test_file_mounted_over_another(self):
        """A container's volume: the folder is another mount than the file."""
        self.prepare("add")
        images.tool("mount", "--bind", self.image, self.image)
        self.addCleanup(subprocess.run, ["umount", "-l", self.image], check=True)
        self.recovers(False)

    # ---- journals that were placed ----

    def placed(self, *options, **variables):
        os.makedirs(self.path("placed"), exist_ok=True)
        self.environment.update(variables)
        self.prepare("add", *options)
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        self.assertEqual(os.path.dirname(crash.journal), self.path("placed"))
        for name in variables:
            del self.environment[name]
        return crash

    def test_placed_by_an_option_and_found_by_the_index(self):
        for how in ({}, {"INSTAR_JOURNAL_DIR": self.path("placed")}):
            options = () if how else ("--journal-dir", self.path("placed"))
            for command, end in ((("check", "-q"), OLD), (("bitmap", "--add"), NEW)):
                with self.subTest(how=how, command=command):
                    self.placed(*options, **how)
                    done = self.run_program(harness.INSTAR, *command, self.image,
                                            *(("n",) if end == NEW else ()))
                    self.assertEqual((done.code, done.out, done.err), (0, "", ""))
                    self.assertEqual((self.see().what, self.journals()), (end, []))

    def test_placed_by_an_option_and_found_by_it(self):
        """The index is lost."""
        crash = self.placed("--journal-dir", self.path("placed"))
        for command, end in ((("check", "-q"), OLD), (("bitmap", "--add"), NEW)):
            crash.restore()
            shutil.rmtree(self.path("state"), ignore_errors=True)
            done = self.run_program(harness.INSTAR, *command, "--journal-dir", self.path("placed"),
                                    self.image, *(("n",) if end == NEW else ()))
            self.assertEqual((done.code, done.out, done.err), (0, "", ""))
            self.assertEqual((self.see().what, self.journals()), (end, []))

    # ---- file systems and devices ----

    def test_tmpfs(self):
        disk = disks.tmpfs(self, "8M")
        self.prepare("add", image=disk.path("disk.qcow2"))
        self.recovers(True)

    def test_block_device(self):
        with open(self.path("device.raw"), "wb") as file:
            file.truncate(8 << 20)
        device = images.tool("losetup", "--find", "--show", self.path("device.raw")).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        for name in ("add", "remove"):
            self.prepare(name, image=device)
            crashes.Crash(self, crashes.IN_THE_BUILD)
            self.assertEqual(len(os.listdir(self.path("state/journals"))), 1)
            done = self.run_program(harness.INSTAR, "check", "-q", device)
            self.assertEqual((done.code, done.err), (0, ""))
            self.assertEqual((self.see().what, self.journals()), (OLD, []))
            crashes.Crash(self, crashes.IN_THE_BUILD)
            self.succeeds(*self.command)
            self.assertEqual(self.see().what, NEW)

    def test_block_device_under_another_name(self):
        """The same file behind another loop device: the number is not what counts."""
        with open(self.path("device.raw"), "wb") as file:
            file.truncate(8 << 20)
        first = self.loop_device(self.path("device.raw"))
        self.prepare("add", image=first)
        crashes.Crash(self, crashes.IN_THE_BUILD)
        images.tool("losetup", "-d", first)
        keeper = self.loop_device(self.path("device.raw"))  # may get the number again
        second = self.loop_device(self.path("device.raw"))
        images.tool("losetup", "-d", keeper)
        self.assertNotEqual(first, second)
        self.image = second
        self.assertEqual(self.run_program(harness.INSTAR, "check", "-q", second).code, 0)
        self.assertEqual((self.see().what, self.journals()), (OLD, []))

    def loop_device(self, path):
        device = images.tool("losetup", "--find", "--show", path).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        return device

    def remounted(self, file_system, before, name, links=()):
        """Crash an edit on the file system, then mount it elsewhere from another device."""
        images.tool("mount", before, self.mount_point("before"))
        self.prepare("add", image=self.path(f"before/{name}"))
        for link in links:
            os.link(self.image, self.path(f"before/{link}"))
        crashes.Crash(self, crashes.IN_THE_BUILD)
        number = os.stat(self.image).st_dev
        images.tool("umount", self.path("before"))
        after = self.loop_device(file_system)
        self.assertNotEqual(before, after)
        images.tool("mount", after, self.mount_point("after"))
        self.image = self.path(f"after/{name}")
        self.assertNotEqual(os.stat(self.image).st_dev, number)

    def mount_point(self, name):
        where = self.path(name)
        os.makedirs(where, exist_ok=True)
        self.addCleanup(subprocess.run, ["umount", "-q", "-l", where], check=False)
        return where

    def test_mounted_under_another_device_number(self):
        """With the journal beside the image, and with the journal in the state directory."""
        for links in ((), ("second.qcow2",)):
            for command, end in ((("check", "-q"), OLD), (("bitmap", "--add"), NEW)):
                with self.subTest(links=links, command=command):
                    file_system = disks.make_ext4(self, 16 << 20)
                    before = self.loop_device(file_system)
                    self.remounted(file_system, before, "disk.qcow2", links)
                    done = self.run_program(harness.INSTAR, *command, self.image,
                                            *(("n",) if end == NEW else ()))
                    self.assertEqual((done.code, done.out, done.err), (0, "", ""))
                    self.assertEqual((self.see().what, self.journals()), (end, []))
                    images.tool("umount", self.path("after"))
                    images.tool("losetup", "-d", before)


if __name__ == "__main__":
    harness.main()
