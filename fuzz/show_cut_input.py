#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Show which operations an input of the cut harness asks for, and where they are cut off.

    show_cut_input.py INPUT

The layout is in harness/cut_input.h, the images are in harness/cut_images.c.
"""
import os
import re
import struct
import sys

OPERATIONS = ("bitmap", "resize", "repair")
ACTIONS = ("add", "remove", "clear", "enable", "disable", "merge", "remove-all", "reset")
FLAGS = ("no-scan", "all", "reset", "shrink", "few", "remove-all", "process")
HEAD, STEP, MOST, SECTORS = 4, 32, 6, 8192


def image_names():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness/cut_images.c")
    with open(path, encoding="utf-8") as source:
        table = source.read().split("kinds[] = {", 1)[1].split("\n};", 1)[0]
    return re.findall(r'^    \{"([^"]+)"', table, re.MULTILINE)


def show_step(step):
    cut, chosen, size = struct.unpack_from("<HQH", step, 14)
    flags = [name for bit, name in enumerate(FLAGS) if step[1] >> bit & 1]
    actions = [ACTIONS[number % len(ACTIONS)] for number in step[3:4 + step[2] % 4]]
    print(" ", OPERATIONS[step[0] % len(OPERATIONS)], *actions, f"flags={','.join(flags)}",
          f"target={step[7]}", f"granularity={step[8]}",
          f"sources={list(step[10:10 + step[9] % 4])}", f"size={(size % SECTORS + 1) * 512}",
          f"cut={cut}", f"chosen={chosen:#x}", f"second-cut={step[26]}")


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        data = file.read()
    if len(data) < HEAD + STEP:
        sys.exit("no input: shorter than a step")
    names = image_names()
    print(names[data[0] % len(names)], f"device={data[1] & 1}")
    for at in list(range(HEAD, len(data) - STEP + 1, STEP))[:MOST]:
        show_step(data[at:at + STEP])


if __name__ == "__main__":
    main(sys.argv[1:])
