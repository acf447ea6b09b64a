# SPDX-License-Identifier: MIT
"""Operations on the files of an edit, and the pieces that a power loss tears them into.

A piece reaches the disk wholly or not at all, and in any order, until its file is
synced: one 512-byte sector of a write, the new size of a write that reaches behind the
end, a truncation, a part of a punched hole, the making or removal of a name.
"""

from dataclasses import dataclass

from content import SECTOR, Content

PUNCH_PARTS = 8


@dataclass(frozen=True)
class Operation:
    file: object  # an inode's number in the recording, or a directory's path

    def pieces(self, _world):
        """Functions of a world, in order; `_world` is how it is before the operation."""
        return []


@dataclass(frozen=True)
class Write(Operation):
    offset: int
    data: bytes

    def pieces(self, world):
        end, parts, at = self.offset + len(self.data), [], self.offset
        if end > world.contents[self.file].size and end - self.offset > SECTOR:
            parts.append(lambda w: w.change(self.file).extend(end))
        while at < end:
            upto = min((at // SECTOR + 1) * SECTOR, end)
            parts.append(self._sector(at, self.data[at - self.offset:upto - self.offset]))
            at = upto
        return parts

    def _sector(self, offset, data):
        return lambda w: w.change(self.file).write(offset, data)


@dataclass(frozen=True)
class Truncate(Operation):
    size: int

    def pieces(self, world):
        return [lambda w: w.change(self.file).truncate(self.size)]


@dataclass(frozen=True)
class Allocate(Operation):
    """fallocate(2) without KEEP_SIZE: the file may grow, nothing else is seen."""

    size: int

    def pieces(self, world):
        return [lambda w: w.change(self.file).extend(self.size)]


@dataclass(frozen=True)
class Punch(Operation):
    offset: int
    length: int

    def pieces(self, world):
        step = -(-self.length // (PUNCH_PARTS * SECTOR)) * SECTOR
        return [self._part(at, min(step, self.offset + self.length - at))
                for at in range(self.offset, self.offset + self.length, step)]

    def _part(self, offset, length):
        return lambda w: w.change(self.file).punch(offset, length)


@dataclass(frozen=True)
class Sync(Operation):
    """Makes durable what was done to this file or directory before."""


@dataclass(frozen=True)
class Create(Operation):
    name: str   # the whole path
    inode: int

    def pieces(self, world):
        return [lambda w: w.names.__setitem__(self.name, self.inode)]


@dataclass(frozen=True)
class Unlink(Operation):
    name: str

    def pieces(self, world):
        return [lambda w: w.names.pop(self.name, None)]


@dataclass(frozen=True)
class Rename(Operation):
    name: str
    new_name: str

    def pieces(self, world):
        def move(w):
            inode = w.names.pop(self.name, None)
            if inode is not None:
                w.names[self.new_name] = inode
        return [move]


class World:
    """Files by the number of their inode, and which of them have a name."""

    def __init__(self, contents, names):
        self.contents = contents
        self.names = names
        self._own = set(contents)  # those that no other world shares

    def copy(self):
        other = World(dict(self.contents), dict(self.names))
        other._own = set()
        self._own = set()
        return other

    def change(self, inode):
        if inode not in self._own:
            self.contents[inode] = self.contents[inode].copy()
            self._own.add(inode)
        return self.contents[inode]

    def add_file(self, inode):
        """A new file, empty and without a name; harmless, so it needs no piece."""
        self.contents[inode] = Content()
        self._own.add(inode)

    def do(self, operation):
        if isinstance(operation, Create):
            self.add_file(operation.inode)
        for piece in operation.pieces(self):
            piece(self)
