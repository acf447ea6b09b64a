#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar map` prints the extents that qemu's NBD server exports for a bitmap, and that the
tests' own reader finds.

INSTAR_SEED repeats a random run.
"""

import os

from lib import harness, images, locks, look, shapes
from lib.extents import as_json, extents_read, extents_served, human
from lib.info_images import SEED
from lib.malformed import VARIANTS, make_sound
from lib.odd_names import ODD_NAMES
from lib.qcow2 import FLAG_IN_USE, Image
from lib.random_bitmaps import GRANULARITIES, RandomImage
from lib.shapes import Spec, bitmaps, shaped

IN_USE = "bitmap is in use / inconsistent (only --remove is allowed)"
IMAGES, BITMAPS = 20, 12


class MapCase(look.LookCase, locks.Holder):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")

    def maps(self, name, *options, image=None):
        return self.looks("map", "--bitmap", name, *options, image or self.image)

    def assert_maps(self, name, wanted, *options):
        """Both formats, byte for byte."""
        self.assertEqual(self.maps(name, "--output=json", *options).split(b"\n"),
                         as_json(wanted).split(b"\n"))
        self.assertEqual(self.maps(name, *options).split(b"\n"), human(wanted).split(b"\n"))

    def map_refused(self, name, message, *options, **more):
        for output in ("human", "json"):
            self.refused("map", message, "--bitmap", name, f"--output={output}", *options,
                         self.image, **more)

    def read(self, name):
        with Image(self.image) as opened:
            return extents_read(opened, opened.bitmap(name))


class Random(MapCase):
    def test_against_qemus_nbd_server(self):
        granularities, maps = set(), 0
        for number in range(IMAGES):
            self.image = self.path(f"{number}.qcow2")
            made = RandomImage(self.image, SEED + number, BITMAPS)
            socket = self.serve([f"b{i}" for i in range(BITMAPS)])
            with Image(self.image) as opened:
                entries = opened.bitmaps()
            for entry in entries:
                name = entry.name.decode()
                with self.subTest(image=number, bitmap=name, size=made.size,
                                  granularity=entry.granularity):
                    served = extents_served(socket, name)
                    self.assertEqual(self.read(name), served)
                    self.assert_maps(name, served)
                    granularities.add(entry.granularity)
                    maps += 1
            self.ended(self.daemon)
            os.unlink(socket)
            os.unlink(self.image)
        self.assertEqual(sorted(granularities), GRANULARITIES)
        self.assertGreaterEqual(maps, 200)

    def serve(self, names):
        """Export the image, read only, with these bitmaps; where."""
        self.daemon = self.hold_by_daemon(
            self.image, "on", *(f"bitmaps.{i}={name}" for i, name in enumerate(names)))
        return self.path("nbdon")


class Edges(MapCase):
    def test_a_disk_of_one_sector(self):
        shaped(bitmaps(Spec(b"clean"), Spec(b"dirty", 1 << 31, bits=(0,))), size=512)(self.image)
        self.assert_maps("clean", [])
        self.assert_maps("dirty", [(0, 512)])

    def test_the_last_granule_ends_with_the_disk(self):
        shaped(bitmaps(Spec(b"last", bits=(16,)), Spec(b"all", ones=(0,))),
               size=(1 << 20) + 512)(self.image)
        self.assert_maps("last", [(1 << 20, 512)])
        self.assert_maps("all", [(0, (1 << 20) + 512)])

    def test_extents_that_meet_at_clusters_of_the_bitmap_are_one(self):
        """Data, ones, data, and a hole: with clusters of 512 bytes and granules of 512."""
        per = 512 * 8
        shaped(bitmaps(Spec(b"a", 512, bits=tuple(range(per - 3, per)) + (2 * per, 4 * per + 1),
                            ones=(1,))), cluster=512, size="16M")(self.image)
        self.assert_maps("a", [((per - 3) * 512, (per + 4) * 512), ((4 * per + 1) * 512, 512)])

    def test_enabled_disabled_and_of_odd_names(self):
        for what, name in ODD_NAMES.items():
            if b"\0" in name:
                continue
            with self.subTest(what=what):
                shaped(bitmaps(Spec(b"x"), Spec(name, flags=0, bits=(3,))), cluster=4096)(
                    self.image)
                self.assert_maps(name, [(3 * 65536, 65536)])

    def test_far_offsets(self):
        """Wider than the column of the human output's offsets is not possible; as wide is."""
        shaped(bitmaps(Spec(b"a", 1 << 31, bits=(0, (1 << 19) - 1))), size="1024T",
               cluster=2 << 20)(self.image)
        self.assert_maps("a", [(0, 1 << 31), ((1 << 50) - (1 << 31), 1 << 31)])

    def test_options(self):
        shaped(bitmaps(Spec(b"--bitmap", bits=(1,))))(self.image)
        for options in (("--bitmap=--bitmap", "-f", "qcow2", self.image),
                        (self.image, "--bit", "--bitmap", "--format=qcow2"),
                        ("--bitmap", "--bitmap", "--", self.image),
                        ("-U", "--bitmap=--bitmap", "--out", "human", self.image)):
            with self.subTest(options=options):
                self.assertEqual(self.looks("map", *options), human([(65536, 65536)]))

    def test_images_of_other_kinds(self):
        for options, more in (("encrypt.format=aes,encrypt.key-secret=key", {}),
                              ("extended_l2=on,compression_type=zstd", {}),
                              ("refcount_bits=1,lazy_refcounts=on", {}),
                              ("data_file={path}.gone", {}), ("", {"backing": b"gone"})):
            with self.subTest(options=options, **more):
                shaped(bitmaps(Spec(b"a", bits=(9, 10))), shapes.incompatible(1),
                       options=options, **more)(self.image)
                if "data_file" in options:
                    os.unlink(self.image + ".gone")
                self.assert_maps("a", [(9 * 65536, 131072)])


