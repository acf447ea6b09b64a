#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check -r all` on images that qemu does not open: it opens them afterwards, the guest
reads its data, and the bitmaps that nothing was wrong with are there."""

import os
import shutil
from contextlib import contextmanager

from lib import bitmap_view, faults, guest_view, harness, images, malformed, repairs
from lib.guest_view import ACTIVE, View
from lib.malformed import VARIANTS, make_sound

# Nobody knows what the header meant: docs/repair.md lists these.
REFUSED = (
    "header: L1 table behind the end", "header: L1 table in the header",
    "header: L1 table where qemu reads nothing", "header: long backing file's name",
    "header: backing file's name behind the header", "header: unknown compression type",
    "header: compression type without its bit", "header: compression type's bit without one",
    "header: subclusters of small clusters", "header: unknown encryption method",
    "header: LUKS without its header", "header: unknown incompatible feature",
    "header: encryption extension, method 0", "header: encryption extension, method 1",
    "header: encryption extension of 0 bytes", "header: encryption extension of 8 bytes",
    "header: encryption extension of 24 bytes", "header: encryption extension unaligned")
# The LUKS header is not there: qemu wants a passphrase to look at all.
ENCRYPTED = ("header: encryption extension of 15 bytes",)
# The list itself is lost: there is no directory where it should be, or no list at all.
LISTS_LOST = ("extension: directory offset 0", "extension: directory unaligned",
              "extension: directory behind the end", "extension: missing")
# An entry that concerns no bitmap by name, for its name is what is wrong.
ENTRY_LOST = {
    "directory: a name past its end": b"c", "directory: extra data past its end": b"c",
    "directory: a name of no bytes": b"b", "directory: a name of 1024 bytes": b"b",
    "directory: a name of 65535 bytes": b"b", "directory: a name twice": b"b",
    "directory: a name twice, in use": b"b",
    "directory: names that are the same up to a NUL": b"b"}
# Nothing of the bitmap is lost with it.
MENDED = ("directory: padding",)
NAMES = {b"a", b"b", b"c"}
DISK = 64 << 20


def lost(variant):
    """The names that are not in the repaired list."""
    if variant.name in LISTS_LOST:
        return NAMES
    if variant.name in ENTRY_LOST:
        return {ENTRY_LOST[variant.name]}
    if variant.bitmap and variant.name not in MENDED:
        return {variant.bitmap.encode()}
    return set()


def repairable():
    return [variant for variant in VARIANTS if variant.name not in REFUSED]


def assert_data(case, path):
    reads = [f"read -P {pattern} {offset} {length}"
             for offset, length, pattern in malformed.DATA]
    done = images.tool("qemu-io", "-r", "-f", "qcow2", *sum((["-c", read] for read in (
        *reads, "read -P 0 128k 896k", "read -P 0 1088k 4M")), []), path)
    case.assertNotIn("Pattern verification failed", done)


class RepairCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = make_sound(self.path("disk.qcow2"))
        self.before = bitmap_view.read(self.image)
        self.view = View(self.image)

    @contextmanager
    def made(self, variant):
        with self.subTest(name=variant.name):
            os.unlink(self.image)
            variant.make(self.image)
            yield

    def repair(self, *options, kind="all"):
        run = repairs.ours(self.image, kind, *options)
        self.assertEqual(run.code, 0, run)
        return run

    def assert_repaired(self, variant):
        if variant.name in ENCRYPTED:
            return
        self.assertEqual(repairs.unsound(self.image, [self.image]), [])
        assert_data(self, self.image)
        self.assertEqual(guest_view.differences(self.view, self.view.layers[ACTIVE],
                                                View(self.image).layers[ACTIVE]), [])
        images.write(self.image, "write -P 9 8M 64k", "read -P 9 8M 64k")
        self.assert_sound(self.image)

    def says(self, names):
        return {name: self.before[name].says() for name in names}


class Repaired(RepairCase):
    def test_qemu_opens_it_and_all_that_was_sound_is_there(self):
        for variant in repairable():
            with self.made(variant):
                run = self.repair()
                after = bitmap_view.read(self.image)
                self.assertEqual(sorted(after), sorted(NAMES - lost(variant)))
                self.assertEqual({name: kept.says() for name, kept in after.items()},
                                 self.says(after))
                self.assertTrue(repairs.listed(run))
                self.assert_repaired(variant)

    def test_what_is_removed_is_told(self):
        for variant in repairable():
            with self.made(variant):
                told = repairs.listed(self.repair())
                removed = [(what, name) for what, name in told if "removed" in what
                           and ("bitmap" in what or "extension" in what)]
                if variant.bitmap and lost(variant):
                    self.assertIn(variant.bitmap, [name for _, name in removed], told)
                elif lost(variant) and variant.name != "extension: missing":
                    self.assertTrue(removed, told)

    def test_damaged_ones_become_all_dirty_on_demand(self):
        """An entry whose name or granularity is damaged, or that is there twice, is removed all
        the same."""
        reset = set()
        for variant in repairable():
            with self.made(variant):
                run = self.repair("--reset-damaged")
                after = bitmap_view.read(self.image)
                kept = NAMES - lost(variant)
                self.assertEqual({name: after[name].says() for name in kept}, self.says(kept))
                for name in after.keys() - kept:
                    reset.add(variant.name)
                    count = -(-DISK >> after[name].granularity_bits)
                    self.assertTrue(after[name].is_all_dirty(count), name)
                    self.assertTrue(any(f"'{name.decode()}' marked all dirty" in what
                                        for what, _ in repairs.listed(run)), run.out)
                self.assert_repaired(variant)
        for variant in VARIANTS:
            if variant.name.startswith("table: "):
                self.assertIn(variant.name, reset)

    def test_in_words_and_in_json_the_same(self):
        for variant in repairable():
            with self.made(variant):
                copy = self.path("copy.qcow2")
                shutil.copyfile(self.image, copy)
                told = [what for what, _ in repairs.listed(self.repair())]
                done = self.run_program(harness.INSTAR, "check", "-r", "all", copy)
                self.assertEqual(done.code, 0, done)
                self.assertEqual([line for line in done.err.splitlines()
                                  if line.startswith("repaired: ")],
                                 [f"repaired: {what}" for what in told])
                self.assertEqual(harness.digest_of(copy), harness.digest_of(self.image))


class Refused(RepairCase):
    def test_a_header_that_nobody_understands_is_left_alone(self):
        names = {variant.name for variant in VARIANTS}
        self.assertEqual(set(REFUSED) - names, set())
        for variant in VARIANTS:
            if variant.name in REFUSED:
                with self.made(variant):
                    harness.age(self.image)
                    before = harness.state_of(self.image)
                    run = repairs.ours(self.image, "all")
                    self.assertTrue(repairs.is_refusal(run), run)
                    self.assertEqual(harness.state_of(self.image), before)
                    self.assert_no_journal()


class DryRun(RepairCase):
    def test_it_tells_the_same_plan_and_changes_nothing(self):
        for variant in repairable():
            with self.made(variant):
                harness.age(self.image)
                before = harness.state_of(self.image)
                plan = repairs.ours(self.image, "all", "--dry-run")
                self.assertEqual(harness.state_of(self.image), before)
                self.assertEqual(repairs.listed(plan), repairs.listed(self.repair()))
                self.assertNotEqual(harness.digest_of(self.image), before.digest)


class Interrupted(RepairCase):
    """SIGKILL while the image is written or synced; what comes next finishes it or undoes it."""

    MOMENTS = tuple((calls, number) for calls in (faults.WRITES, faults.SYNCS)
                    for number in (1, 2, 3, 5))
    SOME = ("extension: 16 bytes long", "directory: flag 17", "table: reserved bit 8",
            "header: no refcount table", "header: L1 table too small")

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")

    def test_it_is_the_old_image_or_the_repaired_one(self):
        """Byte for byte the old one, or one that nothing is wrong with; then the repair can be
        made again."""
        ends = set()
        for variant in VARIANTS:
            if variant.name in self.SOME:
                for calls, number in self.MOMENTS:
                    with self.made(variant):
                        ends.add(self.kill_and_recover(variant, calls, number))
        self.assertEqual(ends, {"old", "new", "finished"})

    def kill_and_recover(self, variant, calls, number):
        before = harness.digest_of(self.image)
        log = self.path("strace.log")
        done = self.run_program(
            *faults.prefix(self.image, calls, number, log, "signal=SIGKILL"),
            harness.INSTAR, "check", "-r", "all", self.image)
        with open(log, encoding="utf-8", errors="replace") as file:
            was_killed = "killed by SIGKILL" in file.read()
        self.assertEqual(done.code == 0, not was_killed, done)
        if not was_killed:
            self.assert_repaired(variant)
            return "finished"
        self.run_program(harness.INSTAR, "check", "-q", self.image)
        self.assert_no_journal()
        is_old = harness.digest_of(self.image) == before
        self.repair()
        self.assert_repaired(variant)
        self.assertEqual(set(bitmap_view.read(self.image)), NAMES - lost(variant))
        return "old" if is_old else "new"


if __name__ == "__main__":
    harness.main()
