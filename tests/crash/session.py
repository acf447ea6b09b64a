# SPDX-License-Identifier: MIT
"""One case: make its image, record its commands, judge what crashes may leave of them."""

import os
import random
import shutil
import tempfile
import time

from content import SECTOR
from explore import Exploration
from foreign import Foreign
from judge import Finished, Judge
from lib import images
from mended import Damaged, Mended, RepairJudge
from recovery import Recovery
from recording import IMAGE
from scene import Scene
from seen import run, see
from settings import Tally
from states import Choices, Seen, State
from transactions import transactions

KEPT_FAILURES = 5  # whose files are kept, in each case
ON_SOUND_IMAGES = ("edit", "foreign")  # judgements that write to the image of before


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
        self.seen = Seen()

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
            [self.scene.command(*words) for words in self.case.words(self.scene.image)],
            injection)
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
        if self.case.repairs and point == 0:
            return Damaged(content, self.scene.image)
        seen = see(self.scene.image, self.case.named)
        if seen.faults:
            raise AssertionError(f"the image is not sound at {point}: {seen.faults}")
        kind = Mended if self.case.repairs else Finished
        return kind(seen, content, self.scene.image)

    def _refer(self):
        """What states are compared with: the image before, and after each transaction."""
        old = self._reference(0)
        self.finished = {t.begin: self._reference(t.end) for t in self.transactions}
        before = [old, *self.finished.values()]
        self.begun = {None: old, **dict(zip(self.finished, before))}
        kind = RepairJudge if self.case.repairs else Judge
        self.judge = kind(self.scene, self.case, old, self.finished.values())

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

    def states(self):
        """Each distinct state, up to the budget."""
        choices, budget = Choices(self.exploration, self.settings, self.rng), self.settings.budget
        for choice in choices:
            if budget is not None and len(self.seen.keys) >= budget:
                return
            state = self.state(*choice)
            if self.seen.is_new(state.world, state.index):
                yield state
        self.tally.cut_short = choices.cut_short

    def dice(self, state):
        """The same for the same state, however it was come to."""
        return random.Random(f"{self.settings.seed} {self.case.key} {state.label}")

    # ---- judging ----

    def wants(self, judgement, always=False):
        """By the dice, one state in so many; always, where one state is asked for."""
        if judgement not in self.settings.judgements:
            return False
        share = self.settings.shares.get(judgement, 1)
        if self.case.repairs and judgement in ON_SOUND_IMAGES:
            return False
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
