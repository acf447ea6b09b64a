# SPDX-License-Identifier: MIT
"""What a guest reads of an image that may be damaged, and which clusters that takes.

The rules are qemu's: what lies behind the end of the file reads as zeros, reserved bits do not
count, and what cannot be understood is an I/O error, which is LOST here.  Only L1 and L2 tables
and what they name are read; nothing is said of refcounts.

    view = View(path)                  # of the active layer and of every snapshot
    view.layers[ACTIVE].pieces         # {index: content} where an entry is not all zeros
"""

import hashlib
import os
import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import compress

from lib import walk
from lib.qcow2 import INCOMPAT_DATA_FILE, INCOMPAT_EXTENDED_L2

UNALLOCATED, ZEROS, LOST = "unallocated", "zeros", "lost"
ACTIVE = ("active",)
SUBCLUSTERS = 32
ALL_SUBCLUSTERS = (1 << SUBCLUSTERS) - 1
MOST_ENTRIES = 4 << 20  # of an L1 table, as qemu has it
SECTOR = 512
LUKS = 2


@dataclass
class Layer:
    """`pieces`: of clusters, or of subclusters where the image has them.  `lost_tables`: the L1
    entries whose L2 table cannot be read."""

    pieces: dict = field(default_factory=dict)
    lost_tables: set = field(default_factory=set)
    per_table: int = 1

    def at(self, index):
        if index // self.per_table in self.lost_tables:
            return LOST
        return self.pieces.get(index, UNALLOCATED)

    @property
    def has_lost(self):
        return bool(self.lost_tables) or LOST in self.pieces.values()


