# SPDX-License-Identifier: MIT
"""Images whose metadata lies over other metadata, or in a ring."""

from images.attack import changed
from images.builder import COPIED

OVERWRITES = "Writes one, and so changes the other: the next look at the image is the attacker's."
RING = "Follows the entries and comes back to where it was."

changed("l1-over-header", "The L1 table is the header.", OVERWRITES,
        lambda image: image.set(l1_offset=0))
changed("l1-over-refcount-block", "The L1 table is the refcount block.", OVERWRITES,
        lambda image: image.set(l1_offset=image.refcount_block))
changed("l2-over-refcount-table", "The L1 table's entry names the refcount table.", OVERWRITES,
        lambda image: image.put("Q", image.l1, image.refcount_table | COPIED))
changed("l2-is-l1", "The L1 table's entry names the L1 table.", RING,
        lambda image: image.put("Q", image.l1, image.l1 | COPIED))
changed("l2-names-itself", "Every entry of the L2 table names the L2 table.", RING,
        lambda image: image.put("64Q", image.l2, *[image.l2 | COPIED] * 64))
changed("guest-over-refcount-table", "A guest cluster is the refcount table.",
        "Lets the guest write its own refcounts, and from then on any metadata.",
        lambda image: image.put("Q", image.l2, image.refcount_table | COPIED))
changed("refcount-table-over-header", "The refcount table is the header.", OVERWRITES,
        lambda image: image.set(refcount_table_offset=0))
changed("refcount-block-over-l1", "The refcount block is the L1 table.", OVERWRITES,
        lambda image: image.put("Q", image.refcount_table, image.l1))
changed("refcount-block-itself", "The refcount table's entry names the refcount table.", RING,
        lambda image: image.put("Q", image.refcount_table, image.refcount_table))
changed("refcount-block-uncounted", "The refcount block's own refcount is 0.",
        "Gives the block's cluster away as free, and overwrites it.",
        lambda image: {image.refcount_block // image.cluster: 0}, "CVE-2014-0147")
changed("refcounts-of-nothing", "Every refcount is 0.",
        "Takes the header for the first free cluster.",
        lambda image: dict.fromkeys(range(len(image.data) // image.cluster), 0), "CVE-2014-0147")
changed("directory-over-header", "The bitmap directory is the header.", OVERWRITES,
        lambda image: image.set_directory(offset=0))
changed("directory-over-l2", "The bitmap directory is the L2 table.", OVERWRITES,
        lambda image: image.set_directory(offset=image.l2))
changed("directory-over-guest", "A guest cluster is the bitmap directory, too.",
        "Lets the guest write the directory that the host believes.",
        lambda image: image.put("Q", image.l2, image.directory | COPIED))
changed("bitmap-table-over-l1", "The bitmap's table is the L1 table.", OVERWRITES,
        lambda image: image.set_entry(table_offset=image.l1))
changed("bitmap-table-over-directory", "The bitmap's table is the bitmap directory.", OVERWRITES,
        lambda image: image.set_entry(table_offset=image.directory))
changed("bits-over-refcount-table", "The bitmap's bits are the refcount table.", OVERWRITES,
        lambda image: image.put("Q", image.table, image.refcount_table))
changed("snapshots-over-l1", "The snapshot table is the L1 table.", OVERWRITES,
        lambda image: image.set(snapshots=1, snapshots_offset=image.l1))
