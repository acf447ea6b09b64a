#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `instar check` tells where something fails, where there is much to tell, and where names
are odd: the reason and what helps, to people and to programs."""

import json
import os
import signal
import subprocess
import unittest
from dataclasses import replace

from lib import faults, harness, images
from lib.craft import Craft
from lib.qcow2 import FLAG_AUTO, FLAG_IN_USE

LOST = 1 << 40  # no cluster is there
UNCHANGED = "not repaired, nothing changed"


class ToldCase(harness.Case):
    def check(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "check", *arguments, **options)

    def damaged(self, names=("lost",), path=None):
        """An image whose bitmaps have lost their data."""
        path = images.create(path or self.path("disk.qcow2"))
        with Craft(path) as image:
            for name in names:
                image.add_bitmap(name)
                image.set_table_entry(name, 0, LOST)
        return path

    def assert_untouched(self, path, digest):
        self.assertEqual(harness.digest_of(path), digest)
        self.assert_no_journal()


class Failures(ToldCase):
    def refused(self, *options, environment=None):
        """A repair that fails: its lines, and what it has for programs."""
        digest = harness.digest_of(self.image)
        result = self.check("-r", "all", *options, self.image, environment=environment)
        self.assertEqual(result.code, 1, result)
        found = self.check("-r", "all", "--output=json", *options, self.image,
                           environment=environment)
        self.assertEqual(found.code, 1, found)
        self.assert_untouched(self.image, digest)
        lines = [line for line in result.err.splitlines() if UNCHANGED in line]
        self.assertEqual(len(lines), 1, result)
        self.assertTrue(lines[0].startswith(f"instar check: {self.image}: {UNCHANGED}: "))
        hint = result.err.split(lines[0] + "\n")[1].splitlines()[0]
        self.assertTrue(hint.startswith("hint: "), result)
        found = json.loads(found.out)
        self.assertEqual(found["instar-error"], lines[0].split(f"{UNCHANGED}: ")[1])
        self.assertEqual(found["instar-hint"], hint[len("hint: "):])
        self.assertNotIn("instar-repairs", found)
        return lines[0], hint

    def setUp(self):
        super().setUp()
        self.image = self.damaged()

    def test_no_private_place_for_the_journal(self):
        os.link(self.image, self.path("second"))
        os.mkdir(self.path("state"))
        os.chmod(self.path("state"), 0o755)
        line, hint = self.refused()
        self.assertIn("closed to others", line)
        self.assertIn("chmod 0700", hint)

    def test_no_place_at_all(self):
        os.link(self.image, self.path("second"))
        environment = dict(self.environment, INSTAR_STATE_DIR="none")
        line, hint = self.refused(environment=environment)
        self.assertIn("no place for the undo journal", line)
        self.assertIn("--journal-dir", hint)

    def test_the_journals_folder_is_not_there(self):
        """Nor can an edit know whether one was interrupted; nothing is said of writing."""
        digest = harness.digest_of(self.image)
        for run in (self.check("-r", "all", "--journal-dir", "nowhere", self.image),
                    self.instar("--add", "--journal-dir", "nowhere", self.image, "b")):
            self.assertEqual((run.code, run.out), (1, ""), run)
            self.assertIn("cannot look for undo journals of", run.first_line)
            self.assertIn("that of --journal-dir", run.err)
        self.assert_untouched(self.image, digest)

    @unittest.skipUnless(faults.available(), "strace is not installed")
    def test_its_process_dies_in_the_middle(self):
        """What became of it is not known, and "nothing changed" would be a lie."""
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        kill = faults.prefix(self.image, faults.SYNCS, 1, self.path("log"), "signal=SIGKILL")
        died = self.run_program(*kill, harness.INSTAR, "check", "-r", "all", "--output=json",
                                self.image)
        self.assertEqual(died.code, 1, died)
        self.assertIn(f"instar check: {self.image}: what became of the repair is not known: ",
                      died.err)
        self.assertNotIn("nothing changed", died.err)
        self.assertIn("not known", json.loads(died.out)["instar-error"])
        self.assertEqual(self.check("-r", "all", self.image).code, 0)
        self.assert_no_journal()
        self.assert_sound(self.image)

    def test_debug_tells_where_the_guest_ended(self):
        environment = dict(self.environment, INSTAR_DEBUG="1",
                           INSTAR_STATE_DIR="none")
        os.link(self.image, self.path("second"))
        result = self.check("-r", "all", self.image, environment=environment)
        self.assertIn("\ndebug: outcome ", result.err)
        with open(self.path("short.qcow2"), "wb") as file:
            file.write(b"QFI\xfb" + bytes(1020))
        result = self.check(self.path("short.qcow2"), environment=environment)
        self.assertEqual(result.code, 1)
        self.assertIn("\ndebug: outcome ", result.err)
        self.assertNotIn("debug:", self.check(self.path("short.qcow2")).err)


class Interrupted(ToldCase):
    def test_a_dry_run_ends_with_the_signal(self):
        """Before the guest's first doorbell, whatever it is run in."""
        image = images.create(self.path("large.qcow2"), "6T", options="preallocation=metadata",
                              cluster=2 << 20)
        run = subprocess.Popen([harness.INSTAR, "check", "-r", "all", "-n", image],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=self.environment, text=True)
        run.send_signal(signal.SIGSTOP)
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGCONT)
        _, err = run.communicate(timeout=60)
        self.assertIn(run.returncode, (0, -signal.SIGINT, 128 + signal.SIGINT), err)
        self.assertNotIn("died", err)


