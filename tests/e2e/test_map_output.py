#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How `instar map` writes: a stream in little memory, errors of the output, the picture that a
terminal gets."""

import fcntl
import os
import re
import subprocess

from lib import extents, harness, look, shapes
from lib.qcow2 import Image
from lib.shapes import Spec, bitmaps, shaped
from lib.terminal import on_terminal

PIPE = 4096  # bytes, the least that a pipe may hold
TIB = 1 << 40
MORE_KIB = 2048
BLOCKS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
NO_SPACE = b"instar map: cannot write to standard output: No space left on device\n"
BROKEN = b"instar map: cannot write to standard output: Broken pipe\n"


class OutputCase(look.LookCase):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")


def every_other(count, start=0):
    return tuple(range(start, start + 2 * count, 2))


class Memory(OutputCase):
    """VmHWM, read while the program waits to write its last bytes: then all is scanned."""

    def peak(self, name, *options):
        whole = len(self.looks("map", f"--bitmap={name}", *options, self.image))
        self.assertGreater(whole, 2 * PIPE)
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
        with subprocess.Popen([harness.INSTAR, "map", f"--bitmap={name}", *options, self.image],
                              stdout=write, env=self.environment) as process:
            os.close(write)
            with open(read, "rb", buffering=0) as pipe:
                seen = 0
                while seen < whole - PIPE - 1:
                    seen += len(pipe.read(whole - PIPE - 1 - seen))
                with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                    peak = re.search(r"VmHWM:\s*(\d+) kB", file.read())
                seen += len(pipe.read())
        self.assertEqual((process.returncode, seen), (0, whole))
        return int(peak[1])

    def test_a_bitmap_of_512_mib_takes_little_more_than_a_tiny_one(self):
        shaped(bitmaps(Spec(b"tiny", 4096, bits=every_other(500))), size="64M")(self.image)
        tiny = {option: self.peak("tiny", option) for option in ("--output=human",
                                                                  "--output=json")}
        os.unlink(self.image)
        dense = every_other(65536 * 4, 3000 * 524288)
        shaped(bitmaps(Spec(b"huge", 4096, bits=(0, *dense, (1 << 32) - 1), ones=(7, 8, 5000))),
               size=16 * TIB)(self.image)
        with Image(self.image) as opened:
            entry = opened.bitmap("huge")
            self.assertEqual(entry.table_size * opened.cluster_size, 512 << 20)
        for option, least in tiny.items():
            with self.subTest(option=option):
                huge = self.peak("huge", option)
                print(f"VmHWM {option}: tiny {least} KiB, 512 MiB {huge} KiB")
                self.assertLessEqual(huge, least + MORE_KIB)

    def test_a_huge_bitmap_is_right(self):
        """The ends of its table, a cluster that is all ones, and nothing else."""
        shaped(bitmaps(Spec(b"huge", 4096, bits=(0, 1, (1 << 32) - 1), ones=(8190,))),
               size=16 * TIB)(self.image)
        found = self.looks("map", "--bitmap=huge", self.image)
        granules = 65536 * 8 * 4096
        self.assertEqual(found, extents.human([
            (0, 8192), (8190 * granules, granules), (16 * TIB - 4096, 4096)]))


class Errors(OutputCase):
    def setUp(self):
        super().setUp()
        shaped(bitmaps(Spec(b"many", 4096, bits=every_other(100_000)), Spec(b"none"),
                       Spec(b"few", bits=(1,))), size="1G")(self.image)

    def test_a_full_disk(self):
        for name in ("many", "few", "none"):
            for option in ("--output=human", "--output=json"):
                with self.subTest(name=name, option=option), open("/dev/full", "wb") as full:
                    result = self.instar_look("map", "--bitmap", name, option, self.image,
                                              stdout=full)
                    self.assertEqual((result.code, result.err), (1, NO_SPACE), result)

    def test_a_pipe_that_nobody_reads(self):
        for name in ("many", "few", "none"):
            read, write = os.pipe()
            os.close(read)
            with self.subTest(name=name), open(write, "wb") as pipe:
                result = self.instar_look("map", "--bitmap", name, self.image, stdout=pipe)
                self.assertEqual((result.code, result.err), (1, BROKEN), result)

    def test_a_reader_that_goes_away(self):
        """With SIGPIPE as Python leaves it to its children, and as a shell does."""
        for restore in (True, False):
            with self.subTest(restore=restore), subprocess.Popen(
                    [harness.INSTAR, "map", "--bitmap=many", self.image], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, restore_signals=restore) as process:
                self.assertEqual(process.stdout.readline(), b"Offset          Length\n")
                process.stdout.close()
                self.assertEqual((process.stderr.read(), process.wait()), (BROKEN, 1))

    def test_a_closed_descriptor(self):
        result = self.look("sh", "-c", 'exec "$@" >&-', "sh", harness.INSTAR, "map", "--bitmap=few",
                           self.image)
        self.assertEqual((result.code, result.out), (1, b""), result)
        self.assertIn(b"cannot write to standard output: Bad file descriptor", result.err)


class Picture(OutputCase):
    def terminal(self, name, columns=80, *options, locale="C.UTF-8"):
        code, out, err = on_terminal(
            (harness.INSTAR, "map", "--bitmap", name, *options, self.image), columns,
            env=dict(self.environment, LC_ALL=locale), cwd=self.directory)
        self.assertEqual((code, err), (0, b""))
        return out

    def picture(self, name, columns=80, **options):
        """(the line of blocks, what stands around it), the list behind it being the usual one."""
        out = self.terminal(name, columns, **options)
        table = self.looks("map", "--bitmap", name, self.image)
        self.assertTrue(out.endswith(b"\n" + table), out)
        before = out[:-len(table)].decode().split("\n")
        self.assertEqual(len(before), 5, before)  # words, blocks, scale, an empty line
        self.assertEqual(before[3:], ["", ""])
        return before[1], (before[0], before[2])

    def shares(self, name, columns):
        """The dirty share of every column of the disk, by the tests' own reader."""
        with Image(self.image) as opened:
            size = extents.disk_size(opened)
            found = extents.extents_read(opened, opened.bitmap(name))
        width = -(-size // columns)
        dirty = [0] * columns
        for start, length in found:
            while length:
                column = start // width
                part = min(length, (column + 1) * width - start)
                dirty[column] += part
                start, length = start + part, length - part
        return [part / min(width, size - i * width) for i, part in enumerate(dirty)]

    def assert_drawn(self, name, columns, steps=BLOCKS, **options):
        line, _ = self.picture(name, columns, **options)
        self.assertEqual(len(line), columns)
        self.assertEqual((line[0], line[-1]), ("|", "|"))
        shares = self.shares(name, columns - 2)
        self.assertEqual(len(shares), len(line) - 2)
        for i, (character, share) in enumerate(zip(line[1:-1], shares)):
            self.assertIn(character, steps)
            self.assertEqual(character == " ", share == 0, (i, share))
            self.assertEqual(character == steps[-1], share == 1, (i, share))
            self.assertLessEqual(abs(steps.index(character) / 8 - share), 1 / 7, (i, share))

    def make(self):
        """A little of everything, on a disk that does not divide by any width."""
        half = tuple(range(5000, 6000)) + tuple(range(6000, 8000, 2))
        shaped(bitmaps(Spec(b"mixed", bits=(0, *range(700, 900), 3000, *half, 16384)),
                       Spec(b"none"), Spec(b"all", ones=(0,)), Spec(b"one", 512, bits=(1 << 20,)),
                       Spec(b"last", bits=(16384,))), size=(1 << 30) + 512)(self.image)

    def test_a_column_is_blank_exactly_where_nothing_is_dirty(self):
        self.make()
        for columns in (10, 20, 79, 80, 133, 300):
            for name in ("mixed", "none", "all", "one", "last"):
                with self.subTest(name=name, columns=columns):
                    self.assert_drawn(name, columns)

    def test_without_utf_8_it_is_of_ascii(self):
        self.make()
        for locale in ("C", "POSIX", "de_DE.ISO-8859-1"):
            line, around = self.picture("mixed", 80, locale=locale)
            self.assertTrue((line + "".join(around)).isascii())
            self.assertEqual(len(line), 80)
            for character, share in zip(line[1:-1], self.shares("mixed", 78)):
                self.assertEqual(character == " ", share == 0)
        self.assertFalse(self.picture("mixed", 80, locale="de_DE.UTF-8")[0].isascii())

    def test_the_scale_and_how_much(self):
        shaped(bitmaps(Spec(b"a", 1 << 20, bits=tuple(range(256)))), size="1G")(self.image)
        _, (words, scale) = self.picture("a", 80)
        self.assertIn("256 MiB", words)
        self.assertIn("1 GiB", words)
        self.assertRegex(words, r"\b25(\.0*)? ?%")
        self.assertRegex(scale, "^0 +512 MiB +1 GiB$")
        self.assertEqual(len(scale), 80)
        self.assertAlmostEqual(scale.index("512 MiB") + 3.5, 40, delta=1.5)

    def test_terminals_of_no_and_of_hardly_any_width(self):
        self.make()
        for columns in (0, 1, 2, 3, 5, 65535):
            with self.subTest(columns=columns):
                out = self.terminal("mixed", columns)
                self.assertTrue(out.endswith(self.looks("map", "--bitmap=mixed", self.image)))
                if 0 < columns < 80:
                    blocks = [line for line in out.decode().split("\n") if line.startswith("|")]
                    self.assertTrue(all(len(line) <= columns for line in blocks), blocks)

    def test_tiny_and_empty_disks(self):
        for size in (512, 1024, 65536):
            shaped(bitmaps(Spec(b"a", 512, bits=(0,))), size=size)(self.image)
            line, _ = self.picture("a", 80)
            self.assertLessEqual(len(line), 80)
            self.assertNotEqual(line[1], " ")

    def test_json_and_files_have_no_picture(self):
        self.make()
        self.assertEqual(self.terminal("mixed", 80, "--output=json"),
                         self.looks("map", "--bitmap=mixed", "--output=json", self.image))
        self.assertTrue(self.looks("map", "--bitmap=mixed", self.image).startswith(b"Offset"))

    def test_damage_draws_nothing(self):
        self.make()
        with shapes.Craft(self.image) as image:
            image.set_table_entry("all", 0, 2)
        code, out, err = on_terminal((harness.INSTAR, "map", "--bitmap=all", self.image),
                                     env=self.environment)
        self.assertEqual((code, out), (1, b""))
        self.assertTrue(err.startswith(b"instar map: malformed table of bitmap 'all'"))


if __name__ == "__main__":
    harness.main()
