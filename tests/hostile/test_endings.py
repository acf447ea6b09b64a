#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""However a guest ends, and wherever in a transaction: the image is the old one."""

import hostile
from hostile import CLUSTER, DIED, EDIT, INFO, MAP, NEW, PROTOCOL, TIMEOUT, WHOLE_MEMORY
from script import (APPLY, ARENA, CALL, CALL_LIMIT, CLAIM, DOORBELL, DOORBELL_LIMIT, FRESH, HLT,
                    JOURNAL, MAX_STEP, PAGE_DIRECTORIES, PAGE_TABLES, PART,
                    PROGRAM, PROGRAM_LIMIT, READ, SECTOR, STACK,
                    STACK_OVERFLOW, STACK_TOP, SYSCALL, TSS, UD2, Request,
                    Script)

NOT_MAPPED = {
    "null": 0, "page tables": PAGE_TABLES, "TSS": TSS, "behind the program": PROGRAM_LIMIT,
    "below the stack": STACK - 1, "behind the stack": STACK_TOP, "behind the call": CALL_LIMIT,
    "behind the doorbell": DOORBELL_LIMIT, "page directories": PAGE_DIRECTORIES,
    "below the arena": ARENA - 1, "behind the memory": WHOLE_MEMORY, "1 TiB": 1 << 40,
    "the end of the lower half": (1 << 47) - 1, "the upper half": 2**64 - 4096,
    "not canonical": 1 << 63}
NOT_WRITABLE = {"text": PROGRAM + 64, "the call": CALL}
NOT_EXECUTABLE = {"the arena": ARENA, "the stack": STACK, "the doorbell": DOORBELL, "call": CALL}

ENDINGS = {
    "an exception": (lambda s: s.fault(UD2), DIED),
    "a return": (lambda s: s, DIED),
    "a page fault": (lambda s: s.load(0), DIED),
    "a breach": (lambda s: s.ring(Request(READ, 0, 0, ARENA)), PROTOCOL),
    "a lie": (lambda s: s.end(code=0), PROTOCOL),
    "no code at all": (lambda s: s.end(code=1000), PROTOCOL),
    "an error": (lambda s: s.end(code=15),
                 "internal size or offset computation overflowed (host or guest bug)"),
}


class Memory(hostile.HostileCase):
    def test_what_is_not_mapped_can_be_neither_read_nor_written_nor_executed(self):
        for name, address in NOT_MAPPED.items():
            with self.subTest(at=name):
                self.ends(Script().load(address), DIED)
                self.ends(Script().store(address, 0xc3, width=1), DIED)
                self.ends(Script().execute(address), DIED)

    def test_what_is_mapped_is_either_writable_or_executable(self):
        for name, address in NOT_WRITABLE.items():
            with self.subTest(at=name):
                self.ends(Script().load(address).store(address, 0xc3, width=1), DIED)
        for name, address in NOT_EXECUTABLE.items():
            with self.subTest(at=name):
                script = Script()
                if name != "call":
                    script.store(address, 0xc3, width=1)
                self.ends(script.execute(address), DIED)

    def test_instructions_that_leave_the_guest_end_it(self):
        for name, fault in (("hlt", HLT), ("syscall", SYSCALL), ("stack", STACK_OVERFLOW)):
            with self.subTest(fault=name):
                self.ends(Script().fault(fault), DIED)
        for port in (0, 0xf, 0x11, 0x3f8, 0xffff):
            with self.subTest(port=port):
                self.ends(Script().out(port), DIED)


class Endless(hostile.HostileCase):
    def test_a_guest_that_does_not_ring_is_ended(self):
        advice = ("hint: on a machine under heavy load try again; else this is a bug: "
                  "INSTAR_DEBUG=1 tells more")
        for command in (EDIT, INFO, MAP):
            with self.subTest(command=command[0]):
                result = self.ends(Script().spin(), TIMEOUT, command, limit_ms=200)
                self.assertIn(advice, result.err)

    def test_a_guest_that_stops_ringing_in_the_middle_is_undone(self):
        self.ends(half_applied(self).spin(), TIMEOUT, limit_ms=200)


def half_applied(case):
    """A script in the middle of an edit: the file has grown, two steps are durable, one is
    written in part, one is declared."""
    tail = case.size
    build = [Request(CLAIM, tail, CLUSTER),
             Request(JOURNAL, tail, 4096, NEW, step=1, flags=FRESH),
             case.overwrite(1), case.overwrite(1, at=100 * SECTOR + 7, length=3 * SECTOR),
             Request(APPLY, step=1),
             case.overwrite(2, at=128 << 10, length=64 << 10), Request(APPLY, step=2),
             case.overwrite(3, at=200 << 10, length=100), Request(APPLY, step=3, flags=PART),
             case.overwrite(MAX_STEP, at=300 << 10)]
    return case.begun(growth=1 << 20).ring(*build)


class Rollback(hostile.HostileCase):
    def test_what_was_applied_is_undone_to_the_byte(self):
        for name, (ending, message) in ENDINGS.items():
            with self.subTest(ending=name):
                self.ends(ending(half_applied(self)), message)

    def test_what_is_undone_had_been_written(self):
        """Or the tests above would prove nothing: without the ending the image differs."""
        image = self.copy()
        script = half_applied(self).spin()
        log = self.path("strace")
        self.run_program(
            "strace", "-E", "ASAN_OPTIONS=detect_leaks=0", "-qq", "-o", log,
            "-e", "trace=pwrite64,ftruncate", "-P", image,
            *self.command_line(script, image, EDIT, {"limit_ms": 100}))
        with open(log, encoding="utf8") as file:
            calls = file.read()
        self.assertGreaterEqual(calls.count("pwrite64("), 5, calls)
        self.assertIn(f"{self.size + (1 << 20)})", calls)
        self.assert_untouched()

    def test_the_whole_file_written_over_is_undone(self):
        """The header, too: until the switch nothing is final."""
        script = self.begun()
        requests = []
        for at in range(0, 1 << 20, CLUSTER):
            requests.append(Request(READ, at, CLUSTER, hostile.OLD + at))
        script.ring(*requests)
        script.ring(*[Request(JOURNAL, at, CLUSTER, NEW + CLUSTER, step=1,
                              old=(hostile.OLD + at, CLUSTER))
                      for at in range(0, 1 << 20, CLUSTER)], Request(APPLY, step=1))
        self.ends(script.fault(UD2), DIED)


if __name__ == "__main__":
    hostile.main()
