# SPDX-License-Identifier: MIT
"""Images of every kind: CASES is a list of (name, make), and make(path) makes the file.

qemu-img opens all of them, and whatever it says is what is to be said.  All are sound but
those whose name has the word "stale" (leaked clusters) and "data file, snapshots".  Files that
an image names do not exist but for data files, which qemu needs to open the image.
"""

import itertools
import os
import random

from lib.odd_names import ODD_NAMES
from lib.qcow2 import (FLAG_AUTO, FLAG_IN_USE, INCOMPAT_CORRUPT, INCOMPAT_DIRTY, EXT_DATA_FILE,
                       EXT_FEATURE_NAMES)
from lib import images, shapes
from lib.shapes import NO_ICOUNT, Shot, Spec, bitmaps, extra_data, shaped, snapshots

SEED = int(os.environ.get("INSTAR_SEED", "20250101"))
CLUSTERS = (512, 4096, 65536, 2 << 20)
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
TIB = 1 << 40
CASES = []


def case(name, make):
    assert name not in dict(CASES), name
    CASES.append((name, make))


def shape(name, *steps, **options):
    case(name, shaped(*steps, **options))


# ---- cluster size, refcount width, version ----

def _widths():
    for cluster, width in itertools.product(CLUSTERS, WIDTHS):
        options = f"refcount_bits={width}"
        name = f"cluster {cluster}, refcounts of {width} bits"
        shape(name, cluster=cluster, options=options)
        shape(name + ", bitmaps, lazy refcounts", shapes.plain_bitmaps, cluster=cluster,
              options=options + ",lazy_refcounts=on")


def _version_2():
    for cluster in CLUSTERS:
        name, options = f"version 2, cluster {cluster}", {"cluster": cluster,
                                                          "options": "compat=0.10"}
        shape(name, **options)
        shape(name + ", backing file", backing=b"base.qcow2", **options)
        shape(name + ", snapshots", shapes.numbered(2), **options)
        shape(name + ", odd end", shapes.longer(100), **options)
    shape("version 2, unknown extension", shapes.extension(images.UNKNOWN_EXTENSION, b"x" * 20),
          options="compat=0.10")


# ---- what an image may have beside ----

def _features():
    for cluster, kind in itertools.product((16384, 65536, 2 << 20), ("zlib", "zstd")):
        shape(f"extended L2, cluster {cluster}, {kind}", shapes.plain_bitmaps, cluster=cluster,
              options=f"extended_l2=on,compression_type={kind}")
    for cluster in CLUSTERS:
        shape(f"zstd, cluster {cluster}", cluster=cluster, options="compression_type=zstd")
        shape(f"zlib, cluster {cluster}, bitmaps", shapes.plain_bitmaps, cluster=cluster,
              options="compression_type=zlib")


def _data_files():
    for cluster, raw in itertools.product(CLUSTERS, ("off", "on")):
        options = f"data_file={{path}}.data,data_file_raw={raw}"
        name = f"data file, raw {raw}, cluster {cluster}"
        shape(name, cluster=cluster, options=options, size="8M")
        shape(name + ", bitmaps", shapes.plain_bitmaps, cluster=cluster, options=options,
              size="8M")
    shape("data file, snapshots", shapes.numbered(2), options="data_file={path}.data")
    case("data file with data", _data_file_with_data)
    case("data file, name with a NUL", _data_file_with_nul)
    shape("data file's name without a data file", shapes.extension(EXT_DATA_FILE, b"never.used"))
    shape("data file's name of odd bytes", shapes.extension(EXT_DATA_FILE, b"a\n\xff\x1b\"\\"))


def _data_file_with_data(path):
    images.create(path, "8M", options=f"data_file={path}.data,data_file_raw=on")
    images.tool("qemu-io", "-c", "write -P 5 0 3M", path)
    return path


def _data_file_with_nul(path):
    name = path + ".data"
    with open(name, "wb") as file:
        file.truncate(8 << 20)
    images.create(path, "8M")
    with shapes.Craft(path) as image:
        shapes.data_file_named(os.fsencode(name) + b"\0and more")(image)
    return path


def _encryption():
    aes = "encrypt.format=aes,encrypt.key-secret=key"
    shape("AES", options=aes)
    shape("AES, bitmaps", shapes.plain_bitmaps, options=aes, cluster=4096)
    shape("AES, version 2", options="compat=0.10," + aes)
    shape("AES, backing file, snapshots", shapes.numbered(1), options=aes, backing=b"base")
    shape("LUKS", options=images.FAST_LUKS)
    shape("LUKS, bitmaps, backing file", shapes.plain_bitmaps, shapes.incompatible(INCOMPAT_DIRTY),
          options=images.FAST_LUKS, backing=b"base.qcow2", cluster=4096)


# ---- backing files ----

