# SPDX-License-Identifier: MIT
"""A random image, made by qemu-img in a folder of its own, with all that surrounds it: a
backing file, a data file, snapshots, guest data, bitmaps with random bits."""

import os
from dataclasses import dataclass

from lib import images, lived_in
from lib.copies import copy
from lib.craft import Craft
from lib.harness import digest_of
from lib.qcow2 import FLAG_AUTO, FLAG_IN_USE
from lib.random_bitmaps import GRANULARITIES, RandomBits
from lib.shapes import Spec, bitmaps

SECTOR = 512
CLUSTERS = [1 << bits for bits in range(9, 22)]
LEAST_EXTENDED = 16 << 10
WIDTHS = (1, 2, 4, 8, 32, 64)
MOST_L1_ENTRIES = 1024
MOST_SIZE = 256 << 30
MOST_BITS = 100_000       # of a bitmap: the judges are slow
MOST_PREALLOCATED = 2000  # clusters that are mapped from the beginning
FILES = ("disk.qcow2", "other.qcow2", "data.raw", "base.raw", "base.qcow2")


@dataclass
class Disk:
    """`data`: the data file, or None.  `other`: an image with bitmaps for merges across files.
    `options`: as qemu-img create was given them."""

    path: str
    size: int
    options: dict
    data: str | None
    other: str

    def data_digest(self):
        return self.data and digest_of(self.data)

    @property
    def granularities(self):
        """Of which a bitmap has a reasonable number of bits; or far too many."""
        return [g for g in GRANULARITIES if self.size / g <= MOST_BITS or self.size / g > 1 << 33]


def make(folder, chance):
    """The working directory is `folder`: names of other files are relative to it."""
    cluster = chance.choice(CLUSTERS)
    options = {"cluster_size": cluster, **_random_options(cluster, chance)}
    size = _random_size(cluster, "extended_l2" in options, chance)
    options.update(_random_files(size, options, chance))
    is_small = size <= MOST_PREALLOCATED * cluster
    if is_small and "backing_file" not in options and chance.random() < 0.2:
        options["preallocation"] = "metadata"
    path = os.path.join(folder, "disk.qcow2")
    images.tool("qemu-img", "create", "-q", "-f", "qcow2", "-o",
                ",".join(f"{key}={value}" for key, value in options.items()), path, str(size))
    disk = Disk(path, size, options,
                os.path.join(folder, "data.raw") if "data_file" in options else None,
                os.path.join(folder, "other.qcow2"))
    _furnish(disk, chance)
    return disk


def _random_options(cluster, chance):
    if chance.random() < 0.03:
        return {"compat": "0.10"}
    options = {}
    if chance.random() < 0.07:
        options["refcount_bits"] = chance.choice(WIDTHS)
    if cluster >= LEAST_EXTENDED and chance.random() < 0.25:
        options["extended_l2"] = "on"
    if chance.random() < 0.25:
        options["compression_type"] = "zstd"
    if chance.random() < 0.1:
        options["lazy_refcounts"] = "on"
    return options


def _random_size(cluster, extended, chance):
    """A multiple of a sector, seldom of a cluster."""
    limit = min(MOST_SIZE, MOST_L1_ENTRIES * cluster * cluster // (16 if extended else 8))
    kind = chance.choice(("tiny", "small", "small", "any", "aligned"))
    if kind == "tiny":
        return SECTOR * chance.randrange(1, 300)
    if kind == "aligned":
        return cluster * chance.randrange(1, 1 + max(1, min(limit, 1 << 30) // cluster))
    most = min(limit, 64 << 20) if kind == "small" else limit
    return SECTOR * chance.randrange(1, 1 + most // SECTOR)


def _random_files(size, options, chance):
    """A backing file, a data file, both or none."""
    found, is_v3 = {}, "compat" not in options
    if is_v3 and chance.random() < 0.1:
        found["data_file"] = "data.raw"
        if size <= MOST_PREALLOCATED * options["cluster_size"] and chance.random() < 0.5:
            return {**found, "data_file_raw": "on"}  # implies that all is mapped
    if chance.random() < 0.4:
        kind = chance.choice(("raw", "qcow2"))
        found.update(backing_file=f"base.{kind}", backing_fmt=kind)
        _make_base(found["backing_file"], kind, size, chance)
    return found


def _make_base(name, kind, size, chance):
    """Smaller than the disk, as large, or larger."""
    sectors = size // SECTOR
    length = SECTOR * chance.choice((sectors, chance.randrange(1, sectors + 1), sectors + 9))
    images.tool("qemu-img", "create", "-q", "-f", kind, name, str(length))
    piece = min(length, chance.choice((SECTOR, 65536, 1 << 20)))
    at = chance.randrange((min(length, 8 << 20) - piece) // SECTOR + 1) * SECTOR
    images.tool("qemu-io", "-f", kind, "-c", f"write -q -P 3 {at} {piece}", name)


def _furnish(disk, chance):
    if "compat" not in disk.options:
        _add_bitmaps(disk.path, disk, chance)
    copy(disk.path, disk.other)
    if chance.random() < 0.8:
        lived_in.live_in(disk.path, disk.size, chance, chance.random() < 0.4, with_backing=True)


def _add_bitmaps(path, disk, chance):
    usable = [g for g in GRANULARITIES if SECTOR <= g and disk.size / g <= MOST_BITS]
    common = chance.choice(usable)  # merges want equal ones
    specs = [Spec(name.encode(), chance.choice((common, common, chance.choice(usable))),
                  chance.choice((0, FLAG_AUTO, FLAG_AUTO)))
             for name in "abcd"[:chance.randrange(5)]]
    if not specs:
        return
    with Craft(path) as image:
        bitmaps(*specs)(image)
        for spec in specs:
            RandomBits(chance).fill(image, image.bitmap(spec.name))
        if chance.random() < 0.1:
            image.set_entry("a", flags=FLAG_IN_USE | FLAG_AUTO)
