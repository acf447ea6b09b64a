# SPDX-License-Identifier: MIT
"""An independent reader of qcow2 images.

The judge of every test: it shares no code with instar and believes nothing
that instar says.  It follows the published qcow2 specification; what it finds
against the specification raises Malformed, with the place and the value.

    Image       header, header extensions, bitmap directory, tables, bits
    walk.py     L1, L2 and snapshots: guest data
    check.py    references against refcounts

Bytes behind the end of the file read as zeros: a bitmap directory or table
often ends the file in the middle of its cluster.
"""

import os
import re
import struct
from dataclasses import dataclass

MAGIC = b"QFI\xfb"

EXT_END = 0
EXT_BACKING_FORMAT = 0xE2792ACA
EXT_FEATURE_NAMES = 0x6803F857
EXT_BITMAPS = 0x23852875
EXT_CRYPTO = 0x0537BE77
EXT_DATA_FILE = 0x44415441
EXT_PADDING = 0x696E7374

INCOMPAT_DIRTY = 1
INCOMPAT_CORRUPT = 2
INCOMPAT_DATA_FILE = 4
INCOMPAT_COMPRESSION = 8
INCOMPAT_EXTENDED_L2 = 16
AUTOCLEAR_BITMAPS = 1
AUTOCLEAR_RAW_DATA = 2

FLAG_IN_USE = 1
FLAG_AUTO = 2
FLAG_EXTRA_COMPATIBLE = 4

MAX_BITMAPS = 65535
MAX_DIRECTORY = 1024 * MAX_BITMAPS
MAX_TABLE = 1 << 21  # what a test may need; the format's limit is 2^27
MAX_BITMAP_BYTES = 512 << 20
MAX_SNAPSHOTS = 65536

TABLE_OFFSET_MASK = 0x00FFFFFFFFFFFE00
TABLE_RESERVED_MASK = 0xFF000000000001FE


class Malformed(Exception):
    """The image breaks the specification."""


