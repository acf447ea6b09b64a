#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A cluster is freed only after it is proved to be the bitmap's own.

One crafted image per owner: a table entry (or the table itself) of the bitmap `t`
names a cluster that belongs to somebody else.  Whatever the command, the owner's bytes and
refcount stay; an edit that would have freed the cluster warns and leaves it.  qemu-img frees
such a cluster and punches a hole into it.
"""

import shutil
import struct
import tempfile

from lib import check, harness, images, walk
from lib.craft import Craft
from lib.qcow2 import Image


def l2_offset(image, l1_offset, index=0):
    return struct.unpack(">Q", image.pread(l1_offset + 8 * index, 8))[0] & walk.OFFSET_MASK


def first_data(image, l1_offset):
    for _, entry, _ in walk.mapping(image, l1_offset, 1):
        if entry & walk.OFFSET_MASK and not entry & walk.COMPRESSED:
            return entry & walk.OFFSET_MASK
    raise AssertionError("no guest data")


# owner -> where its cluster is.  (The header cannot be named: a table entry of 0 is none.)
OWNERS = {
    "L1 table": lambda image: image.l1_offset,
    "L2 table": lambda image: l2_offset(image, image.l1_offset),
    "guest data": lambda image: first_data(image, image.l1_offset),
    "refcount table": lambda image: image.refcount_table_offset,
    "refcount block": lambda image: image.refcount_table[0],
    "snapshot table": lambda image: image.snapshots_offset,
    "snapshot L1 table": lambda image: walk.snapshots(image)[0].l1_offset,
    "snapshot L2 table": lambda image: l2_offset(image, walk.snapshots(image)[0].l1_offset),
    "snapshot data": lambda image: first_data(image, walk.snapshots(image)[0].l1_offset),
    "bitmap directory": lambda image: image.bitmaps_body()[2],
    "another bitmap's table": lambda image: image.bitmap("other").table_offset,
    "another bitmap's data": lambda image: image.table(image.bitmap("other"))[0],
    "an inconsistent bitmap's table": lambda image: image.bitmap("stale").table_offset,
    "an inconsistent bitmap's data": lambda image: image.table(image.bitmap("stale"))[0],
    "its own table": lambda image: image.bitmap("t").table_offset,
}
# Owners that only the scan of the L2 tables finds.
NEED_SCAN = {"L2 table", "guest data", "snapshot L2 table", "snapshot data"}
FREEING = (("--remove", "t"), ("--clear", "t"), ("--merge=source", "t"),
           ("--remove", "--add", "t"), ("--clear", "--disable", "t"))


class Shared:
    class Ownership(harness.Case):
        cluster = 4096
        granularity = 512

        @classmethod
        def setUpClass(cls):
            folder = tempfile.TemporaryDirectory(prefix="instar-e2e-")
            cls.addClassCleanup(folder.cleanup)
            cls.template = cls.make_template(folder.name + "/template.qcow2")

        def victim(self):
            return shutil.copyfile(self.template, self.path("disk.qcow2"))

        @classmethod
        def make_template(cls, path):
            """Snapshot data that the active layer no longer shares, and bitmaps with bits."""
            images.create(path, "128M", cluster=cls.cluster)
            images.write(path, f"write -P 1 0 {8 * cls.cluster}")
            images.snapshot(path, "kept")
            images.write(path, f"write -P 2 0 {8 * cls.cluster}")
            with Craft(path) as image:
                first = 8 * cls.cluster  # the second table entry's first bit
                for name in ("t", "other", "stale", "source"):
                    image.add_bitmap(name, cls.granularity)
                    image.set_bits(name, {1, first + 7})
                image.set_bits("source", {2, first + 9, 2 * first})
                image.set_entry("stale", flags=3)
            return path

        def point_at(self, path, offset):
            """Make the first table entry of t name this cluster; its own one is freed."""
            with Craft(path) as image:
                old = image.table(image.bitmap("t"))[0]
                image.set_table_entry("t", 0, offset)
                image.free(old, image.cluster_size)

        def works(self, path, command, *options):
            """The command must go on, with a warning; the image keeps all but t."""
            facts, others = self.facts(path), self.bystanders(path, "t")
            result = self.succeeds(*options, *command[:-1], path, command[-1], warns=True)
            self.assertEqual(self.facts(path), facts)
            self.assertEqual(self.bystanders(path, "t"), others)
            return result

        def content(self, path, offset):
            """Bytes and refcount of the owner's cluster.

            The directory and refcount structures change by the edit itself: of them
            only the refcount counts here, their content is judged by the checker."""
            with Image(path) as image:
                return image.pread(offset, image.cluster_size), image.refcount(
                    offset >> image.cluster_bits)

        def owner_is_spared(self, owner, command):
            path = self.victim()
            with Image(path) as image:
                offset = OWNERS[owner](image)
            changing = {"bitmap directory", "refcount table", "refcount block", "its own table"}
            self.point_at(path, offset)
            before = self.content(path, offset)
            result = self.works(path, command)
            after = self.content(path, offset)
            if owner not in changing:
                self.assertEqual(after[0], before[0], "the owner's bytes changed")
            if owner not in ("bitmap directory", "its own table"):
                self.assertEqual(after[1], before[1], "the owner's refcount changed")
            with Image(path) as image:
                self.assertEqual(check.check(image).corruptions, [])
            if owner not in ("bitmap directory", "its own table"):
                self.assertIn("instar bitmap: warning: ", result.err)
                self.assertIn("left leaked", result.err)

        def test_every_owner_is_spared_by_every_action_that_frees(self):
            for owner in OWNERS:
                for command in FREEING:
                    with self.subTest(owner=owner, command=command):
                        self.owner_is_spared(owner, command)

        def test_template_is_sound(self):
            self.assert_sound(self.template)

        def test_clean_image_frees_everything_without_a_warning(self):
            for command in FREEING:
                for options in ((), ("--no-ownership-scan",)):
                    path = self.victim()
                    self.edit(*options, *command[:-1], path, command[-1])

        def test_actions_that_free_nothing_do_not_warn(self):
            path = self.victim()
            with Image(path) as image:
                offset = OWNERS["guest data"](image)
            self.point_at(path, offset)
            for action in ("--disable", "--enable"):
                result = self.works(path, (action, "t"))
                self.assertEqual(result.err, "")

        def test_without_the_scan_structures_are_still_spared(self):
            for owner in sorted(set(OWNERS) - NEED_SCAN):
                for command in FREEING[:3]:
                    with self.subTest(owner=owner, command=command):
                        path = self.victim()
                        with Image(path) as image:
                            offset = OWNERS[owner](image)
                        self.point_at(path, offset)
                        self.works(path, command, "--no-ownership-scan")
                        with Image(path) as image:
                            self.assertEqual(check.check(image).corruptions, [])

        def test_without_the_scan_a_shared_refcount_is_still_seen(self):
            """Guest data of the active layer and a snapshot alike has refcount 2."""
            path = self.victim()
            images.snapshot(path, "again")
            with Image(path) as image:
                offset = OWNERS["guest data"](image)
                self.assertEqual(image.refcount(offset >> image.cluster_bits), 2)
            self.point_at(path, offset)
            before = self.content(path, offset)
            self.works(path, ("--remove", "t"), "--no-ownership-scan")
            self.assertEqual(self.content(path, offset), before)

        def test_table_of_the_bitmap_belongs_to_somebody_else(self):
            """What lies there is read as a table; be it refused or edited, the owner is spared."""
            for owner in OWNERS:
                for command in FREEING:
                    if owner == "its own table":
                        continue
                    with self.subTest(owner=owner, command=command):
                        path = self.victim()
                        with Craft(path) as image:
                            offset = OWNERS[owner](image)
                            image.set_entry("t", table_offset=offset)
                        self.spared_or_refused(path, offset, command)

        def spared_or_refused(self, path, offset, command):
            before, state = self.content(path, offset), harness.digest_of(path)
            others = self.bystanders(path, "t")
            result = self.instar(*command[:-1], path, command[-1])
            self.assertIn(result.code, (0, 1), result)
            self.assertEqual(result.out, "")
            if result.code == 1:
                self.assertEqual(harness.digest_of(path), state)
                return
            self.assertEqual(self.bystanders(path, "t"), others)
            with Image(path) as image:
                if "merge" not in command[0]:
                    # A merge keeps the entries that it need not change, the crafted ones too.
                    self.assertEqual(check.check(image).corruptions, [])
                changing = {0, image.bitmaps_body()[2], image.refcount_table_offset,
                            *image.refcount_table}
            if offset not in changing:
                self.assertEqual(self.content(path, offset), before)

        def test_table_at_offset_zero_is_refused(self):
            path = self.victim()
            with Craft(path) as image:
                image.set_entry("t", table_offset=0)
            for command in FREEING:
                self.refuses("malformed", *command[:-1], path, command[-1], exact=False)

        def test_table_shared_by_two_bitmaps(self):
            """Both tables are one: what is freed for t would be lost for the other."""
            for command in FREEING:
                path = self.victim()
                with Craft(path) as image:
                    offset = image.bitmap("other").table_offset
                    image.set_entry("t", table_offset=offset)
                others = self.bystanders(path, "t")
                result = self.instar(*command[:-1], path, command[-1])
                self.assertIn(result.code, (0, 1), result)
                self.assertEqual(self.bystanders(path, "t"), others)

        def test_cluster_referenced_twice_by_the_bitmap_itself(self):
            for command in FREEING:
                with self.subTest(command=command):
                    path = self.victim()
                    with Image(path) as image:
                        offset = image.table(image.bitmap("t"))[1]
                    self.point_at(path, offset)
                    result = self.works(path, command)
                    self.assertIn("left leaked", result.err)
                    with Image(path) as image:
                        self.assertEqual(image.refcount(offset >> image.cluster_bits), 1)

        def test_refcount_that_is_not_one(self):
            for value in (0, 2, 3, 65535):
                for command in FREEING:
                    with self.subTest(value=value, command=command):
                        path = self.victim()
                        with Craft(path) as image:
                            offset = image.table(image.bitmap("t"))[0]
                            image.set_refcount(offset >> image.cluster_bits, value)
                        result = self.works(path, command)
                        self.assertIn("left leaked", result.err)
                        with Image(path) as image:
                            self.assertEqual(image.refcount(offset >> image.cluster_bits), value)

        def test_entry_beyond_the_end_of_the_file(self):
            """Either refused, or nothing but the entry is lost."""
            for distance in (0, 1, 100, 1 << 20, 1 << 34):
                for command in FREEING:
                    with self.subTest(distance=distance, command=command):
                        path = self.victim()
                        with Craft(path) as image:
                            image.set_table_entry(
                                "t", 0, (image.file_clusters + distance) * image.cluster_size)
                        state = harness.digest_of(path)
                        result = self.instar(*command[:-1], path, command[-1])
                        self.assertIn(result.code, (0, 1), result)
                        if result.code:
                            self.assertEqual(harness.digest_of(path), state)
                        else:
                            with Image(path) as image:
                                self.assertEqual(check.check(image).corruptions, [])

        def test_entry_with_reserved_bits_or_unaligned(self):
            values = [1 << 63, 1 << 56, 2, 1 << 8, 0x10001]
            if self.cluster > 512:
                values.append(self.cluster * 20 + 512)
            for value in values:
                path = self.victim()
                with Craft(path) as image:
                    image.set_table_entry("t", 0, value)
                    state = harness.digest_of(path)
                for command in FREEING + (("--merge=t", "source"),):
                    with self.subTest(value=hex(value), command=command):
                        result = self.instar(*command[:-1], path, command[-1])
                        self.assertIn(result.code, (0, 1), result)
                        if result.code:
                            self.assertEqual(harness.digest_of(path), state)
                            continue
                        with Image(path) as image:
                            report = check.check(image)
                            self.assertEqual(report.corruptions, [])
                        break


class Clusters512(Shared.Ownership):
    cluster = 512
    granularity = 512


class Clusters4K(Shared.Ownership):
    cluster = 4096
    granularity = 512


if __name__ == "__main__":
    harness.main()
