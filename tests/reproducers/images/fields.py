# SPDX-License-Identifier: MIT
"""Images whose header has a value that nobody thought of."""

import struct

from images.attack import attack, changed, fields
from images.builder import EXT_UNKNOWN, FIELDS, HEADER_LENGTH, Builder

SHIFTS = "Shifts by it, which is undefined, and allocates the result."

for bits in (0, 8, 22, 255):
    fields(f"cluster-bits-{bits}", f"Clusters of 2^{bits} bytes.", SHIFTS, "CVE-2014-0222",
           cluster_bits=bits)
for order in (7, 255):
    fields(f"refcount-order-{order}", f"Refcounts of 2^{order} bits.", SHIFTS,
           refcount_order=order)
for order in (0, 2, 6):
    changed(f"refcount-order-{order}", f"Refcounts of {1 << order} bits, which are allowed.",
            "Believes that they all have 16 bits, and reads and writes others.",
            lambda image: None, refcount_order=order)
fields("header-length-odd", "A header of 105 bytes.", "Reads extensions at odd places.",
       "CVE-2014-0144", header_length=105)
fields("header-length-huge", "A header of 2^32 - 8 bytes.",
       "Allocates room for the fields that it does not know, and copies them.", "CVE-2014-0144",
       header_length=(1 << 32) - 8)
fields("header-length-zero", "A header of 0 bytes.",
       "Reads the magic as an extension, and the rest of the header as more of them.",
       header_length=0)
fields("incompatible-bits-unknown", "Unknown incompatible features are needed: bits 40 and 63.",
       "Goes on, and understands the tables wrongly.", incompatible=1 << 63 | 1 << 40)
fields("encryption-unknown", "An encryption method of number 2^32 - 1.",
       "Takes it as the index of a table of functions.", crypt_method=(1 << 32) - 1)
fields("version-4", "Version 4.", "Reads it as version 3.", version=4)


@attack("version-1", "Version 1: another format, with the same magic.",
        "Believes its `l2_bits` of 63, and allocates tables of that size.", "CVE-2014-0222")
def version_1():
    head = struct.pack(">4sIQIIQBBHIQ", b"QFI\xfb", 1, 0, 0, 0, 1 << 63, 63, 63, 0, 0, 48)
    return head.ljust(512, b"\0")


@attack("extension-length-wraps", "A header extension of 2^32 - 1 bytes.",
        "Adds the length in 32 bits, and reads the same extension again and again.")
def extension_length_wraps():
    image = Builder()
    image.add_record(EXT_UNKNOWN, b"")
    image.put("I", image.record(EXT_UNKNOWN) - 4, (1 << 32) - 1)
    return image.finish()


@attack("extensions-without-end", "A header cluster of 2 MiB, full of empty extensions, without an "
        "end.", "Keeps a list of all 262,131 of them, or goes on in the next cluster.",
        mebibytes=16, repair_mebibytes=128)  # for any image with clusters of 2 MiB
def extensions_without_end():
    image = Builder(cluster_bits=21)
    image.set(autoclear=0)
    room = image.cluster - HEADER_LENGTH
    image.data[HEADER_LENGTH:image.cluster] = struct.pack(">II", EXT_UNKNOWN, 0) * (room // 8)
    return image.finish()[:image.directory + 512]


@attack("header-cut", "The file ends in the middle of the header.",
        "Takes what was in the buffer before for the rest.")
def header_cut():
    return Builder().finish()[:FIELDS["snapshots_offset"][0] + 3]
