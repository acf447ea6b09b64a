# SPDX-License-Identifier: MIT
"""A random sequence of writes and resizes, made by instar and qemu-img on copies of one
image, and compared after every resize."""

import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lib import harness, images
from lib.divergences import resize_causes
from lib.qcow2 import Image

K, M, G = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Geometry:
    name: str
    cluster: int
    largest: int              # sizes of the disk
    options: str = ""
    backing: int = 0          # size of the backing file; 0: none
    compressed: bool = False  # some writes are
    snapshot: bool = False
    entry: int = 8            # bytes of an L2 entry

    @property
    def table(self):
        """Bytes of the disk that an L2 table covers."""
        return self.cluster * self.cluster // self.entry


GEOMETRIES = (
    Geometry("512", 512, 6 * M),
    Geometry("1k", K, 24 * M),
    Geometry("4k", 4 * K, 3 * G),
    Geometry("64k", 64 * K, 3 * G),
    Geometry("64k-large", 64 * K, 150 * G),
    Geometry("2m", 2 * M, 900 * G),
    Geometry("v2-512", 512, 6 * M, "compat=0.10"),
    Geometry("v2-64k", 64 * K, 3 * G, "compat=0.10"),
    Geometry("extended-16k", 16 * K, 200 * M, "extended_l2=on", entry=16),
    Geometry("extended-64k", 64 * K, 2 * G, "extended_l2=on", entry=16),
    Geometry("backing-short-512", 512, 6 * M, backing=64 * K),
    Geometry("backing-long-4k", 4 * K, 64 * M, backing=64 * M),
    Geometry("backing-long-64k", 64 * K, 3 * G, backing=3 * G),
    Geometry("backing-extended", 64 * K, 2 * G, "extended_l2=on", backing=2 * G, entry=16),
    Geometry("backing-v2", 64 * K, 2 * G, "compat=0.10", backing=64 * K),
    Geometry("compressed-512", 512, 6 * M, compressed=True),
    Geometry("compressed-64k", 64 * K, 2 * G, compressed=True),
    Geometry("preallocated-4k", 4 * K, 16 * M, "preallocation=metadata"),
    Geometry("lazy-64k", 64 * K, 2 * G, "lazy_refcounts=on"),
    Geometry("snapshot-4k", 4 * K, 64 * M, snapshot=True),
    Geometry("luks-4k", 4 * K, 64 * M, images.FAST_LUKS),
    Geometry("refcounts-8", 64 * K, 2 * G, "refcount_bits=8"),
)


