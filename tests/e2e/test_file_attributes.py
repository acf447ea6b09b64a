#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The image as a file: owner, mode, ACL, links, odd names, block devices."""

import os
import shutil
import stat

from lib import check, harness, images
from lib.qcow2 import FLAG_AUTO, Image

EVERY_ACTION = (("--add", "n"), ("--remove", "a"), ("--clear", "a"), ("--enable", "a"),
                ("--disable", "a"), ("--merge=b", "a"))


class FileAttributes(harness.Case):
    def test_mode_and_inode_stay(self):
        for mode in (0o600, 0o644, 0o660, 0o666):
            path = images.with_bitmaps(self.path("disk.qcow2"))
            os.chmod(path, mode)
            inode = os.stat(path).st_ino
            for action, name in EVERY_ACTION:
                self.succeeds(action, path, name)
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
                self.assertEqual(os.stat(path).st_ino, inode)
                if action == "--remove":
                    self.succeeds("--add", path, name)

    def test_owner_stays(self):
        self.need_root("runs the program as another user")
        path = images.with_bitmaps(self.path("disk.qcow2"))
        os.chown(path, 1234, 4321)
        self.edit("--add", path, "n")
        self.edit("--remove", path, "a")
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (1234, 4321))

    def test_acl_and_extended_attributes_stay(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        if shutil.which("setfacl"):
            images.tool("setfacl", "-m", "u:1234:rw,g:4321:r", path)
        os.setxattr(path, "user.instar-test", b"kept")
        attributes = {n: os.getxattr(path, n) for n in os.listxattr(path)}
        for action, name in (("--add", "n"), ("--disable", "b"), ("--remove", "a")):
            self.edit(action, path, name)
        self.assertEqual({n: os.getxattr(path, n) for n in os.listxattr(path)}, attributes)

    def test_symbolic_link(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        os.mkdir(self.path("elsewhere"))
        link = self.path("elsewhere/link.qcow2")
        os.symlink(path, link)
        self.succeeds("--add", link, "n")
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.entry(path, "n").flags, FLAG_AUTO)

    def test_hard_links(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        os.link(path, self.path("second.qcow2"))
        self.succeeds("--add", path, "n")
        self.assertEqual(self.entry(self.path("second.qcow2"), "n").flags, FLAG_AUTO)
        self.assertEqual(os.stat(path).st_nlink, 2)

    def test_names_of_images(self):
        for name in ("-f", "--add", "a:b", "file:x.qcow2", "json:{}", "nbd:localhost:1",
                     "new\nline", "sp ace", "x" * 240, "\u00fc.qcow2"):
            with self.subTest(name=name):
                path = images.with_bitmaps(self.path("plain.qcow2"))
                os.rename(path, self.path(name))
                self.succeeds("--add", "--", name, "n")
                self.assertEqual(self.entry(self.path(name), "n").flags, FLAG_AUTO)

    def test_block_device(self):
        self.need_root("opens a loop device")
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with Image(path) as image:
            os.truncate(path, (image.file_clusters + 20) * image.cluster_size)
        device = images.tool("losetup", "--find", "--show", path).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        for action, name in EVERY_ACTION + (("--add", "m"), ("--remove", "n")):
            if action != "--remove":
                self.succeeds(action, device, name if name != "a" else "c")
        self.succeeds("--remove", device, "a")
        images.tool("blockdev", "--flushbufs", device)
        done = self.run_program("qemu-img", "check", "-q", device)
        self.assertEqual(done.code, 0, done)
        with Image(device) as image:
            report = check.check(image)
            self.assertEqual((report.corruptions, report.leaks), ([], []))
            self.assertEqual(image.bitmap_names(), ["b", "c", "n", "m"])


if __name__ == "__main__":
    harness.main()
