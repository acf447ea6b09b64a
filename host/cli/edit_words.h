/* SPDX-License-Identifier: MIT */
/* What became of an edit, in words, whichever subcommand asked for it. */
#ifndef INSTAR_HOST_CLI_EDIT_WORDS_H
#define INSTAR_HOST_CLI_EDIT_WORDS_H

#include "host/cli/messages.h"
#include "host/vmm/edit.h"

/* Who asked, and for what. */
struct edit_words {
        const char *command;  /* that the lines begin with */
        const char *path;     /* of the image */
        const char *argument; /* the bitmap that the result speaks of */
        enum message in_use;  /* what ABI_IN_USE means here; 0: what it says */
        bool debug;           /* INSTAR_DEBUG=1 */
};

/* An edit whose switch is durable was done, whatever happened afterwards (invariant 2).
 */
bool edit_was_done(const struct edit_report *report);

/* Its outcome's message; `journal_path`: of the journal, "" before it has a place. */
enum message edit_words_of_outcome(enum edit_outcome outcome, int error,
                                   const char *journal_path);

/* What a message calls the journal. */
const char *edit_words_journal(const char *journal_path);

/* Of one that was not done: the message; the exit code. */
int edit_words_failure(const struct edit_words *words, const struct edit_report *report,
                       struct text *err);

/* Of one that was done: what it left behind. */
void edit_words_leftovers(const struct edit_words *words,
                          const struct edit_report *report, struct text *err);

/* Of any, at last: what the user may miss otherwise. */
void edit_words_notes(const struct edit_words *words, const struct edit_report *report,
                      int exit_code, struct text *err);

#endif
