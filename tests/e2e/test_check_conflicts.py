#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check` and the other commands where another program has written since an edit was
interrupted, or the journal is of another file or cannot be read."""

import json
import os
import re
import shutil

from lib import check, faults, harness, images, interrupt
from lib.check_case import CheckCase
from lib.craft import Craft
from lib.qcow2 import Image


class Conflicts(CheckCase):
    def test_another_writer_is_the_truth(self):
        self.kill()
        self.write()
        with self.unchanged(self.image):
            with self.unchanged(self.journal):
                self.assertEqual(self.states("-n", self.image), ["pending-supersede"])
                out = self.checks("-n", self.image)
                self.assertIn("the journal would be removed", out)
                self.assertIn("  because      it has a size", out)
            found, = self.journals(self.image, code=3)
        self.assertEqual(found["state"], "superseded")
        self.assertIn("size", found["reason"])
        self.assert_no_journal()
        self.assert_checked(self.check("-q", self.image), self.image)
        images.tool("qemu-io", "-c", "read -P 99 4M 128k", self.image)

    def test_what_another_writer_put_into_the_last_cluster_stays(self):
        """Of subclusters, the file may end inside a cluster that the guest has: what is written
        behind that end changes no size, no refcount and no header."""
        os.unlink(self.image)
        images.create(self.image, options="extended_l2=on")
        images.write(self.image, "write -P 7 0 2k")
        os.truncate(self.image, (os.path.getsize(self.image) - 1) // 65536 * 65536 + 2048)
        self.kill()
        images.write(self.image, "write -P 9 4k 2k")
        found, = self.journals(self.image, code=3)
        self.assertEqual(found["state"], "superseded")
        images.tool("qemu-io", "-c", "read -P 7 0 2k", "-c", "read -P 9 4k 2k", self.image)
        self.assert_no_journal()

    def test_an_image_that_another_writer_left_corrupt_stops_every_writer(self):
        self.kill()
        self.corrupt()
        with self.unchanged(self.image, self.journal):
            result = self.fails(4, "in conflict with the undo journal", self.image)
            self.assertTrue(result.first_line.endswith("bytes that are not the edit's, "
                                                       "and it is corrupt"), result)
            for options in ((), ("-n",)):
                found, = self.journals(*options, self.image, code=4)
                self.assertEqual((found["state"], found["finding"]), ("conflict", "it is corrupt"))
            refused = self.instar("--disable", self.image, "b")
            self.assertEqual((refused.code, refused.out), (4, ""), refused)
            for remedy in ("instar check -r all", "--discard-journal"):
                self.assertIn(remedy, result.err)
                self.assertIn(remedy, refused.err)

    def test_the_repair_retires_the_journal(self):
        """It is what the message names."""
        self.kill()
        self.write()
        self.corrupt()
        with self.unchanged(self.image, self.journal):
            self.check("-r", "all", "-n", self.image)
        result = self.check("-r", "all", self.image)
        self.assertEqual(result.code, 0, result)
        self.assert_no_journal()
        self.assert_sound(self.image)
        images.tool("qemu-io", "-c", "read -P 99 4M 128k", self.image)
        self.edit("--disable", self.image, "b")

    def test_an_image_that_cannot_even_be_checked_stops(self):
        """Its header is another program's, and malformed."""
        self.kill()
        self.write()
        with Craft(self.image) as image:
            image.put("Q", 40, image.l1_offset + 1)
        with self.unchanged(self.image, self.journal):
            found, = self.journals(self.image, code=4)
            self.assertIn("cannot be checked", found["finding"])
            self.assertEqual(self.instar("--disable", self.image, "b").code, 4)

    def goes_on(self, image, *command):
        """The edit is done, and the user is told what became of the interrupted one."""
        with Image(image) as opened:
            leaks = check.check(opened).leaks
        result = self.edit(*command, warns=True, leaks=leaks)
        self.assertTrue(result.first_line.startswith(
            "instar bitmap: warning: another program has written to the image"), result)
        self.assertTrue(result.first_line.endswith(
            f"; that edit is given up: instar bitmap --add {image} n"), result)
        self.assertIn(f"the undo journal {interrupt.journal_of(image)} was removed", result.err)
        self.assertEqual(len(result.err.splitlines()), 2, result)

    def test_bitmap_warns_and_goes_on_with_what_another_writer_left(self):
        self.kill()
        self.write()
        self.goes_on(self.image, "--disable", self.image, "b")
        self.assertEqual([(name, "auto" in flags) for name, flags, _ in self.listed(self.image)],
                         [("a", True), ("b", False), ("c", True)])
        images.tool("qemu-io", "-c", "read -P 99 4M 128k", self.image)
        self.edit("--add", self.image, "m", leaks=(17,))  # in silence from now on

    def test_a_refused_edit_tells_of_it_too(self):
        self.kill()
        self.write()
        with self.unchanged(self.image):
            result = self.instar("--remove", self.image, "nosuch")
        self.assertEqual(result.code, 1)
        self.assertIn("not found", result.first_line)
        self.assertIn("instar bitmap: warning: another program has written", result.err)
        self.assert_no_journal()

    def test_info_shows_it_without_a_check(self):
        self.kill()
        for make in (self.write, self.corrupt):
            make()
            with self.unchanged(self.image, self.journal):
                told = self.run_program(harness.INSTAR, "info", self.image)
                result = self.run_program(harness.INSTAR, "info", "--output=json", self.image)
            found, = json.loads(result.out)["instar-pending"]
            self.assertEqual((told.code, result.code), (0, 0), (told, result))
            self.assertEqual((found["state"], found.get("finding")), ("conflict", None))
            self.assertIn("another program has written", told.out)
            self.assertIn(self.journal, told.out)

    def test_what_another_writer_left_is_durable_before_the_journal_goes(self):
        self.kill()
        self.write()
        self.assertEqual(self.writes_of_a_check(3), ["fdatasync", "unlinkat"])

    def writes_of_a_check(self, code):
        """To the image, and the unlinking of its journal."""
        log = self.path("trace.log")
        result = self.run_program("strace", "-E", "ASAN_OPTIONS=detect_leaks=0", "-f", "-o", log,
                                  "-y", "-e", "trace=pwrite64,fdatasync,unlinkat",
                                  harness.INSTAR, "check", self.image)
        self.assertEqual(result.code, code, result)
        with open(log, encoding="utf-8", errors="replace") as file:
            calls = re.findall(r"(pwrite64|fdatasync)\(\d+<[^>]*disk.qcow2>|(unlinkat)\(",
                               file.read())
        return [a or b for a, b in calls]

    def test_a_complete_edit_is_durable_before_its_journal_goes(self):
        self.kill(sync=interrupt.SWITCH)
        self.assertEqual(self.writes_of_a_check(0), ["pwrite64", "fdatasync", "unlinkat"])

    def test_an_index_entry_that_leads_to_anothers_journal_is_no_hindrance(self):
        self.kill()
        self.checks(self.image)  # the index's entry stays
        moved = self.path("moved.qcow2")
        os.rename(self.image, moved)
        shutil.copyfile(self.original, self.image)
        self.kill()
        with self.unchanged(self.image, self.journal):
            self.assertEqual(self.states(moved), [])
            self.succeeds_beside(moved)
        self.checks(self.image)

    def succeeds_beside(self, image):
        result = self.instar("--add", image, "m")
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))

    def test_no_clock_is_asked(self):
        for shift in (-10**9 * 10**9, 10**9 * 10**9):
            shutil.copyfile(self.original, self.image)
            self.kill()
            moment = os.stat(self.journal).st_mtime_ns + shift
            os.utime(self.image, ns=(moment, moment))
            self.assertEqual(self.states(self.image), ["undone"])
            self.assert_old()

    def test_clusters_that_another_program_took_are_not_given_back(self):
        """It took the very ones that the edit had taken, and wrote zeros: no byte differs."""
        for call in ("ftruncate", "pwrite64"):
            with self.subTest(call=call):
                image = images.create(self.path(f"{call}.qcow2"), "16M")
                images.write(image, "write -P 1 0 64k")
                self.run_program(*faults.prefix(image, call, 1, self.path("log"),
                                                "signal=SIGKILL"),
                                 harness.INSTAR, "bitmap", "--add", image, "n")
                images.write(image, "write -P 0 64k 128k")
                with self.unchanged(image, interrupt.journal_of(image)):
                    found, = self.journals("-n", image)
                self.assertEqual(found["state"], "pending-supersede")
                self.assertIn("uses clusters", found["reason"])
                self.goes_on(image, "--add", image, "m")
                self.assertEqual([entry[0] for entry in self.listed(image)], ["m"])
                images.tool("qemu-io", "-c", "read -P 1 0 64k", "-c", "read -P 0 64k 128k", image)

    def test_a_switch_that_another_program_made_is_not_called_an_edit(self):
        """qemu-img writes the same header sector for its first bitmap as the edit would."""
        image = images.create(self.path("first.qcow2"), "16M")
        self.run_program(*faults.prefix(image, "ftruncate", 1, self.path("log"),
                                        "signal=SIGKILL"),
                         harness.INSTAR, "bitmap", "--add", image, "n")
        images.bitmap(image, "--add", "other")
        self.assertNotIn("complete", self.states(image, code=self.check("-n", image).code))
        self.assertEqual([entry[0] for entry in self.listed(image)], ["other"])

    def test_without_kvm_nothing_is_undone_or_given_up(self):
        self.kill()
        self.needs_kvm()
        self.checks(self.image)
        self.assert_old()
        self.kill()
        self.write()
        self.needs_kvm()
        self.assertEqual(self.states(self.image, code=3), ["superseded"])

    def needs_kvm(self):
        environment = {**self.environment, "INSTAR_SANDBOX": "kvm"}
        with self.unchanged(self.image, self.journal):
            result = self.run_program(
                "unshare", "-m", "sh", "-c", harness.HIDE_KVM + ' && exec "$0" "$@"',
                harness.INSTAR, "check", self.image, environment=environment)
            self.assertEqual(result.code, 1, result)
            self.assertIn("/dev/kvm", result.err)

    def test_a_journal_set_aside_is_found_again_by_its_image(self):
        self.kill()
        moved = self.path("moved.qcow2")
        os.rename(self.image, moved)
        shutil.copyfile(self.original, self.image)
        self.assertEqual(self.instar("--add", self.image, "m").code, 0)
        self.assertEqual(self.states(moved), ["undone"])
        self.assert_old(moved)

    def test_a_journal_that_the_index_names_and_that_cannot_be_read_stops(self):
        os.mkdir(self.path("elsewhere"))
        self.kill(options=("--journal-dir", self.path("elsewhere")))
        journal, = (self.path("elsewhere/" + n) for n in os.listdir(self.path("elsewhere")))
        for command in (("check", self.image), ("bitmap", "--add", self.image, "m")):
            result = self.run_program(
                *faults.prefix(journal, faults.READS, "1+", self.path("log")), harness.INSTAR,
                *command)
            self.assertEqual(result.code, 5, result)
            self.assertIn("cannot be read", result.err)
        self.checks(self.image)
        self.assert_old()

    def test_discarding_keeps_the_image(self):
        for command in ("check", "bitmap"):
            with self.subTest(command=command):
                shutil.copyfile(self.original, self.image)
                self.kill()
                self.write()
                if command == "check":
                    with self.unchanged(self.image):
                        self.assertEqual(self.states("-n", "--discard-journal", self.image),
                                         ["pending-discard"])
                        result = self.check("--discard-journal", self.image)
                        self.assertIn("an undo journal was given up", result.out)
                    self.assert_checked(result, self.image)
                else:
                    self.succeeds("--discard-journal", "--add", self.image, "m")
                self.assert_no_journal()
                images.tool("qemu-io", "-c", "read -P 99 4M 128k", self.image)
                self.assertIn(self.run_program("qemu-img", "check", self.image).code, (0, 3))

    def test_a_journal_of_another_file_is_renamed_and_told(self):
        self.kill()
        moved = self.path("moved.qcow2")
        os.rename(self.image, moved)
        shutil.copyfile(self.original, self.image)
        with self.unchanged(self.image):
            self.assertEqual(self.states("-n", self.image), ["pending-set-aside"])
            found, = self.journals(self.image)
        self.assertEqual(found["state"], "set-aside")
        aside = found["renamed-to"]
        self.assertRegex(aside, re.escape(self.image) + r"\.[0-9a-f]{32}\.instar-journal$")
        self.assertTrue(os.path.exists(aside))
        self.assertFalse(os.path.exists(self.journal))
        out = self.checks("--all", str(self.directory))
        self.assertIn(f"{moved}: an interrupted edit was undone", out)
        self.assert_old(moved)

    def test_bitmap_warns_of_a_renamed_journal(self):
        self.kill()
        os.rename(self.image, self.path("moved.qcow2"))
        shutil.copyfile(self.original, self.image)
        result = self.instar("--add", self.image, "m")
        self.assertEqual(result.code, 0, result)
        self.assertIn("warning: the undo journal", result.first_line)


if __name__ == "__main__":
    harness.main()
