# SPDX-License-Identifier: MIT
"""Images of the cases that are damaged: each has guest data, a snapshot and the bitmaps a
and b."""

import os

from case_images import bitmaps
from lib import walk
from lib.craft import Craft
from lib.qcow2 import TABLE_OFFSET_MASK


def damaged(damage, cluster):
    """A function that makes such an image; `damage` takes an opened Craft."""
    def build(path):
        bitmaps(path, ("a", "b"), cluster=cluster, snapshot=True)
        with Craft(path) as image:
            damage(image)
    return build


def _active(image):
    """The L2 entries of the active layer: (place, entry)."""
    for l1_entry in walk.read_u64s(image, image.l1_offset, image.l1_size):
        table = l1_entry & walk.OFFSET_MASK
        for index, entry, _ in walk.l2_entries(image, l1_entry):
            yield table + 8 * index, entry


def _put(image, offset, value):
    image.pwrite(offset, value.to_bytes(8, "big"))


def leaks(image):
    """At the end of the file, and one that was a cluster of the guest's."""
    image.allocate(3)
    _put(image, next(_active(image))[0], 0)


def low_refcounts(image):
    """What the snapshot shares is counted once, and one cluster not at all."""
    for _, entry in list(_active(image))[:5]:
        cluster = (entry & walk.OFFSET_MASK) >> image.cluster_bits
        image.set_refcount(cluster, image.refcount(cluster) - 1)


def copied_flags(image):
    for place, entry in list(_active(image))[::2]:
        _put(image, place, entry ^ walk.COPIED)


def no_refcounts(image):
    """No block of the refcount table."""
    image.pwrite(image.refcount_table_offset, bytes(8 * len(image.refcount_table)))


def lost_bitmap(image):
    """One entry of the directory has an impossible type."""
    image.pwrite(image.bitmap("a").offset + 16, b"\7")


def lost_data(image):
    """A bitmap's table names a cluster behind the end of the file."""
    _put(image, image.bitmap("b").table_offset, (1 << 40) & TABLE_OFFSET_MASK)


def guest_beyond(image):
    """An L2 entry names a cluster behind the end of the file, and the file has to grow."""
    _put(image, next(_active(image))[0], image.file_clusters << image.cluster_bits)
    lost_bitmap(image)


def cut_off(image):
    """The last cluster is missing: it held bits of b."""
    os.ftruncate(image.fd, (image.file_clusters - 1) << image.cluster_bits)


DAMAGE = {
    "leaks": leaks, "low-refcounts": low_refcounts, "copied": copied_flags,
    "no-refcounts": no_refcounts, "lost-bitmap": lost_bitmap, "lost-data": lost_data,
    "guest-beyond": guest_beyond, "cut-off": cut_off,
}
