#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ctrl-C and its kin: before the switch the old image, behind it the new one (invariant 2)."""

import shutil
import unittest

from lib import faults, harness, images

SIGNALS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
SYNC_OF_THE_BUILD, SYNC_OF_THE_SWITCH = 1, 2


@unittest.skipUnless(faults.available(), "strace is not installed")
class Signals(harness.Case):
    def setUp(self):
        super().setUp()
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.original = images.with_bitmaps(self.path("original.qcow2"))
        self.image = self.path("disk.qcow2")

    def signalled(self, name, calls, number):
        """Add a bitmap; the signal comes during that call on the image."""
        shutil.copyfile(self.original, self.image)
        log = self.path("strace.log")
        result = self.instar("--add", self.image, "n", prefix=faults.prefix(
            self.image, calls, number, log, f"signal={name}"))
        with open(log, encoding="utf-8", errors="replace") as file:
            self.assertIn(f"--- {name}", file.read(), "the signal did not come")
        self.assert_no_journal()
        return result

    def test_before_the_switch_the_edit_is_undone(self):
        for name, code in SIGNALS.items():
            for calls, number in ((faults.WRITES, 1), (faults.SYNCS, SYNC_OF_THE_BUILD)):
                with self.subTest(signal=name, calls=calls):
                    result = self.signalled(name, calls, number)
                    self.assertEqual((result.code, result.out), (code, ""), result)
                    self.assertTrue(result.err.startswith("instar bitmap: "), result)
                    self.assertEqual(harness.digest_of(self.image),
                                     harness.digest_of(self.original))

    def test_behind_the_switch_the_edit_is_finished(self):
        for name in SIGNALS:
            with self.subTest(signal=name):
                result = self.signalled(name, faults.SYNCS, SYNC_OF_THE_SWITCH)
                self.assertEqual((result.code, result.out, result.err), (0, "", ""))
                self.assertIn("n", [entry[0] for entry in self.listed(self.image)])
                self.assert_sound(self.image)


if __name__ == "__main__":
    harness.main()
