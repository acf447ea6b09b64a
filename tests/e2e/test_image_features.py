#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images of every kind: what else a qcow2 file may carry is kept, and what instar
does not understand it refuses or leaves alone, as the format's specification says.
"""

import os
import struct

from lib import check, harness, images
from lib.craft import Craft
from lib.qcow2 import (AUTOCLEAR_RAW_DATA, EXT_BITMAPS, FLAG_EXTRA_COMPATIBLE,
                       INCOMPAT_CORRUPT, INCOMPAT_DIRTY, Image)

IN_USE = "bitmap is in use / inconsistent (only --remove is allowed)"
EVERY_ACTION = (("--add", "n"), ("--remove", "a"), ("--clear", "a"), ("--enable", "a"),
                ("--disable", "a"), ("--merge=b", "a"))


class Features(harness.Case):
    def work_on(self, path, **options):
        """All six actions on an image that carries the bitmaps a, b, c."""
        bits = {n: self.dirty(path, n) for n in "abc"}
        self.edit("--add", path, "n", **options)
        self.edit("--merge", "a", "--merge", "b", path, "c", **options)
        self.assertEqual(self.dirty(path, "c"), bits["a"] | bits["b"] | bits["c"])
        self.edit("--disable", path, "a", **options)
        self.assertFalse(self.is_enabled(path, "a"))
        self.edit("--enable", path, "a", **options)
        self.edit("--clear", path, "b", **options)
        self.assertEqual(self.dirty(path, "b"), set())
        for name in ("a", "n", "c", "b"):
            self.edit("--remove", path, name, **options)
        self.edit("--add", path, "again", **options)

    def test_internal_snapshots(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        images.snapshot(path, "one")
        images.write(path, "write -P 3 0 256k")
        images.snapshot(path, "two")
        images.write(path, "write -P 4 64k 64k")
        self.work_on(path)
        images.tool("qemu-img", "snapshot", "-d", "one", path)
        self.assert_sound(path)

    def test_compressed_clusters(self):
        for kind in ("zlib", "zstd"):
            source = images.create(self.path("source.qcow2"))
            images.write(source, "write -P 5 0 3M", "write -P 6 10M 128k")
            path = self.path("compressed.qcow2")
            images.tool("qemu-img", "convert", "-c", "-O", "qcow2", "-o",
                        f"compression_type={kind}", source, path)
            images.snapshot(path, "kept")
            with Craft(path) as image:
                for name in "abc":
                    image.add_bitmap(name, bits={ord(name)})
            self.work_on(path)
            images.write(path, "read -P 5 0 3M", "read -P 6 10M 128k")

    def test_extended_l2(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), options="extended_l2=on")
        images.write(path, "write -P 3 2050k 6k", "write -z 64k 2k")
        self.work_on(path)

    def test_external_data_file(self):
        for raw in ("off", "on"):
            data = self.path(f"data{raw}.raw")
            path = images.with_bitmaps(self.path("disk.qcow2"),
                                       options=f"data_file={data},data_file_raw={raw}")
            images.write(path, "write -P 3 0 1M")
            before = harness.state_of(data)
            self.work_on(path)
            with Image(path) as image:
                self.assertEqual(bool(image.autoclear & AUTOCLEAR_RAW_DATA), raw == "on")
            self.assertEqual(harness.state_of(data), before)

    def test_external_data_file_that_is_missing(self):
        """instar never opens a file that an image names (invariant 8)."""
        data = self.path("data.raw")
        path = images.with_bitmaps(self.path("disk.qcow2"), options=f"data_file={data}")
        os.unlink(data)
        self.edit("--add", path, "n", qemu=False)
        os.mkfifo(data)
        self.edit("--remove", path, "a", qemu=False)

    def test_external_data_file_with_a_long_path(self):
        folder = self.directory / ("d" * 200) / ("e" * 200)
        os.makedirs(folder)
        path = images.with_bitmaps(
            self.path("disk.qcow2"), cluster=4096, options=f"data_file={folder / 'data.raw'}")
        self.work_on(path)

    def test_luks_without_the_passphrase(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), options=images.FAST_LUKS)
        self.work_on(path)

    def test_missing_backing_file(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), backing="/nowhere/base.qcow2")
        self.work_on(path)

    def test_lazy_refcounts(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), options="lazy_refcounts=on")
        self.work_on(path)

    def test_virtual_sizes_that_are_not_aligned(self):
        for size in (512, 1024, 65536, 65537 * 512, (1 << 20) + 512):
            with self.subTest(size=size):
                path = images.create(self.path("odd.qcow2"), size)
                with Craft(path) as image:
                    for name in "abc":
                        image.add_bitmap(name, 512, bits={0})
                self.work_on(path)

    def test_virtual_size_that_is_no_multiple_of_a_sector(self):
        """QEMU counts whole sectors: 256 MiB and a byte have the table of 256 MiB."""
        path = images.create(self.path("odd.qcow2"), 256 << 20)
        with Craft(path) as image:
            image.put("Q", 24, (256 << 20) + 1)
        self.edit("--add", "--granularity", "512", path, "n")
        self.assertEqual(self.dirty(path, "n"), set())
        self.assert_sound(path)

    def test_preallocated_image(self):
        path = images.create(self.path("pre.qcow2"), options="preallocation=metadata")
        with Craft(path) as image:
            for name in "abc":
                image.add_bitmap(name, bits={ord(name)})
        self.work_on(path)

    def test_unknown_extensions_and_compatible_bits_are_kept(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with Craft(path) as image:
            image.add_record(images.UNKNOWN_EXTENSION, b"keep this")
            image.add_record(images.UNKNOWN_EXTENSION + 1, os.urandom(77), 0)
            image.set_compatible(0xF0F0_0000_0000_0F00)
        self.work_on(path)

    def test_unknown_header_fields_are_kept(self):
        """A header longer than any known one."""
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with Craft(path) as image:
            records = image.records()
            image.pwrite(100, struct.pack(">I", 144))
            image.load()
            image.write_extensions(records)
            image.pwrite(112, b"\0" * 8 + b"future!!" * 3)
        self.work_on(path)
        with Image(path) as image:
            self.assertEqual(image.pread(120, 24), b"future!!" * 3)

    def test_unknown_autoclear_bits_are_cleared(self):
        for action, name in EVERY_ACTION:
            if action == "--enable":
                continue  # nothing to do: see the next test
            with self.subTest(action=action):
                path = images.with_bitmaps(self.path("disk.qcow2"))
                with Craft(path) as image:
                    image.set_autoclear(0x8000_0000_0000_0100)
                self.edit(action, path, name)
                with Image(path) as image:
                    self.assertEqual(image.autoclear, 1)

    def test_no_op_leaves_unknown_autoclear_bits(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with Craft(path) as image:
            image.set_autoclear(0x100)
        self.writes_nothing("--enable", path, "a")

    def test_refused_command_leaves_unknown_autoclear_bits(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with Craft(path) as image:
            image.set_autoclear(0x100)
        self.refuses("bitmap already exists", "--add", path, "a")

    def test_unknown_incompatible_bits_are_refused(self):
        for bit in (5, 8, 33, 63):
            path = images.with_bitmaps(self.path("disk.qcow2"))
            with Craft(path) as image:
                image.set_incompatible(1 << bit)
            for action, name in EVERY_ACTION:
                self.refuses("incompatible", action, path, name, exact=False)

    def test_dirty_and_corrupt_images_are_refused(self):
        for bit, word in ((INCOMPAT_DIRTY, "dirty"), (INCOMPAT_CORRUPT, "corrupt")):
            path = images.with_bitmaps(self.path("disk.qcow2"))
            with Craft(path) as image:
                image.set_incompatible(bit)
            for action, name in EVERY_ACTION:
                self.refuses(word, action, path, name, exact=False)

    def test_autoclear_bit_without_the_extension_is_refused(self):
        path = images.create(self.path("disk.qcow2"))
        with Craft(path) as image:
            image.set_autoclear(1)
        self.refuses("extension", "--add", path, "n", exact=False)

    def test_end_of_file_inside_a_cluster(self):
        for cut in (1, 100, 511, 512, 4000):
            path = images.create(self.path("disk.qcow2"), cluster=4096)
            for name in "abc":
                images.bitmap(path, "--add", name)
            with Image(path) as image:
                # qemu-img ends the file right behind the directory's bytes.
                self.assertNotEqual(image.file_size % 4096, 0)
            with Craft(path) as image:
                os.ftruncate(image.fd, image.file_clusters * 4096)
                entry = image.bitmap("a")
                offset = image.store(b"\x01")
                image.set_table_entry(entry.name.decode(), 0, offset)
            os.truncate(path, os.stat(path).st_size - min(cut, 4095))
            with self.subTest(cut=cut):
                self.work_on(path)

    def test_file_that_is_longer_than_its_clusters(self):
        """Bytes behind the last cluster, as a block device or a copy may leave them."""
        path = images.with_bitmaps(self.path("disk.qcow2"))
        with open(path, "ab") as file:
            file.write(b"\xee" * 100)
        self.work_on(path)


class ExtraData(harness.Case):
    """Extra data in a directory entry; QEMU cannot open such an image."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def give(self, name, extra, compatible):
        with Craft(self.image) as image:
            flags = image.bitmap(name).flags
            image.set_entry(name, extra=extra,
                            flags=flags | (FLAG_EXTRA_COMPATIBLE if compatible else 0))

    def test_extra_data_of_bystanders_is_kept(self):
        for compatible in (False, True):
            for extra in (b"x", b"12345678", b"q" * 100):
                with self.subTest(extra=extra, compatible=compatible):
                    self.image = images.with_bitmaps(self.path("disk.qcow2"))
                    self.give("b", extra, compatible)
                    for action, name in (("--add", "n"), ("--disable", "a"), ("--merge=a", "c"),
                                         ("--clear", "c"), ("--remove", "a"), ("--remove", "n")):
                        self.edit(action, self.image, name, qemu=False)
                    self.assertEqual(self.entry(self.image, "b").extra, extra)

    def test_compatible_extra_data_of_the_target_is_kept(self):
        self.give("b", b"stays here", True)
        for action in ("--disable", "--enable", "--merge=a", "--clear"):
            self.edit(action, self.image, "b", qemu=False)
            entry = self.entry(self.image, "b")
            self.assertEqual(entry.extra, b"stays here")
            self.assertTrue(entry.flags & FLAG_EXTRA_COMPATIBLE)
        self.edit("--remove", self.image, "b", qemu=False)
        self.assert_sound(self.image)

    def test_more_of_it_than_one_change_holds_goes_with_the_last_entry(self):
        self.image = images.with_bitmaps(self.path("large.qcow2"), cluster=2 << 20)
        self.give("c", b"x" * 1200000, True)
        self.edit("--remove", self.image, "c", qemu=False)

    def test_incompatible_extra_data_forbids_the_use_of_the_bitmap(self):
        self.give("b", b"means something", False)
        for action in ("--clear", "--merge=a", "--enable", "--disable"):
            result = self.instar(action, self.image, "b")
            self.assertEqual(result.code, 1, (action, result))
            self.assertTrue(result.first_line.startswith("instar bitmap: "))
        self.assertEqual(self.entry(self.image, "b").extra, b"means something")


