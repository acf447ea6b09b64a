# SPDX-License-Identifier: MIT
"""A recovery is recorded, cut off at every point, and recovered from: the same end
(invariant 3)."""

from explore import Exploration
from recording import IMAGE
from scene import BOOTS

BOUND, SAMPLES = 5, 12  # of each point


class CutOff:
    """The recovery of one state.

    What a killed process leaves is not durable: it may be lost together with what its
    recovery did.  What a power loss leaves is."""

    def __init__(self, session, state):
        self.session = session
        self.scene = session.scene
        self.state = state
        self.dice = session.dice(state)
        session.put(state)
        found = self.scene.in_boot(state.world, state.boot)
        self.recording = self.scene.record_recovery(found)
        self.verdict = session.recovery.faults_of_verdict(self.recording.codes[0],
                                                          self.recording.output)
        self.first = self._operations_before()
        before = session.exploration.points[0].world if self.first else found
        self.exploration = Exploration(before, self.first + self.recording.operations)

    def _operations_before(self):
        """Those of a killed process, none of a power loss."""
        whole = (1 << len(self.session.exploration.points[self.state.point].pending)) - 1
        if self.state.subset != whole or self.state.boot != "same":
            return []
        return self.session.exploration.operations[:self.state.point]

    def faults(self):
        if self.verdict:
            return self.verdict
        faults = []
        for point, subset in [*self.exploration.prefixes(),
                              *self.exploration.subsets(BOUND, SAMPLES, self.dice)]:
            if point > len(self.first):
                faults += [f"recovery cut at {point - len(self.first)}:{subset:x}: {fault}"
                           for fault in self._recover(point, subset)]
        return faults

    def _mtime(self, point):
        """When the image was written last: by the recovery, once it has written."""
        wrote = any(o.file == IMAGE
                    for o in self.exploration.operations[len(self.first):point])
        return self.recording.mtime_ns if wrote else None

    def _recover(self, point, subset):
        world = self.exploration.points[point].build(subset)
        if not self.session.seen.is_new(world, self.state.index):
            return []
        self.session.count("recovery cut")
        self.scene.put(world, self.state.index, self.dice.choice(BOOTS), self._mtime(point))
        faults = [f"bare: {f}" for f in self.session.judge.bare(world.contents[IMAGE])]
        recovery = self.session.recovery
        code, _, said = recovery.check()
        faults += recovery.faults_of_disk(
            *self._expected(world, self.exploration.points[point].applied(subset)))
        faults += recovery.faults_of_verdict(code, said)
        return faults + [said] if faults else []

    def _expected(self, world, mask):
        """(is the edit complete, its transaction, the old image)"""
        complete, transaction = self.state.complete, self.state.transaction
        if not self.first or not transaction:
            return complete, transaction, self.state.old
        return (complete and self.session.is_complete(self.exploration, world, mask, transaction),
                transaction, self.exploration.image_before(mask, transaction.begin))
