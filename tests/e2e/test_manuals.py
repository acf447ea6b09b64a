#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages: there is one for every subcommand, it says what --help says, its examples
work, and it is sound mdoc."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

from lib import crashes, harness, help_text, images, manual

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS",
            "EXAMPLES", "SEE ALSO"]
# Where the pages lie is not where the system keeps its own: mandoc does not find them.
NOT_INSTALLED = re.compile(r"referenced manual not found|outdated mandoc\.db")
# Documented with the program, not in a page of its own.
WITHOUT_PAGE = {"help"}


def documented():
    return [name for name in help_text.subcommands() if name not in WITHOUT_PAGE]


def paths():
    return sorted(manual.FOLDER.iterdir())


def page_of(subcommand=None):
    name = f"instar-{subcommand}.1" if subcommand else "instar.1"
    return manual.Page(manual.FOLDER / name)


class Pages(unittest.TestCase):
    maxDiff = None

    def each(self, compare):
        """compare(help, page) for every subcommand."""
        names = documented()
        self.assertIn("bitmap", names)
        for name in names:
            with self.subTest(subcommand=name):
                compare(help_text.read(name), page_of(name))

    def test_every_subcommand_has_a_page_and_no_page_is_of_none(self):
        self.assertEqual([path.name for path in paths()],
                         sorted(["instar.1", *(f"instar-{name}.1" for name in documented())]))

    def test_options_are_those_of_the_help(self):
        def compare(told, page):
            self.assertGreaterEqual(len(told.options), 3)
            self.assertEqual(page.options(), told.options)
        self.each(compare)

    def test_no_option_is_named_that_the_help_does_not_name(self):
        def compare(told, page):
            for section in set(page.sections) - {"EXAMPLES"}:
                for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", page.text(section)):
                    self.assertIn(option, told.text)
        self.each(compare)

    def test_exit_codes_are_those_of_the_help(self):
        def compare(told, page):
            self.assertGreaterEqual(len(told.exit_codes), 3)
            self.assertEqual(page.exit_codes(), told.exit_codes)
        self.each(compare)

    def test_synopsis_is_the_usage_of_the_help(self):
        self.each(lambda told, page: self.assertEqual(
            help_text.squeezed(page.text("SYNOPSIS")), told.usage))

    def test_variables_are_those_of_the_help(self):
        self.each(lambda told, page: self.assertEqual(
            sorted(page.variables()), sorted(told.variables)))

    def test_description_is_the_summary_of_the_program_s_help(self):
        for name, summary in help_text.subcommands().items():
            if name not in WITHOUT_PAGE:
                self.assertEqual(page_of(name).description(), summary)

    def test_every_page_has_all_sections(self):
        for path in paths():
            sections = list(manual.Page(path).sections)
            self.assertEqual(sections[:len(SECTIONS)], SECTIONS, path)

    def test_references_are_to_pages_that_are_there(self):
        ours = {path.stem for path in paths()}
        for path in paths():
            found = manual.Page(path).references()
            self.assertEqual(found, sorted(found), path)
            self.assertLessEqual(set(found) - {"qemu-img"}, ours - {path.stem}, path)


class ProgramPage(unittest.TestCase):
    """instar(1)"""

    maxDiff = None

    def setUp(self):
        self.help, self.page = help_text.read(), page_of()

    def test_subcommands_and_their_summaries(self):
        text = " ".join(self.page.text("DESCRIPTION").split())
        for name, summary in help_text.subcommands().items():
            see = "" if name in WITHOUT_PAGE else f"; see instar-{name}(1)"
            self.assertIn(f"{name} {summary}{see}", text)

    def test_exit_codes_and_synopsis(self):
        self.assertEqual(self.page.exit_codes(), self.help.exit_codes)
        self.assertEqual(help_text.squeezed(self.page.text("SYNOPSIS")), self.help.usage)

    def test_options_are_those_of_every_subcommand(self):
        self.assertEqual(self.page.options(), (("-h", "--help", ""), ("-V", "--version", "")))
        for name in documented():
            self.assertLessEqual(set(self.page.options()), set(help_text.read(name).options))

    def test_every_variable_of_a_subcommand_is_listed(self):
        listed = self.page.variables()
        for name in documented():
            self.assertLessEqual(set(help_text.read(name).variables), set(listed))

    def test_every_page_is_in_see_also(self):
        self.assertEqual(self.page.references(),
                         sorted([*(f"instar-{name}" for name in documented()), "qemu-img"]))


class Macros(unittest.TestCase):
    """Two readers, mandoc(1) and groff(1), find nothing to complain of."""

    def complaints(self, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, encoding="utf-8")
        return [line for line in done.stdout.splitlines() if not NOT_INSTALLED.search(line)]

    def test_mandoc_has_no_complaint(self):
        for path in paths():
            self.assertEqual(self.complaints("mandoc", "-T", "lint", "-W", "style", path), [])

    def test_groff_has_no_complaint(self):
        for path in paths():
            self.assertEqual(self.complaints("groff", "-ww", "-mdoc", "-Tutf8", "-z", path), [])


class Examples(harness.Case):
    """The examples of a page, in their order, where there are images of these names."""

    # What lib.crashes asks of a case.
    command = ("--add", "disk.qcow2", "interrupted")

    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")
        os.mkdir(self.path("images"))
        images.with_bitmaps(self.path("images/second.qcow2"))
        self.renew()
        self.environment["PATH"] = f"{os.path.dirname(harness.INSTAR)}:{os.environ['PATH']}"

    def renew(self):
        images.with_bitmaps(self.image, ("monday", "total"))

    def journals(self):
        return [path for path in [self.image + harness.JOURNAL_SUFFIX] if os.path.exists(path)]

    hot_journals = journals

    def work(self, page):
        commands = page.commands()
        self.assertGreater(len(commands), 1)
        for command in commands:
            result = self.run_program(*shlex.split(command))
            self.assertEqual((result.code, result.err), (0, ""), command)

    def test_examples_of_every_page_work(self):
        for name in (None, *documented()):
            with self.subTest(page=name):
                if name == "journal":
                    self.need_root("strace cannot tell the paths of a process that is not dumpable")
                    shutil.rmtree(self.path("state"))
                    crashes.Crash(self, crashes.IN_THE_BUILD)
                else:
                    self.renew()
                self.work(page_of(name))


if __name__ == "__main__":
    if not shutil.which("mandoc") or not shutil.which("groff"):
        print("mandoc and groff are needed: ./dev install-deps", file=sys.stderr)
        sys.exit(1)
    harness.main()
