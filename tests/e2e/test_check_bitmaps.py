#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check` beyond `qemu-img check`: what is wrong with bitmaps, and with images that qemu
does not open.  The exit code is qemu-img's all the same."""

import os
import struct
from contextlib import contextmanager

from lib import check_pair, harness, images, look, shapes
from lib.craft import Craft
from lib.malformed import VARIANTS, make_sound
from lib.odd_names import ODD_NAMES
from lib.qcow2 import FLAG_IN_USE
from lib.shapes import Spec

TAIL = "bits behind the end of the disk are set"
SHARED = "a cluster of it is used by something else, too"
BEYOND = ("it lies behind the end of the file in part: qemu takes what is missing for clean, and "
          "a backup would miss it")
IN_USE = "it is in use: it missed writes, unless a virtual machine uses the image right now"
FAR = 1 << 40


class BitmapCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = make_sound(self.path("disk.qcow2"))

    @contextmanager
    def damaged(self):
        with Craft(self.image) as image:
            yield image

    def damage(self, image=None):
        """[(what, bitmap)], where all else is as qemu-img says it, and standard error and the
        human output tell of it, too."""
        image = image or self.image
        different, code = check_pair.compare(image, [image], human=True)
        self.assertEqual(different, {})
        run = check_pair.ours(image, "--output=json")
        found = [dict(entry) for entry in dict(run.json).get("instar-damage", ())]
        for entry in found:
            self.assertEqual(set(entry) - {"bitmap", "instar-name-bytes"},
                             {"what", "repairable", "repair"})
        lines = run.err.decode(errors="surrogateescape").splitlines()
        for entry in found:
            at = lines.index(entry["what"])
            self.assertEqual(lines[at + 1], "hint: " + entry["repair"])
        if code != check_pair.REFUSED:
            out = check_pair.ours(image).out
            count = len(found)
            self.assertEqual(
                {1: b"1 fault of a bitmap was found." in out,
                 0: b"of bitmaps were" not in out and b"of a bitmap was" not in out}.get(
                     count, b"%d faults of bitmaps were found." % count in out), True, out)
        return [(entry["what"], entry.get("bitmap")) for entry in found]

    def assert_faults(self, *expected, image=None):
        """`expected`: (bitmap, fault, offset), in any order."""
        found = self.damage(image)
        self.assertEqual(len(found), len(expected), found)
        for bitmap, fault, offset in expected:
            matching = [what for what, name in found if name == bitmap and fault in what
                        and f"{offset:#x}" in what]
            self.assertEqual(len(matching), 1, (bitmap, fault, hex(offset), found))


