# SPDX-License-Identifier: MIT
"""An independent reader of undo journals, made from docs/journal-format.md alone.

read() takes the bytes of a file and gives a Journal, or says what is wrong with them:
Malformed, or Newer.  seal() and close() make the checksums right again after a change, and
end() writes an ending record.
"""

import functools
import struct
from dataclasses import dataclass, field

SECTOR = 512
PAYLOAD = 496
FIRST_BATCH = 2  # its sector
MAGIC, ENDING_MAGIC = b"instarUJ", b"instarUE"
ASKED, CHANGE, CLOSE, CLAIM = 1, 2, 3, 4
DONE, ABORTED, RECOVERING = 1, 2, 3
IDENTITY_KINDS = {1: "handle", 2: "inode", 3: "device"}
OLD_BYTES, OLD_ZEROS, OLD_BEHIND_END = 1, 2, 3
OLD_NAMES = {OLD_BYTES: "bytes", OLD_ZEROS: "zeros", OLD_BEHIND_END: "behind-end"}
MOST = 2**63 - 1


class Malformed(Exception):
    pass


class Newer(Exception):
    pass


@dataclass
class Change:
    step: int
    offset: int
    sectors: int
    old: int
    switch: bool
    hashes: tuple
    old_bytes: bytes


@dataclass
class Claim:
    offset: int
    length: int


@dataclass
class Batch:
    number: int
    records_in_order: list = field(default_factory=list)  # changes and claims
    records: int = 0
    time: int = 0
    closing: int = 0  # where in the payload the closing record begins

    @property
    def changes(self):
        return [r for r in self.records_in_order if isinstance(r, Change)]


@dataclass
class Journal:
    transaction: bytes = None  # None: the file holds none
    version: int = None
    boot: bytes = None
    old_size: int = None
    final_size: int = None
    time: int = None
    identity_kind: int = None
    identity: bytes = None
    asked: bytes = None
    path: bytes = None
    ending: int = 0
    ending_time: int = 0
    ending_boot: bytes = None
    batches: list = field(default_factory=list)

    @property
    def state(self):
        if self.ending in (DONE, ABORTED):
            return "done" if self.ending == DONE else "aborted"
        if not self.batches:
            return "never-begun"
        return "recovering" if self.ending == RECOVERING else "pending"


# ---- checksums ----

def _table():
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        yield n


_TABLE = tuple(_table())


@functools.lru_cache(maxsize=4096)  # tests look at the same sectors over and over
def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _sum(sector, index):
    return crc32c(sector[:508] + struct.pack("<Q", index))


def seal(data, index):
    """Make the checksum of that sector of a bytearray right."""
    at = SECTOR * index
    struct.pack_into("<I", data, at + 508, _sum(bytes(data[at:at + SECTOR]), index))


# ---- sectors ----

def _sector(data, index):
    """The sector, or None where it is absent."""
    sector = data[SECTOR * index:SECTOR * (index + 1)]
    if len(sector) < SECTOR or not any(sector):
        return None
    if struct.unpack_from("<I", sector, 508)[0] != _sum(sector, index):
        raise Malformed(f"sector {index}: checksum")
    return sector


def _expect(condition, what):
    if not condition:
        raise Malformed(what)


def _header(journal, data):
    if len(data) < SECTOR:
        _expect(not any(data) or MAGIC.startswith(data[:8]), "no journal")
    sector = _sector(data, 0)
    if sector is None:
        return
    _expect(sector[:8] == MAGIC, "magic")
    version, flags = struct.unpack_from("<II", sector, 8)
    if version > 1:
        raise Newer(version)
    _expect(version == 1 and flags == 0, "version, flags")
    journal.version = version
    journal.transaction, journal.boot = sector[16:32], sector[32:48]
    journal.old_size, journal.final_size, journal.time, journal.identity_kind, length = (
        struct.unpack_from("<QQQII", sector, 48))
    _expect(journal.old_size <= journal.final_size <= MOST, "sizes")
    _expect(journal.identity_kind in IDENTITY_KINDS and length <= 160, "identity")
    journal.identity = sector[80:80 + length]
    _expect(not any(sector[80 + length:508]), "zeros of the header")


def _ending(journal, data):
    sector = _sector(data, 1)
    if sector is None:
        return
    _expect(journal.transaction is not None, "an ending without a header")
    kind, zero = struct.unpack_from("<II", sector, 8)
    _expect(sector[:8] == ENDING_MAGIC and zero == 0, "ending record")
    _expect(kind in (DONE, ABORTED, RECOVERING), "kind of the ending record")
    _expect(sector[16:32] == journal.transaction, "transaction of the ending record")
    _expect(not any(sector[56 if kind == RECOVERING else 40:508]), "zeros of the ending record")
    journal.ending, journal.ending_boot = kind, sector[40:56]
    journal.ending_time = struct.unpack_from("<Q", sector, 32)[0]


# ---- batches ----

class _Absent(Exception):
    """A sector of the batch is absent: it does not count."""


