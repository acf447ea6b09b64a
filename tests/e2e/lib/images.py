# SPDX-License-Identifier: MIT
"""Images made by the ordinary tools, and what those tools say about an image."""

import json
import os
import subprocess

from lib import craft, qcow2

SECRET = ("--object", "secret,id=key,data=opensesame")
FAST_LUKS = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"
UNKNOWN_EXTENSION = 0x12345678

# qemu-img times its key derivation, and now and then finds its own clock too coarse.
UNCALIBRATED = b"Unable to get accurate CPU usage"


def tool(*command, fails=False):
    """Run a tool of QEMU's; its stdout.  A failure is the test's."""
    for _ in range(10):
        done = subprocess.run([os.fspath(c) for c in command], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
        if UNCALIBRATED not in done.stderr:
            break
    if done.returncode and not fails:
        raise AssertionError(f"{command}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def create(path, size="64M", *, cluster=65536, options="", backing=None, backing_format="qcow2"):
    """A qcow2 image as `qemu-img create` makes it; its path.

    A backing file's name is written by hand, right behind the extensions as qemu does it:
    it may be any name, with no file behind it, and lack the format."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2",
               "-o", f"cluster_size={cluster}" + (f",{options}" if options else "")]
    if "key-secret" in options:
        command += SECRET
    tool(*command, path, str(size))
    if backing:
        with craft.Craft(path) as image:
            records = image.records()
            if backing_format:
                records.insert(0, (qcow2.EXT_BACKING_FORMAT, backing_format.encode()))
            image.write_extensions(records, backing=backing.encode())
    return path


def bitmap(path, *arguments):
    """`qemu-img bitmap ARGUMENTS... path NAME`: the last argument is the name."""
    tool("qemu-img", "bitmap", *arguments[:-1], path, arguments[-1])


def write(path, *commands):
    """qemu-io commands, like `write -P 7 0 64k`; the backing file is not opened."""
    line = ["qemu-io"]
    for command in commands:
        line += ["-c", command]
    tool(*line, alone(path))


def alone(path, **options):
    """How to tell qemu to open an image without its backing file."""
    return "json:" + json.dumps({"driver": "qcow2", "backing": None, **options,
                                 "file": {"driver": "file", "filename": path}})


def snapshot(path, name):
    tool("qemu-img", "snapshot", "-c", name, path)


def check_options(path):
    """How `qemu-img check` must be told to open the image: without its backing file, and with
    the passphrase if it is encrypted."""
    with qcow2.Image(path) as image:
        if image.crypt_method or image.backing_name:
            return alone_options(path, image.crypt_method)
    return [path]


def alone_options(path, crypt_method):
    """The same of an image whose header need not be sound."""
    if crypt_method:
        kind = {1: "aes", 2: "luks"}[crypt_method]
        return [*SECRET, alone(path, encrypt={"format": kind, "key-secret": "key"})]
    return [alone(path)]


def info(path):
    return json.loads(tool("qemu-img", "info", "-U", "--output=json", path))


def listed(path):
    """The array of bitmaps that `qemu-img info` gives."""
    return info(path)["format-specific"]["data"].get("bitmaps", [])


def with_bitmaps(path, names=("a", "b", "c"), *, size="64M", granularity="64k", **options):
    """An image that holds guest data and bitmaps with bits: the i-th name has the
    bits 3i, 3i+1 and, if there is room, 3i+200."""
    create(path, size, **options)
    if "data_file" not in options.get("options", "") and "luks" not in options.get("options", ""):
        write(path, "write -P 17 0 128k", "write -P 23 1M 64k")
    with craft.Craft(path) as image:
        for i, name in enumerate(names):
            image.add_bitmap(name, size_of(granularity))
            count = image.bit_count(image.bitmap(name))
            image.set_bits(name, [n for n in (3 * i, 3 * i + 1, 3 * i + 200) if n < count])
    return path


def size_of(text):
    """64k -> 65536"""
    text = str(text)
    factor = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1])
    return int(text[:-1]) * factor if factor else int(text)


def fill_to_edge(path, free, edge=None):
    """Write guest clusters until only `free` clusters are left between the end of the file and
    the next multiple of `edge` clusters: what the last refcount block covers, or what the
    caller says."""
    with qcow2.Image(path) as image:
        cluster, per_block = image.cluster_size, image.refcounts_per_block
        limit = image.virtual_size // cluster
    at = 0
    while at < limit:
        with qcow2.Image(path) as image:
            left = -image.file_clusters % (edge or per_block)
        if left == free:
            return
        # A guest cluster may cost an L2 table and a refcount block too: go slowly at the end.
        step = 1 if left <= free + 8 else max(1, min((left - free) // 2, limit - at))
        write(path, f"write -P 1 {at * cluster} {step * cluster}")
        at += step
    raise AssertionError(f"{path}: no room to fill it to the edge")
