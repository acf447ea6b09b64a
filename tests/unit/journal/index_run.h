/* SPDX-License-Identifier: MIT */
/* Runs of the program, as far as the index sees them, and what the database then has. */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_INDEX_RUN_H
#define INSTAR_TESTS_UNIT_JOURNAL_INDEX_RUN_H

#include <stdbool.h>
#include <sys/types.h>

#include "journal/index_db.h"
#include "journal/journal.h"
#include "scratch.h"

struct index_run {
        struct scratch scratch;
        char state[4200];
        char data[4300]; /* the database's file */
        struct journal_identity identity;
        unsigned int transactions;
        char last[33]; /* transaction put last */
};

/* Of cmocka. */
int index_run_set_up(void **state);
int index_run_tear_down(void **state);

/* A whole run. */
int index_run(struct index_run *f, const char *journal_path);

/* Put an entry, and wait for it. */
int index_put(struct index_run *f, struct journal_index *index, const char *journal_path);

struct listing {
        unsigned int count;
        char transactions[64][33];
};

void index_list(struct index_run *f, struct listing *listing);
bool is_listed(const struct listing *listing, const char *transaction);

/* SIGCHLD is ignored, so this waits for all children to be gone. */
void wait_for_children(void);

/* The kernel's list of our children: how many, and one of them. */
unsigned int list_children(pid_t *child);

double seconds(void);

#endif
