#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Memory that changes while the host looks at it: a thread of the driver writes now the one,
now the other value to a 64-bit number of guest memory, as a second processor of a guest could
if it had one.  Whatever the host has seen, it has seen once: the outcome is that of one of the
values, or the guest is ended."""

import os
import struct

import hostile
from hostile import CLUSTER, DIED, EDIT, INFO, NEW, OLD, PROTOCOL
from script import (APPLY, ARENA, DOORBELL, END_REQUEST, FRESH, JOURNAL, PART, QUERY_HOLE, READ,
                    REPORT, REQUESTS, RESULT, SWITCH, TSS, U64, UD2, Request, Script,
                    address_field, length_field, request_address)
from test_reports import bitmap_report, image_report

LOOKS = 300  # doorbells of a race
BUSY = 255  # requests between the copy of a doorbell and the one that changes
RUNS = 6  # of one that ends with the first look that finds the other value
ONE, OTHER = 0x1111111111111111, 0x2222222222222222
OWN = 0xa5a5a5a5a5a5a5a5  # what a script that has begun has put to NEW


class Races(hostile.HostileCase):
    def race(self, script, address, one, other, command=EDIT, **options):
        return self.attack(script, command, flip_address=address, flip_one=one,
                           flip_other=other, **options)

    def assert_either(self, result, command=EDIT, messages=(PROTOCOL,)):
        """Success, or ended; the image is the old one in both cases."""
        if result.code == 0:
            self.assertEqual(result.err, "")
            self.assert_untouched()
        else:
            self.assertIn(result.first_line, [f"instar {command[0]}: {m}" for m in messages])
            self.assert_ended(result, command, result.first_line.split(": ", 1)[1])

    def test_the_thread_changes_what_the_host_sees(self):
        """Or the races below would prove nothing."""
        script = Script().put(0, Request(READ, 0, 8, ARENA)).count(1)
        script.until_not(length_field(0), 8).just_ring().end()
        result = self.race(script, length_field(0), U64, U64)
        self.assert_ended(result, EDIT, PROTOCOL)

    def many_looks(self, request, address, one, other, before=0):
        """Doorbells with this request, behind others that keep the host busy.  Each waits for
        the value that does no harm, so that most runs come to more than one look."""
        script = Script()
        for index in range(before + 1):
            script.put(index, request)
        script.count(before + 1).until_not(address, one)
        start = script.here
        return script.until_not(address, other).just_ring().again(start, LOOKS).end()

    def test_requests(self):
        """A look that has found the harmless value is not followed by one that finds the other:
        no rule is broken but the first that looks at the field."""
        read = Request(READ, 0, 8, ARENA)
        operation = read.op
        fields = {
            "count": (DOORBELL, BUSY + 1, 0xffffffff, "number of requests"),
            "length": (length_field(BUSY), 8, U64, "bytes of one doorbell"),
            "address": (address_field(BUSY), ARENA, TSS, "read: range"),
            "far address": (address_field(BUSY), ARENA, 1 << 46, "read: range"),
            "offset": (request_address(BUSY) + 16, 0, U64, "read: range"),
            "operation": (request_address(BUSY), operation, JOURNAL | 1 << 32,
                          "declaration outside a transaction"),
            "reserved": (request_address(BUSY) + 8, 0, 1 << 32, "reserved field")}
        for name, (address, one, other, rule) in fields.items():
            script = self.many_looks(read, address, one, other, BUSY)
            for _ in range(RUNS):
                with self.subTest(field=name):
                    result = self.race(script, address, one, other, debug=True)
                    self.assertIn(self.rule_told(result), [rule] + [None] * (result.code == 0))
                    self.assert_either(result)

    def test_an_answer(self):
        """The host writes where the guest does."""
        answer = request_address(0) + 40
        self.assert_either(self.race(
            self.many_looks(Request(QUERY_HOLE, 0, CLUSTER), answer, 0, U64), answer, 0, U64))

    def test_what_a_read_fills(self):
        request = Request(READ, 0, 1 << 16, ARENA)
        self.assert_either(self.race(self.many_looks(request, ARENA + 512, 0, OTHER), ARENA + 512,
                                     ONE, OTHER))

    def test_a_result(self):
        """No look at the code finds a success where another found an error."""
        for begins in (True, False):
            for _ in range(10):
                script = self.begun() if begins else Script()
                script.result(code=5, applied=1).put(0, END_REQUEST).count(1)
                script.until_not(RESULT, 5 | 1 << 32).just_ring()
                result = self.race(script, RESULT, 0 | 1 << 32, 1000 | 1 << 32)
                self.assert_either(result)
                if begins:
                    self.assertNotEqual(result.code, 0)

    def content(self, at):
        with open(self.path("image.qcow2"), "rb") as image:
            image.seek(at)
            return struct.unpack("<Q", image.read(8))[0]

    def test_what_is_journaled_is_what_is_written(self):
        """An edit whose switch changes under the host's eyes: the new image is that of one look,
        and nothing beside it has changed."""
        seen = set()
        for _ in range(12):
            result = self.race(
                self.begun().until_not(NEW, OWN).ring(self.overwrite(1, length=8, flags=SWITCH),
                                  Request(APPLY, step=1)).end(), NEW, ONE, OTHER)
            self.assertEqual((result.code, result.err), (0, ""))
            seen.add(self.content(self.target))
            self.restore(self.target, 8)
            self.assert_untouched()
        self.assertLessEqual(seen, {ONE, OTHER})

    def test_what_is_journaled_is_written_though_a_read_came_between(self):
        """Without a thread: the host itself changes the bytes, behind the journal."""
        result = self.attack(self.begun().ring(
            self.overwrite(1, length=8, flags=SWITCH), Request(READ, 0, 8, NEW),
            Request(APPLY, step=1)).end())
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(self.content(self.target), OWN)
        self.restore(self.target, 8)
        self.assert_untouched()

    def restore(self, at, length):
        with open(self.pristine, "rb") as old, open(self.path("image.qcow2"), "r+b") as image:
            old.seek(at)
            image.seek(at)
            image.write(old.read(length))

    def fresh(self):
        """Many sectors, one of which changes."""
        return self.begun(growth=1 << 20).until_not(NEW + (1 << 19), 0).ring(
            Request(JOURNAL, self.size, 1 << 20, NEW, step=1, flags=FRESH),
            Request(APPLY, step=1, flags=PART))

    def test_fresh_sectors_that_change_are_undone(self):
        """Ended at the second look, or behind it: the old image in both cases."""
        for _ in range(12):
            result = self.race(self.fresh().fault(UD2), NEW + (1 << 19), ONE, OTHER)
            self.assert_either(result, messages=(PROTOCOL, DIED))
            self.assertNotEqual(result.code, 0)

    def test_fresh_sectors_that_change_are_never_half_of_each(self):
        for _ in range(12):
            result = self.race(self.fresh().ring(
                Request(APPLY, step=1),
                Request(JOURNAL, self.target, 8, OLD, step=2, flags=SWITCH, old=(OLD, 8)),
                Request(APPLY, step=2)).end(), NEW + (1 << 19), ONE, OTHER)
            if result.code:
                self.assert_ended(result, EDIT, PROTOCOL)
                continue
            self.assertIn(self.content(self.size + (1 << 19)), (ONE, OTHER))
            os.truncate(self.path("image.qcow2"), self.size)
            self.assert_untouched()

    def test_overwrites_that_change_are_undone(self):
        script = self.begun().until_not(NEW + 8, OWN)
        for step in range(1, 40):
            script.ring(self.overwrite(step, at=step * 1024, length=1024),
                        Request(APPLY, step=step))
        for _ in range(5):
            result = self.race(script.fault(UD2), NEW + 8, ONE, OTHER)
            self.assert_ended(result, EDIT, DIED)

    def test_a_report(self):
        """A name's length: the name is as long as one look found it, or the guest is ended."""
        name = b"n" * 4
        report = bitmap_report(name)
        script = Script().report(1, image_report())
        script.bytes(ARENA, report).put(0, Request(REPORT, 0, len(report), ARENA, value=3))
        script.count(1).until_not(ARENA + 64, 0xffffffff | 4 << 32)
        start = script.here
        script.just_ring().again(start, 200).end()
        result = self.race(script, ARENA + 64, 4 << 32, 60000 << 32,
                           ("info", "--output", "json", "{}"))
        if result.code:
            self.assertEqual(result.first_line, f"instar info: {PROTOCOL}")
        else:
            self.assertEqual(result.out.count('"name": "nnnn"'), 201)
        self.assert_steers_nothing(result)
        self.assert_untouched()

    def test_a_look_changes_nothing_either(self):
        self.assert_either(self.race(
            self.many_looks(Request(READ, 0, 8, ARENA), REQUESTS, READ, JOURNAL | 1 << 32),
            REQUESTS, READ, JOURNAL | 1 << 32, INFO), INFO)


if __name__ == "__main__":
    hostile.main()
