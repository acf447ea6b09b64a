# SPDX-License-Identifier: MIT
"""Which regions of the disk a bitmap marks dirty: by the tests' own reader, and by qemu's NBD
server.  An extent is (start, length) in bytes; neighbours are one."""

import json
import re

from lib import images

SECTOR = 512
BITS_OF_BYTE = [bytes((byte >> bit & 1) for bit in range(8)) for byte in range(256)]


def disk_size(image):
    """QEMU counts whole sectors."""
    return image.virtual_size // SECTOR * SECTOR


def merged(pieces):
    whole = []
    for start, length in pieces:
        if whole and sum(whole[-1]) == start:
            start, length = whole[-1][0], whole.pop()[1] + length
        whole.append((start, length))
    return whole


def extents_of_bits(raw, granularity, size):
    """Of a bitmap's bytes: bit n is byte n/8, bit n%8."""
    count = -(-size // granularity)
    flags = b"".join(BITS_OF_BYTE[byte] for byte in raw[:-(-count // 8)])[:count]
    return [(run.start() * granularity, min(run.end() * granularity, size)
             - run.start() * granularity) for run in re.finditer(b"\1+", flags)]


def extents_read(image, bitmap):
    """By the tests' own reader, of an opened Image's entry."""
    return extents_of_bits(image.raw_bits(bitmap), bitmap.granularity, disk_size(image))


def extents_served(socket, name):
    """What qemu's NBD server tells of a bitmap; to qemu-img map, dirty reads as "no data"."""
    out = images.tool("qemu-img", "map", "--output=json", "--image-opts",
                      f"driver=nbd,server.type=unix,server.path={socket},export=n,"
                      f"x-dirty-bitmap=qemu:dirty-bitmap:{name}")
    return merged((e["start"], e["length"]) for e in json.loads(out) if not e["data"])


# ---- as instar map prints them ----

def human(extents):
    lines = ["Offset          Length\n"]
    lines += [f"{start:#x}".ljust(16) + f"{length:#x}\n" if start else f"0{' ' * 15}{length:#x}\n"
              for start, length in extents]
    return "".join(lines).encode()


def as_json(extents):
    return ("[" + ",\n".join(
        f'{{ "start": {start}, "length": {length}, "depth": 0, "present": true, "zero": false, '
        f'"data": true}}' for start, length in extents) + "]\n").encode()
