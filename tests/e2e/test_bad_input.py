#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad input: one clear line and exit 1, never a crash, never a hang, nothing written."""

import os
import random
import shutil
import socket
import struct

from lib import check, harness, images
from lib.craft import Craft
from lib.qcow2 import EXT_BITMAPS, Image, Malformed

SEED = 4711
NOBODY = 65534


class Files(harness.Case):
    def fails(self, *arguments, words="", **options):
        result = self.instar(*arguments, timeout=30, **options)
        self.assert_refused(result, words, exact=False)
        return result

    def test_missing_file(self):
        missing = self.path("missing.qcow2")
        self.fails("--add", missing, "n", words="No such file")
        self.assertFalse(os.path.exists(missing))
        self.fails("--add", "", "n", words="No such file")
        self.fails("--add", self.path("no/such/folder.qcow2"), "n", words="No such file")

    def test_directory(self):
        self.fails("--add", self.directory, "n", words="directory")
        self.fails("--add", "/", "n", words="directory")

    def test_fifo_socket_and_device(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        self.fails("--add", fifo, "n", words="neither a regular file nor a block device")
        self.fails("--add", "/dev/null", "n", words="neither a regular file nor a block device")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("socket"))
            self.fails("--add", self.path("socket"), "n")

    def test_dangling_and_circular_links(self):
        os.symlink(self.path("nowhere"), self.path("dangling"))
        self.fails("--add", self.path("dangling"), "n", words="No such file")
        os.symlink(self.path("circle"), self.path("circle"))
        self.fails("--add", self.path("circle"), "n")

    def test_empty_file_and_other_formats(self):
        for kind in ("raw", "vmdk", "vdi", "qcow", "qed", "vpc"):
            other = self.path(f"other.{kind}")
            images.tool("qemu-img", "create", "-q", "-f", kind, other, "1M")
            # QCOW version 1 has the same magic
            message = ("the image header could not be parsed" if kind == "qcow"
                       else "not a qcow2 image")
            self.refuses(message, "--add", other, "n")
        open(self.path("empty"), "wb").close()
        self.refuses("not a qcow2 image", "--add", self.path("empty"), "n")

    def test_read_only_file_system(self):
        self.need_root("hides /dev/kvm in a mount namespace of its own")
        path = images.with_bitmaps(self.path("disk.qcow2"))
        result = self.run_program(
            "unshare", "-m", "sh", "-c",
            'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && '
            'exec "$0" bitmap --add "$1/disk.qcow2" n', harness.INSTAR, self.directory)
        self.assert_refused(result, "Read-only file system", exact=False)
        self.assert_sound(path)

    def test_very_long_paths(self):
        self.fails("--add", "x" * 300, "n")
        self.fails("--add", "x/" * 3000, "n")


class Users(harness.Case):
    """What another user than root meets."""

    def setUp(self):
        super().setUp()
        self.need_root("runs the program as another user")
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        os.chmod(self.directory, 0o777)
        self.prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

    def fails(self, words, image=None):
        before = harness.digest_of(self.image)
        result = self.instar("--add", image or self.image, "n", prefix=self.prefix)
        self.assert_refused(result, words, exact=False)
        self.assertEqual(harness.digest_of(self.image), before)

    def test_unreadable_and_read_only_file(self):
        for mode in (0o000, 0o600, 0o644, 0o444, 0o222):
            os.chmod(self.image, mode)
            with self.subTest(mode=oct(mode)):
                self.fails("disk.qcow2")

    def test_folder_without_search_permission(self):
        os.mkdir(self.path("closed"), 0o700)
        shutil.copyfile(self.image, self.path("closed/disk.qcow2"))
        self.fails("Permission denied", self.path("closed/disk.qcow2"))

    def test_kvm_device_without_access(self):
        """The message says how to get it."""
        self.need_kvm()
        os.chown(self.image, NOBODY, NOBODY)
        if os.stat("/dev/kvm").st_mode & 0o006:
            self.skipTest("/dev/kvm is open to everybody here")
        self.environment.pop("INSTAR_SANDBOX", None)
        self.fails("/dev/kvm")
        result = self.instar("--add", self.image, "n", prefix=self.prefix)
        self.assertIn("group kvm", result.err)
        self.assertIn("--sandbox=process", result.err)


