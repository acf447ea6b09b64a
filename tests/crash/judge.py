# SPDX-License-Identifier: MIT
"""The verdict on an image: against what it was before the command, and after it.

A verdict is a list of faults; an empty one is a pass.  Verdicts are kept by the hash of
the image, so that an image is judged once.
"""

from dataclasses import dataclass

from content import SECTOR
from lib import check
from lib.qcow2 import Image, Malformed
from seen import see


@dataclass
class Reference:
    """A whole image that a state is compared with."""

    seen: object
    content: object  # content.Content


def in_short(bitmaps):
    """A list of bitmaps as a person can read it."""
    return [(name.decode(errors="replace"), flags, f"{sum(b.bit_count() for b in bits)} bits")
            for name, flags, _, _, bits in bitmaps]


class Judge:
    """`old`: the image before the commands; `finished`: after each transaction."""

    def __init__(self, scene, case, old, finished):
        self.scene = scene
        self.named = case.named
        self.resizes = case.resizes
        self.old = old
        self.sides = [old, *finished]
        self._last = None, None  # the key of an image, and what is seen of it
        self._bare = {}
        self._complete = {}
        self._leaks = {}

    def seen(self, content):
        """What is seen of the image, which has this content now."""
        key = content.key()
        if self._last[0] != key:
            self._last = key, see(self.scene.image, self.named)
        return self._last[1]

    def leaks(self, content):
        """The leaked clusters of the image, which has this content now.  A refcount behind the
        end of the file, whose growth was lost, is none to qemu-img either."""
        key = content.key()
        if key not in self._leaks:
            with Image(self.scene.image) as image:
                self._leaks[key] = [cluster for cluster in check.check(image).leaks
                                    if cluster < image.file_clusters]
        return self._leaks[key]

    @property
    def images(self):
        """How many distinct ones were judged."""
        return len(self._bare.keys() | {key for key, _ in self._complete})

    # ---- invariant 4: without any recovery ----

    def bare(self, content):
        """The image as a program finds it that knows no journal."""
        key = content.key()
        if key not in self._bare:
            self._bare[key] = self._bare_faults(content)
        return self._bare[key]

    def _bare_faults(self, content):
        seen = self.seen(content)
        faults = list(seen.faults)
        if seen.facts:
            faults += self._fact_faults(seen) + self._list_faults(seen)
        return faults

    def _fact_faults(self, seen):
        """Everything as before; or, where the disk is resized, wholly as before or wholly as
        after: its size together with its data."""
        if self.resizes and any(side.seen.facts == seen.facts for side in self.sides):
            return []
        return [f"{what} became {value!r}, was {self.old.seen.facts[what]!r}"
                for what, value in seen.facts.items() if value != self.old.seen.facts[what]]

    def _list_faults(self, seen):
        sides = [side.seen for side in self.sides if side.seen.bitmaps == seen.bitmaps]
        if not sides:
            return [f"bitmaps neither old nor new: {in_short(seen.bitmaps)}"]
        faults = []
        if seen.listed not in [side.listed for side in sides]:
            faults.append(f"qemu-img lists {seen.listed!r}")
        if seen.bitmaps and seen.bystanders not in [side.bystanders for side in sides]:
            faults.append("a bitmap that the command does not name was touched")
        return faults

    # ---- invariant 2: after the switch ----

    def complete(self, content, finished):
        """The image is the finished one, but for clusters that nothing refers to, their
        refcounts, and free clusters at the tail."""
        key = content.key(), finished.content.key()
        if key not in self._complete:
            self._complete[key] = self._compare(content, finished)
        return self._complete[key]

    def _compare(self, content, finished):
        seen = self.seen(content)
        faults = list(seen.faults)
        if seen.bitmaps != finished.seen.bitmaps:
            faults.append(f"not the complete new list: {in_short(seen.bitmaps)}")
        if seen.facts != finished.seen.facts:
            faults.append(f"not the finished image's facts: {seen.facts!r}")
        try:
            with Image(self.scene.image) as image:
                faults += self._different_clusters(image, content, finished)
        except (Malformed, OSError) as fault:
            faults.append(f"the independent reader: {fault!r}")
        return faults

    def is_refcount(self, found, finished):
        """Of a cluster that is in use."""
        return found == finished

    def _different_clusters(self, image, content, finished):
        owners = check.references(image)
        if {k: sorted(v) for k, v in owners.items() if v} != finished.owners:
            return ["other clusters are in use than in the finished image"]
        faults = [f"cluster {cluster} of {names}: refcount {image.refcount(cluster)}"
                  for cluster, names in finished.owners.items()
                  if not self.is_refcount(image.refcount(cluster), finished.refcounts[cluster])]
        for cluster in sorted(_differing(content, finished.content, image.cluster_size)):
            names = finished.owners.get(cluster, ["refcount block"])
            if _matters(names, image, finished):
                faults.append(f"cluster {cluster} of {names} is not as in the finished image")
        return faults


def _matters(names, image, finished):
    """May a difference in this cluster be one that means something?"""
    if names == ["header"]:
        return header_fields(image) != finished.header  # the extensions are among the facts
    if names == ["bitmap directory"]:
        return directory(image) != finished.directory
    return names != ["refcount block"]  # those were compared one by one


def _differing(one, other, cluster_size):
    """The clusters in which two contents over one base differ."""
    return {i * SECTOR // cluster_size for i in one.delta.keys() | other.delta.keys()
            if one.sector(i) != other.sector(i)}


def header_fields(image):
    """The header itself.  Behind the switch of the last bitmap's removal its record may still
    be there, and is dropped by no recovery: the autoclear bit says that it means nothing."""
    return image.pread(0, image.header_length)


def directory(image):
    """The bitmap directory; what lies behind it in its cluster was an entry once."""
    _, size, offset = image.bitmaps_body() or (0, 0, 0)
    return image.pread(offset, size)


class Finished(Reference):
    """A finished image, with who owns which cluster; taken from the disk."""

    def __init__(self, seen, content, path):
        super().__init__(seen, content)
        with Image(path) as image:
            self.owners = {k: sorted(v) for k, v in check.references(image).items() if v}
            self.refcounts = {cluster: image.refcount(cluster) for cluster in self.owners}
            self.header = header_fields(image)
            self.directory = directory(image)
