#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Images with a few bytes changed at random, where metadata is.

Whatever has become of an image, `instar info` describes it: as qemu-img does, or with what is
wrong.  In particular it tells of something wrong in each image that qemu-img does not open.

INSTAR_SEED and INSTAR_STEPS repeat or lengthen a run.
"""

import os
import random

from lib import extents, harness, info_images, look
from lib.divergences import known_info
from lib.qcow2 import INCOMPAT_DATA_FILE, Image, Malformed

STEPS = int(os.environ.get("INSTAR_STEPS", "400"))
UNREADABLE = (b"instar info: the image header could not be parsed\n",
              b"instar info: not a qcow2 image\n")
KINDS = ("cluster 4096, refcounts of 16 bits, bitmaps, lazy refcounts", "snapshots and bitmaps",
         "backing file and bitmaps", "snapshots, long names", "snapshots, extra data",
         "version 2, cluster 4096, snapshots", "extended L2, cluster 16384, zstd",
         "all odd names but those with NULs", "unknown extensions, bitmaps", "bitmaps with ones",
         "stale bitmaps, cluster 4096", "AES, bitmaps", "LUKS, bitmaps, backing file")

# Fields behind the magic: (offset, bytes).
HEADER = ((4, 4), (8, 8), (16, 4), (20, 4), (24, 8), (32, 4), (36, 4), (40, 8), (48, 8), (56, 4),
          (60, 4), (64, 8), (72, 8), (80, 8), (88, 8), (96, 4), (100, 4), (104, 1))
EDGES = (0, 1, 2, 3, 4, 7, 8, 9, 16, 22, 24, 72, 104, 112, 512, 1023, 1024, 4096, 65535, 65536,
         1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63,
         (1 << 64) - 1)


class Sample:
    """An image's bytes, and where its metadata is: (offset, length)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.content = file.read()
        with Image(path) as image:
            self.areas = [(104, min(600, image.cluster_size - 104))]
            if image.snapshot_count:
                self.areas.append((image.snapshots_offset, 300))
            body = image.bitmaps_body()
            if body:
                self.areas.append((body[2], min(body[1], 400)))
                self.areas += [(b.table_offset, 8 * min(4, b.table_size))
                               for b in image.bitmaps()[:3]]

    def mutant(self, chance):
        """(the changed bytes, what was changed)."""
        content, changes = bytearray(self.content), []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            offset, new = self._change(content, chance)
            content[offset:offset + len(new)] = new
            changes.append((offset, new.hex()))
        if chance.random() < 0.1:
            del content[chance.randrange(104, len(content)):]
            changes.append(("cut to", len(content)))
        return bytes(content), changes

    def _change(self, content, chance):
        if chance.random() < 0.4:
            offset, length = chance.choice(HEADER)
        else:
            start, size = chance.choice(self.areas)
            length = chance.choice((1, 1, 2, 4, 8))
            offset = start + chance.randrange(size) // length * length
        old = int.from_bytes(content[offset:offset + length], "big")
        new = chance.choice((old ^ 1 << chance.randrange(8 * length), old + 1, old - 1,
                             chance.choice(EDGES), chance.choice(EDGES),
                             chance.randrange(1 << 8 * length),
                             chance.randrange(len(content)) // 4096 * 4096))
        return offset, (new % (1 << 8 * length)).to_bytes(length, "big")


class Mutants(look.LookCase):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")
        cases = dict(info_images.CASES)
        self.samples = []
        for kind in KINDS:
            self.samples.append(Sample(cases[kind](self.image)))
            os.unlink(self.image)

    def test_whatever_has_become_of_an_image_is_told(self):
        judged = dict.fromkeys(("refused", "damaged", "as qemu"), 0)
        for step in range(STEPS):
            chance = random.Random(f"{info_images.SEED} {step}")
            content, changes = chance.choice(self.samples).mutant(chance)
            with open(self.image, "wb") as file:
                file.write(content)
            with self.subTest(step=step, changes=changes):
                judged[self.judge()] += 1
                self.map_ends_well()
        self.assertTrue(all(count > STEPS // 100 for count in judged.values()), judged)

    def judge(self):
        theirs = self.look("qemu-img", "info", "-f", "qcow2", "--output=json", self.image)
        ours = self.instar_look("info", "--count", "--output=json", self.image)
        human = self.instar_look("info", "--count", self.image)
        self.assertEqual((human.code, human.err), (ours.code, ours.err))
        if ours.code:
            self.assertEqual((ours.code, ours.out), (1, b""))
            self.assertTrue(ours.err.startswith(UNREADABLE), ours)
            self.assertNotEqual(theirs.code, 0, "qemu-img can read it")
            return "refused"
        self.assertEqual(ours.err, b"")
        if look.damage_of(look.parse(ours.out)):
            self.assertIn(b"\n    instar damage:\n", human.out)
            return "damaged"
        if self.wants_a_data_file():
            return "as qemu"
        self.assertEqual(theirs.code, 0, theirs)
        self.assertEqual(look.qemu_json(ours.out).split(b"\n"),
                         self.without_known(theirs.out).split(b"\n"))
        return "as qemu"

    def read(self, ask):
        """What the tests' own reader says; None if it cannot read the image's header."""
        try:
            with Image(self.image) as opened:
                return ask(opened)
        except (Malformed, OSError, OverflowError):
            return None

    def without_known(self, out):
        for entry in (self.read(known_info) or {}).values():
            out = entry.json(out)
        return out

    def wants_a_data_file(self):
        """Which qemu would open."""
        return self.read(lambda opened: opened.incompatible & INCOMPAT_DATA_FILE)

    def map_ends_well(self):
        """What it prints is what the tests' own reader finds."""
        result = self.instar_look("map", "--bitmap=a", "--output=json", self.image)
        if result.code:
            self.assertEqual((result.code, result.out), (1, b""))
            self.assertNotRegex(result.err, b"protocol|guest program|internal")
            return
        found = self.read(lambda opened: extents.extents_read(opened, opened.bitmap("a")))
        if found is not None:
            self.assertEqual(result.out, extents.as_json(found))


if __name__ == "__main__":
    harness.main()