class Refusals(MapCase):
    def setUp(self):
        super().setUp()
        shaped(shapes.plain_bitmaps)(self.image)

    def test_a_bitmap_that_is_not_there(self):
        for name in ("nope", "A", "a ", b"\xff", "n" * 1023):
            self.map_refused(name, "bitmap not found")

    def test_an_image_without_bitmaps(self):
        for options in ("", "compat=0.10"):
            images.create(self.image, options=options)
            self.map_refused("a", "bitmap not found")

    def test_names_that_no_bitmap_can_have(self):
        for name in ("", "n" * 1024):
            result = self.instar_look("map", "--bitmap", name, self.image)
            self.assertEqual((result.code, result.out), (1, b""), result)

    def test_bitmaps_in_use_and_stale(self):
        self.map_refused("c", IN_USE)
        with shapes.Craft(self.image) as image:
            shapes.stale(image)
        for name in "abc":
            self.map_refused(name, IN_USE)

    def test_incompatible_extra_data(self):
        shaped(bitmaps(Spec(b"a", extra=b"x", bits=(1,)),
                       Spec(b"b", flags=6, extra=b"x", bits=(1,))))(self.image)
        result = self.instar_look("map", "--bitmap=a", self.image)
        self.assertEqual((result.code, result.out), (1, b""), result)
        self.assert_maps("b", [(65536, 65536)])

    def test_command_lines(self):
        for arguments in ((self.image,), ("--bitmap", "a"), ("--bitmap", "a", self.image, "b"),
                          ("--bitmap=a", "--count", self.image),
                          ("--bitmap=a", "--output=xml", self.image), ("--bitmap=a", "-x"),
                          ("--bitmap",)):
            with self.subTest(arguments=arguments):
                result = self.instar_look("map", *arguments)
                self.assertEqual((result.code, result.out), (2, b""), result)
                self.assertTrue(result.err.startswith(b"instar map: "), result)

    def test_what_is_no_qcow2_image(self):
        for name, content in (("raw", bytes(4096)), ("empty", b"")):
            self.image = self.path(name)
            with open(self.image, "wb") as file:
                file.write(content)
            self.map_refused("a", "not a qcow2 image")
        os.mkdir(self.path("folder"))
        self.image = self.path("folder")
        self.map_refused("a", f"cannot use '{self.image}': it is a directory")

    def test_other_formats(self):
        result = self.instar_look("map", "--bitmap=a", "-f", "raw", self.image)
        self.assertEqual((result.code, result.out), (1, b""), result)
        self.assertIn(b"qcow2", result.err)

    def test_nothing_is_changed(self):
        with self.untouched(self.image):
            self.maps("a")
            self.map_refused("c", IN_USE)
            self.map_refused("nope", "bitmap not found")
        self.assertFalse(os.path.exists(self.path("state")))


class Damage(MapCase):
    def test_a_damaged_table_is_told_instead_of_half_a_map(self):
        for variant in VARIANTS:
            if variant.count:
                with self.subTest(name=variant.name):
                    self.map_refused("b", variant.make(self.image))
                    self.assert_maps("a", [(65536, 131072)])

    def test_any_other_damage(self):
        """A map that is printed is the right one."""
        make_sound(self.image)
        wanted = {name: self.read(name) for name in "abc"}
        for variant in VARIANTS:
            if variant.count:
                continue
            variant.make(self.image)
            for name in "abc":
                with self.subTest(name=variant.name, bitmap=name):
                    result = self.instar_look("map", "--bitmap", name, self.image)
                    if result.code:
                        self.assertEqual((result.code, result.out), (1, b""), result)
                        self.assertTrue(result.err.startswith(b"instar map: "))
                    else:
                        self.assertEqual(result.out, human(wanted[name]))

    def test_a_file_that_was_cut_short(self):
        """qemu takes what is missing for clean."""
        shaped(bitmaps(Spec(b"early", bits=(1,)), Spec(b"late", bits=(2,))))(self.image)
        with Image(self.image) as opened:
            last = opened.table(opened.bitmap("late"))[0]
        os.truncate(self.image, last + 100)
        result = self.instar_look("map", "--bitmap=late", self.image)
        self.assertEqual((result.code, result.out), (1, b""), result)
        self.assert_maps("early", [(65536, 65536)])


class Locks(MapCase):
    def setUp(self):
        super().setUp()
        shaped(bitmaps(Spec(b"a", bits=(4,)), Spec(b"b", flags=FLAG_IN_USE)))(self.image)

    def test_an_image_with_a_writer(self):
        with locks.locked(self.image, 101):
            result = self.instar_look("map", "--bitmap=a", self.image)
            self.assertEqual((result.code, result.out), (1, b""), result)
            self.assertEqual(result.err.decode(),
                             'instar map: Failed to get shared "write" lock\n'
                             f"Is another process using the image [{self.image}]?\n")
            self.assert_maps("a", [(4 * 65536, 65536)], "-U")
            self.assert_maps("a", [(4 * 65536, 65536)], "--force-share")

    def test_a_running_qemu_has_the_bitmap_in_use(self):
        self.hold("qemu-io", "-f", "qcow2", self.image, ready=b"qemu-io>")
        self.map_refused("a", IN_USE, "-U")

    def test_beside_a_reader(self):
        self.hold("qemu-io", "-r", "-f", "qcow2", self.image, ready=b"qemu-io>")
        self.assert_maps("a", [(4 * 65536, 65536)])


if __name__ == "__main__":
    harness.main()
