#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGKILL before every write, sync, truncation, punch and removal of a file, of the
shipped program and of qemu-img, and what becomes of the bitmaps that the command does
not name.

The image has three bitmaps, two of them bystanders.  A point is a fresh copy of it and a
run that is killed before the n-th of those calls.  Prints one table for both programs, in
Markdown; fails if instar loses anything at any point.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
from dataclasses import dataclass, fields

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "e2e"))

import recording  # noqa: E402
import tracer  # noqa: E402
from explore import Exploration  # noqa: E402
from lib import check, faults, harness, images  # noqa: E402
from lib.qcow2 import FLAG_IN_USE, Image, Malformed  # noqa: E402
from operations import Create  # noqa: E402
from recovery import LEAKS  # noqa: E402
from seen import run, valid_bitmaps  # noqa: E402

BYSTANDERS = (b"keep1", b"keep2")
CALLS = ("pwrite64", "pwritev", "pwritev2", "fdatasync", "fsync", "fallocate", "ftruncate",
         "unlink", "unlinkat", "rename", "renameat", "renameat2")
COMMANDS = (
    (("--add", "n"), ""),
    (("--remove", "t"), ""),
    (("--clear", "t"), ""),
    (("--enable", "t"), " (no-op)"),
    (("--merge", "keep1", "t"), ""),
    (("--add", "keep1"), " (fails: exists)"),
    (("--disable", "t"), ""),
    (("--add", "--disable", "n"), ""),
    (("--remove", "--add", "t"), ""),
)
SKIPPED = 77  # to ctest: not run


@dataclass
class Row:
    """How often what was found."""

    points: int = 0
    intact: int = 0
    in_use: int = 0
    lost: int = 0
    leaks: int = 0
    corrupt: int = 0
    unopenable: int = 0
    neither: int = 0  # the named bitmap is neither as before nor as after

    def __add__(self, other):
        return Row(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Row)))

    @property
    def harm(self):
        return self.in_use + self.lost + self.corrupt + self.unopenable + self.neither


class Lists:
    """The list of bitmaps before a command, and after it."""

    def __init__(self, before, after):
        self.before = before
        self.after = after
        self.bystanders = [b for b in before if b[0] in BYSTANDERS]


def bitmaps(path):
    with Image(path) as image:
        return valid_bitmaps(image)


def _in_use(path):
    try:
        with Image(path) as image:
            return image.bitmaps_valid and all(
                any(b.name == name and b.flags & FLAG_IN_USE for b in image.bitmaps())
                for name in BYSTANDERS)
    except (Malformed, OSError):
        return False


def look(path, lists):
    """One image that a killed program has left: a Row with one point."""
    row = Row(points=1)
    row.unopenable = int(run("qemu-img", "info", "-U", path)[0] != 0)
    code, out, _ = run("qemu-img", "check", "--output=json", path)
    found = json.loads(out) if code in (0, 2, 3) else {}
    row.corrupt = int(bool(found.get("corruptions") or found.get("check-errors")))
    row.leaks = int(bool(found.get("leaks")))
    try:
        listed = bitmaps(path)
        with Image(path) as image:
            row.corrupt |= int(bool(check.check(image).corruptions))
    except (Malformed, OSError):
        listed = []
    row.intact = int([b for b in listed if b[0] in BYSTANDERS] == lists.bystanders)
    row.in_use = int(not row.intact and _in_use(path))
    row.lost = int(not row.intact and not row.in_use)
    row.neither = int(listed not in (lists.before, lists.after))
    return row


