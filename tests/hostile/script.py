# SPDX-License-Identifier: MIT
"""Scripts of the hostile guest: the other side of guest/script.h.

A script is built statement by statement.  Numbers may be anything that fits their field; the
guest says them as they are.
"""

import struct
from dataclasses import dataclass

# guest/abi.h
PROGRAM, PROGRAM_LIMIT = 0x10000, 0x80000
STACK, STACK_TOP = 0x90000, 0xa0000
CALL, CALL_LIMIT = 0xb0000, 0xb2000
DOORBELL, DOORBELL_LIMIT = 0xc0000, 0xd0000
ARENA = 0x200000
PORT = 0x10
SECTOR = 512
RESULT = DOORBELL + 8
REQUESTS = RESULT + 56
REQUEST_SIZE = 48
MAX_REQUESTS = 1024
MAX_TRANSFER = 64 << 20
MAX_DOORBELLS = 1_000_000
MAX_PENDING = 65536
MAX_OVERWRITE = 1 << 20
MAX_READ = 1 << 40
MAX_GROWTH = 4 << 30
MAX_STEP = 64
MAX_TRANSACTIONS = 4096
MAX_REPORT = 64 << 10
MAX_REPORTS = 512 << 20
# host/vmm/vm_internal.h: what KVM's page tables and TSS lie in, never the guest's
PAGE_TABLES, TSS, PAGE_DIRECTORIES = 0x1000, 0x4000, 0xe0000

(READ, QUERY_HOLE, POPULATE, BEGIN, ASSERT, JOURNAL, APPLY, END, CLAIM,
 REPORT) = range(1, 11)
FRESH, SWITCH, PUNCH, TRUNCATE = 1, 2, 4, 8
PREPARES = 1
PART = 1

(_, STORE_, BYTES, FILL, ADD, HASH, LOAD, EXECUTE, RING, AGAIN, SPIN, OUT, FAULT,
 WHEN, AWAIT) = range(15)
UD2, HLT, SYSCALL, STACK_OVERFLOW = range(4)

U64 = 2**64 - 1


@dataclass(frozen=True)
class Request:
    op: int
    offset: int = 0
    length: int = 0
    addr: int = 0
    value: int = 0
    step: int = 0
    flags: int = 0
    reserved: int = 0
    old: tuple = None  # (address, length): value is the fingerprint of that memory

    def bytes(self):
        return struct.pack("<IIIIQQQQ", self.op, self.step, self.flags, self.reserved,
                           self.offset, self.length, self.addr, self.value)


def request_address(index):
    return REQUESTS + index * REQUEST_SIZE


def length_field(index):
    return request_address(index) + 24


def address_field(index):
    return request_address(index) + 32


def result(code=0, applied=1, bitmaps=1, affected=0, leaked=0, detail=(0, 0, 0, 0)):
    """struct abi_result"""
    return struct.pack("<IIIIQ4Q", code, applied, bitmaps, affected, leaked, *detail)


END_REQUEST = Request(END)


class Script:
    def __init__(self):
        self.parts = bytearray()

    def _statement(self, kind, width=0, address=0, value=0, to=0):
        self.parts += struct.pack("<IIQQQ", kind, width, address, value, to)
        return self

    @property
    def here(self):
        return len(self.parts)

    # ---- memory ----

    def store(self, address, value, width=8):
        return self._statement(STORE_, width, address, value)

    def bytes(self, address, data):
        self._statement(BYTES, 0, address, len(data))
        self.parts += data + bytes(-len(data) % 8)
        return self

    def fill(self, address, length, byte):
        return self._statement(FILL, byte, address, length)

    def add(self, address, value):
        return self._statement(ADD, 0, address, value & U64)

    def hash(self, address, length, to):
        return self._statement(HASH, 0, address, length, to)

    def load(self, address):
        return self._statement(LOAD, 0, address)

    # ---- control ----

    def execute(self, address):
        return self._statement(EXECUTE, 0, address)

    def spin(self):
        return self._statement(SPIN)

    def out(self, port):
        return self._statement(OUT, 0, 0, port)

    def fault(self, kind):
        return self._statement(FAULT, 0, 0, kind)

    def until_not(self, address, value):
        """Go on when the number at `address` is another."""
        return self._statement(AWAIT, 0, address, value)

    def again(self, start, times=U64):
        """Go back to `start`, so many times."""
        return self._statement(AGAIN, 0, start, times)

    def only_with(self, flag, script):
        """`script`, if the call has this flag."""
        end = self.here + 32 + len(script.parts)
        self._statement(WHEN, 0, 0, flag, end)
        self.parts += script.parts
        return self

    # ---- the doorbell ----

    def put(self, index, request):
        self.bytes(request_address(index), request.bytes())
        if request.old:
            self.hash(*request.old, request_address(index) + 40)
        return self

    def count(self, count):
        return self.store(DOORBELL, count, 4)

    def result(self, *arguments, **fields):
        return self.bytes(RESULT, result(*arguments, **fields))

    def just_ring(self):
        return self._statement(RING)

    def ring(self, *requests, count=None):
        """A doorbell with these requests."""
        for index, request in enumerate(requests):
            self.put(index, request)
        return self.count(len(requests) if count is None else count).just_ring()

    def end(self, *arguments, **fields):
        """The last doorbell."""
        return self.result(*arguments, **fields).ring(END_REQUEST)

    # ---- reports ----

    def report(self, kind, data, address=ARENA):
        return self.bytes(address, data).ring(
            Request(REPORT, length=len(data), addr=address, value=kind))