class View:
    """`users`: cluster of the file -> how many references of tables and data there are."""

    def __init__(self, path):
        self.users = Counter()
        self.layers = {}
        self._kept = {}
        self.fd = os.open(path, os.O_RDONLY)
        try:
            self._load_header()
            self._add(ACTIVE, self.l1_offset, min(self.l1_size, self._l1_entries()))
            for number, shot in enumerate(self._snapshots()):
                self._add((shot.id, shot.name, number), shot.l1_offset, shot.l1_size)
        finally:
            os.close(self.fd)

    # ---- the file ----

    def pread(self, offset, length):
        if offset >= self.file_size:
            return bytes(length)
        return os.pread(self.fd, length, offset).ljust(length, b"\0")

    def _load_header(self):
        self.file_size = os.fstat(self.fd).st_size
        (self.version, self.backing, self.cluster_bits, self.virtual_size, self.crypt,
         self.l1_size, self.l1_offset, _, _, self.snapshot_count,
         self.snapshots_offset) = struct.unpack(">IQxxxxIQIIQQIIQ", self.pread(4, 68))
        self.cluster_size = 1 << self.cluster_bits
        self.incompatible, self.compression = 0, 0
        if self.version == 3:
            self.incompatible, length = struct.unpack(">Q20xI", self.pread(72, 32))
            self.compression = self.pread(104, 1)[0] if length > 104 else 0
        self.is_extended = bool(self.incompatible & INCOMPAT_EXTENDED_L2)
        self.has_data_file = bool(self.incompatible & INCOMPAT_DATA_FILE)
        self.pieces_per_cluster = SUBCLUSTERS if self.is_extended else 1
        self.piece = self.cluster_size // self.pieces_per_cluster

    def _l1_entries(self):
        """That the disk's size needs: what lies behind them nobody reads."""
        entries = self.cluster_size // (16 if self.is_extended else 8)
        return -(-self.virtual_size // (self.cluster_size * entries))

    def _snapshots(self):
        """As far as the table makes sense."""
        at, found = self.snapshots_offset, []
        for _ in range(min(self.snapshot_count, 1 << 16)):
            if at % 8 or at >= self.file_size:
                break
            head = struct.unpack(">QIHHIIQII", self.pread(at, 40))
            if head[8] > self.file_size:
                break
            raw = self.pread(at + 40 + head[8], head[2] + head[3])
            length = -(-(40 + head[8] + head[2] + head[3]) // 8) * 8
            found.append(walk.Snapshot(head[0], head[1], raw[:head[2]], raw[head[2]:], length))
            at += length
        return found

    def _use(self, offset, length):
        for cluster in range(offset >> self.cluster_bits,
                             -(-(offset + length) >> self.cluster_bits)):
            self.users[cluster] += 1

    # ---- tables ----

    def _add(self, name, offset, size):
        layer = self.layers[name] = Layer()
        entries = self.cluster_size // (16 if self.is_extended else 8)
        layer.per_table = entries * self.pieces_per_cluster
        if size > MOST_ENTRIES or offset % self.cluster_size or offset >> 63:
            layer.lost_tables = range(1 << 64)
            return
        self._use(offset, 8 * size)
        # Most of a large table are zeros, and many are behind the end of a small file.
        size = min(size, max(0, self.file_size - offset) // 8 + 1)
        table = struct.unpack(f">{size}Q", self.pread(offset, 8 * size))
        for index in compress(range(size), table):
            l2_offset = table[index] & walk.OFFSET_MASK
            if not l2_offset:
                continue
            if l2_offset % self.cluster_size:
                layer.lost_tables.add(index)
                continue
            self._use(l2_offset, self.cluster_size)
            self._add_l2(layer, index * layer.per_table, l2_offset)

    def _add_l2(self, layer, first, offset):
        if offset >= self.file_size:
            return
        table = struct.unpack(f">{self.cluster_size // 8}Q",
                              self.pread(offset, self.cluster_size))
        if not self.is_extended:
            for index in compress(range(len(table)), table):
                layer.pieces[first + index] = self._content(table[index], first + index)
            return
        for index in range(0, len(table), 2):
            if table[index] or table[index + 1]:
                at = first + index // 2 * SUBCLUSTERS
                parts = self._subclusters(table[index], table[index + 1], at)
                layer.pieces.update(enumerate(parts, at))

    # ---- clusters ----

    def _content(self, entry, index):
        """Of a cluster without subclusters."""
        if entry & walk.COMPRESSED:
            return self._compressed(entry)[0]
        offset = entry & walk.OFFSET_MASK
        is_zero = entry & 1
        if is_zero and self.version < 3:
            return LOST
        if not offset and not is_zero and not (self.has_data_file and entry & walk.COPIED):
            return UNALLOCATED
        if not self._takes(entry, index * self.cluster_size, is_zero):
            return LOST
        return ZEROS if is_zero else self._data(offset, self.cluster_size)

    def _takes(self, entry, guest_offset, may_be_nothing):
        """Count a cluster that holds data, or is kept for it; False if its place is wrong."""
        offset = entry & walk.OFFSET_MASK
        if may_be_nothing and not offset:
            return True
        if offset % self.cluster_size:
            return False
        if self.has_data_file:
            return offset == guest_offset
        self._use(offset, self.cluster_size)
        return True

    def _subclusters(self, entry, bitmap, first):
        if entry & walk.COMPRESSED:
            return self._compressed(entry)
        offset = entry & walk.OFFSET_MASK
        allocated, zero = bitmap & ALL_SUBCLUSTERS, bitmap >> SUBCLUSTERS
        has_cluster = bool(offset) or bool(self.has_data_file and entry & walk.COPIED)
        if allocated & (zero if has_cluster else ALL_SUBCLUSTERS):
            return [LOST] * SUBCLUSTERS
        if has_cluster and not self._takes(entry, first * self.piece, False):
            return [LOST] * SUBCLUSTERS
        return [ZEROS if zero >> i & 1
                else self._data(offset + i * self.piece, self.piece) if allocated >> i & 1
                else UNALLOCATED for i in range(SUBCLUSTERS)]

    def _data(self, offset, length):
        if self.has_data_file:
            return "@%d" % offset
        data = self.pread(offset, length)
        if not self.crypt:
            return _said(data)
        if self.crypt != LUKS:
            return _digest(data)
        # What it means depends on its place, too; of zeros behind the end nothing is kept.
        return LOST if offset + length > self.file_size else "@%d %s" % (offset, _digest(data))

    def _compressed(self, entry):
        if self.has_data_file:
            return [LOST] * self.pieces_per_cluster
        if entry not in self._kept:
            self._kept[entry] = self._inflated(entry)
        offset, length = walk.compressed_extent(self, entry)
        self._use(offset, length)
        return self._kept[entry]

    def _inflated(self, entry):
        offset, length = walk.compressed_extent(self, entry)
        raw = self.pread(offset, length)
        if self.compression and offset + length > self.file_size:
            return [LOST] * self.pieces_per_cluster
        if self.compression:  # zstd: the stored bytes stand for the content
            return ["zstd " + _digest(raw)] * self.pieces_per_cluster
        try:
            data = zlib.decompressobj(-12).decompress(raw, self.cluster_size)
        except zlib.error:
            return [LOST] * self.pieces_per_cluster
        if len(data) != self.cluster_size:
            return [LOST] * self.pieces_per_cluster
        return [_said(data[at:at + self.piece]) for at in range(0, len(data), self.piece)]


def _digest(data):
    return hashlib.sha1(data).hexdigest()


def _said(data):
    return _digest(data) if data.strip(b"\0") else ZEROS


# ---- two of them ----

def differences(before, old, new, most=5):
    """Two layers: what reads otherwise than it did in the View `before`, but for what was
    LOST.  Behind the end of the disk, where a machine's state lies, no backing file is seen."""
    found = []
    seen = before.virtual_size if before.backing else 0
    for index in sorted(old.pieces.keys() | new.pieces.keys()):
        was, now = old.at(index), new.at(index)
        if was in (LOST, now):
            continue
        if {was, now} == {UNALLOCATED, ZEROS} and index * before.piece >= seen:
            continue
        found.append(f"{was} at {index * before.piece:#x} is {now} now")
        if len(found) == most:
            break
    return found