class Stale(harness.Case):
    """The extension is there, the autoclear bit is clear: a program without bitmap support
    wrote to the image, so every bitmap is inconsistent."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        with Craft(self.image) as image:
            image.clear_autoclear()

    def assert_nothing_is_published(self):
        with Image(self.image) as image:
            self.assertEqual(image.autoclear & 1, 0)
            self.assertEqual(check.check(image).corruptions, [])
        self.assertEqual(self.listed(self.image), [])

    def test_only_remove_is_allowed(self):
        for action in ("--clear", "--enable", "--disable", "--merge=b", "--merge=a"):
            with self.subTest(action=action):
                self.refuses(IN_USE, action, self.image, "a")
        self.refuses("bitmap already exists", "--add", self.image, "a")
        self.assert_nothing_is_published()

    def test_add_beside_stale_bitmaps_is_refused(self):
        age_before = harness.digest_of(self.image)
        result = self.instar("--add", self.image, "n")
        self.assertEqual(result.code, 1, result)
        self.assertEqual(harness.digest_of(self.image), age_before)

    def test_remove_publishes_nothing(self):
        facts = self.facts(self.image)
        for name in ("b", "c", "a"):
            result = self.instar("--remove", self.image, name)
            self.assertEqual((result.code, result.out), (0, ""), result)
            self.assert_nothing_is_published()
            self.assertEqual(self.facts(self.image), facts)
        with Image(self.image) as image:
            self.assertIsNone(image.extension(EXT_BITMAPS))
        self.edit("--add", self.image, "n")
        self.assertEqual([b[0] for b in self.listed(self.image)], ["n"])

    def test_remove_of_an_unknown_name(self):
        self.refuses("bitmap not found", "--remove", self.image, "nope")

    def test_remove_never_frees_what_the_other_program_took(self):
        """A repair by that program freed the bitmaps' clusters; the guest wrote there."""
        with Craft(self.image) as image:
            entries = image.bitmaps()
            body = image.bitmaps_body()
            for entry in entries:
                for value in image.table(entry):
                    if value:
                        image.free(value, image.cluster_size)
                image.free(entry.table_offset, 8 * entry.table_size)
            image.free(body[2], body[1])
            size = image.file_size
        # qemu drops the extension when it opens the file for writing, so write by hand:
        # the clusters become guest data of another L2 table's entries.
        with Craft(self.image) as image:
            l2 = struct.unpack(">Q", image.pread(image.l1_offset, 8))[0] & 0x00FFFFFFFFFFFE00
            taken = [e.table_offset for e in entries] + [body[2]]
            for i, offset in enumerate(taken):
                image.set_refcount(offset >> image.cluster_bits, 1)
                image.pwrite(l2 + 8 * (100 + i), struct.pack(">Q", offset | 1 << 63))
            image.load()
            contents = {o: image.pread(o, image.cluster_size) for o in taken[:-1]}
            guest = struct.unpack(">Q", image.pread(l2 + 800, 8))[0]
            self.assertEqual(guest & 0x00FFFFFFFFFFFE00, taken[0])
        self.instar("--remove", self.image, "a")
        with Image(self.image) as image:
            for offset, content in contents.items():
                self.assertEqual(image.pread(offset, image.cluster_size), content)
                self.assertEqual(image.refcount(offset >> image.cluster_bits), 1)
            self.assertEqual(image.autoclear & 1, 0)
            self.assertGreaterEqual(image.file_size, size - 8 * image.cluster_size)


if __name__ == "__main__":
    harness.main()
