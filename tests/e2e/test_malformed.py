#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images that are damaged: qemu-img does not open most of them, `instar info` describes all."""

import os
import re
from contextlib import contextmanager

from lib import harness, images, look, shapes
from lib.malformed import DATA, VARIANTS, make_sound

REMOVE = "instar bitmap --remove IMAGE BITMAP"
REPAIR = "instar check -r all IMAGE"
HELPS_WHERE = "helps where"
OPENS_NOT = "qemu cannot open the image"
OPENS = re.compile("qemu (opens the image all the same|goes by the last of them)")
# These differ between a sound image and the same with a change.
CHANGING = ("actual-size", "instar-pending")
SECTOR = 512


class MalformedCase(look.LookCase):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")
        make_sound(self.image)
        self.sound = look.parse(self.qemu_info("--output=json", self.image))
        self.sound_lines = self.qemu_info(self.image).split(b"\n")

    @contextmanager
    def made(self, variant):
        """A subtest on the variant's image, which is given what is to be said of it."""
        with self.subTest(name=variant.name):
            os.unlink(self.image)
            yield variant.make(self.image)

    def opens(self):
        return not self.look("qemu-img", "info", self.image).code

    def damage(self, variant):
        return look.damage_of(self.info(*(["--count"] if variant.count else []), self.image))


class Peers(MalformedCase):
    def test_qemu_img_opens_few_of_them(self):
        refused = 0
        for variant in VARIANTS:
            with self.made(variant):
                self.assertEqual(self.opens(), variant.opens)
                refused += not variant.opens
        self.assertGreaterEqual(refused, 26)
        self.assertGreaterEqual(len(VARIANTS), 29)

    def test_the_guests_data_is_whole_before(self):
        self.assertTrue(self.opens())
        assert_data(self)


def assert_data(case):
    """The guest reads what it has written, and zeros elsewhere."""
    reads = [f"read -P {pattern} {offset} {length}" for offset, length, pattern in DATA]
    reads += ["read -P 0 128k 896k", "read -P 0 1088k 4M"]
    command = ["qemu-io", "-r", "-f", "qcow2"]
    for read in reads:
        command += ["-c", read]
    done = case.run_program(*command, case.image)
    case.assertEqual(done.code, 0, done)
    case.assertNotIn("Pattern verification failed", done.out)


class Described(MalformedCase):
    def test_what_is_wrong_and_where(self):
        for variant in VARIANTS:
            with self.made(variant) as says:
                found = self.damage(variant)
                self.assertIn((says, variant.bitmap), [(d["what"], d.get("bitmap")) for d in found])
                for one in found:
                    self.assertEqual(set(one) - {"bitmap"}, {"what", "repairable", "repair"})
                    self.assertIsInstance(one["repairable"], bool)
                    self.assertGreater(len(one["repair"]), 10)

    def test_damage_of_tables_is_seen_only_with_count(self):
        for variant in VARIANTS:
            with self.made(variant):
                found = look.damage_of(self.info(self.image))
                self.assertEqual(bool(found), not variant.count, found)

    def test_all_else_is_told_as_of_the_sound_image(self):
        for variant in VARIANTS:
            with self.made(variant):
                for options in ((), ("--count",)):
                    found = self.without_own(self.info(*options, self.image))
                    wanted = self.without_own(self.sound)
                    if variant.name.startswith("header: "):
                        self.leave_out_of_header(variant, found, wanted)
                    self.assertEqual(found, wanted)

    # By a word of the variant's name: what is itself the damage need not be the same.
    DAMAGED_KEYS = (("format", "backing-filename-format"), ("snapshot", "snapshots"),
                    ("refcounts", "refcount-bits"), ("compression", "compression-type"),
                    ("encryption", "encrypt"), ("encryption", "encrypted"), ("LUKS", "encrypt"),
                    ("LUKS", "encrypted"), ("subclusters", "extended-l2"))

    @classmethod
    def leave_out_of_header(cls, variant, found, wanted):
        for word, key in cls.DAMAGED_KEYS:
            if word in variant.name:
                for look_ in (found, wanted):
                    look_.pop(key, None)
                    look.data_of(look_).pop(key, None)

    @classmethod
    def without_own(cls, value):
        """Without own keys, bitmaps, and what changes."""
        if not isinstance(value, dict):
            return value
        return {key: cls.without_own(inner) for key, inner in value.items()
                if not key.startswith(look.OWN_KEY) and key not in ("bitmaps", *CHANGING)}

    def test_the_sound_bitmaps_are_told(self):
        wanted = {b["name"]: b for b in look.bitmaps_of(self.sound)}
        for variant in VARIANTS:
            with self.made(variant):
                shown = look.bitmaps_of(self.info(self.image))
                found = {b["name"]: {k: v for k, v in b.items() if not k.startswith(look.OWN_KEY)}
                         for b in reversed(shown)}
                for name in variant.sound:
                    self.assertEqual(found.get(name), wanted[name])
                if not variant.sound:
                    self.assertEqual(shown, [])

    def test_sound_bitmaps_are_counted_beside_a_damaged_one(self):
        clean = {b["name"]: b for b in look.bitmaps_of(self.info_of_sound())}
        for variant in VARIANTS:
            with self.made(variant):
                found = {b["name"]: b for b in reversed(look.bitmaps_of(self.info("--count",
                                                                                 self.image)))}
                for name in variant.sound:
                    if name != variant.bitmap:
                        self.assertEqual(found[name], clean[name])

    def info_of_sound(self):
        return self.info("--count", self.image)

    def test_what_an_entry_has_that_none_should_have(self):
        keys = {}
        for variant in VARIANTS:
            with self.made(variant):
                for bitmap in look.bitmaps_of(self.info(self.image)):
                    for key in ("instar-unknown-flags", "instar-type", "instar-extra-bytes"):
                        if key in bitmap:
                            keys.setdefault(key, {})[variant.name] = bitmap[key]
                    if "granularity bits" in variant.name and bitmap["name"] == "b":
                        bits = int(variant.name.split()[-1])
                        if bits > 63:
                            self.assertNotIn("granularity", bitmap)
                        else:
                            self.assertEqual(bitmap["granularity"], 1 << bits)
        self.assertEqual(keys["instar-type"], {f"directory: type {n}": n for n in (0, 2, 255)})
        unknown = keys["instar-unknown-flags"]
        for bit in (3, 17, 31):
            self.assertEqual(unknown[f"directory: flag {bit}"], 1 << bit)
        self.assertEqual(keys["instar-extra-bytes"],
                         {"directory: extra data": 13, "directory: compatible extra data": 8})

    def test_human_output_has_it_and_ends_well(self):
        for variant in VARIANTS:
            with self.made(variant) as says:
                human = self.looks("info", "--count", self.image)
                self.assertIn(b"\n            what: " + says.encode() + b"\n", human)
                self.assertIn(b"\n            repairable: ", human)
                self.assertIn(b"\n            repair: ", human)
                lines = look.qemu_human(human).split(b"\n")
                for line in self.sound_lines[:3] + self.sound_lines[4:9]:
                    if "compression" not in variant.name or b"compression type" not in line:
                        self.assertIn(line, lines)

    def test_nothing_is_changed(self):
        for variant in VARIANTS:
            with self.made(variant):
                with self.untouched(self.image):
                    self.looks("info", "--count", self.image)


