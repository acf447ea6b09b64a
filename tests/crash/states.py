# SPDX-License-Identifier: MIT
"""Which states of a case are judged: each distinct one once, up to the budget."""

import time
from dataclasses import dataclass

from recording import IMAGE
from scene import BOOTS, INDEX_VARIANTS


@dataclass
class State:
    """How to come to one state, and what must become of it."""

    point: int
    subset: int
    index: str
    boot: str
    world: object
    transaction: object  # None: before the first one
    complete: bool       # the switch is in the image
    old: object          # the image's content if it is not

    @property
    def label(self):
        return f"{self.point}:{self.subset:x}:{self.index}:{self.boot}"


class Seen:
    """The states that were met, by the hash of image, journals and index."""

    def __init__(self):
        self.keys = set()

    def is_new(self, world, index):
        journals = tuple((path, world.contents[inode].key())
                         for path, inode in sorted(world.names.items()))
        key = hash((world.contents[IMAGE].key(), journals, index))
        if key in self.keys:
            return False
        self.keys.add(key)
        return True


class Choices:
    """(point, subset, index variant, boot) of an exploration, in the order of judging."""

    def __init__(self, exploration, settings, rng):
        self.exploration = exploration
        self.settings = settings
        self.rng = rng
        self.cut_short = False

    def __iter__(self):
        if self.settings.state:
            yield self.settings.state
            return
        prefixes = list(self.exploration.prefixes())
        others = list(self.exploration.subsets(self.settings.bound, self.settings.samples,
                                               self.rng))
        choose = self._all if self.settings.budget is None else self._some
        for choice in choose(prefixes, others):
            if self.settings.deadline and time.monotonic() > self.settings.deadline:
                self.cut_short = True
                return
            yield (*choice, self.rng.choice(BOOTS))

    def _some(self, prefixes, others):
        """Every prefix, then anything."""
        for point, subset in prefixes:
            yield point, subset, self.rng.choice(INDEX_VARIANTS)
        every = [(*choice, variant) for choice in prefixes + others for variant in INDEX_VARIANTS]
        self.rng.shuffle(every)
        yield from every

    def _all(self, prefixes, others):
        """With every state of the index where all subsets are there, with one in a sample."""
        for point, subset in prefixes + others:
            pending = len(self.exploration.points[point].pending)
            if pending <= self.settings.bound:
                for variant in INDEX_VARIANTS:
                    yield point, subset, variant
            else:
                yield point, subset, self.rng.choice(INDEX_VARIANTS)