class Sequence(harness.Case):
    """One sequence, in a directory of its own."""

    def runTest(self):
        """For unittest, which wants a method by this name."""

    def begin(self, seed, number, steps):
        self.directory = Path(tempfile.mkdtemp(dir=harness.IN_MEMORY, prefix="instar-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.environment["INSTAR_STATE_DIR"] = self.path("state")
        self.chance = random.Random(f"{seed}-{number}")
        self.geometry = GEOMETRIES[number % len(GEOMETRIES)]
        self.label = f"sequence {number} ({self.geometry.name}, INSTAR_SEED={seed})"
        self.ours, self.theirs = self.path("ours.qcow2"), self.path("theirs.qcow2")
        self.steps = steps
        self.seen, self.resizes, self.log = set(), 0, []

    def some_size(self):
        """Bytes of a disk: often near the edge of what a cluster or an L2 table covers."""
        geometry, chance = self.geometry, self.chance
        unit = chance.choice((512, geometry.cluster, geometry.cluster, geometry.table))
        most = geometry.largest if chance.random() < 0.5 else min(8 * unit, geometry.largest)
        size = chance.randrange(1, max(2, most // unit + 1)) * unit
        if chance.random() < 0.2:
            size += chance.choice((-512, 512))
        return min(max(512, size), geometry.largest)

    def make(self):
        geometry = self.geometry
        base = self.path("base.qcow2")
        options = f"cluster_size={geometry.cluster}"
        options += f",{geometry.options}" if geometry.options else ""
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options]
        command += images.SECRET if "luks" in options else ()
        if geometry.backing:
            images.tool("qemu-img", "create", "-q", "-f", "qcow2", base,
                        str(geometry.backing))
            images.tool("qemu-io", "-c", f"write -P 9 0 {min(geometry.backing, M)}",
                        "-c", f"write -P 8 {geometry.backing // 2} 32k", base)
            command += ["-b", base, "-F", "qcow2"]
        self.size = self.some_size()
        images.tool(*command, self.ours, str(self.size))
        shutil.copyfile(self.ours, self.theirs)

    def named(self, path):
        """How the tools of QEMU are told to open an image, its backing file too."""
        if "luks" in self.geometry.options:
            return images.check_options(path)
        return [path]

    def write(self):
        """The guest writes, the same to both; mostly near the end or an edge."""
        commands, chance = [], self.chance
        for _ in range(chance.randrange(1, 5)):
            cluster = self.geometry.cluster
            length = min(chance.choice((512, cluster, 3 * cluster, 70 * K)), self.size)
            where = chance.choice((self.size - length, chance.randrange(self.size),
                                   self.size // self.geometry.table * self.geometry.table))
            offset = max(0, min(where, self.size - length)) // 512 * 512
            kind = chance.choice(("write", "write", "write", "write -z", "write -zu", "discard"))
            if self.geometry.compressed and chance.random() < 0.7:
                offset = offset // cluster * cluster
                length, kind = min(cluster, self.size - offset), "write -c"
            pattern = "" if "z" in kind or kind == "discard" else f"-P {chance.randrange(1, 255)}"
            commands += ["-c", f"{kind} {pattern} {offset} {length}"]
        self.log.append(" ".join(commands))
        for path in (self.ours, self.theirs):
            # What is allocated already is not written compressed: that fails, on both.
            images.tool("qemu-io", *commands, *self.named(path),
                        fails=self.geometry.compressed)

    def both(self, words):
        mine = self.run_program(harness.INSTAR, "resize", "-q", *words[:-1], self.ours, words[-1])
        peer = self.run_program("qemu-img", "resize", "-q", *words[:-1], *self.named(self.theirs),
                                words[-1])
        return mine, peer

    def resize(self):
        size = self.some_size()
        shrink = size < self.size or self.chance.random() < 0.2
        asked = self.chance.choice((str(size), f"{size - self.size:+d}"))
        with Image(self.ours) as image:
            causes = resize_causes(image, self.size, size)
        words = [*(["--shrink"] if shrink else []), asked]
        self.log.append(" ".join(["resize", *words]))
        mine, peer = self.both(words)
        self.resizes += 1
        self.check_ends(mine, peer, causes)
        with Image(self.theirs) as image:
            self.size = image.virtual_size

    def check_ends(self, mine, peer, causes):
        self.assertIn(peer.code, (0, 1), f"{self.label}: {peer}")
        if bool(mine.code) != bool(peer.code):
            self.assertTrue(causes, f"{self.label}: {self.log}\n{mine}\n{peer}")
            self.assertEqual(mine.code, 1, f"{self.label}: {mine}")
            self.seen.update(causes)
            shutil.copyfile(self.theirs, self.ours)
            return
        if not mine.code:
            self.assertEqual(mine.err, "", f"{self.label}: {self.log}")
            self.check_alike()

    def check_alike(self):
        with Image(self.ours) as ours, Image(self.theirs) as theirs:
            self.assertEqual(ours.virtual_size, theirs.virtual_size, self.label)
        done = self.run_program("qemu-img", "check", "-q", *self.named(self.ours))
        self.assertEqual((done.code, done.err), (0, ""), f"{self.label}: {self.log}")
        done = self.run_program("qemu-img", "compare", "-q", *self.compared())
        self.assertEqual(done.code, 0, f"{self.label}: {self.log}: {done}")

    def compared(self):
        ours, theirs = self.named(self.ours), self.named(self.theirs)
        return [*ours[:-1], ours[-1], theirs[-1]]

    def play(self):
        self.make()
        for step in range(self.steps):
            if self.size >= 512:
                self.write()
            if step == 1 and self.geometry.snapshot:
                for path in (self.ours, self.theirs):
                    images.snapshot(path, "before")
            self.resize()
        return self
