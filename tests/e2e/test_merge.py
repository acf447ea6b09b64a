#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Merging: random bits, several sources, all-ones entries, tails.

A bitmap's last cluster is seldom whole; the bits behind the last one that counts
must be zero, so an all-ones entry may stand only for a whole cluster.
"""

import random

from lib import harness, images
from lib.craft import Craft
from lib.qcow2 import Image

SEED = 20240711


class Merge(harness.Case):
    def image_with(self, size, cluster, granularity, **bitmaps):
        """An image with bitmaps of these bits; {"ones": indexes} makes all-ones entries."""
        path = images.create(self.path("disk.qcow2"), size, cluster=cluster)
        with Craft(path) as image:
            for name, bits in bitmaps.items():
                image.add_bitmap(name, granularity, bits=bits)
        return path

    def table(self, path, name):
        with Image(path) as image:
            return image.table(image.bitmap(name))

    def test_random_bits(self):
        chance = random.Random(SEED)
        for cluster in harness.CLUSTER_SIZES:
            for size, granularity in (("64M", 4096), ("10000000", 512), ("64M", 65536)):
                size_bytes = images.size_of(size) // 512 * 512
                count = -(-size_bytes // granularity)
                sets = [set(chance.sample(range(count), min(count, n))) | {count - 1}
                        for n in (0, 5, 300, 900)]
                with self.subTest(cluster=cluster, size=size, granularity=granularity):
                    path = self.image_with(size_bytes, cluster, granularity, a=sets[0],
                                           b=sets[1], c=sets[2], d=sets[3])
                    self.edit("--merge", "b", path, "a")
                    self.assertEqual(self.dirty(path, "a"), sets[0] | sets[1])
                    self.edit("--merge", "c", "--merge", "d", "--merge", "b", path, "a")
                    self.assertEqual(self.dirty(path, "a"), set().union(*sets))
                    self.edit("--merge", "a", path, "c")
                    self.assertEqual(self.dirty(path, "c"), set().union(*sets))

    def test_eight_sources(self):
        sources = {f"s{i}": {i, 100 + i, 5000 + i} for i in range(8)}
        path = self.image_with("64M", 512, 4096, target={9}, **sources)
        self.edit(*[x for name in sources for x in ("--merge", name)], path, "target")
        self.assertEqual(self.dirty(path, "target"), {9}.union(*sources.values()))

    def test_flags_of_target_and_sources_stay(self):
        path = self.image_with("64M", 4096, 65536, a={1}, b={2}, c={3})
        for disabled in ("a", "b"):
            images.bitmap(path, "--disable", disabled)
            flags = self.listed(path)
            self.edit("--merge", "c", path, "a")
            self.assertEqual(self.listed(path), flags)

    def test_all_ones_entries_of_a_source_are_read(self):
        bits = 8 * 512
        path = self.image_with("64M", 512, 4096, a={5, bits + 1, 3 * bits + 9}, b={7})
        with Craft(path) as image:
            image.set_all_ones("b", 1)
        self.edit("--merge", "b", path, "a")
        expected = {5, 3 * bits + 9, 7} | set(range(bits, 2 * bits))
        self.assertEqual(self.dirty(path, "a"), expected)

    def test_all_ones_entries_of_the_target_stay(self):
        bits = 8 * 512
        path = self.image_with("64M", 512, 4096, a={5}, b={7, bits + 1})
        with Craft(path) as image:
            image.set_all_ones("a", 1)
        self.edit("--merge", "b", path, "a")
        self.assertEqual(self.dirty(path, "a"), {5, 7} | set(range(bits, 2 * bits)))
        self.assertEqual(self.table(path, "a")[1], 1)

    def test_merge_within_all_ones_writes_nothing(self):
        path = self.image_with("64M", 512, 4096, a=set(), b={7})
        with Craft(path) as image:
            image.set_all_ones("a", 0)
        self.writes_nothing("--merge", "b", path, "a")

    def test_a_cluster_that_becomes_all_ones_is_stored_as_such(self):
        for cluster in (512, 4096):
            bits = 8 * cluster
            with self.subTest(cluster=cluster):
                path = self.image_with("256M", cluster, 4096, a=range(0, bits, 2),
                                       b=range(1, bits, 2), c={bits + 3})
                self.edit("--merge", "b", "--merge", "c", path, "a")
                self.assertEqual(self.dirty(path, "a"), set(range(bits)) | {bits + 3})
                self.assertEqual(self.table(path, "a")[0], 1)
                self.assertEqual(self.data_clusters(path, "a"), 1)

    def test_a_last_cluster_that_is_not_whole_keeps_its_tail_zero(self):
        """4105 bits at 512-byte clusters: the second cluster holds nine of them."""
        path = self.image_with(4105 * 4096, 512, 4096, a=set(), b=range(4105))
        self.edit("--merge", "b", path, "a")
        self.assertEqual(self.dirty(path, "a"), set(range(4105)))
        with Image(path) as image:
            self.assertTrue(image.tail_is_clean("a"))
        self.assertNotEqual(self.table(path, "a")[1], 1)

    def test_dirty_tails_of_a_source_are_not_taken_over(self):
        path = self.image_with(4105 * 4096, 512, 4096, a=set(), b={4100})
        with Craft(path) as image:
            offset = image.table(image.bitmap("b"))[1]
            image.pwrite(offset + 1, b"\xff" * 511)
        self.succeeds("--merge", "b", path, "a")
        with Image(path) as image:
            self.assertTrue(image.tail_is_clean("a"))
            self.assertEqual(image.dirty("a"), {4100} | set(range(4104, 4105)))

    def test_all_ones_entry_over_a_cut_last_cluster_is_clipped(self):
        path = self.image_with(4105 * 4096, 512, 4096, a=set(), b={1})
        with Craft(path) as image:
            image.set_all_ones("b", 1)
        self.succeeds("--merge", "b", path, "a")
        with Image(path) as image:
            self.assertTrue(image.tail_is_clean("a"))
            self.assertEqual(image.dirty("a"), {1} | set(range(4096, 4105)))

    def test_data_clusters_of_zeros_are_merged_as_zeros(self):
        path = self.image_with("64M", 512, 4096, a={3}, b=set())
        with Craft(path) as image:
            image.set_table_entry("b", 0, image.allocate())
        self.edit("--merge", "b", path, "a")
        self.assertEqual(self.dirty(path, "a"), {3})

    def test_merge_beside_a_qemu_written_bitmap(self):
        path = images.create(self.path("q.qcow2"), "64M")
        images.bitmap(path, "--add", "a")
        images.write(path, "write 0 1M")
        images.bitmap(path, "--add", "b")
        images.write(path, "write 8M 192k")
        self.edit("--merge", "a", path, "b")
        self.assertEqual(self.dirty(path, "b"), set(range(16)) | {128, 129, 130})
        images.bitmap(path, "--add", "c")
        images.bitmap(path, "--merge", "b", "c")
        self.assertEqual(self.dirty(path, "c"), set(range(16)) | {128, 129, 130})

    def test_large_dense_merge(self):
        """2 MiB of bits in each of two bitmaps: more than one doorbell's worth."""
        path = images.create(self.path("big.qcow2"), "1T")
        with Craft(path) as image:
            for name, pattern in (("a", b"\x55"), ("b", b"\x22")):
                image.add_bitmap(name)
                for i in range(image.bitmap(name).table_size):
                    image.set_table_entry(name, i, image.store(pattern * 65536))
        self.edit("--merge", "b", path, "a")
        with Image(path) as image:
            self.assertEqual(set(image.bits("a")), {0x77})


if __name__ == "__main__":
    harness.main()
