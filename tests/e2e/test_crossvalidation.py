#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both programs over the same commands.

instar and qemu-img edit copies of one image; after every command the exit code's
class, the list of bitmaps, their bits, the virtual size, the guest's data and the verdict of
`qemu-img check` are compared.  A difference that lib/divergences.py does not list
fails, and so does an entry there that no longer describes a difference.

INSTAR_SEED and INSTAR_STEPS repeat or lengthen a random run.
"""

import os
import random
import shutil

from lib import harness, images, walk
from lib.craft import Craft
from lib.divergences import BITMAPS, BITS, EXIT, FIELDS, KNOWN_BITMAP_DIVERGENCES, Command, known
from lib.qcow2 import INCOMPAT_DIRTY, Image

SEED = int(os.environ.get("INSTAR_SEED", "20250101"))
STEPS = int(os.environ.get("INSTAR_STEPS", 700 // harness.SHARE))
NAMES = ("a", "b", "c", "d", "\u00e9t\u00e9", "x" * 40)


def commands(*words):
    return tuple((w, None) for w in words)


def merges(*sources):
    return tuple(("--merge", s) for s in sources)


class Pair(harness.Case):
    """Two copies of an image, `ours` and `theirs`."""

    def setUp(self):
        super().setUp()
        self.ours, self.theirs = self.path("ours.qcow2"), self.path("theirs.qcow2")
        self.seen = set()

    def use(self, path):
        shutil.copyfile(path, self.ours)
        shutil.copyfile(path, self.theirs)

    @staticmethod
    def look(path):
        """What is compared beside the exit code."""
        with Image(path) as image:
            valid = image.bitmaps() if image.bitmaps_valid else []
            return {
                BITMAPS: [(b.name, b.flags, b.granularity) for b in valid],
                BITS: {b.name: image.bits(b) for b in valid},
                "virtual size": image.virtual_size,
                "guest data": walk.guest_fingerprint(image),
                "backing": (image.backing_name, image.backing_format),
            }

    def differing(self, command):
        """Run the command on both; {field: (ours, theirs)} of what differs."""
        before = self.look(self.ours)
        mine = self.instar(*command.arguments(self.ours))
        peer = self.run_program("qemu-img", "bitmap", *command.arguments(self.theirs))
        self.assertIn(mine.code, (0, 1, 2), mine)
        self.assertIn(peer.code, (0, 1), peer)
        self.assert_no_journal()
        ours, theirs = self.look(self.ours), self.look(self.theirs)
        if mine.code:
            self.assertEqual(ours, before, f"{command}: refused, but changed: {mine}")
        if bool(mine.code) != bool(peer.code):
            return {EXIT: (mine, peer)}
        return {field: (ours[field], theirs[field]) for field in ours
                if ours[field] != theirs[field]}

    def compare(self, command):
        """Every difference has a registered cause; the keys of those seen."""
        with Image(self.ours) as image:
            causes = {field: known(field, command, image) for field in FIELDS}
        found, keys = self.differing(command), set()
        for field, values in found.items():
            self.assertTrue(causes.get(field), f"{command}: {field} differs: {values}")
            keys.update(causes[field])
        if found:
            self.agree_again(EXIT in found and found[EXIT][0].code != 0)
        return keys

    def agree_again(self, theirs_is_right):
        """Go on from one and the same image."""
        source, target = (self.theirs, self.ours) if theirs_is_right else (self.ours, self.theirs)
        shutil.copyfile(source, target)


class Random(Pair):
    """Random commands on images of several kinds."""

    def random_command(self, chance):
        kind = chance.random()
        if kind < 0.30:
            count = chance.choice((1, 1, 1, 2, 3))
            return Command(merges(*chance.choices(NAMES, k=count)), chance.choice(NAMES))
        if kind < 0.36:
            mixed = list(merges(chance.choice(NAMES)) + commands(self.random_flag(chance)))
            chance.shuffle(mixed)
            return Command(tuple(mixed), chance.choice(NAMES))
        flags = [self.random_flag(chance) for _ in range(chance.choice((1, 1, 1, 1, 2, 2, 3, 5)))]
        granularity = None
        if chance.random() < 0.3:
            granularity = chance.choice(("512", "4k", "64k", "64K", "1M", "2G", "0x1000", "3",
                                         "256", "0", "4G", "4294967808", "1.5k", "", "65536"))
        return Command(commands(*flags), chance.choice(NAMES), granularity)

    @staticmethod
    def random_flag(chance):
        return chance.choice(("--add", "--add", "--remove", "--clear", "--enable", "--disable"))

    def random_write(self, chance, virtual_size):
        """The guest writes, so that enabled bitmaps get bits; on one copy, for both."""
        length = chance.choice((512, 4096, 65536, 300 << 10))
        offset = chance.randrange(0, (virtual_size - length) // 512) * 512
        images.write(self.ours, f"write -q -P {chance.randrange(256)} {offset} {length}")
        self.agree_again(False)

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
        self.agree_again(False)

    def run_on(self, what, path, steps):
        chance = random.Random(f"{SEED} {what}")
        self.use(path)
        with Image(path) as image:
            size = image.virtual_size
        done = []
        for number in range(steps):
            turn = chance.random()
            if turn < 0.15:
                self.random_write(chance, size)
            elif turn < 0.25:
                self.random_state(chance)
            command = self.random_command(chance)
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
        self.use(path or self.image)
        entry = KNOWN_BITMAP_DIVERGENCES[key]
        with Image(self.ours) as image:
            self.assertTrue(entry.applies(command, image), key)
        before = self.look(self.theirs)
        found = self.differing(command)
        self.assertIn(entry.field, found, f"{key}: no difference any more")
        self.assertEqual(before["guest data"], self.look(self.ours)["guest data"])

    def test_every_entry_has_a_test(self):
        tests = {name[len("test_entry_"):] for name in dir(self) if name.startswith("test_entry_")}
        self.assertEqual(tests, set(KNOWN_BITMAP_DIVERGENCES))
        for entry in KNOWN_BITMAP_DIVERGENCES.values():
            self.assertIn(entry.field, FIELDS)
            self.assertTrue(entry.cause)

    def test_a_difference_without_an_entry_fails(self):
        """The comparison itself can fail."""
        self.use(self.image)
        with Craft(self.theirs) as image:
            image.set_bits("a", {77})
        with self.assertRaises(AssertionError):
            self.compare(Command(commands("--disable"), "b"))

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

    def test_entry_granularity_64_bits(self):
        self.check_entry("granularity_64_bits", Command(commands("--add"), "n", "4294967808"))

    def test_entry_stale_extension(self):
        with Craft(self.image) as image:
            image.clear_autoclear()
        self.check_entry("stale_extension", Command(commands("--add"), "n"))

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
        self.use(self.image)
        command = Command(commands("--add"), "n", extra=("--image-opts",))
        theirs = self.run_program("qemu-img", "bitmap",
                                  *command.arguments(f"driver=qcow2,file.filename={self.theirs}"))
        ours = self.instar(*command.arguments(f"driver=qcow2,file.filename={self.ours}"))
        self.assertEqual((theirs.code, ours.code), (0, 1), (theirs, ours))

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
        self.use(self.image)
        command = Command(merges("b"), "a")
        with Image(self.ours) as image:
            self.assertEqual(known(EXIT, command, image), ["lost_bits"])
        ours = self.instar(*command.arguments(self.ours))
        theirs = self.run_program("qemu-img", "bitmap", *command.arguments(self.theirs))
        self.assertEqual((ours.code, theirs.code), (1, 0), (ours, theirs))

    def test_entry_no_bitmaps_extension(self):
        path = images.create(self.path("broken.qcow2"))
        with Craft(path) as image:
            image.set_autoclear(1)
        self.check_entry("no_bitmaps_extension", Command(commands("--add"), "n"), path)

    def test_entry_partial_bitmaps(self):
        self.check_entry("partial_bitmaps", Command(commands("--disable", "--add"), "a"))

    def test_entry_partial_bits(self):
        self.check_entry("partial_bits", Command(commands("--clear", "--add"), "a"))


if __name__ == "__main__":
    harness.main()
