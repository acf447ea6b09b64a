#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check -r all` gives back an image that nothing is wrong with, and loses nothing.

The damaged images are those of lib/workbench.py.  A repair is refused, and has changed no
byte then, or: both checkers find nothing any more, a second repair finds nothing to do, the
guest reads what it read before (of the active layer and of every snapshot), and every bitmap
that was not damaged has every bit.  lib/guest_view.py and lib/bitmap_view.py read for that,
and qemu-img compares what it can open.
"""

import collections
import os
import re
import shutil
import subprocess
import sys
import unittest
from dataclasses import dataclass, field

from lib import (bare_header, bitmap_view, check_pair, damage, harness, repairs,
                 workbench)
from lib.divergences import KNOWN_REPAIR_DIVERGENCES, known_repair
from lib.guest_view import ACTIVE, View

DAMAGED = 2000 // harness.SHARE  # images at least
REFUSED = 0.05   # of them at most
HANGS = -1       # no exit code
SIZE_FIELD = 24
GEOMETRY = (24, 48)  # of the header: the disk's size, and where its L1 table is
OF_BITMAPS = {"directory", "bitmap table", "extension"}


@dataclass
class Verdict:
    """Of one repair.  `code`: instar's exit code; None: the image is too large."""

    image: str
    damaged: bool = False
    kinds: tuple = ()
    code: int | None = None
    refusal: str = ""
    lost: bool = False     # some of the guest's data could not be read before
    repairs: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    excuses: set = field(default_factory=set)  # of differences from qemu-img's JSON

    def __str__(self):
        return "\n  ".join([self.image, *(str(one) for one in self.repairs), *self.faults])


class Bench:
    """What is done with each image of a workbench."""

    def __init__(self, bench):
        self.bench = bench
        self.path = bench.path
        self.damaged = os.path.join(bench.folder, "damaged.qcow2")
        self.other = os.path.join(bench.folder, "other.qcow2")
        self.readable = os.path.join(bench.folder, "readable.qcow2")

    def verdicts(self):
        for made in self.bench.images():
            if not made.patches:
                self.sound_bitmaps = bitmap_view.read(self.path)
            yield self.verdict(made)

    def verdict(self, made):
        shutil.copyfile(self.path, self.damaged)
        verdict = Verdict(str(made), bool(made.patches), tuple(p.kind for p in made.patches))
        try:
            self.repair(verdict, made)
            if OF_BITMAPS & set(verdict.kinds):
                shutil.copyfile(self.damaged, self.path)
                self.repair(verdict, made, "--reset-damaged")
        except subprocess.TimeoutExpired as fault:
            verdict.code = HANGS
            verdict.faults.append(str(fault))
        return verdict

    def repair(self, verdict, made, *options):
        run = repairs.ours(self.path, "all", *options)
        verdict.code, verdict.repairs = run.code, repairs.listed(run)
        if made.rarely and not options:
            self.compare(verdict, run)
        if repairs.is_refusal(run):
            verdict.refusal = _reason(run)
            if harness.digest_of(self.path) != harness.digest_of(self.damaged):
                verdict.faults.append("refused, but the image has changed")
        elif run.code:
            verdict.faults.append(f"{options} exit {run.code}: "
                                  + run.err.decode(errors="replace")[-600:])
        else:
            self.judge(verdict, made, options)

    def compare(self, verdict, run):
        """What qemu-img repairs, instar does, and says it in the same JSON."""
        shutil.copyfile(self.damaged, self.other)
        code = check_pair.theirs(self.bench.opened(self.other)).code
        theirs = repairs.theirs(self.bench.opened(self.other), "all")
        if theirs.code:
            return
        if run.code:
            verdict.faults.append("not repaired, and qemu-img does it")
            return
        expected = [(key, self.path if key == "filename" else value) for key, value in theirs.json]
        if check_pair.without_own(run.json) != expected:
            entries = known_repair(bare_header.Header(self.damaged), code)
            verdict.excuses = entries
            if not entries:
                verdict.faults.append(f"JSON {check_pair.without_own(run.json)}"
                                      f" instead of {expected}")

    def judge(self, verdict, made, options):
        before, after = self.before(made), View(self.path)
        found = repairs.unsound(self.path, self.bench.opened())
        if made.rarely:
            found += repairs.misread(before, self.bench.opened(self.damaged))
        found += repairs.guest_faults(before, after, _may_drop_snapshots(made))
        found += repairs.compared(before, self.bench.opened(self.damaged), self.bench.opened())
        found += bitmap_view.faults(
            self.sound_bitmaps, bitmap_view.read(self.damaged), bitmap_view.read(self.path),
            bitmap_view.untouched(self.damaged, self.sound_bitmaps, made.patches,
                                  View(self.damaged)),
            bitmap_view.patched(self.sound_bitmaps, made.patches),
            repairs.bit_count(after), reset=bool(options))
        verdict.lost = before.layers[ACTIVE].has_lost
        verdict.faults += [f"{' '.join(options)} {fault}" for fault in found]

    def before(self, made):
        """The View of what the guest could read.  Where the damage hides its tables from qemu,
        too, this is what they say without that."""
        geometry = [p for p in made.patches
                    if p.kind == "header" and GEOMETRY[0] <= p.offset < GEOMETRY[1]]
        # Of the disk's size nothing else tells: what it says is what there is.
        if not geometry or self.opens() or any(p.offset == SIZE_FIELD for p in geometry):
            return View(self.damaged)
        shutil.copyfile(self.bench.sound, self.readable)
        damage.apply(self.readable, [p for p in made.patches if p not in geometry])
        return View(self.readable)

    def opens(self):
        opened = self.bench.opened(self.damaged)
        return not check_pair.run("qemu-img", "info", "-U", *opened).code


