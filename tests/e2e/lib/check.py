# SPDX-License-Identifier: MIT
"""The independent checker: references against refcounts.

references() walks everything that a qcow2 image refers to and names an owner for
each reference; check() compares the counts with the refcount structures.
A reference more than the refcount says is a corruption, one less a leak.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import compress

from lib import walk
from lib.qcow2 import TABLE_OFFSET_MASK, FLAG_IN_USE, Malformed


@dataclass
class Report:
    corruptions: list = field(default_factory=list)
    leaks: list = field(default_factory=list)  # cluster indexes


class References:
    """cluster index -> names of those who refer to it"""

    def __init__(self, image):
        self.image = image
        self.owners = defaultdict(list)

    def add(self, offset, length, owner):
        if not length:
            return
        if length > 1 << 30 or offset >> 60:
            raise Malformed(f"{owner}: {length} bytes at {offset}")
        bits = self.image.cluster_bits
        for cluster in range(offset >> bits, ((offset + length - 1) >> bits) + 1):
            self.owners[cluster].append(owner)


def _guest(image, refs):
    names = ["active"] + [f"snapshot {s.id!r}" for s in walk.snapshots(image)]
    for name, (offset, size) in zip(names, walk.l1_tables(image)):
        refs.add(offset, 8 * size, f"{name} L1")
        for l1_entry in walk.read_u64s(image, offset, size):
            if l1_entry & walk.OFFSET_MASK:
                refs.add(l1_entry & walk.OFFSET_MASK, image.cluster_size, f"{name} L2")
            for _, entry, _ in walk.l2_entries(image, l1_entry):
                _guest_cluster(image, refs, entry, name)


def _guest_cluster(image, refs, entry, name):
    if entry & walk.COMPRESSED:
        refs.add(*walk.compressed_extent(image, entry), f"{name} compressed data")
    elif entry & walk.OFFSET_MASK and not image.has_data_file:
        refs.add(entry & walk.OFFSET_MASK, image.cluster_size, f"{name} data")


def _snapshot_table(image, refs):
    length = sum(s.length for s in walk.snapshots(image))
    if image.snapshot_count:
        refs.add(image.snapshots_offset, length, "snapshot table")


def _refcount_structures(image, refs):
    size = image.cluster_size
    refs.add(image.refcount_table_offset, image.refcount_table_clusters * size, "refcount table")
    for offset in image.refcount_table:
        if offset:
            refs.add(offset, size, "refcount block")


def _bitmaps(image, refs):
    body = image.bitmaps_body()
    if body is None or not image.bitmaps_valid:
        return
    refs.add(body[2], body[1], "bitmap directory")
    for bitmap in image.bitmaps():
        name = bitmap.name.decode(errors="replace")
        refs.add(bitmap.table_offset, 8 * bitmap.table_size, f"table of {name}")
        for entry in image.table(bitmap):
            if entry & TABLE_OFFSET_MASK:
                refs.add(entry & TABLE_OFFSET_MASK, image.cluster_size, f"bits of {name}")


def references(image):
    """cluster index -> list of owners, one per reference."""
    refs = References(image)
    refs.add(0, image.cluster_size, "header")
    if image.luks_header:
        refs.add(*image.luks_header, "LUKS header")
    _guest(image, refs)
    _snapshot_table(image, refs)
    _refcount_structures(image, refs)
    _bitmaps(image, refs)
    return refs.owners


def _copied_flags(image, report):
    """OFLAG_COPIED of the active tables says whether the refcount is exactly 1."""
    for l1_entry in walk.read_u64s(image, image.l1_offset, image.l1_size):
        entries = [l1_entry] + [e for _, e, _ in walk.l2_entries(image, l1_entry)]
        for entry in entries:
            offset = entry & walk.OFFSET_MASK
            if entry & walk.COMPRESSED or not offset or (image.has_data_file and entry != l1_entry):
                continue
            single = image.refcount(offset >> image.cluster_bits) == 1
            if single != bool(entry & walk.COPIED):
                report.corruptions.append(f"COPIED flag of 0x{entry:x}")


def _bitmap_shapes(image, report):
    if not image.bitmaps_valid:
        return
    for bitmap in image.bitmaps():
        if bitmap.flags & FLAG_IN_USE:
            continue
        if bitmap.table_size != image.expected_table_size(bitmap):
            report.corruptions.append(f"{bitmap.name!r}: table of {bitmap.table_size} entries")
        elif not image.tail_is_clean(bitmap):
            report.corruptions.append(f"{bitmap.name!r}: tail bits are not zero")


def check(image):
    """Compare references with refcounts; a Report.  Malformed is a corruption."""
    report = Report()
    try:
        owners = references(image)
        _copied_flags(image, report)
        _bitmap_shapes(image, report)
    except Malformed as fault:
        report.corruptions.append(f"malformed: {fault}")
        return report
    if image.autoclear & 1 and image.bitmaps_body() is None:
        report.corruptions.append("autoclear bit without the bitmaps extension")
    for cluster, names in sorted(owners.items()):
        if image.refcount(cluster) < len(names):
            report.corruptions.append(
                f"cluster {cluster}: refcount {image.refcount(cluster)}, used by {names}")
        if cluster >= image.file_clusters:
            report.corruptions.append(f"cluster {cluster} of {names} is behind the end of the file")
    # Most entries are zero, and a table of a 2 MiB cluster has 262,144.
    for index in compress(range(len(image.refcount_table)), image.refcount_table):
        block = image.refcount_block(index)
        for k in compress(range(len(block)), block):
            cluster = index * image.refcounts_per_block + k
            if block[k] > len(owners.get(cluster, ())):
                report.leaks.append(cluster)
    return report
