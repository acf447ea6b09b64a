# SPDX-License-Identifier: MIT
"""L1 and L2 tables of a qcow2 image: where guest data lies, and what it says."""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from itertools import compress

from lib.qcow2 import INCOMPAT_EXTENDED_L2, Malformed

OFFSET_MASK = 0x00FFFFFFFFFFFE00
COPIED = 1 << 63
COMPRESSED = 1 << 62


@dataclass
class Snapshot:
    l1_offset: int
    l1_size: int
    id: bytes
    name: bytes
    length: int  # of the record, padding included


def snapshots(image):
    """The snapshot table's records."""
    found, at = [], image.snapshots_offset
    for _ in range(image.snapshot_count):
        (l1_offset, l1_size, id_size, name_size, _, _, _, _, extra) = struct.unpack(
            ">QIHHIIQII", image.pread(at, 40))
        if extra > 1024 or l1_size > 4 << 20:
            raise Malformed(f"snapshot with {extra} bytes of extra data, L1 of {l1_size} entries")
        head = 40 + extra
        raw = image.pread(at + head, id_size + name_size)
        length = -(-(head + id_size + name_size) // 8) * 8
        found.append(Snapshot(l1_offset, l1_size, raw[:id_size], raw[id_size:], length))
        at += length
    return found


def l1_tables(image):
    """(offset, entries) of the active L1 table and of every snapshot's."""
    return [(image.l1_offset, image.l1_size)] + [(s.l1_offset, s.l1_size) for s in snapshots(image)]


def read_u64s(image, offset, count):
    return struct.unpack(f">{count}Q", image.pread(offset, 8 * count))


def l2_entries(image, l1_entry):
    """(index, entry, subcluster bitmap or None) of the L2 table an L1 entry names."""
    offset = l1_entry & OFFSET_MASK
    if not offset:
        return
    if offset % image.cluster_size:
        raise Malformed(f"L1 entry 0x{l1_entry:x} is unaligned")
    raw = read_u64s(image, offset, image.cluster_size // 8)
    if image.incompatible & INCOMPAT_EXTENDED_L2:
        for i in range(0, len(raw), 2):
            if raw[i] or raw[i + 1]:
                yield i // 2, raw[i], raw[i + 1]
        return
    for i in compress(range(len(raw)), raw):
        yield i, raw[i], None


def l2_entries_per_table(image):
    return image.cluster_size // (16 if image.incompatible & INCOMPAT_EXTENDED_L2 else 8)


def compressed_extent(image, entry):
    """(offset, length) in the file that a compressed cluster may occupy."""
    shift = 62 - (image.cluster_bits - 8)
    offset = entry & ((1 << shift) - 1)
    sectors = (entry & (COMPRESSED - 1)) >> shift
    return offset, (offset // 512 + sectors + 1) * 512 - offset


def mapping(image, l1_offset, l1_size):
    """(guest cluster index, L2 entry, subclusters) of one L1 table."""
    per_table = l2_entries_per_table(image)
    for i, l1_entry in enumerate(read_u64s(image, l1_offset, l1_size)):
        for k, entry, sub in l2_entries(image, l1_entry):
            yield i * per_table + k, entry, sub


def cluster_content(image, entry):
    """What the guest would see of an allocated cluster; data of an external file
    is named by its offset."""
    if entry & COMPRESSED:
        offset, length = compressed_extent(image, entry)
        raw = image.pread(offset, length)
        if image.compression_type:
            return raw  # zstd: the stored bytes stand for the content
        return zlib.decompressobj(-12).decompress(raw, image.cluster_size)
    if entry & 1 and not image.incompatible & INCOMPAT_EXTENDED_L2:
        return b"zero"
    offset = entry & OFFSET_MASK
    if not offset:
        return b"unallocated"
    if image.has_data_file:
        return b"@%d" % offset
    return image.pread(offset, image.cluster_size)


def guest_fingerprint(image):
    """A hash over the guest's data: the active layer's and every snapshot's.

    Equal fingerprints: the same guest clusters, with the same content."""
    digest = hashlib.sha256(b"%d" % image.virtual_size)
    for offset, size in l1_tables(image):
        digest.update(b"table %d" % size)
        for index, entry, sub in mapping(image, offset, size):
            digest.update(b"%d %r " % (index, sub))
            digest.update(cluster_content(image, entry))
    return digest.hexdigest()
