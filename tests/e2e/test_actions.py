#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The six actions at every cluster size.

Every edit is judged by `qemu-img check`, `qemu-img info` and an independent
reader; guest data, features of the image and every bitmap that is not named stay
as they were, to the bit and to the place of their tables (invariant 5).
"""

from lib import harness, images
from lib.craft import Craft
from lib.qcow2 import Image

ENABLED, DISABLED = ("auto",), ()


class Shared:
    class Actions(harness.Case):
        cluster = 65536

        def setUp(self):
            super().setUp()
            self.image = images.with_bitmaps(self.path("disk.qcow2"), cluster=self.cluster)

        @property
        def default_granularity(self):
            return min(65536, max(4096, self.cluster))

        def names(self):
            return [b[0] for b in self.listed(self.image)]

        def test_add_makes_an_enabled_empty_bitmap_at_the_end(self):
            before = self.listed(self.image)
            self.edit("--add", self.image, "n")
            self.assertEqual(self.listed(self.image),
                             before + [("n", ENABLED, self.default_granularity)])
            self.assertEqual(self.dirty(self.image, "n"), set())
            self.assertEqual(self.data_clusters(self.image, "n"), 0)

        def test_add_to_an_image_without_bitmaps(self):
            fresh = images.create(self.path("fresh.qcow2"), cluster=self.cluster)
            self.edit("--add", fresh, "n")
            self.assertEqual(self.listed(fresh), [("n", ENABLED, self.default_granularity)])

        def test_add_with_granularities_from_512_to_2g(self):
            for shift in (9, 12, 16, 20, 31):
                self.edit("--add", "-g", str(1 << shift), self.image, f"g{shift}")
                self.assertEqual(self.listed(self.image)[-1], (f"g{shift}", ENABLED, 1 << shift))

        def test_add_disable_makes_a_disabled_bitmap(self):
            self.edit("--add", "--disable", self.image, "n")
            self.assertEqual(self.listed(self.image)[-1],
                             ("n", DISABLED, self.default_granularity))

        def test_remove_of_the_first_the_middle_and_the_last_entry(self):
            images.bitmap(self.image, "--add", "d")
            for name in ("b", "a", "d"):
                left = [n for n in self.names() if n != name]
                self.edit("--remove", self.image, name)
                self.assertEqual(self.names(), left)

        def test_remove_of_every_bitmap_drops_the_extension(self):
            for name in ("c", "a", "b"):
                self.edit("--remove", self.image, name)
            self.assertEqual(self.listed(self.image), [])
            with Image(self.image) as image:
                self.assertIsNone(image.bitmaps_body())
                self.assertEqual(image.autoclear, 0)

        def test_remove_frees_every_cluster(self):
            with Image(self.image) as image:
                used = image.file_size
            self.edit("--add", self.image, "n")
            self.edit("--remove", self.image, "n")
            with Image(self.image) as image:
                self.assertLessEqual(image.file_size, used + 8 * self.cluster)

        def test_clear_resets_all_bits_and_frees_the_data(self):
            images.bitmap(self.image, "--disable", "b")
            flags = self.listed(self.image)
            self.edit("--clear", self.image, "b")
            self.assertEqual(self.dirty(self.image, "b"), set())
            self.assertEqual(self.data_clusters(self.image, "b"), 0)
            self.assertEqual(self.listed(self.image), flags)

        def test_enable_and_disable_change_the_auto_flag_alone(self):
            bits = self.dirty(self.image, "b")
            for action, flags in (("--disable", DISABLED), ("--enable", ENABLED)):
                self.edit(action, self.image, "b")
                self.assertEqual(self.listed(self.image)[1], ("b", flags, 65536))
                self.assertEqual(self.dirty(self.image, "b"), bits)

        def test_merge_ors_the_source_into_the_target(self):
            images.bitmap(self.image, "--disable", "c")
            flags = self.listed(self.image)
            self.edit("--merge", "a", self.image, "c")
            self.assertEqual(self.dirty(self.image, "c"), {0, 1, 200, 6, 7, 206})
            self.assertEqual(self.listed(self.image), flags)

        def test_merge_of_several_sources(self):
            self.edit("--merge", "a", "--merge=b", self.image, "c")
            self.assertEqual(self.dirty(self.image, "c"), {0, 1, 200, 3, 4, 203, 6, 7, 206})

        def test_sequences_apply_in_the_order_of_the_command_line(self):
            for actions, flags, bits in (
                    (("--disable", "--enable", "--disable"), DISABLED, True),
                    (("--enable", "--clear"), ENABLED, False),
                    (("--clear", "--disable", "--enable"), ENABLED, False),
                    (("--remove", "--add"), ENABLED, False),
                    (("--remove", "--add", "--disable"), DISABLED, False),
                    (("--remove", "--add", "--remove"), None, False),
                    (("--disable", "--remove", "--add"), ENABLED, False),
                    (("--remove", "--add", "--remove", "--add", "--disable"), DISABLED, False),
                    (("--disable",) * 8, DISABLED, True)):
                with self.subTest(actions=actions):
                    image = images.with_bitmaps(self.path("turn.qcow2"), cluster=self.cluster)
                    self.edit(*actions, image, "b")
                    found = {n: f for n, f, _ in self.listed(image)}
                    self.assertEqual(found.get("b"), flags)
                    if flags is not None:
                        self.assertEqual(bool(self.dirty(image, "b")), bits)

        def test_new_bitmap_in_one_command_with_interleaved_repeats(self):
            self.edit("--add", "--remove", "--add", self.image, "n")
            self.assertEqual(self.names(), ["a", "b", "c", "n"])
            self.edit("--add", "--disable", "--enable", "--clear", self.image, "m")
            self.assertEqual(self.listed(self.image)[-1],
                             ("m", ENABLED, self.default_granularity))

        def test_no_op_writes_nothing(self):
            with Craft(self.image) as image:
                image.add_bitmap("empty")
                image.add_bitmap("off", flags=0)
            for command in (("--enable", "a"), ("--disable", "off"), ("--add", "--remove", "n"),
                            ("--disable", "--enable", "a"), ("--enable", "--disable", "off"),
                            ("--clear", "empty"), ("--clear", "--clear", "empty"),
                            ("--merge", "a", "a"), ("--merge", "empty", "a"),
                            ("--merge", "b", "--merge", "b", "b"),
                            ("--add", "--disable", "--clear", "--remove", "n")):
                with self.subTest(command=command):
                    self.writes_nothing(*command[:-1], self.image, command[-1])
            with Craft(self.image) as image:
                image.set_bits("empty", {0, 200})
            self.writes_nothing("--merge", "empty", self.image, "a")

        def test_json_envelope(self):
            for actions, applied, left in ((("--add", "-g64k"), 1, 4),
                                           (("--disable", "--clear"), 2, 4),
                                           (("--merge", "a"), 1, 4),
                                           (("--merge", "a", "--merge", "b"), 1, 4),
                                           (("--enable",) * 8, 8, 4), (("--remove",), 1, 3)):
                result = self.instar("--output", "json", *actions, self.image, "n")
                self.assertEqual(
                    (result.code, result.out, result.err),
                    (0, '{\n  "actions-applied": %d,\n  "resulting-bitmaps": %d\n}\n'
                     % (applied, left), ""))

        def test_json_after_the_last_removal_says_zero(self):
            fresh = images.create(self.path("fresh.qcow2"), cluster=self.cluster)
            self.edit("--add", fresh, "n")
            result = self.instar("--remove", "--output=json", fresh, "n")
            self.assertEqual(
                result.out, '{\n  "actions-applied": 1,\n  "resulting-bitmaps": 0\n}\n')

        def test_tables_of_many_clusters(self):
            """A table longer than a sector, data clusters at its ends and in the middle."""
            granularity = 512
            large = images.create(self.path("large.qcow2"), str(self.cluster << 20),
                                  cluster=self.cluster)
            granularity = 512 if self.cluster <= 65536 else 65536
            self.edit("--add", "-g", str(granularity), large, "wide")
            with Craft(large) as image:
                entry = image.bitmap("wide")
                last = image.bit_count(entry) - 1
                bits = {0, 1, last // 2, last // 3, last - 1, last}
                image.set_bits("wide", bits)
            images.bitmap(large, "--add", "-g", str(entry.granularity), "other")
            self.edit("--merge", "wide", large, "other")
            self.assertEqual(self.dirty(large, "other"), bits)
            self.edit("--clear", large, "wide")
            self.assertEqual(self.data_clusters(large, "wide"), 0)
            self.edit("--remove", large, "other")
            self.assertEqual(self.dirty(large, "wide"), set())

        def test_names_of_every_kind(self):
            for name in ("-x", "--add", "a b", "new\nline", "\u00fcml\u00e4ut", "/", "'\"", "%s%n",
                         "x" * 1023):
                with self.subTest(name=name):
                    before, others = self.facts(self.image), self.bystanders(self.image)
                    self.succeeds("--add", "--", self.image, name)
                    self.assertEqual(self.names()[-1], name)
                    self.assertEqual(self.bystanders(self.image, name), others)
                    self.succeeds("--remove", "--", self.image, name)
                    self.assertEqual(self.facts(self.image), before)
            self.assert_sound(self.image)

        def test_name_that_is_not_utf8(self):
            result = self.run_program(harness.INSTAR, "bitmap", "--add", self.image,
                                      b"bad\xff\xfe".decode("utf-8", "surrogateescape"))
            self.assertEqual(result.code, 0, result)
            self.assertEqual(self.bystanders(self.image)[-1][0], b"bad\xff\xfe")


class Clusters512(Shared.Actions):
    cluster = 512


class Clusters4K(Shared.Actions):
    cluster = 4096


class Clusters64K(Shared.Actions):
    cluster = 65536


class Clusters2M(Shared.Actions):
    cluster = 2 << 20


if __name__ == "__main__":
    harness.main()
