#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The proof of ownership again: owners that need an image of their own (LUKS header,
compressed data, zero clusters, an external data file), and writes in place.
"""

import random
import shutil

from lib import check, harness, images, walk
from lib.craft import Craft
from lib.qcow2 import Image


class OtherOwners(harness.Case):
    """Owners that need an image of their own."""

    def spared(self, path, offset, command, warns=True):
        with Image(path) as image:
            before = (image.pread(offset, image.cluster_size),
                      image.refcount(offset >> image.cluster_bits))
        facts, others = self.facts(path), self.bystanders(path, "a")
        result = self.succeeds(*command[:-1], path, command[-1], warns=True)
        with Image(path) as image:
            self.assertEqual((image.pread(offset, image.cluster_size),
                              image.refcount(offset >> image.cluster_bits)), before)
            self.assertEqual(check.check(image).corruptions, [])
        self.assertEqual(self.facts(path), facts)
        self.assertEqual(self.bystanders(path, "a"), others)
        if warns:
            self.assertIn("left leaked", result.err)

    def point_at(self, path, offset):
        with Craft(path) as image:
            old = image.table(image.bitmap("a"))[0]
            image.set_table_entry("a", 0, offset)
            image.free(old, image.cluster_size)

    COMMANDS = (("--remove", "a"), ("--clear", "a"), ("--merge=b", "a"))

    def test_luks_header(self):
        for at in (0, 5, -1):
            for command in self.COMMANDS:
                path = images.with_bitmaps(self.path("disk.qcow2"), options=images.FAST_LUKS)
                with Image(path) as image:
                    start, length = image.luks_header
                    clusters = -(-length // image.cluster_size)
                offset = start + (at % clusters) * 65536
                self.point_at(path, offset)
                with self.subTest(cluster=at, command=command):
                    self.spared(path, offset, command)

    def test_compressed_data(self):
        source = images.create(self.path("source.qcow2"))
        chance = random.Random(7)
        with open(self.path("pattern"), "wb") as file:
            for _ in range(48):  # guest clusters that compress to about a third
                file.write(chance.randbytes(20000) + bytes(65536 - 20000))
        images.write(source, f"write -s {self.path('pattern')} 0 3M")
        for command in self.COMMANDS:
            path = self.path("compressed.qcow2")
            images.tool("qemu-img", "convert", "-c", "-O", "qcow2", source, path)
            with Craft(path) as image:
                image.add_bitmap("a", bits={1})
                # Every bit, so that the merge must change what is read from the foreign cluster.
                image.add_bitmap("b", bits=range(1024))
                extents = [walk.compressed_extent(image, e)
                           for _, e, _ in walk.mapping(image, image.l1_offset, image.l1_size)
                           if e & walk.COMPRESSED]
            # A cluster that only the tail of a compressed extent reaches into.
            crossing = [(o + n - 1) >> 16 for o, n in extents if o >> 16 != (o + n - 1) >> 16]
            self.assertTrue(crossing)
            offset = crossing[0] << 16
            self.point_at(path, offset)
            with self.subTest(command=command):
                self.spared(path, offset, command)

    def test_preallocated_zero_clusters(self):
        """An L2 entry that reads as zeros but owns a cluster."""
        path = images.create(self.path("disk.qcow2"), options="preallocation=metadata")
        images.write(path, "write -z 0 1M")
        with Craft(path) as image:
            for name in "ab":
                image.add_bitmap(name, bits={ord(name)})
            owned = [e & walk.OFFSET_MASK
                     for _, e, _ in walk.mapping(image, image.l1_offset, image.l1_size) if e & 1]
        self.assertTrue(owned)
        self.point_at(path, owned[0])
        self.spared(path, owned[0], ("--remove", "a"))

    def test_offsets_in_a_data_file_are_not_clusters_of_the_image(self):
        """L2 entries of an external data file name places in that file: what has the same
        number in the image is free to be freed."""
        data = self.path("data.raw")
        path = images.with_bitmaps(self.path("disk.qcow2"), options=f"data_file={data}")
        images.write(path, "write -P 3 0 4M")
        for command in (("--clear", "a"), ("--remove", "a"), ("--merge=b", "c")):
            self.edit(*command[:-1], path, command[-1])

    def test_extended_l2_subclusters(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), options="extended_l2=on")
        images.write(path, "write -P 3 2M 2k")
        with Image(path) as image:
            offset = [e & walk.OFFSET_MASK for _, e, _ in
                      walk.mapping(image, image.l1_offset, image.l1_size)][-1]
        self.point_at(path, offset)
        self.spared(path, offset, ("--remove", "a"))

    def test_second_l2_table_and_last_entry(self):
        """The scan reaches the very last entry of the very last L2 table."""
        path = images.with_bitmaps(self.path("disk.qcow2"), size="64M", cluster=512)
        images.write(path, f"write -P 3 {(64 << 20) - 512} 512")
        with Image(path) as image:
            offset = [e & walk.OFFSET_MASK for _, e, _ in
                      walk.mapping(image, image.l1_offset, image.l1_size)][-1]
        self.point_at(path, offset)
        for command in (("--remove", "a"),):
            self.spared(path, offset, command)


class InPlaceWrites(harness.Case):
    """What is written in place must be the directory's alone."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"), cluster=4096)
        with Image(self.image) as image:
            self.directory_offset = image.bitmaps_body()[2]
            self.directory_size = image.bitmaps_body()[1]

    def done_or_refused(self, *command):
        """Done soundly elsewhere, or refused without a byte written; True if done."""
        state = harness.digest_of(self.image)
        others = self.bystanders(self.image, command[-1])
        result = self.instar(*command[:-1], self.image, command[-1])
        self.assertIn(result.code, (0, 1), result)
        if result.code:
            self.assertEqual(harness.digest_of(self.image), state)
        self.assertEqual(self.bystanders(self.image, command[-1]), others)
        return result.code == 0

    def directory_bytes(self):
        with Image(self.image) as image:
            return image.pread(self.directory_offset, 4096)

    def is_moved(self):
        with Image(self.image) as image:
            return image.bitmaps_body()[2] != self.directory_offset

    COMMANDS = (("--disable", "b"), ("--add", "n"), ("--remove", "c"), ("--merge=a", "b"))

    def test_slack_that_is_not_zero(self):
        """An entry is never written over somebody's bytes; a new directory is."""
        with Craft(self.image) as image:
            image.pwrite(self.directory_offset + self.directory_size + 8, b"somebody's")
        crafted, slack = self.image, self.directory_bytes()[self.directory_size:]
        for command in self.COMMANDS:
            self.image = shutil.copyfile(crafted, self.path("turn.qcow2"))
            self.done_or_refused(*command)
            if not self.is_moved():
                self.assertEqual(self.directory_bytes()[self.directory_size:], slack)

    def test_directory_cluster_with_another_refcount(self):
        """Somebody else may read the cluster: its bytes stay."""
        for value in (0, 2):
            with Craft(self.image) as image:
                image.set_refcount(self.directory_offset >> 12, value)
            before = self.directory_bytes()
            for command in self.COMMANDS:
                self.done_or_refused(*command)
                self.assertEqual(self.directory_bytes(), before)

    def test_directory_that_is_also_the_l1_table(self):
        with Craft(self.image) as image:
            image.put("Q", 40, self.directory_offset)
        before = self.directory_bytes()
        for command in self.COMMANDS:
            self.done_or_refused(*command)
            self.assertEqual(self.directory_bytes(), before)

    def test_directory_that_is_also_a_refcount_block(self):
        """Its entries read as refcounts of clusters that are not there."""
        with Craft(self.image) as image:
            image.put("Q", image.refcount_table_offset + 8, self.directory_offset)
        before = self.directory_bytes()
        for command in self.COMMANDS:
            self.done_or_refused(*command)
            self.assertEqual(self.directory_bytes(), before)

    def test_cluster_behind_the_end_with_a_refcount(self):
        """A file that was cut short: new clusters must not be taken from what was lost."""
        with Craft(self.image) as image:
            image.set_refcount(image.file_clusters, 1)
        self.refuses("refcount", "--add", self.image, "n", exact=False)

    def test_table_entry_that_names_a_cluster_behind_the_end(self):
        """Bits that were lost are never taken for zeros."""
        with Craft(self.image) as image:
            image.set_table_entry("a", 0, image.file_clusters * 4096 + (1 << 20))
        self.refuses("malformed table", "--merge", "a", self.image, "b", exact=False)


if __name__ == "__main__":
    harness.main()