class Bitmaps(BitmapCase):
    def test_sound_ones_have_no_fault(self):
        self.assertEqual(self.damage(), [])
        for cluster in harness.CLUSTER_SIZES:
            path = images.with_bitmaps(self.path(f"{cluster}.qcow2"), cluster=cluster)
            self.assertEqual(self.damage(path), [])

    def test_bits_behind_the_end_of_the_disk(self):
        with self.damaged() as image:
            at = image.table(image.bitmap("a"))[0]
            image.pwrite(at + 128, b"\1")  # 64 MiB in pieces of 64 KiB: 128 bytes
        self.assert_faults(("a", TAIL, at))
        with self.damaged() as image:
            image.pwrite(at + 128, b"\0")
            image.pwrite(at + 4095, b"\x80")
        self.assert_faults(("a", TAIL, at))

    def test_bits_behind_the_end_in_the_last_byte(self):
        path = images.create(self.path("odd.qcow2"), 13 * 65536 - 512, cluster=4096)
        with Craft(path) as image:
            image.add_bitmap("odd", bits=(0, 12))
            at = image.table(image.bitmap("odd"))[0]
        self.assertEqual(self.damage(path), [])
        with Craft(path) as image:
            image.pwrite(at + 1, bytes((1 << 4 | 1 << 5,)))
        self.assert_faults(("odd", TAIL, at), image=path)

    def test_padding_of_an_entry(self):
        with self.damaged() as image:
            entry = image.bitmap("b")
            image.pwrite(entry.offset + 31, b"\1")
        found, = self.damage()
        self.assertEqual(found, (f"malformed bitmap directory at offset {entry.offset:#x}, entry 1:"
                                 " the padding is not zero", "b"))

    def test_data_behind_the_end_of_the_file(self):
        """Told once, however much is missing."""
        with self.damaged() as image:
            entry = image.bitmap("b")
            for index in (1, 3):
                image.set_table_entry("b", index, FAR + index * 4096)
        self.assert_faults(("b", BEYOND, entry.table_offset))

    def test_a_table_behind_the_end_of_the_file(self):
        with self.damaged() as image:
            image.pwrite(image.bitmap("b").offset, struct.pack(">Q", FAR))
        self.assert_faults(("b", BEYOND, FAR))

    def test_a_file_that_was_cut(self):
        """What a copy that broke off leaves: the last cluster is a bitmap's."""
        path = images.create(self.path("cut.qcow2"), "64M", cluster=4096)
        with Craft(path) as image:
            shapes.bitmaps(Spec(b"first", bits=(1,)), Spec(b"last", bits=(2,)))(image)
            last = image.bitmap("last")
            at = image.table(last)[0]
            os.ftruncate(image.fd, at)
        self.assert_faults(("last", BEYOND, last.table_offset), image=path)

    def test_a_cluster_that_the_guest_has_too(self):
        with self.damaged() as image:
            data = struct.unpack(">Q", image.pread(
                struct.unpack(">Q", image.pread(image.l1_offset, 8))[0] & ~(1 << 63), 8))[0]
            shared = data & ~(1 << 63)
            image.set_table_entry("b", 1, shared)
        self.assert_faults(("b", SHARED, shared))

    def test_a_cluster_of_two_bitmaps(self):
        with self.damaged() as image:
            shared = image.table(image.bitmap("a"))[0]
            image.set_table_entry("c", 0, shared)
        self.assert_faults(("a", SHARED, shared), ("c", SHARED, shared))

    def test_a_table_that_is_another_bitmaps_data(self):
        with self.damaged() as image:
            shared = image.bitmap("c").table_offset
            image.set_table_entry("b", 2, shared)
        self.assert_faults(("b", SHARED, shared), ("c", SHARED, shared))

    def test_one_that_is_in_use(self):
        with self.damaged() as image:
            at = image.bitmap("c").offset
            image.set_entry("c", flags=FLAG_IN_USE)
        self.assert_faults(("c", IN_USE, at))

    def test_several_faults(self):
        with self.damaged() as image:
            at = image.bitmap("c").offset
            image.set_entry("c", flags=FLAG_IN_USE)
            image.set_table_entry("b", 0, FAR)
            table = image.bitmap("b").table_offset
            tail = image.table(image.bitmap("a"))[0]
            image.pwrite(tail + 200, b"\1")
        self.assert_faults(("a", TAIL, tail), ("b", BEYOND, table), ("c", IN_USE, at))

    def test_stale_ones_are_not_looked_at(self):
        with self.damaged() as image:
            image.set_entry("c", flags=FLAG_IN_USE)
            shapes.stale(image)
        self.assertEqual(self.damage(), [])

    def test_odd_names_are_told_as_info_tells_them(self):
        for what, name in ODD_NAMES.items():
            with self.subTest(name=what):
                path = shapes.shaped(shapes.bitmaps(Spec(b"x"), Spec(name, flags=FLAG_IN_USE)),
                                     cluster=4096)(self.path("odd.qcow2"))
                self.damage(path)
                entry, = dict(check_pair.ours(path, "--output=json").json)["instar-damage"]
                _, listed = look.bitmaps_of(look.parse(self.info(path)))
                found = dict(entry)
                self.assertEqual(found["bitmap"], listed["name"])
                self.assertEqual(found.get("instar-name-bytes"), listed.get("instar-name-bytes"))
                self.assertIn(listed.get("instar-name-bytes"), (None, name.hex()))

    @staticmethod
    def info(path):
        return check_pair.run(harness.INSTAR, "info", "--output=json", path).out


# What check says otherwise than info: not which entry, but what comes of it.
SAID = {f"table: {name}": f"bitmap 'b' at offset {at:#x}: {BEYOND}" for name, at in (
    ("offset behind the end", 0x36000), ("greatest offset", 0x36000), ("behind the end", FAR))}


class Malformed(BitmapCase):
    """Those of lib/malformed.py: qemu opens few of them."""

    def test_all_else_is_as_qemu_img_says_it(self):
        codes = set()
        for variant in VARIANTS:
            with self.subTest(name=variant.name):
                os.unlink(self.image)
                variant.make(self.image)
                different, code = check_pair.compare(self.image, [images.alone(self.image)],
                                                     human=True)
                self.assertEqual(different, {})
                codes.add(code)
        self.assertEqual(codes, {0, 1, 2, 3})

    def test_what_is_wrong_and_where(self):
        for variant in VARIANTS:
            with self.subTest(name=variant.name):
                os.unlink(self.image)
                says = SAID.get(variant.name, variant.make(self.image))
                run = check_pair.ours(self.image, "--output=json")
                found = dict(run.json)
                told = [(entry["what"], entry.get("bitmap")) for entry in
                        map(dict, found.get("instar-damage", ()))]
                self.assertIn((says, variant.bitmap), told)
                self.assertIn(says, run.err.decode())
                self.assertEqual(run.code == check_pair.REFUSED, "instar-error" in found)

    def test_a_header_without_a_geometry(self):
        for offset, value, says in ((4, 7, "the version is neither 2 nor 3; value 0x7"),
                                    (20, 40, "the cluster size is not between 512 bytes and 2 MiB; "
                                     "value 0x28")):
            with self.subTest(says=says):
                make_sound(self.image)
                with self.damaged() as image:
                    image.pwrite(offset, struct.pack(">I", value))
                run = check_pair.ours(self.image, "--output=json")
                self.assertEqual(run.code, check_pair.theirs([self.image]).code)
                entry, = map(dict, dict(run.json)["instar-damage"])
                self.assertEqual(entry["what"], "malformed image header: " + says)
                self.assertIn(says, run.err.decode())


if __name__ == "__main__":
    harness.main()
