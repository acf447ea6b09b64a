# SPDX-License-Identifier: MIT
"""What happens to an image between two commands: the guest writes, a virtual machine runs and
ends or dies, snapshots come and go, the disk is resized.  All of it by programs of qemu's, so
that bitmaps get bits and states as in life; but for what only a crafter can make at will.
"""

import contextlib
import json
import os
import subprocess

from lib import lived_in
from lib.craft import Craft
from lib.qcow2 import Malformed

SECTOR = 512


def happen(path, disk, chance):
    """One event; its name.  What a program of qemu's refuses has not happened."""
    event = chance.choices(EVENTS, WEIGHTS)[0]
    event(path, disk, chance)
    return event.__name__


def guest_writes(path, disk, chance):
    lived_in.live_in(path, disk.size, chance, False, with_backing=True)


def machine_runs(path, disk, chance):
    """Under qemu-storage-daemon; it ends, and stores its bitmaps, or is killed."""
    socket = f"{path}.nbd"
    with _daemon(path, socket) as daemon:
        if daemon is None:
            return
        commands = []
        for _ in range(chance.randrange(1, 5)):
            length = min(SECTOR * chance.randrange(1, 300), disk.size)
            at = chance.randrange((min(disk.size, 8 << 20) - length) // SECTOR + 1) * SECTOR
            commands += ["-c", f"write -q -P {chance.randrange(1, 256)} {at} {length}"]
        _try("qemu-io", "-f", "raw", *commands, f"nbd+unix:///?socket={socket}")
        if chance.random() < 0.5:
            _quit(daemon)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)


@contextlib.contextmanager
def _daemon(path, socket):
    """None if it cannot open the image."""
    process = subprocess.Popen(
        ["qemu-storage-daemon", "--blockdev",
         f"driver=qcow2,node-name=n,file.driver=file,file.filename={path}", "--nbd-server",
         f"addr.type=unix,addr.path={socket}", "--export", "type=nbd,id=e,node-name=n,writable=on",
         "--chardev", "stdio,id=c", "--monitor", "chardev=c"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process if "QMP" in process.stdout.readline() else None
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _quit(daemon):
    for command in ("qmp_capabilities", "quit"):
        daemon.stdin.write(json.dumps({"execute": command}) + "\n")
        daemon.stdin.flush()
    daemon.stdout.read()
    daemon.wait()


def snapshot_taken(path, _, chance):
    _try("qemu-img", "snapshot", "-c", chance.choice("pqr"), path)


def snapshot_deleted(path, _, chance):
    _try("qemu-img", "snapshot", "-d", chance.choice("pqr"), path)


def disk_resized(path, disk, chance):
    """By little; in this version bitmaps in use forbid it."""
    sectors = max(1, disk.size // SECTOR + chance.randrange(-200, 400))
    done = _try("qemu-img", "resize", "-q", "--shrink", path, str(sectors * SECTOR))
    if done.returncode == 0:
        disk.size = sectors * SECTOR


def bitmap_crafted(path, _, chance):
    """A bitmap is in use, or no longer; a cluster of it says that it is all ones."""
    with Craft(path) as image:
        entries = [] if not image.bitmaps_valid else image.bitmaps()
        if not entries:
            return
        entry = chance.choice(entries)
        name = os.fsdecode(entry.name)
        if entry.table_size != image.expected_table_size(entry):
            return  # of another size of the disk, and in use for good
        if chance.random() < 0.4:
            image.set_entry(name, flags=entry.flags ^ 1)
        elif image.bit_count(entry) >= 8 * image.cluster_size:
            image.set_all_ones(name, 0)


def list_made_stale(path, _, __):
    """A program that knows no bitmaps has written."""
    with contextlib.suppress(Malformed), Craft(path) as image:
        if image.version == 3:
            image.clear_autoclear()


EVENTS = (guest_writes, machine_runs, snapshot_taken, snapshot_deleted, disk_resized,
          bitmap_crafted, list_made_stale)
WEIGHTS = (10, 4, 3, 2, 3, 5, 1)


def _try(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
