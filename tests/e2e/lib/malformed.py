# SPDX-License-Identifier: MIT
"""Images with one thing wrong: VARIANTS is a list, and variant.make(path) makes the file.

All are damaged copies of one image of 64 MiB, in clusters of 4 KiB, with guest data and the
bitmaps "a", "b" and "c" in this order; "b" has four table entries, the others have one.  The
guest's data is whole in every one of them.
"""

import functools
import os
import struct
import tempfile
from dataclasses import dataclass
from typing import Callable

from lib import images, shapes
from lib.craft import Craft
from lib.qcow2 import EXT_BACKING_FORMAT, EXT_BITMAPS, EXT_CRYPTO, FLAG_AUTO, FLAG_IN_USE
from lib.shapes import Spec

CLUSTER = 4096
FAR = 1 << 40
UNREADABLE = 0x7FFFFFFFC0000000  # no file reaches so far, says qemu
MAX_DIRECTORY = 67107840

# The guest's data: (offset, length, pattern).
DATA = ((0, 128 << 10, 17), (1 << 20, 64 << 10, 23))


def make_sound(path):
    """The image before it is damaged."""
    with open(path, "wb") as file:
        file.write(_sound_bytes())
    return path


@functools.cache
def _sound_bytes():
    with tempfile.TemporaryDirectory(prefix="instar-e2e-") as folder:
        path = os.path.join(folder, "sound.qcow2")
        images.create(path, "64M", cluster=CLUSTER)
        images.write(path, *(f"write -P {pattern} {offset} {length}"
                             for offset, length, pattern in DATA))
        with Craft(path) as image:
            shapes.bitmaps(Spec(b"a", bits=(1, 2)), Spec(b"b", 512, bits=(0, 40000)),
                           Spec(b"c", flags=0, bits=(7,)))(image)
        with open(path, "rb") as file:
            return file.read()


@dataclass(frozen=True)
class Variant:
    """`damage` writes to an opened Craft.  `says`: what `info` is to say, made from the places
    before the damage.  `opens`: qemu-img opens the image all the same.  `count`: it is seen only
    in tables.  `bitmap`: whom it concerns.  `sound`: bitmaps that can be told of all the same."""

    name: str
    damage: Callable
    says: Callable
    opens: bool = False
    count: bool = False
    bitmap: str | None = None
    sound: tuple = ("a", "c")

    def make(self, path):
        """The damaged image; what is to be said of it."""
        make_sound(path)
        with Craft(path) as image:
            places = Places(image)
            self.damage(image, places)
            places.moved = struct.unpack(">Q", image.pread(places.body + 16, 8))[0]
        return self.says(places)


class Places:
    """Where things are in the sound image; and, as `moved`, the damaged one's directory."""

    def __init__(self, image):
        self.record = image.extension(EXT_BITMAPS).offset
        self.body = self.record + 8
        self.count, self.directory_size, self.directory = image.bitmaps_body()
        self.entries = {b.name.decode(): b for b in image.bitmaps()}
        self.b = self.entries["b"]
        self.c = self.entries["c"]
        self.b_table = image.table(self.b)
        self.l1 = image.l1_offset
        self.refcount_table = image.refcount_table_offset

    def extension(self, fault, kind=EXT_BITMAPS, offset=None):
        at = self.record if offset is None else offset
        return f"malformed header extension of type {kind:#x} at offset {at:#x}: {fault}"

    def entry(self, index, fault, offset=None):
        at = list(self.entries.values())[index].offset if offset is None else offset
        return f"malformed bitmap directory at offset {at:#x}, entry {index}: {fault}"

    def table(self, index, value, offset=None):
        at = self.b.table_offset if offset is None else offset
        return (f"malformed table of bitmap 'b' at offset {at:#x}: entry {index} is {value:#x}")


VARIANTS = []


def raw(form, offset, *values):
    """Big-endian numbers, with no look at what the image has become."""
    return offset, struct.pack(">" + form, *values)


def variant(name, patches, says, **more):
    """`patches`: places -> [(offset, bytes)]."""
    def damage(image, places):
        for offset, data in patches(places):
            image.pwrite(offset, data)
    VARIANTS.append(Variant(name, damage, says, **more))


# ---- the bitmaps extension ----

def in_body(name, at, form, value, fault, **more):
    variant(f"extension: {name}", lambda p: [raw(form, p.body + at, value)],
            lambda p: p.extension(fault), **more)


