#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The header extension area: the first bitmap's record, the last one's removal,
records behind it, backing file names of many lengths, a body that crosses a sector.
"""

import os
import struct

from lib import harness, images
from lib.craft import Craft
from lib.qcow2 import EXT_BITMAPS, EXT_FEATURE_NAMES, Image

NO_SPACE = "no free clusters to allocate the bitmap"
UNKNOWN = images.UNKNOWN_EXTENSION


class HeaderArea(harness.Case):
    def round_trip(self, path, rounds=3):
        """Add and remove the only bitmap again and again: the header area keeps its records
        and does not grow."""
        ends = set()
        for _ in range(rounds):
            self.edit("--add", path, "n")
            self.assertEqual([b[0] for b in self.listed(path)], ["n"])
            self.edit("--add", path, "m")
            self.edit("--remove", path, "n")
            self.edit("--remove", path, "m")
            with Image(path) as image:
                self.assertEqual(image.autoclear & 1, 0)
                ends.add(image.extensions_end)
        self.assertEqual(len(ends), 1, ends)

    def crafted(self, records=(), cluster=65536, **options):
        """An image with these records behind the ones qemu writes."""
        path = images.create(self.path("disk.qcow2"), "16M", cluster=cluster, **options)
        with Craft(path) as image:
            for kind, data in records:
                image.add_record(kind, data)
        return path

    def record_is_gone(self, path):
        with Image(path) as image:
            self.assertIsNone(image.extension(EXT_BITMAPS))


class FirstAndLast(HeaderArea):
    def test_default_header(self):
        for cluster in harness.CLUSTER_SIZES:
            with self.subTest(cluster=cluster):
                path = self.crafted(cluster=cluster)
                self.round_trip(path)
                self.record_is_gone(path)

    def test_header_of_104_bytes(self):
        """What QEMU before 5.1 wrote."""
        for cluster in (512, 65536):
            path = self.crafted(cluster=cluster)
            with Craft(path) as image:
                records = image.records()
                image.pwrite(100, struct.pack(">I", 104))
                image.load()
                image.write_extensions(records)
            self.round_trip(path)

    def test_area_without_an_end_record(self):
        """A backing name right behind the last record takes END's place."""
        path = self.crafted(cluster=4096, backing="base.qcow2")
        with Craft(path) as image:
            name, at = image.backing_name, image.extensions_end
            image.pwrite(at, name.ljust(64, b"\0"))
            image.put("QI", 8, at, len(name))
        self.succeeds("--add", path, "n")
        self.assertEqual(self.listed(path)[0][0], "n")
        with Image(path) as image:
            self.assertEqual(image.backing_name, b"base.qcow2")

    def test_unknown_records_of_many_lengths(self):
        for length in (0, 1, 5, 8, 24, 100, 300, 480, 1000, 2000):
            with self.subTest(length=length):
                path = self.crafted([(UNKNOWN, os.urandom(length))])
                self.round_trip(path)

    def test_a_header_cluster_full_but_for_the_record(self):
        """512-byte cluster: 112 header + record + 32 for ours + 8 END fill it exactly."""
        room = 512 - 112 - 32 - 8 - 8
        path = self.crafted([(UNKNOWN, os.urandom(room))], cluster=512)
        self.round_trip(path)
        path = self.crafted([(UNKNOWN, os.urandom(room + 8))], cluster=512)
        self.refuses(NO_SPACE, "--add", path, "n")

    def test_feature_names_first_or_absent(self):
        path = self.crafted()
        with Craft(path) as image:
            table = image.extension(EXT_FEATURE_NAMES).data
            image.write_extensions([])
        self.round_trip(path)
        with Craft(path) as image:
            image.write_extensions([(UNKNOWN, b"x" * 13), (EXT_FEATURE_NAMES, table)])
        self.round_trip(path)


