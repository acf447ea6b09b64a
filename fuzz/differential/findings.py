# SPDX-License-Identifier: MIT
"""A finding is kept: the images, and how to see it again."""

import os
import shlex

import geometry
from lib.copies import copy
from lib.runner import INSTAR, SANDBOX

# What a command edited: what it was before.
EDITED = {"ours.qcow2": "before.ours", "theirs.qcow2": "before.theirs"}


def keep(folder, target, command, faults, again):
    """Copy what there is to `target`; the text that says all of it.  `again`: the words that run
    the sequence once more."""
    os.makedirs(target, exist_ok=True)
    for name in (*geometry.FILES, *EDITED, *EDITED.values()):
        if os.path.exists(os.path.join(folder, name)):
            copy(os.path.join(folder, name), os.path.join(target, name))
    sandbox = f"INSTAR_SANDBOX={SANDBOX}"
    ours, theirs = ([word.replace(str(folder), target)
                     for word in command.arguments(os.path.join(target, name))]
                    for name in EDITED)
    text = "\n".join([
        *faults, "",
        f"INSTAR={shlex.quote(INSTAR)} {sandbox} {shlex.join(again)}",
        "or, with the images of that step:",
        f"cd {shlex.quote(target)}",
        *(f"cp {before} {edited}" for edited, before in EDITED.items()),
        f"{sandbox} {_words([INSTAR, 'bitmap', *ours])}",
        _words(["qemu-img", "bitmap", *theirs]), ""])
    with open(os.path.join(target, "finding.txt"), "w", encoding="utf-8",
              errors="backslashreplace") as file:
        file.write(text)
    return text


def _words(words):
    """For a shell; bash reads $'' where a byte is no character of UTF-8."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word):
    raw = os.fsencode(word)
    if all(32 <= byte < 127 for byte in raw):
        return shlex.quote(word)
    return "$'" + "".join(chr(b) if 32 <= b < 127 and chr(b) not in "'\\" else f"\\x{b:02x}"
                          for b in raw) + "'"
