#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Show what an input of the guest harness asks for, and write its image to a file.

    show_guest_input.py INPUT [IMAGE]

The layout is in harness/guest_input.h.
"""
import struct
import sys

OPERATIONS = ("bitmap", "check", "repair", "resize", "info", "map", "unreferenced")
ACTIONS = ("0", "add", "remove", "clear", "enable", "disable", "merge", "remove-all", "reset")
CALL, PIECE, MAX_IMAGE = 64, 64, 8 << 20
SECTORS = 2 * MAX_IMAGE // 512


def show_call(data):
    """One line: the operation and all that it takes; names are choices, not texts."""
    operation = OPERATIONS[data[0] % len(OPERATIONS)]
    actions = [ACTIONS[number] if number < len(ACTIONS) else str(number)
               for number in data[6:6 + data[5] % 9]]
    size, = struct.unpack_from("<Q", data, 28)
    ranges = [struct.unpack_from("<IH", data, 40 + 6 * i) for i in range(data[27] % 5)]
    ranges = [(sector % SECTORS, sectors + 1) for sector, sectors in ranges]
    print(operation, *actions, f"flags={struct.unpack_from('<H', data, 2)[0]:#x}",
          f"device={data[1] & 1}", f"failing-write={data[4]}", f"granularity={data[14]}",
          f"target={data[15]}", f"sources={list(data[17:17 + data[16] % 9])}",
          f"size={size} mode={data[26]}", f"ranges={ranges}")


def write_image(data, path):
    size = struct.unpack_from("<I", data, 36)[0] % (MAX_IMAGE + 1)
    if data[1] & 1:  # a block device has whole sectors
        size -= size % 512
    with open(path, "wb") as image:
        for at in range(CALL, len(data) - 2, 2 + PIECE):
            image.seek(struct.unpack_from("<H", data, at)[0] * PIECE)
            image.write(data[at + 2:at + 2 + PIECE])
        image.truncate(size)


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        data = file.read()
    if len(data) < CALL:
        sys.exit("no input: shorter than a call")
    show_call(data)
    if len(arguments) == 2:
        write_image(data, arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
