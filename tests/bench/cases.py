# SPDX-License-Identifier: MIT
"""What is measured: a case is one image and one command, given to both programs."""

from dataclasses import dataclass, field

import images

PATH = "PATH"

# All that qemu-img can do; $1 is the file.
REMOVE_ONE_BY_ONE = (f"i=0; while [ $i -lt {images.STALE_BITMAPS} ]; do "
                     "qemu-img bitmap --remove \"$1\" b$i || exit; i=$((i + 1)); done")

# $0 is the program.
THOUSAND_EDITS = ("i=0; while [ $i -lt 250 ]; do "
                  "for action in add disable enable remove; do "
                  "\"$0\" bitmap --$action \"$1\" n$i || exit; done; i=$((i + 1)); done")


@dataclass
class Case:
    key: str
    title: str
    image: str                      # a function of images.py
    command: list                   # of `bitmap`, without the file and the name; else
                                    # all words of a program, with PATH for the file
    name: str = "new"
    rounds: int = 200
    quick_rounds: int = 20
    delay_us: int = 0               # added to every sync
    reference: bool = False         # also time instar's --add on an empty image
    variants: dict = field(default_factory=dict)  # more runners: label -> extra options
    peer: bool = True               # qemu-img can be compared
    peer_command: list = None       # its words, with PATH for the file, where they are others
    script: str = None              # instead of a command, for sh: $0 is the program
    timed: bool = True


def _slow_disk(key, title, image, milliseconds):
    return Case(f"{key}-{milliseconds}ms", f"{title}, {milliseconds} ms a sync", image,
                ["--add"], rounds=60, quick_rounds=10, delay_us=1000 * milliseconds)


DELAYS_MS = (1, 5, 10)

CASES = [
    Case("add-empty", "--add, empty 1 GiB", "empty", ["--add"]),
    Case("add-three", "--add, image with 3 bitmaps", "three_bitmaps", ["--add"], rounds=100),
    *[_slow_disk("add-empty", "--add, empty 1 GiB", "empty", delay) for delay in DELAYS_MS],
    *[_slow_disk("add-three", "--add, image with 3 bitmaps", "three_bitmaps", delay)
      for delay in DELAYS_MS],
    Case("add-ten-dense", "--add, 16 TiB with 10 dense bitmaps", "ten_dense", ["--add"],
         rounds=15, quick_rounds=3, reference=True),
    Case("disable-512m", "--disable of a 512 MiB bitmap (16 TiB at 4 KiB)", "half_gib_bitmap",
         ["--disable"], name="b0", rounds=11, quick_rounds=3, reference=True),
    Case("add-preallocated", "--add, 1 TiB with all metadata allocated", "preallocated",
         ["--add"], rounds=31, quick_rounds=3, reference=True),
    Case("merge-dense", "--merge of two dense bitmaps, 16 TiB at 64 KiB", "two_dense",
         ["--merge", "b0"], name="b1", rounds=31, quick_rounds=5),
    Case("merge-512m", "--merge of two dense bitmaps of 512 MiB (16 TiB at 4 KiB)",
         "two_half_gib_bitmaps", ["--merge", "b0"], name="b1", rounds=3, quick_rounds=1),
    Case("remove-scan", "--remove, 1 TiB with all metadata allocated",
         "preallocated_with_bitmap", ["--remove"], name="b0", rounds=15, quick_rounds=3,
         variants={"unscanned": ["--no-ownership-scan"]}),
    Case("remove-all-seventy", "--remove-all of 70 dense bitmaps, 1 TiB (qemu-img: a loop)",
         "seventy_dense", ["bitmap", "--remove-all", PATH], rounds=1, quick_rounds=1,
         peer_command=["sh", "-c", REMOVE_ONE_BY_ONE, "loop", PATH]),
    # qemu-img: not within ten minutes.
    Case("crowd-add", "--add, image with 65,534 bitmaps", "crowd", ["--add"], rounds=15,
         quick_rounds=3, peer=False),
    Case("crowd-disable", "--disable, image with 65,534 bitmaps", "crowd", ["--disable"],
         name="b7", rounds=15, quick_rounds=3, peer=False),
    Case("add-small-clusters", "--add, 3 bitmaps, clusters of 512 bytes", "small_clusters",
         ["--add"], rounds=31, quick_rounds=5),
    Case("add-large-clusters", "--add, 3 bitmaps, clusters of 2 MiB", "large_clusters",
         ["--add"], rounds=31, quick_rounds=5),
    Case("thousand-edits", "a thousand edits in a row (250 times add, disable, enable, remove)",
         "empty", [], script=THOUSAND_EDITS, rounds=1, quick_rounds=1),
    Case("info-ten-dense", "info, 16 TiB with 10 dense bitmaps", "ten_dense", ["info", PATH],
         rounds=15, quick_rounds=3),
    Case("map-dense", "map of a dense 32 MiB bitmap (16 TiB at 64 KiB), to /dev/null",
         "dense_runs", ["map", "--bitmap", "b0", PATH], rounds=15, quick_rounds=3, peer=False),
    Case("map-noise", "map of 32 MiB of random bits (67 million extents), to /dev/null",
         "two_dense", ["map", "--bitmap", "b0", PATH], rounds=5, quick_rounds=1, peer=False),
    Case("check-preallocated", "check, 1 TiB with all metadata allocated", "preallocated",
         ["check", PATH], rounds=15, quick_rounds=3),
    Case("add-overlay", "first --add on an overlay", "overlay", ["--add"], timed=False),
    Case("add-growth", "--add that grows the refcount structures", "full_refcount_block",
         ["--add"], timed=False),
    Case("add-table-move", "--add that moves the refcount table", "full_refcount_table",
         ["--add"], timed=False),
]
