# SPDX-License-Identifier: MIT
"""The verdict on what a crash may leave of a repair: the image was damaged before it.

A program that knows no journal finds it no worse than it was (invariant 4): the guest reads
what it read, qemu opens the image if it did, with no more corruption, and a bitmap that
nothing was wrong with is there."""

import json

from judge import Finished, Judge, Reference
from lib import bitmap_view, guest_view, images
from lib.guest_view import ACTIVE, View
from seen import Seen, run


class Damaged(Reference):
    """The image before its repair; taken from the disk."""

    def __init__(self, content, path):
        super().__init__(Seen({}, [], [], [], []), content)
        self.view = View(path)
        self.corruptions = corruptions(path)
        self.bitmaps = _bitmaps(path)


class Mended(Finished):
    def __init__(self, seen, content, path):
        super().__init__(seen, content, path)
        self.kept = _bitmaps(path)


def corruptions(path):
    """How many qemu-img finds; None where it does not open the image."""
    code, out, _ = run("qemu-img", "check", "--output=json", images.alone(path))
    return json.loads(out).get("corruptions", 0) if code != 1 else None


def _bitmaps(path):
    """What is said of those that can be read; None where the list cannot."""
    found = bitmap_view.read(path)
    return None if found is None else {name: kept.says() for name, kept in found.items()
                                       if kept.bits is not None}


class RepairJudge(Judge):
    def _bare_faults(self, content):
        path, old = self.scene.image, self.old
        view = View(path)
        faults = [f"the guest: {fault}" for name in (ACTIVE, *self._snapshots(view))
                  for fault in guest_view.differences(old.view, old.view.layers[name],
                                                      view.layers[name])]
        found = corruptions(path)
        if old.corruptions is not None and (found is None or found > old.corruptions):
            faults.append(f"qemu-img finds {found} corruptions, there were {old.corruptions}")
        return faults + self._bitmap_faults(path)

    def is_refcount(self, found, finished):
        """References that the repair has dropped are counted until their release."""
        return found >= finished

    def _snapshots(self, view):
        if view.layers.keys() != self.old.view.layers.keys():
            return []  # the complete image is compared as a whole
        return [name for name in view.layers if name != ACTIVE]

    def _bitmap_faults(self, path):
        now, old = _bitmaps(path), self.old.bitmaps
        if old is None:
            return []
        if now is None:
            return ["the list of bitmaps cannot be read any more"]
        return [f"bitmap {name!r} is {now.get(name)}" for name, says in self.sides[-1].kept.items()
                if name in old and now.get(name) != says]
