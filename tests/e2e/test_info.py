#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar info` says what `qemu-img info` says, byte for byte, but for its own lines.

The images are those of lib/info_images.py.  A difference that lib/divergences.py does not
list fails, and so does an entry there that no image needs.
"""

import os
import random

from lib import harness, images, info_images, look, shapes
from lib.divergences import KNOWN_INFO_DIVERGENCES, known_info
from lib.qcow2 import Image

FORMATS = {"human": look.qemu_human, "json": look.qemu_json}


class Pair(look.LookCase):
    def compare(self, *arguments, count=False, image=None):
        """Both formats of both programs; the registry's keys that were needed."""
        path = os.path.join(self.directory, image or arguments[-1])
        with Image(path) as opened:
            applying = known_info(opened)
        needed = set()
        for output, without_own in FORMATS.items():
            option = f"--output={output}"
            theirs = self.qemu_info(option, *arguments)
            needed |= self.compare_one(output, theirs, applying, option, *arguments)
            if count:
                ours = self.looks("info", "--count", option, *arguments)
                self.assert_same(without_own(ours), self.registered(output, theirs, applying)[0])
        return needed

    def compare_one(self, output, theirs, applying, *arguments):
        ours = self.looks("info", *arguments)
        expected, needed = self.registered(output, theirs, applying)
        self.assert_same(FORMATS[output](ours), expected)
        if output == "json":
            if look.OWN_KEY.encode() not in ours:
                self.assertEqual(ours, expected)
            look.parse(ours)
        return needed

    @staticmethod
    def registered(output, theirs, applying):
        """qemu's output without what instar is known to leave out; the keys that cut any."""
        needed = set()
        for key, entry in applying.items():
            cut = getattr(entry, output)(theirs)
            if cut != theirs:
                needed.add(key)
            theirs = cut
        return theirs, needed

    def assert_same(self, ours, theirs):
        """Lines first: a difference is then shown in its place."""
        self.assertEqual(ours.split(b"\n"), theirs.split(b"\n"))

    def use(self, make, name="disk.qcow2"):
        path = self.path(name)
        if os.path.exists(path):
            os.unlink(path)
        return make(path)


class Matrix(Pair):
    def test_every_kind_of_image(self):
        needed = set()
        for name, make in info_images.CASES[::harness.SHARE]:
            with self.subTest(name=name):
                image = self.use(make)
                before = os.stat(image)
                needed |= self.compare("disk.qcow2", count=b"itmap" in name.encode())
                after = os.stat(image)
                self.assertEqual((before.st_mtime_ns, before.st_ctime_ns, before.st_size),
                                 (after.st_mtime_ns, after.st_ctime_ns, after.st_size))
        if harness.SHARE == 1:
            self.assertEqual(needed, set(KNOWN_INFO_DIVERGENCES), "an entry is not needed")


class Paths(Pair):
    """What is said of file names depends on how the image was named."""

    WAYS = ("disk.qcow2", "./disk.qcow2", "in/disk.qcow2", "in//disk.qcow2", "./in/./disk.qcow2",
            "in/../in/disk.qcow2", "{here}/in/disk.qcow2", "in/a:b.qcow2", "./a:b.qcow2",
            "in/odd \"name\"\\.qcow2", "in/two\nlines.qcow2", "in/gr\u00fc\u00df\U0001f40d.qcow2",
            b"in/\xff\xfe\x1b[m\xed\xa0\x80.qcow2", "in/" + "n" * 240, "in/%s%n")

    def test_ways_to_name_the_image(self):
        os.mkdir(self.path("in"))
        for backing in (b"base", b"../base", b"/abs/base", b"nbd://host/x", None):
            make = shapes.shaped(shapes.plain_bitmaps, backing=backing)
            for way in self.WAYS:
                if isinstance(way, str):
                    way = way.replace("{here}", str(self.directory)).encode()
                with self.subTest(way=way, backing=backing):
                    make(os.fsdecode(os.path.join(os.fsencode(self.directory), way)))
                    self.compare(os.fsdecode(way))

    def test_links(self):
        image = self.use(shapes.shaped(backing=b"base.qcow2"))
        os.mkdir(self.path("in"))
        os.symlink(image, self.path("in/symbolic"))
        os.link(image, self.path("in/hard"))
        for way in ("in/symbolic", "in/hard"):
            self.compare(way)

    def test_options(self):
        image = self.use(shapes.shaped(shapes.plain_bitmaps))
        for options in (("-f", "qcow2"), ("-fqcow2",), ("--format=qcow2",), ("-U",),
                        ("--force-share",), ("--force", "--format", "qcow2"), ("--",)):
            with self.subTest(options=options):
                self.compare(*options, image)
        theirs = self.qemu_info(image, "--output=json", "-U")
        self.assert_same(look.qemu_json(self.looks("info", image, "--out=json", "-U")), theirs)


