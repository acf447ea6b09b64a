# SPDX-License-Identifier: MIT
"""The bitmaps of an image that may be damaged, and which of them a repair has to keep.

    sound = read(path)                   # {name: Kept}, before the damage
    damaged = read(path)                 # after it; None: the list cannot be read
    faults(sound, damaged, read(path), untouched(path, sound, patches, view))
"""

import struct
from collections import Counter
from dataclasses import dataclass

from lib.qcow2 import (AUTOCLEAR_BITMAPS, EXT_BITMAPS, FLAG_IN_USE, MAX_TABLE, TABLE_OFFSET_MASK,
                       Image, Malformed)

BODY = 24            # bytes of the bitmaps extension
DISK_SIZE = 24       # where the header has it, and its own length
HEADER_LENGTH = 100


@dataclass(frozen=True)
class Kept:
    """`bits`: None if they cannot all be read.  `spans`: (offset, length) of entry, table and
    data in the file."""

    flags: int
    granularity_bits: int
    extra: bytes
    bits: bytes | None
    entry: tuple
    table: tuple
    data: tuple

    @property
    def in_use(self):
        return bool(self.flags & FLAG_IN_USE)

    def says(self):
        """All that has to stay; what is in use has no bits to speak of."""
        return (self.flags, self.granularity_bits, self.extra, None if self.in_use else self.bits)

    def is_all_dirty(self, count):
        return self.bits == _ones(count)


def _ones(count):
    return ((1 << count) - 1).to_bytes(-(-count // 8), "little")


def read(path):
    """{name: Kept} in order of the list; {} where it is not valid."""
    try:
        with Image(path) as image:
            if not image.bitmaps_valid:
                return {}
            return {b.name: _kept(image, b) for b in image.bitmaps()}
    except (Malformed, OverflowError):
        return None


def _kept(image, bitmap):
    table, bits = (), None
    try:
        table = image.table(bitmap)
        end = image.file_clusters << image.cluster_bits
        if (bitmap.table_offset + 8 * bitmap.table_size <= end
                and all((e & TABLE_OFFSET_MASK) + image.cluster_size <= end for e in table)
                and (bitmap.flags & FLAG_IN_USE
                     or bitmap.table_size == image.expected_table_size(bitmap))):
            bits = image.bits(bitmap)
    except (Malformed, IndexError, OverflowError):
        pass
    data = tuple((e & TABLE_OFFSET_MASK, image.cluster_size) for e in table
                 if e & TABLE_OFFSET_MASK)
    return Kept(bitmap.flags, bitmap.granularity_bits, bitmap.extra, bits,
                (bitmap.offset, bitmap.length), (bitmap.table_offset, 8 * bitmap.table_size), data)


# ---- which have to be kept ----

def untouched(path, sound, patches, view):
    """The names whose entry, table and data are as they were, and their own: `view` is the
    damaged image's guest_view.View."""
    if not sound or _list_is_touched(path, patches):
        return set()
    with open(path, "rb") as file:
        used = _used_by_bitmaps(file, view, sound) + view.users + _used_by_header(file, view)
    return {name for name in sound.keys() - patched(sound, patches)
            if all(used[cluster] == 1 for span in (sound[name].table, *sound[name].data)
                    for cluster in _clusters(view, *span))}


def patched(sound, patches):
    """The names whose entry, table or data the damage has met."""
    return {name for name, kept in sound.items()
            if any(_overlap(span, patch) for patch in patches
                   for span in (kept.entry, kept.table, *kept.data))}


def _list_is_touched(path, patches):
    """The directory's place or validity may have gone with the damage."""
    with open(path, "rb") as file:
        head = file.read(112)
    if not struct.unpack_from(">Q", head, 88)[0] & AUTOCLEAR_BITMAPS:
        return True
    return any(patch.kind == "header" and patch.offset in (DISK_SIZE, HEADER_LENGTH)
               or patch.kind == "extension" and not _is_count_or_size(path, patch)
               for patch in patches)


def _is_count_or_size(path, patch):
    """These can be told from the directory itself."""
    with open(path, "rb") as file:
        file.seek(max(0, patch.offset - 16))
        near = file.read(min(16, patch.offset))
    return struct.pack(">II", EXT_BITMAPS, BODY) in near


def _overlap(span, patch):
    return span[0] < patch.offset + len(patch.data) and patch.offset < span[0] + span[1]


def _clusters(view, offset, length):
    length = min(length, max(0, view.file_size - offset) + view.cluster_size)
    return range(offset >> view.cluster_bits, -(-(offset + length) >> view.cluster_bits))


def _read_at(file, form, offset, count=1):
    size = struct.calcsize(">" + form) * count
    file.seek(offset)
    return struct.unpack(f">{form * count}", file.read(size).ljust(size, b"\0"))


def _used_by_bitmaps(file, view, sound):
    """What the entries name now, sound or not."""
    used = Counter()
    for kept in sound.values():
        offset, size = _read_at(file, "QI", kept.entry[0])
        if offset >= view.file_size:
            continue
        size = min(size, MAX_TABLE, (view.file_size - offset) // 8 + 1)
        used.update(_clusters(view, offset, 8 * size))
        file.seek(offset)
        raw = file.read(8 * size).ljust(8 * size, b"\0")
        for entry in struct.unpack(f">{size}Q", raw):
            if entry & TABLE_OFFSET_MASK:
                used.update(_clusters(view, entry & TABLE_OFFSET_MASK, view.cluster_size))
    return used


def _used_by_header(file, view):
    used = Counter([0])
    table, size, count, snapshots = _read_at(file, "QIIQ", 48)
    used.update(_clusters(view, table, size << view.cluster_bits))
    length = min(size << view.cluster_bits, max(0, view.file_size - table)) // 8
    for block in _read_at(file, "Q", min(table, view.file_size), length):
        if block:
            used.update(_clusters(view, block, view.cluster_size))
    if count:
        used.update(_clusters(view, snapshots, view.cluster_size))
    return used


# ---- what became of them ----

def faults(sound, damaged, after, keep, unknown, bit_count, reset=False):
    """Sentences about what a repair did wrong.  `keep`: of these every bit; `unknown`: names of
    which nobody can say what was there, unless the damaged list does; `bit_count`:
    (granularity bits) -> bits; `reset`: damaged ones became all dirty."""
    if after is None:
        return ["the repaired list cannot be read"]
    found = [f"bitmap {name!r} was sound, and is gone" for name in keep - after.keys()]
    for name, kept in after.items():
        is_reset = reset and kept.is_all_dirty(bit_count(kept.granularity_bits))
        before = None if name in keep else (damaged or {}).get(name)
        if before is None and (name in keep or name not in unknown):
            before = sound.get(name)
        if is_reset and name not in keep or before is None and name in unknown:
            continue
        if before is None:
            found.append(f"bitmap {name!r} comes from nowhere")
        elif before.bits is None and not before.in_use:
            found.append(f"bitmap {name!r} is kept, but not all of its bits could be read")
        elif before.says() != kept.says():
            found.append(f"bitmap {name!r} is {_short(kept)} and was {_short(before)}")
    return found


def _short(kept):
    bits = sum(byte.bit_count() for byte in kept.bits) if kept.bits is not None else "no"
    return f"flags {kept.flags}, granularity bits {kept.granularity_bits}, {bits} bits dirty"
