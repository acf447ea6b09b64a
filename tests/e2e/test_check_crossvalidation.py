#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check` says what `qemu-img check` says, of sound images and of damaged ones.

The images are those of lib/workbench.py.  Exit code, JSON with the order of its keys, and the
findings on standard error are compared.  A difference that lib/divergences.py does not list
fails, and so does an entry there that no image needs.
"""

import collections
import sys
import unittest
from dataclasses import dataclass, field

from lib import bare_header, check_pair, damage, harness, shapes, workbench
from lib.divergences import KNOWN_CHECK_DIVERGENCES, known_check

DAMAGED = 2000 // harness.SHARE  # images at least
EXCUSED = 0.02                   # of them at most


@dataclass
class Verdict:
    """Of one image: what it is, and what differs."""

    name: str
    used: bool
    patches: tuple = ()
    code: int | None = None  # qemu-img's; None: too large
    different: dict = field(default_factory=dict)
    entries: set = field(default_factory=set)  # that excuse it

    def __str__(self):
        lines = [f"{self.name}{', used' if self.used else ''}: exit {self.code} of qemu-img"]
        lines += [f"  {patch}" for patch in self.patches]
        lines += [f"  {what}: {text[:2000]}" for what, text in self.different.items()]
        return "\n".join(lines)


def judge(bench):
    """All verdicts of one image of the matrix."""
    if bench.is_too_large:
        return [Verdict(bench.name, bench.used)]
    found = []
    for made in bench.images():
        different, code = check_pair.compare(bench.path, bench.opened(), made.rarely)
        entries = known_check(bare_header.Header(bench.path)) if different else set()
        found.append(Verdict(made.name, made.used, made.patches, code, different, entries))
    return found


class CrossValidation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        verdicts = workbench.each(judge)
        cls.judged = [verdict for verdict in verdicts if verdict.code is not None]
        cls.damaged = [verdict for verdict in cls.judged if verdict.patches]
        cls.different = [verdict for verdict in cls.judged if verdict.different]
        codes = collections.Counter(verdict.code for verdict in cls.damaged)
        print(f"{len(cls.judged)} images, {len(cls.damaged)} of them damaged; exit codes of these:"
              f" {dict(sorted(codes.items()))}; {len(cls.different)} excused or different;"
              f" {len(verdicts) - len(cls.judged)} above {workbench.MOST_BYTES >> 20} MiB left out",
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
        self.assertGreater(min(kinds.values()), 20 // harness.SHARE, kinds)

    def test_sound_images_are_sound(self):
        unsound = {verdict.name for verdict in self.judged
                   if verdict.code and not verdict.patches and not verdict.used}
        raw = {name for name in unsound if "raw data bit without" in name}
        others = {name for name in unsound if "stale" not in name} - raw
        if harness.SHARE > 1:
            self.assertLessEqual(others, {"data file, snapshots"})
            return
        self.assertEqual(others, {"data file, snapshots"})
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
