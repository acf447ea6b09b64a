#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check` of several images, and `--all`: what the index knows and what lies in folders."""

import os
import shutil

from lib import harness, images, interrupt
from lib.check_case import CheckCase


class SeveralFiles(CheckCase):
    def test_the_worst_exit_code_counts(self):
        clean = images.with_bitmaps(self.path("clean.qcow2"))
        conflict = images.with_bitmaps(self.path("conflict.qcow2"))
        self.kill(conflict)
        self.corrupt(conflict)
        broken = images.with_bitmaps(self.path("broken.qcow2"))
        with open(interrupt.journal_of(broken), "wb") as file:
            file.write(b"x" * 2048)
        missing = self.path("missing")
        for files, code in (((clean,), 0), ((clean, conflict), 4), ((conflict, clean), 4),
                            ((broken, clean), 5), ((broken, conflict, clean), 4),
                            ((conflict, missing, broken), 1), ((missing, clean), 1)):
            result = self.check(*files)
            self.assertEqual(result.code, code, (files, result))
            self.assertEqual("No errors were found on the image." in result.out, clean in files)
        array = self.json(clean, conflict, missing, code=1)
        self.assertEqual([entry["filename"] for entry in array], [clean, conflict, missing])
        self.assertIn("No such file", array[2]["instar-error"])

    def test_a_failure_does_not_keep_the_others_from_recovery(self):
        self.kill()
        result = self.check(self.path("missing"), self.image)
        self.assertEqual(result.code, 1)
        self.assertIn("was undone", result.out)
        self.assert_old()


class All(CheckCase):
    def scene(self):
        """Three images: journal beside one, one elsewhere, one clean."""
        self.second = images.with_bitmaps(self.path("second.qcow2"))
        shutil.copyfile(self.second, self.path("second-original"))
        os.mkdir(self.path("elsewhere"))
        self.kill()
        self.kill(self.second, options=("--journal-dir", self.path("elsewhere")))

    def assert_recovered(self):
        self.assert_old()
        self.assertEqual(harness.digest_of(self.second),
                         harness.digest_of(self.path("second-original")))
        self.assertEqual(self.checks("--all", str(self.directory)), "no interrupted edits\n")

    def test_the_index_knows_every_interrupted_edit(self):
        self.scene()
        self.assertEqual(len(self.json("--all", "-n")), 2)
        out = self.checks("--all")
        self.assertEqual(out.count("was undone"), 2)
        self.assert_recovered()
        self.assertEqual(self.json("--all"), [])

    def test_a_lost_index_is_made_up_for_by_folders(self):
        self.scene()
        shutil.rmtree(self.path("state"))
        self.assertEqual(self.checks("--all"), "no interrupted edits\n")
        self.assertEqual(self.checks("--all", str(self.directory)).count("was undone"), 2)
        self.assert_recovered()

    def test_a_journal_that_was_set_aside_is_known_whatever_fails_then(self):
        self.kill()
        old = self.path("old.qcow2")
        os.rename(self.image, old)
        images.with_bitmaps(self.image)
        result = self.instar("--add", "--journal-dir", self.path("nowhere"), self.image, "x")
        self.assertEqual(result.code, 1, result)
        self.assertIn("was renamed", result.err)
        result = self.instar("--add", self.image, "x")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(self.states("-n", old), ["pending-undo"])

    def test_a_file_is_no_folder(self):
        """Nothing would be found in it, and the image may have a hot journal beside it."""
        self.scene()
        environment = dict(self.environment, INSTAR_STATE_DIR="none")
        for option in ((), ("--output=json",)):
            result = self.check("--all", *option, self.image, environment=environment)
            self.assertEqual(result.code, 1, result)
            self.assertIn(f"cannot search '{self.image}': Not a directory", result.first_line)
        self.assertEqual(self.checks("--all", interrupt.journal_of(self.image)).count(
            "was undone"), 2)

    def test_a_damaged_index_is_a_warning(self):
        for damage in (b"", b"\xff" * 4096, os.urandom(8192)):
            self.scene()
            with open(self.path("state/index/data.mdb"), "wb") as file:
                file.write(damage)
            result = self.check("--all", str(self.directory))
            self.assertEqual(result.code, 0, result)
            self.assertEqual(result.out.count("was undone"), 2, result)
            if result.err:
                self.assertIn("warning: the index", result.first_line)
            self.assert_recovered()
            shutil.rmtree(self.path("elsewhere"))

    def test_a_stale_index_is_no_news(self):
        self.scene()
        for image in (self.image, self.second):
            self.checks(image)
        self.assertEqual(self.checks("--all"), "no interrupted edits\n")

    def test_an_index_of_a_stranger_is_a_warning(self):
        self.scene()
        os.chown(self.path("state"), 12345, 12345)
        result = self.check("--all", str(self.directory))
        self.assertEqual(result.code, 0, result)
        self.assertIn("warning: the index", result.first_line)
        self.assertEqual(result.out.count("was undone"), 2, result)

    def test_no_state_directory(self):
        self.scene()
        self.environment["INSTAR_STATE_DIR"] = "none"
        self.assertEqual(self.checks("--all"), "no interrupted edits\n")
        self.assertEqual(self.checks("--all", str(self.directory)).count("was undone"), 2)

    def test_a_journal_that_stays_is_indexed_anew(self):
        os.mkdir(self.path("elsewhere"))
        self.kill(options=("--journal-dir", self.path("elsewhere")))
        self.corrupt()
        shutil.rmtree(self.path("state"))
        self.assertEqual(self.check("--all", self.path("elsewhere")).code, 4)
        found, = self.json("--all", code=4)
        self.assertEqual(found["filename"], self.image)
        self.assertEqual(self.check(self.image).code, 4)

    def test_an_image_that_is_gone_is_told(self):
        self.kill()
        os.unlink(self.image)
        with self.unchanged(self.journal):
            result = self.fails(1, "was not found", "--all", str(self.directory))
        self.assertIn(self.image, result.err)

    def test_a_journal_of_nobody_is_told(self):
        nobody = self.path("nobody.instar-journal")
        with open(nobody, "wb") as file:
            file.write(b"x" * 2048)
        self.fails(5, "cannot be used", "--all", str(self.directory))
        self.assertEqual(self.json("--all", str(self.directory), code=5),
                         [{"filename": None,
                           "instar-journals": [{"journal": nobody, "state": "unusable"}]}])

    def test_a_state_directory_behind_a_link_is_one(self):
        os.link(self.image, self.path("second-name"))  # its journal goes to the state directory
        os.symlink("state", self.path("link"))
        self.kill()
        self.environment["INSTAR_STATE_DIR"] = self.path("link")
        self.assertEqual(len(self.json("--all", "-n", str(self.directory))), 1)
        self.checks("--all")
        self.assert_old()

    def test_a_folder_that_is_not_there(self):
        self.kill()
        result = self.check("--all", self.path("nowhere"), str(self.directory))
        self.assertEqual(result.code, 1)
        self.assertIn("cannot search", result.first_line)
        self.assert_old()

    def test_a_journal_on_a_file_system_that_is_not_mounted_is_told(self):
        os.mkdir(self.path("elsewhere"))
        self.kill(options=("--journal-dir", self.path("elsewhere")))
        os.rename(self.path("elsewhere"), self.path("hidden"))
        out = self.checks("--all")
        self.assertIn("cannot be reached", out)
        os.rename(self.path("hidden"), self.path("elsewhere"))
        self.assertIn("was undone", self.checks("--all"))
        self.assert_old()


if __name__ == "__main__":
    harness.main()