BACKING = {
    "relative": b"base.qcow2",
    "in the parent": b"../base.qcow2",
    "below": b"deep/er/base.qcow2",
    "dot": b"./base.qcow2",
    "absolute": b"/nowhere/base.qcow2",
    "slash": b"/",
    "json": b'json:{"driver":"qcow2","file":{"driver":"file","filename":"base.qcow2"}}',
    "NBD": b"nbd://localhost:10809/disk",
    "with a protocol": b"file:base.qcow2",
    "protocol behind a slash": b"./a:b.qcow2",
    "colon": b":",
    "Windows": b"C:\\disks\\base.vhd",
    "blanks": b" base image ",
    "newline": b"two\nlines.qcow2",
    "escapes": b"\x1b[31mred\\\"\t",
    "UTF-8": "gr\u00f6\u00dfe\U0001f40d.qcow2".encode(),
    "ill-formed": b"gr\xf6\xdfe\xff\xed\xa0\x80",
    "NUL": b"left\0right",
    "NUL first": b"\0left",
    "1023 bytes": b"d/" * 500 + b"n" * 23,
    "empty": b"",
}
BACKING_FORMATS = {"qcow2": b"qcow2", "raw": b"raw", "none": None, "unknown": b"bogus",
                   "of 15 bytes": b"fifteen-letters", "empty": b"", "of odd bytes": b"a\n\xff\"\\",
                   "with a NUL": b"raw\0more"}


def _backing():
    for (name, text), kind in itertools.product(BACKING.items(), ("qcow2", None)):
        shape(f"backing file: {name}, format {kind}", backing=text, backing_format=kind)
    for name, kind in BACKING_FORMATS.items():
        shape(f"backing format {name}", backing=b"base", backing_format=kind, cluster=4096)
        shape(f"backing format {name}, no backing file", backing=b"", backing_format=kind)
    shape("backing file behind a gap", lambda image: image.write_extensions(
        image.records(), backing=b"base.qcow2", gap=40), backing=b"x")
    shape("backing file's name of no bytes", lambda image: image.put(
        "QI", 8, image.extensions_end + 8, 0))
    shape("backing file, all of a small cluster", cluster=512, backing=b"n" * 300,
          backing_format=None)
    shape("backing file and bitmaps", shapes.plain_bitmaps, backing=b"base.qcow2")


# ---- snapshots ----

def _snapshots():
    for count in (1, 2, 60):
        shape(f"{count} snapshots", shapes.numbered(count))
        shape(f"{count} snapshots, small clusters", shapes.numbered(count), cluster=512)
    shape("snapshots and bitmaps", shapes.numbered(3), shapes.plain_bitmaps)
    shape("snapshots, long names", snapshots(*(
        Shot(b"i" * i, b"n" * n) for i, n in (
            (9, 16), (10, 17), (127, 255), (128, 256), (1000, 2000), (0, 0), (65535, 65535)))))
    shape("snapshots, odd names", snapshots(*(
        Shot(name[:8], name) for name in ODD_NAMES.values())))
    shape("snapshots, odd names cut", snapshots(*(
        Shot(b"i" * (127 - i) + "\u20ac\U0001f40d".encode(),
             b"n" * (255 - i) + "\u20ac\U0001f40d".encode()) for i in range(8))))
    shape("snapshots, little extra data", snapshots(
        Shot(extra=b""), Shot(extra=extra_data()[:8]), Shot(extra=extra_data()[:12]),
        Shot(vm_state_size=4096, extra=b""), Shot(vm_state_size=(1 << 32) - 1, extra=b"")),
        options="compat=0.10")
    shape("snapshots, extra data", snapshots(
        Shot(extra=extra_data()[:16]), Shot(extra=extra_data()[:20]), Shot(extra=extra_data()),
        Shot(extra=extra_data(icount=0)), Shot(extra=extra_data(icount=12345)),
        Shot(extra=extra_data(icount=(1 << 63) - 1)), Shot(extra=extra_data(icount=1 << 63)),
        Shot(extra=extra_data(icount=NO_ICOUNT - 1)), Shot(extra=extra_data(more=b"later")),
        Shot(extra=extra_data(icount=7, more=b"x" * 1000))))
    shape("snapshots, state sizes", snapshots(
        *(Shot(vm_state_size=1, extra=extra_data(state=size)) for size in (
            0, 1, 999, 1000, 1023, 1024, 1 << 20, 123456789, 5 << 40, (1 << 63) - 1))))
    shape("snapshots, clocks", snapshots(*(Shot(vm_clock=clock) for clock in (
        1, 999_999, 1_000_000, 999_999_999, 10**9, 59_999_999_999, 3600 * 10**9,
        99 * 3600 * 10**9, 100 * 3600 * 10**9, (1 << 62), (1 << 63) - 1, 1 << 63, NO_ICOUNT))))
    shape("snapshots, dates", snapshots(*(Shot(seconds=at, nanoseconds=part) for at, part in (
        (0, 0), (1, 1), (86399, 999_999_999), (86400, 0), (951_782_400, 0), (1_711_846_799, 0),
        (1_711_846_800, 0), (1_729_990_800, 0), (1_700_000_000, 4_294_967_295),
        ((1 << 31) - 1, 0), (1 << 31, 0), ((1 << 32) - 1, 0)))))
    case("snapshots of qemu-img", _snapshots_of_qemu)


