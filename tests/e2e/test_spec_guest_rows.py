#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every row of the specification's guest-side table of refusals, in its order.

Rows that no command line reaches are provoked by a raw request run through the
real guest program (harness.Case.driver); reads and writes fail by injected errors.
"""

import os
import shutil
import struct
import unittest

from lib import faults, harness, images
from lib.craft import Craft
from lib.qcow2 import Image

HEADER = "the image header could not be parsed"
CHANGED = ("the image's header changed between the host's pre-probe and the guest's read, or a "
           "guest write failed; retry, or run `instar check` if the image may be corrupt")
IN_USE = "bitmap is in use / inconsistent (only --remove is allowed)"
NO_SPACE = "no free clusters to allocate the bitmap"
SCRATCH = "the image is too large for the bitmap scratch buffer"
OVERFLOW = "internal size or offset computation overflowed (host or guest bug)"


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


class GuestRows(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def patched(self, offset, data):
        """A copy of the image with some bytes changed."""
        copy = self.path("patched.qcow2")
        shutil.copyfile(self.image, copy)
        with open(copy, "r+b") as file:
            file.seek(offset)
            file.write(data)
        return copy

    def drives(self, message, image, *settings):
        self.refuses(message, image, *settings, image=image, run=self.driver)

    def test_unsupported_format(self):
        for magic in (b"QFI\xfa", b"\0\0\0\0", b"KDMV"):
            self.drives("not a qcow2 image", self.patched(0, magic), "action=1", "target=n")

    def test_qcow2_v2_image(self):
        old = images.create(self.path("old.qcow2"), options="compat=0.10")
        message = "cannot store dirty bitmaps in a qcow2 v2 image"
        for action in ("--add", "--remove", "--clear", "--enable", "--disable", "--merge=a"):
            self.refuses(message, action, old, "n")

    def test_header_parse_failure(self):
        huge = 1 << 62
        for what, offset, data in (
                ("version 0", 4, u32(0)), ("version 1", 4, u32(1)), ("version 4", 4, u32(4)),
                ("cluster_bits 8", 20, u32(8)), ("cluster_bits 22", 20, u32(22)),
                ("cluster_bits 2^32-1", 20, u32(0xFFFFFFFF)),
                ("header_length 0", 100, u32(0)), ("header_length 96", 100, u32(96)),
                ("header_length unaligned", 100, u32(113)),
                ("header_length over a cluster", 100, u32(65544)),
                ("refcount_order 7", 96, u32(7)), ("refcount_order huge", 96, u32(0x80000000)),
                ("refcount table unaligned", 48, u64(65537)),
                ("refcount table at 0", 48, u64(0)), ("refcount table far away", 48, u64(huge)),
                ("refcount table wraps", 48, u64(0xFFFFFFFFFFFF0000)),
                ("no refcount table clusters", 56, u32(0)),
                ("refcount table too large", 56, u32(0xFFFFFFFF)),
                ("L1 unaligned", 40, u64(196609)), ("L1 far away", 40, u64(huge)),
                ("L1 too large", 36, u32(0xFFFFFFFF)),
                ("backing name behind the cluster", 8, u64(65530) + u32(100)),
                ("backing name too long", 8, u64(1024) + u32(1024)),
                ("backing name far away", 8, u64(huge) + u32(10)),
                ("snapshots unaligned", 60, u32(1) + u64(12345)),
                ("snapshots far away", 60, u32(1) + u64(huge)),
                ("virtual size 2^64-1", 24, u64(0xFFFFFFFFFFFFFFFF))):
            with self.subTest(what=what):
                image = self.patched(offset, data)
                self.refuses(HEADER, "--add", image, "n")
                self.refuses(HEADER, "--remove", image, "a")

    def test_header_parse_failure_of_a_cut_header(self):
        cut = self.path("cut.qcow2")
        for length in (4, 8, 71, 72, 100, 103):
            with self.subTest(length=length):
                shutil.copyfile(self.image, cut)
                os.truncate(cut, length)
                self.refuses(HEADER, "--add", cut, "n")

    def test_header_changed(self):
        self.drives(CHANGED, self.image, "action=1", "target=n", "header_fingerprint=bad")

    def test_bitmap_not_found(self):
        for action in ("--remove", "--clear", "--enable", "--disable", "--merge=a"):
            with self.subTest(action=action):
                self.refuses("bitmap not found", action, self.image, "nope")
        empty = images.create(self.path("empty.qcow2"))
        for action in ("--remove", "--clear", "--enable", "--disable", "--merge=a"):
            self.refuses("bitmap not found", action, empty, "a")

    def test_bitmap_not_found_after_an_earlier_action(self):
        """The whole invocation is refused, its first half included."""
        self.refuses("bitmap not found", "--remove", "--clear", self.image, "a")
        self.refuses("bitmap not found", "--disable", "--remove", "--remove", self.image, "a")

    def test_names_are_compared_as_bytes(self):
        for name in ("A", "aa", "a ", " a", "a\n", "\u0430"):
            self.refuses("bitmap not found", "--remove", self.image, name)

    def test_bitmap_already_exists(self):
        self.refuses("bitmap already exists", "--add", self.image, "b")
        self.refuses("bitmap already exists", "--add", "--add", self.image, "n")
        self.refuses("bitmap already exists", "--enable", "--add", self.image, "a")

    def test_bitmap_already_exists_though_in_use(self):
        with Craft(self.image) as image:
            image.set_entry("b", flags=1)
        self.refuses("bitmap already exists", "--add", self.image, "b")

    def test_bitmap_in_use(self):
        for flags in (1, 3):
            with Craft(self.image) as image:
                image.set_entry("b", flags=flags)
            for action in ("--clear", "--enable", "--disable", "--merge=a", "--merge=b"):
                with self.subTest(action=action, flags=flags):
                    self.refuses(IN_USE, action, self.image, "b")
            self.refuses(IN_USE, "--clear", "--remove", self.image, "b")

    def test_bitmap_in_use_as_a_merge_source(self):
        with Craft(self.image) as image:
            image.set_entry("b", flags=1)
        self.refuses(IN_USE, "--merge", "b", self.image, "a")
        self.refuses(IN_USE, "--merge", "c", "--merge", "b", self.image, "a")

    def test_bitmap_in_use_may_be_removed(self):
        with Craft(self.image) as image:
            image.set_entry("b", flags=3)
        before = self.bystanders(self.image, "b")
        self.edit("--remove", self.image, "b")
        self.assertEqual(self.bystanders(self.image), before)

    def test_name_too_long(self):
        for length in (1024, 1025, 0xFFFFFFFF):
            with self.subTest(length=length):
                self.drives("bitmap name is too long", self.image, "action=1",
                            "target=" + "x" * 1023, f"target_length={length}")

    def test_granularity_out_of_range(self):
        message = "granularity is out of range (must be a power of two between 512 and 2G)"
        for value in (1, 3, 256, 511, 513, 65537, 1 << 32, 1 << 40, (1 << 32) + 512, 1 << 63,
                      (1 << 64) - 1):
            with self.subTest(value=value):
                self.drives(message, self.image, "action=1", "target=n", f"granularity={value}")

    def test_too_many_bitmaps(self):
        self.image = crowded_image(self.path("crowd.qcow2"), 65535)
        self.refuses("too many bitmaps in the image", "--add", self.image, "n")
        self.succeeds("--remove", self.image, "b00007")
        self.succeeds("--add", self.image, "n")
        # qemu-img check would take a minute here.
        self.assert_sound(self.image, qemu=False)
        self.refuses("too many bitmaps in the image", "--add", self.image, "m")

    def test_no_space_in_the_header_cluster(self):
        """No room for the extension (and, beside a backing file's name, for the name's
        second copy)."""
        for length in (361, 370, 392):
            with self.subTest(length=length):
                tight = images.create(self.path(f"tight{length}.qcow2"), cluster=512,
                                      backing="x" * length, backing_format=None)
                self.refuses(NO_SPACE, "--add", tight, "n")

    def test_no_space_on_a_full_block_device(self):
        self.need_root("opens a loop device")
        image = images.create(self.path("full.qcow2"), "1M", cluster=4096)
        with Image(image) as opened:
            clusters = opened.file_clusters
        os.truncate(image, clusters * 4096)
        device = images.tool("losetup", "--find", "--show", image).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        before = harness.digest_of(image)
        self.assert_refused(self.instar("--add", device, "n"), NO_SPACE)
        self.assertEqual(harness.digest_of(image), before)

    def test_scratch_too_small(self):
        """A bitmap of more than 512 MiB is beyond the format's reader and ours."""
        image = images.create(self.path("large.qcow2"), "4T")
        self.refuses(SCRATCH, "--add", "-g", "512", image, "n")
        self.edit("--add", "-g", "1k", image, "n")
        image = images.create(self.path("larger.qcow2"), str((2 << 40) + 512))
        self.refuses(SCRATCH, "--add", "-g", "512", image, "n")

    def test_internal_overflow(self):
        for size in ((1 << 64) - 1, (1 << 64) - 512):
            with self.subTest(size=size):
                self.drives(OVERFLOW, self.image, "action=1", "target=n", f"file_size={size}")

    def test_merge_source_not_found(self):
        message = "merge source bitmap not found"
        self.refuses(message, "--merge", "nope", self.image, "a")
        self.refuses(message, "--merge", "b", "--merge", "nope", "--merge", "c", self.image, "a")

    def test_unsupported_action(self):
        for action in (0, 7, 9, 255, 0xFFFFFFFF):
            with self.subTest(action=action):
                self.drives("unsupported bitmap action", self.image, f"action={action}",
                            "target=n")
        self.drives("unsupported bitmap action", self.image, "action=5", "action=9", "target=a")

    def test_unsupported_refcount_width(self):
        message = "unsupported refcount width (only 16-bit refcounts are supported)"
        for bits in (1, 2, 4, 8, 32, 64):
            with self.subTest(bits=bits):
                image = images.create(self.path(f"r{bits}.qcow2"), options=f"refcount_bits={bits}")
                images.bitmap(image, "--add", "a")
                for action in ("--add", "--remove", "--clear", "--disable", "--merge=a"):
                    self.refuses(message, action, image, "n" if action == "--add" else "a")

    def test_incompatible_merge(self):
        with Craft(self.image) as image:
            image.add_bitmap("fine", 4096)
        message = "bitmaps have incompatible granularity for merge"
        self.refuses(message, "--merge", "fine", self.image, "a")
        self.refuses(message, "--merge", "a", self.image, "fine")
        self.refuses(message, "--merge", "b", "--merge", "fine", self.image, "a")


