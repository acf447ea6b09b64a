#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar bitmap --remove-all`: what a loop of `qemu-img bitmap --remove` ends with, in one
transaction, and also where qemu removes nothing."""

import json
import shutil

from lib import harness, images, locks
from lib.craft import Craft
from lib.qcow2 import FLAG_IN_USE, TABLE_OFFSET_MASK, Bitmap, Image
from lib.random_bitmaps import RandomImage

SEEDS = range(24)
MANY = 5000


class RemoveAll(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def remove_all(self, image, leaks=None, qemu=True, **options):
        """All gone and both judges content; everything else as it was."""
        before = self.facts(image)
        result = self.succeeds("--remove-all", image, **options)
        self.assertEqual(self.facts(image), before)
        with Image(image) as opened:
            self.assertIsNone(opened.bitmaps_body())
            self.assertEqual(opened.autoclear & 1, 0)
        self.assert_sound(image, leaks or (), qemu)
        return result

    def test_random_images_end_as_with_a_loop_of_qemu_img(self):
        removed = 0
        for seed in SEEDS:
            with self.subTest(seed=seed):
                theirs, ours = self.path("theirs.qcow2"), self.path("ours.qcow2")
                made = RandomImage(theirs, seed, 1 + seed % 7, widths=(16,), odd=False)
                images.write(theirs, "write -P 3 0 512")
                shutil.copyfile(theirs, ours)
                for number in range(made.count):
                    images.bitmap(theirs, "--remove", f"b{number}")
                    removed += 1
                self.remove_all(ours)
                self.assertEqual(self.listed(theirs), self.listed(ours))
                self.assertEqual(self.facts(theirs), self.facts(ours))
                self.assert_sound(theirs)
                with Image(ours) as mine, Image(theirs) as other:
                    self.assertLessEqual(mine.file_size, other.file_size)
        self.assertGreater(removed, 2 * len(SEEDS))

    def test_the_image_is_used_as_before(self):
        self.remove_all(self.image)
        self.edit("--add", self.image, "n")
        self.assertEqual([b[0] for b in self.listed(self.image)], ["n"])

    def test_bitmaps_in_use_and_with_extra_data_go_too(self):
        with Craft(self.image) as image:
            image.set_entry("a", flags=image.bitmap("a").flags | FLAG_IN_USE)
            image.set_entry("c", extra=b"more")
        self.remove_all(self.image)

    def test_a_stale_list_goes_and_is_not_made_valid(self):
        with Craft(self.image) as image:
            image.clear_autoclear()
        self.remove_all(self.image)

    def test_where_there_is_none_nothing_is_written(self):
        fresh = images.create(self.path("fresh.qcow2"))
        harness.age(fresh)
        before = harness.state_of(fresh)
        self.succeeds("--remove-all", fresh)
        self.assertEqual(harness.state_of(fresh), before)

    def test_json_says_how_many_went(self):
        for removed in (3, 0):
            result = self.instar("--remove-all", "--output", "json", self.image)
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertEqual(json.loads(result.out), {
                "actions-applied": 1, "resulting-bitmaps": 0, "removed-bitmaps": removed})

    def test_a_cluster_that_two_bitmaps_name_stays(self):
        with Craft(self.image) as image:
            shared = image.table(image.bitmap("a"))[0] & TABLE_OFFSET_MASK
            own = image.table(image.bitmap("b"))[0] & TABLE_OFFSET_MASK
            image.set_table_entry("b", 0, shared)
            image.free(own, image.cluster_size)
        result = self.succeeds("--remove-all", self.image, warns=True)
        self.assertIn("warning: 1 cluster was left leaked", result.err)
        self.assert_sound(self.image, [shared // 65536])

    def test_the_command_line(self):
        self.refuses("--remove-all excludes every other action", "--remove-all", "--clear",
                     self.image, image=self.image)
        self.refuses("granularity only supported with --add", "--remove-all", "-g", "64k",
                     self.image, image=self.image)
        result = self.instar("--remove-all", self.image, "a")
        self.assertEqual((result.code, result.first_line),
                         (2, "instar bitmap: unexpected argument 'a'"))
        result = self.instar("--remove-all")
        self.assertEqual((result.code, result.first_line),
                         (2, "instar bitmap: missing argument FILENAME"))

    def test_an_image_in_use_is_refused(self):
        before = harness.state_of(self.image)
        with locks.locked(self.image, 200):
            result = self.instar("--remove-all", self.image)
        self.assertEqual((result.code, result.out, result.first_line),
                         (1, "", 'instar bitmap: Failed to get "write" lock'))
        self.assertEqual(harness.state_of(self.image), before)

    def test_thousands_of_bitmaps_take_one_transaction(self):
        """qemu-img rewrites every other one for each that goes."""
        path = images.create(self.path("many.qcow2"), cluster=512, size="1M")
        with Craft(path) as image:
            entries = [Bitmap(0, 0, 0, 0, 1, 16, b"bitmap %d" % i, b"") for i in range(MANY)]
            place = image.allocate(2 * MANY)
            for i, entry in enumerate(entries):
                entry.table_size, entry.table_offset = 1, place + 1024 * i
                image.pwrite(entry.table_offset, (entry.table_offset + 512).to_bytes(8, "big"))
                image.pwrite(entry.table_offset + 512, b"\x55\x55")
            image.write_directory(entries)
        trace = self.path("trace")
        self.remove_all(path, prefix=("strace", "-f", "-e", "trace=fdatasync,fsync", "-o", trace),
                        timeout=120)
        with open(trace, encoding="ascii", errors="replace") as file:
            syncs = sum("sync(" in line for line in file)
        self.assertLess(syncs, 20)


if __name__ == "__main__":
    harness.main()
