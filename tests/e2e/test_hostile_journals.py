#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What lies where a journal would be, and is none that may be believed.

Whoever may write to an image's folder can put anything there.  It is never followed, never
waited for, and never undone from; the image keeps every byte, and the user is told.
"""

import fcntl
import json
import os
import shutil
import stat
import struct

from lib import crashes, faults, harness, images, journal
from lib.edits import OLD, EditCase, read_journal
from lib.journal import SECTOR

F_OFD_SETLK = 37


class Hostile(EditCase):
    """Each test begins with an edit that was killed in its build, and its journal."""

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        self.crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        self.place = self.crash.journal
        with open(self.place, "rb") as file:
            self.content = file.read()

    def fresh(self, content=None):
        """The crashed image again; as its journal these bytes, or its own."""
        self.remove_journal()
        self.crash.restore()
        if content is not None:
            with open(self.place, "r+b") as file:
                file.truncate(0)
                file.write(content)

    def remove_journal(self):
        if os.path.isdir(self.place) and not os.path.islink(self.place):
            shutil.rmtree(self.place)
        elif os.path.lexists(self.place):
            os.unlink(self.place)

    def replaced(self, make):
        """The crashed image, and what `make` puts in the journal's place."""
        self.fresh()
        os.unlink(self.place)
        make(self.place)

    # ---- what must come of it ----

    def check(self, *options):
        result = self.run_program(harness.INSTAR, "check", "--output=json", *options, self.image,
                                  timeout=20)
        journals = json.loads(result.out).get("instar-journals", ())
        return result, [found["state"] for found in journals]

    def assert_keeps(self, run):
        """Neither the image nor what lies there changes."""
        def look():
            status = os.lstat(self.place)
            return (harness.state_of(self.image), status.st_mode, status.st_size, status.st_ino,
                    status.st_mtime_ns, status.st_uid, status.st_nlink)

        before = look()
        result = run()
        self.assertEqual(look(), before)
        return result

    def assert_stops(self, state, discard=True):
        """Exit 5 from every command, and nothing changes.  `discard`: the option is named."""
        for options in ((), ("-n",)):
            result, found = self.assert_keeps(lambda: self.check(*options))
            self.assertEqual((result.code, found), (5, [state]), result)
        refused = self.assert_keeps(lambda: self.instar(*self.command, timeout=20))
        self.assertEqual((refused.code, refused.out), (5, ""), refused)
        self.assertIn(self.place, refused.err)
        self.assertEqual("--discard-journal" in refused.err, discard)
        self.assertLessEqual(len(refused.err.splitlines()), 2)

    def assert_discarded(self):
        """`--discard-journal` takes away what lies there and keeps the image."""
        before = harness.digest_of(self.image)
        result, found = self.check("--discard-journal")
        self.assertEqual(found, ["discarded"], result)
        self.assert_checked(result, self.image)
        self.assertFalse(os.path.lexists(self.place))
        self.assertEqual(harness.digest_of(self.image), before)

    def assert_removed(self):
        """Nothing was begun, or all is over: the journal goes, the image stays."""
        before = harness.state_of(self.image)
        result, found = self.assert_keeps(lambda: self.check("-n"))
        self.assertEqual((result.code, found), (0, ["pending-remove"]), result)
        result, found = self.check()
        self.assertEqual(found, ["removed"], result)
        self.assert_checked(result, self.image)
        self.assertFalse(os.path.lexists(self.place))
        self.assertEqual(harness.state_of(self.image), before)

    def assert_undone(self):
        result, found = self.check()
        self.assertEqual((result.code, found), (0, ["undone"]), result)
        self.assertEqual((self.see().what, self.journals()), (OLD, []))


