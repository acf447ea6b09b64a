# SPDX-License-Identifier: MIT
"""The smoke: images, and what is done to them, in order."""

import json
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    image: str
    actions: tuple           # options of `instar bitmap`
    bitmap: str
    refused: str = ""        # the message, where it is to be refused
    envelope: tuple = ()     # (actions applied, bitmaps afterwards), with --output json

    def arguments(self, folder):
        output = ["--output", "json"] if self.envelope else []
        return ["bitmap", *output, *self.actions, f"{folder}/{self.image}", self.bitmap]

    def expected_stdout(self):
        if not self.envelope:
            return None
        return {"actions-applied": self.envelope[0], "resulting-bitmaps": self.envelope[1]}


STEPS = [
    Step("plain.qcow2", ("--add",), "b0"),
    Step("plain.qcow2", ("--add", "--disable", "-g", "128k"), "b1", envelope=(2, 2)),
    Step("plain.qcow2", ("--add",), "b2"),
    Step("plain.qcow2", ("--add", "--add"), "b3", refused="bitmap already exists"),
    Step("plain.qcow2", ("--clear",), "nosuch", refused="bitmap not found"),
    Step("plain.qcow2", ("--remove",), "b0", envelope=(1, 2)),
    Step("plain.qcow2", ("--enable",), "b1"),
    Step("plain.qcow2", ("--disable",), "b2"),
    Step("dirty.qcow2", ("--merge", "a"), "b"),
    Step("dirty.qcow2", ("--clear",), "a"),
    Step("small.qcow2", ("--add",), "x"),
    Step("small.qcow2", ("--remove",), "x", envelope=(1, 0)),
    Step("small.qcow2", ("--add",), "y"),
    Step("large.qcow2", ("--add", "-g", "2M"), "x"),
    Step("overlay.qcow2", ("--add",), "x"),
    Step("old.qcow2", ("--add",), "x",
         refused="cannot store dirty bitmaps in a qcow2 v2 image"),
]

IMAGES = list(dict.fromkeys(step.image for step in STEPS))


def tool(*arguments):
    return subprocess.run(list(map(str, arguments)), check=True, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True).stdout


def create_images(folder):
    """All of them below 4 MiB on disk: they travel over a serial line."""

    def create(name, size, *options):
        tool("qemu-img", "create", "-q", "-f", "qcow2", *options, folder / name, size)

    create("plain.qcow2", "64M")
    create("dirty.qcow2", "64M", "-o", "cluster_size=4k")
    for name in ("a", "b"):
        tool("qemu-img", "bitmap", "--add", "-g", "4k", folder / "dirty.qcow2", name)
    tool("qemu-io", "-c", "write -q 1M 200k", folder / "dirty.qcow2")
    tool("qemu-img", "bitmap", "--disable", folder / "dirty.qcow2", "b")
    tool("qemu-io", "-c", "write -q 60M 68k", folder / "dirty.qcow2")
    create("small.qcow2", "4M", "-o", "cluster_size=512")
    create("large.qcow2", "1G", "-o", "cluster_size=2M")
    create("base.qcow2", "64M")
    create("overlay.qcow2", "64M", "-b", "base.qcow2", "-F", "qcow2")
    create("old.qcow2", "64M", "-o", "compat=0.10")


def bitmaps(image):
    """{name: (granularity, flags)} as qemu-img sees them."""
    information = json.loads(tool("qemu-img", "info", "--output=json", image))
    listed = information["format-specific"]["data"].get("bitmaps", [])
    return {entry["name"]: (entry["granularity"], entry["flags"]) for entry in listed}
