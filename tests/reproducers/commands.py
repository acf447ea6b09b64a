# SPDX-License-Identifier: MIT
"""The commands that every image is given to, and one run of one of them."""

import hashlib
import os
import struct
import subprocess
from dataclasses import dataclass

from images.builder import AUTOCLEAR_BITMAPS, EXT_BITMAPS, EXT_UNKNOWN, FIELDS

IMAGE = "reproducer.qcow2"


@dataclass(frozen=True)
class Command:
    """`writes`: a success may change the image.  `bare`: it is given the image without its
    bitmaps, which it would refuse to lose."""

    name: str
    arguments: tuple
    writes: bool = False
    bare: bool = False

    @property
    def repairs(self):
        return "-r" in self.arguments


COMMANDS = (
    Command("bitmap --add", ("bitmap", "--add", IMAGE, "new"), True),
    Command("bitmap --remove", ("bitmap", "--remove", IMAGE, "b"), True),
    Command("bitmap --clear", ("bitmap", "--clear", IMAGE, "b"), True),
    Command("info", ("info", "--count", IMAGE)),
    Command("map", ("map", "--bitmap", "b", IMAGE)),
    Command("check", ("check", IMAGE)),
    Command("check -r all -n", ("check", "-r", "all", "-n", IMAGE)),
    Command("check -r all", ("check", "-r", "all", IMAGE), True),
    Command("resize", ("resize", IMAGE, "+1M"), True),
    Command("resize, no bitmaps", ("resize", IMAGE, "+1M"), True, bare=True),
    Command("journal show", ("journal", "show", IMAGE)),
)


def without_bitmaps(data):
    """The same image, its bitmaps extension turned into one that nobody knows."""
    data = bytearray(data)
    at = data.find(struct.pack(">II", EXT_BITMAPS, 24), 0, 4096)
    if at >= 0:
        struct.pack_into(">I", data, at, EXT_UNKNOWN)
        offset, form = FIELDS["autoclear"]
        autoclear, = struct.unpack_from(">" + form, data, offset)
        struct.pack_into(">" + form, data, offset, autoclear & ~AUTOCLEAR_BITMAPS)
    return bytes(data)


@dataclass(frozen=True)
class Run:
    """How a command ended.  `line`: what it said first, on stderr if it said something there."""

    code: int
    line: str
    kibibytes: int
    seconds: float
    changed: bool
    output: bytes
    left: tuple  # what lies in the directory beside the image


def run(instar, measure, directory, data, command, seconds):
    """The command on a fresh file of these bytes, in a directory of its own; a hang ends it."""
    path = os.path.join(directory, IMAGE)
    data = without_bitmaps(data) if command.bare else data
    with open(path, "wb") as file:
        file.write(data)
    report = os.path.join(directory, "report")
    done = subprocess.run(
        [measure, report, instar, *command.arguments], stdin=subprocess.DEVNULL,
        capture_output=True, cwd=directory, timeout=2 * seconds, check=False,
        env=dict(os.environ, LC_ALL="C", INSTAR_STATE_DIR="none"))
    with open(report, encoding="ascii") as file:
        code, kibibytes, microseconds = map(int, file.read().split())
    os.unlink(report)
    with open(path, "rb") as file:
        changed = hashlib.file_digest(file, "sha256").digest() != hashlib.sha256(data).digest()
    os.unlink(path)
    return Run(code, first_line(done.stdout, done.stderr), kibibytes, microseconds / 1e6, changed,
               done.stdout + done.stderr, tuple(os.listdir(directory)))


def first_line(out, err):
    """Of `info`, which always tells all that it can, the first line that tells of damage."""
    for text in (err, out):
        lines = [line.strip() for line in text.decode(errors="backslashreplace").split("\n")]
        lines = [line for line in lines if line.startswith("what: ")] + [l for l in lines if l]
        if lines:
            return lines[0]
    return ""
