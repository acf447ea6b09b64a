#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever may rename on the way to an image swaps it while instar runs.

Two folders hold an image of the same name.  At every system call that takes a path, instar is
stopped, and what its path leads to becomes something else.  Then it goes on: either the file
that it had opened is edited, or none is; nothing is made or removed beside the other one.
"""

import ctypes
import os
import re
import shutil
import stat
import sys
import threading
from collections import Counter
from contextlib import suppress

from lib import faults, harness
from lib.edits import NEW, OLD, EditCase
from lib.stops import StoppedRun
from lib.users import MALLORY

GONE = "gone"
AT_FDCWD, RENAME_EXCHANGE = -100, 2
PATH_CALLS = "%file"
MOST_CALLS = 100
RACES = 60


def exchange(one, other):
    """At one stroke, as an attacker would."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), f"cannot exchange {one} and {other}")


class Swapped(EditCase):
    """`here/disk.qcow2` is asked for; `there/disk.qcow2` is what it becomes."""

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.arrange()
        self.prepare("add", image=self.path("here/disk.qcow2"))
        self.precious = self.path("precious")
        with open(self.precious, "wb") as file:
            file.write(b"precious")

    def arrange(self):
        """Both folders anew, and what leads to them."""
        for name in ("here", "there", "gone", "way", "way.next"):
            if os.path.islink(self.path(name)):
                os.unlink(self.path(name))
            shutil.rmtree(self.path(name), ignore_errors=True)
        os.mkdir(self.path("here"))
        os.mkdir(self.path("there"))
        os.symlink("here", self.path("way"))
        os.symlink("there", self.path("way.next"))

    def begin(self):
        """Two old images; what each folder is, and may not become."""
        self.arrange()
        for name in ("here", "there"):
            shutil.copyfile(self.original, self.path(f"{name}/disk.qcow2"))
        self.files = {name: os.stat(self.path(f"{name}/disk.qcow2")).st_ino
                      for name in ("here", "there")}
        self.folders = {name: self.folder(self.path(name)) for name in ("here", "there")}

    @staticmethod
    def folder(path):
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns

    def everything(self):
        """inode -> path, of files and folders."""
        return {os.lstat(os.path.join(folder, name)).st_ino: os.path.join(folder, name)
                for folder, folders, names in os.walk(self.directory) for name in folders + names}

    def content(self, name):
        """OLD, NEW or GONE: the file that was in that folder, wherever it is now."""
        path = self.everything().get(self.files[name])
        return self.seen[harness.digest_of(path)].what if path else GONE

    def assert_one_or_none(self, result, moved=()):
        """One file at most is edited, and the exit code says whether.  `moved`: the folders in
        which the attacker has written."""
        contents = [self.content(name) for name in ("here", "there")]
        self.assertIn(result.code, (0, 1), result)
        self.assert_told(result)
        edited = [name for name, what in zip(("here", "there"), contents)
                  if what == NEW or (what == GONE and result.code == 0)]
        self.assertEqual(len(edited), 1 if result.code == 0 else 0, (result, contents))
        self.assertLessEqual(set(contents), {OLD, NEW, GONE})
        self.assertEqual(self.journals(), [], result)
        self.assert_precious()
        self.assert_untouched(set(self.folders) - set(edited) - set(moved))
        return edited

    def assert_precious(self):
        with open(self.precious, "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def assert_untouched(self, names):
        """Not even for a moment was there a journal."""
        places = self.everything()
        for name in names:
            inode, mtime = self.folders[name]
            if inode in places:
                self.assertEqual(os.stat(places[inode]).st_mtime_ns, mtime, name)

    def stopped(self, number, *acts, command):
        """A run; behind its `number`-th call and those that follow, the acts in turn.  None where
        there is no such call."""
        run, acts = StoppedRun(self, command, PATH_CALLS), list(acts)
        for count, _ in enumerate(run, 1):
            if count >= number and acts:
                acts.pop(0)()
        return None if count < number else run.result

    def at_every_call(self, *acts, command=None, begin=None):
        """(n, result) for every n."""
        command = command or ("bitmap", "--add", self.image, "n")
        for number in range(1, MOST_CALLS):
            (begin or self.begin)()
            result = self.stopped(number, *acts, command=[harness.INSTAR, *command])
            if result is None:
                self.assertGreater(number, 12, "no calls")
                return
            yield number, result

    def outcomes(self, *acts, moved=(), **options):
        """Which files were edited, and what was said where none was."""
        found = set()
        for number, result in self.at_every_call(*acts, **options):
            with self.subTest(call=number):
                edited = self.assert_one_or_none(result, moved)
                found.add(edited[0] if edited else result.first_line)
        return found

    def swap_folders(self):
        exchange(self.path("here"), self.path("there"))

    def swap_links(self):
        exchange(self.path("way"), self.path("way.next"))


class Stopped(Swapped):
    # ---- a component of the path ----

    def test_two_folders_change_places(self):
        self.assertLessEqual({"here", "there"}, self.outcomes(self.swap_folders))

    def test_two_folders_change_places_and_change_back(self):
        self.assertIn("here", self.outcomes(self.swap_folders, self.swap_folders))

    def test_a_link_on_the_way_leads_elsewhere(self):
        command = ("bitmap", "--add", self.path("way/disk.qcow2"), "n")
        for acts in ((self.swap_links,), (self.swap_links, self.swap_links)):
            found = self.outcomes(*acts, command=command)
            self.assertIn("here", found)
        self.assertLessEqual({"here", "there"}, self.outcomes(self.swap_links, command=command))

    def test_a_folder_becomes_a_link(self):
        def swap():
            os.rename(self.path("here"), self.path("gone"))
            os.symlink("there", self.path("here"))

        self.assertLessEqual({"here", "there"}, self.outcomes(swap))

    # ---- the file itself ----

    def test_another_image_takes_the_name(self):
        found = self.outcomes(
            lambda: exchange(self.path("here/disk.qcow2"), self.path("there/disk.qcow2")),
            moved=("here", "there"))
        self.assertLessEqual({"here", "there"}, found)

    def test_the_image_is_removed(self):
        """Nobody can see then whether it was edited."""
        found = self.outcomes(lambda: os.unlink(self.image), moved=("here",))
        self.assertNotIn("there", found)
        self.assertIn(f"instar bitmap: cannot open '{self.image}': No such file or directory",
                      found)

    def replaced(self, make):
        def swap():
            os.rename(self.image, self.path("here/kept.qcow2"))
            make(self.image)

        return self.outcomes(swap, moved=("here",))

    def test_a_fifo_a_folder_or_a_link_takes_the_name(self):
        refused = f"instar bitmap: cannot use '{self.image}': it is "
        for make, says in ((lambda path: os.mknod(path, stat.S_IFIFO | 0o600),
                            refused + "neither a regular file nor a block device"),
                           (os.mkdir, refused + "a directory"),
                           (lambda path: os.symlink(self.precious, path),
                            "instar bitmap: not a qcow2 image"),
                           (lambda path: os.symlink("../there/disk.qcow2", path), "there")):
            self.assertIn(says, self.replaced(make))

    # ---- the journal's place ----

    def planted(self, make):
        """Something comes to lie at the journal's name, unless the journal is there."""
        place, there = self.image + harness.JOURNAL_SUFFIX, []

        def plant():
            there.append(not os.path.lexists(place))
            if there[-1]:
                make(place)

        found = set()
        for number, result in self.at_every_call(plant):
            with self.subTest(call=number):
                found.add(result.first_line)
                self.assertIn(result.code, (0, 1, 5), result)
                self.assert_told(result)
                self.assertEqual(self.content("here"), OLD if result.code else NEW)
                self.assertEqual(os.path.lexists(place), there[-1], "what is not ours stays")
                self.assert_precious()
        return found

    def test_something_comes_to_lie_at_the_journals_name(self):
        journal = self.image + harness.JOURNAL_SUFFIX
        for make, fault in (
                (lambda path: os.symlink(self.precious, path), "it is not a regular file"),
                (lambda path: os.link(self.precious, path), "it has more than one link"),
                (lambda path: os.mknod(path, stat.S_IFIFO | 0o600), "it is not a regular file"),
                (os.mkdir, "it is not a regular file")):
            self.assertLessEqual({
                "", f"instar bitmap: the undo journal {journal} is not trusted: {fault}",
                f"instar bitmap: cannot write the undo journal {journal}: File exists; the image "
                "is as it was"}, self.planted(make))

    def test_the_journals_folder_is_removed(self):
        """Before the journal is made; behind that it is not empty."""
        def begin():
            self.begin()
            os.makedirs(self.path("placed"), exist_ok=True)

        def remove():
            with suppress(OSError):
                os.rmdir(self.path("placed"))

        found = self.outcomes(remove, begin=begin, command=(
            "bitmap", "--journal-dir", self.path("placed"), "--add", self.image, "n"))
        self.assertIn("here", found)
        self.assertTrue([line for line in found if re.match(
            "instar bitmap: cannot write the undo journal .*: No such file or directory; the image "
            "is as it was$", line)], found)


class StateDirectory(Swapped):
    """The image's folder is sticky, and the state directory lies where another user may rename
    it: what was found to be private is used, or nothing."""

    def begin(self):
        super().begin()
        os.chmod(self.path("here"), 0o1777)
        shutil.rmtree(self.path("evil"), ignore_errors=True)
        shutil.rmtree(self.path("state"), ignore_errors=True)
        for name in ("state", "state/journals", "evil", "evil/journals"):
            os.mkdir(self.path(name), 0o700)
            if name.startswith("evil"):
                os.chown(self.path(name), MALLORY, MALLORY)
                os.chmod(self.path(name), 0o777)
        for name in ("evil", "evil/journals"):
            self.folders[name] = self.folder(self.path(name))

    def test_it_changes_places_with_somebody_elses(self):
        found = self.outcomes(lambda: exchange(self.path("state"), self.path("evil")))
        self.assertEqual({line for line in found if "warning" not in line}, {
            "here", "instar bitmap: no place for the undo journal: the state directory must "
            "belong to this user and be closed to others"})


class Racing(Swapped):
    """The same with no stops, again and again: a thread that never rests."""

    def racing(self, swap, path):
        end = threading.Event()

        def run():
            while not end.is_set():
                swap()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            return self.instar("--add", path, "n")
        finally:
            end.set()
            thread.join()

    def assert_race(self, swap, path):
        found = Counter()
        for _ in range(RACES):
            self.begin()
            result = self.racing(swap, path)
            edited = self.assert_one_or_none(result)
            found[edited[0] if edited else result.first_line] += 1
        print(f"{self.id()}: {dict(found)}", file=sys.stderr)
        self.assertTrue(found["here"] or found["there"], found)

    def test_folders(self):
        self.assert_race(self.swap_folders, self.image)

    def test_links(self):
        self.assert_race(self.swap_links, self.path("way/disk.qcow2"))


if __name__ == "__main__":
    harness.main()
