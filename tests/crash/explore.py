# SPDX-License-Identifier: MIT
"""What a power loss may leave, after every operation of a recording.

Everything before a file's last sync is durable.  Of the pieces of what came later any
subset may have reached the disk.  All subsets are taken where they are few; otherwise
none, all, each one, all but each one, and a seeded sample.  Every prefix is among them:
it is "all" at its point.
"""

from dataclasses import dataclass

from operations import Create, Sync
from recording import IMAGE

EACH_ONE_MAX = 96  # pieces; beyond, single ones are left to the sample


@dataclass
class Piece:
    operation: int  # index
    apply: object


class Point:
    """After one operation: the durable world, and the pieces that may be lost."""

    def __init__(self, world, pieces, pending):
        self.world = world
        self.pieces = pieces      # all of the recording, by number
        self.pending = pending    # the numbers of those not yet durable
        self.durable_mask = 0     # of those that are

    def applied(self, subset):
        """The set of all pieces that are there, as a mask over the recording's pieces."""
        mask = self.durable_mask
        for bit, number in enumerate(self.pending):
            if subset >> bit & 1:
                mask |= 1 << number
        return mask

    def build(self, subset):
        """The world in which these of the pending pieces are there."""
        world = self.world.copy()
        for bit, number in enumerate(self.pending):
            if subset >> bit & 1:
                self.pieces[number].apply(world)
        return world


class Exploration:
    """All points of a list of operations."""

    def __init__(self, before, operations):
        self.operations = operations
        self.pieces = []
        self.points = [Point(before.copy(), self.pieces, [])]
        self.masks = []  # of each operation's pieces
        self._walk(before)

    def _walk(self, before):
        durable, current, pending, durable_mask = before.copy(), before.copy(), [], 0
        for index, operation in enumerate(self.operations):
            if isinstance(operation, Create):
                durable.add_file(operation.inode)
            self.masks.append(0)
            for apply in operation.pieces(current):
                self.masks[index] |= 1 << len(self.pieces)
                pending.append(len(self.pieces))
                self.pieces.append(Piece(index, apply))
            current.do(operation)
            if isinstance(operation, Sync):
                for number in [n for n in pending if self._file(n) == operation.file]:
                    self.pieces[number].apply(durable)
                    durable_mask |= 1 << number
                pending = [n for n in pending if self._file(n) != operation.file]
            point = Point(durable.copy(), self.pieces, list(pending))
            point.durable_mask = durable_mask
            self.points.append(point)

    def _file(self, number):
        return self.operations[self.pieces[number].operation].file

    def has(self, mask, operation):
        """Is a piece of this operation there?"""
        return bool(mask & self.masks[operation])

    def image_before(self, mask, operation):
        """The image of a state, had nothing from this operation on reached it."""
        world = self.points[0].world.copy()
        for number, piece in enumerate(self.pieces):
            if mask >> number & 1 and piece.operation < operation and self._file(number) == IMAGE:
                piece.apply(world)
        return world.contents[IMAGE]

    # ---- which states ----

    def prefixes(self):
        """(point, subset) of what a killed process leaves."""
        for index, point in enumerate(self.points):
            yield index, (1 << len(point.pending)) - 1

    def subsets(self, bound, samples, rng):
        """(point, subset) of everything else, each state once."""
        seen = {self.points[i].applied(s) for i, s in self.prefixes()}
        for index, point in enumerate(self.points):
            for subset in self._of_point(point, bound, samples, rng):
                mask = point.applied(subset)
                if mask not in seen:
                    seen.add(mask)
                    yield index, subset

    def _of_point(self, point, bound, samples, rng):
        count = len(point.pending)
        if count <= bound:
            yield from range(1 << count)
            return
        whole = (1 << count) - 1
        yield 0
        yield whole
        if count <= EACH_ONE_MAX:
            for bit in range(count):
                yield 1 << bit
                yield whole & ~(1 << bit)
        for _ in range(samples):
            yield self._sample(point, rng)

    def _sample(self, point, rng):
        """Some operations lost, some there, some torn."""
        subset, fate, last = 0, 0, None
        for bit, number in enumerate(point.pending):
            operation = self.pieces[number].operation
            if operation != last:
                last, fate = operation, rng.choice((0, 1, 0.1, 0.5, 0.5, 0.9))
            if rng.random() < fate:
                subset |= 1 << bit
        return subset
