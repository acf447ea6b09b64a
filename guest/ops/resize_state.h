/* SPDX-License-Identifier: MIT */
/*
 * A change of the disk's size, between the call and the requests that carry it out.  The
 * stages run in this order; each can still refuse, the last one only emits:
 *
 *     resize_measure    old and new size; what is refused for them
 *     resize_map        the new L1 table, what of the mapping goes, what becomes zeros
 *     resize_prove      which of the clusters that go are nobody else's
 *     resize_allocate   fresh clusters, growth
 *     resize_emit       the transaction
 *
 * The switch is one write into the header's first sector: the size alone where the L1
 * table can stay as it is, else size, l1_size and l1_table_offset together.  So there is
 * no state in which an entry is missing that the old disk has, or is there behind the
 * end of the new one: a later growth never shows what was cut off.
 */
#ifndef INSTAR_GUEST_OPS_RESIZE_STATE_H
#define INSTAR_GUEST_OPS_RESIZE_STATE_H

#include "guest/ops/release.h"
#include "guest/qcow2/growth.h"

/* No cluster of the disk. */
#define RESIZE_NONE UINT64_MAX

/* What an L2 table that is read says of the clusters behind the cut. */
struct resize_dropped {
        struct range_list runs; /* host clusters: tables and data */
        struct range_list
            compressed; /* the same, one by one, each as often as referred to */
};

struct resize {
        struct image *image;
        const struct abi_call *call;
        uint64_t old_size; /* bytes, as QEMU sees it: whole sectors */
        uint64_t new_size;

        uint32_t entry_bytes; /* of an L2 table: 8 or 16 */
        uint64_t per_table;   /* entries of an L2 table */
        uint64_t cut_first;   /* from this cluster of the disk on nothing stays mapped */
        uint64_t zero_end;    /* [cut_first, zero_end) is marked as zeros */

        bool moves;            /* the L1 table does */
        uint8_t *old_l1;       /* big-endian, as in the file; NULL if not read */
        uint8_t *new_l1;       /* the same, in whole sectors; if it moves */
        uint64_t new_l1_size;  /* entries */
        const uint8_t *old_l2; /* the table in which the cut lies; NULL: there is none */
        uint8_t *new_l2;       /* its new content; NULL: it stays, or is dropped */
        uint64_t boundary;     /* its index in the L1 table */
        uint64_t zero_first;   /* index of the first new table of zeros */
        uint64_t zero_tables;
        struct resize_dropped dropped;

        struct planned_mapping planned;
        struct release release;
        struct allocator allocator;
        struct growth growth;
        struct extent l1_extent; /* count 0: none */
        struct extent l2_extent;
        struct extent zero_extent;
};

/* ABI_OK, also where both sizes are the same; ABI_SHRINKS, ABI_BAD_RESIZE. */
enum abi_code resize_measure(struct resize *resize);

enum abi_code resize_map(struct resize *resize);

/* Is the disk's last cluster, as far as it lies behind the old end, known to read as
 * zeros?  ABI_OK or ABI_BAD_RESIZE. */
enum abi_code resize_check_partial(struct resize *resize);

/*
 * Replace the entries [first, end) of an L2 table in memory by zeros, and note what they
 * refer to; *any says whether there was anything.  `offset` is the table's, for messages.
 */
enum abi_code resize_drop_entries(struct resize *resize, uint8_t *table, uint64_t offset,
                                  uint64_t first, uint64_t end, bool *any);

/* Let entries [first, end) of an L2 table in memory say zeros without data. */
void resize_store_zeros(const struct resize *resize, uint8_t *table, uint64_t first,
                        uint64_t end);

/* Note a run of clusters that goes.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code resize_drop_run(struct resize *resize, uint64_t first, uint64_t count);

/* The file offset of the L2 table that an L1 entry names, checked; 0: none. */
enum abi_code resize_table_offset(const struct resize *resize, uint64_t index,
                                  uint64_t *offset);

/* ABI_BAD_RESIZE, with the fault. */
enum abi_code resize_refuse(enum abi_resize_fault fault, uint64_t value);

enum abi_code resize_prove(struct resize *resize);
enum abi_code resize_allocate(struct resize *resize);
enum abi_code resize_emit(struct resize *resize);

#endif
