/* SPDX-License-Identifier: MIT */
/*
 * What a repair tells the host: each thing that it is going to do, before it does
 * anything.
 *
 *     repair   REPAIR...
 */
#ifndef INSTAR_GUEST_ABI_REPAIR_H
#define INSTAR_GUEST_ABI_REPAIR_H

#include <stdint.h>

enum abi_repair_kind {
        ABI_REPAIR_LEAKS =
            1, /* clusters that nothing refers to any more are given back */
        ABI_REPAIR_REFCOUNTS,  /* clusters whose refcounts were too low */
        ABI_REPAIR_REBUILT,    /* file offset of the new refcount table, its clusters */
        ABI_REPAIR_COPIED,     /* entries whose COPIED flag was wrong */
        ABI_REPAIR_ENTRIES,    /* L1 and L2 entries: what they say did not count */
        ABI_REPAIR_TABLE_LOST, /* disk offset, bytes: the L2 table could not be read */
        ABI_REPAIR_DATA_LOST, /* clusters that could not be read; disk offset of the first
                               */
        ABI_REPAIR_TABLE_COPIED,   /* file offset of an L2 table, of its copy */
        ABI_REPAIR_BITMAP_REMOVED, /* enum abi_repair_reason; with its name */
        ABI_REPAIR_BITMAP_RESET,   /* the same */
        ABI_REPAIR_BITMAP_MENDED,  /* padding or tail bits; with its name */
        ABI_REPAIR_ENTRY_REMOVED,  /* file offset of a directory entry without sense */
        ABI_REPAIR_LIST_REMOVED,   /* file offset of the directory: it is not there */
        ABI_REPAIR_STALE_REMOVED,  /* the list was invalid already */
        ABI_REPAIR_DIRECTORY,      /* number of bitmaps, size of the directory */
        ABI_REPAIR_EXTENSION,      /* file offset of a header extension, type, length */
        ABI_REPAIR_EXTENSION_REMOVED, /* file offset, type */
        ABI_REPAIR_AUTOCLEAR,         /* autoclear bits that are cleared */
        ABI_REPAIR_HEADER,            /* offset of a header field, old and new value */
        ABI_REPAIR_SNAPSHOT_REMOVED,  /* index in the snapshot table */
        ABI_REPAIR_SNAPSHOTS_REMOVED, /* number, file offset: there is no table */
        ABI_REPAIR_SNAPSHOT_TABLE, /* entries without the fields that version 3 needs */
        ABI_REPAIR_MARKS,          /* incompatible bits: dirty, corrupt */
        ABI_REPAIR_KIND_COUNT
};

/* Why a bitmap cannot be kept as it is. */
enum abi_repair_reason {
        ABI_REPAIR_REASON_ENTRY = 1,  /* its directory entry: detail[1] has the fault */
        ABI_REPAIR_REASON_TABLE,      /* its table */
        ABI_REPAIR_REASON_BEYOND_END, /* its data is missing */
        ABI_REPAIR_REASON_SHARED,     /* its clusters are not its own */
};

/* ABI_REPORT_REPAIR: followed by a bitmap's name, where there is one. */
struct abi_report_repair {
        uint32_t kind;
        uint32_t name_length;
        uint64_t detail[3];
};

#endif
