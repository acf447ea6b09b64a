# SPDX-License-Identifier: MIT
"""An independent reader of undo journals, after docs/journal-format.md.

As much of it as the tests need: is a journal hot, ended, or without a batch that
counts?  And a writer of single sectors, for journals that nobody would write.
"""

import struct

SECTOR = 512
PAYLOAD = 496
HEADER_MAGIC, ENDING_MAGIC = b"instarUJ", b"instarUE"
ASKED, CHANGE, CLOSE = 1, 2, 3
DONE, ABORTED = 1, 2

HOT = "hot"            # a batch counts, and no end is written down
ENDED = "ended"
UNCLOSED = "unclosed"  # no batch counts: nothing in the image was changed
DAMAGED = "damaged"


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def sealed(sector, number):
    """The sector with its checksum, as sector `number` of the file."""
    body = sector[:508]
    return body + struct.pack("<I", crc32c(body + struct.pack("<Q", number)))


class Journal:
    """The sectors of one journal file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.raw = file.read()
        self.count = len(self.raw) // SECTOR

    def sector(self, number):
        return self.raw[number * SECTOR:(number + 1) * SECTOR]

    def is_absent(self, number):
        return number >= self.count or not any(self.sector(number))

    def is_valid(self, number):
        return not self.is_absent(number) and sealed(self.sector(number), number) == \
            self.sector(number)

    @property
    def transaction(self):
        return self.raw[16:32]

    @property
    def sizes(self):
        """(old size, final size) of the image."""
        return struct.unpack_from("<QQ", self.raw, 48)

    @property
    def end(self):
        """DONE, ABORTED, or None."""
        if not self.is_valid(1) or self.sector(1)[:8] != ENDING_MAGIC:
            return None
        kind = struct.unpack_from("<I", self.raw, SECTOR + 8)[0]
        return kind if kind in (DONE, ABORTED) else None

    def _payload(self):
        """The payload from sector 2 up to the first sector that is no part of it."""
        parts, number = [], 2
        while self.is_valid(number) and self.sector(number)[496:504] == self.transaction[:8]:
            parts.append(self.sector(number)[:PAYLOAD])
            number += 1
        return b"".join(parts)

    def records(self):
        """(kind, flags, payload from the record on) of the batches, as far as they are whole."""
        payload, at = self._payload(), 0
        while at + 24 <= len(payload):
            kind, flags = struct.unpack_from("<II", payload, at)
            length = _length(payload, at, kind)
            if length is None or at + length > len(payload):
                return
            yield kind, flags, payload[at:at + length]
            at += length
            if kind == CLOSE:
                at = -(-at // PAYLOAD) * PAYLOAD

    @property
    def closed_batches(self):
        return sum(1 for kind, _, _ in self.records() if kind == CLOSE)

    @property
    def asked(self):
        """(command line, path of the image), or None."""
        for kind, _, record in self.records():
            if kind == ASKED:
                text, path = struct.unpack_from("<II", record, 24)
                return record[32:32 + text], record[32 + text:32 + text + path]
        return None

    @property
    def state(self):
        if self.is_absent(0):
            return UNCLOSED
        if not self.is_valid(0) or self.raw[:8] != HEADER_MAGIC:
            return DAMAGED
        if self.end is not None:
            return ENDED
        if not self.is_absent(1) and not self.is_valid(1):
            return DAMAGED
        return HOT if self.closed_batches else UNCLOSED


def _length(payload, at, kind):
    """A record's length; None for a kind that is none."""
    if kind == ASKED:
        if at + 32 > len(payload):
            return None
        return 32 + -(-sum(struct.unpack_from("<II", payload, at + 24)) // 8) * 8
    if kind == CHANGE:
        if at + 48 > len(payload):
            return None
        sectors, _, old = struct.unpack_from("<III", payload, at + 32)
        return 48 + 8 * sectors + (SECTOR * sectors if old == 1 else 0)
    return 56 if kind == CLOSE else None


def state_of(path):
    return Journal(path).state
