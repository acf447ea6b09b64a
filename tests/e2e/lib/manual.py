# SPDX-License-Identifier: MIT
"""A manual page, taken apart as a reader sees it: mandoc(1) renders it."""

import re
import subprocess
from pathlib import Path

from lib import harness

FOLDER = harness.REPOSITORY / "docs" / "man"
WIDTH = 200  # no name of an option is broken
INDENT = " " * 5


def rendered(path, width=WIDTH):
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", f"width={width}", path],
                          stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return re.sub(r".\x08", "", done.stdout.decode("ascii"))


class Page:
    """The sections of a page, and what is listed in them."""

    def __init__(self, path):
        self.path = Path(path)
        self.sections = {}
        for line in rendered(self.path).splitlines():
            if re.match(r"[A-Z][A-Z ]+$", line):
                lines = self.sections[line] = []
            elif self.sections:
                lines.append(line)
        lines[:] = lines[:-1]  # the page's foot

    def text(self, section):
        return "\n".join(self.sections[section])

    def items(self, section):
        """The tags of the section's lists, in order."""
        tags = []
        for line in self.sections[section]:
            if line.startswith(INDENT) and not line.startswith(INDENT + " "):
                tags.append(re.split(r" {2,}", line[len(INDENT):])[0])
        return tags

    def options(self):
        """(short, long, name of the argument), as lib.help_text has them."""
        found = [re.fullmatch(r"(?:(-\w), )?(--[\w-]+)(?: (\S+))?", tag)
                 for tag in self.items("OPTIONS") if tag.startswith("-")]
        return tuple((f[1] or "", f[2], f[3] or "") for f in found)

    def exit_codes(self):
        return tuple(tag for tag in self.items("EXIT STATUS")
                     if re.fullmatch(r"\d+(\+n)?", tag))

    def variables(self):
        return tuple(name for tag in self.items("ENVIRONMENT")
                     if re.fullmatch(r"[A-Z_]+(, [A-Z_]+)*", tag) for name in tag.split(", "))

    def commands(self):
        """The examples' command lines."""
        return re.findall(r"^ +\$ (.+)$", self.text("EXAMPLES"), re.MULTILINE)

    def description(self):
        """The line in NAME, behind the dash."""
        return " ".join(self.text("NAME").split()).partition(" - ")[2]

    def references(self):
        """The pages in SEE ALSO."""
        return re.findall(r"([\w-]+)\(\d\)", self.text("SEE ALSO"))
