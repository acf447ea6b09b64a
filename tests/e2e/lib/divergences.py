# SPDX-License-Identifier: MIT
"""The one registry of what instar does otherwise than qemu-img: `bitmap`, and below `info`
and `check`.

Each entry has one field that differs and one cause.  `applies` decides from the
command and the image alone, never from the outcome; the cross-validation fails on a
difference without an entry that applies, on a refusal in other words than the entry's, and on
an entry that no test sees at work.
"""

import os
from dataclasses import dataclass
from typing import Callable

from lib.qcow2 import AUTOCLEAR_BITMAPS, FLAG_IN_USE, INCOMPAT_DIRTY

EXIT = "exit"          # one succeeds, the other fails
MESSAGE = "message"    # both fail, each for another reason
BITMAPS = "bitmaps"    # names, flags, granularities, order after both failed
BITS = "bits"          # bits after both failed
FIELDS = (EXIT, MESSAGE, BITMAPS, BITS)

MAX_ACTIONS = 8
MAX_SOURCES = 8
NAMES_POOL = 2048
MAX_NAME = 1023


@dataclass(frozen=True)
class Command:
    """What both programs are asked: actions in order, each a (flag, source or None)."""

    actions: tuple
    name: str
    granularity: str | None = None
    extra: tuple = ()  # further options, word for word

    def arguments(self, path):
        words = list(self.extra)
        for flag, source in self.actions:
            words += [flag] if source is None else [flag, source]
        if self.granularity is not None:
            words += ["-g", self.granularity]
        return [*words, path, self.name]

    @property
    def sources(self):
        return [s for flag, s in self.actions if flag == "--merge"]

    @property
    def adds(self):
        return ("--add", None) in self.actions

    @property
    def merges(self):
        return bool(self.sources)

    @property
    def is_mixed(self):
        return self.merges and len(self.sources) < len(self.actions)


@dataclass(frozen=True)
class Divergence:
    """`says`: how the words begin in which instar refuses, where the field is EXIT; None: it
    succeeds."""

    field: str
    cause: str
    applies: Callable  # (command, image before the command) -> bool
    says: str | None = None

    def explains(self, code, refusal):
        """That instar has ended so; `refusal`: its first line, without the program's name."""
        if self.field != EXIT:
            return True
        if code == 0 or self.says is None:
            return code == 0 and self.says is None
        return refusal.startswith(self.says)


def _granularities_differ(command, image):
    by_name = {os.fsdecode(b.name): b.granularity for b in image.bitmaps()}
    own = by_name.get(command.name)
    return any(by_name.get(s, own) != own for s in command.sources)


def _is_stale(_, image):
    return image.bitmaps_body() is not None and not image.bitmaps_valid


def _is_in_use(command, image):
    return any(b.name == os.fsencode(command.name) and b.flags & FLAG_IN_USE
               for b in image.bitmaps())


def _data_file_is_missing(_, image):
    """Its name is relative to the image's folder."""
    name = image.has_data_file and image.data_file_name
    return bool(name) and not os.path.exists(
        os.path.join(os.path.dirname(image.path), os.fsdecode(name)))


def _value(command):
    """-g as a plain number, None if it is written otherwise."""
    text = command.granularity or ""
    return int(text) if text.isdecimal() else None


def _breaks_off(command, _):
    """Several actions: qemu stores those before the one that fails."""
    return len(command.actions) > 1


def _entry_is_lost(_, image):
    """A table entry names a cluster behind the end of the file."""
    return any(e >> image.cluster_bits >= image.file_clusters
               for b in image.bitmaps() for e in image.table(b))


