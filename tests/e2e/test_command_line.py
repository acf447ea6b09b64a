#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line: options, sizes, abbreviations, help, exit codes."""

from lib import harness, images

OPTIONS = ("--add", "--remove", "--clear", "--enable", "--disable", "--merge", "--granularity",
           "--format", "--output", "--object", "--image-opts", "--source-file",
           "--source-format", "--help")


class CommandLine(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = images.with_bitmaps(self.path("disk.qcow2"))

    def rejected(self, *arguments):
        """Exit 2, a message on stderr, nothing on stdout, nothing written."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.instar(*arguments)
        self.assertEqual((result.code, result.out), (2, ""), (arguments, result))
        self.assertTrue(result.err.startswith("instar"), result)
        self.assertEqual(harness.state_of(self.image), before)

    def adds(self, granularity, *arguments):
        self.edit(*arguments, self.image, "n")
        self.assertEqual(self.listed(self.image)[-1], ("n", ("auto",), granularity))
        self.edit("--remove", self.image, "n")

    def test_granularity_suffixes_and_hex(self):
        for text, value in (("512", 512), ("512b", 512), ("512B", 512), ("1k", 1024),
                            ("64K", 65536), ("64k", 65536), ("1m", 1 << 20), ("2M", 2 << 20),
                            ("1g", 1 << 30), ("2G", 2 << 30), ("0x200", 512), ("0x10000", 65536),
                            ("0X10000", 65536), ("2147483648", 2 << 30), ("4096", 4096),
                            ("2048M", 2 << 30), ("2097152k", 2 << 30)):
            with self.subTest(text=text):
                self.adds(value, "--add", "-g", text)

    def test_ways_to_write_an_option(self):
        for arguments in (("--add", "-g128k"), ("--add", "-g", "128k"), ("-g128k", "--add"),
                          ("--add", "--granularity", "128k"), ("--add", "--granularity=128k"),
                          ("--ad", "--gran=128k"), ("--a", "--g", "128k"),
                          ("--add", "-g", "128k", "-f", "qcow2"),
                          ("--add", "-g", "128k", "-fqcow2"),
                          ("--add", "-g", "128k", "--format=qcow2"),
                          ("--add", "-g", "128k", "--output", "human"),
                          ("--add", "-g", "128k", "--out=human")):
            with self.subTest(arguments=arguments):
                self.adds(128 << 10, *arguments)

    def test_unambiguous_abbreviations_of_actions(self):
        for short, check in (("--dis", lambda: not self.is_enabled(self.image, "a")),
                             ("--en", lambda: self.is_enabled(self.image, "a")),
                             ("--mer=b", lambda: 3 in self.dirty(self.image, "a")),
                             ("--cl", lambda: not self.dirty(self.image, "a")),
                             ("--rem", lambda: "a" not in [b[0] for b in self.listed(self.image)])):
            self.edit(short, self.image, "a")
            self.assertTrue(check(), short)

    def test_options_after_positionals(self):
        for arguments in ((self.image, "n", "--add"), (self.image, "--add", "n"),
                          (self.image, "n", "--add", "-g", "64k"),
                          (self.image, "-g", "64k", "n", "--add"),
                          ("--add", "--", self.image, "n")):
            with self.subTest(arguments=arguments):
                self.succeeds(*arguments)
                self.edit("--remove", self.image, "n")

    def test_everything_behind_two_dashes_is_positional(self):
        self.succeeds("--add", "--", self.image, "--remove")
        self.assertEqual(self.listed(self.image)[-1][0], "--remove")
        self.succeeds("--add", self.image, "--", "-x")
        self.assertEqual(self.listed(self.image)[-1][0], "-x")

    def test_order_is_the_order_of_the_command_line(self):
        self.edit("--add", self.image, "n")
        self.refuses("bitmap not found", self.image, "--remove", "n", "--disable",
                     image=self.image)
        self.edit("--disable", self.image, "n")
        self.succeeds(self.image, "n", "--remove", "--add")
        self.assertTrue(self.is_enabled(self.image, "n"))

    def test_file_name_is_a_literal_path(self):
        for name in ("file:" + self.image, "json:{\"driver\":\"qcow2\"}", "nbd://localhost/x",
                     "https://example.org/x", f"{self.image}?x", "~/x", "$HOME"):
            with self.subTest(name=name):
                result = self.instar("--add", name, "n")
                self.assertEqual((result.code, result.out), (1, ""), result)
                self.assertIn("No such file", result.err)

    def test_format_other_than_qcow2_is_refused(self):
        for text in ("raw", "qcow", "QCOW2", "", "qcow2 "):
            with self.subTest(text=text):
                self.refuses(f"unsupported format '{text}': only qcow2 is supported",
                             "--add", f"--format={text}", self.image, "n")

    def test_rejected_by_the_option_parser(self):
        for arguments in (
                ("--bogus", self.image, "n"), ("-x", "--add", self.image, "n"),
                ("--add=yes", self.image, "n"), (self.image, "n", "--merge"),
                ("--add", self.image, "n", "-g"), ("--add",), ("--add", self.image),
                ("--add", self.image, "n", "extra"), (),
                ("--add", "--output", "xml", self.image, "n"),
                ("--add", "--output=", self.image, "n"),
                ("--add", "--output=JSON", self.image, "n"),
                ("--o", "human", "--add", self.image, "n"), ("--s=x", "--add", self.image, "n"),
                ("--add", "--memory-limit", "lots", self.image, "n"),
                ("--", "--add", self.image, "n")):
            with self.subTest(arguments=arguments):
                self.rejected(*arguments)

    def told(self, arguments, sandbox=None):
        """A run of `instar` with INSTAR_SANDBOX as it is given here."""
        environment = {**self.environment, "INSTAR_SANDBOX": sandbox or ""}
        return self.run_program(harness.INSTAR, *arguments, environment=environment)

    def every_subcommand_that_runs_a_guest(self):
        return (("info", self.image), ("map", "--bitmap", "a", self.image),
                ("check", "-n", self.image), ("check", "-n", "--reset-in-use", "a", self.image),
                ("resize", self.image, "+1M"), ("bitmap", "--add", self.image, "n"))

    def test_a_sandbox_is_kvm_or_process_in_every_subcommand(self):
        before = harness.state_of(self.image)
        for name, *arguments in self.every_subcommand_that_runs_a_guest():
            for option in (("--sandbox=qemu",), ("--sandbox", "")):
                with self.subTest(name=name, option=option):
                    result = self.told((name, *option, *arguments), sandbox="kvm")
                    self.assertEqual((result.code, result.out), (2, ""), result)
                    self.assertIn(" for --sandbox: use kvm or process", result.first_line)
            for value in ("qemu", "KVM", " kvm", "kvm,process"):
                with self.subTest(name=name, value=value):
                    result = self.told((name, *arguments), sandbox=value)
                    self.assertEqual((result.code, result.out), (2, ""), result)
                    self.assertEqual(result.first_line,
                                     f"instar {name}: invalid value '{value}' of INSTAR_SANDBOX: "
                                     "use kvm or process")
        self.assertEqual(harness.state_of(self.image), before)

    def works(self, sandbox):
        for name, *arguments in self.every_subcommand_that_runs_a_guest():
            for option in ((f"--sandbox={sandbox}",), ("--sandbox", sandbox)):
                with self.subTest(name=name, option=option):
                    images.with_bitmaps(self.image, ("a",) if name != "resize" else ())
                    result = self.told((name, *option, *arguments), sandbox="qemu")
                    self.assertEqual((result.code, result.err), (0, ""), result)

    def test_kvm_by_the_option_whatever_the_variable(self):
        self.need_kvm()
        self.works("kvm")

    def test_a_process_by_the_option_whatever_the_variable(self):
        self.works("process")

    def test_showing_a_journal_takes_no_sandbox(self):
        result = self.told(("journal", "show", self.image), sandbox="qemu")
        self.assertEqual(result.code, 5, result)
        result = self.told(("journal", "show", "--sandbox=kvm", self.image))
        self.assertEqual(result.code, 2, result)
        self.assertIn("unrecognized option '--sandbox=kvm'", result.err)

    def test_help_of_the_subcommand(self):
        for arguments in (("--help",), ("-h",), ("--add", "--help"), ("--he",)):
            result = self.instar(*arguments)
            self.assertEqual((result.code, result.err), (0, ""), (arguments, result))
            for option in OPTIONS:
                self.assertIn(option, result.out)
            for option in ("-g", "-f", "--no-ownership-scan", "--memory-limit", "--journal-dir",
                           "--sandbox"):
                self.assertIn(option, result.out)
            self.assertRegex(result.out, r"(?is)exit.*\b0\b.*\b1\b.*\b2\b")

    def test_help_and_version_of_the_program(self):
        result = self.run_program(harness.INSTAR, "--help")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertIn("bitmap", result.out)
        self.assertRegex(result.out, r"(?is)exit")
        for command in ((harness.INSTAR, "--version"), (harness.INSTAR, "bitmap", "--version")):
            result = self.run_program(*command)
            self.assertEqual((result.code, result.err), (0, ""), result)
            self.assertRegex(result.out, r"^instar.* [0-9]+\.[0-9]+.*\n$")

    def test_program_without_or_with_an_unknown_subcommand(self):
        for arguments in ((), ("bogus",), ("bitmaps",), ("--bogus",)):
            result = self.run_program(harness.INSTAR, *arguments)
            self.assertEqual((result.code, result.out), (2, ""), result)
            self.assertTrue(result.err.startswith("instar: "), result)

    def test_full_standard_output_is_an_error(self):
        result = self.run_program(
            "sh", "-c", 'exec "$0" bitmap --output json --add "$1" n > /dev/full',
            harness.INSTAR, self.image)
        self.assertEqual(result.code, 1, result)
        self.assertTrue(result.first_line.startswith("instar bitmap: "), result)


if __name__ == "__main__":
    harness.main()
