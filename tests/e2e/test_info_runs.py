#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs of `instar info`: it changes nothing, opens no other file, takes a reader's locks, and
refuses what is no qcow2 image."""

import os
import re
import struct
import unittest

from lib import faults, harness, images, info_images, locks, look, shapes
from lib.odd_names import ODD_NAMES, as_qemu_reads
from lib.shapes import Spec, bitmaps, shaped
from lib.terminal import on_terminal

ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


class RunsCase(look.LookCase):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")

    def use(self, name):
        return dict(info_images.CASES)[name](self.image)


class NothingIsChanged(RunsCase):
    IMAGES = ("cluster 512, refcounts of 1 bits", "version 2, cluster 65536, backing file", "dirty",
              "corrupt", "unknown autoclear bits, bitmaps", "stale bitmaps, cluster 4096",
              "file end cut, cluster 65536", "bitmaps of all granularities, in use",
              "snapshots and bitmaps", "LUKS, bitmaps, backing file")

    def test_no_byte_and_no_file(self):
        for name in self.IMAGES:
            self.use(name)
            for options in ((), ("--count",), ("--output=json", "--count"), ("-U",)):
                with self.subTest(name=name, options=options), self.untouched(self.image):
                    self.looks("info", *options, self.image)

    def test_the_state_directory_is_not_made(self):
        self.use("dirty")
        self.looks("info", self.image)
        self.assertFalse(os.path.exists(self.path("state")))

    def test_a_file_and_folder_that_cannot_be_written(self):
        self.use("snapshots and bitmaps")
        os.chmod(self.image, 0o444)
        os.chmod(self.directory, 0o555)
        weak = () if os.geteuid() else ("setpriv", "--bounding-set=-dac_override")
        writing = self.look(*weak, "test", "-w", self.image)
        self.assertEqual(writing.code, 1, "it can be written all the same")
        ours = self.look(*weak, harness.INSTAR, "info", self.image)
        self.assertEqual((ours.code, ours.err), (0, b""), ours)
        self.assertEqual(look.qemu_human(ours.out), self.qemu_info(self.image))


class Devices(RunsCase):
    def test_a_block_device_is_described_and_mapped(self):
        self.need_root("opens a loop device")
        shaped(bitmaps(Spec(b"a", bits=(1,))), shapes.numbered(2), backing=b"base")(self.image)
        os.truncate(self.image, 1 << 20)  # a device has whole sectors, and more than it needs
        device = images.tool("losetup", "--find", "--show", "--read-only", self.image).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        for options in ((), ("--output=json",)):
            theirs = self.qemu_info(*options, device)
            ours = self.looks("info", *options, device)
            strip = look.qemu_json if options else look.qemu_human
            self.assertEqual(strip(ours).split(b"\n"), theirs.split(b"\n"))
        found, = look.bitmaps_of(self.info("--count", device))
        self.assertEqual(found["instar-dirty-bytes"], 65536)
        self.assertIn(b"0x10000         0x10000\n", self.looks("map", "--bitmap=a", device))


class OtherFiles(RunsCase):
    """The backing and data files that an image names are never opened."""

    NAMED = (b"other.qcow2", "qcow2")

    def named(self, name):
        """An image that names `name` as both; qemu would need the data file to say anything."""
        return shaped(shapes.data_file_named(name), shapes.plain_bitmaps, backing=name)(self.image)

    def assert_described(self, name):
        found = self.info("--count", self.image)
        self.assertEqual(found["backing-filename"], name)
        self.assertEqual(look.data_of(found)["data-file"], name)
        self.assertEqual(len(look.bitmaps_of(found)), 3)
        self.assertIn(b"backing file: " + name.encode(), self.looks("info", self.image))

    def test_they_do_not_exist(self):
        self.named(b"other.qcow2")
        self.assert_described("other.qcow2")

    def test_they_are_fifos(self):
        """To open one would wait for ever."""
        self.named(b"other.qcow2")
        os.mkfifo(self.path("other.qcow2"))
        self.assert_described("other.qcow2")

    def test_they_are_devices_directories_or_the_image_itself(self):
        for name in ("/dev/zero", "/", "disk.qcow2", "/dev/tty"):
            self.named(name.encode())
            self.assert_described(name)

    @unittest.skipUnless(faults.available(), "strace is not installed")
    def test_no_system_call_names_them(self):
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.named(b"other.qcow2")
        log = self.path("strace.log")
        result = self.look("strace", "-E", "ASAN_OPTIONS=detect_leaks=0", "-f", "-qq",
                           "-e", "trace=%file", "-o", log, harness.INSTAR, "info", "--count",
                           self.image)
        self.assertEqual(result.code, 0, result)
        with open(log, encoding="utf-8", errors="replace") as file:
            calls = file.read()
        self.assertIn(self.image, calls)
        self.assertNotIn("other.qcow2", calls)


class Locks(RunsCase, locks.Holder):
    def setUp(self):
        super().setUp()
        images.with_bitmaps(self.image)

    def assert_refused_as_by_qemu(self):
        theirs = self.look("qemu-img", "info", self.image)
        ours = self.instar_look("info", self.image)
        self.assertEqual((ours.code, ours.out), (1, b""), ours)
        words = theirs.err.split(b": ", 2)[2]
        self.assertIn(b"lock", words)
        self.assertEqual(ours.err, b"instar info: " + words)

    def assert_same_with_force(self):
        for option in ("-U", "--force-share"):
            theirs = self.qemu_info(option, "--output=json", self.image)
            ours = self.looks("info", option, "--output=json", self.image)
            self.assertEqual(look.qemu_json(ours), theirs)
            self.looks("info", option, "--count", self.image)

    def test_a_writer_of_qemu_io(self):
        self.hold("qemu-io", "-f", "qcow2", self.image, ready=b"qemu-io>")
        self.assert_refused_as_by_qemu()
        self.assert_same_with_force()
        flags = {b["name"]: b["flags"] for b in look.bitmaps_of(self.info("-U", self.image))}
        self.assertEqual(flags, dict.fromkeys("abc", ["in-use", "auto"]))

    def test_a_writer_of_qemu_storage_daemon(self):
        self.hold_by_daemon(self.image)
        self.assert_refused_as_by_qemu()
        self.assert_same_with_force()

    def test_readers_are_welcome(self):
        self.hold("qemu-io", "-r", "-f", "qcow2", self.image, ready=b"qemu-io>")
        self.assertEqual(look.qemu_human(self.looks("info", self.image)),
                         self.qemu_info(self.image))

    def test_every_lock_byte_that_tells_of_a_writer(self):
        for byte in (101, 103):
            with self.subTest(byte=byte), locks.locked(self.image, byte):
                result = self.instar_look("info", self.image)
                self.assertEqual((result.code, result.out), (1, b""), result)
                self.assertRegex(result.err, b'^instar info: Failed to get shared "[a-z]+" lock\n')
                self.looks("info", "-U", self.image)

    def test_no_other_lock_byte_counts(self):
        for byte in (0, 100, 102, 201, 203):
            with self.subTest(byte=byte), locks.locked(self.image, byte):
                self.looks("info", self.image)


class Refusals(RunsCase):
    def test_what_is_no_qcow2_image(self):
        for name, content in (("raw", b"\0" * 65536), ("empty", b""), ("short", b"QFI"),
                              ("text", b"hello\n"), ("qcow", b"QFI\xfb\0\0\0\1" + bytes(100))):
            with self.subTest(name=name):
                with open(self.path(name), "wb") as file:
                    file.write(content)
                with self.untouched(self.path(name)):
                    result = self.instar_look("info", self.path(name))
                self.assertEqual((result.code, result.out), (1, b""), result)
                self.assertRegex(result.err, rb"^instar info: [^\n]+\n(hint: [^\n]+\n)?$")
                if name != "qcow":
                    self.refused("info", "not a qcow2 image", self.path(name))

    def test_what_is_no_file(self):
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        self.refused("info", f"cannot use '{self.path('folder')}': it is a directory",
                     self.path("folder"))
        self.refused("info", f"cannot use '{self.path('fifo')}': it is neither a regular file nor "
                     "a block device", self.path("fifo"))
        self.refused("info", f"cannot open '{self.path('none')}': No such file or directory",
                     self.path("none"))

    def test_other_formats(self):
        self.use("dirty")
        for kind in ("raw", "qcow", "vmdk", "QCOW2", ""):
            result = self.instar_look("info", "-f", kind, self.image)
            self.assertEqual((result.code, result.out), (1, b""), result)
            self.assertIn(b"qcow2", result.err)

    def test_a_header_that_cannot_be_used(self):
        for offset, form, value in ((4, ">I", 4), (4, ">I", 1), (4, ">I", 0), (20, ">I", 8),
                                    (20, ">I", 22), (20, ">I", 0xFFFFFFFF)):
            with self.subTest(offset=offset, value=value):
                self.use("cluster 65536, refcounts of 16 bits")
                with open(self.image, "r+b") as file:
                    file.seek(offset)
                    file.write(struct.pack(form, value))
                self.refused("info", "the image header could not be parsed", self.image)

    def test_command_lines(self):
        self.use("dirty")
        for arguments in ((), (self.image, self.image), ("--bogus", self.image),
                          ("--output=xml", self.image), ("--output", self.image), ("-f",),
                          ("--co=1", self.image), ("-c", self.image)):
            with self.subTest(arguments=arguments):
                result = self.instar_look("info", *arguments)
                self.assertEqual((result.code, result.out), (2, b""), result)
                self.assertTrue(result.err.startswith(b"instar info: "), result)

    def test_help_and_version(self):
        for option in ("-h", "--help", "--he"):
            self.assertIn(b"instar info", self.looks("info", option))
        for option in ("-V", "--version"):
            self.assertRegex(self.looks("info", option), rb"^instar info \d")


class Output(RunsCase):
    def test_a_full_disk_is_an_error(self):
        self.use("a thousand bitmaps")
        for options in ((), ("--output=json",), ("--count",), ("--help",)):
            with self.subTest(options=options), open("/dev/full", "wb") as full:
                result = self.instar_look("info", *options, self.image, stdout=full)
                self.assertEqual(result.code, 1, result)
                self.assertEqual(result.err.split(b"\n")[0], b"instar info: cannot write to "
                                 b"standard output: No space left on device")

    def test_a_closed_output_is_an_error(self):
        self.use("a thousand bitmaps")
        read, write = os.pipe()
        os.close(read)
        with open(write, "wb") as pipe:
            result = self.instar_look("info", self.image, stdout=pipe)
        self.assertEqual(result.code, 1, result)
        self.assertIn(b"cannot write to standard output: Broken pipe", result.err)

    def terminal(self, *arguments):
        code, out, err = on_terminal((harness.INSTAR, "info", *arguments), env=self.environment,
                                     cwd=self.directory)
        self.assertEqual((code, err), (0, b""))
        return out

    def test_a_terminal_gets_no_byte_that_could_steer_it(self):
        """And every name can be read back from what is shown."""
        for what, name in ODD_NAMES.items():
            with self.subTest(what=what):
                shaped(bitmaps(Spec(name)), cluster=4096)(self.image)
                out = self.terminal(self.image)
                self.assert_harmless(out)
                shown, = [line for line in out.split(b"\n")
                          if line.startswith(b" " * 12 + b"name: ")]
                self.assertEqual(self.unescaped(shown[18:]), as_qemu_reads(name))

    def test_every_text_of_an_image_is_escaped_on_a_terminal(self):
        odd = b"a\x1b[31m\n\xc2\x9b\xff\\"
        shaped(bitmaps(Spec(odd)), shapes.snapshots(shapes.Shot(odd, odd)),
               shapes.extension(shapes.EXT_DATA_FILE, odd), backing=odd, backing_format=odd)(
                   os.path.join(self.directory, os.fsdecode(b"odd\x1b\n\xff")))
        out = self.terminal(b"odd\x1b\n\xff")
        self.assert_harmless(out)
        shown = rb"a\x1b[31m\x0a\xc2\x9b\xff\x5c"
        for text in (b"image: odd\\x1b\\x0a\\xff\n", b"backing file: " + shown + b"\n",
                     b"backing file format: " + shown + b"\n", b"data file: " + shown + b"\n",
                     b" name: " + shown + b"\n", b"\n" + shown):
            self.assertIn(text, out.replace(b"backing file: " + shown + b" (actual path: " + shown
                                            + b")", b"backing file: " + shown))

    def assert_harmless(self, out):
        text = out.decode()  # well-formed
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]")

    @staticmethod
    def unescaped(shown):
        return ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), shown)

    def test_json_and_pipes_get_what_qemu_prints(self):
        self.use("all odd names but those with NULs")
        out = self.terminal("--output=json", self.image)
        self.assertEqual(look.qemu_json(out), self.qemu_info("--output=json", self.image))
        self.assertNotEqual(self.terminal(self.image), self.looks("info", self.image))


if __name__ == "__main__":
    harness.main()
