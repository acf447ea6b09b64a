# SPDX-License-Identifier: MIT
"""The table of cases: an image, and the commands whose crash states are explored.

Images are a few MiB of virtual size, so that a state costs milliseconds.
"""

import os
import random
from dataclasses import dataclass
from typing import Callable

from lib import images
from lib.craft import Craft
from lib.qcow2 import EXT_BITMAPS, TABLE_OFFSET_MASK, Image

UNKNOWN = images.UNKNOWN_EXTENSION
SIZES = {"512": 512, "1k": 1024, "4k": 4096, "64k": 65536, "2m": 2 << 20}
DATA_FILE_NAME_LENGTH = 490


@dataclass(frozen=True)
class Case:
    key: str
    make: Callable             # (path of the image) -> None
    commands: tuple            # each: options before the image, then the bitmap's name
    journal_directory: bool = False
    hard_link: bool = False
    injection: tuple = ()      # of strace: calls that fail, so that the edit is rolled back

    @property
    def named(self):
        """The bitmaps that the commands name."""
        return {command[-1] for command in self.commands}

    @property
    def rolls_back(self):
        return bool(self.injection)


# ---- images ----


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


# ---- the table ----

ACTIONS = {
    "add": ("--add", "n"),
    "remove": ("--remove", "b"),
    "remove-newest": ("--remove", "c"),
    "clear": ("--clear", "b"),
    "disable": ("--disable", "b"),
    "enable": ("--disable", "--enable", "--disable", "b"),
    "merge": ("--merge", "a", "b"),
    "add-disable": ("--add", "--disable", "n"),
    "remove-add": ("--remove", "--add", "b"),
    "clear-disable": ("--clear", "--disable", "b"),
}
MANY_BITS = {
    "merge-several": ("--merge", "a", "--merge", "c", "b"),
    "clear-many": ("--clear", "b"),
    "remove-add-disable": ("--remove", "--add", "--disable", "-g", "512", "b"),
}


def _actions():
    for label, cluster in SIZES.items():
        for action, command in ACTIONS.items():
            snapshot = action in ("add", "remove", "merge")
            yield Case(f"{action}-{label}",
                       lambda path, c=cluster, s=snapshot: bitmaps(path, cluster=c, snapshot=s),
                       (command,))
    for label in ("512", "1k", "64k"):
        for action, command in MANY_BITS.items():
            yield Case(f"{action}-{label}", lambda path, c=SIZES[label]: many_bits(path, c),
                       (command,))


WIDE = (  # cluster, data clusters, action
    ("512", 16, "clear"), ("512", 16, "merge-several"), ("512", 16, "remove-add"),
    ("1k", 12, "merge"), ("1k", 12, "remove"), ("4k", 8, "merge-several"), ("4k", 8, "clear"),
    ("64k", 4, "merge"), ("64k", 4, "remove-add"), ("64k", 2, "merge-several"),
    ("512", 40, "merge"), ("1k", 24, "merge-several"), ("4k", 16, "merge"),
)
MIXED = (
    ("1k", "add"), ("1k", "remove"), ("1k", "merge"), ("64k", "remove-add"), ("64k", "clear"),
    ("64k", "merge"), ("64k", "add-disable"),
)


def _wide():
    """Many pieces to a step, and journals of many sectors."""
    commands = ACTIONS | MANY_BITS
    for edge in (0, 5):
        yield Case(f"wide-growth-512-{edge}", wide(512, 16, edge), (MANY_BITS["merge-several"],))
    for label, clusters, action in WIDE:
        yield Case(f"wide-{action}-{label}-{clusters}", wide(SIZES[label], clusters),
                   (commands[action],))
    for label, action in MIXED:
        yield Case(f"mixed-{action}-{label}",
                   lambda path, c=SIZES[label]: mixed(path, cluster=c), (commands[action],))


def _first_and_last():
    behind = (b"\x11" * 24, b"", b"\x22" * 100)
    for label, cluster in SIZES.items():
        first, last = (("--add", "n"),), (("--remove", "b"),)
        yield Case(f"first-{label}", lambda path, c=cluster: no_bitmaps(path, cluster=c), first)
        yield Case(f"last-{label}", lambda path, c=cluster: only_bitmap(path, cluster=c), last)
        yield Case(f"first-records-{label}",
                   lambda path, c=cluster: no_bitmaps(path, cluster=c, records=behind), first)
        yield Case(f"last-records-{label}",
                   lambda path, c=cluster: only_bitmap(path, cluster=c, records=behind), last)
    for label in ("512", "1k", "64k"):
        yield Case(f"first-backing-{label}", with_backing(no_bitmaps, cluster=SIZES[label]), first)
        yield Case(f"last-backing-{label}", with_backing(only_bitmap, cluster=SIZES[label]), last)
    yield Case("first-backing-1k-350", with_backing(no_bitmaps, 350, cluster=1024), first)
    yield Case("first-backing-64k-390", with_backing(no_bitmaps, 390, cluster=65536), first)
    yield Case("last-backing-records-64k",
               with_backing(only_bitmap, 390, cluster=65536, records=(b"\x33" * 700,)), last)
    yield Case("last-first-seat-64k",
               lambda path: only_bitmap(path, cluster=65536, seat=0, records=behind), last)


