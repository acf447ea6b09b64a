# SPDX-License-Identifier: MIT
"""The transactions of a recording, and the write in each that is its switch.

Found from the operations alone: a transaction begins where its journal is made; its
switch is the last thing that was made durable in the image before the journal's ending
record says DONE.
"""

import struct
from dataclasses import dataclass

from content import SECTOR
from operations import Create, Sync, Write
from recording import IMAGE

_ENDING_MAGIC = b"instarUE"
_DONE = 1


class Unexpected(Exception):
    """The operations are not those of a transaction as the architecture says."""


@dataclass
class Transaction:
    begin: int          # index of the operation that makes the journal
    end: int            # index behind the last operation
    switch: int | None  # index of the switch; None where it was rolled back


def _kind_of_ending(operation, journal):
    if (isinstance(operation, Write) and operation.file == journal
            and operation.offset == SECTOR and operation.data.startswith(_ENDING_MAGIC)):
        return struct.unpack_from("<I", operation.data, 8)[0]
    return None


def _switch(operations, begin, done):
    """The one write between the last two syncs of the image before `done`."""
    of_image = [(i, operations[i]) for i in range(begin, done) if operations[i].file == IMAGE]
    if not of_image or not isinstance(of_image[-1][1], Sync):
        raise Unexpected("DONE before the switch is durable")
    step = []
    for i, operation in reversed(of_image[:-1]):
        if isinstance(operation, Sync):
            break
        step.append(i)
    first, last = (operations[step[0]].offset, len(operations[step[0]].data)) if step else (0, 0)
    if len(step) != 1 or first // SECTOR != (first + last - 1) // SECTOR:
        raise Unexpected(f"the switch is not one write within a sector: operations {step}")
    return step[0]


def transactions(operations):
    """In their order; [] where the command wrote nothing."""
    begins = [i for i, o in enumerate(operations) if isinstance(o, Create)]
    found = []
    for begin, end in zip(begins, begins[1:] + [len(operations)]):
        kinds = [(i, _kind_of_ending(operations[i], operations[begin].inode))
                 for i in range(begin, end)]
        done = [i for i, kind in kinds if kind == _DONE]
        switch = _switch(operations, begin, done[0]) if done else None
        found.append(Transaction(begin, end, switch))
    return found