KNOWN_BITMAP_DIVERGENCES = {
    "merge_mixed": Divergence(
        EXIT, "a merge must be the only action of its invocation",
        lambda command, _: command.is_mixed,
        "mixing --merge with other actions in one invocation is not supported"),
    "cross_file_merge": Divergence(
        EXIT, "-b and -F are not supported",
        lambda command, _: "-b" in command.extra or "-F" in command.extra,
        "cross-file merge (-b/-F) is not yet supported"),
    "refcount_bits": Divergence(
        EXIT, "only refcounts of 16 bits are supported",
        lambda _, image: image.refcount_order != 4,
        "unsupported refcount width (only 16-bit refcounts are supported)"),
    "merge_granularity": Divergence(
        EXIT, "a merge does not rescale",
        lambda command, image: command.merges and _granularities_differ(command, image),
        "bitmaps have incompatible granularity for merge"),
    "granularity_zero": Divergence(
        EXIT, "-g 0 is out of range; to qemu it means the default",
        lambda command, _: command.adds and _value(command) == 0,
        "granularity must be a power of two between 512 and 2G"),
    "granularity_zero_unused": Divergence(
        EXIT, "-g without --add is refused whatever its value; to qemu 0 is no -g",
        lambda command, _: not command.adds and _value(command) == 0,
        "granularity only supported with --add"),
    "granularity_64_bits": Divergence(
        EXIT, "-g is checked in 64 bits; qemu cuts it to 32",
        lambda command, _: (_value(command) or 0) >> 32 != 0,
        "granularity must be a power of two between 512 and 2G"),
    "stale_extension": Divergence(
        EXIT, "bitmaps behind a clear autoclear bit are inconsistent: only --remove; "
        "qemu drops them on opening",
        _is_stale,
        "bitmap is in use / inconsistent (only --remove is allowed)"),
    "stale_removed": Divergence(
        EXIT, "an inconsistent bitmap behind a clear autoclear bit is removed; qemu has dropped it",
        lambda command, image: ("--remove", None) in command.actions and _is_stale(command, image)),
    "dirty_bit": Divergence(
        EXIT, "an image that was not closed cleanly is refused; qemu repairs it on opening",
        lambda _, image: bool(image.incompatible & INCOMPAT_DIRTY),
        "the image was not closed cleanly (dirty bit): its refcounts may be wrong"),
    "luks": Divergence(
        EXIT, "no passphrase is needed: bitmaps are not encrypted",
        lambda _, image: image.luks_header is not None),
    "object": Divergence(
        EXIT, "--object is not supported",
        lambda command, _: "--object" in command.extra,
        "--object is not yet supported"),
    "image_opts": Divergence(
        EXIT, "--image-opts is not supported",
        lambda command, _: "--image-opts" in command.extra,
        "--image-opts is not yet supported"),
    "too_many_actions": Divergence(
        EXIT, "at most 8 actions an invocation",
        lambda command, _: len(command.actions) - len(command.sources) > MAX_ACTIONS,
        "too many actions (max 8)"),
    "too_many_sources": Divergence(
        EXIT, "at most 8 merge sources an invocation",
        lambda command, _: len(command.sources) > MAX_SOURCES,
        "too many --merge sources (max 8)"),
    "names_pool": Divergence(
        EXIT, "at most 2048 bytes of source names an invocation",
        lambda command, _: sum(len(os.fsencode(s)) for s in command.sources) > NAMES_POOL,
        "merge source names exceed the pool budget"),
    "extra_data": Divergence(
        EXIT, "extra data in a directory entry is kept; qemu cannot open such an image",
        lambda _, image: any(b.extra for b in image.bitmaps())),
    "missing_data_file": Divergence(
        EXIT, "no file that the image names is ever opened",
        _data_file_is_missing),
    "lost_bits": Divergence(
        EXIT, "bits behind the end of the file are an error; qemu takes them for zeros",
        _entry_is_lost,
        "malformed table of bitmap"),
    "no_bitmaps_extension": Divergence(
        EXIT, "the autoclear bit without the extension is refused; qemu does not look",
        lambda _, image: bool(image.autoclear & 1) and image.bitmaps_body() is None,
        "the header says that its bitmaps are valid (autoclear bit 0), but the bitmaps "
        "extension is missing"),
    "granularity_read_first": Divergence(
        MESSAGE, "-g without --add is refused whatever its value; qemu reads the value first",
        lambda command, _: command.granularity is not None and not command.adds),
    "granularity_value_first": Divergence(
        MESSAGE, "a -g out of range is refused before any action is tried",
        lambda command, _: command.granularity is not None and len(command.actions) > 1),
    "names_first": Divergence(
        MESSAGE, "names of 0 or more than 1023 bytes are refused before any action is tried",
        lambda command, _: not all(1 <= len(os.fsencode(name)) <= MAX_NAME
                                   for name in (command.name, *command.sources))),
    "version_first": Divergence(
        MESSAGE, "no action is tried on an image of version 2",
        lambda _, image: image.version == 2),
    "merge_target_first": Divergence(
        MESSAGE, "that a merge's target is in use is said before a source is looked for",
        lambda command, image: command.merges and _is_in_use(command, image)),
    "partial_bitmaps": Divergence(
        BITMAPS, "all actions or none; qemu keeps what came before the one that failed",
        _breaks_off),
    "partial_bits": Divergence(
        BITS, "all actions or none; qemu keeps what came before the one that failed",
        _breaks_off),
}