def _features():
    for label in ("1k", "64k"):
        cluster = SIZES[label]
        yield Case(f"first-data-file-{label}",
                   with_data_file(no_bitmaps, cluster=cluster), (("--add", "n"),))
        yield Case(f"last-data-file-{label}",
                   with_data_file(only_bitmap, cluster=cluster), (("--remove", "b"),))
        yield Case(f"merge-data-file-{label}",
                   with_data_file(bitmaps, cluster=cluster), (("--merge", "c", "b"),))
        yield Case(f"add-backing-{label}",
                   with_backing(bitmaps, cluster=cluster), (("--add", "n"),))
        yield Case(f"crossing-add-{label}",
                   lambda path, c=cluster: crossing(path, cluster=c), (("--add", "n"),))
        yield Case(f"crossing-remove-{label}",
                   lambda path, c=cluster: crossing(path, cluster=c, behind=(b"\x44" * 40,)),
                   (("--remove", "b"),))
        yield Case(f"autoclear-{label}",
                   lambda path, c=cluster: unknown_autoclear(path, cluster=c),
                   (("--disable", "b"),))
    yield Case("full-directory-1k", lambda path: full_directory(path, cluster=1024),
               (("--add", "n"),))


def _growth():
    for free in (0, 1, 2):
        yield Case(f"growth-add-512-{free}", at_the_edge(512, free), (("--add", "n"),))
    yield Case("growth-merge-512", at_the_edge(512, 0), (("--merge", "a", "b"),))
    yield Case("growth-remove-add-512", at_the_edge(512, 0), (("--remove", "--add", "b"),))
    yield Case("growth-first-512", at_the_edge(512, 1, names=()), (("--add", "n"),))
    yield Case("growth-add-1k", at_the_edge(1024, 0), (("--add", "n"),))
    yield Case("growth-table-512", at_the_edge(512, 0, table=True), (("--add", "n"),))


def _sequences():
    """Edits one behind the other: what the first left unsynced may be lost in the second."""
    for label in ("512", "64k"):
        cluster = SIZES[label]
        yield Case(f"then-remove-add-{label}", lambda path, c=cluster: bitmaps(path, cluster=c),
                   (("--remove", "c"), ("--add", "n")))
        yield Case(f"then-add-remove-{label}", lambda path, c=cluster: bitmaps(path, cluster=c),
                   (("--add", "n"), ("--remove", "n")))
        yield Case(f"then-clear-merge-{label}", lambda path, c=cluster: many_bits(path, c),
                   (("--clear", "b"), ("--merge", "a", "b")))
    yield Case("then-clear-merge-wide-1k", wide(1024, 12),
               (("--clear", "b"), ("--merge", "a", "--merge", "c", "b")))


def _places():
    yield Case("hard-link-64k", lambda path: bitmaps(path, cluster=65536), (("--add", "n"),),
               hard_link=True)
    yield Case("journal-dir-64k", lambda path: bitmaps(path, cluster=65536), (("--remove", "b"),),
               journal_directory=True)


def _rollbacks():
    """The n-th write fails, and what was done is undone by the living program."""
    for number in (2, 3, 4):
        yield Case(f"rollback-add-64k-{number}", lambda path: bitmaps(path, cluster=65536),
                   (("--add", "n"),),
                   injection=("-e", f"inject=pwrite64:error=EIO:when={number}"))
    yield Case("rollback-merge-512", lambda path: many_bits(path, 512),
               (("--merge", "a", "--merge", "c", "b"),),
               injection=("-e", "inject=fdatasync:error=EIO:when=3"))
    yield Case("rollback-merge-wide-1k", wide(1024, 12), (("--merge", "a", "b"),),
               injection=("-e", "inject=fdatasync:error=EIO:when=2"))


def table():
    """Those with the most states first, so that two workers end at the same time."""
    return [*_wide(), *_actions(), *_first_and_last(), *_features(), *_growth(), *_sequences(),
            *_places(), *_rollbacks()]
