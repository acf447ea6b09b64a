#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both programs over the same commands.

instar and qemu-img edit copies of one image; after every command the exit code's class, the
reason of a refusal, the list of bitmaps, their bits, the virtual size, the guest's data and the
verdict of `qemu-img check` are compared.  A difference that lib/divergences.py does not list
fails, and so does an entry there that no longer describes a difference.

INSTAR_SEED and INSTAR_STEPS repeat or lengthen a random run.
"""

import os
import random

from lib import harness, images
from lib.bitmap_pair import BitmapPair, look
from lib.bitmap_refusals import words
from lib.craft import Craft
from lib.divergences import EXIT, FIELDS, KNOWN_BITMAP_DIVERGENCES, Command, known
from lib.qcow2 import FLAG_IN_USE, INCOMPAT_DIRTY, Image
from lib.random_commands import commands, merges, random_command

SEED = int(os.environ.get("INSTAR_SEED", "20250101"))
STEPS = int(os.environ.get("INSTAR_STEPS", 700 // harness.SHARE))
NAMES = ("a", "b", "c", "d", "\u00e9t\u00e9", "x" * 40)


class Pair(harness.Case):
    """Two copies of an image, `ours` and `theirs`."""

    def setUp(self):
        super().setUp()
        self.pair = BitmapPair(self)
        self.ours, self.theirs = self.pair.ours, self.pair.theirs
        self.seen = set()

    def compare(self, command):
        """Every difference has a registered cause; the keys of those seen."""
        outcome = self.pair.step(command)
        self.assertFalse(outcome.unknown, command)
        if outcome.differences:
            self.pair.agree_again(outcome.only_they_did_it)
        return outcome.keys


class Random(Pair):
    """Random commands on images of several kinds."""

    def random_write(self, chance, virtual_size):
        """The guest writes, so that enabled bitmaps get bits; on one copy, for both."""
        length = chance.choice((512, 4096, 65536, 300 << 10))
        offset = chance.randrange(0, (virtual_size - length) // 512) * 512
        images.write(self.ours, f"write -q -P {chance.randrange(256)} {offset} {length}")
        self.pair.agree_again(False)

    def random_state(self, chance):
        """Now and then a bitmap is in use, or has all-ones entries."""
        with Craft(self.ours) as image:
            entries = image.bitmaps()
            if not entries:
                return
            entry = chance.choice(entries)
            name = entry.name.decode()
            if chance.random() < 0.4:
                image.set_entry(name, flags=entry.flags ^ 1)
            elif image.bit_count(entry) >= 8 * image.cluster_size and not entry.flags & 1:
                image.set_all_ones(name, 0)
        self.pair.agree_again(False)

    def run_on(self, what, path, steps):
        chance = random.Random(f"{SEED} {what}")
        self.pair.use(path)
        with Image(path) as image:
            size = image.virtual_size
        done = []
        for number in range(steps):
            turn = chance.random()
            if turn < 0.15:
                self.random_write(chance, size)
            elif turn < 0.25:
                self.random_state(chance)
            command = random_command(chance, NAMES)
            done.append(command)
            with self.subTest(image=what, seed=SEED, step=number, command=command):
                self.seen |= self.compare(command)
                self.assert_sound(self.ours)

    def test_random_commands(self):
        kinds = {
            "64k clusters": dict(),
            "512-byte clusters": dict(cluster=512, size="16M"),
            "4k clusters": dict(cluster=4096, size="64M"),
            "a backing name": dict(backing="/nowhere/base.raw", backing_format="raw"),
            "extended L2": dict(options="extended_l2=on"),
            "an odd size": dict(size=str((10 << 20) + 512), cluster=4096),
            "large": dict(size="1T"),
        }
        for what, options in kinds.items():
            path = images.create(self.path("start.qcow2"), **{"size": "64M", **options})
            if "backing" not in options:
                images.write(path, "write -q -P 1 0 256k")
                images.snapshot(path, "s")
            self.run_on(what, path, STEPS // len(kinds))
        every = ("merge_mixed", "merge_granularity", "partial_bitmaps")
        for key in every if harness.SHARE == 1 else ():
            self.assertIn(key, self.seen)


class Registry(Pair):
    """Each entry describes a difference that exists."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def check_entry(self, key, command, path=None):
        """The command shows exactly this difference."""
        self.pair.use(path or self.image)
        entry = KNOWN_BITMAP_DIVERGENCES[key]
        with Image(self.ours) as image:
            self.assertTrue(entry.applies(command, image), key)
        before = look(self.theirs)
        outcome = self.pair.step(command)
        self.assertIn(entry.field, outcome.differences, f"{key}: no difference any more")
        self.assertIn(key, outcome.keys, outcome.mine)
        self.assertFalse(outcome.faults)
        self.assertEqual(before["guest data"], look(self.ours)["guest data"])

    def assert_explained(self, key, ours):
        self.assertTrue(KNOWN_BITMAP_DIVERGENCES[key].explains(ours.code, words(ours)), ours)

    def test_every_entry_has_a_test(self):
        tests = {name[len("test_entry_"):] for name in dir(self) if name.startswith("test_entry_")}
        self.assertEqual(tests, set(KNOWN_BITMAP_DIVERGENCES))
        for entry in KNOWN_BITMAP_DIVERGENCES.values():
            self.assertIn(entry.field, FIELDS)
            self.assertTrue(entry.cause)

    def test_a_difference_without_an_entry_fails(self):
        """The comparison itself can fail."""
        self.pair.use(self.image)
        with Craft(self.theirs) as image:
            image.set_bits("a", {77})
        with self.assertRaises(AssertionError):
            self.compare(Command(commands("--disable"), "b"))

    def test_an_entry_does_not_excuse_another_refusal(self):
        """Nor a success, where instar is said to refuse."""
        entry = KNOWN_BITMAP_DIVERGENCES["merge_mixed"]
        self.assertTrue(entry.explains(1, entry.says))
        self.assertFalse(entry.explains(1, "bitmap not found"))
        self.assertFalse(entry.explains(0, ""))

    def test_entry_merge_mixed(self):
        self.check_entry("merge_mixed", Command(commands("--add") + merges("a"), "n"))

    def test_entry_cross_file_merge(self):
        other = images.with_bitmaps(self.path("other.qcow2"))
        self.check_entry("cross_file_merge", Command(merges("a"), "b", extra=("-b", other)))

    def test_entry_refcount_bits(self):
        path = images.create(self.path("wide.qcow2"), options="refcount_bits=64")
        self.check_entry("refcount_bits", Command(commands("--add"), "n"), path)

    def test_entry_merge_granularity(self):
        with Craft(self.image) as image:
            image.add_bitmap("fine", 4096, bits={3})
        self.check_entry("merge_granularity", Command(merges("fine"), "a"))

    def test_entry_granularity_zero(self):
        self.check_entry("granularity_zero", Command(commands("--add"), "n", "0"))

    def test_entry_granularity_zero_unused(self):
        self.check_entry("granularity_zero_unused", Command(commands("--disable"), "a", "0"))

    def test_entry_granularity_64_bits(self):
        self.check_entry("granularity_64_bits", Command(commands("--add"), "n", "4294967808"))

    def test_entry_stale_extension(self):
        with Craft(self.image) as image:
            image.clear_autoclear()
        self.check_entry("stale_extension", Command(commands("--add"), "n"))

    def test_entry_stale_removed(self):
        with Craft(self.image) as image:
            image.clear_autoclear()
        self.check_entry("stale_removed", Command(commands("--remove"), "a"))

    def test_entry_dirty_bit(self):
        path = images.with_bitmaps(self.path("lazy.qcow2"), options="lazy_refcounts=on")
        with Craft(path) as image:
            image.set_incompatible(INCOMPAT_DIRTY)
        self.check_entry("dirty_bit", Command(commands("--add"), "n"), path)

    def test_entry_luks(self):
        path = images.with_bitmaps(self.path("luks.qcow2"), options=images.FAST_LUKS)
        self.check_entry("luks", Command(commands("--add"), "n"), path)

    def test_entry_object(self):
        self.check_entry("object", Command(
            commands("--add"), "n", extra=("--object", "secret,id=s,data=x")))

    def test_entry_image_opts(self):
        """The same words would be an option string to qemu."""
        self.pair.use(self.image)
        command = Command(commands("--add"), "n", extra=("--image-opts",))
        theirs = self.run_program("qemu-img", "bitmap",
                                  *command.arguments(f"driver=qcow2,file.filename={self.theirs}"))
        ours = self.instar(*command.arguments(f"driver=qcow2,file.filename={self.ours}"))
        self.assertEqual((theirs.code, ours.code), (0, 1), (theirs, ours))
        self.assert_explained("image_opts", ours)

    def test_entry_too_many_actions(self):
        self.check_entry("too_many_actions", Command(commands(*["--disable"] * 9), "a"))

    def test_entry_too_many_sources(self):
        self.check_entry("too_many_sources", Command(merges(*"b" * 9), "a"))

    def test_entry_names_pool(self):
        names = [letter * 1023 for letter in "pqr"]
        with Craft(self.image) as image:
            for name in names:
                image.add_bitmap(name, 65536)
        self.check_entry("names_pool", Command(merges(*names), "a"))

    def test_entry_extra_data(self):
        with Craft(self.image) as image:
            image.set_entry("c", extra=b"more", flags=image.bitmap("c").flags | 4)
        self.check_entry("extra_data", Command(commands("--add"), "n"))

    def test_entry_missing_data_file(self):
        data = self.path("data.raw")
        path = images.with_bitmaps(self.path("split.qcow2"), options=f"data_file={data}")
        os.unlink(data)
        self.check_entry("missing_data_file", Command(commands("--add"), "n"), path)

    def test_entry_lost_bits(self):
        with Craft(self.image) as image:
            image.set_table_entry("b", 0, (image.file_clusters + 1000) * image.cluster_size)
        self.pair.use(self.image)
        command = Command(merges("b"), "a")
        with Image(self.ours) as image:
            self.assertEqual(known(EXIT, command, image), ["lost_bits"])
        ours = self.instar(*command.arguments(self.ours))
        theirs = self.run_program("qemu-img", "bitmap", *command.arguments(self.theirs))
        self.assertEqual((ours.code, theirs.code), (1, 0), (ours, theirs))
        self.assert_explained("lost_bits", ours)

    def test_entry_no_bitmaps_extension(self):
        path = images.create(self.path("broken.qcow2"))
        with Craft(path) as image:
            image.set_autoclear(1)
        self.check_entry("no_bitmaps_extension", Command(commands("--add"), "n"), path)

    def test_entry_granularity_read_first(self):
        self.check_entry("granularity_read_first", Command(commands("--clear"), "a", "none"))

    def test_entry_granularity_value_first(self):
        self.check_entry("granularity_value_first",
                         Command(commands("--remove", "--add"), "n", "3"))

    def test_entry_names_first(self):
        self.check_entry("names_first", Command(commands("--remove"), ""))
        self.check_entry("names_first", Command(merges("x" * 1024), "a"))

    def test_entry_version_first(self):
        path = images.create(self.path("old.qcow2"), options="compat=0.10")
        self.check_entry("version_first", Command(commands("--remove"), "a"), path)

    def test_entry_merge_target_first(self):
        with Craft(self.image) as image:
            image.set_entry("a", flags=FLAG_IN_USE)
        self.check_entry("merge_target_first", Command(merges("n"), "a"))

    def test_entry_partial_bitmaps(self):
        self.check_entry("partial_bitmaps", Command(commands("--disable", "--add"), "a"))

    def test_entry_partial_bits(self):
        self.check_entry("partial_bits", Command(commands("--clear", "--add"), "a"))


if __name__ == "__main__":
    harness.main()