def known(field, command, image):
    """The keys of the entries for this field that apply."""
    return [key for key, entry in KNOWN_BITMAP_DIVERGENCES.items()
            if entry.field == field and entry.applies(command, image)]


# ---- info ----

@dataclass(frozen=True)
class InfoDivergence:
    """In the object `key`, instar has these members only."""

    key: str
    keeps: tuple
    cause: str
    applies: Callable  # (image) -> bool

    def human(self, out):
        """qemu's human output, as instar is to print it."""
        return self._cut(out, lambda key: f"{key}:".replace("-", " ").encode())

    def json(self, out):
        """qemu's JSON."""
        lines = self._cut(out, lambda key: f'"{key}":'.encode()).split(b"\n")
        for i, line in enumerate(lines[1:], 1):
            if line.lstrip(b" ").startswith(b"}"):
                lines[i - 1] = lines[i - 1].removesuffix(b",")
        return b"\n".join(lines)

    def _cut(self, out, written):
        kept, inside = [], None
        for line in out.split(b"\n"):
            text = line.lstrip(b" ")
            depth = len(line) - len(text)
            if inside is not None and depth > inside:
                members = tuple(written(key) for key in self.keeps)
                if depth == inside + 4 and text.startswith(members):
                    kept.append(line)
                continue
            inside = depth if text.startswith(written(self.key)) else None
            kept.append(line)
        return b"\n".join(kept)


KNOWN_INFO_DIVERGENCES = {
    "luks_details": InfoDivergence(
        "encrypt", ("format",), "the LUKS header is not read",
        lambda image: image.crypt_method == 2),
}


def known_info(image):
    """The entries that apply to an image."""
    return {key: entry for key, entry in KNOWN_INFO_DIVERGENCES.items() if entry.applies(image)}


# ---- check ----

@dataclass(frozen=True)
class CheckDivergence:
    """instar finds an end where qemu finds none, or the reverse; or it says it otherwise."""

    cause: str
    applies: Callable  # (lib.bare_header.Header) -> bool


KNOWN_CHECK_DIVERGENCES = {
    "escaped_names": CheckDivergence(
        "names of snapshots are escaped in messages; qemu writes their bytes",
        lambda header: any(not 32 <= byte < 127 or byte == ord("\\")
                           for name in header.snapshot_names() for byte in name)),
}


def known_check(header):
    """The keys of the entries that apply to an image."""
    return {key for key, entry in KNOWN_CHECK_DIVERGENCES.items() if entry.applies(header)}


# ---- resize: where instar refuses what qemu-img does, by key -------------------------------

KNOWN_RESIZE_DIVERGENCES = {
    "refcount_bits": "only 16-bit refcounts are edited",
    "resize_snapshots": "what internal snapshots may share is not cut off or replaced",
    "resize_backing_v2": "a v2 image cannot hide what its backing file has in the new area; "
                         "qemu-img looks how long that file is",
    "resize_backing_partial": "the rest of the cluster in which the disk ends would show the "
                              "backing file; qemu-img opens that file",
}


def resize_causes(image, old_size, new_size):
    """The keys that apply to a resize of the open image."""
    grows_over_backing = new_size > old_size and image.backing_name
    found = set()
    if image.refcount_order != 4:
        found.add("refcount_bits")
    if image.snapshot_count and (new_size < old_size or grows_over_backing):
        found.add("resize_snapshots")
    if grows_over_backing and image.version == 2:
        found.add("resize_backing_v2")
    if grows_over_backing and old_size % image.cluster_size:
        found.add("resize_backing_partial")
    return found


# ---- check -r ----

@dataclass(frozen=True)
class RepairDivergence:
    """Where both repair an image, their JSON is not the same."""

    cause: str
    applies: Callable  # (lib.bare_header.Header before, qemu-img check's exit code before)


KNOWN_REPAIR_DIVERGENCES = {
    "errors_counted": RepairDivergence(
        "instar says how many of the errors found are gone; qemu counts what it mends, and what "
        "it does not need lies elsewhere then",
        lambda _, code: code == 2),
    "copied_behind_leaks": RepairDivergence(
        "a COPIED flag that only a refcount set right asks for is no error found; qemu counts it",
        lambda _, code: code == 3),
    "bitmaps_rewritten": RepairDivergence(
        "qemu writes every valid bitmap anew, whatever it repairs",
        lambda header, _: bool(header.autoclear & AUTOCLEAR_BITMAPS)),
}


def known_repair(header, code):
    """The keys of the entries that apply to an image."""
    return {key for key, entry in KNOWN_REPAIR_DIVERGENCES.items()
            if entry.applies(header, code)}
