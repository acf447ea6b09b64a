# SPDX-License-Identifier: MIT
"""Breaches of a transaction's rules (host/vmm/transaction*.c, declare.c).

What comes behind a switch follows one that changes nothing, of a transaction that only makes
room: so the old image is also what such a transaction has committed.
"""

from doorbell_breaches import NOT_ITS_OWN
from hostile import NEW, OLD, Breach
from script import (APPLY, ASSERT, BEGIN, CLAIM, END_REQUEST, FRESH, JOURNAL, MAX_GROWTH,
                    MAX_OVERWRITE, MAX_PENDING, MAX_REQUESTS, MAX_STEP, MAX_TRANSACTIONS, PART,
                    PREPARES, PUNCH, READ, SECTOR, SWITCH, TRUNCATE, U64, Request, Script)

INT64_MAX = 2**63 - 1
ROOM = 1 << 20  # growth of transactions that need any


class Table:
    """`case` knows the image."""

    def __init__(self, case):
        self.case = case
        self.size = case.size

    def behind_begin(self, name, rule, *requests, growth=0):
        return Breach(name, rule, self.case.begun(growth).ring(*requests))

    def committed(self):
        """Room was made; the edit is not done."""
        return self.case.committed(PREPARES)

    def fresh(self, step, at=0, **fields):
        """One sector behind the old end."""
        values = {"length": SECTOR, "addr": NEW, "flags": FRESH, **fields}
        return Request(JOURNAL, offset=self.size + at, step=step, **values)

    # ---- begin ----

    def begins(self):
        begin, size = Request(BEGIN, self.size, self.size), self.size
        yield self.behind_begin("begin twice", "begin inside a transaction", begin)
        yield Breach("begin over a pending release", "begin inside a transaction",
                     self.committed().ring(Request(JOURNAL, 0, SECTOR, step=2, flags=PUNCH),
                                           begin))
        yield Breach("begin: unknown flag", "begin: flags",
                     Script().ring(Request(BEGIN, size, size, flags=2)))
        yield Breach("begin once too often", "too many transactions", Script().ring(begin),
                     circumstances={"transactions": MAX_TRANSACTIONS})
        for flags in (0, PREPARES):
            yield Breach("begin when all is done", "begin behind the edit",
                         self.case.committed().ring(Request(BEGIN, size, size, flags=flags)),
                         done=True)
        for old, new in ((size, size - 1), (size, 0), (size, size + MAX_GROWTH + 1),
                         (size, U64), (INT64_MAX, INT64_MAX + 1), (U64, U64), (U64, 0)):
            yield Breach(f"begin {old:#x} to {new:#x}", "begin: final size",
                         Script().ring(Request(BEGIN, old, new)))

    def assertions_and_claims(self):
        yield Breach("assert first", "assertion outside a transaction",
                     Script().ring(Request(ASSERT, 0, 8)))
        yield Breach("assert behind the switch", "assertion outside a transaction",
                     self.committed().ring(Request(ASSERT, 0, 8)))
        for offset, length in ((U64, 2), (INT64_MAX, 1), (1 << 63, 0)):
            yield self.behind_begin(f"assert {offset:#x} {length}", "assertion: range",
                                    Request(ASSERT, offset, length))
        yield Breach("claim first", "claim outside a build", Script().ring(Request(CLAIM, 0, 8)))
        yield Breach("claim behind the switch", "claim outside a build",
                     self.committed().ring(Request(CLAIM, 0, 8)))
        yield self.behind_begin("claim behind a step", "claim outside a build",
                                self.case.overwrite(1), Request(APPLY, step=1),
                                Request(CLAIM, 0, 8))
        for offset, length in ((0, 0), (self.size, 1), (U64, 2), (0, U64), (0, self.size + 1)):
            yield self.behind_begin(f"claim {offset:#x} {length:#x}", "claim: outside the file",
                                    Request(CLAIM, offset, length))

    # ---- declarations ----

    def order(self):
        overwrite, rule = self.case.overwrite, "declaration: step out of order"
        apply = Request(APPLY, step=2)
        yield Breach("declare first", "declaration outside a transaction",
                     Script().ring(overwrite(1)))
        for flags in (16, 1 << 31, PUNCH | FRESH, PUNCH | TRUNCATE, TRUNCATE | SWITCH):
            yield self.behind_begin(f"declaration with flags {flags}", "declaration: flags",
                                    overwrite(1, flags=flags))
        for step in (0, MAX_STEP + 1, 0xffffffff):
            yield self.behind_begin(f"step {step}", rule, overwrite(step))
        yield self.behind_begin("step 2, then 1", rule, overwrite(2),
                                overwrite(1, at=SECTOR))
        yield self.behind_begin("step 2 again", rule, overwrite(2), apply,
                                overwrite(2, at=SECTOR))
        yield self.behind_begin("step 1 behind 2", rule, overwrite(2), apply,
                                overwrite(1, at=SECTOR))
        yield Breach("a second switch", "declaration: a second switch",
                     self.committed().ring(overwrite(2, flags=SWITCH)))
        yield self.behind_begin(
            "behind the switch", "declaration: behind the switch, before it is applied",
            overwrite(1, flags=SWITCH), overwrite(2, at=SECTOR))
        yield self.behind_begin(
            "the switch twice", "declaration: behind the switch, before it is applied",
            overwrite(1, flags=SWITCH), overwrite(2, at=SECTOR, flags=SWITCH))
        yield self.behind_begin(
            "the switch beside a write", "declaration: the switch is not alone in its step",
            overwrite(1), overwrite(1, at=SECTOR, flags=SWITCH))
        for flags in (PUNCH, TRUNCATE):
            yield self.behind_begin(
                f"release {flags} before the switch", "declaration: release before the switch",
                Request(JOURNAL, 0, SECTOR, step=1, flags=flags))

    def ranges(self):
        overwrite, size = self.case.overwrite, self.size
        for offset, length in ((0, 0), (size, 1), (size - 1, 2), (U64, 2), (1, 1 << 25)):
            yield self.behind_begin(f"write {offset:#x} {length:#x}",
                                    "declaration: outside the file",
                                    Request(JOURNAL, offset, length, NEW, step=1))
        # A length near 2^64 is too many bytes for a doorbell, but a punch moves none.
        yield Breach("punch around", "declaration: outside the file",
                     self.committed().ring(Request(JOURNAL, 8, U64 - 7, step=2, flags=PUNCH)))
        for name, change in (("two sectors", overwrite(1, length=SECTOR + 1, flags=SWITCH)),
                             ("a border", overwrite(1, at=SECTOR - 4, length=8, flags=SWITCH)),
                             ("fresh", self.fresh(1, flags=FRESH | SWITCH))):
            yield self.behind_begin(f"switch: {name}",
                                    "declaration: the switch is not within one sector", change,
                                    growth=ROOM)
        for offset, length in ((0, 1), (size + 1, 0), (U64, 0)):
            yield Breach(f"truncate {offset:#x} {length}", "truncation: size",
                         self.committed().ring(
                             Request(JOURNAL, offset, length, step=2, flags=TRUNCATE)))

    def contents(self):
        size = self.size
        for name, (address, length) in NOT_ITS_OWN.items():
            yield self.behind_begin(f"write from {name}", "overwrite: address or length",
                                    Request(JOURNAL, 0, length, address, step=1))
            yield self.behind_begin(f"fresh from {name}", "fresh range: address or length",
                                    self.fresh(1, addr=address - address % 8), growth=ROOM)
        yield self.behind_begin("a long write", "overwrite: address or length",
                                Request(JOURNAL, 0, MAX_OVERWRITE - 2 * SECTOR + 1, NEW, step=1))
        yield self.behind_begin("over a fresh range", "overwrite: over a fresh range",
                                self.fresh(1), Request(JOURNAL, size + 8, 8, NEW, step=1),
                                growth=ROOM)
        for at, length in ((1, SECTOR), (0, SECTOR - 1), (0, 1)):
            yield self.behind_begin(f"fresh {at} {length}", "fresh range: not whole sectors",
                                    self.fresh(1, at=at, length=length), growth=ROOM)

    def floods(self):
        """More than the host keeps.  A doorbell may carry 1024 of the same."""
        rings = MAX_PENDING // MAX_REQUESTS
        yield Breach("too many fresh sectors", "fresh range: too many changes", self.flood(
            self.case.begun(growth=ROOM), self.fresh(1), rings))
        yield Breach("too many releases", "declaration: too many changes", self.flood(
            self.committed(), Request(JOURNAL, 0, SECTOR, step=2, flags=PUNCH), rings))
        most = MAX_OVERWRITE - 2 * SECTOR
        same = Request(JOURNAL, self.case.target, most, OLD, step=1, old=(OLD, most))
        yield Breach("too many bytes", "overwrite: too many changes",
                     self.case.begun().ring(*[same] * 17))

    @staticmethod
    def flood(script, request, rings):
        for index in range(MAX_REQUESTS):
            script.put(index, request)
        script.count(MAX_REQUESTS)
        start = script.here
        script.just_ring()
        return script.again(start, rings)

    # ---- apply and end ----

    def applies(self):
        overwrite, rule = self.case.overwrite, "apply: step out of order"
        yield Breach("apply first", rule, Script().ring(Request(APPLY, step=1)))
        for name, change in (("flags", {"step": 1, "flags": 2}), ("step 0", {"step": 0}),
                             ("step 65", {"step": MAX_STEP + 1}),
                             ("step -1", {"step": 0xffffffff})):
            yield self.behind_begin(f"apply: {name}", rule, overwrite(1),
                                    Request(APPLY, **change))
        yield self.behind_begin("apply twice", rule, overwrite(1), Request(APPLY, step=1),
                                Request(APPLY, step=1))
        yield Breach("commit twice", rule, self.committed().ring(Request(APPLY, step=1)))
        yield self.behind_begin("a part of the switch", rule, overwrite(1, flags=SWITCH),
                                Request(APPLY, step=1, flags=PART))
        yield self.behind_begin("a step left out", "apply: an earlier step is declared",
                                overwrite(1), overwrite(2, at=SECTOR), Request(APPLY, step=2))
        yield self.behind_begin("the switch before the build",
                                "apply: an earlier step is declared", overwrite(1),
                                overwrite(2, at=SECTOR, flags=SWITCH), Request(APPLY, step=2))
        for name, flags in (("", 0), ("a part of ", PART)):
            yield self.behind_begin(f"apply {name}nothing", "apply: nothing is journaled",
                                    Request(APPLY, step=1, flags=flags), growth=ROOM)
        changed = self.case.begun(growth=ROOM).ring(self.fresh(1, length=2 * SECTOR))
        changed.store(NEW + 2 * SECTOR - 1, 0, width=1).ring(Request(APPLY, step=1))
        yield Breach("other bytes", "apply: other bytes than those journaled", changed)
        # The host reads into what it has journaled, by the same doorbell.
        yield self.behind_begin("read over what is journaled",
                                "apply: other bytes than those journaled", self.fresh(1),
                                Request(READ, self.case.target, SECTOR, NEW),
                                Request(APPLY, step=1), growth=ROOM)

    def ends(self):
        rule = "end: success with an unfinished transaction"
        yield self.behind_begin("end of nothing", rule, END_REQUEST)
        yield self.behind_begin("end of a declaration", rule, self.case.overwrite(1),
                                END_REQUEST)
        yield self.behind_begin("end of a build", rule, self.case.overwrite(1),
                                Request(APPLY, step=1), END_REQUEST)
        yield Breach("end of a release", rule, self.committed().ring(
            Request(JOURNAL, 0, SECTOR, step=2, flags=PUNCH), END_REQUEST))


def breaches(case):
    table = Table(case)
    for part in (table.begins, table.assertions_and_claims, table.order, table.ranges,
                 table.contents, table.floods, table.applies, table.ends):
        yield from part()
