# SPDX-License-Identifier: MIT
"""Steps that shape an image: each takes an opened Craft, and an image is a list of them.

    shaped(bitmaps(Spec(b"a")), snapshots(Shot()), cluster=4096)("disk.qcow2")
"""

import os
import struct
from dataclasses import dataclass

from lib import images
from lib.craft import Craft
from lib.qcow2 import (EXT_BACKING_FORMAT, EXT_DATA_FILE, FLAG_AUTO, FLAG_IN_USE,
                       INCOMPAT_DATA_FILE, Bitmap)


def shaped(*steps, size="64M", cluster=65536, options="", backing=None, backing_format="qcow2"):
    """A function that makes such an image at a path, and returns the path.  What the image
    names of other files may hold {path}."""
    def make(path):
        images.create(path, size, cluster=cluster, options=options.replace("{path}", path))
        with Craft(path) as image:
            if backing is not None:
                give_backing(image, backing.replace(b"{path}", os.fsencode(path)), backing_format)
            for step in steps:
                step(image)
        return path
    return make


def give_backing(image, name, kind):
    """A backing file's name as qemu writes it: any bytes, with no file behind it."""
    records = image.records()
    if kind is not None:
        records.insert(0, (EXT_BACKING_FORMAT, kind if isinstance(kind, bytes) else kind.encode()))
    image.write_extensions(records, backing=name)


# ---- bitmaps ----

@dataclass(frozen=True)
class Spec:
    """A bitmap to be made.  `bits`: numbers of bits that are one.  `ones`: table entries that
    say so of a whole cluster."""

    name: bytes
    granularity: int = 65536
    flags: int = FLAG_AUTO
    bits: tuple = ()
    ones: tuple = ()
    table_size: int | None = None
    extra: bytes = b""


def bitmaps(*specs):
    """These bitmaps, behind those that are there."""
    def step(image):
        entries = [_entry(image, spec) for spec in specs]
        image.write_directory(image.bitmaps() + entries)
        for spec in specs:
            _fill(image, spec)
    return step


def _entry(image, spec):
    entry = Bitmap(0, 0, 0, spec.flags, 1, spec.granularity.bit_length() - 1, spec.name,
                   spec.extra)
    entry.table_size = (image.expected_table_size(entry) if spec.table_size is None
                        else spec.table_size)
    entry.table_offset = image.allocate(max(1, -(-8 * entry.table_size // image.cluster_size)))
    return entry


def _fill(image, spec):
    if spec.bits:
        count = image.bit_count(image.bitmap(spec.name))
        image.set_bits(spec.name, [bit for bit in spec.bits if bit < count])
    for index in spec.ones:
        image.set_all_ones(spec.name, index)


def plain_bitmaps(image):
    """An enabled one, a disabled one and one in use, with bits, of the granularity that every
    size of the matrix allows."""
    bitmaps(Spec(b"a", bits=(0, 1, 300)), Spec(b"b", flags=0, bits=(5,)),
            Spec(b"c", flags=FLAG_IN_USE | FLAG_AUTO))(image)


# ---- snapshots ----

VM_STATE_AND_SIZE = ">QQ"
WITH_ICOUNT = ">QQQ"
NO_ICOUNT = (1 << 64) - 1


@dataclass(frozen=True)
class Shot:
    """A snapshot's record.  It has an L1 table of no entries.  `extra`: as much of (64-bit
    size of the machine's state, disk's size, instruction count) as the writer knew, and what
    a later one may put behind it."""

    id: bytes = b"1"
    name: bytes = b"snap"
    seconds: int = 1_700_000_000
    nanoseconds: int = 123_456_789
    vm_clock: int = 0
    vm_state_size: int = 0
    extra: bytes = struct.pack(WITH_ICOUNT, 0, 64 << 20, NO_ICOUNT)

    def pack(self):
        raw = struct.pack(">QIHHIIQII", 0, 0, len(self.id), len(self.name), self.seconds,
                          self.nanoseconds, self.vm_clock, self.vm_state_size, len(self.extra))
        raw += self.extra + self.id + self.name
        return raw.ljust(-(-len(raw) // 8) * 8, b"\0")


def extra_data(state=0, disk=64 << 20, icount=NO_ICOUNT, more=b""):
    return struct.pack(WITH_ICOUNT, state, disk, icount) + more


def snapshots(*shots):
    def step(image):
        offset = image.store(b"".join(shot.pack() for shot in shots))
        image.put("IQ", 60, len(shots), offset)
    return step


def numbered(count):
    """So many snapshots, no two alike."""
    return snapshots(*(Shot(b"%d" % (i + 1), b"snapshot-%d" % i, 1_600_000_000 + i * 40_000_000,
                            i * 1000, i * 3_723_004_000_005, i << 20) for i in range(count)))


# ---- the header ----

def incompatible(bits):
    return lambda image: image.set_incompatible(bits)


def compatible(bits):
    return lambda image: image.set_compatible(bits)


def autoclear(bits):
    return lambda image: image.set_autoclear(bits)


def stale(image):
    """A program that knows no bitmaps has written to the image."""
    image.clear_autoclear()


def extension(kind, data, index=None):
    return lambda image: image.add_record(kind, data, index)


def virtual_size(size):
    """Bytes, of any number: the L1 table has been made for more."""
    return lambda image: image.put("Q", 24, size)


def header_length(length):
    """Fields behind those that are known are zeros."""
    def step(image):
        image.pwrite(100, struct.pack(">I", length) + bytes(length - 104))
        image.header_length = length
        image.write_extensions(image.records())
    return step


def data_file_named(name):
    """Guest data lies in another file of this name, written by hand."""
    def step(image):
        image.add_record(EXT_DATA_FILE, name, 0)
        image.set_incompatible(INCOMPAT_DATA_FILE)
    return step


# ---- the end of the file ----

def longer(length):
    """So many more bytes behind the last cluster."""
    return lambda image: os.ftruncate(image.fd, image.file_size + length)


def cut(image):
    """The file ends with the bitmap directory, which qemu does not pad; or, as it may be, with
    the last eight bytes that are not zero."""
    if image.bitmaps():
        image.write_directory(image.bitmaps())
        _, size, offset = image.bitmaps_body()
        os.ftruncate(image.fd, offset + size)
        return
    start = (image.file_size - 1) & ~(image.cluster_size - 1)
    used = len(image.pread(start, image.file_size - start).rstrip(b"\0"))
    if used:
        os.ftruncate(image.fd, start + -(-used // 8) * 8)
