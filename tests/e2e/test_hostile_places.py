#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Places that somebody else has prepared: a journal's name in a sticky folder, journals forged by
another user, state directories that are not the user's own.

Each is refused in words, and no byte changes but those of the image that is asked for.
"""

import os
import shutil
import socket
import stat
import struct

from lib import crashes, faults, harness, images, journal
from lib.edits import EditCase
from lib.users import ALICE, MALLORY, Users

NOT_A_FILE = "it is not a regular file"
STRANGER = "it belongs to neither this user, root nor the image's owner"
HINT = ("hint: nothing was touched; find out who put it there; --discard-journal removes the "
        "journal and keeps the image as it is")
EXBIBYTES_8 = 1 << 63
MOST = (1 << 64) - 1


def entries(folder):
    """All that is in a folder, by name: what must not change."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        status = os.lstat(path)
        content = harness.digest_of(path) if stat.S_ISREG(status.st_mode) else None
        found[name] = (status.st_ino, status.st_mode, status.st_uid, status.st_size,
                       status.st_mtime_ns, content)
    return found


class Hostile(Users, EditCase):
    def assert_first_line(self, result, code, line):
        self.assertEqual((result.code, result.out), (code, ""), result)
        self.assertEqual(result.first_line, line)
        self.assertLessEqual(len(result.err.splitlines()), 2)

    def killed_journal(self):
        """The bytes of a journal that an edit of self.image, killed in its build, has left."""
        if not faults.available():
            self.skipTest("strace is not installed")
        self.crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        with open(self.crash.journal, "rb") as file:
            return bytearray(file.read())


class StickyFolder(Hostile):
    """Like /tmp: Alice's image, and beside it whatever Mallory likes.  Alice runs instar."""

    def setUp(self):
        super().setUp()
        self.sticky = self.folder("sticky", 0, 0o1777)
        self.image = images.with_bitmaps(self.path("sticky/disk.qcow2"))
        os.chown(self.image, ALICE, ALICE)
        self.place = self.image + harness.JOURNAL_SUFFIX
        self.precious = self.path("sticky/precious")
        with open(self.precious, "wb") as file:
            file.write(b"precious")
        os.chown(self.precious, ALICE, ALICE)
        os.chmod(self.precious, 0o600)

    def remove(self):
        (shutil.rmtree if stat.S_ISDIR(os.lstat(self.place).st_mode) else os.unlink)(self.place)

    def socket(self, path):
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path)

    def write(self, content):
        def make(path):
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o600)
        return make

    def kinds(self):
        """What Mallory may put there, and what is wrong with it."""
        yield "link to a file", lambda path: os.symlink(self.precious, path), NOT_A_FILE
        yield "link to nothing", lambda path: os.symlink("/nowhere", path), NOT_A_FILE
        yield "link to itself", lambda path: os.symlink(path, path), NOT_A_FILE
        yield "FIFO", os.mkfifo, NOT_A_FILE
        yield "socket", self.socket, NOT_A_FILE
        yield "folder", os.mkdir, NOT_A_FILE
        for content in (b"", b"x" * 100, bytes(8192)):
            yield f"file of {len(content)} bytes", self.write(content), STRANGER

    def planted(self, make):
        make(self.place)
        os.chown(self.place, MALLORY, MALLORY, follow_symlinks=False)

    def test_each_is_refused_and_nothing_changes(self):
        for kind, make, fault in self.kinds():
            with self.subTest(kind=kind):
                self.planted(make)
                before = entries(self.sticky)
                for command, program in ((("bitmap", "--add", self.image, "n"), "instar bitmap"),
                                         (("resize", self.image, "+1M"), "instar resize"),
                                         (("check", self.image), "instar check"),
                                         (("check", "-r", "all", self.image), "instar check")):
                    result = self.run_as(ALICE, *command)
                    self.assertEqual(result.code, 5, result)
                    about = f"{self.image}: " if program == "instar check" else ""
                    self.assertIn(f"{program}: {about}the undo journal {self.place} is not "
                                  f"trusted: {fault}\n{HINT}\n", result.err)
                    self.assertEqual(entries(self.sticky), before)
                self.remove()

    def test_what_may_not_be_removed_is_told(self):
        """Alice gives the journal up; but it is Mallory's, and the folder is sticky."""
        self.planted(self.write(b""))
        before = entries(self.sticky)
        result = self.run_as(ALICE, "check", "--discard-journal", self.image)
        self.assertEqual(result.code, 1, result)
        self.assertIn(f"could not be recovered: Operation not permitted; its undo journal is kept: "
                      f"{self.place}", result.err)
        self.assertEqual(entries(self.sticky), before)

    def test_readers_tell_it_and_go_on(self):
        for kind, make, _ in self.kinds():
            with self.subTest(kind=kind):
                self.planted(make)
                before = entries(self.sticky)
                result = self.run_as(ALICE, "info", self.image)
                self.assertEqual(result.code, 0, result)
                self.assertIn(self.place, result.out + result.err)
                self.assertEqual(entries(self.sticky), before)
                self.remove()

    def test_the_journal_is_not_made_there(self):
        """Mallory could wait for its name to be free: it lies in Alice's state directory."""
        folder = os.stat(self.sticky).st_mtime_ns
        result = self.run_as(ALICE, "bitmap", "--add", self.image, "n")
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assertEqual(os.stat(self.sticky).st_mtime_ns, folder)
        self.assertEqual(os.listdir(self.path(f"state-{ALICE}/journals")), [])

    def test_a_good_journal_that_was_copied(self):
        """The bytes of a real journal of this image, but the file is Mallory's."""
        os.unlink(self.image)
        self.prepare("add", "--journal-dir", str(self.directory), image=self.image)
        os.chown(self.image, ALICE, ALICE)
        content = self.crashed_elsewhere()
        self.planted(self.write(content))
        before = entries(self.sticky)
        self.assert_first_line(
            self.run_as(ALICE, "bitmap", "--add", self.image, "m"), 5,
            f"instar bitmap: the undo journal {self.place} is not trusted: {STRANGER}")
        self.assertEqual(entries(self.sticky), before)

    def crashed_elsewhere(self):
        log = self.path("kill.log")
        self.renew()
        os.chown(self.image, ALICE, ALICE)
        injection = faults.Injection("fdatasync", "signal=SIGKILL", 1, (self.image,))
        self.run_program(*injection.prefix(log), harness.INSTAR, "bitmap", *self.command)
        path, = self.journals()
        with open(path, "rb") as file:
            content = file.read()
        os.unlink(path)
        shutil.rmtree(self.path("state"), ignore_errors=True)
        self.assertEqual(journal.read(content).state, "pending")
        return content


