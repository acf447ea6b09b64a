# SPDX-License-Identifier: MIT
"""What is asked of an image that instar has edited, beside that it is what qemu-img made of its
copy: nothing else has changed, two checkers are content, and qemu lists the same bitmaps."""

from lib import check, images
from lib.facts import bystanders, facts
from lib.qcow2 import Image

OTHERS = "other bitmaps"


def faults(runner, name, before, after):
    """Sentences about a successful edit of the bitmap `name`: the images' paths."""
    was, now = _kept(before, name), _kept(after, name)
    if not was.keys() == now.keys():
        # A list that was stale, or there is none any more: nobody is beside the bitmap named.
        was.pop(OTHERS, None)
        if now.pop(OTHERS, None):
            return ["bitmaps come from nowhere"]
    found = [f"{what} has changed: {str(now[what]):.1000} instead of {str(was[what]):.1000}"
             for what in was if now[what] != was[what]]
    found += sorted(_complaints(after) - _complaints(before))
    return found + leaks_or_worse(runner, after)


def _kept(path, name):
    kept = facts(path)
    with Image(path) as image:
        if image.bitmaps_valid:
            kept[OTHERS] = bystanders(path, name)
    return kept


def _complaints(path):
    """Of the independent checker, which minds bits behind the end of the disk; images begin
    with some."""
    with Image(path) as image:
        report = check.check(image)
    return {*report.corruptions, *(f"leaked cluster {cluster}" for cluster in report.leaks)}


def leaks_or_worse(runner, path):
    """What `qemu-img check` finds."""
    done = runner.run_program("qemu-img", "check", path)
    return [f"qemu-img check: {done}"] if done.code else []


def differences_to_qemu(runner, ours, theirs):
    """As qemu-img sees both, backing files included; what Image sees has been compared."""
    found = []
    listed = images.listed(ours), images.listed(theirs)
    if listed[0] != listed[1]:
        found.append(f"qemu-img lists {listed[0]}, and in its own copy {listed[1]}")
    done = runner.run_program("qemu-img", "compare", ours, theirs)
    return found + ([f"qemu-img compare: {done}"] if done.code else [])