class Repaired(MalformedCase):
    """What `repair` says is done, and helps; what it says of qemu is true."""

    def test_every_way_that_is_named(self):
        ways = set()
        for variant in VARIANTS:
            with self.made(variant):
                for damage in self.damage(variant):
                    ways |= self.follow(damage)
                    os.unlink(self.image)
                    variant.make(self.image)
        self.assertEqual(ways, {"remove", "repair"})

    def follow(self, damage):
        """Do what the text says; the names of its steps."""
        text, steps = damage["repair"], set()
        if OPENS_NOT in text:
            self.assertFalse(self.opens())
        if OPENS.search(text):
            self.assertTrue(self.opens())
            assert_data(self)
        if REMOVE in text:
            steps.add("remove")
            result = self.run_program(harness.INSTAR, "bitmap", "--remove", self.image,
                                      damage["bitmap"])
            self.assertEqual((result.code, result.out), (0, ""), result)
            self.assertNotIn(damage["bitmap"], [b[0] for b in self.listed(self.image)])
        if REPAIR in text:
            done = self.run_program(harness.INSTAR, "check", "-r", "all", self.image)
            if HELPS_WHERE in text and done.code:
                self.assertIn("nothing changed", done.err)
                return {"repair"}
            steps.add("repair")
            self.assertEqual(done.code, 0, done)
        if steps:
            self.assertTrue(self.opens())
            assert_data(self)
            self.assert_can_be_used()
        self.assertTrue(steps or not damage["repairable"], "no way is named")
        return steps

    def assert_can_be_used(self):
        """There are not even leaks, and the disk can be used as any other."""
        done = self.run_program("qemu-img", "check", "-q", self.image)
        self.assertEqual((done.code, done.out), (0, ""), done)
        images.write(self.image, "write -P 9 8M 64k", "read -P 9 8M 64k")
        assert_data(self)
        images.bitmap(self.image, "--add", "new")
        self.assertIn("new", [b[0] for b in self.listed(self.image)])
        self.assert_sound(self.image)


class Many(MalformedCase):
    def test_so_much_damage_that_not_all_is_told(self):
        """Every entry of a long directory has an impossible type."""
        os.unlink(self.image)
        shapes.shaped(shapes.bitmaps(*(shapes.Spec(b"%d" % i) for i in range(600))),
                      cluster=512, size="1M")(self.image)
        with shapes.Craft(self.image) as image:
            for entry in image.bitmaps():
                image.pwrite(entry.offset + 16, b"\7")
        found = look.damage_of(self.info(self.image))
        untold = sum(damage.get("not-listed", 0) for damage in found)
        self.assertEqual(len(found) + untold, 600)
        self.assertEqual(len(look.bitmaps_of(self.info(self.image))), 600)


if __name__ == "__main__":
    harness.main()