@dataclass
class Extension:
    """One header extension: where its type field is, and its data."""

    offset: int
    type: int
    data: bytes

    @property
    def end(self):
        return self.offset + 8 + -(-len(self.data) // 8) * 8


@dataclass
class Bitmap:
    """One entry of the bitmap directory."""

    offset: int  # in the file
    table_offset: int
    table_size: int  # u64 entries
    flags: int
    type: int
    granularity_bits: int
    name: bytes
    extra: bytes

    @property
    def granularity(self):
        return 1 << self.granularity_bits

    @property
    def length(self):
        return -(-(24 + len(self.extra) + len(self.name)) // 8) * 8

    def pack(self):
        """The entry as it stands in a directory."""
        fixed = struct.pack(
            ">QIIBBHI", self.table_offset, self.table_size, self.flags, self.type,
            self.granularity_bits, len(self.name), len(self.extra))
        return (fixed + self.extra + self.name).ljust(self.length, b"\0")


class Image:
    """A qcow2 file, read only.  Use as a context manager."""

    def __init__(self, path, flags=os.O_RDONLY):
        self.path = os.fspath(path)
        self.fd = os.open(self.path, flags | os.O_CLOEXEC)
        try:
            self.load()
        except BaseException:
            os.close(self.fd)
            self.fd = -1
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def load(self):
        """(Re)read everything that is kept in memory."""
        self._load_header()
        self._load_extensions()
        self._load_refcount_table()
        self._refcount_blocks = {}

    # ---- bytes ----

    @property
    def file_size(self):
        return os.lseek(self.fd, 0, os.SEEK_END)

    @property
    def file_clusters(self):
        return -(-self.file_size // self.cluster_size)

    def pread(self, offset, length):
        """Bytes of the file; zeros behind its end."""
        pieces, at = [], offset
        while at < offset + length:
            piece = os.pread(self.fd, offset + length - at, at)
            if not piece:
                break
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces).ljust(length, b"\0")

    def _unpack(self, form, offset):
        return struct.unpack(">" + form, self.pread(offset, struct.calcsize(">" + form)))

    # ---- header ----

    def _load_header(self):
        if self.pread(0, 4) != MAGIC:
            raise Malformed("no qcow2 magic")
        (self.version, self.backing_offset, self.backing_size, self.cluster_bits,
         self.virtual_size, self.crypt_method, self.l1_size, self.l1_offset,
         self.refcount_table_offset, self.refcount_table_clusters,
         self.snapshot_count, self.snapshots_offset) = self._unpack("IQIIQIIQQIIQ", 4)
        if self.version not in (2, 3):
            raise Malformed(f"version {self.version}")
        if not 9 <= self.cluster_bits <= 21:
            raise Malformed(f"cluster_bits {self.cluster_bits}")
        self.cluster_size = 1 << self.cluster_bits
        if self.l1_size > 1 << 20 or self.snapshot_count > MAX_SNAPSHOTS:
            raise Malformed(f"L1 of {self.l1_size} entries, {self.snapshot_count} snapshots")
        self.incompatible = self.compatible = self.autoclear = 0
        self.refcount_order, self.header_length, self.compression_type = 4, 72, 0
        if self.version == 3:
            (self.incompatible, self.compatible, self.autoclear, self.refcount_order,
             self.header_length) = self._unpack("QQQII", 72)
            if self.header_length < 104 or self.header_length % 8 or self.refcount_order > 6:
                raise Malformed(f"header_length {self.header_length}, order {self.refcount_order}")
            if self.header_length > 104:
                self.compression_type = self.pread(104, 1)[0]
        if self.backing_offset and self.backing_offset + self.backing_size > self.cluster_size:
            raise Malformed("backing name outside the header cluster")

    @property
    def backing_name(self):
        """The backing file's name, or None."""
        return self.pread(self.backing_offset, self.backing_size) if self.backing_offset else None

    def _load_extensions(self):
        self.extensions, at = [], self.header_length
        limit = self.backing_offset or self.cluster_size
        self.extensions_end = None  # offset of the END record, if there is one
        while at + 8 <= limit:
            kind, length = self._unpack("II", at)
            if kind == EXT_END:
                self.extensions_end = at
                break
            if length > limit - at - 8:
                raise Malformed(f"extension 0x{kind:08x} at {at} runs over its area")
            self.extensions.append(Extension(at, kind, self.pread(at + 8, length)))
            at = self.extensions[-1].end

    def extension(self, kind):
        """The extension of a type, or None; twice the same is malformed."""
        found = [e for e in self.extensions if e.type == kind]
        if len(found) > 1:
            raise Malformed(f"two extensions 0x{kind:08x}")
        return found[0] if found else None

    def feature_extensions(self):
        """(type, data) of all extensions in order, but for the bitmaps record and what
        instar leaves where that record once was: zeros under a type of its own."""
        return [(e.type, e.data) for e in self.extensions if e.type != EXT_BITMAPS
                and not (e.type == EXT_PADDING and not any(e.data))]

    @property
    def backing_format(self):
        found = self.extension(EXT_BACKING_FORMAT)
        return found.data if found else None

    @property
    def data_file_name(self):
        found = self.extension(EXT_DATA_FILE)
        return found.data if found else None

    @property
    def has_data_file(self):
        return bool(self.incompatible & INCOMPAT_DATA_FILE)

    @property
    def luks_header(self):
        """(offset, length) of the LUKS header, or None."""
        found = self.extension(EXT_CRYPTO)
        return struct.unpack(">QQ", found.data[:16]) if found else None

    # ---- refcounts ----

    def _load_refcount_table(self):
        length = self.refcount_table_clusters << self.cluster_bits
        if length > 8 << 20:
            raise Malformed(f"refcount table of {length} bytes")
        raw = self.pread(self.refcount_table_offset, length)
        self.refcount_table = struct.unpack(f">{length // 8}Q", raw)

    @property
    def refcounts_per_block(self):
        return (self.cluster_size * 8) >> self.refcount_order

    def has_refcount_block(self, index):
        return index < len(self.refcount_table) and bool(self.refcount_table[index])

    def refcount_block(self, index):
        """The refcounts of block `index` as a sequence of integers, or None."""
        if not self.has_refcount_block(index):
            return None
        if index not in self._refcount_blocks:
            raw = self.pread(self.refcount_table[index], self.cluster_size)
            self._refcount_blocks[index] = _split(raw, self.refcount_order)
        return self._refcount_blocks[index]

    def refcount(self, cluster):
        block = self.refcount_block(cluster // self.refcounts_per_block)
        return block[cluster % self.refcounts_per_block] if block else 0

    # ---- bitmaps ----

    @property
    def bitmaps_valid(self):
        """The list exists and is consistent."""
        return self.extension(EXT_BITMAPS) is not None and bool(self.autoclear & AUTOCLEAR_BITMAPS)

    def bitmaps_body(self):
        """(count, directory size, directory offset), or None."""
        found = self.extension(EXT_BITMAPS)
        if found is None:
            return None
        if len(found.data) != 24:
            raise Malformed(f"bitmaps extension of {len(found.data)} bytes")
        count, reserved, size, offset = struct.unpack(">IIQQ", found.data)
        if reserved:
            raise Malformed("bitmaps extension: reserved field is not zero")
        return count, size, offset

    def bitmaps(self):
        """The directory's entries in order; [] if there is no extension."""
        body = self.bitmaps_body()
        if body is None:
            return []
        count, size, offset = body
        if (offset % self.cluster_size or not 0 < size <= MAX_DIRECTORY
                or not 0 < count <= MAX_BITMAPS):
            raise Malformed(f"bitmaps extension {body}")
        entries, at, raw = [], 0, self.pread(offset, size)
        while at < size:
            entries.append(_entry(raw, at, offset))
            at += entries[-1].length
        if at != size or len(entries) != count:
            raise Malformed(f"{len(entries)} entries, {at} bytes, against {body}")
        if len({e.name for e in entries}) != count:
            raise Malformed("two bitmaps of one name")
        return entries

    def bitmap(self, name):
        name = os.fsencode(name)
        for entry in self.bitmaps():
            if entry.name == name:
                return entry
        raise KeyError(name)

    def bitmap_names(self):
        return [b.name.decode() for b in self.bitmaps()]

    def bit_count(self, bitmap):
        return -(-(self.virtual_size // 512 * 512) // bitmap.granularity)

    def table(self, bitmap):
        """The bitmap table's entries, checked for reserved bits."""
        if bitmap.table_size > MAX_TABLE:
            raise Malformed(f"table of {bitmap.table_size} entries")
        raw = self.pread(bitmap.table_offset, 8 * bitmap.table_size)
        entries = struct.unpack(f">{bitmap.table_size}Q", raw)
        for entry in entries:
            if entry & TABLE_RESERVED_MASK or (entry & TABLE_OFFSET_MASK and entry & 1):
                raise Malformed(f"table entry 0x{entry:x}")
            if (entry & TABLE_OFFSET_MASK) % self.cluster_size:
                raise Malformed(f"table entry 0x{entry:x} is unaligned")
        return entries

    def raw_bits(self, bitmap):
        """Every table entry's cluster, one behind the other."""
        parts, table = [], self.table(bitmap)
        if len(table) * self.cluster_size > MAX_BITMAP_BYTES + self.cluster_size:
            raise Malformed(f"bitmap of {len(table)} clusters")
        for entry in table:
            if entry & TABLE_OFFSET_MASK:
                parts.append(self.pread(entry & TABLE_OFFSET_MASK, self.cluster_size))
            else:
                parts.append((b"\xff" if entry else b"\0") * self.cluster_size)
        return b"".join(parts)

    def bits(self, bitmap):
        """The bitmap's bytes (bit n is byte n/8, bit n%8), tail bits cut off."""
        bitmap = bitmap if isinstance(bitmap, Bitmap) else self.bitmap(bitmap)
        count = self.bit_count(bitmap)
        raw = bytearray(self.raw_bits(bitmap)[:-(-count // 8)])
        if count % 8:
            raw[-1] &= (1 << count % 8) - 1
        return bytes(raw)

    def dirty(self, bitmap):
        """The set of bit numbers that are one."""
        return {8 * found.start() + k for found in re.finditer(rb"[^\0]", self.bits(bitmap))
                for k in range(8) if found[0][0] >> k & 1}

    def tail_is_clean(self, bitmap):
        """The bits behind the last one that counts are zero, to the cluster's end."""
        bitmap = bitmap if isinstance(bitmap, Bitmap) else self.bitmap(bitmap)
        raw = self.raw_bits(bitmap)
        bits = self.bits(bitmap)
        return raw[:len(bits)] == bits and not any(raw[len(bits):])

    def expected_table_size(self, bitmap):
        data = -(-self.bit_count(bitmap) // 8)
        return -(-data // self.cluster_size)


def _split(raw, order):
    """Refcounts of 1 << order bits each, as the specification packs them."""
    if order >= 3:
        form = {3: "B", 4: "H", 5: "I", 6: "Q"}[order]
        return struct.unpack(f">{len(raw) >> (order - 3)}{form}", raw)
    width, mask = 1 << order, (1 << (1 << order)) - 1
    of_byte = [bytes(byte >> shift & mask for shift in range(0, 8, width)) for byte in range(256)]
    return b"".join(map(of_byte.__getitem__, raw))


def _entry(raw, at, base):
    if at + 24 > len(raw):
        raise Malformed("directory entry runs over the directory")
    table, size, flags, kind, gran, name_size, extra_size = struct.unpack_from(">QIIBBHI", raw, at)
    end = at + 24 + extra_size + name_size
    if -(-end // 8) * 8 > len(raw):
        raise Malformed("directory entry runs over the directory")
    extra = raw[at + 24:at + 24 + extra_size]
    name = raw[at + 24 + extra_size:end]
    if not name or any(raw[end:-(-end // 8) * 8]):
        raise Malformed("directory entry without a name, or with padding that is not zero")
    if flags & ~7 or kind != 1 or not size or not table:
        raise Malformed(f"directory entry {name!r}: flags {flags} type {kind} table {table}+{size}")
    return Bitmap(base + at, table, size, flags, kind, gran, name, extra)
