#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `instar info` says beyond qemu-img, against the tests' own reader: what the bitmaps
take, how much of the disk they mark, the exact bytes of their names, stale bitmaps, interrupted
edits."""

import json
import os
import unittest

from lib import faults, harness, images, info_images, interrupt, look, shapes
from lib.craft import Craft
from lib.odd_names import ODD_NAMES
from lib.qcow2 import (AUTOCLEAR_RAW_DATA, FLAG_AUTO, FLAG_EXTRA_COMPATIBLE, FLAG_IN_USE,
                       INCOMPAT_DATA_FILE, TABLE_OFFSET_MASK, Image)
from lib.shapes import Spec, bitmaps, shaped

COUNTED = ("instar-data-clusters", "instar-bytes-on-disk")
DIRTY = ("instar-dirty-bytes", "instar-dirty-fraction")
SECTOR = 512


def expected(image, entry, count, stale=False):
    """The own keys of a bitmap but for its name's."""
    clusters = -(-8 * entry.table_size // image.cluster_size)
    keys = {"instar-table-clusters": clusters}
    if entry.extra:
        keys["instar-extra-bytes"] = len(entry.extra)
    if not count:
        return keys
    data = sum(1 for value in image.table(entry) if value & TABLE_OFFSET_MASK)
    keys["instar-data-clusters"] = data
    keys["instar-bytes-on-disk"] = (clusters + data) * image.cluster_size
    if not entry.flags & FLAG_IN_USE and not stale:
        size = image.virtual_size // SECTOR * SECTOR
        keys["instar-dirty-bytes"] = sum(
            min(entry.granularity, size - bit * entry.granularity) for bit in image.dirty(entry))
        keys["instar-dirty-fraction"] = keys["instar-dirty-bytes"] / size
    return keys


def damage_of(image):
    """Of images that qemu-img info opens there is one that qemu cannot use."""
    if image.incompatible & INCOMPAT_DATA_FILE or not image.autoclear & AUTOCLEAR_RAW_DATA:
        return []
    return ["malformed image header: autoclear bit 1 says that the data file is raw, but there is "
            f"no data file; value {image.autoclear:#x}"]


class OwnCase(look.LookCase):
    def own(self, bitmap):
        return {key: value for key, value in bitmap.items() if key.startswith(look.OWN_KEY)
                and key != "instar-name-bytes"}

    def assert_own(self, found, wanted):
        found, wanted = self.own(found), dict(wanted)
        self.assertEqual(set(found), set(wanted))
        if "instar-dirty-fraction" in wanted:
            self.assertAlmostEqual(found.pop("instar-dirty-fraction"),
                                   wanted.pop("instar-dirty-fraction"), places=9)
        self.assertEqual(found, wanted)

    def compare(self, image, count):
        """All bitmaps of an image against the reader; how many there are."""
        found = self.info(*(["--count"] if count else []), image)
        with Image(image) as opened:
            stale = opened.bitmaps_body() is not None and not opened.bitmaps_valid
            entries = opened.bitmaps()
            damage = damage_of(opened)
            wanted = [expected(opened, entry, count, stale) for entry in entries]
        data = look.data_of(found)
        shown = data.get("instar-stale-bitmaps" if stale else "bitmaps", [])
        self.assertNotIn("bitmaps" if stale else "instar-stale-bitmaps", data)
        self.assertEqual([one["what"] for one in look.damage_of(found)], damage)
        self.assertNotIn("instar-pending", found)
        self.assertEqual(len(shown), len(wanted))
        for one, keys in zip(shown, wanted):
            self.assert_own(one, keys)
        return len(shown)


class Counts(OwnCase):
    def test_every_kind_of_image(self):
        seen = 0
        for name, make in info_images.CASES:
            image = self.path("disk.qcow2")
            if os.path.exists(image):
                os.unlink(image)
            with self.subTest(name=name):
                make(image)
                for count in (False, True):
                    seen += self.compare(image, count)
        self.assertGreater(seen, 1000)

    def test_dirty_bytes_end_with_the_disk(self):
        for size, granularity, bits, dirty in (
                (1 << 20, 65536, (0, 15), 131072), ((1 << 20) + 512, 65536, (16,), 512),
                ((1 << 20) + 512, 65536, (0, 16), 66048), (512, 1 << 31, (0,), 512),
                (1 << 40, 1 << 31, (0, 511), 1 << 32), (3 << 20, 512, range(6144), 3 << 20)):
            with self.subTest(size=size, granularity=granularity):
                image = shaped(bitmaps(Spec(b"a", granularity, bits=tuple(bits))), size=size)(
                    self.path("disk.qcow2"))
                found, = look.bitmaps_of(self.info("--count", image))
                self.assertEqual(found["instar-dirty-bytes"], dirty)
                self.assertAlmostEqual(found["instar-dirty-fraction"], dirty / size, places=9)

    def test_bits_behind_the_end_of_the_disk_do_not_count(self):
        image = shaped(bitmaps(Spec(b"tail", bits=(3,)), Spec(b"ones", ones=(0,))),
                       size=(1 << 20) + 512)(self.path("disk.qcow2"))
        with Craft(image) as opened:
            offset = opened.table(opened.bitmap("tail"))[0]
            opened.pwrite(offset + 2, b"\xfe" + b"\xff" * 1000)  # bit 16 is the last
        tail, ones = look.bitmaps_of(self.info("--count", image))
        self.assertEqual(tail["instar-dirty-bytes"], 65536)
        self.assertEqual(ones["instar-dirty-bytes"], (1 << 20) + 512)
        self.assertEqual((ones["instar-data-clusters"], ones["instar-bytes-on-disk"]), (0, 65536))

    def test_a_disk_that_is_odd_by_bytes_has_whole_sectors(self):
        image = shaped(bitmaps(Spec(b"a", 512, ones=(0,))), shapes.virtual_size(2000),
                       size=1536)(self.path("disk.qcow2"))
        found, = look.bitmaps_of(self.info("--count", image))
        self.assertEqual((found["instar-dirty-bytes"], found["instar-dirty-fraction"]), (1536, 1))

    def test_what_has_no_meaning_is_not_counted(self):
        image = shaped(bitmaps(Spec(b"a", flags=FLAG_IN_USE | FLAG_AUTO, bits=(1,))))(
            self.path("disk.qcow2"))
        found, = look.bitmaps_of(self.info("--count", image))
        self.assertEqual(found["instar-data-clusters"], 1)
        for key in DIRTY:
            self.assertNotIn(key, found)
        found, = look.bitmaps_of(self.info(image))
        for key in DIRTY + COUNTED:
            self.assertNotIn(key, found)

    def test_extra_data_is_told(self):
        """And where a reader must know what it means, what the bits mean is not."""
        image = shaped(bitmaps(Spec(b"a", bits=(1,)), Spec(b"b", extra=b"x" * 13, bits=(1,)),
                               Spec(b"c", flags=FLAG_AUTO | FLAG_EXTRA_COMPATIBLE, extra=b"y",
                                    bits=(1,))))(self.path("disk.qcow2"))
        sound, odd, compatible = look.bitmaps_of(self.info("--count", image))
        self.assertNotIn("instar-extra-bytes", sound)
        self.assertEqual((odd["name"], odd["instar-extra-bytes"]), ("b", 13))
        self.assertNotIn("instar-dirty-bytes", odd)
        self.assertEqual((compatible["instar-extra-bytes"], compatible["instar-dirty-bytes"]),
                         (1, 65536))

    def test_human_output_says_the_same(self):
        image = shaped(bitmaps(Spec(b"a", bits=(1, 2)), Spec(b"\xff", ones=(0,))))(
            self.path("disk.qcow2"))
        human = self.looks("info", "--count", image).split(b"\n")
        for bitmap in look.bitmaps_of(self.info("--count", image)):
            for key, value in bitmap.items():
                if key.startswith(look.OWN_KEY):
                    text = " " * 12 + key.replace("-", " ") + ": "
                    found = [line for line in human if line.startswith(text.encode())]
                    self.assertTrue(found, key)
                    if not isinstance(value, float):
                        self.assertIn((text + str(value)).encode(), found)


class Names(OwnCase):
    def test_every_name_is_given_back(self):
        for what, name in ODD_NAMES.items():
            with self.subTest(what=what):
                image = shaped(bitmaps(Spec(name)), cluster=4096)(self.path("disk.qcow2"))
                found, = look.bitmaps_of(self.info(image))
                if "instar-name-bytes" in found:
                    self.assertNotEqual(found["name"].encode("utf-8", "surrogatepass"), name)
                    self.assertEqual(bytes.fromhex(found["instar-name-bytes"]), name)
                else:
                    self.assertEqual(found["name"].encode("utf-8", "surrogatepass"), name)

    def test_most_names_need_no_bytes(self):
        names = [name for name in ODD_NAMES.values() if name.isascii() and b"\0" not in name]
        image = shaped(bitmaps(*map(Spec, names)))(self.path("disk.qcow2"))
        self.assertNotIn(b"instar-name-bytes", self.looks("info", "--output=json", image))

    def test_human_output_has_the_bytes_too(self):
        image = shaped(bitmaps(Spec(b"a\0b")))(self.path("disk.qcow2"))
        self.assertIn(b"            instar name bytes: 610062\n", self.looks("info", image))

    def test_names_that_differ_behind_a_nul_are_all_there(self):
        names = [b"a", b"a\0b", b"a\0c", b"\0", b"\0\0"]
        image = shaped(bitmaps(*map(Spec, names)))(self.path("disk.qcow2"))
        found = look.bitmaps_of(self.info(image))
        self.assertEqual([b["name"] for b in found], ["a", "a", "a", "", ""])
        self.assertEqual([bytes.fromhex(b.get("instar-name-bytes", "61")) for b in found], names)


class Stale(OwnCase):
    def test_they_are_listed_apart_and_in_use_flags_stay(self):
        image = shaped(shapes.plain_bitmaps, shapes.stale)(self.path("disk.qcow2"))
        data = look.data_of(self.info("--count", image))
        self.assertNotIn("bitmaps", data)
        self.assertEqual([(b["name"], b["flags"], b["granularity"])
                          for b in data["instar-stale-bitmaps"]],
                         [("a", ["auto"], 65536), ("b", [], 65536),
                          ("c", ["in-use", "auto"], 65536)])
        self.assertIn(b"    instar stale bitmaps:\n        [0]:\n", self.looks("info", image))


@unittest.skipUnless(faults.available(), "strace is not installed")
class Pending(OwnCase):
    """An edit that was cut short."""

    def setUp(self):
        super().setUp()
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        self.journal = interrupt.journal_of(self.image)

    def journals(self):
        """What a dry run of check finds."""
        found = self.run_program(harness.INSTAR, "check", "-n", "--output=json", self.image)
        return json.loads(found.out)["instar-journals"]

    def test_it_is_shown_as_check_shows_it(self):
        self.assertNotIn("instar-pending", self.info(self.image))
        for sync, state in ((interrupt.BUILD, "pending-undo"),
                            (interrupt.SWITCH, "pending-complete")):
            with self.subTest(state=state):
                self.image = images.with_bitmaps(self.path(f"{state}.qcow2"))
                self.journal = interrupt.journal_of(self.image)
                interrupt.kill(self, self.image, "--add", self.image, "n", sync=sync)
                with self.untouched(self.image, self.journal):
                    pending = self.info(self.image)["instar-pending"]
                self.assertEqual(pending, self.journals())
                self.assertEqual([entry["state"] for entry in pending], [state])
                self.assertEqual(pending[0]["journal"], self.journal)

    def test_human_output_shows_it_and_the_rest_is_qemu_imgs(self):
        interrupt.kill(self, self.image, "--add", self.image, "n")
        human = self.looks("info", self.image)
        own = human.split(b"\ninstar pending:")[1]
        self.assertIn(self.journal.encode(), own)
        self.assertEqual(look.qemu_human(human), self.qemu_info(self.image))

    def test_a_journal_that_is_not_trusted_is_shown(self):
        interrupt.kill(self, self.image, "--add", self.image, "n")
        os.chmod(self.journal, 0o666)
        pending = self.info(self.image)["instar-pending"]
        self.assertEqual(pending, self.journals())
        self.assertEqual(len(pending), 1)

    def test_one_in_the_state_directory_is_found(self):
        os.link(self.image, self.path("second name"))  # then the journal does not lie beside it
        where = interrupt.journal_of(self.image)
        log = self.path("strace.log")
        self.run_program(*faults.prefix(self.image, "fdatasync", 1, log, "signal=SIGKILL"),
                         harness.INSTAR, "bitmap", "--add", self.image, "n")
        self.assertFalse(os.path.exists(where))
        pending = self.info(self.image)["instar-pending"]
        self.assertEqual(len(pending), 1)
        self.assertIn("/journals/", pending[0]["journal"])

    def test_nothing_is_pending_after_the_recovery(self):
        interrupt.kill(self, self.image, "--add", self.image, "n")
        self.run_program(harness.INSTAR, "check", "-q", self.image)
        self.assertNotIn("instar-pending", self.info(self.image))


if __name__ == "__main__":
    harness.main()
