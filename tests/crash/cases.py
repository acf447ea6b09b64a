# SPDX-License-Identifier: MIT
"""The table of cases: an image, and the commands whose crash states are explored.

Images are a few MiB of virtual size, so that a state costs milliseconds.
"""

from dataclasses import dataclass
from typing import Callable

import repair_images
from case_images import (at_the_edge, bitmaps, crossing, full_directory, left_in_use, many_bits,
                         mixed, no_bitmaps, only_bitmap, unknown_autoclear, wide, with_backing,
                         with_data_file)

SIZES = {"512": 512, "1k": 1024, "4k": 4096, "64k": 65536, "2m": 2 << 20}


@dataclass(frozen=True)
class Case:
    key: str
    make: Callable             # (path of the image) -> None
    commands: tuple            # each: options, then the bitmap's name or None
    journal_directory: bool = False
    hard_link: bool = False
    injection: tuple = ()      # of strace: calls that fail, so that the edit is rolled back
    resizes: bool = False      # each command ends with the new size, and not with a bitmap
    repairs: bool = False      # the image is damaged, and each command is one of `check`

    @property
    def named(self):
        """The bitmaps that the commands name."""
        return {command[-1] for command in self.commands if command[-1] and not self.resizes}

    def words(self, image):
        """For each command: the subcommand and its arguments."""
        for *options, name in self.commands:
            if self.resizes:
                yield "resize", "-q", *options, image, name
            elif self.repairs:
                yield "check", *options, image
            elif name is None:
                yield "bitmap", *options, image
            elif options == ["--reset-in-use"]:
                yield "check", *options, name, image
            else:
                yield "bitmap", *options, image, name

    @property
    def rolls_back(self):
        return bool(self.injection)


ACTIONS = {
    "add": ("--add", "n"),
    "remove": ("--remove", "b"),
    "remove-newest": ("--remove", "c"),
    "clear": ("--clear", "b"),
    "disable": ("--disable", "b"),
    "enable": ("--disable", "--enable", "--disable", "b"),
    "merge": ("--merge", "a", "b"),
    "add-disable": ("--add", "--disable", "n"),
    "remove-add": ("--remove", "--add", "b"),
    "clear-disable": ("--clear", "--disable", "b"),
}
MANY_BITS = {
    "merge-several": ("--merge", "a", "--merge", "c", "b"),
    "clear-many": ("--clear", "b"),
    "remove-add-disable": ("--remove", "--add", "--disable", "-g", "512", "b"),
}


def _actions():
    for label, cluster in SIZES.items():
        for action, command in ACTIONS.items():
            snapshot = action in ("add", "remove", "merge")
            yield Case(f"{action}-{label}",
                       lambda path, c=cluster, s=snapshot: bitmaps(path, cluster=c, snapshot=s),
                       (command,))
    for label in ("512", "1k", "64k"):
        for action, command in MANY_BITS.items():
            yield Case(f"{action}-{label}", lambda path, c=SIZES[label]: many_bits(path, c),
                       (command,))


REMOVE_ALL = (("--remove-all", None),)
RESET = (("--reset-in-use", "b"),)


def _whole_bitmaps():
    """What is done to bitmaps whose bits nobody knows, or wants."""
    behind = (b"\x11" * 24, b"\x22" * 100)
    for label, cluster in SIZES.items():
        yield Case(f"remove-all-{label}",
                   lambda path, c=cluster: bitmaps(path, cluster=c, snapshot=True), REMOVE_ALL)
        yield Case(f"reset-{label}", left_in_use(bitmaps, cluster=cluster), RESET)
    for label in ("512", "1k", "64k"):
        cluster = SIZES[label]
        yield Case(f"remove-all-many-{label}", lambda path, c=cluster: many_bits(path, c),
                   REMOVE_ALL)
        yield Case(f"remove-all-backing-{label}", with_backing(bitmaps, cluster=cluster),
                   REMOVE_ALL)
        yield Case(f"reset-many-{label}", left_in_use(many_bits, cluster=cluster), RESET)
    for label in ("1k", "64k"):
        yield Case(f"remove-all-mixed-{label}",
                   lambda path, c=SIZES[label]: mixed(path, cluster=c), REMOVE_ALL)
        yield Case(f"remove-all-crossing-{label}",
                   lambda path, c=SIZES[label]: crossing(path, cluster=c, behind=behind),
                   REMOVE_ALL)
        yield Case(f"reset-two-sectors-{label}",
                   left_in_use(bitmaps, ("a" * 480, "b"), cluster=SIZES[label]), RESET)
    yield Case("reset-growth-512", left_in_use(at_the_edge(512, 0)), RESET)


