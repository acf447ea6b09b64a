#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Another program writes to the image while instar plans: a fresh try, three at most.

Locks keep qemu away; what is meant here is a program that takes none.  The shipped program
is stopped behind a read of the image, the test writes to the image, and the program goes on.
"""

import os
import re
import shutil

from lib import faults, harness
from lib.craft import Craft
from lib.edits import EDITS, EditCase
from lib.qcow2 import EXT_FEATURE_NAMES, FLAG_AUTO
from lib.stops import StoppedRun

CHANGED = ("the image's header changed between the host's pre-probe and the guest's read, or a "
           "guest write failed; retry, or run `instar check` if the image may be corrupt")
TRIES = 3


# ---- what somebody else does to the image -------------------------------------------------

def header(path):
    """A letter in the header cluster."""
    with Craft(path) as image:
        at = image.extension(EXT_FEATURE_NAMES).offset + 8 + 2
        image.pwrite(at, b"A" if image.pread(at, 1) != b"A" else b"B")


def directory(path):
    """The recording flag of a bitmap that the command does not name."""
    with Craft(path) as image:
        image.set_entry("a", flags=image.bitmap("a").flags ^ FLAG_AUTO)


def size(path):
    """A cluster more, which nothing refers to."""
    with Craft(path) as image:
        os.truncate(path, (image.file_clusters + 1) * image.cluster_size)


class Retry(EditCase):
    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def expect(self, change, times=1):
        """After so many foreign changes: the digest, and the look of the edit on top."""
        kept, self.image = self.image, self.path("expected.qcow2")
        shutil.copyfile(self.original, self.image)
        for _ in range(times):
            change(self.image)
        digest = harness.digest_of(self.image)
        _, action, target, _ = EDITS[self.name]
        self.succeeds(action, self.image, target)
        look, self.image = self.look(), kept
        return digest, look

    def disturbed(self, change, wanted, when="1+"):
        """Run the edit; the change is made behind every read that `wanted` picks by its line.
        How often it was made, and how often instar looked at the image afresh."""
        self.renew()
        run = StoppedRun(self, [harness.INSTAR, "bitmap", *self.command], "pread64", self.image,
                         when)
        times = 0
        for call in run:
            if wanted(call):
                change(self.image)
                times += 1
        return run.result, times, sum(map(is_probe, run.lines()))

    def assert_done(self, result, look):
        """The edit on top of the foreign change."""
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertEqual(self.look(), look)
        self.assert_sound(self.image)
        self.assert_no_journal()


def is_probe(call):
    """Each try begins with the first 512 bytes of the image."""
    return re.match(r"pread64\(.*, 512, 0\) += 512", call) is not None


def is_length(length):
    """A read of so many bytes: each has one place in a try."""
    return lambda call: re.search(rf", {length}, \d+\) += {length}$", call) is not None


def always(call):
    return True


class Once(Retry):
    def every_read(self, change, asserted, name="add"):
        """The change behind the n-th read, for every n until the read that compares what is
        changed; the numbers of tries.  (Behind that one a program that takes no lock is not
        noticed any more.)"""
        self.prepare(name)
        _, look = self.expect(change)
        tries, calls = [], []

        def wanted(call):
            calls.append(call)
            return not asserted(call)

        while not (calls and asserted(calls[-1])):
            number = len(tries) + 1
            result, times, probes = self.disturbed(change, wanted, number)
            self.assertEqual(len(calls), number)
            tries.append(probes)
            with self.subTest(edit=name, change=change.__name__, read=number):
                if times:
                    self.assert_done(result, look)
        return tries[:-1]

    def test_a_change_between_the_reads_and_the_journal_makes_a_second_try(self):
        """The first read is the magic, the second the probe."""
        for change, length in ((header, 544), (directory, 96), (size, 544)):
            tries = self.every_read(change, is_length(length))
            self.assertEqual((tries[0], max(tries)), (1, 2))
            self.assertEqual(tries[3:6], [2, 2, 2], change)

    def test_other_edits(self):
        for name in ("merge", "remove", "disable"):
            for change, length in ((header, 544), (directory, 64 if name == "merge" else 96)):
                self.assertIn(2, self.every_read(change, is_length(length), name))

    def test_header_edit_of_an_overlay(self):
        self.prepare("first on an overlay")
        _, look = self.expect(header)
        for number in range(2, 6):
            result, times, _ = self.disturbed(header, always, number)
            self.assertEqual(times, 1)
            self.assert_done(result, look)

    def test_with_growth_in_a_transaction_of_its_own(self):
        self.prepare("add with growth")
        _, look = self.expect(size)
        for number in range(1, 12):
            result, times, _ = self.disturbed(size, always, number)
            self.assertEqual(times, 1)
            self.assert_done(result, look)


class EachTime(Retry):
    def assert_given_up(self, change, wanted, tries=TRIES):
        """Three tries, the message, and nothing but what the other program wrote."""
        result, times, probes = self.disturbed(change, wanted)
        self.assertEqual((times, probes), (tries, tries), result)
        self.assert_refused(result, CHANGED)
        self.assertEqual(harness.digest_of(self.image), self.expect(change, times)[0])
        self.assert_no_journal()

    def test_behind_the_probe(self):
        self.prepare("add")
        for change in (header, size):
            self.assert_given_up(change, is_probe)

    def test_behind_the_guests_last_read(self):
        self.prepare("add")
        for change in (header, directory, size):
            self.assert_given_up(change, is_length(1144))

    def test_between_the_assertions(self):
        """When the journal's file is there: it is removed again."""
        self.prepare("add")
        self.assert_given_up(directory, is_length(544))

    def test_twice_only(self):
        """The third try succeeds."""
        self.prepare("add")
        seen = []

        def twice(call):
            seen.append(is_probe(call))
            return seen[-1] and sum(seen) <= 2

        result, times, probes = self.disturbed(header, twice)
        self.assertEqual((times, probes), (2, 3))
        self.assert_done(result, self.expect(header, 2)[1])


if __name__ == "__main__":
    harness.main()