class Kvm(harness.Case):
    """Where there is none: it is said, and what helps; nothing else is taken for it silently."""

    def setUp(self):
        super().setUp()
        self.environment.pop("INSTAR_SANDBOX", None)
        self.need_root("hides /dev/kvm in a mount namespace of its own")
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def hidden_behind(self, command):
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.run_program(
            "unshare", "-m", "sh", "-c", command + ' && exec "$0" bitmap --add "$1" n',
            harness.INSTAR, self.image)
        self.assert_refused(result, "KVM is not available: /dev/kvm: ", exact=False)
        self.assertIn("--sandbox=process", result.err)
        self.assertEqual(harness.state_of(self.image), before)
        self.assert_no_journal()
        return result

    def test_no_kvm_device(self):
        self.assertIn("modprobe", self.hidden_behind("mount -t tmpfs none /dev").err)

    def test_kvm_device_that_is_no_kvm(self):
        self.need_kvm()
        result = self.hidden_behind("mount --bind /dev/null /dev/kvm")
        self.assertIn("/dev/kvm is not the kernel's KVM", result.err)

    def test_every_subcommand_works_in_a_process(self):
        """By the option and by the variable; the very same command is refused without."""
        for chosen, option, sandbox in ((False, (), ""), (True, ("--sandbox=process",), "kvm"),
                                        (True, (), "process")):
            images.with_bitmaps(self.image)
            plain = self.path("plain.qcow2")
            images.tool("qemu-img", "create", "-q", "-f", "qcow2", plain, "1M")
            for command in (("info", self.image), ("map", "--bitmap", "a", self.image),
                            ("check", self.image), ("check", "-r", "all", self.image),
                            ("check", "--reset-in-use", "a", self.image),
                            ("bitmap", "--add", self.image, "n"), ("resize", plain, "2M")):
                with self.subTest(command=command, option=option, sandbox=sandbox):
                    result = self.run_program(
                        "unshare", "-m", "sh", "-c", harness.HIDE_KVM + ' && exec "$0" "$@"',
                        harness.INSTAR, command[0], *option, *command[1:],
                        environment={**self.environment, "INSTAR_SANDBOX": sandbox})
                    self.assertEqual((result.code, result.err == ""), (1 - chosen, chosen), result)
                    self.assertEqual("--sandbox=process" in result.err, not chosen, result)

    def test_command_line_is_refused_before_kvm(self):
        result = self.run_program(
            "unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$0" bitmap --add -g 3 '
            '"$1" n', harness.INSTAR, self.image)
        self.assert_refused(result, "granularity must be a power of two between 512 and 2G")


class Limits(harness.Case):
    def test_memory_limit_too_small_for_the_work(self):
        """Refused in the row's words or done; never half."""
        path = images.create(self.path("large.qcow2"), "16T")
        self.succeeds("--add", "-g", "4k", path, "a")
        self.succeeds("--add", "-g", "4k", path, "b")
        with Craft(path) as image:
            image.set_bits("a", {0, 1 << 31})
        before = harness.digest_of(path)
        result = self.instar("--memory-limit", "4M", "--merge", "a", path, "b")
        if result.code:
            self.assert_refused(result, "the image is too large for the bitmap scratch buffer")
            self.assertEqual(harness.digest_of(path), before)
        self.succeeds("--memory-limit", "256M", "--merge", "a", path, "b")
        with Image(path) as image:
            self.assertEqual(image.table(image.bitmap("b"))[0] != 0, True)
        done = self.run_program("qemu-img", "check", "-q", path)
        self.assertEqual(done.code, 0, done)

    def test_smallest_memory_limit_serves_small_images(self):
        path = images.with_bitmaps(self.path("disk.qcow2"))
        self.edit("--memory-limit=4M", "--add", path, "n")
        self.edit("--memory-limit", "8M", "--merge", "a", path, "b")


