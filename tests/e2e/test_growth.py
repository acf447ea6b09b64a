#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Growth: refcount blocks and the refcount table when they are full, and the file's
size over thousands of edits."""

from lib import harness, images
from lib.craft import Craft
from lib.qcow2 import Image


class RefcountGrowth(harness.Case):
    def edge(self, cluster, free, table=False):
        path = images.create(self.path("edge.qcow2"), "64M", cluster=cluster)
        if table:
            with Image(path) as image:
                whole = len(image.refcount_table) * image.refcounts_per_block
            images.fill_to_edge(path, free, whole)
        else:
            images.fill_to_edge(path, free)
        return path

    def work_on(self, path):
        self.edit("--add", path, "n")
        self.edit("--add", "--disable", path, "m")
        with Craft(path) as image:
            # No new cluster where every one counts.
            if image.cluster_size == 512:
                image.set_all_ones("m", 1)
            else:
                image.set_bits("m", {0, 77, 900})
        self.edit("--merge", "m", path, "n")
        self.assertEqual(self.dirty(path, "n"), self.dirty(path, "m"))
        self.edit("--remove", path, "m")
        self.edit("--clear", path, "n")
        self.edit("--remove", path, "n")

    def test_full_refcount_block(self):
        for cluster in (512, 4096):
            for free in (0, 1, 2, 3, 4, 5):
                with self.subTest(cluster=cluster, free=free):
                    self.work_on(self.edge(cluster, free))

    def test_full_refcount_block_at_64k(self):
        for free in (0, 1, 2):
            path = self.path("edge.qcow2")
            # header, refcount table and block, L1, four L2 tables, then the data
            images.create(path, (32768 - 8 - free) << 16, options="preallocation=metadata")
            with Image(path) as image:
                self.assertEqual(-image.file_clusters % image.refcounts_per_block, free)
            before = self.bystanders(path)
            for command in (("--add", "n"), ("--add", "m"), ("--remove", "n"), ("--remove", "m")):
                self.succeeds(command[0], path, command[1])
                done = self.run_program("qemu-img", "check", "-q", path)
                self.assertEqual(done.code, 0, done)
            self.assertEqual(self.bystanders(path), before)

    def test_full_refcount_table(self):
        for free in (0, 1, 2):
            with self.subTest(free=free):
                path = self.edge(512, free, table=True)
                with Image(path) as image:
                    clusters = image.refcount_table_clusters
                self.work_on(path)
                with Image(path) as image:
                    self.assertGreater(image.refcount_table_clusters, clusters)

    def test_growth_by_several_blocks_at_once(self):
        path = images.create(self.path("wide.qcow2"), "2G", cluster=512)
        for name in ("a", "b"):
            self.edit("--add", "-g", "512", path, name)
        with Craft(path) as image:
            image.set_bits("a", range(0, image.bit_count(image.bitmap("a")), 4096))
        self.edit("--merge", "a", path, "b")
        with Image(path) as image:
            self.assertEqual(image.bits("a"), image.bits("b"))
        self.edit("--remove", path, "a")
        self.edit("--clear", path, "b")

    def test_growth_of_the_table_by_a_merge(self):
        path = images.create(self.path("wide.qcow2"), "8G", cluster=512)
        self.edit("--add", "-g", "512", path, "a")
        with Craft(path) as image:
            entry = image.bitmap("a")
            for index in range(0, entry.table_size, 2):
                image.set_table_entry("a", index, 1)
        self.edit("--add", "-g", "512", path, "b")
        with Craft(path) as image:
            image.set_bits("b", range(5, image.bit_count(image.bitmap("b")), 4096 * 2))
            size = image.refcount_table_clusters
        with Craft(path) as image:
            image.set_bits("a", range(4096, image.bit_count(image.bitmap("a")), 4096 * 2))
        self.edit("--merge", "b", path, "a")
        with Image(path) as image:
            self.assertGreaterEqual(image.refcount_table_clusters, size)
            self.assertEqual(image.table(image.bitmap("a"))[0], 1)


class FileSize(harness.Case):
    ROUNDS = 1000 // harness.SHARE

    def clusters(self, path):
        with Image(path) as image:
            return image.file_clusters

    def test_a_thousand_rounds_of_add_and_remove(self):
        for cluster in (65536, 512):
            path = images.with_bitmaps(self.path("disk.qcow2"), cluster=cluster)
            first, others = self.clusters(path), self.bystanders(path)
            for _ in range(self.ROUNDS if cluster == 65536 else self.ROUNDS // 10):
                self.succeeds("--add", path, "n")
                self.succeeds("--remove", path, "n")
                self.assertLessEqual(self.clusters(path), first + 8)
            self.assert_sound(path)
            self.assertEqual(self.bystanders(path), others)

    def test_a_thousand_rounds_of_rotation(self):
        path = images.with_bitmaps(self.path("disk.qcow2"), ())
        first, largest = self.clusters(path), 0
        for i in range(self.ROUNDS):
            self.succeeds("--add", path, f"n{i}")
            if i >= 3:
                self.succeeds("--remove", path, f"n{i - 3}")
            largest = max(largest, self.clusters(path))
            if i % 100 == 99:
                self.assert_sound(path)
        self.assertLessEqual(largest, first + 64)
        self.assertEqual([b[0] for b in self.listed(path)],
                         [f"n{self.ROUNDS - k}" for k in (3, 2, 1)])

    def test_rotation_of_bitmaps_with_bits(self):
        """Each new bitmap takes over the bits of the oldest, which goes."""
        path = images.with_bitmaps(self.path("disk.qcow2"), ["n0", "n1", "n2"])
        first = self.clusters(path)
        for i in range(3, self.ROUNDS // 4):
            self.succeeds("--add", path, f"n{i}")
            self.succeeds("--merge", f"n{i - 3}", "--merge", f"n{i - 1}", path, f"n{i}")
            self.succeeds("--remove", path, f"n{i - 3}")
            self.assertLessEqual(self.clusters(path), first + 64)
        self.assert_sound(path)
        self.assertEqual(self.dirty(path, f"n{self.ROUNDS // 4 - 1}"),
                         {0, 1, 200, 3, 4, 203, 6, 7, 206})


if __name__ == "__main__":
    harness.main()