WIDE = (  # cluster, data clusters, action
    ("512", 16, "clear"), ("512", 16, "merge-several"), ("512", 16, "remove-add"),
    ("1k", 12, "merge"), ("1k", 12, "remove"), ("4k", 8, "merge-several"), ("4k", 8, "clear"),
    ("64k", 4, "merge"), ("64k", 4, "remove-add"), ("64k", 2, "merge-several"),
    ("512", 40, "merge"), ("1k", 24, "merge-several"), ("4k", 16, "merge"),
)
MIXED = (
    ("1k", "add"), ("1k", "remove"), ("1k", "merge"), ("64k", "remove-add"), ("64k", "clear"),
    ("64k", "merge"), ("64k", "add-disable"),
)


def _wide():
    """Many pieces to a step, and journals of many sectors."""
    commands = ACTIONS | MANY_BITS
    for edge in (0, 5):
        yield Case(f"wide-growth-512-{edge}", wide(512, 16, edge), (MANY_BITS["merge-several"],))
    for label, clusters, action in WIDE:
        yield Case(f"wide-{action}-{label}-{clusters}", wide(SIZES[label], clusters),
                   (commands[action],))
    for label, action in MIXED:
        yield Case(f"mixed-{action}-{label}",
                   lambda path, c=SIZES[label]: mixed(path, cluster=c), (commands[action],))


def _first_and_last():
    behind = (b"\x11" * 24, b"", b"\x22" * 100)
    for label, cluster in SIZES.items():
        first, last = (("--add", "n"),), (("--remove", "b"),)
        yield Case(f"first-{label}", lambda path, c=cluster: no_bitmaps(path, cluster=c), first)
        yield Case(f"last-{label}", lambda path, c=cluster: only_bitmap(path, cluster=c), last)
        yield Case(f"first-records-{label}",
                   lambda path, c=cluster: no_bitmaps(path, cluster=c, records=behind), first)
        yield Case(f"last-records-{label}",
                   lambda path, c=cluster: only_bitmap(path, cluster=c, records=behind), last)
    for label in ("512", "1k", "64k"):
        yield Case(f"first-backing-{label}", with_backing(no_bitmaps, cluster=SIZES[label]), first)
        yield Case(f"last-backing-{label}", with_backing(only_bitmap, cluster=SIZES[label]), last)
    yield Case("first-backing-1k-350", with_backing(no_bitmaps, 350, cluster=1024), first)
    yield Case("first-backing-64k-390", with_backing(no_bitmaps, 390, cluster=65536), first)
    yield Case("last-backing-records-64k",
               with_backing(only_bitmap, 390, cluster=65536, records=(b"\x33" * 700,)), last)
    yield Case("last-first-seat-64k",
               lambda path: only_bitmap(path, cluster=65536, seat=0, records=behind), last)


def _features():
    for label in ("1k", "64k"):
        cluster = SIZES[label]
        yield Case(f"first-data-file-{label}",
                   with_data_file(no_bitmaps, cluster=cluster), (("--add", "n"),))
        yield Case(f"last-data-file-{label}",
                   with_data_file(only_bitmap, cluster=cluster), (("--remove", "b"),))
        yield Case(f"merge-data-file-{label}",
                   with_data_file(bitmaps, cluster=cluster), (("--merge", "c", "b"),))
        yield Case(f"add-backing-{label}",
                   with_backing(bitmaps, cluster=cluster), (("--add", "n"),))
        yield Case(f"crossing-add-{label}",
                   lambda path, c=cluster: crossing(path, cluster=c), (("--add", "n"),))
        yield Case(f"crossing-remove-{label}",
                   lambda path, c=cluster: crossing(path, cluster=c, behind=(b"\x44" * 40,)),
                   (("--remove", "b"),))
        yield Case(f"autoclear-{label}",
                   lambda path, c=cluster: unknown_autoclear(path, cluster=c),
                   (("--disable", "b"),))
    yield Case("full-directory-1k", lambda path: full_directory(path, cluster=1024),
               (("--add", "n"),))


def _growth():
    for free in (0, 1, 2):
        yield Case(f"growth-add-512-{free}", at_the_edge(512, free), (("--add", "n"),))
    yield Case("growth-merge-512", at_the_edge(512, 0), (("--merge", "a", "b"),))
    yield Case("growth-remove-add-512", at_the_edge(512, 0), (("--remove", "--add", "b"),))
    yield Case("growth-first-512", at_the_edge(512, 1, names=()), (("--add", "n"),))
    yield Case("growth-add-1k", at_the_edge(1024, 0), (("--add", "n"),))
    yield Case("growth-table-512", at_the_edge(512, 0, table=True), (("--add", "n"),))