ALL = ("a", "b", "c")
DIRECTORY_SIZE = "the directory's size is zero or above 67107840 bytes"
DIRECTORY_PLACE = "the directory's offset is zero, unaligned or outside the file"
LENGTH = "a bitmaps extension must be 24 bytes long"
in_body("no bitmaps", 0, "I", 0, "it announces no bitmaps", sound=ALL)
in_body("reserved field", 4, "I", 1, "its reserved field is not zero", sound=ALL)
in_body("70000 bitmaps", 0, "I", 70000, "it announces more than 65535 bitmaps", sound=ALL)
in_body("directory size 0", 8, "Q", 0, DIRECTORY_SIZE, sound=())
in_body("directory too large", 8, "Q", MAX_DIRECTORY + 1, DIRECTORY_SIZE, sound=())
in_body("largest directory size", 8, "Q", (1 << 64) - 1, DIRECTORY_SIZE, sound=())
in_body("directory offset 0", 16, "Q", 0, DIRECTORY_PLACE, sound=())
in_body("directory unaligned", 16, "Q", 0x123456, DIRECTORY_PLACE, sound=())
in_body("directory behind the end", 16, "Q", FAR, DIRECTORY_PLACE, sound=())
for length in (0, 16, 32):
    variant(f"extension: {length} bytes long", lambda p, length=length: [
        raw("I", p.record + 4, length)], lambda p: p.extension(LENGTH), sound=())
variant("extension: runs past its area", lambda p: [raw("I", p.record + 4, CLUSTER)],
        lambda p: p.extension("it runs past the end of the extension area"), sound=())


def _second_record(image, _):
    image.write_extensions(image.records() + [
        (kind, data) for kind, data in image.records() if kind == EXT_BITMAPS])


VARIANTS.append(Variant(
    "extension: twice", _second_record,
    lambda p: p.extension("there is a second bitmaps extension", offset=p.record + 32),
    opens=True, sound=ALL))
variant("extension: missing", lambda p: [raw("I", p.record, images.UNKNOWN_EXTENSION)],
        lambda p: "the header says that its bitmaps are valid (autoclear bit 0), but the bitmaps "
        "extension is missing", opens=True, sound=())


# ---- the directory ----

COUNT = "the number of entries is not the announced one"
TRUNCATED = "the entry runs past the directory's end"
variant("directory: an entry more than announced", lambda p: [raw("I", p.body, 2)],
        lambda p: p.entry(2, COUNT), sound=ALL)
variant("directory: an entry less than announced", lambda p: [raw("I", p.body, 4)],
        lambda p: p.entry(3, COUNT, p.directory + p.directory_size), sound=ALL)
variant("directory: ends inside an entry", lambda p: [raw("Q", p.body + 8, p.directory_size - 8)],
        lambda p: p.entry(2, TRUNCATED), sound=("a", "b"))
variant("directory: goes on behind the last entry", lambda p: [
    raw("Q", p.body + 8, p.directory_size + 8)],
    lambda p: p.entry(3, COUNT, p.directory + p.directory_size), sound=ALL)
variant("directory: a name past its end", lambda p: [raw("H", p.c.offset + 18, 1023)],
        lambda p: p.entry(2, TRUNCATED), sound=("a", "b"))
variant("directory: extra data past its end", lambda p: [raw("I", p.c.offset + 20, 0xFFFFFFFF)],
        lambda p: p.entry(2, TRUNCATED), sound=("a", "b"))


def in_entry(name, at, form, value, fault, **more):
    variant(f"directory: {name}", lambda p: [raw(form, p.b.offset + at, value)],
            lambda p: p.entry(1, fault), bitmap="b", **more)


TABLE_PLACE = "the table's offset is zero, unaligned or outside the file"
TABLE_SIZE = "the table's size does not fit the bitmap"
GRANULARITY = "the granularity is out of range"
in_entry("table offset 0", 0, "Q", 0, TABLE_PLACE)
in_entry("table unaligned", 0, "Q", 0x12300, TABLE_PLACE)
for size in (0, 3, 5, (1 << 27) + 1, (1 << 32) - 1):
    in_entry(f"table of {size} entries", 8, "I", size, TABLE_SIZE)
for bit in (3, 17, 31):
    in_entry(f"flag {bit}", 12, "I", FLAG_AUTO | 1 << bit, "unknown flags are set")
for kind in (0, 2, 255):
    in_entry(f"type {kind}", 16, "B", kind, "the type is not 1 (dirty tracking)")
