# SPDX-License-Identifier: MIT
"""One sequence: a random image, and random commands for both programs with events between."""

import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import events
import geometry
import judge
from lib.bitmap_pair import BitmapPair
from lib.copies import copy
from lib.odd_names import ODD_NAMES
from lib.qcow2 import Image, Malformed
from lib.random_commands import random_command
from lib.runner import Runner

STEPS = 25
REFUSED_GRANULARITIES = ("3", "256", "0", "4G", "4294967808", "1.5k", "")
USABLE_NAMES = [name for name in ODD_NAMES.values() if b"\0" not in name and name[:1] != b"-"]
LONG_NAMES = [letter * 1023 for letter in "pqr"]


@dataclass
class Tally:
    """`known`: steps by the key of an entry that was seen at work.  `findings`: sentences."""

    sequences: int = 0
    steps: int = 0
    successful: int = 0
    known: Counter = field(default_factory=Counter)
    events: Counter = field(default_factory=Counter)
    findings: list = field(default_factory=list)


class Sequence(Runner):
    """In `folder`, which is the working directory, too: images name other files by relative
    names, so that they can be kept elsewhere."""

    def __init__(self, folder, seed, number, tally):
        self.use_folder(folder)
        os.chdir(folder)
        self.chance = random.Random(f"{seed} {number}")
        self.tally = tally
        self.disk = geometry.make(folder, self.chance)
        self.names = self._random_names()
        self.pair = BitmapPair(self)
        self.pair.use(self.disk.path)
        os.unlink(self.disk.path)

    def _random_names(self):
        """Few, so that commands meet what is there."""
        names = ["a", "b", "c", "d", "e"]
        if self.chance.random() < 0.5:
            names += [os.fsdecode(name) for name in self.chance.sample(USABLE_NAMES, 2)]
        if self.chance.random() < 0.1:
            names += LONG_NAMES
        if self.chance.random() < 0.1:
            names.append(self.chance.choice(("", "n" * 1024)))
        return names

    def run(self, deadline):
        """Until a difference that nobody knows: (command, sentences); None if there is none.
        What both began that step with is in before.ours and before.theirs."""
        for _ in range(STEPS):
            if time.monotonic() > deadline:
                break
            if self.chance.random() < 0.3:
                self._let_something_happen()
            command = self._random_command()
            try:
                faults = self._step(command)
            except (Malformed, AssertionError, subprocess.TimeoutExpired) as error:
                faults = [f"a judge cannot read an image, or a program hangs: {error!r}"]
            if faults:
                return command, faults
        self.tally.sequences += 1
        return None

    def _let_something_happen(self):
        event = events.happen(self.pair.ours, self.disk, self.chance)
        self.tally.events[event] += 1
        self._settle(False)

    def _settle(self, theirs_is_right):
        """Both programs begin from one and the same image, without leaks: those of qemu's are
        no business of ours."""
        self.pair.agree_again(theirs_is_right)
        if judge.leaks_or_worse(self, self.pair.ours):
            self.run_program("qemu-img", "check", "-q", "-r", "all", self.pair.ours)
            self.pair.agree_again(False)

    def _random_command(self):
        words = REFUSED_GRANULARITIES + tuple(
            word for g in self.disk.granularities
            for word in (str(g), hex(g), "0.5k" if g == 512 else f"{g >> 10}K"))
        command = random_command(self.chance, self._likely_names(), words)
        if self.chance.random() < 0.05:
            extra = self.chance.choice((("-b", self.disk.other), ("-F", "qcow2"),
                                        ("-b", self.disk.other, "-F", "qcow2")))
            command = replace(command, extra=extra)
        return command

    def _likely_names(self):
        """Mostly of bitmaps that there are."""
        with Image(self.pair.ours) as image:
            there = [os.fsdecode(entry.name) for entry in image.bitmaps()]
        return self.names + 3 * there

    def _step(self, command):
        """Sentences about what nobody knows."""
        before = self.path("before.ours")
        copy(self.pair.ours, before)
        copy(self.pair.theirs, self.path("before.theirs"))
        data = self.disk.data_digest()
        outcome = self.pair.step(command)
        self.tally.steps += 1
        self.tally.successful += outcome.mine.code == 0
        self.tally.known.update(outcome.keys)
        faults = list(outcome.unknown)
        if self.disk.data_digest() != data:
            faults.append("the data file has changed")
        if outcome.mine.code == 0:
            faults += judge.faults(self, command.name, before, self.pair.ours)
        if outcome.differences and not faults:
            self._settle(outcome.only_they_did_it)
        elif outcome.mine.code == 0:
            faults += judge.differences_to_qemu(self, self.pair.ours, self.pair.theirs)
        return faults