class BackingNames(HeaderArea):
    def add_with_name(self, length, cluster, backing_format):
        """Add the first bitmap beside a backing name; True if it was done."""
        name = "b" * length
        path = images.create(self.path("overlay.qcow2"), "16M", cluster=cluster, backing=name,
                             backing_format=backing_format)
        harness.age(path)
        before = harness.state_of(path)
        result = self.instar("--add", path, "n")
        if result.code:
            self.assert_refused(result, NO_SPACE)
            self.assertEqual(harness.state_of(path), before)
            return False
        self.assert_sound(path)
        info = images.info(path)
        self.assertEqual([b["name"] for b in info["format-specific"]["data"]["bitmaps"]], ["n"])
        self.assertEqual(info["backing-filename"], name)
        self.assertEqual(info.get("backing-filename-format"), backing_format)
        self.succeeds("--disable", path, "n")
        facts = self.facts(path)
        self.succeeds("--remove", path, "n")
        self.assertEqual(self.facts(path), facts)
        self.assert_sound(path)
        return True

    def test_512_byte_clusters_where_one_sector_holds_all(self):
        for backing_format, records in ((None, 0), ("qcow2", 16)):
            limit = 512 - 112 - records - 32 - 8
            for length in (1, 2, 7, 8, 9, 100, 200, limit - 40, limit - 1, limit):
                with self.subTest(length=length, format=backing_format):
                    self.assertTrue(self.add_with_name(length, 512, backing_format))
            for length in (limit + 1, limit + 2, limit + 8, limit + 32):
                with self.subTest(length=length, format=backing_format):
                    self.assertFalse(self.add_with_name(length, 512, backing_format))

    def test_1k_clusters(self):
        """Up to half the cluster the name must fit; beyond, a refusal is allowed as long
        as nothing was written; what cannot fit is refused."""
        for backing_format, records in ((None, 0), ("qcow2", 16)):
            sure = (1024 - 112 - records - 32 - 8) // 2 - 8
            limit = 1024 - 112 - records - 32 - 8
            for length in (1, 300, 340, 352, 353, 360, 368, 376, 392, sure):
                with self.subTest(length=length, format=backing_format):
                    self.assertTrue(self.add_with_name(length, 1024, backing_format))
            for length in (sure + 32, 600, limit):
                self.add_with_name(length, 1024, backing_format)
            for length in (limit + 1, limit + 32):
                with self.subTest(length=length, format=backing_format):
                    self.assertFalse(self.add_with_name(length, 1024, backing_format))

    def test_4k_and_64k_clusters_take_every_name(self):
        for cluster in (4096, 65536):
            for backing_format in (None, "qcow2", "raw"):
                for length in (1, 3, 31, 32, 33, 300, 340, 352, 360, 392, 400, 490, 800, 1023):
                    with self.subTest(length=length, cluster=cluster, format=backing_format):
                        self.assertTrue(self.add_with_name(length, cluster, backing_format))

    def test_every_name_length_around_the_sector_end(self):
        for length in range(328, 400, harness.SHARE):
            with self.subTest(length=length):
                self.assertTrue(self.add_with_name(length, 4096, "raw"))

    def test_name_far_behind_the_end_record(self):
        for gap in (8, 24, 32, 40, 1000):
            path = images.create(self.path("gap.qcow2"), "16M", backing="base.qcow2")
            with Craft(path) as image:
                image.write_extensions(image.records(), gap=gap)
            self.round_trip(path)

    def test_real_overlay(self):
        base = images.create(self.path("base.qcow2"), "16M")
        images.write(base, "write -P 9 0 1M")
        overlay = images.create(self.path("top.qcow2"), "16M", backing=base)
        images.write(overlay, "write -P 8 512k 256k")
        before = harness.state_of(base)
        self.edit("--add", overlay, "n")
        self.assertEqual(harness.state_of(base), before)
        images.tool("qemu-io", "-c", "read -P 9 0 512k", "-c", "read -P 8 512k 256k",
                    "-c", "read -P 9 768k 256k", "-c", "write -P 7 0 64k", overlay)
        self.assertEqual(self.dirty(overlay, "n"), {0})


