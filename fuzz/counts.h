/* SPDX-License-Identifier: MIT */
/*
 * How far the runs of a harness get.  In memory, or in the file that INSTAR_FUZZ_COUNTS
 * names: AFL++ kills and starts again the process that counts.
 */
#ifndef INSTAR_FUZZ_COUNTS_H
#define INSTAR_FUZZ_COUNTS_H

#include <stdint.h>

enum fuzz_count {
        FUZZ_RUNS,
        FUZZ_PAST_HEADER, /* the header was accepted */
        FUZZ_SUCCEEDED,   /* the operation did what it was asked */
        FUZZ_CHANGED,     /* and changed the image */
        FUZZ_JUDGED,      /* an independent reader could judge the result */
        FUZZ_COUNTS
};

/* What each count is called, by the harness; NULL: it has no such thing. */
extern const char *const fuzz_count_words[FUZZ_COUNTS];

void fuzz_count(enum fuzz_count count);
uint64_t fuzz_counted(enum fuzz_count count);

/* One line on standard output: each count, and how many they are for each run. */
void fuzz_counts_print(const char *name);

#endif
