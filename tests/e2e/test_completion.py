#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bash offers for instar's command line, in an interactive bash whose keys are pressed."""

import os

from lib import harness, help_text, images, shell

SCRIPT = harness.REPOSITORY / "docs" / "completion" / "instar.bash"

# What is offered for an option's argument of this name, where an image with the bitmap "monday"
# and no other, and the folder "images", are there.
BY_ARGUMENT = {
    "FMT": ["qcow2"],
    "FORMAT": ["human", "json"],
    "DIR": ["images"],
    "NAME": ["monday"],
    "SOURCE": ["monday"],
    "BYTES": [],
    "SIZE": [],
    "KIND": ["all", "leaks"],
    "MACHINE": ["kvm", "process"],
}
# Names that a shell would do something with, or of which it would make several.
HOSTILE = ("$(touch pwned)", "`touch pwned`", "a b", "a;touch pwned", "a\\b", "it's", 'say "x"',
           "*", "~", "!!", "--output", "x&y", "{a,b}")
# Names that nobody wants on the terminal, or that are no text.
UNPRINTABLE = ("esc\x1b[2J", "two\nlines", "del\x7f", "c1\u009b", "turned\u202e", b"by\xfftes")


# On standard error, where readline shows the line, too.
COMPLAINT = r"instar( \w+)?: |bash: |rror"


class CompletionCase(harness.Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("images"))
        self.environment.update(LC_ALL="C.UTF-8", INSTAR_STATE_DIR="none")
        self.bash = self.start(f"{os.path.dirname(harness.INSTAR)}:{os.environ['PATH']}")

    def start(self, path):
        """A bash that finds programs in the folders of `path`."""
        bash = shell.Bash(self.directory, SCRIPT, dict(self.environment, PATH=path))
        self.addCleanup(bash.close)
        return bash

    def image(self, *names, path="disk.qcow2"):
        return images.with_bitmaps(self.path(path), names)

    def offers(self, typed, *expected):
        self.assertEqual(self.bash.candidates(typed), sorted(expected), typed)

    def completes(self, typed, line):
        self.assertEqual(self.bash.complete(typed), line)


class Help(CompletionCase):
    """What is offered is what --help says."""

    def subcommands(self):
        return help_text.subcommands()

    def test_subcommands(self):
        self.assertIn("bitmap", self.subcommands())
        self.offers("instar ", *self.subcommands())
        self.offers("instar help ", *self.subcommands())
        self.offers("instar -", "--help", "--version")
        self.offers("instar --version ", "--verbose")
        self.offers("instar -V -", "--verbose")
        self.completes("instar bi", "instar bitmap ")

    def test_options(self):
        for name in set(self.subcommands()) - {"help"}:
            with self.subTest(subcommand=name):
                self.offers(f"instar {name} -",
                            *(option for _, option, _ in help_text.read(name).options))

    def test_argument_of_every_option(self):
        self.image("monday")
        seen = set()
        for name in self.subcommands():
            for short, option, argument in help_text.read(name).options:
                if not argument:
                    continue
                with self.subTest(subcommand=name, option=option):
                    seen.add(argument)
                    before = f"instar {name} disk.qcow2"
                    for typed in (f"{before} {option} ", *([f"{before} {short} "] * bool(short))):
                        self.offers(typed, *BY_ARGUMENT[argument])
                    joined = f"{before} {option}="
                    self.assertEqual(self.bash.line(os.fsencode(joined) + shell.ALL).split(),
                                     (joined + " ".join(BY_ARGUMENT[argument])).split())
        self.assertLessEqual({"FMT", "FORMAT", "DIR", "MACHINE", "NAME", "SOURCE"}, seen)

    def test_an_unknown_subcommand_has_no_options(self):
        self.offers("instar bogus -", "-")