class RecordsBehind(HeaderArea):
    def test_last_removal_keeps_the_records_behind(self):
        for behind in ([b""], [b"12345"], [os.urandom(24)], [os.urandom(300)],
                       [os.urandom(1000)], [os.urandom(16), os.urandom(700), b""],
                       [os.urandom(8)] * 20):
            for cluster in (4096, 65536):
                with self.subTest(lengths=[len(b) for b in behind], cluster=cluster):
                    path = self.crafted(cluster=cluster)
                    images.bitmap(path, "--add", "a")
                    with Craft(path) as image:
                        for i, data in enumerate(behind):
                            image.add_record(UNKNOWN + i, data)
                    self.edit("--add", path, "n")
                    self.edit("--remove", path, "a")
                    self.edit("--remove", path, "n")
                    self.record_is_gone(path)
                    self.round_trip(path)

    def test_last_removal_with_a_backing_name_behind(self):
        for length in (10, 300, 1023):
            path = self.crafted(cluster=4096, backing="b" * length)
            self.edit("--add", path, "a")
            with Craft(path) as image:
                image.add_record(UNKNOWN, b"behind")
            self.edit("--remove", path, "a")
            self.assertEqual(self.listed(path), [])

    def test_last_removal_in_a_full_header_cluster(self):
        """Where nothing can be moved the emptied record may stay, with the autoclear bit
        clear; the image is as good as without bitmaps and takes a new one."""
        room = 512 - 112 - 32 - 8 - 8
        path = self.crafted(cluster=512)
        self.edit("--add", path, "a")
        with Craft(path) as image:
            image.add_record(UNKNOWN, os.urandom(room))
        self.edit("--remove", path, "a")
        self.assertEqual(self.listed(path), [])
        self.edit("--add", path, "n")
        self.assertEqual([b[0] for b in self.listed(path)], ["n"])

    def test_records_on_both_sides(self):
        path = self.crafted()
        images.bitmap(path, "--add", "a")
        with Craft(path) as image:
            image.add_record(UNKNOWN, b"before", 0)
            image.add_record(UNKNOWN + 1, b"behind")
            image.move_bitmaps_record(1)
        self.edit("--disable", path, "a")
        self.edit("--add", path, "n")
        self.edit("--remove", path, "a")
        self.edit("--remove", path, "n")


class CrossingSector(HeaderArea):
    """The record's 24-byte body on both sides of a sector's edge."""

    def seated_at(self, offset, cluster, behind=(), backing=None):
        """An image with bitmaps whose record begins at `offset`."""
        path = images.with_bitmaps(self.path("disk.qcow2"), size="16M", cluster=cluster,
                                   backing=backing)
        with Craft(path) as image:
            records = [r for r in image.records() if r[0] == EXT_BITMAPS]
            pad = offset - image.header_length - 8
            image.write_extensions([(UNKNOWN, os.urandom(pad))] + records
                                   + [(UNKNOWN + 1 + i, data) for i, data in enumerate(behind)])
            self.assertEqual(image.extension(EXT_BITMAPS).offset, offset)
        return path

    def work_on(self, path):
        self.edit("--disable", path, "b")
        self.edit("--add", path, "n")
        self.edit("--merge", "a", path, "c")
        self.edit("--remove", path, "a")
        self.edit("--add", path, "a")
        for name in ("b", "c", "n"):
            self.edit("--remove", path, name)
        self.assertEqual([b[0] for b in self.listed(path)], ["a"])
        self.edit("--remove", path, "a")
        self.assertEqual(self.listed(path), [])
        self.edit("--add", path, "again")
        self.assertEqual([b[0] for b in self.listed(path)], ["again"])

    def test_every_seat_around_a_sector_edge(self):
        for edge in (512, 1024, 3584):
            for offset in range(edge - 40, edge + 9, 8):
                with self.subTest(offset=offset):
                    self.work_on(self.seated_at(offset, 4096))

    def test_with_64k_clusters(self):
        for offset in (480, 488, 496, 504):
            with self.subTest(offset=offset):
                self.work_on(self.seated_at(offset, 65536))

    def test_with_records_behind(self):
        for offset in (480, 488, 496, 504, 1008):
            for behind in ((b"",), (b"x" * 40,), (os.urandom(700), b"y")):
                with self.subTest(offset=offset, behind=[len(b) for b in behind]):
                    self.work_on(self.seated_at(offset, 4096, behind))

    def test_with_a_backing_name_behind(self):
        for offset in (480, 488, 496, 504):
            for length in (5, 400):
                with self.subTest(offset=offset, length=length):
                    self.work_on(self.seated_at(offset, 4096, backing="b" * length))

    def test_seat_that_qemu_chooses(self):
        for backing_format in (None, "raw", "qcow2"):
            path = images.create(self.path("q.qcow2"), "16M",
                                 backing=backing_format and "base", backing_format=backing_format)
            images.bitmap(path, "--add", "a")
            images.bitmap(path, "--add", "b")
            self.edit("--add", path, "n")
            self.edit("--remove", path, "a")
            self.edit("--remove", path, "n")
            self.edit("--remove", path, "b")
            self.assertEqual(self.listed(path), [])


if __name__ == "__main__":
    harness.main()