@unittest.skipUnless(faults.available(), "strace is not installed")
class Faults(harness.Case):
    """The rows of failing reads and writes: the n-th system call on the image fails, for
    every n until a run passes.

    A failure behind the switch, in the release, is no failure of the edit."""

    COMMANDS = (("--add", "n"), ("--remove", "a"), ("--clear", "a"), ("--disable", "b"),
                ("--merge=b", "a"), ("--remove", "--add", "a"))

    def setUp(self):
        super().setUp()
        self.original = images.with_bitmaps(self.path("original.qcow2"))
        self.image = self.path("disk.qcow2")

    def need_paths(self):
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def fails_at_each(self, calls, message, command, error="EIO"):
        """How many runs failed; each left the image as it was, or wholly edited."""
        failures = 0
        for number in range(1, 200):
            shutil.copyfile(self.original, self.image)
            harness.age(self.image)
            before = harness.digest_of(self.image)
            log = self.path("strace.log")
            result = self.instar(*command[:-1], self.image, command[-1],
                                 prefix=faults.prefix(self.image, calls, number, log, f"error={error}"))
            self.assert_no_journal()
            if result.code == 0:
                # Nothing was hit, or only the release, which may leave clusters leaked.
                self.assert_sound_but_leaks()
                if not faults.injected(log):
                    return failures
                continue
            self.assert_refused(result, message)
            self.assertEqual(harness.digest_of(self.image), before, number)
            failures += 1
        self.fail("more than 200 calls")

    def assert_sound_but_leaks(self):
        done = self.run_program("qemu-img", "check", "-q", self.image)
        self.assertIn(done.code, (0, 3), done)

    def test_read_error(self):
        for command in self.COMMANDS:
            with self.subTest(command=command):
                failed = self.fails_at_each(
                    faults.READS, "I/O error reading the image", command)
                self.assertGreater(failed, 0)

    def test_write_error(self):
        self.need_paths()
        for command in self.COMMANDS:
            with self.subTest(command=command):
                failed = self.fails_at_each(
                    faults.WRITES, "I/O error writing the image", command)
                self.assertGreater(failed, 0)

    def test_write_error_of_a_full_disk(self):
        self.need_paths()
        self.fails_at_each(faults.WRITES, "I/O error writing the image", ("--add", "n"), "ENOSPC")

    def test_write_error_of_a_sync(self):
        self.need_paths()
        for command in self.COMMANDS:
            with self.subTest(command=command):
                self.fails_at_each(faults.SYNCS, "I/O error writing the image", command)

    def test_write_error_of_growing_the_file(self):
        self.need_paths()
        failed = self.fails_at_each("ftruncate", "I/O error writing the image", ("--add", "n"))
        self.assertGreater(failed, 0)


    def test_failing_punch_is_no_failure_of_the_edit(self):
        """The clusters are free; that they are not holes is nobody's loss."""
        self.need_paths()
        for command in (("--remove", "a"), ("--clear", "a")):
            self.assertEqual(self.fails_at_each("fallocate", "", command), 0)
            self.assertEqual(self.fails_at_each("fallocate", "", command, "EOPNOTSUPP"), 0)


def crowded_image(path, count):
    """An image with `count` empty bitmaps, each with a table of its own."""
    images.create(path, "1M", cluster=4096)
    with Craft(path) as image:
        image.add_bitmap("b00000", 4096)
        first = image.bitmap("b00000")
        tables = image.allocate(count - 1)
        entries = [first]
        for i in range(1, count):
            entry = type(first)(0, tables + (i - 1) * 4096, 1, 2, 1, 12, b"b%05d" % i, b"")
            entries.append(entry)
        image.write_directory(entries)
    return path


if __name__ == "__main__":
    harness.main()
