# SPDX-License-Identifier: MIT
"""The images of the cases.  Each function makes one at a path, or gives a function that
does."""

import os
import random

from lib import images
from lib.craft import Craft
from lib.qcow2 import EXT_BITMAPS, FLAG_IN_USE, TABLE_OFFSET_MASK, Image

UNKNOWN = images.UNKNOWN_EXTENSION
DATA_FILE_NAME_LENGTH = 490


def bitmaps(path, names=("a", "b", "c"), *, cluster, granularity="64k", size="4M", snapshot=False,
            **options):
    images.with_bitmaps(path, names, size=size, cluster=cluster, granularity=granularity,
                        **options)
    if snapshot:
        images.snapshot(path, "before")
        images.write(path, "write -P 31 64k 64k")


def many_bits(path, cluster):
    """Bitmaps of several data clusters, with holes and all-ones clusters among them."""
    images.with_bitmaps(path, size="8M", cluster=cluster, granularity="512")
    with Craft(path) as image:
        per_cluster = 8 * cluster
        for name, step in (("a", 3), ("b", 5), ("c", 7)):
            last = image.bit_count(image.bitmap(name)) - 1
            image.set_bits(name, [per_cluster * i + step for i in range(last // per_cluster + 1)
                                  if i % 4 != step % 4] + [last])
        if image.bitmap("a").table_size > 3:
            image.set_all_ones("a", 2)
            image.set_all_ones("b", 1)


def dense(path, cluster, clusters):
    """Bitmaps of so many data clusters each, in which every sector says something."""
    size = clusters * 8 * cluster * 512
    images.with_bitmaps(path, size=size, cluster=cluster, granularity="512")
    rng = random.Random(7)
    with Craft(path) as image:
        for name in ("a", "b", "c"):
            for index in range(clusters):
                old = image.table(image.bitmap(name))[index] & TABLE_OFFSET_MASK
                image.set_table_entry(name, index, image.store(rng.randbytes(cluster)))
                if old:
                    image.free(old, cluster)


def wide(cluster, clusters, edge=None):
    """`edge`: so many clusters before the refcount blocks are full."""
    def build(path):
        dense(path, cluster, clusters)
        if edge is not None:
            images.fill_to_edge(path, edge)
    return build


def mixed(path, *, cluster):
    """A bit of everything: backing file, snapshot, unknown records on both sides of the
    bitmaps record, a disabled bitmap, one with extra clusters, a long name."""
    names = ("a", "b", "c", "disabled", "n" * 120)
    bitmaps(path, names, cluster=cluster, snapshot=True, backing=backing(path),
            granularity="4k")
    with Craft(path) as image:
        image.set_entry("disabled", flags=0)
        image.add_record(UNKNOWN, b"\x66" * 20, 0)
        image.add_record(UNKNOWN + 1, b"\x77" * 60)


def no_bitmaps(path, *, cluster, records=(), **options):
    bitmaps(path, (), cluster=cluster, **options)
    with Craft(path) as image:
        for i, data in enumerate(records):
            image.add_record(UNKNOWN + i, data)


def only_bitmap(path, *, cluster, records=(), seat=None, **options):
    """One bitmap `b`, unknown records behind the bitmaps record."""
    bitmaps(path, ("b",), cluster=cluster, **options)
    with Craft(path) as image:
        if seat is not None:
            image.move_bitmaps_record(seat)
        for i, data in enumerate(records):
            image.add_record(UNKNOWN + i, data)


def backing(path, length=None):
    """A backing file beside the image; with a length, a name of so many bytes."""
    directory = os.path.dirname(path)
    name = "base.qcow2" if length is None else os.path.join(*_parts(length))
    os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
    images.create(os.path.join(directory, name), "4M")
    return name


def _parts(length):
    """Names of a relative path that is so long altogether."""
    parts = []
    while length > 200:
        parts.append("d" * 150)
        length -= 151
    return parts + ["f" * length]


def with_backing(make, length=None, **options):
    return lambda path: make(path, backing=backing(path, length), **options)


def data_file(path):
    """An external data file whose path has 490 bytes."""
    directory = os.path.dirname(path)
    name = os.path.join(directory, *_parts(DATA_FILE_NAME_LENGTH - len(directory) - 1))
    os.makedirs(os.path.dirname(name), exist_ok=True)
    return f"data_file={name}"


def with_data_file(make, **options):
    def build(path):
        make(path, options=data_file(path), **options)
        images.write(path, "write -P 17 0 128k", "write -P 23 1M 64k")
    return build


def at_the_edge(cluster, free, *, table=False, names=("a", "b", "c")):
    """Only `free` clusters are left that the refcount blocks (or the table) cover."""
    def build(path):
        images.create(path, "64M", cluster=cluster)
        with Craft(path) as image:
            for i, name in enumerate(names):
                image.add_bitmap(name, 65536)
                image.set_bits(name, [3 * i, 3 * i + 1, 3 * i + 200])
        with Image(path) as image:
            edge = len(image.refcount_table) * image.refcounts_per_block if table else None
        images.fill_to_edge(path, free, edge)
    return build


def left_in_use(make, *arguments, **options):
    """The bitmap `b`, as a machine that died leaves it."""
    def build(path):
        make(path, *arguments, **options)
        with Craft(path) as image:
            image.set_entry("b", flags=image.bitmap("b").flags | FLAG_IN_USE)
    return build


def crossing(path, *, cluster, behind=()):
    """The 24 bytes of the bitmaps record lie on both sides of a sector's edge."""
    bitmaps(path, cluster=cluster, size="4M")
    with Craft(path) as image:
        record = next(r for r in image.records() if r[0] == EXT_BITMAPS)
        pad = 496 - image.header_length - 8
        image.write_extensions([(UNKNOWN, b"\x5a" * pad), record]
                               + [(UNKNOWN + 1 + i, data) for i, data in enumerate(behind)])


def unknown_autoclear(path, *, cluster):
    bitmaps(path, cluster=cluster)
    with Craft(path) as image:
        image.set_autoclear(1 << 13)


def full_directory(path, *, cluster):
    """The next entry does not fit behind the last one in the directory's cluster."""
    bitmaps(path, ("a", "b", "c"), cluster=cluster)
    with Craft(path) as image:
        length = cluster - sum(b.length for b in image.bitmaps()) - 24
        while length > 0:
            image.add_bitmap(f"{length:04d}".ljust(min(length, 160), "x"))
            length = cluster - sum(b.length for b in image.bitmaps()) - 24
