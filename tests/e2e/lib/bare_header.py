# SPDX-License-Identifier: MIT
"""The header of an image that may be damaged: read without a judgement."""

import os
import struct

from lib.qcow2 import EXT_BACKING_FORMAT, EXT_BITMAPS, EXT_END

MOST_SNAPSHOTS = 1 << 20  # bytes of their table


class Header:
    def __init__(self, path):
        self.file_size = os.path.getsize(path)
        with open(path, "rb") as file:
            fixed = file.read(112)
            (self.version, self.backing_offset, _, self.cluster_bits, _, _, self.l1_size,
             self.l1_offset, self.reftable_offset, self.reftable_clusters, self.snapshot_count,
             self.snapshots_offset) = struct.unpack_from(">IQIIQIIQQIIQ", fixed, 4)
            self.cluster_size = 1 << self.cluster_bits
            self.incompatible, self.autoclear, self.length = 0, 0, 72
            if self.version == 3:
                self.incompatible, _, self.autoclear, _, self.length = struct.unpack_from(
                    ">QQQII", fixed, 72)
            file.seek(min(self.snapshots_offset, self.file_size))
            self.snapshot_table = file.read(MOST_SNAPSHOTS)
            file.seek(0)
            self.cluster = file.read(self.cluster_size).ljust(self.cluster_size, b"\0")

    def tables(self):
        """(offset, bytes) of each that has any."""
        return [(offset, length) for offset, length in (
            (self.l1_offset, 8 * self.l1_size),
            (self.reftable_offset, self.reftable_clusters * self.cluster_size),
            (self.snapshots_offset, int(self.snapshot_count > 0))) if length]

    def is_outside(self, offset, length):
        """The file's last cluster counts as a whole; the header's is no place for a table."""
        end = -(-self.file_size // self.cluster_size) * self.cluster_size
        return not self.cluster_size <= offset <= offset + length <= end

    def snapshot_names(self):
        """Names and numbers, as far as the records can be followed."""
        at, table = 0, self.snapshot_table
        for _ in range(self.snapshot_count):
            if at + 40 > len(table):
                return
            (id_size, name_size), extra = (struct.unpack_from(">HH", table, at + 12),
                                           struct.unpack_from(">I", table, at + 36)[0])
            start = at + 40 + extra
            yield table[start:start + id_size + name_size]
            at = -(-(start + id_size + name_size) // 8) * 8

    def bitmaps_records(self):
        return [kind for kind, _ in self._extensions()].count(EXT_BITMAPS)

    def backing_format_length(self):
        return max((length for kind, length in self._extensions() if kind == EXT_BACKING_FORMAT),
                   default=0)

    def _extensions(self):
        """(type, length) of the records, up to the first one that does not fit."""
        at, limit = self.length, self.backing_offset or self.cluster_size
        while at + 8 <= min(limit, self.cluster_size):
            kind, length = struct.unpack_from(">II", self.cluster, at)
            if kind == EXT_END:
                return
            yield kind, length
            at += 8 + -(-length // 8) * 8
