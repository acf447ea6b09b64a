#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the reproducers as files, for people:

    make.py DIRECTORY    one NAME.qcow2 each
    make.py --readme     print the table of README.md
    make.py --expect     print expected.txt as the program at hand would have it
                         (INSTAR and MEASURE name it and build/tests/reproducers/measure)
"""

import argparse
import os
import sys
import tempfile

import expected
from commands import COMMANDS, run
from images import ATTACKS
from images.builder import Builder

BEGIN = ("| image | attack (model) | a naive program | `instar bitmap --add` | `instar check` |\n"
         "|---|---|---|---|---|\n")
QUIET = "(succeeds)"


def sound():
    """What nearly all of them are made of."""
    return Builder().finish()


def write(directory):
    os.makedirs(directory, exist_ok=True)
    for attack in ATTACKS:
        with open(os.path.join(directory, attack.name + ".qcow2"), "wb") as file:
            file.write(attack.make())


def cell(row):
    return f"{row.code}: {row.line.replace('|', chr(92) + '|') or QUIET}"


def readme():
    """The table, as Markdown."""
    table = expected.read()
    text = BEGIN
    for attack in ATTACKS:
        rows = table[attack.name]
        model = f" ({attack.model})" if attack.model else ""
        text += (f"| `{attack.name}` | {attack.what}{model} | {attack.naive} | "
                 f"{cell(rows['bitmap --add'])} | {cell(rows['check'])} |\n")
    return text


def expect(instar, measure):
    """What the program does now, image by image."""
    for attack in ATTACKS:
        data, rows = attack.make(), {}
        for command in COMMANDS:
            with tempfile.TemporaryDirectory() as directory:
                done = run(instar, measure, directory, data, command, attack.seconds)
            rows[command.name] = expected.Expected(done.code, done.line)
        yield expected.block(attack.name, rows)


def main():
    parser = argparse.ArgumentParser(description="Write the reproducers as files.")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--readme", action="store_true", help="print the table of README.md")
    parser.add_argument("--expect", action="store_true", help="print expected.txt anew")
    options = parser.parse_args()
    if options.readme:
        sys.stdout.write(readme())
    elif options.expect:
        for text in expect(os.path.abspath(os.environ["INSTAR"]),
                           os.path.abspath(os.environ["MEASURE"])):
            print(text, flush=True)
    elif options.directory:
        write(options.directory)
    else:
        parser.error("name a directory")


if __name__ == "__main__":
    main()
