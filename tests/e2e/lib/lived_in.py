# SPDX-License-Identifier: MIT
"""An image that was used: guest data, zeros, compressed clusters, a snapshot.

What qemu does not do with an image (take a snapshot where refcounts have one bit, compress
where clusters are encrypted) is left out there.
"""

import subprocess

from lib import images

UNIT = 4096  # compressed writes want whole clusters, others do not
MOST = 6


def _write(chance, size):
    """A write somewhere in the first part of the disk, where tables are near each other."""
    kind = chance.choice(("write -P 7", "write -P 9", "write -z", "write -z -u", "write -c -P 5",
                          "discard"))
    cluster = chance.choice((UNIT, 65536))
    offset = chance.randrange(max(1, min(size, 8 << 20) // cluster)) * cluster
    length = min(chance.randrange(1, 6) * cluster, size - offset)
    return f"{kind} {offset} {length}"


def _io(options, opened, commands):
    """Each command may fail for itself; the others are done."""
    words = ["qemu-io", *options]
    for command in commands:
        words += ["-c", command]
    subprocess.run([*words, opened], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def live_in(path, size, chance, snapshot, with_backing=False):
    """`size`: the disk's; `snapshot`: take one in between, so that clusters are shared;
    `with_backing`: the backing file is there, and read."""
    options, opened = (), path
    if not with_backing:
        *options, opened = images.check_options(path)
        if "json:" not in opened:
            opened = images.alone(path)
    commands = [_write(chance, size) for _ in range(MOST)] if size else []
    _io(options, opened, commands[:MOST // 2])
    if snapshot:
        subprocess.run(["qemu-img", "snapshot", "-c", "lived in", path], capture_output=True,
                       stdin=subprocess.DEVNULL, check=False)
    _io(options, opened, commands[MOST // 2:])
