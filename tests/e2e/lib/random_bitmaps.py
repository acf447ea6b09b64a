# SPDX-License-Identifier: MIT
"""Images with many random bitmaps: contents dense and sparse, table entries that say all ones
or all zeros, bits behind the end of the disk."""

import random
import struct

from lib import images, shapes
from lib.craft import Craft
from lib.extents import SECTOR
from lib.qcow2 import FLAG_AUTO
from lib.shapes import Spec

CLUSTERS = (512, 4096, 65536, 2 << 20)
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
GRANULARITIES = [1 << bits for bits in range(9, 32)]
MAX_BITS = 400_000
MAX_L1_ENTRIES = 4096
MAX_RUNS = 600


class RandomImage:
    """An image made from a seed; the bitmaps' names are b0, b1...  `widths`: of refcounts;
    `odd`: with sizes that no program of qemu's leaves."""

    def __init__(self, path, seed, count, widths=WIDTHS, odd=True):
        self.chance = random.Random(seed)
        self.bits = RandomBits(self.chance)
        self.path, self.count = path, count
        cluster = CLUSTERS[seed % len(CLUSTERS)]
        self.size = self._random_size(cluster)
        images.create(path, self.size, cluster=cluster,
                      options=f"refcount_bits={self.chance.choice(widths)}")
        with Craft(path) as image:
            self._make_bitmaps(image, seed)
            if odd:
                self._make_odd(image)

    def _random_size(self, cluster):
        """So that every granularity that makes sense has its turn, and the last granule is
        often a part of one."""
        limit = MAX_L1_ENTRIES * cluster * cluster // 8
        size = self.chance.choice(GRANULARITIES) * self.chance.randrange(1, MAX_BITS)
        size = min(size, limit) - SECTOR * self.chance.choice((0, 1, 7, 100))
        return max(size, 3 * SECTOR)

    def _make_bitmaps(self, image, seed):
        usable = [g for g in GRANULARITIES if self.size / g <= MAX_BITS
                  and self.size / g > 1 / 8]
        specs = [Spec(b"b%d" % i, usable[(seed + i * 5) % len(usable)],
                      self.chance.choice((0, FLAG_AUTO))) for i in range(self.count)]
        shapes.bitmaps(*specs)(image)
        for spec in specs:
            self.bits.fill(image, image.bitmap(spec.name))

    def _make_odd(self, image):
        """An odd number of bytes; a file that ends anywhere."""
        end = self.chance.choice((None, shapes.cut, shapes.longer(1), shapes.longer(3000)))
        if end:
            end(image)
        if self.chance.random() < 0.3:
            shapes.virtual_size(self.size + self.chance.randrange(1, SECTOR))(image)


class RandomBits:
    """Contents of bitmaps, thrown with the caller's dice."""

    def __init__(self, chance):
        self.chance = chance

    def fill(self, image, entry):
        """A bitmap that has no data clusters yet."""
        raw = self._random_bits(image.bit_count(entry), entry.table_size * image.cluster_size)
        parts = [raw[i:i + image.cluster_size] for i in range(0, len(raw), image.cluster_size)]
        table = [self._entry_for(part) for part in parts]
        stored = [i for i, value in enumerate(table) if value is None]
        if stored:
            offset = image.allocate(len(stored))
            for i in stored:
                table[i] = offset
                image.pwrite(offset, parts[i])
                offset += image.cluster_size
        image.pwrite(entry.table_offset, struct.pack(f">{len(table)}Q", *table))

    def _entry_for(self, part):
        """0 or 1 where that says the same as the cluster; mostly."""
        if self.chance.random() < 0.8:
            if not any(part):
                return 0
            if part.count(0xFF) == len(part):
                return 1
        return None

    def _random_bits(self, count, length):
        """`length` bytes: runs of ones among `count` bits; behind them, now and then ones."""
        raw = 0
        for start, end in self._random_runs(count):
            raw |= (1 << end) - (1 << start)
        if self.chance.random() < 0.4:
            raw |= self._behind(count, 8 * length)
        return raw.to_bytes(length, "little")

    def _behind(self, count, end):
        """All of these bits, or a few."""
        if self.chance.random() < 0.5 or end == count:
            return (1 << end) - (1 << count)
        return sum(1 << bit for bit in {self.chance.randrange(count, end) for _ in range(5)})

    def _random_runs(self, count):
        kind = self.chance.choice(("empty", "full", "all but one", "sparse", "dense", "dense",
                                   "single bits", "aligned"))
        if kind == "empty":
            return
        if kind in ("full", "all but one"):
            hole = self.chance.randrange(count) if kind == "all but one" else count
            yield 0, hole
            yield min(hole + 1, count), count
        elif kind == "aligned":
            yield from self._aligned_runs(count)
        else:
            longest = {"sparse": max(1, count // 7), "dense": 40, "single bits": 1}[kind]
            gap = 1 if kind != "sparse" else max(1, count // 20)
            at = self.chance.choice((0, self.chance.randrange(count)))
            for _ in range(MAX_RUNS):
                if at >= count:
                    break
                end = min(count, at + self.chance.randrange(1, longest + 1))
                yield at, end
                at = end + self.chance.randrange(1, gap + 40)

    def _aligned_runs(self, count):
        """Runs that begin or end where words, bytes and clusters do."""
        for _ in range(20):
            edge = self.chance.choice((8, 64, 4096, 32768))
            start = self.chance.randrange(count) // edge * edge
            end = start + edge * self.chance.randrange(1, 4) + self.chance.choice((-1, 0, 0, 1))
            yield start, min(max(end, start), count)
