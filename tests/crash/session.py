# SPDX-License-Identifier: MIT
"""One case: make its image, record its commands, judge what crashes may leave of them."""

import os
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field

from content import SECTOR
from explore import Exploration
from foreign import Foreign
from judge import Finished, Judge
from lib import images
from recovery import Recovery
from recording import IMAGE
from scene import BOOTS, INDEX_VARIANTS, Scene
from seen import run, see
from transactions import transactions

KEPT_FAILURES = 5  # whose files are kept, in each case


@dataclass
class Settings:
    seed: int = 1
    bound: int = 8         # pieces of which every subset is taken
    samples: int = 300     # at a point with more
    budget: int | None = None    # states; None: all
    judgements: frozenset = frozenset()
    shares: dict = field(default_factory=dict)  # judgement -> one state in so many
    deadline: float | None = None
    state: tuple | None = None   # only this one
    failures: str = ""     # the directory where failing states are kept


@dataclass
class Tally:
    """What came out of one case."""

    case: str
    counts: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    seconds: float = 0
    cut_short: bool = False


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


def room():
    """Where images are made: in memory, if there is room for them."""
    shared = "/dev/shm"
    if os.access(shared, os.W_OK):
        status = os.statvfs(shared)
        if status.f_bavail * status.f_frsize > 1 << 30:
            return shared
    return None


