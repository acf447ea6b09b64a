# SPDX-License-Identifier: MIT
"""A qcow2 image in memory, byte by byte: sound until somebody changes it.

    0 header   1 refcount table   2 refcount block   3 L1   4 L2   5 a guest cluster
    6 bitmap table   7 bits   8 bitmap directory

are its clusters, of 512 bytes unless told otherwise.  The disk has 32 KiB, of which the first
cluster holds data, and one bitmap, "b", whose first bit is one.  No tool is asked for any of
this, so that what a tool cannot be brought to write can be written.
"""

import struct

MAGIC = b"QFI\xfb"
COPIED = 1 << 63
COMPRESSED = 1 << 62

EXT_END = 0
EXT_BACKING_FORMAT = 0xE2792ACA
EXT_BITMAPS = 0x23852875
EXT_CRYPTO = 0x0537BE77
EXT_DATA_FILE = 0x44415441
EXT_UNKNOWN = 0x12345678

INCOMPAT_DATA_FILE = 4
AUTOCLEAR_BITMAPS = 1

# Header fields: name -> (offset, form of struct).
FIELDS = {
    "version": (4, "I"), "backing_offset": (8, "Q"), "backing_size": (16, "I"),
    "cluster_bits": (20, "I"), "virtual_size": (24, "Q"), "crypt_method": (32, "I"),
    "l1_size": (36, "I"), "l1_offset": (40, "Q"), "refcount_table_offset": (48, "Q"),
    "refcount_table_clusters": (56, "I"), "snapshots": (60, "I"), "snapshots_offset": (64, "Q"),
    "incompatible": (72, "Q"), "compatible": (80, "Q"), "autoclear": (88, "Q"),
    "refcount_order": (96, "I"), "header_length": (100, "I"),
}
HEADER_LENGTH = 104

# Fields of a directory entry, from its start.
ENTRY = {"table_offset": (0, "Q"), "table_size": (8, "I"), "flags": (12, "I"), "type": (16, "B"),
         "granularity_bits": (17, "B"), "name_size": (18, "H"), "extra_size": (20, "I")}


