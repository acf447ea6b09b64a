/* SPDX-License-Identifier: MIT */
/* How a journal is shown: journal_show.c walks through it, a view has the words. */
#ifndef INSTAR_HOST_CLI_JOURNAL_VIEW_H
#define INSTAR_HOST_CLI_JOURNAL_VIEW_H

#include <stdbool.h>

#include "host/cli/output.h"
#include "journal/read.h"
#include "journal/tally.h"

enum shown_state {
        SHOWN_NEVER_BEGUN, /* no closed batch: the image was not touched */
        SHOWN_PENDING,
        SHOWN_RECOVERING, /* pending, and a recovery was begun */
        SHOWN_DONE,
        SHOWN_ABORTED,
};

/* Whether a process holds the lock of a living writer. */
enum shown_writer {
        SHOWN_WRITER_UNKNOWN, /* the file system has no such locks */
        SHOWN_WRITER_GONE,
        SHOWN_WRITER_ALIVE,
};

struct shown_journal {
        const char *path; /* as typed */
        enum shown_state state;
        enum shown_writer writer;
        const struct journal_reader *reader; /* has examined the whole file */

        /* the first record, which the head may show; asked.kind 0: none counts */
        struct journal_record asked;

        /* complete in the tail */
        struct journal_tally tally;
};

/* Called in this order: head; for each batch begin, its changes and claims, end; tail. */
struct journal_view {
        void (*head)(struct output *output, const struct shown_journal *journal);
        void (*batch_begin)(struct output *output, uint32_t number);
        void (*change)(struct output *output, const struct journal_record *record,
                       bool first_of_batch);
        void (*claim)(struct output *output, const struct journal_record *record,
                      bool first_of_batch);
        void (*batch_end)(struct output *output, const struct journal_record *close);
        void (*tail)(struct output *output, const struct shown_journal *journal);
};

extern const struct journal_view journal_view_human;
extern const struct journal_view journal_view_json;

/* Names of what the file says in numbers, the same in both views. */
const char *old_content_name(enum journal_old old);
const char *identity_kind_name(uint32_t kind);

#define BOOT_TEXT_SIZE 37u

/* As /proc/sys/kernel/random/boot_id has it; false: not known. */
bool boot_text(const uint8_t boot[JOURNAL_BOOT_ID_SIZE], char text[BOOT_TEXT_SIZE]);

#endif