def _snapshots_of_qemu(path):
    images.create(path, "64M")
    for name in ("first", "", "a name with blanks", "n" * 200, "gr\u00fc\u00df"):
        images.write(path, "write -P 3 1M 128k")
        images.snapshot(path, name)
    return path


# ---- bitmaps ----

def _bitmaps():
    grains = [1 << bits for bits in range(9, 32)]
    shape("bitmaps of all granularities", bitmaps(*(
        Spec(b"g%d" % grain, grain, (FLAG_AUTO, 0)[i % 2]) for i, grain in enumerate(grains))),
        size="1G")
    shape("bitmaps of all granularities, in use", bitmaps(*(
        Spec(b"g%d" % grain, grain, (FLAG_IN_USE, FLAG_IN_USE | FLAG_AUTO)[i % 2])
        for i, grain in enumerate(grains))), size="1G", cluster=4096)
    for flags, name in enumerate(("disabled", "in use and disabled", "enabled",
                                  "in use and enabled")):
        for cluster in CLUSTERS:
            shape(f"one bitmap, {name}, cluster {cluster}", bitmaps(
                Spec(b"only", flags=(0, 1, 2, 3)[flags], bits=(0, 9))), cluster=cluster)
    shape("a thousand bitmaps", bitmaps(*(
        Spec(b"bitmap-%04d" % i, flags=i % 4, bits=(0,) if i == 4 else ()) for i in range(1000))),
        cluster=512, size="1M")
    for what, name in ODD_NAMES.items():
        shape(f"name: {what}", bitmaps(Spec(b"before"), Spec(name, bits=(1, 2)), Spec(b"zz")),
              cluster=4096)
    shape("all odd names but those with NULs", bitmaps(*(
        Spec(name) for name in ODD_NAMES.values() if b"\0" not in name)))
    shape("bitmaps with ones", bitmaps(
        Spec(b"all", 512, ones=(0, 1)), Spec(b"some", 512, bits=(5000,), ones=(0,)),
        Spec(b"none", 512)), size="4M", cluster=512)
    for size in (1, 200, 8192):
        shape(f"in use, table of {size} entries", bitmaps(
            Spec(b"grown", flags=FLAG_IN_USE, table_size=size)))
    shape("bitmaps, long directory", bitmaps(*(
        Spec(b"%03d" % i + b"x" * 1020, flags=i % 4) for i in range(100))), cluster=512, size="1M")


# ---- sizes, ends, header ----

SIZES = (0, 512, 1024, 1536, 65024, 999 * 512, 1000 * 1024, 1023 * 1024, 10**6 // 512 * 512,
         (1 << 20) - 512, (1 << 30) + 512, 1 << 40, (1 << 40) + 512, 16 * TIB, 1023 * TIB)
BYTES = (1, 511, 513, 1000, 1023, 65537, (1 << 30) - 1, 12_345_678_901)


def _sizes():
    for size in SIZES:
        shape(f"size {size}", size=size, cluster=2 << 20 if size > TIB else 65536)
    for size in BYTES:
        shape(f"size {size}", shapes.virtual_size(size), size="16G")
    shape("size 0, bitmap in use", bitmaps(Spec(b"a", flags=FLAG_IN_USE, table_size=1)), size=0)
    for size in (512, 65024, (1 << 20) + 512, TIB, TIB + 512):
        shape(f"size {size}, bitmaps", bitmaps(*(
            Spec(name, granularity, bits=(0,)) for name, granularity in (
                (b"a", 65536), (b"b", 1 << 31), (b"c", 1 << 20)))), size=size)


def _ends():
    for cluster in CLUSTERS:
        for name, step in (("cut", shapes.cut), ("1 byte more", shapes.longer(1)),
                           ("700 bytes more", shapes.longer(700))):
            shape(f"file end {name}, cluster {cluster}", shapes.plain_bitmaps, step,
                  cluster=cluster)


