# SPDX-License-Identifier: MIT
"""expected.txt: what instar says to each image, and how it ends.

    [name of an image]
    command: exit code: first line

`python3 make.py --expect` prints what the program at hand does; whoever puts that into the
file has read it.
"""

import os
from dataclasses import dataclass

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.txt")


@dataclass(frozen=True)
class Expected:
    code: int
    line: str


def block(name, rows):
    """The text for an image; `rows`: command's name -> Expected."""
    lines = [f"[{name}]"]
    lines += [f"{command}: {row.code}: {row.line}".rstrip() for command, row in rows.items()]
    return "\n".join(lines) + "\n"


def read(path=PATH):
    """image's name -> command's name -> Expected"""
    table = {}
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.rstrip("\n")
            if text.startswith("["):
                name = text.strip("[]")
                assert name not in table, f"line {number}: {name} is there twice"
                rows = table[name] = {}
            elif text and not text.startswith("#"):
                command, code, *line = text.split(":", 2)
                assert command not in rows, f"line {number}: {command} is there twice"
                rows[command] = Expected(int(code), "".join(line).lstrip())
    return table