class Much(ToldCase):
    NAMES = tuple(f"{number:04d}" + "n" * 1000 for number in range(150))

    def test_every_repair_is_listed(self):
        image = self.damaged(self.NAMES)
        result = self.check("-r", "all", image)
        self.assertEqual(result.code, 0, result.err[-300:])
        told = [line for line in result.err.splitlines() if line.startswith("repaired: ")]
        for name in self.NAMES:
            self.assertTrue(any(f"'{name}'" in line for line in told), name)

    def test_no_more_than_ten_thousand(self):
        names = tuple(f"{number}" for number in range(10050))
        path = images.create(self.path("disk.qcow2"), str(1 << 20))
        with Craft(path) as image:
            image.add_bitmap("0")
            entry = image.bitmaps()[0]
            image.write_directory([replace(entry, name=name.encode()) for name in names])
            image.set_table_entry("0", 0, LOST)
        result = self.check("-r", "all", path, timeout=300)
        self.assertEqual(result.code, 0, result.err[-300:])
        self.assertRegex(result.err, r"\n\d+ more repairs are not listed\n")


class Names(ToldCase):
    ODD = "My\\x20Disk \u200b\u00e4.qcow2"

    def test_programs_get_paths_as_they_are(self):
        image = images.with_bitmaps(self.path(self.ODD))
        found = json.loads(self.check("--output=json", image).out)
        self.assertEqual(found["filename"], image)
        with Craft(image) as opened:
            name = opened.bitmaps()[0].name.decode()
            opened.set_entry(name, flags=FLAG_IN_USE | FLAG_AUTO)
        found = json.loads(self.check("--reset-in-use", name, "--output=json", image).out)
        self.assertEqual(found["filename"], image)

    def test_a_bitmap_is_named_alike_everywhere(self):
        name = "back\\slash\u200b"
        image = images.with_bitmaps(self.path("disk.qcow2"), (name,))
        with Craft(image) as opened:
            opened.set_entry(name, flags=FLAG_IN_USE | FLAG_AUTO)
        found = json.loads(self.check("--reset-in-use", name, "--output=json", image).out)
        self.assertEqual([one["bitmap"] for one in found["instar-repairs"]], [name])

    def test_people_see_nothing_that_steers_a_terminal(self):
        image = images.with_bitmaps(self.path("a\x1b[2J.qcow2"))
        result = self.check(image, self.path("missing\x1b[2J"))
        self.assertIn("a\\x1b[2J.qcow2:\n", result.out)
        self.assertNotIn("\x1b", result.out + result.err)
        self.assertNotIn("\x1b", self.check("--output=json", image).out)


if __name__ == "__main__":
    harness.main()