for bits in (0, 8, 32, 63, 255):
    in_entry(f"granularity bits {bits}", 17, "B", bits, GRANULARITY)
in_entry("padding", 31, "B", 1, "the padding is not zero", opens=True)
EXTRA = "it has extra data, or may have: the format knows that, but qemu opens no such image"




def rewritten(name, changes, index, fault, **more):
    """The directory is written anew, with changed fields of entry `index`; its size fits."""
    def damage(image, _):
        entries = image.bitmaps()
        for field, value in changes.items():
            setattr(entries[index], field, value)
        image.write_directory(entries)
    VARIANTS.append(Variant(
        f"directory: {name}", damage,
        lambda p: p.entry(index, fault, p.moved + 32 * index), **more))


NAME_SIZE = "the name is empty or longer than 1023 bytes"
rewritten("extra data", {"extra": b"what is this?"}, 1, EXTRA, bitmap="b", sound=ALL)
rewritten("compatible extra data", {"extra": b"leave it", "flags": FLAG_AUTO | 4}, 1, EXTRA,
          bitmap="b", sound=ALL)
rewritten("flag of compatible extra data, and none", {"flags": FLAG_AUTO | 4}, 1, EXTRA,
          bitmap="b", sound=ALL)
rewritten("a name twice", {"name": b"a"}, 1, "another entry has the same name", bitmap="a")
rewritten("a name twice, in use", {"name": b"a", "flags": FLAG_IN_USE | FLAG_AUTO}, 1,
          "another entry has the same name, and this one is in use", opens=True, bitmap="a")
rewritten("names that are the same up to a NUL", {"name": b"a\0x"}, 1,
          "up to a NUL, another entry has the same name: the format knows that, but qemu opens no "
          "such image", bitmap="a")
rewritten("a name of no bytes", {"name": b""}, 1, "the name is empty", opens=True)
rewritten("a name of 1024 bytes", {"name": b"n" * 1024}, 1, NAME_SIZE)
rewritten("a name of 65535 bytes", {"name": b"n" * 65535}, 1, NAME_SIZE)


# ---- a bitmap's table ----

def in_table(name, index, value, **more):
    """`value`: places -> the entry."""
    variant(f"table: {name}", lambda p: [raw("Q", p.b.table_offset + 8 * index, value(p))],
            lambda p: p.table(index, value(p)), count=True, bitmap="b", sound=ALL, **more)


for bit in (1, 8, 56, 63):
    in_table(f"reserved bit {bit}", 2, lambda p, bit=bit: 1 << bit)
    in_table(f"reserved bit {bit} and an offset", 1,
             lambda p, bit=bit: p.b_table[1] | 1 << bit)
in_table("offset with bit 0", 0, lambda p: p.b_table[0] | 1)
in_table("offset unaligned", 0, lambda p: p.b_table[0] + 512)
in_table("offset behind the end", 3, lambda p: FAR, opens=True)
in_table("greatest offset", 3, lambda p: 0x00FFFFFFFFFFF000, opens=True)
variant("table: behind the end", lambda p: [raw("Q", p.b.offset, FAR)],
        lambda p: p.table(0, 0, FAR), opens=True, count=True, bitmap="b", sound=ALL)


# ---- the header ----

def in_header(name, patches, fault, value, **more):
    variant(f"header: {name}", patches,
            lambda p: f"malformed image header: {fault}; value {value(p):#x}", **more)


L1 = "the L1 table is unaligned, too large or outside the file"
REFTABLE = "the refcount table is unaligned, empty, too large or outside the file"
SNAPSHOTS = "the snapshot table is damaged, unaligned or outside the file"
BACKING = "the backing file's name is too long or outside the header cluster"
in_header("L1 table unaligned", lambda p: [raw("Q", 40, p.l1 + 8)], L1, lambda p: p.l1 + 8,
          sound=ALL)
in_header("L1 table too small", lambda p: [raw("I", 36, 0)], L1, lambda p: p.l1, sound=ALL)
in_header("no refcount table", lambda p: [raw("I", 56, 0)], REFTABLE,
          lambda p: p.refcount_table, sound=ALL)
in_header("L1 table behind the end", lambda p: [raw("Q", 40, FAR)], L1, lambda p: FAR, opens=True,
          sound=ALL)
in_header("L1 table in the header", lambda p: [raw("Q", 40, 0)], L1, lambda p: 0, opens=True,
          sound=ALL)
