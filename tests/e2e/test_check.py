#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar check`: what it recovers, tells and leaves alone; its exit codes and its JSON."""

import json
import os
import re
import shutil
import unittest

from lib import check, faults, harness, images, interrupt
from lib.craft import Craft
from lib.qcow2 import Image


@unittest.skipUnless(faults.available(), "strace is not installed")
class CheckCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        self.original = self.path("original")
        shutil.copyfile(self.image, self.original)
        self.journal = interrupt.journal_of(self.image)

    def check(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "check", *arguments, **options)

    def checks(self, *arguments, code=0, err=""):
        """The exit code, and standard output."""
        result = self.check(*arguments)
        self.assertEqual((result.code, result.err), (code, err), result)
        return result.out

    def json(self, *arguments, code=0):
        result = self.check("--output=json", *arguments)
        self.assertEqual(result.code, code, result)
        return json.loads(result.out)

    def states(self, *arguments, code=0):
        return [j["state"] for j in self.journals(*arguments, code=code)]

    def journals(self, *arguments, code=0):
        found = self.json(*arguments, code=code)
        self.assertNotEqual(found.get("instar-journals"), [])
        return found.get("instar-journals", [])

    def qemu(self, image, *options):
        return self.run_program("qemu-img", "check", *options, image)

    def fails(self, code, words, *arguments):
        """Nothing on stdout, one line and at most a hint on stderr."""
        result = self.check(*arguments)
        self.assertEqual((result.code, result.out), (code, ""), result)
        self.assertTrue(result.first_line.startswith("instar check: "), result)
        self.assertIn(words, result.first_line)
        self.assertLessEqual(len(result.err.splitlines()), 2, result)
        return result

    def kill(self, image=None, sync=interrupt.BUILD, options=(), name="n"):
        interrupt.kill(self, image or self.image, *options, "--add", image or self.image, name,
                       sync=sync)

    def write(self, image=None):
        """Another program does, after the crash."""
        images.write(image or self.image, "write -P 99 4M 128k")

    def corrupt(self, image=None):
        """One does that leaves a cluster without a refcount, though it is in use."""
        with Craft(image or self.image) as opened:
            opened.set_refcount(opened.l1_offset >> opened.cluster_bits, 0)

    def assert_old(self, image=None):
        self.assertEqual(harness.digest_of(image or self.image), harness.digest_of(self.original))

    def unchanged(self, *paths):
        """A context in which these files keep every byte and time stamp."""
        case, before = self, {path: harness.state_of(path) for path in paths}

        class Context:
            def __enter__(self):
                return self

            def __exit__(self, kind, *_):
                if kind is None:
                    for path, state in before.items():
                        case.assertEqual(harness.state_of(path), state, path)
        return Context()


