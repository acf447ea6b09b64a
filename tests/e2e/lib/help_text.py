# SPDX-License-Identifier: MIT
"""What `instar SUBCOMMAND --help` says, taken apart: the one truth that the manual pages and
the completion of bash are compared with."""

import re
import subprocess
from dataclasses import dataclass

from lib import harness

# "  -g, --granularity BYTES    granularity for --add", "      --add   create a new ..."
OPTION = re.compile(r" {2,6}(?:(-\w), )?(--[\w-]+)(?: (\S+))?(?: {2,}|$)")
EXIT_CODE = re.compile(r" {2}(\d+(?:\+n)?) {2,}")
VARIABLE = re.compile(r" {2}([A-Z_]+(?:, [A-Z_]+)*)(?:=1)? {2,}")


@dataclass(frozen=True)
class Help:
    usage: str           # of all forms, without blanks
    options: tuple       # (short, long, name of the argument), each may be "" but the second
    exit_codes: tuple    # "0", "128+n"
    variables: tuple     # of the environment
    text: str


def squeezed(text):
    """Where lines are broken and blanks stand is a matter of layout."""
    return re.sub(r"\s", "", text)


def run(*arguments):
    return subprocess.run([harness.INSTAR, *arguments, "--help"], stdin=subprocess.DEVNULL,
                          capture_output=True, check=True, encoding="utf-8").stdout


def read(*subcommand):
    """The help of a subcommand, or of the program."""
    text = run(*subcommand)
    usage, _, rest = text.partition("\n\n")
    lines = rest.splitlines()
    variables = [name for line in lines for found in [VARIABLE.match(line)] if found
                 for name in found[1].split(", ")]
    return Help(squeezed(usage.removeprefix("Usage:")),
                tuple((found[1] or "", found[2], found[3] or "")
                      for found in map(OPTION.match, lines) if found),
                tuple(found[1] for found in map(EXIT_CODE.match, lines) if found),
                tuple(variables), text)


def subcommands():
    """{name: summary} as `instar --help` lists them."""
    listed = run().partition("Subcommands:\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^  (\w+) +(.+)$", listed, re.MULTILINE))