class Cut(harness.Case):
    """An image cut at every byte of header and directory."""

    def setUp(self):
        super().setUp()
        self.image = images.create(self.path("disk.qcow2"), "1M", cluster=512)
        with Craft(self.image) as image:
            for name in ("a", "bb", "ccc"):
                image.add_bitmap(name, 65536, bits={1, 5})
        self.assert_sound(self.image)
        with Image(self.image) as image:
            self.body = image.bitmaps_body()

    def refused_when_cut(self, lengths, *command):
        cut = self.path("cut.qcow2")
        for length in lengths:
            shutil.copyfile(self.image, cut)
            os.truncate(cut, length)
            with self.subTest(length=length):
                self.refuses("", *command[:-1], cut, command[-1], exact=False, timeout=30)

    def test_every_byte_of_the_header(self):
        self.refused_when_cut(range(0, 512), "--add", "n")

    def test_every_byte_of_the_directory(self):
        size, offset = self.body[1:]
        self.refused_when_cut(range(offset, offset + size), "--disable", "a")

    def test_every_sector_of_the_file(self):
        with Image(self.image) as image:
            end = image.file_size
        self.refused_when_cut(range(512, end - 512, 512), "--remove", "a")


class Malformations(harness.Case):
    """Header extensions and directories that break the specification; never a repair that
    replaces them, never `no bitmaps`."""

    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"), cluster=4096)

    def refused_everywhere(self, *actions):
        for action, name in actions or (("--add", "n"), ("--remove", "a"), ("--clear", "a"),
                                        ("--disable", "a"), ("--merge=b", "a")):
            self.refuses("malformed", action, self.image, name, exact=False)

    def put(self, *writes):
        """Write without looking: the image need not be one any more."""
        with open(self.image, "r+b") as file:
            for offset, data in writes:
                file.seek(offset)
                file.write(data)

    def test_bitmaps_extension(self):
        with Image(self.image) as image:
            record = image.extension(EXT_BITMAPS)
            count, size, offset = image.bitmaps_body()
        for what, data in (
                ("no bitmaps", struct.pack(">IIQQ", 0, 0, size, offset)),
                ("one too few", struct.pack(">IIQQ", count - 1, 0, size, offset)),
                ("one too many", struct.pack(">IIQQ", count + 1, 0, size, offset)),
                ("too many", struct.pack(">IIQQ", 65536, 0, size, offset)),
                ("2^32-1 bitmaps", struct.pack(">IIQQ", 0xFFFFFFFF, 0, size, offset)),
                ("reserved field", struct.pack(">IIQQ", count, 1, size, offset)),
                ("empty directory", struct.pack(">IIQQ", count, 0, 0, offset)),
                ("directory too short", struct.pack(">IIQQ", count, 0, size - 8, offset)),
                ("directory too long", struct.pack(">IIQQ", count, 0, size + 8, offset)),
                ("directory size unaligned", struct.pack(">IIQQ", count, 0, size - 1, offset)),
                ("huge directory", struct.pack(">IIQQ", count, 0, 67107848, offset)),
                ("wrapping directory", struct.pack(">IIQQ", count, 0, (1 << 64) - 8, offset)),
                ("directory unaligned", struct.pack(">IIQQ", count, 0, size, offset + 512)),
                ("directory at 0", struct.pack(">IIQQ", count, 0, size, 0)),
                ("directory far away", struct.pack(">IIQQ", count, 0, size, 1 << 40)),
                ("directory wraps", struct.pack(">IIQQ", count, 0, size, (1 << 64) - 4096))):
            with self.subTest(what=what):
                self.put((record.offset + 8, data))
                self.refused_everywhere()

    def test_extension_area(self):
        with Image(self.image) as image:
            record = image.extension(EXT_BITMAPS)
            whole = image.pread(0, 4096)
        for what, offset, data in (
                ("length 0", record.offset + 4, struct.pack(">I", 0)),
                ("length 23", record.offset + 4, struct.pack(">I", 23)),
                ("length 32", record.offset + 4, struct.pack(">I", 32)),
                ("length over the area", record.offset + 4, struct.pack(">I", 5000)),
                ("length 2^32-1", record.offset + 4, struct.pack(">I", 0xFFFFFFFF)),
                ("length 2^32-7", record.offset + 4, struct.pack(">I", 0xFFFFFFF9)),
                ("a second one", record.end, whole[record.offset:record.end] + bytes(8)),
                ("unknown one runs over", record.end, struct.pack(">II", 0x1234, 0xFFFFFFF0))):
            with self.subTest(what=what):
                self.put((0, whole), (offset, data))
                self.refused_everywhere()

    def test_directory_entries(self):
        with Image(self.image) as image:
            entry = image.bitmap("b")
            whole = image.pread(image.bitmaps_body()[2], 4096)
            start = image.bitmaps_body()[2]
        fields = {"table offset": (0, "Q"), "table size": (8, "I"), "flags": (12, "I"),
                  "type": (16, "B"), "granularity": (17, "B"), "name size": (18, "H"),
                  "extra size": (20, "I")}
        for field, values in (
                ("table offset", (0, 512, entry.table_offset + 8)),
                ("table size", (0, 0xFFFFFFFF, 0x8000001)),
                ("flags", (8, 0x80000000, 0x10)), ("type", (0, 2, 255)),
                ("granularity", (0, 8, 32, 63, 64, 255)), ("name size", (0, 1024, 65535)),
                ("extra size", (0xFFFFFFFF, 0xFFFFFFF8, 4096, 100000))):
            at, form = fields[field]
            for value in values:
                with self.subTest(field=field, value=value):
                    self.put((start, whole),
                             (entry.offset + at, struct.pack(">" + form, value)))
                    self.refused_everywhere()

    def test_table_behind_the_end_of_the_file(self):
        """Bits that were lost are not taken for zeros; the other bitmaps need not suffer."""
        with Image(self.image) as image:
            entry = image.bitmap("b")
        for offset in (1 << 30, 1 << 55, 1 << 60, (1 << 64) - 4096):
            self.put((entry.offset, struct.pack(">Q", offset)))
            self.refuses("malformed", "--merge", "b", self.image, "a", exact=False)
            result = self.instar("--disable", self.image, "c")
            self.assertIn(result.code, (0, 1), result)

    def test_two_bitmaps_of_one_name(self):
        with Craft(self.image) as image:
            entry = image.bitmap("b")
            image.pwrite(entry.offset + 24, b"a")
        self.refused_everywhere(("--add", "n"), ("--remove", "a"), ("--remove", "c"))

    def test_table_whose_size_does_not_fit(self):
        with Craft(self.image) as image:
            image.set_entry("b", table_size=image.bitmap("b").table_size + 1)
        for action in ("--clear", "--merge=a"):
            self.refuses("malformed", action, self.image, "b", exact=False)