class Builder:
    def __init__(self, cluster_bits=9, virtual_size=32 << 10, refcount_order=4, names=(b"b",)):
        self.cluster = 1 << cluster_bits
        self.refcount_order = refcount_order
        self.data = bytearray(self.cluster)
        self.records = []
        self.backing = b""
        self.data[:4] = MAGIC
        self.set(version=3, cluster_bits=cluster_bits, virtual_size=virtual_size,
                 refcount_order=refcount_order, header_length=HEADER_LENGTH)
        self.refcount_table = self.store(b"")
        self.refcount_block = self.store(b"")
        self.l1 = self.store(b"")
        self.l2 = self.store(b"")
        self.guest = self.store(b"\x11" * self.cluster)
        self.put("Q", self.refcount_table, self.refcount_block)
        self.put("Q", self.l1, self.l2 | COPIED)
        self.put("Q", self.l2, self.guest | COPIED)
        self.set(refcount_table_offset=self.refcount_table, refcount_table_clusters=1, l1_size=1,
                 l1_offset=self.l1)
        self._add_bitmaps(names)

    # ---- bytes ----

    def put(self, form, offset, *values):
        """Big-endian numbers."""
        struct.pack_into(">" + form, self.data, offset, *values)

    def set(self, **fields):
        """Header fields, by name."""
        for name, value in fields.items():
            offset, form = FIELDS[name]
            self.put(form, offset, value)

    def set_entry(self, **fields):
        """Fields of the first directory entry."""
        for name, value in fields.items():
            offset, form = ENTRY[name]
            self.put(form, self.directory + offset, value)

    def store(self, data):
        """The offset of fresh clusters that begin with these bytes."""
        offset = len(self.data)
        clusters = max(1, -(-len(data) // self.cluster))
        self.data += bytes(data).ljust(clusters * self.cluster, b"\0")
        return offset

    # ---- header extensions ----

    def add_record(self, kind, data):
        self.records.append((kind, data))
        self.write_extensions()

    def write_extensions(self, end=True):
        """The area anew: the records, END unless there shall be none, the backing name."""
        area = b"".join(struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)
                        for kind, data in self.records)
        area += struct.pack(">II", EXT_END, 0) if end else b""
        name = HEADER_LENGTH + len(area)
        assert name + len(self.backing) <= self.cluster, "the header cluster is full"
        self.data[HEADER_LENGTH:self.cluster] = (area + self.backing).ljust(
            self.cluster - HEADER_LENGTH, b"\0")
        if self.backing:
            self.set(backing_offset=name, backing_size=len(self.backing))

    def record(self, kind):
        """The offset of the record's data."""
        at = HEADER_LENGTH
        for found, data in self.records:
            if found == kind:
                return at + 8
            at += 8 + -(-len(data) // 8) * 8
        raise KeyError(kind)

    def name_backing(self, name, kind=b"raw"):
        """`kind` None: the format is not said, to be guessed from the file."""
        self.backing = name
        if kind is not None:
            self.records.insert(0, (EXT_BACKING_FORMAT, kind))
        self.write_extensions()

    def name_data_file(self, name):
        """The refcounts then: the guest's data is not in the image."""
        self.set(incompatible=INCOMPAT_DATA_FILE)
        self.records.insert(0, (EXT_DATA_FILE, name))
        self.write_extensions()
        return {self.guest // self.cluster: 0}

    # ---- bitmaps ----

    def _add_bitmaps(self, names):
        """A directory of these names, which all share one table."""
        self.table = self.store(b"")
        self.bits = self.store(b"\x01")
        self.put("Q", self.table, self.bits)
        raw = b"".join(self._entry(name) for name in names)
        self.directory = self.store(raw)
        self.add_record(EXT_BITMAPS, struct.pack(">IIQQ", len(names), 0, len(raw), self.directory))
        self.set(autoclear=AUTOCLEAR_BITMAPS)

    def _entry(self, name):
        raw = struct.pack(">QIIBBHI", self.table, 1, 2, 1, 9, len(name), 0) + name
        return raw.ljust(-(-len(raw) // 8) * 8, b"\0")

    def set_directory(self, count=None, size=None, offset=None):
        """Numbers of the bitmaps extension."""
        at = self.record(EXT_BITMAPS)
        for form, place, value in (("I", 0, count), ("Q", 8, size), ("Q", 16, offset)):
            if value is not None:
                self.put(form, at + place, value)

    # ---- snapshots ----

    def add_snapshot(self, name=b"shot", l1_offset=None, l1_size=1, **sizes):
        """One snapshot.  `sizes` lie: name_size, id_size, extra_size."""
        extra = struct.pack(">QQ", 0, 32 << 10)
        l1 = self.store(bytes(self.data[self.l1:self.l1 + 8])) if l1_offset is None else l1_offset
        fixed = struct.pack(">QIHHIIQII", l1, l1_size, sizes.get("id_size", 1),
                            sizes.get("name_size", len(name)), 0, 0, 0, 0,
                            sizes.get("extra_size", len(extra)))
        self.snapshot_table = self.store(fixed + extra + b"1" + name)
        self.set(snapshots=1, snapshots_offset=self.snapshot_table)

    # ---- the end ----

    def finish(self, refcounts=None):
        """The file's bytes.  Every cluster has refcount 1, or what `refcounts` says of it."""
        for cluster in range(len(self.data) // self.cluster):
            self._put_refcount(cluster, (refcounts or {}).get(cluster, 1))
        return bytes(self.data)

    def _put_refcount(self, index, value):
        """Of less than 8 bits several share a byte, the first in its lowest bits."""
        width = 1 << self.refcount_order
        if width >= 8:
            at = self.refcount_block + index * width // 8
            self.data[at:at + width // 8] = value.to_bytes(width // 8, "big")
        else:
            byte, shift = divmod(index * width, 8)
            self.data[self.refcount_block + byte] |= value << shift