class NotAFile(Hostile):
    def test_fifo_socket_and_device(self):
        for kind, device in ((stat.S_IFIFO, 0), (stat.S_IFSOCK, 0),
                             (stat.S_IFCHR, os.makedev(1, 5)), (stat.S_IFBLK, os.makedev(7, 99))):
            with self.subTest(kind=kind):
                self.replaced(lambda path: os.mknod(path, kind | 0o600, device))
                self.assert_stops("untrusted")
                self.assert_discarded()

    def test_directory(self):
        self.replaced(os.mkdir)
        self.assert_stops("untrusted")
        result, _ = self.check("--discard-journal")
        self.assertIn(result.code, (0, 1), result)  # a folder is not thrown away blindly
        os.makedirs(self.place, exist_ok=True)
        with open(self.place + "/precious", "wb"):
            pass
        self.assertEqual(self.check("--discard-journal")[0].code, 1)
        self.assertTrue(os.path.exists(self.place + "/precious"))

    def test_symbolic_link(self):
        """Not even to a journal that would be good."""
        victim = self.path("victim")
        for content in (b"precious", self.content):
            with open(victim, "wb") as file:
                file.write(content)
            os.chmod(victim, 0o600)
            self.replaced(lambda path: os.symlink(victim, path))
            self.assert_stops("untrusted")
            self.assert_discarded()
            with open(victim, "rb") as file:
                self.assertEqual(file.read(), content)

    def test_symbolic_link_to_nowhere(self):
        self.replaced(lambda path: os.symlink(self.path("nowhere"), path))
        self.assert_stops("untrusted")
        self.assert_discarded()
        self.assertFalse(os.path.lexists(self.path("nowhere")))


