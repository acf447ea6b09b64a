# SPDX-License-Identifier: MIT
"""A crafter of qcow2 images: makes by hand what qemu-img would never write.

Craft is an Image opened for writing.  Every method leaves a well-formed image
unless its name or comment says otherwise; clusters it gives up are freed, so that
check() stays clean where the craft is meant to be clean.
"""

import os
import struct

from lib.qcow2 import (AUTOCLEAR_BITMAPS, EXT_BITMAPS, EXT_END, FLAG_AUTO, TABLE_OFFSET_MASK,
                       Bitmap, Image)


class Craft(Image):
    def __init__(self, path):
        super().__init__(path, os.O_RDWR)

    def pwrite(self, offset, data):
        assert os.pwrite(self.fd, data, offset) == len(data)

    def put(self, form, offset, *values):
        """Write big-endian numbers; read the header anew."""
        self.pwrite(offset, struct.pack(">" + form, *values))
        self.load()

    # ---- refcounts and clusters ----

    def set_refcount(self, cluster, value):
        """In a block that exists."""
        self._fill_refcounts(cluster, 1, value)

    def _fill_refcounts(self, first, count, value):
        while count:
            block, index = divmod(first, self.refcounts_per_block)
            part = min(count, self.refcounts_per_block - index)
            assert self.has_refcount_block(block), f"no refcount block {block}"
            self._put_refcounts(self.refcount_table[block], index, part, value)
            self._refcount_blocks.pop(block, None)
            first, count = first + part, count - part

    def _put_refcounts(self, block, index, count, value):
        """Refcounts of less than 8 bits share a byte, the first in its lowest bits."""
        if self.refcount_order >= 3:
            width = 1 << (self.refcount_order - 3)
            self.pwrite(block + index * width, value.to_bytes(width, "big") * count)
            return
        width = 1 << self.refcount_order
        mask = (1 << width) - 1
        assert value <= mask
        for at in range(index, index + count):
            byte, shift = divmod(at * width, 8)
            old = self.pread(block + byte, 1)[0]
            self.pwrite(block + byte, bytes([old & ~(mask << shift) | value << shift]))

    def allocate(self, count=1):
        """The offset of `count` fresh zeroed clusters in a row, refcount 1, at the end.
        New refcount blocks lie behind them."""
        first, blocks = self.file_clusters, []
        while True:
            last = first + count + len(blocks) - 1
            missing = [b for b in range(first // self.refcounts_per_block,
                                        last // self.refcounts_per_block + 1)
                       if not self.has_refcount_block(b)]
            if len(missing) == len(blocks):
                break
            blocks = missing
        os.ftruncate(self.fd, (last + 1) << self.cluster_bits)
        for i, block in enumerate(blocks):
            assert block < len(self.refcount_table), "the refcount table is full"
            self.pwrite(self.refcount_table_offset + 8 * block,
                        struct.pack(">Q", (first + count + i) << self.cluster_bits))
        self.load()
        self._fill_refcounts(first, last + 1 - first, 1)
        return first << self.cluster_bits

    def free(self, offset, length):
        """Take one from the refcount of each cluster of a range."""
        for cluster in range(offset >> self.cluster_bits,
                             ((offset + length - 1) >> self.cluster_bits) + 1):
            self.set_refcount(cluster, self.refcount(cluster) - 1)

    def store(self, data):
        """Fresh clusters that hold `data`; their offset."""
        offset = self.allocate(-(-len(data) // self.cluster_size))
        self.pwrite(offset, data)
        return offset

    # ---- header ----

    def set_incompatible(self, bits):
        self.put("Q", 72, self.incompatible | bits)

    def set_compatible(self, bits):
        self.put("Q", 80, self.compatible | bits)

    def set_autoclear(self, bits):
        self.put("Q", 88, self.autoclear | bits)

    def clear_autoclear(self, bits=AUTOCLEAR_BITMAPS):
        """What a program without bitmap support leaves: a stale extension."""
        self.put("Q", 88, self.autoclear & ~bits)

    def write_extensions(self, records, backing=None, gap=0):
        """Write the extension area anew: (type, data) records, END, the backing name.

        `gap`: bytes between END and the backing name."""
        backing = self.backing_name if backing is None else backing
        area = b""
        for kind, data in records:
            area += struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")
        area += struct.pack(">II", EXT_END, 0)
        start = self.header_length
        end = start + len(area)
        name_at = end + gap if backing else 0
        assert end + (gap + len(backing) if backing else 0) <= self.cluster_size, "no room"
        self.pwrite(start, area.ljust(self.cluster_size - start, b"\0"))
        if backing:
            self.pwrite(name_at, backing)
        self.put("QI", 8, name_at, len(backing) if backing else 0)

    def records(self):
        return [(e.type, e.data) for e in self.extensions]

    def add_record(self, kind, data, index=None):
        """Insert an extension record; at the end without an index."""
        records = self.records()
        records.insert(len(records) if index is None else index, (kind, data))
        self.write_extensions(records)

    def move_bitmaps_record(self, index):
        """Seat the bitmaps record at another place among the records."""
        records = self.records()
        body = next(r for r in records if r[0] == EXT_BITMAPS)
        records.remove(body)
        records.insert(index, body)
        self.write_extensions(records)

    # ---- bitmaps ----

    def set_body(self, count, size, offset):
        """The 24 bytes of the bitmaps record, added if it is not there."""
        data = struct.pack(">IIQQ", count, 0, size, offset)
        found = self.extension(EXT_BITMAPS)
        if found is None:
            self.add_record(EXT_BITMAPS, data)
            self.set_autoclear(AUTOCLEAR_BITMAPS)
        else:
            self.pwrite(found.offset + 8, data)
            self.load()

    def write_directory(self, entries):
        """Put a new directory of these entries in fresh clusters, free the old one."""
        old = self.bitmaps_body()
        raw = b"".join(e.pack() for e in entries)
        self.set_body(len(entries), len(raw), self.store(raw))
        if old:
            self.free(old[2], old[1])

    def set_entry(self, name, **changes):
        """Change fields of a directory entry; extra data or a name move the directory."""
        entries = self.bitmaps()
        entry = next(e for e in entries if e.name == os.fsencode(name))
        before = entry.length
        for field, value in changes.items():
            assert hasattr(entry, field)
            setattr(entry, field, value)
        if entry.length == before:
            self.pwrite(entry.offset, entry.pack())
        else:
            self.write_directory(entries)

    def add_bitmap(self, name, granularity=65536, flags=FLAG_AUTO, bits=()):
        """A bitmap made without qemu's help."""
        name = os.fsencode(name)
        entry = Bitmap(0, 0, 0, flags, 1, granularity.bit_length() - 1, name, b"")
        entry.table_size = self.expected_table_size(entry)
        entry.table_offset = self.allocate(-(-8 * entry.table_size // self.cluster_size))
        self.write_directory(self.bitmaps() + [entry])
        if bits:
            self.set_bits(name, bits)

    def set_table_entry(self, name, index, value):
        entry = self.bitmap(name)
        assert index < entry.table_size
        self.pwrite(entry.table_offset + 8 * index, struct.pack(">Q", value))

    def set_bits(self, name, bits):
        """Make the bits of these numbers one, with data clusters as needed."""
        entry = self.bitmap(name)
        clusters = {}
        for bit in bits:
            assert 0 <= bit < self.bit_count(entry)
            clusters.setdefault(bit // (8 * self.cluster_size), []).append(bit)
        for index, numbers in clusters.items():
            self._set_cluster_bits(entry, index, numbers)

    def _set_cluster_bits(self, entry, index, numbers):
        old = self.table(entry)[index]
        if old & TABLE_OFFSET_MASK:
            offset = old & TABLE_OFFSET_MASK
        else:
            offset = self.allocate()
            self.pwrite(entry.table_offset + 8 * index, struct.pack(">Q", offset))
        raw = bytearray(self.pread(offset, self.cluster_size))
        for bit in numbers:
            at = bit % (8 * self.cluster_size)
            raw[at // 8] |= 1 << at % 8
        self.pwrite(offset, bytes(raw))

    def set_all_ones(self, name, index):
        """Table entry `index` says: the whole cluster is ones."""
        old = self.table(self.bitmap(name))[index]
        self.set_table_entry(name, index, 1)
        if old & TABLE_OFFSET_MASK:
            self.free(old & TABLE_OFFSET_MASK, self.cluster_size)
