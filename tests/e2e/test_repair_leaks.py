#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check -r leaks` does what `qemu-img check -r leaks` does, in its words: leaks go, and
nothing else changes, be there corruption or not."""

import functools
import itertools
import os
import shutil
import tempfile
import unittest
from itertools import compress

from lib import check, check_pair, faults, harness, images, repairs, shapes, walk
from lib.craft import Craft
from lib.qcow2 import Image
from lib.walk import COPIED

MIB = 1 << 20


# ---- leaks: each takes an opened Craft ----

def at_the_end(image):
    image.allocate(3)


def inside(image):
    """A cluster between others, which the guest's second one was."""
    image.pwrite(_l2(image)[1] + 8, bytes(8))


def too_high(image):
    """The refcount of a cluster of guest data, marked as being there once."""
    entry = _l2(image)[0] & ~COPIED
    image.set_refcount(entry >> image.cluster_bits, 2)


def of_a_block(image):
    """More than a refcount block tells of, where blocks are small."""
    image.allocate(min(3000, image.refcounts_per_block))


LEAKS = {"at the end": at_the_end, "inside": inside, "a refcount too high": too_high,
         "many": of_a_block}


def _l2(image):
    """(entry, its place) of the first cluster."""
    table = int.from_bytes(image.pread(image.l1_offset, 8), "big") & ~COPIED
    return int.from_bytes(image.pread(table, 8), "big"), table


# ---- corruption ----

def too_low(image):
    """A cluster that the snapshot shares is counted once.  qemu-img gives up on one that is not
    counted at all."""
    shared = next(entry >> image.cluster_bits
                  for _, entry, _ in walk.mapping(image, image.l1_offset, image.l1_size)
                  if image.refcount(entry >> image.cluster_bits) == 2)
    image.set_refcount(shared, 1)


def not_copied(image):
    entry, at = _l2(image)
    image.pwrite(at, (entry & ~COPIED).to_bytes(8, "big"))


def behind_the_end(image):
    _, at = _l2(image)
    image.pwrite(at, ((1 << 40) | COPIED).to_bytes(8, "big"))


CORRUPTION = {"a refcount too low": too_low, "a COPIED flag": not_copied,
              "data behind the end": behind_the_end}
SHAPES = {
    "small clusters": {"cluster": 512}, "4k": {"cluster": 4096}, "64k": {},
    "refcounts of one bit": {"options": "refcount_bits=1", "cluster": 4096},
    "refcounts of 64 bits": {"options": "refcount_bits=64", "cluster": 4096},
    "version 2": {"options": "compat=0.10"},
}


@functools.cache
def _sound(name):
    """The bytes of an image with guest data, and a snapshot where it can have one."""
    with tempfile.TemporaryDirectory(prefix="instar-e2e-") as folder:
        path = images.create(os.path.join(folder, "sound.qcow2"), 8 * MIB, **SHAPES[name])
        images.write(path, "write -P 5 0 256k", "write -P 6 1M 64k")
        if "one bit" not in name:
            images.snapshot(path, "before")
            images.write(path, "write -P 7 0 64k")
        with open(path, "rb") as file:
            return file.read()


class LeaksCase(harness.Case):
    def make(self, name, *steps):
        """The image, and its copy for qemu."""
        self.image, self.other = self.path("disk.qcow2"), self.path("qemu.qcow2")
        with open(self.image, "wb") as file:
            file.write(_sound(name))
        with Craft(self.image) as image:
            for step in steps:
                step(image)
        shutil.copyfile(self.image, self.other)

    def both(self, *options):
        """(ours, theirs), each having repaired its copy."""
        return (check_pair.run(harness.INSTAR, "check", "-r", "leaks", *options, self.image),
                check_pair.run("qemu-img", "check", "-r", "leaks", *options, self.other))

    def cases(self):
        """(image, leaks)"""
        for name, leak in itertools.product(SHAPES, LEAKS):
            if LEAKS[leak] is not too_high or "one bit" not in name:
                yield name, leak

    def refcounts(self, path):
        with Image(path) as image:
            blocks = compress(range(len(image.refcount_table)), image.refcount_table)
            return {(index, at): count for index in blocks
                    for at, count in enumerate(image.refcount_block(index)) if count}

    def outside_refcounts(self, path, length):
        """The bytes of the file but for refcount blocks and what was leaked."""
        with Image(path) as image:
            left_out = {offset >> image.cluster_bits for offset in image.refcount_table}
            used = check.references(image)
            return [(number, image.pread(number << image.cluster_bits, image.cluster_size))
                    for number in range(length >> image.cluster_bits)
                    if number not in left_out and number in used]


