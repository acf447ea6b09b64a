# SPDX-License-Identifier: MIT
"""`instar bitmap` and `qemu-img bitmap` over copies of one image, and what differs.

    pair = BitmapPair(runner)        # lib/runner.py
    pair.use(path)
    outcome = pair.step(command)     # lib/divergences.py: Command
    outcome.unknown                  # [] where lib/divergences.py explains all of it
"""

import reprlib
from dataclasses import dataclass, field

from lib import bitmap_refusals, harness, walk
from lib.copies import copy
from lib.divergences import (BITMAPS, BITS, EXIT, FIELDS, KNOWN_BITMAP_DIVERGENCES, MESSAGE,
                             known)
from lib.qcow2 import Image
from lib.runner import Result

# The bits of a large disk are hundreds of megabytes.
SHORT = reprlib.Repr()
SHORT.maxother = SHORT.maxstring = 1500


@dataclass
class Outcome:
    """`differences`: {field: (ours, theirs)}.  `causes`: {field: keys of entries that apply}.
    `faults`: what instar must not do, whatever qemu does."""

    mine: Result
    peer: Result
    causes: dict = field(default_factory=dict)
    differences: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)

    @property
    def keys(self):
        """Of the entries seen at work."""
        return {key for name in self.differences for key in self.causes[name]}

    @property
    def unknown(self):
        return self.faults + [f"{name} differs: {SHORT.repr(values)}"
                              for name, values in self.differences.items()
                              if not self.causes.get(name)]

    @property
    def only_they_did_it(self):
        return self.mine.code != 0 and self.peer.code == 0


def look(path):
    """What is compared beside the exit code."""
    with Image(path) as image:
        valid = image.bitmaps() if image.bitmaps_valid else []
        return {
            BITMAPS: [(b.name, b.flags, b.granularity) for b in valid],
            BITS: {b.name: image.bits(b) for b in valid},
            "virtual size": image.virtual_size,
            "guest data": walk.guest_fingerprint(image),
            "backing": (image.backing_name, image.backing_format),
        }


def _causes(applying, mine):
    """Of the entries that apply, by field, those that explain how instar has ended.  What
    explains that it refuses, explains in which words, too."""
    refusal = bitmap_refusals.words(mine)
    causes = {name: [key for key in keys
                     if KNOWN_BITMAP_DIVERGENCES[key].explains(mine.code, refusal)]
              for name, keys in applying.items()}
    causes[MESSAGE] += causes[EXIT]
    return causes


class BitmapPair:
    """Two copies of an image, `ours` and `theirs`, in the runner's folder."""

    def __init__(self, runner):
        self.runner = runner
        self.ours, self.theirs = runner.path("ours.qcow2"), runner.path("theirs.qcow2")

    def use(self, path):
        copy(path, self.ours)
        copy(path, self.theirs)

    def step(self, command):
        """Run the command on both."""
        with Image(self.ours) as image:
            applying = {name: known(name, command, image) for name in FIELDS}
        before = harness.digest_of(self.ours)
        outcome = Outcome(
            self.runner.instar(*command.arguments(self.ours)),
            self.runner.run_program("qemu-img", "bitmap", *command.arguments(self.theirs)))
        outcome.causes = _causes(applying, outcome.mine)
        self._judge_alone(outcome, before)
        self._compare(command, outcome)
        return outcome

    def _judge_alone(self, outcome, before):
        mine, peer = outcome.mine, outcome.peer
        if mine.code not in (0, 1, 2) or mine.out or bool(mine.code) != bool(mine.err):
            outcome.faults.append(f"an ending that no command has: {mine}")
        if peer.code not in (0, 1):
            outcome.faults.append(f"qemu-img has died: {peer}")
        if mine.code and harness.digest_of(self.ours) != before:
            outcome.faults.append(f"refused, but changed: {mine}")
        left = self.runner.journals_left()
        if left:
            outcome.faults.append(f"a journal is left: {left}")

    def _compare(self, command, outcome):
        mine, peer = outcome.mine, outcome.peer
        if bool(mine.code) != bool(peer.code):
            outcome.differences[EXIT] = mine, peer
            return
        if mine.code and not bitmap_refusals.same(command, mine, peer):
            outcome.differences[MESSAGE] = mine, peer
        ours, theirs = look(self.ours), look(self.theirs)
        outcome.differences.update((name, (ours[name], theirs[name])) for name in ours
                                   if ours[name] != theirs[name])

    def agree_again(self, theirs_is_right):
        """Go on from one and the same image."""
        source, target = (self.theirs, self.ours) if theirs_is_right else (self.ours, self.theirs)
        copy(source, target)