class Flips(harness.Case):
    """Random bytes over everything that the program parses."""

    ROUNDS = 300

    def test_random_bytes_in_header_directory_and_tables(self):
        chance = random.Random(SEED)
        template = images.with_bitmaps(self.path("template.qcow2"), cluster=512)
        with Image(template) as image:
            body = image.bitmaps_body()
            places = [(0, 104), (104, 200), (body[2], body[1]),
                      (image.refcount_table_offset, 16), (image.refcount_table[0], 512),
                      (image.l1_offset, 64)]
            places += [(b.table_offset, 8 * b.table_size) for b in image.bitmaps()]
        commands = (("--add", "n"), ("--remove", "a"), ("--clear", "b"), ("--disable", "c"),
                    ("--merge=a", "b"), ("--remove", "--add", "c"))
        path = self.path("disk.qcow2")
        for number in range(self.ROUNDS):
            shutil.copyfile(template, path)
            with open(path, "r+b") as file:
                for _ in range(chance.choice((1, 1, 1, 2, 8))):
                    offset, length = chance.choice(places)
                    file.seek(offset + chance.randrange(length))
                    file.write(bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF,
                                                     chance.randrange(256)))]))
            command = chance.choice(commands)
            with self.subTest(seed=SEED, number=number, command=command):
                self.survives(path, command)

    def survives(self, path, command):
        before, guest = harness.digest_of(path), self.guest_of(path)
        result = self.instar(*command[:-1], path, command[-1], timeout=30)
        self.assertIn(result.code, (0, 1), result)
        self.assertEqual(result.out, "")
        self.assert_no_journal()
        for word in ("protocol", "guest program", "overflowed"):
            self.assertNotIn(word, result.err)
        if result.code == 1:
            self.assertEqual(harness.digest_of(path), before)
        elif guest is not None:
            self.assertEqual(self.guest_of(path), guest, "the guest's data changed")

    def guest_of(self, path):
        """The guest's data as far as it can be read, None if it cannot."""
        try:
            with Image(path) as image:
                if image.cluster_bits != 9 or image.l1_size > 4096:
                    return None
                if check.check(image).corruptions:
                    return None
            return self.facts(path)["guest data"]
        except (Malformed, OSError, ValueError, struct.error, OverflowError, MemoryError):
            return None


if __name__ == "__main__":
    harness.main()
