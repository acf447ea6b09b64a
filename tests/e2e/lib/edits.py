# SPDX-License-Identifier: MIT
"""An edit that may be cut short, and the judge of how it ended.

Whatever happens to a run, the image is the old one to the byte or the complete new
one, the exit code says which, and standard error says why; or a hot journal is left, which
standard error names and from which the next command makes one of the two.
"""

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass

from lib import check, harness, images, journal
from lib.qcow2 import Image, Malformed

OLD, NEW, HOT, BROKEN = "old", "new", "hot", "broken"
HOT_STATES = ("pending", "recovering")

PROGRAM = "instar bitmap: "


def merge_source(path, **options):
    """Two bitmaps whose union needs a data cluster that neither has."""
    images.with_bitmaps(path, ("a", "b"), **options)
    return path


def full_refcount_block(path):
    """The next cluster needs a refcount block of its own."""
    images.create(path, "64M", cluster=512)
    images.bitmap(path, "--add", "a")
    images.fill_to_edge(path, 0)
    return path


def overlay(path):
    return images.create(path, backing="base.qcow2")


def single(path):
    return images.with_bitmaps(path, ("a",))


# name: (how the image is made, action, bitmap or None, does the file's refcount structure grow)
EDITS = {
    "add": (images.with_bitmaps, "--add", "n", False),
    "first on an overlay": (overlay, "--add", "n", False),
    "remove": (images.with_bitmaps, "--remove", "b", False),
    "last remove": (single, "--remove", "a", False),
    "remove all": (images.with_bitmaps, "--remove-all", None, False),
    "clear": (images.with_bitmaps, "--clear", "b", False),
    "disable": (images.with_bitmaps, "--disable", "b", False),
    "merge": (merge_source, "--merge=a", "b", False),
    "add with growth": (full_refcount_block, "--add", "n", True),
}


def read_journal(path):
    with open(path, "rb") as file:
        return journal.read(file.read())


@dataclass(frozen=True)
class Seen:
    """What an image is: OLD, NEW or BROKEN (why), and the clusters it leaks."""

    what: str
    leaks: tuple = ()
    why: str = ""


