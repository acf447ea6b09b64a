# SPDX-License-Identifier: MIT
"""The little of the journal's format that the judges need (docs/journal-format.md)."""

from content import SECTOR
from lib.journal import crc32c

_HEADER_MAGIC = b"instarUJ"
_ENDING_MAGIC = b"instarUE"
_HEADER_BOOT = slice(32, 48)
_ENDING_BOOT = slice(40, 56)
_RECOVERING = 3  # the kind of ending record that holds a boot identifier
_CHECKSUM = slice(508, 512)


def _checksum(sector, number):
    return crc32c(sector[:508] + number.to_bytes(8, "little")).to_bytes(4, "little")


def _of_another_boot(sector, number, boot):
    """The sector with another boot identifier, if it is whole."""
    if sector[_CHECKSUM] != _checksum(sector, number):
        return sector
    changed = bytearray(sector)
    changed[boot] = bytes(b ^ 0x5A for b in sector[boot])
    changed[_CHECKSUM] = _checksum(bytes(changed), number)
    return bytes(changed)


def after_reboot(data):
    """The journal as if written in an earlier boot of the system: what a power loss
    leaves is read by another boot than the one that wrote it."""
    header, ending = data[:SECTOR], data[SECTOR:2 * SECTOR]
    if len(header) == SECTOR and header.startswith(_HEADER_MAGIC):
        header = _of_another_boot(header, 0, _HEADER_BOOT)
    if (len(ending) == SECTOR and ending.startswith(_ENDING_MAGIC)
            and ending[8:12] == _RECOVERING.to_bytes(4, "little")):
        ending = _of_another_boot(ending, 1, _ENDING_BOOT)
    return header + ending + data[2 * SECTOR:]
