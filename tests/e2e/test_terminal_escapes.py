#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No byte that could steer a terminal reaches one, whatever it comes from: image, journal, command
line or environment.

Each command runs with both outputs on a terminal.  Nothing below 0x20 but newlines and tabs, no
0x7f and no C1 control, as one byte or as UTF-8, is to be seen.
"""

import os
import re
import struct

from lib import crashes, harness, images, journal, shapes
from lib.craft import Craft
from lib.edits import EditCase
from lib.qcow2 import EXT_BACKING_FORMAT, EXT_DATA_FILE, FLAG_IN_USE, INCOMPAT_DATA_FILE
from lib.shapes import Shot, Spec
from lib.terminal import on_terminal

# Clears, retitles, asks for the cursor's place, overwrites, rings; C1 as UTF-8 and as bytes.
EVIL = (b"\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b[6n\b\b\b\r\n\v\f\x0e\x7f"
        b"\xc2\x9b31m\xc2\x85\x9b2J\x90q\x9c\xe2\x80\xae")
NAME = os.fsdecode(EVIL)
STEERS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
C1 = re.compile(rb"[\x80-\x9f]")
CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|"
                       rb"[\xf0-\xf4][\x80-\xbf]{3}")


class Escapes(EditCase):
    def on_terminal(self, *command, **environment):
        """(exit code, both outputs) of an instar that writes to a terminal."""
        code, out, err = on_terminal(
            ("sh", "-c", 'exec "$0" "$@" 2>&1', harness.INSTAR, *command), cwd=self.directory,
            env=self.environment | environment)
        self.assertEqual(err, b"")
        return code, out

    def assert_harmless(self, *command, shows=True, **environment):
        """`shows`: the text is there, escaped."""
        for run in (self.on_terminal, self.piped):
            code, out = run(*command, **environment)
            if run == self.piped and command[0] == "info" and "--output=json" not in command:
                continue  # into a pipe names are written as they are, as qemu-img does
            with self.subTest(command=command, run=run.__name__):
                self.assertGreaterEqual(code, 0, out)
                self.assertIsNone(STEERS.search(out), out)
                self.assertIsNone(C1.search(CHARACTER.sub(b"", out)), out)
                if shows:
                    self.assertRegex(out, rb"(?i)(\\x1b|\\u001b)\[2J")
        return code, out

    def piped(self, *command, **environment):
        done = self.run_program("sh", "-c", 'exec "$0" "$@" 2>&1', harness.INSTAR, *command,
                                environment=self.environment | environment)
        return done.code, done.out.encode("utf-8", "surrogateescape")


class CommandLine(Escapes):
    def test_every_argument(self):
        images.create(self.path("disk.qcow2"))
        for command in ((NAME,), ("bitmap", "--" + NAME), ("bitmap", "--add", NAME, "n"),
                        ("bitmap", "--add", "-f", NAME, "x", "y"),
                        ("bitmap", "--output", NAME), ("bitmap", "--memory-limit", NAME),
                        ("bitmap", "--add", "a", "b", NAME), ("info", NAME), ("check", NAME),
                        ("check", "-r", NAME, "disk.qcow2"), ("check", "--all", NAME),
                        ("map", "--bitmap", "b", NAME), ("resize", NAME, "+1M"),
                        ("journal", NAME), ("journal", "show", NAME), ("info", "--" + NAME)):
            self.assert_harmless(*command)
        for command in (("bitmap", "--merge", NAME, "disk.qcow2", "n"),
                        ("bitmap", "--add", "-g", NAME, "disk.qcow2", "n"),
                        ("resize", "disk.qcow2", NAME), ("map", "--bitmap", NAME, "disk.qcow2")):
            code, _ = self.assert_harmless(*command, shows=False)
            self.assertNotEqual(code, 0)

    def test_environment(self):
        images.create(self.path("disk.qcow2"))
        for variable in ("INSTAR_JOURNAL_DIR", "INSTAR_STATE_DIR", "INSTAR_SANDBOX"):
            for command in (("bitmap", "--clear", "disk.qcow2", "n"), ("check", "disk.qcow2"),
                            ("check", "--all", "-n")):
                value = os.path.join("/proc", NAME) if variable.endswith("DIR") else NAME
                self.assert_harmless(*command, shows=False, **{variable: value})


class Named(Escapes):
    """A path that is a weapon, and all of it again in the journal."""

    def test_image_path(self):
        os.mkdir(self.path(NAME))
        path = self.path(NAME + "/disk.qcow2")
        os.rename(images.with_bitmaps(self.path("plain.qcow2")), path)
        for command in (("bitmap", "--add", path, "a"), ("bitmap", "--remove", path, "x")):
            self.assert_harmless(*command, shows=False)
        for command in (("info", path), ("info", "--output=json", path),
                        ("check", "--output=json", path)):
            self.assert_harmless(*command)
        with open(path + harness.JOURNAL_SUFFIX, "wb") as file:
            file.write(b"no journal" * 100)
        for command in (("bitmap", "--add", path, "n"), ("check", path), ("resize", path, "+1M"),
                        ("info", path), ("map", "--bitmap", "a", path),
                        ("check", "--all", str(self.directory)),
                        ("journal", "show", path + harness.JOURNAL_SUFFIX)):
            self.assert_harmless(*command, shows=command[0] != "map")
        self.assert_harmless("check", path, INSTAR_DEBUG="1")

    def test_what_a_journal_has_recorded(self):
        """The request, which has a bitmap's name, and the path; in a journal of a killed edit,
        and in one that is forged."""
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add", image=self.path("disk.qcow2"))
        self.command = ("--add", self.image, NAME)
        crash = crashes.Crash(self, crashes.IN_THE_BUILD)
        for command in (("journal", "show", crash.journal), ("check", "-n", self.image),
                        ("journal", "show", "--output", "json", crash.journal),
                        ("check", "-n", "--output", "json", self.image),
                        ("check", "--all", "-n")):
            self.assert_harmless(*command)
        for command in (("info", self.image), ("info", "--output=json", self.image)):
            self.assert_harmless(*command, shows=False)
        forged = self.forge(crash.journal)
        os.rename(self.image, self.path("elsewhere"))
        for command in (("journal", "show", forged), ("journal", "show", "--output=json", forged),
                        ("check", "--all", "-n", str(self.directory))):
            self.assert_harmless(*command)

    def forge(self, path):
        """A journal whose recorded path is a weapon, and its own name, too."""
        with open(path, "rb") as file:
            data = bytearray(file.read())
        closing = journal.read(bytes(data)).batches[-1].closing
        name = os.fsencode(self.image)
        at = data.rindex(name, 2 * journal.SECTOR, 3 * journal.SECTOR)
        data[at:at + len(name)] = EVIL.ljust(len(name), b"\x1b")[:len(name)]
        journal.close(data, closing)
        forged = self.path(NAME + harness.JOURNAL_SUFFIX)
        with open(forged, "wb") as file:
            file.write(data)
        os.chmod(forged, 0o600)
        os.unlink(path)
        return forged


class InTheImage(Escapes):
    """Everything in an image that is a text."""

    def setUp(self):
        super().setUp()
        self.image = images.create(self.path("disk.qcow2"), cluster=4096)
        with Craft(self.image) as image:
            shapes.bitmaps(Spec(EVIL, bits=(1,)), Spec(b"used" + EVIL, flags=FLAG_IN_USE),
                           Spec(b"b"))(image)
            shapes.snapshots(Shot(EVIL, EVIL))(image)
            shapes.give_backing(image, EVIL, EVIL[:15])
            image.add_record(EXT_DATA_FILE, EVIL, 0)
            image.set_incompatible(INCOMPAT_DATA_FILE)
            self.assertIn(EXT_BACKING_FORMAT, [kind for kind, _ in image.records()])

    def commands(self):
        for form in ("human", "json"):
            yield "info", "--count", "--output", form, self.image
            yield "check", "--output", form, self.image
            yield "check", "-r", "all", "-n", "--output", form, self.image
            yield "map", "--output", form, "--bitmap", NAME, self.image

    def test_sound(self):
        for command in self.commands():
            self.assert_harmless(*command, shows=command[0] == "info")
        for command in (("bitmap", "--add", self.image, NAME),
                        ("bitmap", "--clear", self.image, "used" + NAME),
                        ("bitmap", "--merge", "nothing" + NAME, self.image, "b"),
                        ("check", "--reset-in-use", "used" + NAME, self.image),
                        ("check", "--reset-in-use", NAME, self.image),
                        ("map", "--bitmap", "used" + NAME, self.image)):
            self.assert_harmless(*command, shows=False)

    def test_damaged(self):
        """Damage is told with the name of what is damaged."""
        def table(image):
            image.set_table_entry(EVIL, 0, 0x123456)

        def snapshot(image):
            image.pwrite(image.snapshots_offset + 8, struct.pack(">I", 0xFFFFFFFF))

        def unaligned(image):
            image.pwrite(image.snapshots_offset, struct.pack(">Q", 0x1234))

        def twice(image):
            image.pwrite(image.bitmap(b"used" + EVIL).offset, struct.pack(
                ">Q", image.bitmap(EVIL).table_offset))

        def granularity(image):
            image.pwrite(image.bitmap(EVIL).offset + 17, b"\xff")

        with open(self.image, "rb") as file:
            sound = file.read()
        for damage in (table, snapshot, unaligned, twice, granularity):
            with open(self.image, "wb") as file:
                file.write(sound)
            with Craft(self.image) as image:
                damage(image)
            with self.subTest(damage=damage.__name__):
                for command in (*self.commands(), ("bitmap", "--remove", self.image, NAME),
                                ("check", "-r", "all", self.image)):
                    self.assert_harmless(*command, shows=False)

    def test_the_judge_sees_what_steers(self):
        """qemu-img prints the names as they are."""
        done = self.run_program("qemu-img", "info", "-U", images.alone(self.image))
        self.assertTrue(STEERS.search(done.out.encode()) or done.code, done)
        self.assertIsNotNone(STEERS.search(EVIL))
        self.assertIsNotNone(C1.search(CHARACTER.sub(b"", b"\x9b2J")))
        self.assertIsNone(C1.search(CHARACTER.sub(b"", "\u00fc\u20ac".encode())))


if __name__ == "__main__":
    harness.main()