class EditCase(harness.Case):
    """Runs one edit again and again, each time on a fresh copy, and judges every end."""

    def prepare(self, name, *options, image=None):
        """Make the image and find out what it is before and after the undisturbed edit."""
        self.name, self.recoveries = name, 0
        make, action, target, self.grows = EDITS[name]
        self.original = make(self.path("original.qcow2"))
        self.image = image or self.path("disk.qcow2")
        self.command = (*options, action, self.image, *([target] if target else []))
        self.renew()
        self.old_look = self.look()
        old = harness.digest_of(self.image)
        result = self.succeeds(*self.command, warns=True)
        self.assertEqual(result.out, "")
        self.assert_sound(self.image)
        self.new_look = self.look()
        self.assertNotEqual(self.old_look, self.new_look)
        self.seen = {old: Seen(OLD), harness.digest_of(self.image): Seen(NEW)}

    def renew(self):
        """The old image again, and nothing of an earlier run; the index stays."""
        for path in self.journals():
            os.unlink(path)
        shutil.copyfile(self.original, self.image)
        if stat.S_ISBLK(os.stat(self.image).st_mode):
            self._clear_behind(os.stat(self.original).st_size)

    def _clear_behind(self, size):
        """What an earlier run left on a device behind the old image."""
        with open(self.image, "r+b") as device:
            end = device.seek(0, os.SEEK_END)
            device.seek(size)
            device.write(bytes(end - size))

    def journals(self):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(self.directory)
                      for name in names if name.endswith(harness.JOURNAL_SUFFIX))

    def look(self):
        """Everything of the image that anybody may see: guest's data, features, bitmaps."""
        with Image(self.image) as opened:
            bitmaps = [(b.name, b.flags, b.granularity, opened.dirty(b))
                       for b in opened.bitmaps()]
            valid = opened.bitmaps_valid
        facts = hashlib.sha256(repr(self.facts(self.image)).encode()).hexdigest()
        return facts, valid, bitmaps

    # ---- the image ----

    def see(self):
        """What the image is now; each distinct content is judged once."""
        digest = harness.digest_of(self.image)
        if digest not in self.seen:
            self.seen[digest] = self.judge_image()
        return self.seen[digest]

    def judge_image(self):
        """Not the old image's bytes, nor those of an undisturbed edit."""
        try:
            look = self.look()
            with Image(self.image) as opened:
                report = check.check(opened)
        except Malformed as fault:
            return Seen(BROKEN, why=f"malformed: {fault}")
        if report.corruptions:
            return Seen(BROKEN, why=str(report.corruptions))
        done = self.run_program("qemu-img", "check", "-q", *images.check_options(self.image))
        if done.code != (3 if report.leaks else 0):
            return Seen(BROKEN, why=str(done))
        if look == self.new_look:
            return Seen(NEW, tuple(report.leaks))
        if self.grows and look == self.old_look and not report.leaks:
            return Seen(OLD)  # with more room for refcounts
        return Seen(BROKEN, why="neither the old nor the new image")

    # ---- the run ----

    def judge(self, result, told=True):
        """The end of a run: OLD, NEW or HOT; anything dishonest fails the test.  `told`:
        standard error could be written."""
        self.assertIn(result.code, (0, 1, 5), result)
        hot = self.hot_journals()
        if told:
            self.assert_told(result)
        for path in hot:
            self.assertIn(path, result.err if told else path, f"a hot journal not named: {result}")
        if hot and result.code:
            self.recover()
            return HOT
        seen = self.see()
        self.assertNotEqual(seen.what, BROKEN, f"{seen.why}: {result}")
        if result.code == 5:
            self.assertEqual(seen.what, OLD)
            self.assertIn("cannot be read", result.err)
        if result.code == 0:
            self.assertEqual(seen.what, NEW, result)
            if seen.leaks and told:
                self.assertIn("leaked", result.err)
        elif seen.what == NEW and told:
            self.assertRegex(result.err, "the edit (itself )?was done")
        return seen.what

    def assert_told(self, result):
        """A failure is one line and at most a hint; behind a success there may be warnings."""
        lines = result.err.splitlines()
        self.assertTrue(not lines or result.err.endswith("\n"), result)
        messages = [line for line in lines if not line.startswith("hint: ")]
        for line in messages:
            self.assertTrue(line.startswith(PROGRAM), result)
        warnings = [line for line in messages if line.startswith(PROGRAM + "warning: ")]
        self.assertLessEqual(len(lines), 2 * len(messages), result)
        if result.code == 0:
            self.assertEqual(messages, warnings, result)
        else:
            self.assertEqual((len(messages), len(warnings)), (1, 0), result)
            self.assertEqual(lines[0], messages[0], result)

    def hot_journals(self):
        """Those that say there is something to recover.  One that is damaged fails the test: a
        fault leaves nothing that the next writer would have to refuse."""
        return [path for path in self.journals() if read_journal(path).state in HOT_STATES]

    def recover(self):
        """What the next command makes of a hot journal, `instar check` and `instar bitmap` in
        turn: OLD or NEW.  The edit that was cut short is not tried again: the second command
        asks for something that is not there."""
        self.recoveries += 1
        if self.recoveries % 2:
            done = self.run_program(harness.INSTAR, "check", "-q", self.image)
            self.assertEqual((done.code, done.out, done.err), (0, "", ""))
        else:
            done = self.instar("--clear", self.image, "nosuch")
            self.assert_refused(done, "bitmap not found")
        self.assertEqual(self.journals(), [], done)
        seen = self.see()
        self.assertIn(seen.what, (OLD, NEW), f"{seen.why}: {done}")
        return seen.what
