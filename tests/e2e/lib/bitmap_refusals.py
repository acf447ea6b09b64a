# SPDX-License-Identifier: MIT
"""The refusals of `instar bitmap` and of `qemu-img bitmap` that mean the same."""

import os
import re

# Where qemu names a bitmap: is it the target's name, or a source's?
TARGET, SOURCE = "target", "source"

# instar's words: (what qemu says instead, whose name its first group is)
SAME = {
    "bitmap already exists": (r"Bitmap already exists: (.*)\n", TARGET),
    "bitmap not found": (r"Dirty bitmap '(.*)' not found", TARGET),
    "merge source bitmap not found": (r"Dirty bitmap '(.*)' not found", SOURCE),
    "bitmap is in use / inconsistent (only --remove is allowed)":
        (r"Bitmap '.*' is inconsistent and cannot be used", None),
    "cannot store dirty bitmaps in a qcow2 v2 image":
        (r"Cannot store dirty bitmaps in qcow2 v2 files", None),
    "granularity must be a power of two between 512 and 2G":
        (r"Granularity must be power of 2 and at least 512|Invalid granularity specified", None),
    "granularity only supported with --add": (r"granularity only supported with --add", None),
    "Need at least one of --add, --remove, --clear, --enable, --disable, or --merge":
        (r"Need at least one of --add, --remove, --clear, --enable, --disable, or --merge", None),
    "invalid bitmap name length":
        (r"Bitmap name cannot be empty|Bitmap name is too long|Name length exceeds maximum", None),
    "the image is too large for the bitmap scratch buffer":
        (r"Too much space will be occupied by the bitmap", None),
    "too many bitmaps in the image":
        (r"Maximum number of persistent bitmaps|Not enough space in the bitmap directory", None),
}


def words(result):
    """instar's refusal without its name."""
    return result.first_line.removeprefix("instar bitmap: ")


def same(command, ours, theirs):
    """Both results refuse for one reason."""
    row = SAME.get(words(ours))
    if row is None:
        return False
    pattern, whose = row
    found = re.search(pattern, theirs.err, re.DOTALL)
    if found is None or whose is None:
        return found is not None
    named = [command.name] if whose == TARGET else command.sources
    return found[1] in [os.fsencode(name).decode(errors="backslashreplace") for name in named]
