# SPDX-License-Identifier: MIT
"""Random damage to the metadata of a sound image.

    places = Places(image)            # of the image while it is sound, and open
    patch = places.damage(chance)     # what is changed, where, and to which bytes
    apply(copy, [patch])

A value is one that might be there: that of another entry of the same kind, a cluster inside
the file or behind its end, a single bit flipped, a small number, or anything.  The file's size
stays, but for the rest of its last cluster.
"""

import os
import struct
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

from lib import walk
from lib.qcow2 import (EXT_BACKING_FORMAT, EXT_BITMAPS, EXT_FEATURE_NAMES, INCOMPAT_DATA_FILE,
                       TABLE_OFFSET_MASK)

# Of a table that is larger only the beginning is damaged, and where it is not zero.
WINDOW = 64 << 10
ZEROS = 8  # unused entries that are taken into account all the same
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}

# How often each is damaged, where the image has it.
KINDS = {"refcount": 12, "refcount table": 6, "L1": 6, "L2": 18, "snapshot": 6, "directory": 6,
         "bitmap table": 6, "extension": 4, "header": 1}


class Field(NamedTuple):
    """Of an image there may be 100,000."""

    offset: int
    form: str  # of struct, big-endian


@dataclass(frozen=True)
class Patch:
    kind: str
    offset: int
    data: bytes

    def __str__(self):
        return f"{self.kind} at {self.offset:#x} := {self.data.hex()}"


def apply(path, patches):
    with open(path, "r+b") as file:
        for patch in patches:
            file.seek(patch.offset)
            file.write(patch.data)


class Places:
    """Where the fields of an image's metadata are, by kind."""

    def __init__(self, image):
        self.image = image
        self.cluster = image.cluster_size
        self.clusters = image.file_clusters
        self.end = self.clusters * self.cluster
        found = {
            "refcount": self._refcounts(),
            "refcount table": self._entries(image.refcount_table_offset,
                                            len(image.refcount_table)),
            "L1": [], "L2": [],
            "snapshot": self._snapshots(),
            "directory": [], "bitmap table": [],
            "extension": self._extensions(),
            "header": self._header(),
        }
        for offset, size in walk.l1_tables(image):
            found["L1"] += self._entries(offset, size)
            found["L2"] += self._l2(offset, size)
        for bitmap in image.bitmaps():
            found["directory"] += [Field(bitmap.offset + at, form) for at, form in (
                (0, "Q"), (8, "I"), (12, "I"), (16, "B"), (17, "B"), (18, "H"), (20, "I"))]
            found["bitmap table"] += self._entries(bitmap.table_offset, bitmap.table_size)
        self.found = {kind: [f for f in fields if f.offset + SIZES[f.form] <= self.end]
                      for kind, fields in found.items()}

    # ---- finding ----

    def _value(self, field):
        return int.from_bytes(self.image.pread(field.offset, SIZES[field.form]), "big")

    def _entries(self, offset, count):
        count = min(count, WINDOW // 8)
        zeros, fields = ZEROS, []
        for i, entry in enumerate(walk.read_u64s(self.image, offset, count)):
            if entry or zeros:
                zeros -= not entry
                fields.append(Field(offset + 8 * i, "Q"))
        return fields

    def _l2(self, l1_offset, l1_size):
        fields = []
        for entry in walk.read_u64s(self.image, l1_offset, min(l1_size, WINDOW // 8)):
            if entry & walk.OFFSET_MASK:
                fields += self._entries(entry & walk.OFFSET_MASK, self.cluster // 8)
        return fields

    def _refcounts(self):
        """Byte by byte, those of the file's clusters and of a few behind its end."""
        fields = []
        used = ((self.clusters + ZEROS) << self.image.refcount_order) // 8 + 1
        table = self.image.refcount_table[:-(-used // self.cluster)]
        for i in compress(range(len(table)), table):
            left = min(used - i * self.cluster, self.cluster, WINDOW)
            fields += [Field(table[i] + at, "B") for at in range(left)]
        return fields

    def _snapshots(self):
        fields, at = [], self.image.snapshots_offset
        for snapshot in walk.snapshots(self.image):
            fields += [Field(at + place, form) for place, form in (
                (0, "Q"), (8, "I"), (12, "H"), (14, "H"), (36, "I"))]
            at += snapshot.length
        return fields

    def _extensions(self):
        fields = []
        for found in self.image.extensions:
            if found.type in (EXT_BITMAPS, EXT_BACKING_FORMAT, EXT_FEATURE_NAMES):
                fields.append(Field(found.offset + 4, "I"))
            if found.type == EXT_BITMAPS:
                fields += [Field(found.offset + place, form) for place, form in (
                    (0, "I"), (8, "I"), (12, "I"), (16, "Q"), (24, "Q"))]
        return fields

    def _header(self):
        fields = [(24, "Q"), (36, "I"), (40, "Q"), (48, "Q"), (56, "I"), (60, "I"), (64, "Q")]
        if self.image.version == 3:
            fields += [(72, "Q"), (80, "Q"), (88, "Q"), (96, "I"), (100, "I")]
        return [Field(*field) for field in fields]

    # ---- damaging ----

    def damage(self, chance):
        kinds = [kind for kind in KINDS if self.found[kind]]
        kind, = chance.choices(kinds, [KINDS[kind] for kind in kinds])
        field = chance.choice(self.found[kind])
        bits = 8 * SIZES[field.form]
        old = new = self._value(field)
        while new == old:
            new = self._new_value(chance, kind, field, bits) & ((1 << bits) - 1)
        return Patch(kind, field.offset, struct.pack(">" + field.form, new))

    def _new_value(self, chance, kind, field, bits):
        old, cluster = self._value(field), self.cluster
        if kind == "header" and field.offset == 72:
            # Another file would be asked for; that is not damage.
            return old ^ (1 << chance.choice([b for b in range(64)
                                              if 1 << b != INCOMPAT_DATA_FILE]))
        return chance.choice((
            lambda: old ^ (1 << chance.randrange(bits)),
            lambda: old ^ (1 << (bits - 1)),
            lambda: old + chance.choice((1, -1, 8, 512, cluster, -cluster)),
            lambda: chance.randrange(9),
            lambda: 1 << chance.randrange(bits),
            lambda: self._value(chance.choice(self.found[kind])),
            lambda: chance.randrange(self.clusters + 2) * cluster,
            lambda: chance.randrange(self.clusters + 2) * cluster | walk.COPIED,
            lambda: chance.randrange(self.end + 2 * cluster),
            lambda: (self.clusters + chance.randrange(3)) * cluster,
            lambda: chance.getrandbits(56) & TABLE_OFFSET_MASK & -cluster,
            lambda: chance.getrandbits(bits),
        ))()
