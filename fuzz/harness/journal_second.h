/* SPDX-License-Identifier: MIT */
/*
 * A second reader of journals, of a whole file in memory: made from
 * docs/journal-format.md, shares with journal/ the checksums alone.
 */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_SECOND_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_SECOND_H

#include "fuzz/harness/journal_make.h"

#define SECOND_RECORDS 4096u

enum second_verdict { SECOND_SOUND, SECOND_DAMAGED, SECOND_NEWER };

struct second_record {
        uint32_t kind;
        uint32_t batch;
        uint64_t position;
        uint64_t sequence;
        uint64_t previous;
        bool is_switch;
        uint32_t step;
        uint32_t old;
        uint64_t offset; /* of a change, of a claim */
        uint64_t sectors;
        uint64_t length;          /* of a claim */
        const uint8_t *hashes;    /* in the arena */
        const uint8_t *old_bytes; /* NULL unless there are any */
};

struct second {
        enum second_verdict verdict;
        bool has_header;
        bool of_image; /* the header's identity is the image's */
        uint64_t old_size;
        uint64_t final_size;
        uint32_t ending; /* 1, 2; 0: none, or RECOVERING */
        bool recovering;
        uint32_t closed_batches;
        uint32_t count; /* of records in closed batches */
        struct second_record records[SECOND_RECORDS];
        int switch_record; /* -1: none */

        /* What the records point into. */
        uint64_t arena_used;
        uint8_t arena[2 * JOURNAL_INPUT_MAX_JOURNAL];
};

/* False where there are more records than there is room for. */
bool second_read(struct second *second, const struct journal_made *made,
                 const struct journal_identity *image);

/* Sector `i` of a change: its new content's hash, its old content. */
uint64_t second_hash(const struct second_record *record, uint64_t i);
const uint8_t *second_old(const struct second_record *record, uint64_t i);

/* True if the record changes this sector of the image; its number in the record. */
bool second_covers(const struct second_record *record, uint64_t sector, uint64_t *i);

/*
 * True if a writer may have made it, of an image that now has this size: the changes of
 * each sector follow from each other, all contents on the way being different; the switch
 * is the last one; and no old content has anything behind the end.
 */
bool second_is_consistent(const struct second *second, uint64_t size);

#endif
