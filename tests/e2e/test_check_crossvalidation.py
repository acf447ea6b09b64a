#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check` says what `qemu-img check` says, of sound images and of damaged ones.

The images are those of lib/info_images.py, as they are made and after they were used; random
damage to their metadata follows (lib/damage.py).  Exit code, JSON with the order of its keys,
and the findings on standard error are compared.  A difference that lib/divergences.py does not
list fails, and so does an entry there that no image needs; INSTAR_SEED changes the dice.
"""

import collections
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import unittest
from dataclasses import dataclass, field

from lib import bare_header, check_pair, damage, harness, images, info_images, lived_in, shapes
from lib.divergences import KNOWN_CHECK_DIVERGENCES, known_check
from lib.qcow2 import Image

DAMAGED = 2000          # images at least
EXCUSED = 0.02          # of them at most
ROUNDS = {False: 2, True: 3}  # was it used: how often it is damaged
MOST_BYTES = 64 << 20   # of an image; beyond it only says so
PATCHES = (1, 1, 1, 2, 3)


@dataclass
class Verdict:
    """Of one image: what it is, and what differs."""

    name: str
    used: bool
    patches: list = field(default_factory=list)
    code: int | None = None  # qemu-img's; None: too large
    different: dict = field(default_factory=dict)
    entries: set = field(default_factory=set)  # that excuse it

    def __str__(self):
        lines = [f"{self.name}{', used' if self.used else ''}: exit {self.code} of qemu-img"]
        lines += [f"  {patch}" for patch in self.patches]
        lines += [f"  {what}: {text[:2000]}" for what, text in self.different.items()]
        return "\n".join(lines)


class Workbench:
    """One image of the matrix, in a folder of its own."""

    def __init__(self, folder, name, make, used):
        self.path = os.path.join(folder, "disk.qcow2")
        self.sound = os.path.join(folder, "sound.qcow2")
        self.name, self.used = name, used
        self.chance = random.Random(f"{info_images.SEED} {name} {used}")
        make(self.path)
        if used:
            with Image(self.path) as image:
                size = image.virtual_size
            lived_in.live_in(self.path, size, self.chance, self.chance.random() < 0.5)

    def verdicts(self):
        if os.path.getsize(self.path) > MOST_BYTES:
            return [Verdict(self.name, self.used)]
        self.opened = images.check_options(self.path)
        if not self.opened[-1].startswith("json:"):
            self.opened = [images.alone(self.path)]
        with Image(self.path) as image:
            places = damage.Places(image)
        shutil.copyfile(self.path, self.sound)
        found = [self._verdict([], human=True)]
        for _ in range(ROUNDS[self.used]):
            patches = [places.damage(self.chance) for _ in range(self.chance.choice(PATCHES))]
            shutil.copyfile(self.sound, self.path)
            damage.apply(self.path, patches)
            found.append(self._verdict(patches, human=self.chance.random() < 0.1))
        return found

    def _verdict(self, patches, human):
        different, code = check_pair.compare(self.path, self.opened, human)
        entries = known_check(bare_header.Header(self.path)) if different else set()
        return Verdict(self.name, self.used, patches, code, different, entries)


def judge(number):
    """All verdicts of one image of the matrix."""
    name, make = info_images.CASES[number]
    found = []
    for used in (False, True):
        with tempfile.TemporaryDirectory(prefix="instar-e2e-", dir=harness.IN_MEMORY) as folder:
            found += Workbench(folder, name, make, used).verdicts()
    return found


class CrossValidation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with multiprocessing.Pool() as pool:
            found = pool.imap_unordered(judge, range(len(info_images.CASES)))
            verdicts = [verdict for some in found for verdict in some]
        cls.judged = [verdict for verdict in verdicts if verdict.code is not None]
        cls.damaged = [verdict for verdict in cls.judged if verdict.patches]
        cls.different = [verdict for verdict in cls.judged if verdict.different]
        codes = collections.Counter(verdict.code for verdict in cls.damaged)
        print(f"{len(cls.judged)} images, {len(cls.damaged)} of them damaged; exit codes of these:"
              f" {dict(sorted(codes.items()))}; {len(cls.different)} excused or different;"
              f" {len(verdicts) - len(cls.judged)} above {MOST_BYTES >> 20} MiB left out",
              file=sys.stderr)

    def test_every_difference_is_known(self):
        for verdict in self.different:
            with self.subTest(image=verdict.name, used=verdict.used):
                self.assertTrue(verdict.entries, verdict)

    def test_entries_excuse_few(self):
        excused = [verdict for verdict in self.damaged if verdict.different and verdict.entries]
        self.assertLessEqual(len(excused), EXCUSED * len(self.damaged))

    def test_there_is_enough_damage_of_every_kind(self):
        self.assertGreaterEqual(len(self.damaged), DAMAGED)
        self.assertEqual({verdict.code for verdict in self.damaged}, {0, 1, 2, 3})
        kinds = collections.Counter(patch.kind for verdict in self.damaged
                                    for patch in verdict.patches)
        self.assertEqual(set(kinds), set(damage.KINDS))
        self.assertGreater(min(kinds.values()), 20, kinds)

    def test_sound_images_are_sound(self):
        unsound = {verdict.name for verdict in self.judged
                   if verdict.code and not verdict.patches and not verdict.used}
        raw = {name for name in unsound if "raw data bit without" in name}
        self.assertEqual({name for name in unsound if "stale" not in name} - raw,
                         {"data file, snapshots"})
        self.assertTrue(raw)  # qemu-img info opens them, check does not


# Of each entry an image that needs it, made of a sound one by the last step.
NEEDED = {
    "escaped_names": ((shapes.snapshots(shapes.Shot(name=b"a\nb")),),
                      lambda image: image.put("Q", image.snapshots_offset, 1)),
}


class Registry(harness.Case):
    def test_every_entry_is_needed(self):
        self.assertEqual(set(NEEDED), set(KNOWN_CHECK_DIVERGENCES))
        for key, (steps, last) in NEEDED.items():
            with self.subTest(entry=key):
                path = shapes.shaped(*steps)(self.path(f"{key}.qcow2"))
                self.assertEqual(check_pair.compare(path, [path])[0], {})
                shapes.shaped(*steps, last)(path)
                self.assertTrue(check_pair.compare(path, [path])[0], "the entry is not needed")
                self.assertEqual(known_check(bare_header.Header(path)), {key})


if __name__ == "__main__":
    harness.main()