def _may_drop_snapshots(made):
    return any(p.kind == "snapshot" or p.kind == "header" for p in made.patches)


def _reason(run):
    """The refusal without names and numbers."""
    line = next(line for line in run.err.split(b"\n") if repairs.UNCHANGED in line)
    text = line.decode(errors="replace").split(repairs.UNCHANGED.decode(), 1)[1]
    return re.sub(r"0x[0-9a-f]+|\d+", "N", text)


def judge(bench):
    if bench.is_too_large:
        return [Verdict(bench.name)]
    return list(Bench(bench).verdicts())


class Repaired(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        verdicts = workbench.each(judge)
        cls.judged = [verdict for verdict in verdicts if verdict.code is not None]
        cls.damaged = [verdict for verdict in cls.judged if verdict.damaged]
        cls.refused = [verdict for verdict in cls.damaged if verdict.refusal]
        print(f"{len(cls.judged)} images, {len(cls.damaged)} of them damaged;"
              f" {len(cls.refused)} refused; of {sum(v.lost for v in cls.damaged)} some guest data"
              f" could not be read; {len(verdicts) - len(cls.judged)} above"
              f" {workbench.MOST_BYTES >> 20} MiB left out", file=sys.stderr)
        for reason, count in collections.Counter(v.refusal for v in cls.refused).most_common():
            print(f"  {count} refused{reason}", file=sys.stderr)

    def test_nothing_is_wrong_afterwards_and_nothing_is_lost(self):
        for verdict in self.judged:
            with self.subTest(image=verdict.image):
                self.assertEqual(verdict.faults, [], verdict)

    def test_few_are_refused(self):
        self.assertLessEqual(len(self.refused), REFUSED * len(self.damaged))

    def test_every_entry_of_the_registry_is_needed(self):
        needed = set().union(*(v.excuses for v in self.damaged if len(v.excuses) == 1))
        self.assertLessEqual(needed, set(KNOWN_REPAIR_DIVERGENCES))
        if harness.SHARE == 1:
            self.assertEqual(needed, set(KNOWN_REPAIR_DIVERGENCES))

    def test_there_is_enough_damage_of_every_kind(self):
        self.assertGreaterEqual(len(self.damaged), DAMAGED)
        kinds = collections.Counter(kind for verdict in self.damaged for kind in verdict.kinds)
        self.assertEqual(set(kinds), set(damage.KINDS))
        self.assertGreater(min(kinds.values()), 20 // harness.SHARE, kinds)
        self.assertGreater(sum(bool(verdict.repairs) for verdict in self.damaged), DAMAGED // 3)


if __name__ == "__main__":
    harness.main()
