# SPDX-License-Identifier: MIT
"""The content of a file, by 512-byte sectors: what differs from a base, and the size.

States of a crash differ in a few sectors; so they are kept, compared and written to the
disk without touching the rest.
"""

import bisect
import functools
import hashlib

SECTOR = 512
_ZEROS = bytes(SECTOR)
_BLOCK = 1 << 16  # what is compared at once


@functools.lru_cache(maxsize=8)
def _used_sectors(base):
    """The sectors of a base that are not all zeros, in order."""
    return [begin // SECTOR for at in range(0, len(base), _BLOCK) if any(base[at:at + _BLOCK])
            for begin in range(at, min(at + _BLOCK, len(base)), SECTOR)
            if any(base[begin:begin + SECTOR])]


class Content:
    """A file's bytes: `base` with the sectors of `delta` in their place.

    Behind the size everything reads as zeros, and is zeros when the file grows again."""

    __slots__ = ("base", "delta", "size")

    def __init__(self, base=b"", delta=None, size=None):
        self.base = base
        self.delta = {} if delta is None else delta
        self.size = len(base) if size is None else size

    def copy(self):
        return Content(self.base, dict(self.delta), self.size)

    def sector(self, index):
        found = self.delta.get(index)
        if found is None:
            found = self.base[index * SECTOR:(index + 1) * SECTOR].ljust(SECTOR, b"\0")
        return found

    # ---- what a system call may do ----

    def write(self, offset, data):
        """A write of any length; the file grows as far as it reaches."""
        at = 0
        while at < len(data):
            index, within = divmod(offset + at, SECTOR)
            part = data[at:at + SECTOR - within]
            old = self.sector(index)
            self.delta[index] = old[:within] + part + old[within + len(part):]
            at += len(part)
        self.extend(offset + len(data))

    def extend(self, size):
        self.size = max(self.size, size)

    def truncate(self, size):
        if size < self.size:
            self._zero(size, max(self.size, len(self.base)))
        self.size = size

    def punch(self, offset, length):
        """A hole; it never changes the size."""
        self._zero(offset, min(offset + length, max(self.size, offset)))

    def _zero(self, begin, end):
        first, last = begin // SECTOR, -(-end // SECTOR)
        used = _used_sectors(self.base)
        touched = set(used[bisect.bisect_left(used, first):bisect.bisect_left(used, last)])
        touched.update(index for index in self.delta if first <= index < last)
        for index in touched:
            low = max(begin - index * SECTOR, 0)
            high = min(end - index * SECTOR, SECTOR)
            old = self.sector(index)
            if any(old[low:high]):
                self.delta[index] = old[:low] + bytes(high - low) + old[high:]

    # ---- comparing ----

    def differing(self):
        """The sectors inside the file that are not as in the base."""
        limit = -(-self.size // SECTOR)
        return {index: data for index, data in self.delta.items() if index < limit and
                data != self.base[index * SECTOR:(index + 1) * SECTOR].ljust(SECTOR, b"\0")}

    def key(self):
        """A hash; contents over one base are equal if their keys are."""
        digest = hashlib.blake2b(b"%d" % self.size, digest_size=16)
        for index, data in sorted(self.differing().items()):
            digest.update(b"@%d" % index + data)
        return digest.digest()

    def to_bytes(self):
        raw = bytearray(self.base[:self.size].ljust(self.size, b"\0"))
        for index, data in self.delta.items():
            at = index * SECTOR
            if at < self.size:
                part = data[:self.size - at]
                raw[at:at + len(part)] = part
        return bytes(raw)


def from_bytes(base, data):
    """The content `data`, told by what differs from the base."""
    content = Content(base, {}, len(data))
    for at in range(0, max(len(data), len(base)), _BLOCK):
        if data[at:at + _BLOCK] == base[at:at + _BLOCK]:
            continue
        for begin in range(at, at + _BLOCK, SECTOR):
            new = data[begin:begin + SECTOR].ljust(SECTOR, b"\0")
            if new != base[begin:begin + SECTOR].ljust(SECTOR, b"\0"):
                content.delta[begin // SECTOR] = new
    return content
