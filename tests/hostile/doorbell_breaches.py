# SPDX-License-Identifier: MIT
"""Breaches of the doorbell's rules (host/vmm/doorbell.c), and programs that are none."""

from hostile import EDIT, INFO, WHOLE_MEMORY, Breach
from script import (APPLY, ARENA, ASSERT, BEGIN, CALL, CALL_LIMIT, CLAIM, DOORBELL,
                    DOORBELL_LIMIT, END_REQUEST, JOURNAL, MAX_DOORBELLS, MAX_READ, MAX_REPORT,
                    MAX_REPORTS, MAX_REQUESTS, MAX_TRANSFER, PAGE_DIRECTORIES, PAGE_TABLES,
                    POPULATE, PROGRAM, PROGRAM_LIMIT, QUERY_HOLE, READ, REPORT, STACK, STACK_TOP,
                    TSS, U64, Request, Script)

INT64_MAX = 2**63 - 1

# (address, length) that the guest may not name: what it may not write itself.
NOT_ITS_OWN = {
    "null": (0, 8), "page tables": (PAGE_TABLES, 4096), "TSS": (TSS, 104),
    "text": (PROGRAM, 8), "behind the program": (PROGRAM_LIMIT, 8),
    "below the stack": (STACK - 8, 16), "behind the stack": (STACK_TOP - 8, 16),
    "the call": (CALL, 8), "behind the call": (CALL_LIMIT, 8),
    "the doorbell": (DOORBELL, 64), "the doorbell's end": (DOORBELL_LIMIT - 8, 8),
    "page directories": (PAGE_DIRECTORIES, 4096), "below the arena": (ARENA - 8, 16),
    "across the end": (WHOLE_MEMORY - 8, 16), "behind the end": (WHOLE_MEMORY, 1),
    "far behind": (1 << 47, 8), "not canonical": (1 << 63, 8), "last byte": (U64, 1),
    "around": (U64 - 7, 16), "up to null": (U64 - 7, 8)}

# Lengths in the image that do not fit.
NO_RANGES = {
    "nothing": (0, 0), "around": (U64, 2), "up to 2^64": (U64, 1),
    "behind 2^63": (INT64_MAX, 1), "far behind": (1 << 63, 8)}


def one(name, rule, *requests, command=EDIT, count=None, **circumstances):
    return Breach(name, rule, Script().ring(*requests, count=count), command, circumstances)


def reads():
    for name, (address, length) in NOT_ITS_OWN.items():
        yield one(f"read to {name}", "read: range", Request(READ, 0, length, address))
    for name, (offset, length) in NO_RANGES.items():
        yield one(f"read {name}", "read: range", Request(READ, offset, length, ARENA))
    yield one("read a little more", "read: too much in one run", Request(READ, 0, 2, ARENA),
              bytes_read=MAX_READ - 1)
    # A read that was too much is no way around the bound of a doorbell.
    yield one("two large reads", "bytes of one doorbell",
              Request(READ, 0, MAX_TRANSFER // 2, ARENA),
              Request(READ, 0, MAX_TRANSFER // 2 + 1, ARENA))
    yield one("lengths that overflow", "bytes of one doorbell", Request(READ, 0, U64, ARENA),
              Request(READ, 0, 2, ARENA))
    yield one("a large assertion", "bytes of one doorbell",
              Request(ASSERT, 0, MAX_TRANSFER + 1))


def holes_and_memory():
    for name, (offset, length) in NO_RANGES.items():
        yield one(f"hole of {name}", "hole: range", Request(QUERY_HOLE, offset, length))
    for length in (WHOLE_MEMORY - ARENA + 1, 1 << 40, U64, U64 - (2 << 20) + 2):
        yield one(f"populate {length:#x}", "populate: length", Request(POPULATE, 0, length))


def requests():
    for count in (0, MAX_REQUESTS + 1, 0x80000000, 0xffffffff):
        yield one(f"{count} requests", "number of requests", Request(READ, 0, 8, ARENA),
                  count=count)
    for operation in (0, 11, 0x80000001, 0xffffffff):
        yield one(f"request {operation:#x}", "unknown request", Request(operation))
    yield one("reserved field", "reserved field", Request(READ, 0, 8, ARENA, reserved=1))
    yield one("behind the end", "end: requests behind it", END_REQUEST, END_REQUEST)
    forever = Script().ring(Request(QUERY_HOLE, 0, 8))
    start = forever.here
    forever.just_ring().again(start)
    yield Breach("rings for ever", "too many doorbells", forever, EDIT,
                 {"rings": MAX_DOORBELLS - 500})
    yield Breach("looks for ever", "too many doorbells", forever, INFO,
                 {"rings": MAX_DOORBELLS - 500})


def looks():
    """Of programs that only look, and of those that do not."""
    for operation in (BEGIN, ASSERT, JOURNAL, APPLY, CLAIM, 11, 0):
        yield one(f"request {operation} of a look", "a request that writes", Request(operation),
                  command=INFO)
    yield one("an edit reports", "report: nobody asked", Request(REPORT, 0, 8, ARENA, value=1))
    for name, (address, length) in NOT_ITS_OWN.items():
        yield one(f"report of {name}", "report: range",
                  Request(REPORT, 0, length, address, value=1), command=INFO)
    for length in (0, MAX_REPORT + 1):
        yield one(f"report of {length}", "report: range",
                  Request(REPORT, 0, length, ARENA, value=1), command=INFO)
    yield one("report too much", "report: too much in one run",
              Request(REPORT, 0, 8, ARENA, value=1), command=INFO,
              bytes_reported=MAX_REPORTS - 7)
    yield one("report of zeros", "report: content", Request(REPORT, 0, 96, ARENA, value=1),
              command=INFO)


def no_programs():
    """Fields of struct abi_program."""
    fields = {"magic": (0, 1), "version": (4, 2), "entry below": (8, PROGRAM),
              "entry behind": (8, PROGRAM_LIMIT), "entry anywhere": (8, 0xffffffff),
              "text of nothing": (12, PROGRAM), "text over all": (12, 0xfffff000),
              "text unaligned": (12, PROGRAM + 1), "rodata before text": (16, PROGRAM),
              "data behind": (20, 0xfffff000), "bss over the stack": (24, STACK_TOP),
              "bss to the end": (24, 0xfffff000)}
    for name, (offset, value) in fields.items():
        for command in (EDIT, INFO):
            yield Breach(f"{command[0]}: {name}", "guest program", Script(), command,
                         {"header_offset": offset, "header_value": value})


def breaches():
    for table in (reads, holes_and_memory, requests, looks, no_programs):
        yield from table()
