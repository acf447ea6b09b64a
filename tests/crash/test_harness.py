#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The explorer finds what it is meant to find: with one barrier of a recording taken
away, some state fails."""

import os
import pathlib
import random
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "e2e"))

import cases  # noqa: E402
from content import Content, from_bytes  # noqa: E402
from explore import Exploration  # noqa: E402
from lib import faults, harness  # noqa: E402
from operations import Sync, Write  # noqa: E402
from recording import IMAGE  # noqa: E402
from session import Session  # noqa: E402
from settings import Settings  # noqa: E402


class Weakened(Session):
    """A case whose program forgets a sync, or some."""

    def __init__(self, key, forgets):
        case = next(c for c in cases.table() if c.key == key)
        super().__init__(case, Settings(judgements=frozenset(("bare", "recovery")),
                                        budget=300))
        self.forgets = forgets

    def _record(self, injection=()):
        recorded = super()._record(injection)
        operations = list(recorded.operations)
        forgotten = self.forgets(operations, self.transactions[0])
        for index in [forgotten] if isinstance(forgotten, int) else forgotten:
            assert isinstance(operations[index], Sync)
            operations[index] = Sync("nothing")
        return Exploration(recorded.points[0].world, operations)


def first_sync(operations, file):
    return next(i for i, o in enumerate(operations) if isinstance(o, Sync) and o.file == file)


def needs_root(test):
    if os.geteuid() != 0 or not faults.available():
        test.skipTest("needs root: strace cannot tell the paths of a process that is not dumpable")


class Barriers(unittest.TestCase):
    def setUp(self):
        needs_root(self)

    def found(self, key, forgets):
        """The judgements that fail."""
        tally = Weakened(key, forgets).run()
        self.assertGreater(tally.counts["states"], 50)
        return {judgement for _, _, judgement, _, _ in tally.failures}

    def test_every_barrier_in_place(self):
        case = next(c for c in cases.table() if c.key == "add-64k")
        settings = Settings(judgements=frozenset(("bare", "recovery")), budget=100)
        self.assertEqual(Session(case, settings).run().failures, [])

    def test_build_not_synced_before_the_switch(self):
        found = self.found("add-64k", lambda operations, _: first_sync(operations, IMAGE))
        self.assertIn("bare", found)

    def test_journal_not_synced_before_the_build(self):
        found = self.found("add-64k", lambda operations, _: first_sync(operations, 1))
        self.assertEqual(found, {"recovery"})

    def test_journal_s_name_not_synced_before_the_build(self):
        found = self.found("add-64k", lambda operations, _: next(
            i for i, o in enumerate(operations) if isinstance(o, Sync) and isinstance(o.file, str)))
        self.assertEqual(found, {"recovery"})

    def test_a_repair_s_build_not_synced_before_the_switch(self):
        """The image is damaged, and must not become worse."""
        found = self.found("repair-lost-data-64k", lambda operations, transaction: [
            i for i, o in enumerate(operations[:transaction.switch])
            if isinstance(o, Sync) and o.file == IMAGE])
        self.assertEqual(found, {"bare", "recovery"})

    def test_a_repair_s_journal_not_synced_before_the_build(self):
        found = self.found("repair-low-refcounts-512",
                           lambda operations, _: first_sync(operations, 1))
        self.assertEqual(found, {"recovery"})

    def test_switch_not_synced_before_done(self):
        found = self.found("add-64k", lambda operations, transaction: next(
            i for i, o in enumerate(operations)
            if i > transaction.switch and isinstance(o, Sync)))
        self.assertEqual(found, {"recovery"})


class Undoing(Session):
    """A case in which recovery gives the old image back whatever others have written."""

    def judge_state(self, state):
        def check(*_):
            self.scene.put(self.exploration.points[0].world)
            return 0, ["undone"], "planted"
        self.recovery.check = check
        super().judge_state(state)


class OtherWriters(unittest.TestCase):
    def test_what_they_wrote_is_missed(self):
        needs_root(self)
        case = next(c for c in cases.table() if c.key == "add-64k")
        settings = Settings(judgements=frozenset(("foreign",)), budget=20)
        tally = Undoing(case, settings).run()
        found = "\n".join(line for *_, lines, _ in tally.failures for line in lines)
        self.assertIn("what was written is lost", found)
        self.assertIn("guest data", found)


class Contents(unittest.TestCase):
    """The sparse content does to itself what the kernel does to a file."""

    def change(self, rng, content, raw):
        """One random operation on both; the new raw bytes."""
        kind = rng.randrange(3)
        offset, length = rng.randrange(5000), rng.randrange(1, 3000)
        if kind == 0:
            data = rng.randbytes(length)
            content.write(offset, data)
            raw = raw.ljust(offset, b"\0")
            return raw[:offset] + data + raw[offset + length:]
        if kind == 1:
            content.truncate(offset)
            return raw[:offset].ljust(offset, b"\0")
        content.punch(offset, length)
        part = raw[offset:offset + length]
        return raw[:offset] + bytes(len(part)) + raw[offset + length:]

    def test_random_operations(self):
        rng = random.Random(1)
        for _ in range(300):
            base = rng.randbytes(rng.randrange(6000))
            content, raw = Content(base), base
            for _ in range(rng.randrange(12)):
                raw = self.change(rng, content, raw)
                self.assertEqual(content.to_bytes(), raw)
                self.assertEqual(content.key(), from_bytes(base, raw).key())

    def test_keys_tell_sizes_and_bytes_apart(self):
        one, other = Content(b"a" * 1000), Content(b"a" * 1000)
        self.assertEqual(one.key(), other.key())
        other.write(999, b"b")
        self.assertNotEqual(one.key(), other.key())
        other.write(999, b"a")
        self.assertEqual(one.key(), other.key())
        other.truncate(1001)
        self.assertNotEqual(one.key(), other.key())

    def test_a_write_is_torn_at_sectors_and_may_lose_its_size(self):
        world_before = {IMAGE: Content(b"x" * 512)}
        operation = Write(IMAGE, 500, b"y" * 600)

        class Before:
            contents = world_before
        self.assertEqual(len(operation.pieces(Before)), 4)


if __name__ == "__main__":
    harness.main()