in_header("L1 table where qemu reads nothing", lambda p: [raw("Q", 40, UNREADABLE)], L1,
          lambda p: UNREADABLE, sound=ALL)
in_header("refcount table behind the end", lambda p: [raw("Q", 48, FAR)], REFTABLE,
          lambda p: FAR, opens=True, sound=ALL)
in_header("refcount table where qemu reads nothing", lambda p: [raw("Q", 48, UNREADABLE)],
          REFTABLE, lambda p: UNREADABLE, sound=ALL)
in_header("snapshot table behind the end", lambda p: [raw("IQ", 60, 1, FAR)], SNAPSHOTS,
          lambda p: FAR, opens=True, sound=ALL)
in_header("snapshot table unaligned, without snapshots", lambda p: [raw("Q", 64, 0x12345)],
          SNAPSHOTS, lambda p: 0x12345, sound=ALL)
in_header("snapshot table unaligned", lambda p: [raw("IQ", 60, 1, 0x12345)], SNAPSHOTS,
          lambda p: 0x12345, sound=ALL)
in_header("long backing file's name", lambda p: [raw("QI", 8, 1024, 1024)], BACKING,
          lambda p: 1024, sound=ALL)
in_header("backing file's name behind the header", lambda p: [raw("QI", 8, CLUSTER, 10)],
          BACKING, lambda p: CLUSTER, sound=ALL)
in_header("wide refcounts", lambda p: [raw("I", 96, 7)], "the refcount width is out of range",
          lambda p: 7, sound=ALL)
COMPRESSION = "the compression type is unknown or contradicts incompatible bit 3"
in_header("unknown compression type", lambda p: [raw("Q", 72, 8), raw("B", 104, 2)], COMPRESSION,
          lambda p: 2, sound=ALL)
in_header("compression type without its bit", lambda p: [raw("B", 104, 1)], COMPRESSION,
          lambda p: 1, sound=ALL)
in_header("compression type's bit without one", lambda p: [raw("Q", 72, 8)], COMPRESSION,
          lambda p: 0, sound=ALL)
in_header("subclusters of small clusters", lambda p: [raw("Q", 72, 16)],
          "extended L2 entries need clusters of 16 KiB or more", lambda p: CLUSTER, sound=ALL)
in_header("unknown encryption method", lambda p: [raw("I", 32, 3)],
          "the encryption method is unknown", lambda p: 3, sound=ALL)
in_header("LUKS without its header", lambda p: [raw("I", 32, 2)],
          "the image is encrypted with LUKS, but the encryption extension is missing",
          lambda p: 2, sound=ALL)
in_header("raw data file without a data file", lambda p: [raw("Q", 88, 3)],
          "autoclear bit 1 says that the data file is raw, but there is no data file",
          lambda p: 3, opens=True, sound=ALL)
variant("header: unknown incompatible feature", lambda p: [raw("Q", 72, 0x8040)],
        lambda p: "the image uses unknown incompatible features (bits 0x8040 of the header)",
        sound=ALL)


def in_area(name, kind, data, fault, method=0):
    def damage(image, _):
        image.add_record(kind, data, 0)
        image.pwrite(32, struct.pack(">I", method))
    VARIANTS.append(Variant(f"header: {name}", damage, lambda p: p.extension(fault, kind, 112),
                            sound=ALL))


LUKS_PLACE = "an encryption extension must be 16 bytes long, and its offset aligned"
in_area("long backing format", EXT_BACKING_FORMAT, b"x" * 16, "its text is longer than qemu takes")
for method in (0, 1):
    in_area(f"encryption extension, method {method}", EXT_CRYPTO, bytes(16),
            "an encryption extension is only for LUKS", method)
for length in (0, 8, 15, 24):
    in_area(f"encryption extension of {length} bytes", EXT_CRYPTO, bytes(length), LUKS_PLACE, 2)
in_area("encryption extension unaligned", EXT_CRYPTO, struct.pack(">QQ", 512, CLUSTER),
        LUKS_PLACE, 2)


def _extra_data(image, places):
    shapes.snapshots(shapes.Shot(), shapes.Shot(b"2", extra=bytes(1032)))(image)
    places.snapshots = image.snapshots_offset


VARIANTS.append(Variant(
    "header: snapshot with much extra data", _extra_data,
    lambda p: "malformed image header: a snapshot has more than 1024 bytes of extra data; value "
    f"{p.snapshots + 72:#x}", sound=ALL))
