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