class Times(Pair):
    def test_dates_are_of_the_time_zone(self):
        make = dict(info_images.CASES)["snapshots, dates"]
        self.use(make)
        for zone in ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu",
                     "Pacific/Apia", "Australia/Lord_Howe", "", "No/Such_Zone", "UTC0", None):
            with self.subTest(zone=zone):
                self.environment.pop("TZ", None)
                if zone is not None:
                    self.environment["TZ"] = zone
                self.compare("disk.qcow2")

    def test_locales_change_nothing(self):
        self.use(dict(info_images.CASES)["all odd names but those with NULs"])
        for locale in ("C.UTF-8", "POSIX", "de_DE.UTF-8", "xx_YY"):
            self.environment["LC_ALL"] = locale
            self.compare("disk.qcow2")


class Sizes(Pair):
    """How sizes are rounded for people."""

    def sizes(self):
        chance = random.Random(info_images.SEED)
        for unit in (1, 1 << 10, 1 << 20, 1 << 30, 1 << 40):
            for number in (1, 1.5, 9.99, 9.995, 10, 99.9, 99.95, 100, 999, 999.4, 999.5, 999.99,
                           1000, 1023, 1023.9):
                yield int(number * unit)
        for _ in range(60):
            yield chance.randrange(1 << chance.randrange(9, 50))

    def test_virtual_sizes(self):
        image = images.create(self.path("disk.qcow2"), "1024T", cluster=2 << 20)
        for size in sorted(set(self.sizes())):
            with self.subTest(size=size):
                with shapes.Craft(image) as opened:
                    shapes.virtual_size(size)(opened)
                theirs = self.qemu_info(image)
                self.assert_same(look.qemu_human(self.looks("info", image)), theirs)

    def test_sizes_on_disk(self):
        image = images.create(self.path("disk.qcow2"), "64M")
        with open(image, "r+b") as file:
            file.seek(0, os.SEEK_END)
            for length in (0, 4096, 50_000, 600_000, 300_000, 50_000, 9_000_000):
                file.write(b"x" * length)
                file.flush()
                with self.subTest(length=length):
                    self.compare(image)


class Comparers(Pair):
    """What takes instar's own lines away takes nothing else away."""

    def test_a_made_up_output(self):
        self.use(dict(info_images.CASES)["LUKS, bitmaps, backing file"])
        theirs = self.qemu_info("--output=json", "disk.qcow2")
        ours = theirs.replace(
            b'"granularity": 65536\n', b'"granularity": 65536,\n                    "instar-a": {'
            b'\n                        "x": 1\n                    },\n'
            b'                    "instar-b": 2\n')
        self.assertNotEqual(ours, theirs)
        self.assertEqual(look.qemu_json(ours), theirs)
        look.parse(ours)
        with self.assertRaises(AssertionError):
            look.parse(theirs.replace(b'"flags"', b'"instar-flags"'))
        human = self.qemu_info("disk.qcow2")
        last = b"            granularity: 65536\n"
        ours = human.replace(last, last + b"            instar a:\n                x: 1\n"
                             b"            instar b: 2\n")
        self.assertNotEqual(ours, human)
        self.assertEqual(look.qemu_human(ours), human)

    def test_the_registry_cuts_what_it_names(self):
        self.use(dict(info_images.CASES)["LUKS, bitmaps, backing file"])
        entry = KNOWN_INFO_DIVERGENCES["luks_details"]
        found = look.parse(entry.json(self.qemu_info("--output=json", "disk.qcow2")))
        whole = look.parse(self.qemu_info("--output=json", "disk.qcow2"))
        self.assertEqual(look.data_of(found).pop("encrypt"), {"format": "luks"})
        self.assertGreater(len(look.data_of(whole).pop("encrypt")), 5)
        self.assertEqual(found, whole)
        lines = entry.human(self.qemu_info("disk.qcow2")).split(b"\n")
        at = lines.index(b"    encrypt:")
        self.assertEqual(lines[at + 1:at + 3], [b"        format: luks", b"    corrupt: false"])


if __name__ == "__main__":
    harness.main()