class Forged(Hostile):
    """Mallory owns an image and the folder that it is in; root is asked to edit or check it."""

    def setUp(self):
        super().setUp()
        self.yard = self.folder("yard", MALLORY, 0o755)
        self.prepare("add", image=self.path("yard/disk.qcow2"))
        self.victim = images.with_bitmaps(self.path("victim.qcow2"))
        os.chmod(self.victim, 0o600)
        self.place = self.image + harness.JOURNAL_SUFFIX
        self.content = self.killed_journal()

    def forge(self, owner, content=None, **numbers):
        """Mallory's journal, its checksums right.  `numbers`: of its header."""
        self.crash.restore()
        changed = bytearray(content or self.content)
        for name, value in numbers.items():
            struct.pack_into("<Q", changed, {"old_size": 48, "final_size": 56}[name], value)
        journal.seal(changed, 0)
        with open(self.place, "wb") as file:
            file.write(changed)
        os.chmod(self.place, 0o600)
        os.chown(self.place, owner, owner)
        os.chown(self.image, MALLORY, MALLORY)

    def with_identity_of(self, path):
        """The journal, as if it were that file's: taken from a journal that is."""
        kept, self.image = self.image, path
        original, self.original = self.original, self.path("victims-copy")
        shutil.copyfile(path, self.original)
        kept_command, self.command = self.command, ("--add", path, "n")
        others = bytearray(self.killed_journal())
        self.crash.restore()
        os.unlink(self.crash.journal)
        shutil.copyfile(self.original, path)
        self.image, self.original, self.command = kept, original, kept_command
        changed = bytearray(self.content)
        changed[72:240] = others[72:240]
        journal.seal(changed, 0)
        return changed

    def begins(self, command):
        """`check` may be about several images."""
        return f"instar {command[0]}: " + (f"{self.image}: " if command[0] == "check" else "")

    def test_owner_is_a_stranger(self):
        """Neither root nor Mallory: a third one."""
        self.forge(ALICE)
        before = entries(self.yard)
        for command in (("bitmap", "--add", self.image, "m"), ("check", self.image)):
            result = self.run_program(harness.INSTAR, *command)
            self.assert_first_line(result, 5, f"{self.begins(command)}the undo journal "
                                   f"{self.place} is not trusted: {STRANGER}")
            self.assertEqual(entries(self.yard), before)

    def test_names_another_image(self):
        """Mallory's journal says that it is the victim's.  It is put aside, unread; and the
        victim is not touched, by whatever way it is asked for."""
        kept = self.crash
        forged = self.with_identity_of(self.victim)
        self.crash = kept
        self.forge(MALLORY, forged)
        harness.age(self.victim)
        before, image = harness.state_of(self.victim), harness.digest_of(self.image)
        for command in (("check", "-q", "-n", self.image), ("check", "--all", "-n", self.yard),
                        ("check", "--all", self.yard)):
            result = self.run_program(harness.INSTAR, *command)
            self.assertEqual(harness.state_of(self.victim), before, result)
        result = self.run_program(harness.INSTAR, "bitmap", "--add", self.image, "m")
        self.assertEqual(harness.state_of(self.victim), before)
        self.assertEqual(os.path.exists(self.place), result.code == 5, result)
        self.assertNotEqual(result.code, 0 if harness.digest_of(self.image) == image else 1)

    def test_path_of_another_image(self):
        """It names Mallory's image by identity, and by path the victim's: `check --all` goes by
        the identity."""
        self.forge(MALLORY)
        harness.age(self.victim)
        before = harness.state_of(self.victim)
        with open(self.place, "r+b") as file:
            content = file.read()
            at = content.index(os.fsencode(self.image))
            name = os.fsencode(self.victim).ljust(len(os.fsencode(self.image)), b"\0")
            file.seek(at)
            file.write(name[:len(os.fsencode(self.image))])
        result = self.run_program(harness.INSTAR, "check", "--all", self.yard)
        self.assertNotEqual(result.code, 0, result)
        self.assertEqual(harness.state_of(self.victim), before)

    # ---- sizes ----

    def blocks(self):
        status = os.stat(self.image)
        return status.st_size, status.st_blocks

    def test_sizes_of_8_exbibytes(self):
        """What no file can have is damage; what this one does not have is another's doing.  In
        no case does it grow, or shrink."""
        impossible = [dict(old_size=EXBIBYTES_8, final_size=EXBIBYTES_8),
                      dict(old_size=MOST, final_size=MOST),
                      dict(final_size=EXBIBYTES_8), dict(final_size=MOST),
                      dict(old_size=EXBIBYTES_8 - 1, final_size=EXBIBYTES_8 - 2),
                      dict(old_size=MOST, final_size=0)]
        for owner in (0, MALLORY):
            for sizes in impossible:
                with self.subTest(owner=owner, sizes=sizes):
                    self.forge(owner, **sizes)
                    before = entries(self.yard)
                    for command in (("bitmap", "--add", self.image, "m"), ("check", self.image)):
                        result = self.run_program(harness.INSTAR, *command)
                        self.assertEqual((result.code, result.out), (5, ""), result)
                        self.assertRegex(
                            result.first_line, f"^{self.begins(command)}the undo journal "
                            f"{self.place} is damaged: the header has an impossible value$")
                        self.assertEqual(entries(self.yard), before)

    def test_sizes_of_just_below_8_exbibytes(self):
        """These are possible; but the file is neither."""
        for owner in (0, MALLORY):
            self.forge(owner, old_size=EXBIBYTES_8 - 1, final_size=EXBIBYTES_8 - 1)
            blocks, digest = self.blocks(), harness.digest_of(self.image)
            for options in (("-n",), ()):
                result = self.run_program(harness.INSTAR, "check", *options, self.image)
                self.assertIn("it has a size that the edit did not give it",
                              result.out + result.err)
                self.assertEqual((self.blocks(), harness.digest_of(self.image)), (blocks, digest))

    def test_final_size_of_just_below_8_exbibytes(self):
        """The file lies between its old size and that: it is cut back, as its journal says."""
        old = journal.read(bytes(self.content)).old_size
        self.forge(MALLORY, final_size=EXBIBYTES_8 - 1)
        blocks = self.blocks()
        result = self.run_program(harness.INSTAR, "check", "-q", self.image)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(os.stat(self.image).st_size, old)
        self.assertLessEqual(self.blocks(), blocks)