class LikeQemu(LeaksCase):
    def test_exit_code_words_and_json_are_qemu_imgs(self):
        for name, leak in self.cases():
            with self.subTest(image=name, leaks=leak):
                self.make(name, LEAKS[leak])
                with Image(self.image) as image:
                    self.assertTrue(check.check(image).leaks)
                ours, theirs = self.both()
                self.assertEqual((ours.code, ours.out), (theirs.code, theirs.out))
                self.assertEqual(ours.code, 0)
                self.make(name, LEAKS[leak])
                ours, theirs = self.both("--output=json")
                self.assertEqual(check_pair.without_own(ours.json),
                                 [(key, self.image if key == "filename" else value)
                                  for key, value in theirs.json])

    def test_refcounts_are_qemus_and_nothing_else_changes(self):
        for name, leak in self.cases():
            with self.subTest(image=name, leaks=leak):
                self.make(name, LEAKS[leak])
                length = os.path.getsize(self.image)
                before = self.outside_refcounts(self.image, length)
                self.both()
                self.assertEqual(self.refcounts(self.image), self.refcounts(self.other))
                self.assertEqual(self.outside_refcounts(self.image, length), before)
                self.assert_sound(self.image)

    def test_of_corruption_stays_what_qemu_img_leaves(self):
        """COPIED flags are set right where the refcounts are, and all else is sound."""
        for wrong, (name, leak) in itertools.product(CORRUPTION, self.cases()):
            if CORRUPTION[wrong] is too_low and "one bit" in name:
                continue
            with self.subTest(image=name, leaks=leak, corruption=wrong):
                self.make(name, LEAKS[leak], CORRUPTION[wrong])
                ours, theirs = self.both("--output=json")
                self.assertEqual(ours.code, 0 if wrong == "a COPIED flag" else 2)
                self.assertEqual(ours.code, theirs.code)
                self.assertEqual(check_pair.without_own(ours.json),
                                 [(key, self.image if key == "filename" else value)
                                  for key, value in theirs.json])
                self.assertEqual(self.corruptions(self.image), self.corruptions(self.other))

    def corruptions(self, path):
        run = check_pair.theirs([path])
        self.assertNotIn(b"Leaked", run.err)
        return sorted(run.err.split(b"\n"))

    def test_where_there_is_nothing_to_do_nothing_is_written(self):
        """qemu-img rewrites all bitmaps then."""
        path = shapes.shaped(shapes.plain_bitmaps)(self.path("sound.qcow2"))
        harness.age(path)
        before = harness.state_of(path)
        for kind in ("leaks", "all"):
            run = repairs.ours(path, kind)
            self.assertEqual((run.code, repairs.listed(run)), (0, []), run)
            self.assertEqual(harness.state_of(path), before)
            self.assert_no_journal()

    def test_leaks_of_a_stale_list_go(self):
        path = shapes.shaped(shapes.plain_bitmaps, shapes.stale)(self.path("stale.qcow2"))
        self.assertEqual(check_pair.theirs([path]).code, 3)
        self.assertEqual(repairs.ours(path, "leaks").code, 0)
        self.assert_sound(path)


class Durable(harness.Case):
    """The guest has changes written in parts of 2048: here the last part is a whole one, behind
    the one that is the switch."""

    RUNS = 2049

    @unittest.skipUnless(faults.available(), "strace is not installed")
    def test_the_last_part_of_what_is_freed(self):
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        image, log = images.create(self.path("disk.qcow2")), self.path("log")
        os.truncate(image, (self.RUNS + 16) * 8 << 16)
        with Craft(image) as opened:
            for run in range(self.RUNS):
                opened.set_refcount(64 + 8 * run, 1)
        run = self.run_program("strace", "-f", "-y", "-o", log, "-P", image, "-e",
                               f"trace={faults.WRITES},{faults.SYNCS}", harness.INSTAR, "check",
                               "-r", "leaks", image)
        self.assertEqual(run.code, 0, run)
        with open(log, encoding="utf-8") as file:
            calls = [line.split()[1].split("(")[0] for line in file if "(" in line]
        self.assertGreaterEqual(calls.count("pwrite64"), self.RUNS)
        self.assertIn(calls[-1], faults.SYNCS.split(","))


if __name__ == "__main__":
    harness.main()
