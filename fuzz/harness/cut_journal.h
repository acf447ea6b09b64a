/* SPDX-License-Identifier: MIT */
/* The journal of the transaction that was open when the operation was cut off. */
#ifndef INSTAR_FUZZ_HARNESS_CUT_JOURNAL_H
#define INSTAR_FUZZ_HARNESS_CUT_JOURNAL_H

#include "fuzz/harness/cut_run.h"
#include "journal/found.h"

/* Write it as the host does, and leave it there. */
void cut_journal_leave(struct cut_run *run);

/* As a new process finds it. */
struct journal_found *cut_journal_open(struct cut_run *run);

bool cut_journal_is_there(void);

#endif
