#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every row of the specification's host-side table of refusals, in its order.

Each: exit 1, the verbatim message as the first line, nothing on stdout, and an
image that keeps every byte and time stamp.
"""

import os

from lib import harness, images

NO_ACTION = ("Need at least one of --add, --remove, --clear, --enable, --disable, or --merge")
BAD_GRANULARITY = "granularity must be a power of two between 512 and 2G"
MIXED = "mixing --merge with other actions in one invocation is not supported"
CROSS_FILE = "cross-file merge (-b/-F) is not yet supported"


class HostRows(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def refuses_all(self, message, *commands):
        """Each command (without image and name) is refused in these words."""
        for command in commands:
            with self.subTest(command=command):
                self.refuses(message, *command, self.image, "n")

    def test_not_a_qcow2_image(self):
        for content in (b"", b"QFI", b"QFI\xfa" + bytes(600), bytes(4096), b"\xfbIFQ" * 200,
                        b"qfi\xfb" + bytes(600), b"KDMV" + bytes(600)):
            with self.subTest(content=content[:8]):
                other = self.path("other")
                with open(other, "wb") as file:
                    file.write(content)
                self.refuses("not a qcow2 image", "--add", other, "n")

    def test_no_actions_given(self):
        self.refuses_all(NO_ACTION, (), ("--output", "json"), ("-f", "qcow2"))

    def test_granularity_without_add(self):
        message = "granularity only supported with --add"
        self.refuses_all(message, ("--remove", "-g", "64k"), ("-g64k", "--clear"),
                         ("--merge", "a", "--granularity", "64k"),
                         ("--enable", "--disable", "--granularity=4096"),
                         ("--clear", "-g", "17"))

    def test_bad_granularity(self):
        values = ("0", "0k", "1", "3", "256", "511", "513", "1000", "65537", "96k", "4G", "8G",
                  "3G", "2199023255552", "4294967296", "4294967808", "8589935104", "0x300",
                  "0x100000200", "18446744073709551616", "18446744073709552128", "16E", "32E",
                  "18014398509481984k", "99999999999999999999999", "1T", "1P", "1E", "foo", "",
                  "k", "0x", "64kk", "64kB", "64 k", " 64k", "64k ", "-1", "-512", "+512x",
                  "1.5k", "64q", "0xg", "2147483649")
        for value in values:
            with self.subTest(value=value):
                self.refuses(BAD_GRANULARITY, "--add", f"--granularity={value}", self.image, "n")

    def test_last_granularity_counts(self):
        self.refuses(BAD_GRANULARITY, "--add", "-g", "64k", "-g", "3", self.image, "n")
        self.edit("--add", "-g", "3", "-g", "128k", self.image, "n")
        self.assertEqual(self.entry(self.image, "n").granularity, 128 << 10)

    def test_merge_mixed_with_other_actions(self):
        self.refuses_all(MIXED, ("--add", "--merge", "a"), ("--merge", "a", "--add"),
                         ("--merge", "a", "--disable"), ("--clear", "--merge", "a"),
                         ("--merge", "a", "--remove", "--merge", "b"),
                         ("--enable", "--merge", "a", "--merge", "b"))

    def test_too_many_actions(self):
        message = "too many actions (max 8)"
        self.refuses_all(message, ("--disable",) * 9, ("--add",) + ("--enable", "--disable") * 4,
                         ("--clear",) * 100)
        self.edit(*(("--disable", "--enable") * 4), self.image, "a")

    def test_too_many_merge_sources(self):
        message = "too many --merge sources (max 8)"
        self.refuses_all(message, ("--merge", "a") * 9, ("--merge", "b") * 50)
        self.edit(*("--merge", "b") * 8, self.image, "a")
        self.assertEqual(self.dirty(self.image, "a"), {0, 1, 200, 3, 4, 203})

    def test_bad_target_name_length(self):
        message = "invalid bitmap name length"
        for name in ("", "x" * 1024, "x" * 5000, "\u00e4" * 512):
            for action in (("--add",), ("--remove",), ("--merge", "a")):
                with self.subTest(length=len(name.encode()), action=action):
                    self.refuses(message, *action, self.image, name)

    def test_longest_target_name_is_accepted(self):
        for name in ("x" * 1023, "y", "\u00e4" * 511):
            self.edit("--add", self.image, name)
            self.edit("--remove", self.image, name)

    def test_bad_source_name_length(self):
        message = "invalid merge source name length"
        self.refuses_all(message, ("--merge", ""), ("--merge", "x" * 1024),
                         ("--merge", "a", "--merge", ""), ("--merge=",),
                         ("--merge", "x" * 4000, "--merge", "a"))

    def test_merge_names_too_large(self):
        message = "merge source names exceed the pool budget"
        long = "x" * 1023
        self.refuses_all(message, ("--merge", long, "--merge", long, "--merge", "abc"),
                         ("--merge", long) * 8, ("--merge", "y" * 257) * 8)
        # 2048 bytes are within the budget: the next refusal comes.
        at_the_limit = ("--merge", long, "--merge", long, "--merge", "ab")
        self.refuses("bitmap not found", *at_the_limit, self.image, "n")
        self.refuses("merge source bitmap not found", *at_the_limit, self.image, "a")

    def test_object_unsupported(self):
        message = "--object is not yet supported"
        self.refuses_all(message, ("--object", "secret,id=s,data=x", "--add"),
                         ("--add", "--object=secret,id=s,data=x"), ("--object", "whatever"))

    def test_image_opts_unsupported(self):
        self.refuses_all("--image-opts is not yet supported", ("--image-opts", "--add"),
                         ("--add", "--image-opts"), ("--image-opts",))

    def test_cross_file_merge_unsupported(self):
        other = images.with_bitmaps(self.path("other.qcow2"))
        before = harness.state_of(other)
        self.refuses_all(CROSS_FILE, ("-b", other, "--merge", "a"),
                         ("-b", other, "-F", "qcow2", "--merge", "a"),
                         ("--source-file", other, "--merge", "a"),
                         ("--source-format=qcow2", "--merge", "a"), ("-F", "raw", "--add"),
                         ("-b", other, "--add"), ("-b", "/nowhere"))
        self.assertEqual(harness.state_of(other), before)


class HostOrder(harness.Case):
    """Where several rows hold, the first of a fixed order is told."""

    def test_order_of_refusals(self):
        junk = self.path("junk")
        with open(junk, "wb") as file:
            file.write(b"no image at all" * 100)
        big = ("--merge", "x" * 1023) * 3
        for message, command, name in (
                ("--object is not yet supported", ("--object", "o", "--image-opts", "-b", "f"), ""),
                ("--image-opts is not yet supported", ("--image-opts", "-F", "raw"), ""),
                (CROSS_FILE, ("-b", "f", "-g", "3"), ""),
                (NO_ACTION, ("-g", "3"), ""),
                ("granularity only supported with --add", ("--clear",) * 9 + ("-g", "3"), ""),
                ("too many actions (max 8)", ("--add",) * 9 + ("--merge", "", "-g", "3"), ""),
                (MIXED, ("--add", "-g", "3") + ("--merge", "") * 9, ""),
                ("too many --merge sources (max 8)", ("--merge", "") * 9, ""),
                (BAD_GRANULARITY, ("--add", "-g", "3"), ""),
                ("invalid bitmap name length", ("--merge", ""), ""),
                ("invalid merge source name length", big + ("--merge", ""), "n"),
                ("merge source names exceed the pool budget", big, "n"),
                ("not a qcow2 image", ("--add",), "n")):
            with self.subTest(message=message):
                self.refuses(message, *command, junk, name)

    def test_refusals_of_the_command_line_need_no_image(self):
        result = self.instar("--add", "-g", "3", self.path("missing.qcow2"), "n")
        self.assert_refused(result, BAD_GRANULARITY)
        self.assertFalse(os.path.exists(self.path("missing.qcow2")))

    def test_failure_prints_no_json(self):
        image = images.with_bitmaps(self.path("disk.qcow2"))
        self.refuses("bitmap already exists", "--output", "json", "--add", image, "a")
        self.refuses(MIXED, "--output=json", "--add", "--merge", "a", image, "n")


if __name__ == "__main__":
    harness.main()