class StateDirectories(Hostile):
    """Alice's image is in a sticky folder: the journal has to lie in the state directory."""

    REFUSED = ("instar bitmap: no place for the undo journal: the state directory must belong to "
               "this user and be closed to others")

    def setUp(self):
        super().setUp()
        self.sticky = self.folder("sticky", 0, 0o1777)
        self.image = images.with_bitmaps(self.path("sticky/disk.qcow2"))
        os.chown(self.image, ALICE, ALICE)

    def add(self, state, **variables):
        """As Alice; the result, after a proof that a refusal has changed nothing."""
        before = entries(self.sticky)
        result = self.run_as(ALICE, "bitmap", "--add", self.image, "n",
                             INSTAR_STATE_DIR=state, **variables)
        if result.code:
            self.assertEqual(entries(self.sticky), before)
        else:
            self.assertEqual((result.out, result.err), ("", ""))
            self.succeeds("--remove", self.image, "n")
            os.chown(self.image, ALICE, ALICE)
        return result

    def assert_refused_in_words(self, state, line=REFUSED, **variables):
        self.assert_first_line(self.add(state, **variables), 1, line)

    def test_somebody_elses(self):
        """Where nobody can look into it, it may hold a journal of this image, and that is told."""
        self.assert_refused_in_words(
            self.folder("of-mallory", MALLORY),
            f"instar bitmap: cannot look for undo journals of '{self.image}': Permission denied")
        for mode in (0o755, 0o777, 0o1777):
            with self.subTest(mode=oct(mode)):
                path = self.folder(f"of-mallory-{mode:o}", MALLORY, mode)
                before = os.stat(path).st_mtime_ns
                self.assert_refused_in_words(path)
                self.assertEqual((os.listdir(path), os.stat(path).st_mtime_ns), ([], before))

    def test_open_to_others(self):
        for mode in (0o770, 0o720, 0o750, 0o701, 0o707, 0o1777):
            with self.subTest(mode=oct(mode)):
                path = self.folder(f"open-{mode:o}", ALICE, mode)
                self.assert_refused_in_words(path)
                self.assertEqual(os.listdir(path), [])

    def test_its_journals_are_somebody_elses(self):
        """The folder inside it, which is as good as the whole."""
        state = self.folder("mixed", ALICE)
        for owner, mode in ((MALLORY, 0o777), (ALICE, 0o770)):
            path = self.folder("mixed/journals", owner, mode)
            self.assert_refused_in_words(state)
            self.assertEqual(os.listdir(path), [])
            os.rmdir(path)
        elsewhere = self.folder("elsewhere", MALLORY, 0o777)
        os.symlink(elsewhere, self.path("mixed/journals"))
        self.assert_refused_in_words(state)
        self.assertEqual(os.listdir(elsewhere), [])

    def test_link(self):
        """What counts is where it leads to."""
        for name, owner, mode in (("his", MALLORY, 0o777), ("open", ALICE, 0o777)):
            path = self.folder(name, owner, mode)
            os.symlink(path, self.path("link-to-" + name))
            self.assert_refused_in_words(self.path("link-to-" + name))
            self.assertEqual(os.listdir(path), [])
        self.folder("own", ALICE)
        os.symlink("own", self.path("link-to-own"))
        self.assertEqual(self.add(self.path("link-to-own")).code, 0)
        self.assertEqual(os.listdir(self.path("own/journals")), [])

    def test_no_directory(self):
        with open(self.path("file"), "wb") as file:
            file.write(b"precious")
        os.symlink(self.path("loop"), self.path("loop"))
        os.mkfifo(self.path("fifo"))
        own = self.folder("own", ALICE)
        write = ("instar bitmap: cannot write the undo journal of the image: {}; the image is "
                 "as it was")
        look = f"instar bitmap: cannot look for undo journals of '{self.image}': {{}}"
        for name, error in (("file", "Not a directory"), ("file/below", "Not a directory"),
                            ("fifo", "Not a directory"), ("x" * 300, "File name too long"),
                            ("own/" + "y/" * 3000, "File name too long"),
                            ("loop", "Too many levels of symbolic links"),
                            ("none/such", "Permission denied")):
            with self.subTest(name=name[:20]):
                line = look if name == "loop" else write
                self.assert_refused_in_words(self.path(name), line.format(error))
        self.assertEqual(os.listdir(own), [], "not even the beginning of it was made")
        with open(self.path("file"), "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def test_odd_names(self):
        room = self.folder("room", ALICE)
        for name in ("none/", "a\nb", "-n", "\x1b[31m", "\udcff", " ", "x" * 200, "json:{}"):
            with self.subTest(name=name):
                self.assertEqual(self.add(os.path.join(room, name)).code, 0)
        self.assertEqual(len(os.listdir(room)), 8)

    def test_folder_for_journals_by_variable(self):
        """INSTAR_JOURNAL_DIR, as it is named by the user: its owner is not asked for."""
        state = self.folder("own", ALICE)
        with open(self.path("file"), "wb"):
            pass
        os.mkfifo(self.path("fifo"))
        for name, error in (("file", "Not a directory"), ("fifo", "Not a directory"),
                            ("nowhere", "No such file or directory"),
                            ("x" * 300, "File name too long")):
            with self.subTest(name=name[:20]):
                result = self.add(state, INSTAR_JOURNAL_DIR=self.path(name))
                self.assertEqual((result.code, result.out), (1, ""), result)
                self.assertIn(error, result.first_line)
        self.assertEqual(self.add(state, INSTAR_JOURNAL_DIR="").code, 0)


if __name__ == "__main__":
    harness.main()