class Attributes(Hostile):
    def test_modes(self):
        for mode in (0o666, 0o620, 0o602, 0o777):
            self.fresh()
            os.chmod(self.place, mode)
            self.assert_stops("untrusted")
            self.assert_discarded()
        for mode in (0o600, 0o644, 0o400, 0o444):
            self.fresh()
            os.chmod(self.place, mode)
            self.assert_undone()

    def test_owners(self):
        self.fresh()
        os.chown(self.place, 12345, 12345)
        self.assert_stops("untrusted")
        self.assert_discarded()
        self.fresh()
        os.chown(self.place, 12345, 12345)
        os.chown(self.image, 12345, 12345)
        self.addCleanup(os.chown, self.image, 0, 0)
        result, found = self.check()
        self.assertEqual((result.code, found), (0, ["undone"]), "the image's owner may")

    def test_two_links(self):
        self.fresh()
        os.link(self.place, self.path("second"))
        self.assert_stops("untrusted")
        self.assert_discarded()
        os.unlink(self.path("second"))

    def test_living_writer(self):
        """Its lock says that its process lives, although the image's locks are free."""
        self.fresh()
        with open(self.place, "r+b") as file:
            fcntl.fcntl(file.fileno(), F_OFD_SETLK,
                        struct.pack("hhqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            for options in ((), ("-n",), ("--discard-journal",)):
                result, found = self.assert_keeps(lambda: self.check(*options))
                self.assertEqual((result.code, found), (1, ["busy"]), result)
            refused = self.assert_keeps(lambda: self.instar(*self.command))
            self.assertEqual(refused.code, 1, refused)
        self.assert_undone()


class Content(Hostile):
    def test_nothing_in_it(self):
        for content in (b"", bytes(SECTOR), bytes(20 * SECTOR), self.content[:SECTOR],
                        self.content[:2 * SECTOR], self.content[:100]):
            self.fresh(content)
            self.assert_removed()

    def test_garbage(self):
        for content in (b"x", b"instar", b"x" * SECTOR, b"not a journal\n" * 300,
                        os.urandom(SECTOR), os.urandom(8192), b"\xff" * 4096, self.content[:SECTOR] + b"\xff" * 4096):
            with self.subTest(length=len(content), begin=content[:16]):
                self.fresh(content)
                if content == b"instar":
                    self.assert_removed()  # a beginning that was cut off
                else:
                    self.assert_stops("damaged")
        self.assert_discarded()

    def test_every_flipped_bit_is_noticed(self):
        """A bit of each 61st byte, which reaches every field's neighbourhood in time."""
        for at in range(0, len(self.content), 61):
            flipped = bytearray(self.content)
            flipped[at] ^= 1 << at % 8
            with self.subTest(byte=at, bit=at % 8):
                self.fresh(bytes(flipped))
                self.assert_stops("damaged")

    def test_cut_at_every_sector(self):
        """A batch that is not whole does not count: with it nothing was ever allowed.  The
        image is kept, and it is a valid one all the same (invariant 4)."""
        for sectors in range(2, len(self.content) // SECTOR):
            with self.subTest(sectors=sectors):
                self.fresh(self.content[:sectors * SECTOR])
                self.assert_removed()
        images.tool("qemu-img", "check", "-q", self.image, fails=True)
        self.assertNotEqual(self.run_program("qemu-img", "check", "-q", self.image).code, 2)

    def test_remains_behind_the_last_batch(self):
        """Zeros and a part of a sector are what a crash leaves; other bytes are not."""
        for tail in (bytes(3 * SECTOR), b"x" * 100):
            self.fresh(self.content + tail)
            self.assert_undone()
        self.fresh(self.content + b"x" * SECTOR)
        self.assert_stops("damaged")

    def header(self, offset, form, *values):
        """The journal with other values in its header, the checksum right."""
        changed = bytearray(self.content)
        struct.pack_into("<" + form, changed, offset, *values)
        journal.seal(changed, 0)
        return bytes(changed)

    def test_newer_formats(self):
        for version in (2, 3, 1 << 31, 0xFFFFFFFF):
            self.fresh(self.header(8, "I", version))
            self.assert_stops("newer-format", discard=False)
        self.assert_discarded()

    def test_impossible_headers(self):
        for offset, form, value in ((8, "I", 0), (12, "I", 1), (56, "Q", 0), (56, "Q", 1 << 63),
                                    (72, "I", 0), (72, "I", 4), (76, "I", 161), (240, "B", 1),
                                    (507, "B", 1)):
            with self.subTest(offset=offset, value=value):
                self.fresh(self.header(offset, form, value))
                self.assert_stops("damaged")

    def test_ended(self):
        for kind in (journal.DONE, journal.ABORTED):
            self.fresh(self.with_ending(kind))
            self.assert_removed()

    def with_ending(self, kind, transaction=None):
        changed = bytearray(self.content)
        journal.end(changed, kind, 1)
        if transaction:
            changed[SECTOR + 16:SECTOR + 32] = transaction
            journal.seal(changed, 1)
        return bytes(changed)

    def test_impossible_endings(self):
        for content in (self.with_ending(0), self.with_ending(4),
                        self.with_ending(journal.DONE, b"another's number")):
            self.fresh(content)
            self.assert_stops("damaged")

    def test_recovery_that_was_interrupted(self):
        """By a system that ran long ago; the image has not been written to since."""
        self.fresh(self.with_ending(3))
        self.assertEqual(self.check("-n")[1], ["pending-undo"])

    def test_journal_of_another_file(self):
        """It is put aside, whatever it says: it cannot be about this image."""
        changed = self.header(76 + 4 + 8, "I", 0x12345678)
        for options in ((), ("--discard-journal",)):
            self.fresh(changed)
            before = harness.state_of(self.image)
            self.assertEqual(self.assert_keeps(lambda: self.check("-n"))[1], ["pending-set-aside"])
            result, found = self.check(*options)
            self.assertEqual(found, ["set-aside"], result)
            self.assert_checked(result, self.image)
            self.assertEqual(harness.state_of(self.image), before)
            aside, = self.journals()
            with open(aside, "rb") as file:
                self.assertEqual(file.read(), changed)
            os.unlink(aside)

    def test_switch_somewhere_else_and_sizes_that_do_not_fit(self):
        """The sizes are the header's: an image that is shorter or longer was somebody else's."""
        sizes = read_journal(self.place)
        for size in (sizes.old_size - SECTOR, sizes.final_size + SECTOR):
            self.fresh()
            mtime = os.stat(self.image).st_mtime_ns
            os.truncate(self.image, size)
            os.utime(self.image, ns=(mtime, mtime))
            before = harness.state_of(self.image)
            self.assertEqual(self.assert_keeps(lambda: self.check("-n"))[1],
                             ["pending-supersede"])
            result, found = self.check()
            self.assertEqual((harness.state_of(self.image), found), (before, ["superseded"]))
            self.assert_checked(result, self.image)
            self.assertEqual(self.journals(), [])


if __name__ == "__main__":
    harness.main()
