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


def _extension_body(file):
    """Where the body of the bitmaps extension is (qcow2: header extensions)."""
    header = os.pread(file, 65536, 0)
    position = struct.unpack_from(">I", header, 100)[0]
    while True:
        kind, length = struct.unpack_from(">II", header, position)
        if kind == BITMAPS_EXTENSION:
            return position + 8
        if kind == 0:
            raise ValueError("the image has no bitmaps")
        position += 8 + (length + 7) // 8 * 8


def _extension(file):
    """Offset and size of the bitmap directory."""
    _, _, size, offset = struct.unpack(">IIQQ", os.pread(file, 24, _extension_body(file)))
    return offset, size


def _set_extension(file, count, size, offset):
    os.pwrite(file, struct.pack(">IIQQ", count, 0, size, offset), _extension_body(file))


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
    _set_refcounts(file, cluster_size, first, count, 0, 1)


def _set_refcounts(file, cluster_size, first, count, old, new):
    """Of 16 bits, in refcount blocks that are there."""
    per_block = cluster_size // 2
    table = struct.unpack(">Q", os.pread(file, 8, 48))[0]
    while count:
        within = first % per_block
        now = min(count, per_block - within)
        block = struct.unpack(">Q", os.pread(file, 8, table + first // per_block * 8))[0]
        if not block:
            raise ValueError("the image needs one more refcount block")
        if os.pread(file, 2 * now, block + 2 * within) != struct.pack(">H", old) * now:
            raise ValueError(f"a cluster's refcount is not {old}")
        os.pwrite(file, struct.pack(">H", new) * now, block + 2 * within)
        first, count = first + now, count - now


def _noise(size, seed):
    """Bits of which half are set."""
    return random.Random(seed).randbytes(size)


def _give_refcount_blocks(path, count):
    """Let the image have `count` refcount blocks, of which all but the first are empty
    but for themselves."""
    file = os.open(path, os.O_RDWR)
    cluster_size = 1 << struct.unpack(">I", os.pread(file, 4, 20))[0]
    table = struct.unpack(">Q", os.pread(file, 8, 48))[0]
    end = -(-os.fstat(file).st_size // cluster_size)
    for number in range(1, count):
        os.pwrite(file, struct.pack(">Q", (end + number - 1) * cluster_size), table + 8 * number)
    _raise_refcounts(file, cluster_size, end, count - 1)
    os.ftruncate(file, (end + count - 1) * cluster_size)
    os.close(file)


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


def make_crowd(path, count):
    """Make of an image with one bitmap, empty and called "b0", one with `count` of them.
    Their tables are holes of the file: all zeros, as those of new bitmaps are."""
    file = os.open(path, os.O_RDWR)
    cluster_size = 1 << struct.unpack(">I", os.pread(file, 4, 20))[0]
    (_, entries), = _tables(file).values()
    offset, size = _extension(file)
    _set_refcounts(file, cluster_size, offset // cluster_size, 1, 1, 0)
    one = bytearray(os.pread(file, size, offset))
    clusters = -(-entries * 8 // cluster_size)
    end = -(-os.fstat(file).st_size // cluster_size)
    _raise_refcounts(file, cluster_size, end, (count - 1) * clusters)
    directory = [bytes(one)]
    for number in range(1, count):
        name = b"b%d" % number
        entry = struct.pack(">QIIBBHI", (end + (number - 1) * clusters) * cluster_size, entries,
                            *struct.unpack_from(">IBB", one, 12), len(name), 0) + name
        directory.append(entry + bytes(-len(entry) % 8))
    directory = b"".join(directory)
    end += (count - 1) * clusters
    _raise_refcounts(file, cluster_size, end, -(-len(directory) // cluster_size))
    os.pwrite(file, directory, end * cluster_size)
    os.ftruncate(file, (end + -(-len(directory) // cluster_size)) * cluster_size)
    _set_extension(file, count, len(directory), end * cluster_size)
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


def full_refcount_table(path):
    """512-byte clusters, and a file that ends where the last refcount block ends that the
    refcount table's one cluster has room for."""
    full = 64 * 256 * 512
    create(path, "64M", "-o", "cluster_size=512")
    written = 0
    while path.stat().st_size < full:
        # One in 64 clusters is an L2 table, one in 256 a refcount block.
        left = (full - path.stat().st_size) // 512
        now = max(1, left - left // 32 - 2)
        subprocess.run(["qemu-io", "-c", f"write -q {written * 512} {now * 512}", path],
                       check=True)
        written += now
    if path.stat().st_size != full:
        raise ValueError("no such image found")


def small_clusters(path):
    create(path, "1G", "-o", "cluster_size=512")
    for name in ("b0", "b1", "b2"):
        add(path, name)


def large_clusters(path):
    create(path, "1G", "-o", "cluster_size=2M")
    for name in ("b0", "b1", "b2"):
        add(path, name)


def crowd(path):
    """As many bitmaps as there may be, but one."""
    create(path, "1G")
    add(path, "b0")
    _give_refcount_blocks(path, 3)
    make_crowd(path, 65534)


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


def two_half_gib_bitmaps(path):
    create(path, 16 * TIB)
    for name in ("b0", "b1"):
        add(path, name, "4k")
    make_dense(path, 6)


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