def _sequences():
    """Edits one behind the other: what the first left unsynced may be lost in the second."""
    for label in ("512", "64k"):
        cluster = SIZES[label]
        yield Case(f"then-remove-add-{label}", lambda path, c=cluster: bitmaps(path, cluster=c),
                   (("--remove", "c"), ("--add", "n")))
        yield Case(f"then-add-remove-{label}", lambda path, c=cluster: bitmaps(path, cluster=c),
                   (("--add", "n"), ("--remove", "n")))
        yield Case(f"then-clear-merge-{label}", lambda path, c=cluster: many_bits(path, c),
                   (("--clear", "b"), ("--merge", "a", "b")))
    yield Case("then-clear-merge-wide-1k", wide(1024, 12),
               (("--clear", "b"), ("--merge", "a", "--merge", "c", "b")))


RESIZES = (  # cluster, what is asked for
    ("64k", "grow-in-place", ("+1M",)),
    ("512", "grow-moved", ("+300k",)),
    ("4k", "grow-moved", ("3G",)),
    ("512", "shrink", ("--shrink", "1100800")),
    ("1k", "shrink", ("--shrink", "1M")),
    ("4k", "shrink", ("--shrink", "201216")),
    ("64k", "shrink", ("--shrink", "1M")),
)


def _resize(key, make, *commands, **options):
    return Case(f"resize-{key}", make, commands, resizes=True, **options)


def _resizes():
    for label, what, command in RESIZES:
        yield _resize(f"{what}-{label}",
                      lambda path, c=SIZES[label]: no_bitmaps(path, cluster=c), command)
    yield _resize("grow-backing-4k", with_backing(no_bitmaps, cluster=4096), ("+9M",))
    yield _resize("grow-backing-512", with_backing(no_bitmaps, 150, cluster=512), ("+70k",))
    for free in (0, 1):
        yield _resize(f"grow-growth-512-{free}", at_the_edge(512, free, names=()), ("+1M",))
    yield _resize("shrink-growth-512", at_the_edge(512, 0, names=()), ("--shrink", "200k"))
    yield _resize("then-shrink-grow-4k", lambda path: no_bitmaps(path, cluster=4096),
                  ("--shrink", "1100k"), ("+7M",))
    yield _resize("rollback-shrink-4k", lambda path: no_bitmaps(path, cluster=4096),
                  ("--shrink", "1M"),
                  injection=("-e", "inject=fdatasync:error=EIO:when=2"))


def _places():
    yield Case("hard-link-64k", lambda path: bitmaps(path, cluster=65536), (("--add", "n"),),
               hard_link=True)
    yield Case("journal-dir-64k", lambda path: bitmaps(path, cluster=65536), (("--remove", "b"),),
               journal_directory=True)


def _rollbacks():
    """The n-th write fails, and what was done is undone by the living program."""
    for number in (2, 3, 4):
        yield Case(f"rollback-add-64k-{number}", lambda path: bitmaps(path, cluster=65536),
                   (("--add", "n"),),
                   injection=("-e", f"inject=pwrite64:error=EIO:when={number}"))
    yield Case("rollback-merge-512", lambda path: many_bits(path, 512),
               (("--merge", "a", "--merge", "c", "b"),),
               injection=("-e", "inject=fdatasync:error=EIO:when=3"))
    yield Case("rollback-merge-wide-1k", wide(1024, 12), (("--merge", "a", "b"),),
               injection=("-e", "inject=fdatasync:error=EIO:when=2"))


def _repairs():
    for label in ("512", "64k"):
        for what, damage in repair_images.DAMAGE.items():
            kind = "leaks" if what == "leaks" else "all"
            yield Case(f"repair-{what}-{label}", repair_images.damaged(damage, SIZES[label]),
                       (("-q", "-r", kind, None),), repairs=True)
    yield Case("repair-reset-64k", repair_images.damaged(repair_images.lost_data, 65536),
               (("-q", "-r", "all", "--reset-damaged", None),), repairs=True)


def table():
    """Those with the most states first, so that two workers end at the same time."""
    return [*_wide(), *_actions(), *_whole_bitmaps(), *_first_and_last(), *_features(),
            *_growth(), *_sequences(), *_resizes(), *_repairs(), *_places(), *_rollbacks()]
