#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/security.md names, for each goal, the tests that enforce it: they are there, and run."""

import re

from lib import harness

DOCUMENT = harness.REPOSITORY / "docs" / "security.md"
# `tests/DIR/FILE`, then perhaps the class or the test in it that is meant: `Class.test`.
REFERENCE = re.compile(r"`(tests/[\w/]+\.(?:py|c))`(?: `([\w.]+)`)?")


def goals():
    """(goal, [(path, name or "")]) of the table's rows."""
    section = DOCUMENT.read_text(encoding="utf-8").split("## Goals", 1)[1].split("\n## ", 1)[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| **")]
    return [(row[0], REFERENCE.findall(row[-1])) for row in rows]


def defined(name, text):
    """Is each part of Class.test, or of a cmocka test's name, defined there?"""
    return all(re.search(rf"(class|def|void) {part}\b", text) for part in name.split("."))


class Goals(harness.Case):
    def test_each_has_a_test_that_is_there(self):
        self.assertGreater(len(goals()), 10)
        for goal, references in goals():
            with self.subTest(goal=goal):
                self.assertTrue(references, "no test is named")
                for path, name in references:
                    file = harness.REPOSITORY / path
                    self.assertTrue(file.is_file(), path)
                    self.assertTrue(re.match(r"test_\w+", file.name), f"{path}: is no test")
                    if name:
                        self.assertTrue(defined(name, file.read_text(encoding="utf-8")),
                                        f"{path}: no {name}")


if __name__ == "__main__":
    harness.main()
