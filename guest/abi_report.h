/* SPDX-License-Identifier: MIT */
/*
 * What a guest program that only looks tells the host (ABI_REPORT, guest/abi.h).
 *
 * The host prints what it is told and draws no conclusions from it.  The guest is
 * hostile all the same: the host copies a report out once, checks that its length is
 * what its kind and its own lengths say, and takes every string as bytes that may be
 * anything (invariant 9).  A report that is malformed, or out of this order, ends the
 * guest:
 *
 *     info   IMAGE, SNAPSHOT..., BITMAP..., DAMAGE...
 *     map    PICTURE (if it was asked for), EXTENTS...
 *
 * All numbers are little-endian.  Strings follow their struct without padding, in the
 * order in which their lengths stand in it.
 */
#ifndef INSTAR_GUEST_ABI_REPORT_H
#define INSTAR_GUEST_ABI_REPORT_H

#include <stdint.h>

/* In abi_request.value. */
enum abi_report_kind {
        ABI_REPORT_IMAGE = 1, /* struct abi_report_image, then its strings */
        ABI_REPORT_SNAPSHOT,  /* struct abi_report_snapshot, then its strings */
        ABI_REPORT_BITMAP,    /* struct abi_report_bitmap, then its name */
        ABI_REPORT_DAMAGE,    /* struct abi_report_damage, then the bitmap's name */
        ABI_REPORT_PICTURE,   /* struct abi_report_picture, then uint64_t[columns] */
        ABI_REPORT_EXTENTS,   /* struct abi_range[], at least one */
        ABI_REPORT_FINDINGS,  /* struct abi_finding[], at least one (guest/abi_check.h) */
        ABI_REPORT_SNAPSHOT_FINDING, /* struct abi_report_snapshot_finding, its strings */
        ABI_REPORT_PROGRESS,         /* struct abi_report_progress */
        ABI_REPORT_CHECK,            /* struct abi_report_check: the last */
        ABI_REPORT_REPAIR, /* struct abi_report_repair (guest/abi_repair.h), a name */
};

/* Bytes of one report, and of all of a run but EXTENTS (65536 snapshots and 65535
 * bitmaps with the longest names are about 200 MiB). */
#define ABI_MAX_REPORT  (64u << 10)
#define ABI_MAX_REPORTS (512ull << 20)

/* abi_report_image.flags */
#define ABI_IMAGE_BACKING          1u /* there is a backing file */
#define ABI_IMAGE_BACKING_RELATIVE 2u /* its name counts from the image's directory */
#define ABI_IMAGE_BACKING_FORMAT   4u
#define ABI_IMAGE_DATA_FILE_NAME   8u  /* the name is in the image */
#define ABI_IMAGE_DATA_FILE        16u /* guest data lies in another file */
#define ABI_IMAGE_DATA_FILE_RAW    32u /* which is a valid raw image */
#define ABI_IMAGE_ENCRYPTED        64u /* crypt_method is not 0 */
#define ABI_IMAGE_STALE                                                                  \
        128u /* the bitmaps that follow were invalidated: a program that knows none      \
              * has written to the image */
#define ABI_IMAGE_COUNTED 256u /* the bitmaps' tables and data were read */

struct abi_report_image {
        uint32_t version; /* 2 or 3 */
        uint32_t flags;
        uint64_t size; /* virtual, bytes: whole sectors, as QEMU counts */
        uint64_t cluster_size;
        uint32_t refcount_bits;
        uint32_t crypt_method;     /* 1: AES, 2: LUKS */
        uint32_t compression_type; /* 0: zlib, 1: zstd */
        uint32_t reserved;
        uint64_t incompatible;
        uint64_t compatible;
        uint64_t autoclear;
        uint32_t backing_length; /* at most 1023 */
        uint32_t backing_format_length;
        uint32_t data_file_length;
        uint32_t reserved2;
};

/* vm_clock and date as the image has them; icount UINT64_MAX: there is none. */
struct abi_report_snapshot {
        uint64_t vm_state_size; /* bytes */
        uint64_t vm_clock;      /* nanoseconds */
        uint64_t icount;
        uint32_t date_seconds; /* since the epoch */
        uint32_t date_nanoseconds;
        uint32_t id_length;
        uint32_t name_length;
};

/* abi_report_bitmap.counted */
#define ABI_BITMAP_CLUSTERS 1u /* data_clusters, all_ones are known */
#define ABI_BITMAP_DIRTY    2u /* dirty_bytes is known */

struct abi_report_bitmap {
        uint64_t entry_offset; /* of the directory entry, in the file */
        uint64_t table_offset; /* as the entry says */
        uint32_t table_entries;
        uint32_t flags;       /* as the entry says */
        uint64_t granularity; /* bytes; 0: the entry has none that is possible */
        uint64_t table_clusters;
        uint64_t data_clusters; /* clusters that the table names */
        uint64_t dirty_bytes;   /* of the virtual disk */
        uint32_t counted;
        uint32_t type;
        uint32_t extra_length;
        uint32_t name_length; /* at most 65535 */
};

/* Something that is wrong, as an abi_result would say it. */
struct abi_report_damage {
        uint32_t code; /* enum abi_code, not ABI_OK */
        uint32_t reserved;
        uint64_t detail[4];
        uint32_t more;        /* so many others like it are not reported */
        uint32_t name_length; /* of the bitmap it concerns; 0: of none */
};

/* The disk in columns of equal length: dirty bytes of each. */
#define ABI_MAX_COLUMNS 512u
struct abi_report_picture {
        uint64_t size;  /* virtual, bytes */
        uint64_t dirty; /* bytes */
        uint32_t columns;
        uint32_t reserved;
        uint64_t column_bytes; /* the last column may be shorter */
};

#endif