class Session:
    def __init__(self, case, settings):
        self.case = case
        self.settings = settings
        self.tally = Tally(case.key)
        self.rng = random.Random(f"{settings.seed} {case.key}")
        self.directory = tempfile.mkdtemp(prefix="instar-crash-", dir=room())
        self.seen_states = set()

    # ---- before the exploration ----

    def prepare(self):
        journals = os.path.join(self.directory, "journals") if self.case.journal_directory else None
        if journals:
            os.mkdir(journals)
        self.scene = Scene(self.directory, journals)
        self.case.make(self.scene.image)
        if self.case.hard_link:
            os.link(self.scene.image, self.scene.image + ".link")
        self._fill_index()
        self.exploration = self._record()
        self._refer()
        if self.case.rolls_back:
            self._record_rollback()
        self.recovery = Recovery(self)
        self.foreign = Foreign(self)

    def _record(self, injection=()):
        recording = self.scene.record(
            [self.scene.command("bitmap", *c[:-1], self.scene.image, c[-1])
             for c in self.case.commands], injection)
        if set(recording.codes) != {1 if injection else 0}:
            raise AssertionError(f"{self.case.commands}: {recording.codes} {recording.output}")
        self.transactions = transactions(recording.operations)
        if not self.transactions:
            raise AssertionError("the command wrote nothing")
        return Exploration(recording.before, recording.operations)

    def _record_rollback(self):
        """What is compared with is known now; what is explored is the same command with
        failing system calls."""
        switch = self.transactions[0].switch
        self.switch_sector = self.exploration.operations[switch].offset // SECTOR
        world = self.exploration.points[switch + 1].build(-1)
        self.switch_content = world.contents[IMAGE].sector(self.switch_sector)
        finished = list(self.finished.values())
        self.scene.put(self.exploration.points[0].build(0), "before")
        self.exploration = self._record(self.case.injection)
        self.finished = dict(zip((t.begin for t in self.transactions), finished))
        self.begun = {None: self.begun[None], **dict.fromkeys(self.finished, self.begun[None])}

    def _fill_index(self):
        """An edit of another image: its entry is in the index before the command."""
        other = os.path.join(self.directory, "other.qcow2")
        images.create(other, "1M")
        code, _, err = run(*self.scene.command("bitmap", "--add", other, "x"),
                           environment=self.scene.environment)
        if code:
            raise AssertionError(err)

    def _reference(self, point):
        self.scene.put(self.exploration.points[point].build(-1))
        content = self.scene.disk.look()
        seen = see(self.scene.image, self.case.named)
        if seen.faults:
            raise AssertionError(f"the image is not sound at {point}: {seen.faults}")
        return Finished(seen, content, self.scene.image)

    def _refer(self):
        """What states are compared with: the image before, and after each transaction."""
        old = self._reference(0)
        self.finished = {t.begin: self._reference(t.end) for t in self.transactions}
        before = [old, *self.finished.values()]
        self.begun = {None: old, **dict(zip(self.finished, before))}
        self.judge = Judge(self.scene, self.case.named, old, self.finished.values())

    # ---- states ----

    def state(self, point, subset, index, boot):
        exploration = self.exploration
        mask = exploration.points[point].applied(subset)
        begun = [t for t in self.transactions if t.begin < point]
        transaction = begun[-1] if begun else None
        world = exploration.points[point].build(subset)
        old = exploration.image_before(mask, transaction.begin if transaction else 0)
        return State(point, subset, index, boot, world, transaction,
                     self.is_complete(exploration, world, mask, transaction), old)

    def is_complete(self, exploration, world, mask, transaction):
        """Is the switch in the image?"""
        if transaction is None:
            return False
        if self.case.rolls_back:
            return world.contents[IMAGE].sector(self.switch_sector) == self.switch_content
        return exploration.has(mask, transaction.switch)

    def _choices(self):
        """(point, subset, index variant), in the order in which they are judged."""
        prefixes = list(self.exploration.prefixes())
        others = list(self.exploration.subsets(self.settings.bound, self.settings.samples,
                                               self.rng))
        if self.settings.budget is None:
            yield from self._all_choices(prefixes + others)
            return
        for point, subset in prefixes:
            yield point, subset, self.rng.choice(INDEX_VARIANTS)
        every = [(*choice, variant) for choice in prefixes + others for variant in INDEX_VARIANTS]
        self.rng.shuffle(every)
        yield from every

    def _all_choices(self, choices):
        """With every state of the index where all subsets are there, with one in a sample."""
        for point, subset in choices:
            pending = len(self.exploration.points[point].pending)
            if pending <= self.settings.bound:
                for variant in INDEX_VARIANTS:
                    yield point, subset, variant
            else:
                yield point, subset, self.rng.choice(INDEX_VARIANTS)

    def states(self):
        """Each distinct state, up to the budget."""
        if self.settings.state:
            yield self.state(*self.settings.state)
            return
        for point, subset, index in self._choices():
            if self._is_over():
                return
            state = self.state(point, subset, index, self.rng.choice(BOOTS))
            if self.is_new(state.world, index):
                yield state

    def _is_over(self):
        settings = self.settings
        if settings.deadline and time.monotonic() > settings.deadline:
            self.tally.cut_short = True
            return True
        return settings.budget is not None and len(self.seen_states) >= settings.budget

    def is_new(self, world, index):
        journals = tuple((path, world.contents[inode].key())
                         for path, inode in sorted(world.names.items()))
        key = hash((world.contents[IMAGE].key(), journals, index))
        if key in self.seen_states:
            return False
        self.seen_states.add(key)
        return True

    # ---- judging ----

    def wants(self, judgement, always=False):
        """By the dice, one state in so many; always, where one state is asked for."""
        if judgement not in self.settings.judgements:
            return False
        share = self.settings.shares.get(judgement, 1)
        return self.rng.randrange(share) == 0 or always or self.settings.state is not None

    def count(self, what, number=1):
        self.tally.counts[what] += number

    def fault(self, state, judgement, faults):
        """Note faults, and keep the files of the first ones."""
        where = ""
        if len(self.tally.failures) < KEPT_FAILURES and self.settings.failures:
            where = self._keep(state, judgement, faults)
        self.tally.failures.append((self.case.key, state.label, judgement, faults, where))

    def _keep(self, state, judgement, faults):
        kept = os.path.join(self.settings.failures,
                            f"{self.case.key}-{len(self.tally.failures)}-{judgement}")
        shutil.copytree(self.directory, os.path.join(kept, "as-found"), symlinks=True)
        self.put(state)
        shutil.copytree(self.directory, os.path.join(kept, "state"), symlinks=True)
        with open(os.path.join(kept, "faults"), "w", encoding="utf-8") as file:
            print(state.label, judgement, *faults, sep="\n", file=file)
        return kept

    def put(self, state):
        self.scene.put(state.world, state.index, state.boot)

    def bare(self, state):
        self.put(state)
        return self.judge.bare(state.world.contents[IMAGE])

    def is_just_committed(self, state):
        """Killed between the switch and its sync: what recovery finds is not durable yet."""
        return (state.complete and state.boot == "same"
                and state.point == (state.transaction.switch or -1) + 1)

    def judge_state(self, state):
        judges = {"bare": self.bare, "recovery": self.recovery.recovery,
                  "dry-run": self.recovery.dry_run, "edit": self.recovery.edit,
                  "foreign": self.foreign.foreign, "again": self.recovery.again}
        for judgement, judge in judges.items():
            if self.wants(judgement, judgement == "again" and self.is_just_committed(state)):
                self.count(judgement)
                faults = judge(state)
                if faults:
                    self.fault(state, judgement, faults)

    def run(self):
        begin = time.monotonic()
        try:
            self.prepare()
            for state in self.states():
                self.count("states")
                self.judge_state(state)
            self.count("images", self.judge.images)
        finally:
            if hasattr(self, "scene"):
                self.scene.close()
            shutil.rmtree(self.directory, ignore_errors=True)
        self.tally.seconds = time.monotonic() - begin
        return self.tally