class Recovery(CheckCase):
    def test_nothing_to_do(self):
        with self.unchanged(self.image):
            self.assertEqual(self.checks(self.image), self.qemu(self.image).out)
            self.assertEqual(self.checks("-q", self.image), "")
            result = self.check("--output=json", self.image)
            self.assertEqual(result.out, self.qemu(self.image, "--output=json").out)

    def test_a_look_makes_no_state_directory(self):
        self.checks(self.image)
        self.checks("--all", str(self.directory))
        self.assertFalse(os.path.exists(self.path("state")))

    def test_before_the_switch_it_gives_the_old_image_back(self):
        self.kill()
        self.assertNotEqual(harness.digest_of(self.image), harness.digest_of(self.original))
        out = self.checks(self.image)
        self.assertTrue(out.startswith(f"{self.image}: an interrupted edit was undone"), out)
        self.assertIn(f"instar bitmap --add {self.image} n\n", out)
        self.assertIn(f"{self.journal}\n", out)
        self.assert_old()
        self.assert_no_journal()
        self.assertEqual(self.states(self.image), [])

    def test_a_file_that_ends_inside_a_sector_keeps_its_size(self):
        image = images.create(self.path("short.qcow2"), "1G")
        for name in "abc":
            images.bitmap(image, "--add", name)
        self.assertNotEqual(os.path.getsize(image) % 512, 0)
        before = harness.digest_of(image)
        for action in ("--disable", "--remove"):
            log = self.path("write.log")
            self.run_program(*faults.prefix(image, "pwrite64", 1, log, "signal=SIGKILL"),
                             harness.INSTAR, "bitmap", action, image, "c")
            self.assertEqual(self.states(image), ["undone"])
            self.assertEqual(harness.digest_of(image), before)

    def test_behind_the_switch_the_edit_is_complete(self):
        self.kill(sync=interrupt.SWITCH)
        self.assertEqual(self.states(self.image), ["complete"])
        self.assertIn("n", [entry[0] for entry in self.listed(self.image)])
        self.assert_sound(self.image)
        self.assert_no_journal()

    def test_the_report_says_what_was_asked_and_when(self):
        self.kill()
        found, = self.journals(self.image)
        self.assertEqual((found["journal"], found["state"]), (self.journal, "undone"))
        self.assertEqual(found["asked"], f"instar bitmap --add {self.image} n")
        self.assertRegex(found["transaction"], "^[0-9a-f]{32}$")
        self.assertRegex(found["begun"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(found["old-size"], os.path.getsize(self.original))
        self.assertGreater(found["final-size"], found["old-size"])
        self.assertGreaterEqual(found["bytes"], 512 * found["extents"])

    def test_a_dry_run_tells_and_changes_nothing(self):
        for sync, state in ((interrupt.BUILD, "undo"), (interrupt.SWITCH, "complete")):
            shutil.copyfile(self.original, self.image)
            self.kill(sync=sync)
            harness.age(self.journal)
            with self.unchanged(self.image, self.journal):
                for option in ("-n", "--dry-run"):
                    self.assertEqual(self.states(option, self.image), [f"pending-{state}"])
                    out = self.checks(option, self.image)
                    self.assertIn("would be", out)
                    self.assertNotIn("No errors", out)  # nothing can be said yet
                    self.assertNotIn("check-errors", self.json(option, self.image))
            self.checks(self.image)

    def test_bitmap_recovers_in_silence_and_goes_on(self):
        self.kill()
        self.edit("--add", self.image, "m")
        names = [entry[0] for entry in self.listed(self.image)]
        self.assertIn("m", names)
        self.assertNotIn("n", names)

    def test_the_same_edit_again_after_a_crash(self):
        self.kill()
        self.edit("--add", self.image, "n")
        shutil.copyfile(self.original, self.image)
        self.kill(sync=interrupt.SWITCH)
        new = harness.digest_of(self.image)
        self.assert_refused(self.instar("--add", self.image, "n"), "bitmap already exists")
        self.assertEqual(harness.digest_of(self.image), new)

    def test_a_refused_edit_recovers_as_well(self):
        self.kill()
        self.assert_refused(self.instar("--remove", self.image, "nosuch"), "bitmap not found",
                            exact=False)
        self.assert_old()
        self.assert_no_journal()

    def test_a_recovery_that_is_killed_is_gone_through_again(self):
        for number in range(1, 30):
            shutil.copyfile(self.original, self.image)
            self.kill()
            log = self.path("check.log")
            result = self.run_program(*faults.prefix(
                self.image, faults.WRITES + ",ftruncate," + faults.SYNCS, number, log,
                "signal=SIGKILL"), harness.INSTAR, "check", self.image)
            killed = result.code != 0
            self.assertEqual(self.check(self.image).code, 0)
            self.assert_old()
            self.assert_no_journal()
            if not killed:
                break
        self.assertGreater(number, 4)
        self.assertFalse(killed)

    def test_a_journal_that_is_mostly_a_hole_is_read_at_once(self):
        self.kill()
        os.truncate(self.journal, 15 << 40)
        self.assertEqual(self.states(self.image), ["undone"])
        with open(self.journal, "wb") as file:
            file.truncate(15 << 40)
        self.assertEqual(self.states(self.image), ["removed"])

    def test_a_journal_that_ended_is_removed(self):
        self.kill()
        shutil.copyfile(self.journal, self.path("hot"))
        self.checks(self.image)
        with open(self.path("hot"), "rb") as file:
            hot = file.read()
        with open(self.journal, "wb") as file:
            file.write(hot[:1024])  # header, no batch
        os.chmod(self.journal, 0o600)
        with self.unchanged(self.image):
            self.assertEqual(self.states("-n", self.image), ["pending-remove"])
            self.assertEqual(self.states(self.image), ["removed"])
        self.assert_no_journal()


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


class BadInput(CheckCase):
    def test_the_command_line(self):
        for arguments, words in (
                ((), "missing argument FILENAME"), (("--bogus", "x"), "unrecognized option"),
                (("--output", "xml", "x"), "invalid argument 'xml'"),
                (("--journal-dir", "", "x"), "--journal-dir"),
                (("--all", "--discard-journal"), "exclude each other")):
            result = self.check(*arguments)
            self.assertEqual((result.code, result.out), (2, ""), result)
            self.assertIn(words, result.first_line)
            self.assertIn("Try 'instar check --help'", result.err)

    def test_what_is_no_image(self):
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.write(b"\0" * 65536)
        self.fails(63, "not a qcow2 image", raw)
        self.assertEqual(self.qemu(raw).code, 63)
        self.fails(1, "not a qcow2 image", "-f", "qcow2", raw)
        self.assertEqual(self.qemu(raw, "-f", "qcow2").code, 1)
        self.fails(1, "it is a directory", str(self.directory))
        self.fails(1, "No such file", self.path("missing"))
        self.fails(63, "unsupported format 'raw'", "-f", "raw", self.image)
        self.assertEqual(self.qemu(self.image, "-f", "raw").code, 63)
        os.mkfifo(self.path("fifo"))
        self.fails(1, "neither a regular file", self.path("fifo"))

    def test_an_image_in_use_is_left_alone(self):
        self.kill()
        import fcntl
        import struct
        with open(self.image, "rb") as file:
            # qemu's writer: byte 101 and 201 held, as an OFD lock.
            for byte in (101, 201):
                lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
                fcntl.fcntl(file.fileno(), 37, lock)
            with self.unchanged(self.image, self.journal):
                result = self.check(self.image)
            self.assertEqual(result.code, 1)
            self.assertIn('Failed to get shared "write" lock', result.err)
        self.checks(self.image)
        self.assert_old()

    def test_an_image_that_may_only_be_read_can_be_checked(self):
        """By another user, who has no more than /dev/kvm, if that."""
        os.chmod(self.image, 0o444)
        os.chmod(self.directory, 0o755)
        result = self.run_program(
            *self.kvm_for_everybody(), "setpriv", "--reuid=12345", "--regid=12345",
            "--clear-groups", harness.INSTAR, "check", self.image,
            environment=dict(self.environment, INSTAR_STATE_DIR="none"))
        self.assert_checked(result, self.image)
        self.assertEqual(result.code, 0, result)

    def kvm_for_everybody(self):
        """A command's prefix."""
        if os.environ.get("INSTAR_SANDBOX") == "process":
            return ()
        os.mkdir(self.path("dev"))
        device = os.stat("/dev/kvm").st_rdev
        return ("unshare", "-m", "sh", "-c",
                'mount -t tmpfs none dev && mknod -m 666 dev/kvm c "$1" "$2" && '
                'mount --bind dev/kvm /dev/kvm && shift 2 && exec "$@"', "sh",
                str(os.major(device)), str(os.minor(device)))

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            for options in ((), ("--output=json",)):
                import subprocess
                done = subprocess.run([harness.INSTAR, "check", *options, self.image], stdout=full,
                                      stderr=subprocess.PIPE, env=self.environment, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"cannot write to standard output", done.stderr)


if __name__ == "__main__":
    harness.main()
