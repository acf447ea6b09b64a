# SPDX-License-Identifier: MIT
"""The images that the benchmark edits.

qemu-img makes them; dense bitmaps are written straight into the file, because
qemu-img would need minutes to set that many bits.
"""

import os
import random
import struct
import subprocess

BITMAPS_EXTENSION = 0x23852875
TIB = 1 << 40
STALE_BITMAPS = 70


def qemu_img(*arguments):
    subprocess.run(["qemu-img", *map(str, arguments)], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def create(path, size, *options):
    qemu_img("create", "-q", "-f", "qcow2", *options, path, size)


def add(path, name, granularity=None):
    choice = ["-g", granularity] if granularity else []
    qemu_img("bitmap", "--add", *choice, path, name)


def _extension(file):
    """Offset and size of the bitmap directory (qcow2: header extensions)."""
    header = os.pread(file, 65536, 0)
    position = struct.unpack_from(">I", header, 100)[0]
    while True:
        kind, length = struct.unpack_from(">II", header, position)
        if kind == BITMAPS_EXTENSION:
            _, _, size, offset = struct.unpack_from(">IIQQ", header, position + 8)
            return offset, size
        if kind == 0:
            raise ValueError("the image has no bitmaps")
        position += 8 + (length + 7) // 8 * 8


def _tables(file):
    """{name: (table offset, entries)} (qcow2: bitmap directory)."""
    offset, size = _extension(file)
    directory = os.pread(file, size, offset)
    tables, position = {}, 0
    while position < size:
        table, entries, _, _, _, name_size, extra = struct.unpack_from(
            ">QIIBBHI", directory, position)
        begin = position + 24 + extra
        tables[directory[begin:begin + name_size].decode()] = (table, entries)
        position = (begin + name_size + 7) // 8 * 8
    return tables


def _raise_refcounts(file, cluster_size, first, count):
    """16-bit refcounts 0 -> 1, inside the first refcount block only."""
    per_block = cluster_size // 2
    if first + count > per_block:
        raise ValueError("the image needs a second refcount block")
    table = struct.unpack(">Q", os.pread(file, 8, 48))[0]
    block = struct.unpack(">Q", os.pread(file, 8, table))[0]
    if any(os.pread(file, 2 * count, block + 2 * first)):
        raise ValueError("a cluster behind the end of the file has a refcount")
    os.pwrite(file, b"\0\1" * count, block + 2 * first)


def _noise(size, seed):
    """Bits of which half are set."""
    return random.Random(seed).randbytes(size)


def make_dense(path, seed, content=_noise):
    """Give every bitmap of the image a data cluster for each table entry: none is all
    zeros or all ones, and no two are the same."""
    file = os.open(path, os.O_RDWR)
    cluster_size = 1 << struct.unpack(">I", os.pread(file, 4, 20))[0]
    end = -(-os.fstat(file).st_size // cluster_size)
    for number, (table, entries) in enumerate(_tables(file).values()):
        filling = content(cluster_size, seed + number)
        _raise_refcounts(file, cluster_size, end, entries)
        for index in range(entries):
            os.pwrite(file, struct.pack("<Q", index * 0x9E3779B97F4A7C15 % 2**64) + filling[8:],
                      (end + index) * cluster_size)
        clusters = [(end + index) * cluster_size for index in range(entries)]
        os.pwrite(file, struct.pack(f">{entries}Q", *clusters), table)
        end += entries
    os.fsync(file)
    os.close(file)


# ---- one function an image; the name is what the cases call it -------------------


def empty(path):
    create(path, "1G")


def three_bitmaps(path):
    create(path, "1G")
    for name in ("b0", "b1", "b2"):
        add(path, name)


def overlay(path):
    base = path.parent / "base.qcow2"
    create(base, "1G")
    create(path, "1G", "-b", base.resolve(), "-F", "qcow2")


def full_refcount_block(path):
    """512-byte clusters, and a file that ends where its one refcount block ends."""
    for clusters in range(150, 256):
        create(path, "1M", "-o", "cluster_size=512")
        subprocess.run(["qemu-io", "-c", f"write -q 0 {clusters * 512}", path], check=True)
        if path.stat().st_size == 256 * 512:
            return
    raise ValueError("no such image found")


def ten_dense(path):
    create(path, 16 * TIB)
    for number in range(10):
        add(path, f"b{number}", "64k")
    make_dense(path, 1)


def seventy_dense(path):
    """Bitmaps that nobody has removed: 2 MiB each."""
    create(path, TIB)
    for number in range(STALE_BITMAPS):
        add(path, f"b{number}", "64k")
    make_dense(path, 5)


def half_gib_bitmap(path):
    create(path, 16 * TIB)
    add(path, "b0", "4k")
    make_dense(path, 2)


def preallocated(path):
    create(path, TIB, "-o", "preallocation=metadata")


def preallocated_with_bitmap(path):
    preallocated(path)
    add(path, "b0")


def two_dense(path):
    create(path, 16 * TIB)
    for name in ("b0", "b1"):
        add(path, name, "64k")
    make_dense(path, 3)


def dense_runs(path):
    """One bitmap of 32 MiB without a hole in its table: of 512 bits, 480 in a row are
    dirty, as a guest leaves them that writes large files."""
    create(path, 16 * TIB)
    add(path, "b0", "64k")
    make_dense(path, 4, lambda size, seed: (b"\xff" * 60 + b"\0" * 4) * (size // 64))
