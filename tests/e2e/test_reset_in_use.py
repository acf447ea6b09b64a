#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check --reset-in-use`: a bitmap that a program left in use when it was killed is
all dirty, and usable, for qemu too."""

import json
import os

from lib import faults, harness, images, interrupt, locks
from lib.craft import Craft
from lib.extents import disk_size, extents_served
from lib.qcow2 import FLAG_IN_USE, Image

SIZE = (64 << 20) + (3 << 16)  # 1027 bits of 64 KiB: bits behind the end in byte and word
USED = ("in-use", "auto")
UNUSABLE = ("cannot be made usable: all bitmaps of the image are invalid, or it has extra "
            "data that must be understood")


class Reset(harness.Case, locks.Holder):
    def setUp(self):
        super().setUp()
        self.image = self.make()

    def make(self, name="disk.qcow2", **options):
        """Three bitmaps, the second one not enabled, all of them left in use."""
        path = images.with_bitmaps(self.path(name), **{"size": str(SIZE), **options})
        images.bitmap(path, "--disable", "b")
        process = self.hold("qemu-io", "-f", "qcow2", path, ready=b"qemu-io>")
        for command in (b"write -P 9 8M 64k\n", b"flush\n"):
            process.stdin.write(command)
            process.stdin.flush()
            seen = b""
            while b"qemu-io>" not in seen:  # it takes one line at a time
                piece = os.read(process.stdout.fileno(), 4096)
                self.assertTrue(piece, seen)
                seen += piece
        self.ended(process)
        self.assertEqual([b[1] for b in self.listed(path)], [USED, ("in-use",), USED])
        return path

    def check(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "check", *arguments, **options)

    def resets(self, name, image=None, out=None):
        """What it says, and what it keeps."""
        image = image or self.image
        before, others = self.facts(image), self.bystanders(image, name)
        granularity = {n: g for n, _, g in self.listed(image)}[name]
        result = self.check("--reset-in-use", name, image)
        said = f"repaired: bitmap '{name}' marked all dirty: it was in use\n"
        self.assertEqual((result.code, result.out, result.err), (0, said, ""))
        self.assertEqual(self.facts(image), before)
        self.assertEqual(self.bystanders(image, name), others)
        self.assertEqual(self.dirty(image, name), set(range(-(-before["virtual size"]
                                                              // granularity))))
        self.assert_sound(image)
        self.assert_no_journal()

    def fails(self, words, *arguments, code=1):
        """Nothing is changed, and the first line says why."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.check(*arguments, self.image)
        self.assertEqual((result.code, result.out), (code, ""), result)
        self.assertTrue(result.first_line.startswith("instar check: "), result)
        self.assertIn(words, result.first_line)
        self.assertEqual(harness.state_of(self.image), before)
        self.assert_no_journal()

    def leaves_alone(self, *arguments, code=0):
        """What it says; every byte and time stamp stays."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.check(*arguments, self.image)
        self.assertEqual((result.code, result.err), (code, ""), result)
        self.assertEqual(harness.state_of(self.image), before)
        self.assert_no_journal()
        return result.out

    def served(self, image, name):
        """As a backup program sees the bitmap, through qemu's NBD server."""
        daemon = self.hold_by_daemon(image, "on", f"bitmaps.0={name}")
        extents = extents_served(self.path("nbdon"), name)
        self.ended(daemon)
        os.unlink(self.path("nbdon"))
        return extents

    # ---- what it does ----

    def test_at_every_cluster_size_qemu_sees_all_of_it_dirty(self):
        for number, cluster in enumerate(harness.CLUSTER_SIZES):
            for granularity in ("64k", "4k"):
                if cluster == 512 and granularity == "4k":
                    granularity = "512"  # tables of several clusters
                with self.subTest(cluster=cluster, granularity=granularity):
                    image = self.make(f"{number}{granularity}", cluster=cluster,
                                      granularity=granularity)
                    self.resets("a", image)
                    self.assertEqual([b[1] for b in self.listed(image)],
                                     [("auto",), ("in-use",), USED])
                    with Image(image) as opened:
                        size = disk_size(opened)
                    self.assertEqual(self.served(image, "a"), [(0, size)])

    def test_the_auto_flag_stays_as_it_was(self):
        self.resets("b")
        self.resets("c")
        self.assertEqual([b[1] for b in self.listed(self.image)], [USED, (), ("auto",)])

    def test_qemu_and_instar_use_it_from_then_on(self):
        self.resets("a")
        self.resets("c")
        images.bitmap(self.image, "--disable", "a")  # qemu writes every usable one anew
        with Image(self.image) as image:
            bits = set(range(image.bit_count(image.bitmap("a"))))
        self.assertEqual(self.dirty(self.image, "a"), bits)
        self.edit("--clear", self.image, "c")
        images.write(self.image, "write -P 1 1M 64k")
        self.assertEqual(self.dirty(self.image, "c"), {16})
        self.assert_sound(self.image)

    def test_a_name_of_any_bytes(self):
        name = "läng\x1b[1m" + "n" * 800
        image = images.with_bitmaps(self.path("names.qcow2"), (name,), size=str(SIZE))
        with Craft(image) as opened:
            entry = opened.bitmaps()[0]
            opened.set_entry(name, flags=entry.flags | FLAG_IN_USE)
        result = self.check("--reset-in-use", name, image)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn("l\u00e4ng\\x1b[1m", result.out)
        self.assertEqual(len(self.dirty(image, name)), 1027)

    # ---- what it says ----

    def test_one_that_is_not_in_use_stays_and_that_is_no_failure(self):
        self.resets("a")
        self.assertEqual(self.leaves_alone("--reset-in-use", "a"),
                         "bitmap 'a' is not in use: nothing changed\n")
        self.assertEqual(self.leaves_alone("-q", "--reset-in-use", "a"), "")
        self.assertEqual(
            json.loads(self.leaves_alone("--output=json", "--reset-in-use", "a")),
            {"filename": self.image, "format": "qcow2", "instar-repairs": []})

    def test_json(self):
        wanted = {"filename": self.image, "format": "qcow2", "instar-repairs": [
            {"what": "bitmap 'a' marked all dirty: it was in use", "bitmap": "a"}]}
        for options in (("-n",), ()):
            result = self.check("--output=json", *options, "--reset-in-use", "a", self.image)
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertEqual(json.loads(result.out), wanted)
        self.assertEqual([b[1] for b in self.listed(self.image)], [("auto",), ("in-use",), USED])

    def test_quiet_says_nothing(self):
        result = self.check("-q", "--reset-in-use", "a", self.image)
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertEqual(self.listed(self.image)[0][1], ("auto",))

    def test_a_dry_run_tells_and_changes_nothing(self):
        self.assertEqual(self.leaves_alone("-n", "--reset-in-use", "a"),
                         "would be repaired: bitmap 'a' marked all dirty: it was in use\n")
        self.fails("bitmap not found", "-n", "--reset-in-use", "nobody")
        self.resets("a")
        self.assertEqual(self.leaves_alone("-n", "--reset-in-use", "a"),
                         "bitmap 'a' is not in use: nothing changed\n")

    # ---- what it refuses ----

    def test_what_cannot_become_usable(self):
        self.fails("bitmap not found", "--reset-in-use", "nobody")
        self.fails("invalid bitmap name length", "--reset-in-use", "")
        self.fails("unsupported format 'raw'", "-f", "raw", "--reset-in-use", "a")
        with Craft(self.image) as image:
            image.clear_autoclear()
        for name in ("a", "b"):
            self.fails(f"bitmap '{name}' {UNUSABLE}", "--reset-in-use", name)
            self.fails(f"bitmap '{name}' {UNUSABLE}", "-n", "--reset-in-use", name)
        self.image = self.make("extra.qcow2")
        with Craft(self.image) as image:
            image.set_entry("a", extra=b"more")
        self.fails(UNUSABLE, "--reset-in-use", "a")

    def test_a_machine_that_lives_keeps_its_bitmap(self):
        daemon = self.hold_by_daemon(self.image)
        self.fails('Failed to get "write" lock', "--reset-in-use", "a")
        self.fails('Failed to get shared "write" lock', "-n", "--reset-in-use", "a")
        self.ended(daemon)
        self.resets("a")

    def test_the_command_line(self):
        for arguments in ((self.image, self.image), ("-U", self.image), ("--all",),
                          ("-r", "all", self.image)):
            result = self.check("--reset-in-use", "a", *arguments)
            self.assertEqual((result.code, result.first_line), (
                2, "instar check: --reset-in-use takes one image, and goes with none of "
                   "--all, -U and -r"))

    # ---- when it is cut off ----

    def kill(self, sync):
        log = self.path("strace.log")
        self.run_program(*faults.prefix(self.image, "fdatasync", sync, log, "signal=SIGKILL"),
                         harness.INSTAR, "check", "--reset-in-use", "a", self.image)
        with open(log, encoding="utf-8", errors="replace") as file:
            self.assertIn("killed by SIGKILL", file.read())

    def test_killed_before_the_switch_the_old_image_is_given_back(self):
        before = harness.digest_of(self.image)
        self.kill(interrupt.BUILD)
        result = self.check("-n", "--reset-in-use", "a", self.image)
        self.assertEqual((result.code, result.first_line), (
            1, "instar check: an interrupted edit of the image has to be recovered first"))
        result = self.check(self.image)
        self.assertIn(f"instar check --reset-in-use a {self.image}", result.out)
        self.assertEqual(harness.digest_of(self.image), before)
        self.resets("a")

    def test_killed_behind_the_switch_it_is_done(self):
        self.kill(interrupt.SWITCH)
        result = self.check("--reset-in-use", "a", self.image)
        self.assertEqual((result.code, result.out),
                         (0, "bitmap 'a' is not in use: nothing changed\n"))
        self.assertEqual(len(self.dirty(self.image, "a")), 1027)

    def test_what_was_cut_off_before_is_recovered_first(self):
        interrupt.kill(self, self.image, "--add", self.image, "n")
        self.resets("a")
        self.assertEqual([b[0] for b in self.listed(self.image)], ["a", "b", "c"])


if __name__ == "__main__":
    harness.main()