def _header():
    for name, step in {
            "dirty": shapes.incompatible(INCOMPAT_DIRTY),
            "corrupt": shapes.incompatible(INCOMPAT_CORRUPT),
            "dirty and corrupt": shapes.incompatible(INCOMPAT_DIRTY | INCOMPAT_CORRUPT),
            "unknown compatible bits": shapes.compatible(0x8000_0000_0000_0ff2),
            "all compatible bits": shapes.compatible((1 << 64) - 1),
            "unknown autoclear bits": shapes.autoclear(0x8000_0000_0000_00fc),
            "raw data bit without a data file": shapes.autoclear(2),
            "header of 104 bytes": shapes.header_length(104),
            "header of 120 bytes": shapes.header_length(120),
            "header of 400 bytes": shapes.header_length(400),
            "unknown extension": shapes.extension(images.UNKNOWN_EXTENSION, b"whatever", 0),
            "empty unknown extension": shapes.extension(images.UNKNOWN_EXTENSION, b"", 0),
            "unknown extensions": lambda image: [image.add_record(kind, b"z" * length) for
                                                 kind, length in ((7, 1), (7, 9), (8, 300))],
            "two feature tables": shapes.extension(EXT_FEATURE_NAMES, b"\0" * 48)}.items():
        shape(name, step)
        shape(name + ", bitmaps", shapes.plain_bitmaps, step)
    shape("no extensions", lambda image: image.write_extensions([]))
    for cluster in CLUSTERS:
        shape(f"stale bitmaps, cluster {cluster}", shapes.plain_bitmaps, shapes.stale,
              cluster=cluster)
    shape("stale bitmaps, dirty", shapes.plain_bitmaps, shapes.stale,
          shapes.incompatible(INCOMPAT_DIRTY))
    shape("bitmaps record before the others", shapes.plain_bitmaps,
          lambda image: image.move_bitmaps_record(0))


# ---- any of all these together ----

AXES = {
    "cluster": CLUSTERS + (16384,),
    "width": (16, 16) + WIDTHS,
    "version": ("1.1", "1.1", "1.1", "0.10"),
    "lazy": ("on", "off"),
    "compression": ("zlib", "zstd"),
    "l2": ("off", "off", "on"),
    "size": (0, 512, 65024, "3M", "64M", "1G", (1 << 30) + 512),
    "bitmaps": ("none", "one", "many", "stale"),
    "snapshots": (0, 0, 1, 3),
    "backing": (None, None, b"base.qcow2", b"/abs/base", b"nbd:unix:/x"),
    "format": ("qcow2", "raw", None),
    "end": (None, shapes.cut, shapes.longer(77)),
    "bits": (0, 0, INCOMPAT_DIRTY, INCOMPAT_CORRUPT),
}


def possible(pick):
    """Combinations that qemu-img makes, and that have room for what is in them."""
    if pick["version"] == "0.10":
        return (pick["width"] == 16 and pick["lazy"] == "off" and pick["compression"] == "zlib"
                and pick["l2"] == "off" and pick["bitmaps"] == "none" and not pick["bits"])
    if pick["l2"] == "on" and pick["cluster"] < 16384:
        return False
    if pick["size"] == 0 and pick["bitmaps"] != "none":
        return False
    return not (pick["cluster"] == 512 and isinstance(pick["size"], str) and "G" in pick["size"])


def _combined(pick, chance):
    options = f"compat={pick['version']},refcount_bits={pick['width']}"
    if pick["version"] == "1.1":
        options += (f",lazy_refcounts={pick['lazy']},compression_type={pick['compression']}"
                    f",extended_l2={pick['l2']}")
    steps = []
    if pick["bitmaps"] != "none":
        steps.append(bitmaps(*_random_bitmaps(chance, 1 if pick["bitmaps"] == "one" else 7)))
    if pick["snapshots"]:
        steps.append(shapes.numbered(pick["snapshots"]))
    if pick["bits"]:
        steps.append(shapes.incompatible(pick["bits"]))
    if pick["bitmaps"] == "stale":
        steps.append(shapes.stale)
    if pick["end"]:
        steps.append(pick["end"])
    return shaped(*steps, size=pick["size"], cluster=pick["cluster"], options=options,
                  backing=pick["backing"], backing_format=pick["format"])


def _random_bitmaps(chance, count):
    for i in range(count):
        yield Spec(b"%d " % i + bytes(chance.choices(range(32, 256), k=chance.randrange(20))),
                   chance.choice((65536, 1 << 20, 1 << 31)), chance.choice((0, 1, 2, 3)),
                   tuple(chance.sample(range(300), 3)))


def _random(count):
    chance = random.Random(SEED)
    made = 0
    while made < count:
        pick = {axis: chance.choice(values) for axis, values in AXES.items()}
        if possible(pick):
            made += 1
            stale = ", stale" if pick["bitmaps"] == "stale" else ""
            case(f"random {made}{stale}", _combined(pick, chance))


for part in (_widths, _version_2, _features, _data_files, _encryption, _backing, _snapshots,
             _bitmaps, _sizes, _ends, _header):
    part()
_random(80)
