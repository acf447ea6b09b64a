#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar --version -v` tells what a run is confined to, and docs/security.md says the same."""

import re

from lib import harness

DOCUMENT = harness.REPOSITORY / "docs" / "security.md"
HEADINGS = ("while a guest runs in KVM", "while a guest runs in a process",
            "from the first byte of a journal",
            "from the first byte of a journal, with guests in processes")


FOR_SANITIZERS = "sanitizers: "  # reasons of rules that only their builds have


class Version(harness.Case):
    def told(self, *arguments):
        result = self.run_program(harness.INSTAR, *arguments)
        self.assertEqual((result.code, result.err), (0, ""))
        return result.out

    def all_tables(self):
        """Heading -> [(system call, restriction, reason)]."""
        found = {}
        for part in self.told("--version", "-v").split("\n\nSystem calls ")[1:]:
            heading, *lines = part.rstrip("\n").split("\n")
            found[heading.removesuffix(":")] = [tuple(line.split("\t")) for line in lines]
        return found

    def tables(self):
        """The same, of what the program that is installed has."""
        return {heading: [row for row in rows if not row[2].startswith(FOR_SANITIZERS)]
                for heading, rows in self.all_tables().items()}

    def test_every_form_of_the_option(self):
        told = self.told("--version", "-v")
        for arguments in (("-V", "-v"), ("--version", "--verbose"), ("--vers", "--verb")):
            self.assertEqual(self.told(*arguments), told)
        self.assertTrue(told.startswith(self.told("--version")))
        self.assertEqual(self.told("--version").count("\n"), 1)

    def test_layers(self):
        line = self.told("--version", "-v").split("\n")[1]
        self.assertRegex(line, r"^sandbox: seccomp, (Landlock \(ABI \d+\), limits|limits \(.*\))$")

    def test_each_line_of_each_table_has_its_reason(self):
        tables = self.all_tables()
        self.assertEqual(tuple(tables), HEADINGS)
        for heading, rows in tables.items():
            for row in rows:
                with self.subTest(heading=heading, row=row):
                    self.assertEqual(len(row), 3)
                    self.assertRegex(row[0], r"^[a-z_0-9]+$")
                    for part in row[1].split(", ") if row[1] else ():
                        self.assertRegex(part, r"^argument \d (is|without) [\w|' ]+$")
                    self.assertGreater(len(row[2]), 4)

    def test_a_build_for_the_sanitizers_says_what_differs(self):
        differs = self.told("--version", "-v").split("\n")[2].startswith("for the sanitizers: ")
        for heading, rows in self.all_tables().items():
            with self.subTest(heading=heading):
                self.assertEqual(len(rows) > len(self.tables()[heading]), differs)

    def test_a_vcpu_is_what_ioctl_is_for(self):
        kvm = self.tables()[HEADINGS[0]]
        requests = [row[1] for row in kvm if row[0] == "ioctl"]
        self.assertIn("argument 0 is the vCPU, argument 1 is KVM_RUN", requests)
        self.assertNotIn("ioctl", [row[0] for row in self.tables()[HEADINGS[1]]])

    def test_the_document_names_the_same_calls(self):
        text = DOCUMENT.read_text(encoding="utf-8")
        table = text.split("| system call |", 1)[1].split("\n\n", 1)[0]
        documented = [call for line in table.splitlines()[2:]
                      for call in re.findall(r"`(\w+)`", line.split("|")[1])]
        tables = self.tables()
        self.assertEqual(sorted(documented), sorted(
            {row[0] for heading in HEADINGS[:2] for row in tables[heading]}))


if __name__ == "__main__":
    harness.main()