class Positional(CompletionCase):
    """Files, folders and bitmaps."""

    def test_files(self):
        self.image("monday")
        for typed in ("instar info di", "instar map --bitmap monday di", "instar check -n di",
                      "instar bitmap --add di", "instar check -- di"):
            self.completes(typed, f"{typed}sk.qcow2 ")
        self.completes("instar journal show di", "instar journal show disk.qcow2 ")
        self.completes("instar check disk.qcow2 im", "instar check disk.qcow2 images/")

    def test_journal_has_a_verb(self):
        self.image("monday")
        self.offers("instar journal ", "show")

    def test_check_all_takes_folders(self):
        self.image("monday")
        self.completes("instar check --all ", "instar check --all images/")

    def test_one_file_is_enough_for_info_and_map(self):
        self.image("monday")
        for name in ("info", "map"):
            self.completes(f"instar {name} disk.qcow2 ", f"instar {name} disk.qcow2 ")

    def test_bitmaps_of_the_image(self):
        self.image("monday", "mon2", "tuesday")
        self.offers("instar bitmap --remove disk.qcow2 ", "mon2", "monday", "tuesday")
        self.offers("instar bitmap --merge tuesday disk.qcow2 mon", "mon2", "monday")
        self.offers("instar map disk.qcow2 --bitmap ", "mon2", "monday", "tuesday")
        self.completes("instar bitmap -f qcow2 --remove disk.qcow2 t",
                       "instar bitmap -f qcow2 --remove disk.qcow2 tuesday ")
        for typed in ("instar bitmap --remove disk.qcow2 monday ",
                      "instar bitmap --remove-all disk.qcow2 "):
            self.completes(typed, typed)

    def test_an_image_whose_path_is_quoted(self):
        os.mkdir(self.path("images/my disks"))
        self.image("monday", path="images/my disks/disk:1.qcow2")
        for path in (r"images/my\ disks/disk:1.qcow2", '"images/my disks/disk:1.qcow2"',
                     "'images/my disks/disk:1.qcow2'", r"~/images/my\ disks/disk:1.qcow2"):
            self.completes(f"instar bitmap --remove {path} m",
                           f"instar bitmap --remove {path} monday ")

    def test_a_name_with_a_colon(self):
        self.image("monday:1")
        for typed in ("mon", "monday:", "monday:1"):
            self.completes(f"instar bitmap --remove disk.qcow2 {typed}",
                           "instar bitmap --remove disk.qcow2 monday:1 ")

    def test_the_middle_of_a_line(self):
        left = b"\x1b[D"
        self.assertEqual(self.bash.line(b"instar info --output hXX" + left * 2 + shell.TAB),
                         "instar info --output humanXX")
        self.assertEqual(self.bash.line(b"instar map  -U" + left * 3 + b"--ou" + shell.TAB),
                         "instar map --output -U")


class HostileImages(CompletionCase):
    def test_names_are_quoted_and_never_evaluated(self):
        for name in HOSTILE:
            with self.subTest(name=name):
                if os.path.exists(self.path("disk.qcow2")):
                    os.unlink(self.path("disk.qcow2"))
                self.image(name)
                typed = "printf %s\\\\n instar; instar bitmap --remove disk.qcow2 "
                line = self.bash.complete(typed)
                # What bash would hand to a program that is run with this line.
                word = self.run_program("bash", "-c", f"printf %s {line[len(typed):]}")
                self.assertEqual((word.code, word.out), (0, name), line)
                self.assertFalse(os.path.exists(self.path("pwned")))

    def test_inside_quotes_only_harmless_names_are_offered(self):
        """insert-completions takes the quotes away."""
        self.image("x y", *(f"x{name}" for name in HOSTILE))
        typed = "instar bitmap --remove disk.qcow2 "
        for quote in ("'", '"'):
            line = self.bash.line(os.fsencode(f"{typed}{quote}x") + shell.ALL)
            self.assertEqual(sorted(line.removeprefix(typed).split()),
                             ["b", "x", "x--output", "xa", "x~", "y"], line)

    def test_names_that_could_steer_a_terminal_are_not_offered(self):
        self.image("t\u00e4glich", *UNPRINTABLE)
        self.offers("instar map disk.qcow2 --bitmap ", "t\u00e4glich")

    def test_no_error_is_printed(self):
        self.image("monday")
        for name, content in (("short", b"QFI\xfb"), ("text", b"hello\n" * 500)):
            with open(self.path(name), "wb") as file:
                file.write(content)
        os.mkfifo(self.path("fifo"))
        for file in ("short", "text", "fifo", "images", "nowhere", "$(touch pwned)", "'"):
            self.bash.complete(f"instar map {file} --bitmap ")
        self.assertNotRegex(self.bash.complaints(), COMPLAINT)
        self.assertFalse(os.path.exists(self.path("pwned")))

    def test_without_the_program_nothing_is_offered(self):
        self.bash = self.start(self.path("nowhere"))
        for typed in ("instar b", "instar bitmap --a", "./nowhere/instar b"):
            self.completes(typed, typed)
        self.assertNotRegex(self.bash.complaints(), COMPLAINT)


if __name__ == "__main__":
    harness.main()
