# SPDX-License-Identifier: MIT
"""Copies of images: holes stay holes, so that a large disk costs little, and an allocator that
looks for holes finds the same ones."""

import errno
import os

PIECE = 4 << 20


def copy(source, target):
    """The file's bytes and holes; the target's inode stays if it is there."""
    with open(source, "rb") as old, open(target, "wb") as new:
        length = os.fstat(old.fileno()).st_size
        new.truncate(length)
        for begin, end in _data(old.fileno(), length):
            for at in range(begin, end, PIECE):
                os.pwrite(new.fileno(), os.pread(old.fileno(), min(PIECE, end - at), at), at)


def _data(fd, length):
    """(begin, end) of what is no hole."""
    end = 0
    while end < length:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # a hole to the end
            raise
        end = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, end
