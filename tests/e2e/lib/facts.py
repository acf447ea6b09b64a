# SPDX-License-Identifier: MIT
"""What an edit of bitmaps must keep: the guest's data, every feature of the image, every
bitmap that the command does not name."""

import os

from lib import walk
from lib.qcow2 import AUTOCLEAR_RAW_DATA, Image


def facts(image):
    """Everything of an image but its bitmaps."""
    with Image(image) as opened:
        return {
            "virtual size": opened.virtual_size,
            "guest data": walk.guest_fingerprint(opened),
            "backing": (opened.backing_name, opened.backing_format),
            "data file": opened.data_file_name,
            "extensions": opened.feature_extensions(),
            "features": (opened.incompatible, opened.compatible,
                         opened.autoclear & AUTOCLEAR_RAW_DATA),
            "snapshots": [(s.id, s.name) for s in walk.snapshots(opened)],
            "luks": opened.luks_header,
            "status": (os.stat(image).st_mode, os.stat(image).st_uid, os.stat(image).st_gid),
        }


def bystanders(image, *named):
    """All of every bitmap that the command does not name: entry, table place, bits."""
    with Image(image) as opened:
        return [(b.name, b.flags, b.granularity_bits, b.table_offset, b.table_size, b.extra,
                 opened.table(b), opened.raw_bits(b))
                for b in opened.bitmaps()
                if b.name not in [os.fsencode(n) for n in named]]
