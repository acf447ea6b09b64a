/* SPDX-License-Identifier: MIT */
/* struct journal, shared by begin.c, write.c and undo.c only. */
#ifndef INSTAR_JOURNAL_TRANSACTION_H
#define INSTAR_JOURNAL_TRANSACTION_H

#include "journal/journal.h"
#include "journal/read.h"
#include "journal/undo.h"

/* 64 KiB: a plain edit is one write. */
#define WRITER_BUFFER_SIZE (128u * JOURNAL_SECTOR)

struct journal {
        /* set by journal_prepare() */
        int directory_fd; /* borrowed */
        char name[256];
        char *path;
        struct journal_identity identity;
        uint8_t boot[JOURNAL_BOOT_ID_SIZE];
        uint8_t seed[32]; /* random; each transaction's identifier comes from it */
        uint64_t transactions;
        uint32_t asked_length;
        uint32_t path_length;

        /* the transaction under way */
        int fd; /* -1: none */
        uint8_t id[JOURNAL_ID_SIZE];
        char id_text[2 * JOURNAL_ID_SIZE + 1];
        uint64_t tag;
        uint64_t old_size;
        uint64_t final_size;
        uint64_t sequence;
        uint64_t previous; /* file offset of the record before; 0: none */
        uint64_t batch_count;
        uint32_t batch;
        uint32_t batch_crc;
        uint32_t last_step;
        bool has_switch;
        bool may_be_closed; /* the file may hold a closed batch */
        bool directory_synced;
        int failed; /* the error that ended the writing of batches; 0: none */

        uint64_t buffer_offset; /* in the file */
        size_t fill;
        uint8_t asked[JOURNAL_ASKED_MAX + JOURNAL_PATH_MAX]; /* the text, the path */
        uint8_t buffer[WRITER_BUFFER_SIZE];

        struct journal_reader reader;
        struct journal_undo undo;
};

/* Append `length` payload bytes to the current batch.  0 or a negative errno. */
int writer_append(struct journal *journal, const void *bytes, size_t length);

/* Append the fixed part of a record, whose kind-specific fields are filled in; its
 * sequence and the way back are added here. */
int writer_append_record(struct journal *journal, uint8_t *bytes, size_t length);

/* Write all of it at `offset`, or fail. */
int writer_write(int fd, const uint8_t *bytes, size_t length, uint64_t offset);

#endif
