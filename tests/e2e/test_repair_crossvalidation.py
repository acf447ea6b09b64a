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
import subprocess
import sys
import unittest
from dataclasses import dataclass, field
from functools import cached_property

from lib import (bare_header, bitmap_view, check_pair, copies, damage, harness, repairs,
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


class Damaged:
    """An image before its repair, in a file of its own.  What there is to read of it is read
    once, however many repairs are judged by it."""

    def __init__(self, made, bench, path):
        self.made, self.bench, self.path = made, bench, path
        copies.copy(bench.path, path)

    @cached_property
    def digest(self):
        return harness.digest_of(self.path)

    @cached_property
    def view(self):
        return View(self.path)

    @cached_property
    def bitmaps(self):
        return bitmap_view.read(self.path)

    @cached_property
    def before(self):
        """The View of what the guest could read.  Where the damage hides its tables from qemu,
        too, this is what they say without that."""
        geometry = [p for p in self.made.patches
                    if p.kind == "header" and GEOMETRY[0] <= p.offset < GEOMETRY[1]]
        # Of the disk's size nothing else tells: what it says is what there is.
        if not geometry or self.opens() or any(p.offset == SIZE_FIELD for p in geometry):
            return self.view
        readable = os.path.join(self.bench.folder, "readable.qcow2")
        copies.copy(self.bench.sound, readable)
        damage.apply(readable, [p for p in self.made.patches if p not in geometry])
        return View(readable)

    def opened(self):
        return self.bench.opened(self.path)

    def opens(self):
        return not check_pair.run("qemu-img", "info", "-U", *self.opened()).code

    @cached_property
    def misread(self):
        """This is of the reader before, whatever the repair."""
        return repairs.misread(self.before, self.opened()) if self.made.rarely else []


class Bench:
    """What is done with each image of a workbench."""

    def __init__(self, bench):
        self.bench = bench
        self.path = bench.path
        self.other = os.path.join(bench.folder, "other.qcow2")

    def verdicts(self):
        for made in self.bench.images():
            if not made.patches:
                self.sound_bitmaps = bitmap_view.read(self.path)
            yield self.verdict(made)

    def verdict(self, made):
        self.damaged = Damaged(made, self.bench, os.path.join(self.bench.folder, "damaged.qcow2"))
        self.found = {}  # digest of a repaired image: what is wrong with it
        verdict = Verdict(str(made), bool(made.patches), tuple(p.kind for p in made.patches))
        try:
            self.repair(verdict, made)
            if OF_BITMAPS & set(verdict.kinds):
                copies.copy(self.damaged.path, self.path)
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
        digest = harness.digest_of(self.path)
        if repairs.is_refusal(run):
            verdict.refusal = _reason(run)
            if digest != self.damaged.digest:
                verdict.faults.append("refused, but the image has changed")
        elif run.code:
            verdict.faults.append(f"{options} exit {run.code}: "
                                  + run.err.decode(errors="replace")[-600:])
        else:
            # --reset-damaged often makes the same image, of which the same is to be said.
            if digest not in self.found:
                is_again = digest == self.damaged.digest and not options
                self.found[digest] = self.judge(made, run if is_again else None, digest)
            found = self.found[digest] + self.bitmap_faults(made, options)
            verdict.lost = self.damaged.before.layers[ACTIVE].has_lost
            verdict.faults += [f"{' '.join(options)} {fault}" for fault in found]

    def compare(self, verdict, run):
        """What qemu-img repairs, instar does, and says it in the same JSON."""
        copies.copy(self.damaged.path, self.other)
        theirs = repairs.theirs(self.bench.opened(self.other), "all")
        if theirs.code:
            return
        if run.code:
            verdict.faults.append("not repaired, and qemu-img does it")
            return
        expected = [(key, self.path if key == "filename" else value) for key, value in theirs.json]
        if check_pair.without_own(run.json) != expected:
            code = check_pair.theirs(self.damaged.opened()).code
            entries = known_repair(bare_header.Header(self.damaged.path), code)
            verdict.excuses = entries
            if not entries:
                verdict.faults.append(f"JSON {check_pair.without_own(run.json)}"
                                      f" instead of {expected}")

    def judge(self, made, again, digest):
        """What is wrong with the repaired image, but for its bitmaps.  `again`: if the repair
        had nothing to do, its Run, which another one would only repeat."""
        before = self.damaged.before
        self.after = View(self.path)
        found = repairs.unsound(self.path, self.bench.opened(), again)
        found += self.damaged.misread
        found += repairs.guest_faults(before, self.after, _may_drop_snapshots(made))
        if digest != self.damaged.digest:
            found += repairs.compared(before, self.damaged.opened(), self.bench.opened())
        return found

    def bitmap_faults(self, made, options):
        before = self.damaged
        return bitmap_view.faults(
            self.sound_bitmaps, before.bitmaps, bitmap_view.read(self.path),
            bitmap_view.untouched(before.path, self.sound_bitmaps, made.patches, before.view),
            bitmap_view.patched(self.sound_bitmaps, made.patches),
            repairs.bit_count(self.after), reset=bool(options))


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