class Bench:
    def __init__(self, directory):
        self.origin = os.path.join(directory, "origin.qcow2")
        self.path = os.path.join(directory, "disk.qcow2")
        self.directory = directory
        self.environment = dict(os.environ, LC_ALL="C",
                                INSTAR_STATE_DIR=os.path.join(directory, "state"))
        self.environment.pop("INSTAR_JOURNAL_DIR", None)
        images.with_bitmaps(self.origin, ("keep1", "keep2", "t"), size="4M")

    def fresh(self):
        for path in recording.journals_in([self.directory]):
            os.unlink(path)
        shutil.copy(self.origin, self.path)

    def lists(self, program, arguments):
        """Of a run that is left alone."""
        self.fresh()
        before = bitmaps(self.path)
        run(*program, *arguments[:-1], self.path, arguments[-1], environment=self.environment)
        return Lists(before, bitmaps(self.path))

    def kill_at(self, program, arguments, number):
        self.fresh()
        return tracer.run([*program, *arguments[:-1], self.path, arguments[-1]],
                          self.environment, CALLS, number)

    def peer(self, arguments):
        """qemu-img's row."""
        program, row = ("qemu-img", "bitmap"), Row()
        lists = self.lists(program, arguments)
        number = 1
        while self.kill_at(program, arguments, number).killed:
            row += look(self.path, lists)
            number += 1
        return row

    def _prefixes(self, program, arguments):
        """The image before each counted call, as recorded: a killed program must leave just
        that, or the kill did not come before the call."""
        self.fresh()
        made = recording.record(self.path, [self.directory],
                                [[*program, *arguments[:-1], self.path, arguments[-1]]],
                                self.environment)
        points = Exploration(made.before, made.operations).points
        return [points[i].build(-1).contents[recording.IMAGE].to_bytes()
                for i, operation in enumerate(made.operations)
                if not isinstance(operation, Create)]

    def own(self, arguments):
        """instar's rows: as killed, and after `instar check`."""
        program = (harness.INSTAR, "bitmap")
        lists, expected = self.lists(program, arguments), self._prefixes(program, arguments)
        bare, recovered = Row(), Row()
        for number, image in enumerate(expected, 1):
            end = self.kill_at(program, arguments, number)
            with open(self.path, "rb") as file:
                if not end.killed or file.read() != image:
                    raise AssertionError(f"{arguments}: not killed before call {number}: {end}")
            bare += look(self.path, lists)
            code, _, err = run(harness.INSTAR, "check", "-q", self.path,
                               environment=self.environment)
            row = look(self.path, lists)
            if code != (LEAKS if row.leaks else 0) or recording.journals_in([self.directory]):
                raise AssertionError(f"{arguments}, call {number}: check: exit {code}: {err}")
            recovered += row
        end = self.kill_at(program, arguments, len(expected) + 1)
        if end.killed:
            raise AssertionError(f"{arguments}: more calls than were recorded: {end}")
        return bare, recovered


HEAD = ("command", "program", "kill points", "bystanders intact", "in-use (unusable)", "lost",
        "leaks", "corrupt", "unopenable")


def line(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def print_row(command, program, row):
    line(command, program, row.points, row.intact, row.in_use, row.lost, row.leaks, row.corrupt,
         row.unopenable)


def print_table(bench, commands):
    """The sums of the three rows."""
    programs = ("qemu-img", "instar", "instar, then `instar check`")
    sums = [Row(), Row(), Row()]
    line(*HEAD)
    line(*["---"] * len(HEAD))
    for arguments, note in commands:
        rows = [bench.peer(arguments), *bench.own(arguments)]
        for i, (program, row) in enumerate(zip(programs, rows)):
            print_row(f"`{' '.join(arguments)}`{note}", program, row)
            sums[i] += row
    for program, row in zip(programs, sums):
        print_row("**sum**", program, row)
    return sums


def main():
    parser = argparse.ArgumentParser(prog="./dev crash --kill-table",
                                     description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="the first six commands: those of the published table")
    options = parser.parse_args()
    if os.geteuid() != 0 or not faults.available():
        print("skipped: needs root: strace cannot tell the paths of a process that is not dumpable")
        return SKIPPED
    directory = tempfile.mkdtemp(prefix="instar-kill-")
    try:
        peer, bare, recovered = print_table(
            Bench(directory), COMMANDS[:6] if options.quick else COMMANDS)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"kill points: {peer.points} of qemu-img, {bare.points} of instar;"
          f" bystanders lost or unusable: {peer.in_use + peer.lost},"
          f" {bare.in_use + bare.lost + recovered.in_use + recovered.lost}")
    return 1 if bare.harm or recovered.harm or not bare.points else 0


if __name__ == "__main__":
    sys.exit(main())
