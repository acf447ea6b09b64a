# SPDX-License-Identifier: MIT
"""What the project asks of itself, and whether it was met."""

import statistics

L2_GIB_OF_1_TIB = 128 / 1024  # 8 bytes for each 64 KiB cluster
EDITS = ("add-", "disable-", "merge-", "remove-", "crowd-", "thousand-")


def bars(results):
    """Every row of the project's table of numbers that this run has measured:
    (what, measured, bar, goal)."""
    rows = []

    def row(key, what, value, bar, goal):
        if key in results:
            rows.append({"case": key, "what": what, "value": value(results[key]), "bar": bar,
                         "goal": goal})

    def against(label):
        return lambda result: result["ratios"][label]["median"]

    def seen(name):
        return lambda result: result["seen"]["instar"][name]

    row("add-empty", "--add on an empty image : qemu-img", against("qemu-img"), 0.75, 0.6)
    row("add-three-5ms", "--add beside 3 bitmaps, 5 ms a sync : qemu-img", against("qemu-img"),
        1.0, 0.7)
    row("add-ten-dense", "--add beside 10 dense bitmaps, 16 TiB : our empty one",
        against("reference"), 2.0, 1.2)
    row("disable-512m", "--disable of a 512 MiB bitmap : our --add on an empty image",
        against("reference"), 1.0, 0.8)
    row("add-preallocated", "--add, 1 TiB with all metadata : our empty one",
        against("reference"), 1.5, 1.2)
    row("merge-dense", "--merge of two dense bitmaps : qemu-img", against("qemu-img"), 0.25, 0.12)
    row("remove-scan", "proof of ownership, seconds per GiB of L2 tables",
        lambda result: (result["ms"]["instar"]["median"] - result["ms"]["unscanned"]["median"])
        / 1000 / L2_GIB_OF_1_TIB, 0.5, 0.3)
    row("remove-all-seventy", "--remove-all of 70 dense bitmaps : qemu-img, one by one",
        against("qemu-img"), 0.01, 0.001)
    row("info-ten-dense", "info on 16 TiB with 10 dense bitmaps : qemu-img", against("qemu-img"),
        0.05, 0.02)
    row("check-preallocated", "check of 1 TiB with all metadata : qemu-img", against("qemu-img"),
        0.5, 0.25)
    row("map-dense", "map of a dense 32 MiB bitmap, seconds",
        lambda result: result["ms"]["instar"]["median"] / 1000, 0.5, 0.25)
    row("add-empty", "syncs of a plain --add", seen("syncs"), 7, 6)
    row("add-overlay", "syncs of the first --add on an overlay", seen("syncs"), 10, 8)
    row("add-growth", "syncs of an --add with growth", seen("syncs"), 12, 10)
    row("disable-512m", "bytes written to the image by --disable", seen("image_bytes"), 512, 4)
    row("add-empty", "guest page faults (first touches) of a plain --add",
        seen("guest_pages"), 24, 16)
    row("add-empty", "exits of a plain --add", seen("kvm_exits"), 5, 4)
    for key, result in results.items():
        if key.startswith(EDITS) and not key.endswith("ms"):  # delays take no memory
            row(key, f"peak memory, MiB: {result['title']}",
                lambda result: result["seen"]["instar"]["peak_kib"] / 1024, 8, 4)
    return rows


def verdicts(runs):
    """The rows of several runs (lists that bars() made) as one: `values`, and whether the
    bar was met in two of three."""
    rows = []
    for same in zip(*runs):
        values = [row["value"] for row in same]
        first = same[0]
        rows.append({**{key: first[key] for key in ("case", "what", "bar", "goal")},
                     "values": values, "value": statistics.median(values),
                     "met": sum(value <= first["bar"] for value in values),
                     "goals": sum(value <= first["goal"] for value in values),
                     "enough": -(-2 * len(values) // 3)})
    return rows
