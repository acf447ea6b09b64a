#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar resize`: what it does, what it refuses, and how it ends when it is cut short."""

import json
import os
import shutil

from lib import check, faults, harness, images, locks, walk
from lib.craft import Craft
from lib.qcow2 import Image

BITMAPS = ("refusing to resize an image with persistent dirty bitmaps (would discard them); "
           "remove the bitmaps first with `instar bitmap --remove` or qemu-img")
SHRINK = "Use the --shrink option to perform a shrink operation."
M, G = 1 << 20, 1 << 30


class Resize(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")

    def make(self, size="4M", **options):
        images.create(self.image, size, **options)
        return self.image

    def filled(self, **options):
        """1 MiB of data at the beginning, and at 2 MiB and 3 MiB."""
        self.make(**options)
        images.write(self.image, "write -P 1 0 1M", "write -P 2 2M 64k", "write -P 3 3M 64k")

    def resize(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "resize", *arguments, **options)

    def resizes(self, *arguments, size, out="Image resized.\n"):
        """It succeeds, and the image is sound."""
        result = self.resize(*arguments)
        self.assertEqual((result.code, result.out, result.err), (0, out, ""), arguments)
        self.assert_no_journal()
        with Image(self.image) as opened:
            self.assertEqual(opened.virtual_size, size)
        self.assert_sound(self.image)
        return result

    def refused(self, message, *arguments, hint=False):
        """One line, at most a hint, and the image is not touched."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.resize(*arguments)
        self.assertEqual((result.code, result.out), (1, ""), result)
        lines = result.err.splitlines()
        self.assertEqual(lines[0], f"instar resize: {message}")
        self.assertEqual(len(lines), 2 if hint else 1, result)
        self.assertEqual(harness.state_of(self.image), before)
        self.assert_no_journal()

    def reads(self, *commands, image=None):
        words = [word for command in commands for word in ("-c", command)]
        done = self.run_program("qemu-io", "-r", *words, image or images.alone(self.image))
        self.assertEqual((done.code, "verification failed" in done.out), (0, False), done)


class Sizes(Resize):
    def test_absolute_and_relative(self):
        self.make()
        for text, size in (("5M", 5 * M), ("+1M", 6 * M), ("0x700000", 7 * M), ("7.5m", 15 * M // 2),
                           ("+512", 15 * M // 2 + 512), ("1G", G), ("1T", 1 << 40)):
            with self.subTest(text=text):
                self.resizes(self.image, text, size=size)
        self.resizes("--shrink", self.image, "-1023G", size=G)
        self.resizes(self.image, "1M", "--shrink", size=M)

    def test_what_is_printed(self):
        self.make()
        self.resizes("-q", self.image, "+1M", size=5 * M, out="")
        result = self.resize("--output", "json", "-f", "qcow2", self.image, "6M")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(json.loads(result.out), {"old-size": 5 * M, "new-size": 6 * M})

    def test_the_same_size_writes_nothing(self):
        self.make()
        harness.age(self.image)
        before = harness.state_of(self.image)
        self.resizes(self.image, "4M", size=4 * M)
        self.resizes("--shrink", self.image, "-0", size=4 * M)
        self.assertEqual(harness.state_of(self.image), before)

    def test_what_is_no_size(self):
        self.make()
        number = "Parameter 'size' expects a non-negative number below 2^64"
        for text in ("", "+", "x", "1x", "16E", "1.5", "++1"):
            self.refused(number, self.image, text, hint=True)
        positive = "New image size must be positive"
        for text in ("0", "9E", "+9E", "-4M", "-5M"):
            self.refused(positive, "--shrink", self.image, text)
        self.refused("The new size must be a multiple of 512", self.image, "+1")
        self.refused("Failed to grow the L1 table: File too large", self.image, "1E")
        self.refused(SHRINK, self.image, "1M", hint=True)
        self.refused(SHRINK, self.image, "-512", hint=True)

    def test_command_lines_that_cannot_be_parsed(self):
        self.make()
        for words in ((), (self.image,), (self.image, "1G", "2G"), (self.image, "1G", "-1G"),
                      ("-1G", self.image), ("--bogus", self.image, "1G"),
                      ("--output", "xml", self.image, "1G")):
            result = self.resize(*words)
            self.assertEqual((result.code, result.out), (2, ""), words)
            self.assertIn("Try 'instar resize --help'", result.err)


class Grow(Resize):
    def test_in_place_eight_bytes_change(self):
        self.make("4M")
        with open(self.image, "rb") as file:
            before = file.read()
        self.resizes(self.image, "500M", size=500 * M)
        with open(self.image, "rb") as file:
            after = file.read()
        changed = [i for i, (a, b) in enumerate(zip(before, after)) if a != b]
        self.assertEqual(len(before), len(after))
        self.assertTrue(set(changed) <= set(range(24, 32)), changed)

    def test_a_larger_l1_table_takes_the_old_one_s_place(self):
        for cluster in (512, 4096):
            self.filled(cluster=cluster)
            with Image(self.image) as opened:
                old, data = opened.l1_offset, walk.mapping(opened, opened.l1_offset, opened.l1_size)
                data = list(data)
            self.resizes(self.image, "2G" if cluster == 4096 else "64M",
                         size=2 * G if cluster == 4096 else 64 * M)
            with Image(self.image) as opened:
                self.assertNotEqual(opened.l1_offset, old)
                self.assertEqual(opened.refcount(old // cluster), 0)
                found = list(walk.mapping(opened, opened.l1_offset, opened.l1_size))
                self.assertEqual(found, data)
            self.reads("read -P 1 0 1M", "read -P 2 2M 64k", "read -P 3 3M 64k", "read -P 0 4M 8M")

    def test_a_backing_file_that_is_longer_does_not_show(self):
        base = images.create(self.path("base.qcow2"), "64M")
        images.write(base, "write -P 9 0 64M")
        for options in ({"cluster": 512}, {"cluster": 65536},
                        {"cluster": 65536, "options": "extended_l2=on"}):
            self.make("1M", backing="base.qcow2", **options)
            self.resizes(self.image, "32M", size=32 * M)
            self.reads("read -P 9 0 1M", "read -P 0 1M 31M", image=self.image)

    def test_with_snapshots_of_version_3(self):
        self.filled(cluster=512)
        images.snapshot(self.image, "before")
        self.resizes(self.image, "64M", size=64 * M)
        images.tool("qemu-img", "snapshot", "-a", "before", self.image)
        self.reads("read -P 1 0 1M", "read -P 2 2M 64k")
        self.assert_sound(self.image)


class Shrink(Resize):
    def test_what_is_cut_off_is_given_back_and_never_comes_again(self):
        for cluster in harness.CLUSTER_SIZES:
            with self.subTest(cluster=cluster):
                self.filled(cluster=cluster)
                self.resizes("--shrink", self.image, "2M", size=2 * M)
                with Image(self.image) as opened:
                    size = cluster * len(list(walk.mapping(opened, opened.l1_offset,
                                                           opened.l1_size)))
                self.assertLessEqual(size, 2 * M)
                self.resizes(self.image, "4M", size=4 * M)
                self.reads("read -P 1 0 1M", "read -P 0 1M 3M")

    def test_the_rest_of_the_last_cluster_stays_as_with_qemu_img(self):
        self.filled(cluster=65536)
        self.resizes("--shrink", self.image, str(M - 512), size=M - 512)
        self.resizes(self.image, "1M", size=M)
        self.reads("read -P 1 0 1M")

    def test_compressed_data_that_shares_clusters(self):
        self.make("4M", cluster=65536)
        writes = [f"write -c -P {i + 1} {i * 65536} 65536" for i in range(16)]
        images.write(self.image, *writes)
        self.resizes("--shrink", self.image, "448k", size=448 << 10)
        self.reads(*(f"read -P {i + 1} {i * 65536} 65536" for i in range(7)))

    def test_the_file_becomes_smaller(self):
        self.filled(cluster=65536)
        used = os.stat(self.image).st_blocks
        self.resizes("--shrink", self.image, "64k", size=65536)
        self.assertLess(os.stat(self.image).st_blocks, used - (M // 512))

    def test_a_cluster_that_something_else_uses_is_left_leaked(self):
        """Two L2 entries name one cluster: that image is damaged, and no more is lost."""
        self.filled(cluster=65536)
        with Craft(self.image) as image:
            mapped = {index: entry for index, entry, _ in
                      walk.mapping(image, image.l1_offset, image.l1_size)}
            table = walk.read_u64s(image, image.l1_offset, 1)[0] & walk.OFFSET_MASK
            image.put("Q", table + 8 * 48, mapped[0])
        result = self.resize("--shrink", self.image, "2M")
        self.assertEqual((result.code, result.out), (0, "Image resized.\n"))
        self.assertIn("left leaked", result.err)
        self.reads("read -P 1 0 1M")


class Refusals(Resize):
    def test_images_with_bitmaps(self):
        images.with_bitmaps(self.image)
        self.refused(BITMAPS, self.image, "+1G")
        self.refused(BITMAPS, "--shrink", self.image, "1M")
        with Craft(self.image) as image:
            image.clear_autoclear()
        self.refused(BITMAPS, self.image, "+1G")

    def test_the_bitmaps_extension_alone(self):
        self.make()
        with Craft(self.image) as image:
            image.add_record(0x23852875, bytes(24))
        self.refused(BITMAPS, self.image, "+1G")

    def test_what_qemu_img_refuses(self):
        self.make(options="compat=0.10")
        images.snapshot(self.image, "before")
        self.refused("Can't resize a v2 image which has snapshots", self.image, "+1G")

    def test_what_instar_refuses_beyond(self):
        self.make(options=f"data_file={self.path('data')}")
        self.refused("the image has an external data file, which would have to be resized, too, "
                     "and instar opens no file that an image names: use qemu-img",
                     self.image, "+1G")
        self.filled()
        images.snapshot(self.image, "before")
        self.refused("internal snapshots may share what would be cut off or replaced: delete them "
                     "first, or use qemu-img", "--shrink", self.image, "1M")
        self.make(options="refcount_bits=8")
        self.refused("unsupported refcount width (only 16-bit refcounts are supported)",
                     self.image, "+1G", hint=True)

    def test_images_whose_backing_file_would_show(self):
        self.make(backing="nosuch", options="compat=0.10")
        self.refused("the backing file may be longer than the image and would show in the new "
                     "area; a v2 image cannot hide it: upgrade it first (qemu-img amend -o "
                     "compat=1.1)", self.image, "+1G")
        self.make(f"{M + 512}", backing="nosuch")
        self.refused("the image ends inside a cluster, in the rest of which its backing file would "
                     "show: use qemu-img", self.image, "+1G")
        self.make(backing="nosuch")
        self.refused("the backing file would show in the new area, which is too large to be marked "
                     "as zeros: grow in several steps", self.image, "+9T")

    def test_other_states(self):
        for change, message in ((lambda i: i.set_incompatible(1), "the image was not closed "
                                 "cleanly (dirty bit): its refcounts may be wrong"),
                                (lambda i: i.set_incompatible(2),
                                 "the image is marked as corrupt (corrupt bit)")):
            self.make()
            with Craft(self.image) as image:
                change(image)
            self.refused(message, self.image, "+1G", hint=True)
        self.refused("unsupported format 'raw': only qcow2 is supported", "-f", "raw", self.image,
                     "+1G")

    def test_damaged_tables(self):
        for where in ("l1", "l2"):
            self.filled(cluster=4096)
            with Craft(self.image) as image:
                table = walk.read_u64s(image, image.l1_offset, 2)[1] & walk.OFFSET_MASK
                image.put("Q", image.l1_offset + 8 if where == "l1" else table, 0x1234 << 9 | 2)
            self.refused("an entry of an L1 or L2 table is damaged: see the damage with instar "
                         "check, and repair it first", "--shrink", self.image, "1M")

    def test_an_image_in_use(self):
        self.make()
        with locks.locked(self.image, 100 + 1):  # what a writer holds
            self.refused('Failed to get "write" lock', self.image, "+1G", hint=True)

    def test_no_image(self):
        with open(self.image, "wb") as file:
            file.write(bytes(1 << 16))
        self.refused("not a qcow2 image", self.image, "1G")


EDITS = {  # name: (how the image is made, what is asked for)
    "in place": ({"cluster": 65536}, ("+1M",)),
    "moved": ({"cluster": 512}, ("+4M",)),
    "shrink": ({"cluster": 4096}, ("--shrink", "1M")),
    "version 2": ({"cluster": 512, "options": "compat=0.10"}, ("--shrink", "1M")),
}


class CutShort(Resize):
    """Killed, interrupted, or out of luck at every write and sync: the old image to the byte,
    or the complete new one."""

    CALLS = ("pwrite64", "fdatasync", "ftruncate", "fallocate", "unlinkat")
    MOST = 40

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def look(self):
        with Image(self.image) as opened:
            report = check.check(opened)
            self.assertEqual(report.corruptions, [])
            return opened.virtual_size, walk.guest_fingerprint(opened), bool(report.leaks)

    def every_call(self, fault, end):
        for name, (options, words) in EDITS.items():
            self.filled(**options)
            shutil.copyfile(self.image, self.path("original"))
            old = self.look()
            self.assertEqual(self.resize(self.image, *words).code, 0)
            ends, new = set(), self.look()
            for call in self.CALLS:
                for number in range(1, self.MOST):
                    shutil.copyfile(self.path("original"), self.image)
                    injection = faults.Injection(call, fault, number)
                    log = self.path("strace.log")
                    with self.subTest(edit=name, call=call, number=number):
                        result = self.run_program(*injection.prefix(log), harness.INSTAR, "resize",
                                                  self.image, *words)
                        ends.add(end(result, old, new))
                    if not injection.met(log):
                        break
            # Eight bytes are written before a signal is asked for.
            self.assertLessEqual({"new"} if name == "in place" else {"old", "new"}, ends, name)

    def recovered(self, old, new):
        """What `instar check` leaves: its name."""
        self.run_program(harness.INSTAR, "check", "-q", self.image)
        self.assert_no_journal()
        seen = self.look()
        if seen == old:
            self.assertEqual(harness.digest_of(self.image),
                             harness.digest_of(self.path("original")))
            return "old"
        self.assertEqual(seen[:2], new[:2])
        return "new"

    def test_killed(self):
        self.every_call("signal=SIGKILL", lambda _, old, new: self.recovered(old, new))

    def test_interrupted(self):
        def end(result, old, new):
            name = self.recovered(old, new)
            self.assertIn(result.code, (0, 130, -2), result)
            self.assertEqual(name, "old" if result.code else "new", result)
            return name
        self.every_call("signal=SIGINT", end)

    def test_failing_calls(self):
        def end(result, old, new):
            name = self.recovered(old, new)
            self.assertIn(result.code, (0, 1), result)
            self.assertTrue(name == "new" or result.code, result)
            return name
        self.every_call("error=EIO", end)


if __name__ == "__main__":
    harness.main()