class _Payload:
    """The payload of a batch, as far as it was asked for."""

    def __init__(self, data, first, number, tag):
        self.data, self.first, self.number, self.tag = data, first, number, tag
        self.sectors, self.bytes = 0, b""

    def upto(self, end):
        """All of it, at least so many bytes."""
        while len(self.bytes) < end:
            sector = _sector(self.data, self.first + self.sectors)
            if sector is None or sector[496:504] != self.tag:
                raise _Absent
            _expect(struct.unpack_from("<I", sector, 504)[0] == self.number, "batch number")
            self.bytes += sector[:PAYLOAD]
            self.sectors += 1
        return self.bytes

    def offset(self, at):
        """The file offset of a payload byte."""
        return SECTOR * (self.first + at // PAYLOAD) + at % PAYLOAD


@dataclass
class _Course:
    """What goes on through the whole file."""

    sequence: int = 0
    previous: int = 0
    step: int = 1
    switches: int = 0


def _padded(length):
    return (length + 7) // 8 * 8


def _asked(journal, payload, at):
    length, path = struct.unpack_from("<II", payload.upto(at + 32), at + 24)
    _expect(length <= 16384 and path <= 4096, "length of what was asked")
    end = at + 32 + _padded(length + path)
    text = payload.upto(end)[at + 32:end]
    journal.asked, journal.path = text[:length], text[length:length + path]
    _expect(not any(text[length + path:]), "zeros behind what was asked")
    return end


def _change(journal, batch, payload, at, flags, course):
    offset, sectors, step, old, zero = struct.unpack_from("<QIIII", payload.upto(at + 48), at + 24)
    _expect(flags in (0, 1) and zero == 0 and old in OLD_NAMES, "fields of a change")
    most = 1 if flags else 64 if old == OLD_BYTES else 1024
    _expect(1 <= sectors <= most and offset % SECTOR == 0, "sectors of a change")
    last = offset + SECTOR * (sectors - 1)
    _expect(last < journal.final_size and last + SECTOR <= MOST, "end of a change")
    _expect(old != OLD_BEHIND_END or offset >= journal.old_size, "behind the old end")
    _expect(step >= course.step, "steps go down")
    course.step = step
    course.switches += flags
    _expect(course.switches <= 1, "a second switch")
    hashes = at + 48 + 8 * sectors
    end = hashes + (SECTOR * sectors if old == OLD_BYTES else 0)
    content = payload.upto(end)
    batch.records_in_order.append(Change(
        step, offset, sectors, old, bool(flags),
        struct.unpack_from(f"<{sectors}Q", content, at + 48), content[hashes:end]))
    return end


def _claim(journal, batch, payload, at):
    claim = Claim(*struct.unpack_from("<QQ", payload.upto(at + 40), at + 24))
    _expect(claim.length and claim.offset + claim.length <= journal.final_size, "claim")
    batch.records_in_order.append(claim)
    return at + 40


def _close(batch, payload, at):
    number, zero, count, batch.time, checksum, zero2 = struct.unpack_from(
        "<IIQQII", payload.upto(at + 56), at + 24)
    _expect((number, zero, count, zero2) == (batch.number, 0, batch.records, 0),
            "fields of a closing record")
    _expect(checksum == crc32c(payload.bytes[:at + 48]), "checksum of a batch")
    _expect(not any(payload.bytes[at + 56:]), "zeros behind a closing record")
    batch.records, batch.closing = batch.records + 1, at
    return at + 56


def _record(journal, batch, payload, at, course):
    """One record; its kind, and where the next one begins."""
    kind, flags, sequence, previous = struct.unpack_from("<IIQQ", payload.upto(at + 24), at)
    _expect((sequence, previous) == (course.sequence, course.previous), "sequence, previous")
    _expect((kind == ASKED) == (sequence == 0), "the first record is what was asked")
    _expect(kind == CHANGE or flags == 0, "flags of a record")
    if kind == ASKED:
        end = _asked(journal, payload, at)
    elif kind == CHANGE:
        end = _change(journal, batch, payload, at, flags, course)
    elif kind == CLAIM:
        end = _claim(journal, batch, payload, at)
    else:
        _expect(kind == CLOSE, "kind of a record")
        return kind, _close(batch, payload, at)
    batch.records += 1
    return kind, end


def _batch(journal, data, first, number, course):
    """A whole batch and the sector behind it."""
    batch, at, kind = Batch(number), 0, None
    payload = _Payload(data, first, number, journal.transaction[:8])
    while kind != CLOSE:
        kind, end = _record(journal, batch, payload, at, course)
        course.sequence, course.previous = course.sequence + 1, payload.offset(at)
        at = end
    return batch, first + payload.sectors


def _tail(journal, data, first):
    """Behind what counts: nothing but absent sectors and those of the next batch."""
    following = len(journal.batches) + 1
    for index in range(first, len(data) // SECTOR):
        sector = _sector(data, index)
        if sector is None or journal.transaction and sector[496:504] != journal.transaction[:8]:
            continue
        _expect(struct.unpack_from("<I", sector, 504)[0] == following, "a sector is missing")


def read(data):
    """The journal in these bytes."""
    journal, first, course = Journal(), FIRST_BATCH, _Course()
    _header(journal, data)
    _ending(journal, data)
    asked = journal.asked, journal.path
    while journal.transaction is not None:
        try:
            batch, first = _batch(journal, data, first, len(journal.batches) + 1, course)
        except _Absent:
            break
        journal.batches.append(batch)
        asked = journal.asked, journal.path
    journal.asked, journal.path = asked
    _tail(journal, data, first)
    return journal


# ---- writing ----

def close(data, closing):
    """Make all checksums of a file right that has one batch and nothing behind it; its closing
    record begins at that byte of the payload."""
    sectors = range(FIRST_BATCH, len(data) // SECTOR)
    payload = b"".join(data[SECTOR * n:SECTOR * n + PAYLOAD] for n in sectors)
    place = closing + 48
    struct.pack_into("<I", data, SECTOR * (FIRST_BATCH + place // PAYLOAD) + place % PAYLOAD,
                     crc32c(payload[:place]))
    for index in (0, *sectors):
        seal(data, index)
    if any(data[SECTOR:2 * SECTOR]):
        seal(data, 1)


def end(data, kind, time, boot=bytes(16)):
    """Write sector 1."""
    data[SECTOR:2 * SECTOR] = struct.pack(
        "<8sII16sQ16s456x", ENDING_MAGIC, kind, 0, bytes(data[16:32]), time, boot)
    seal(data, 1)
