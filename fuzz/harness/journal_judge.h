/* SPDX-License-Identifier: MIT */
/* What every run of the journal harness has to satisfy. */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_JUDGE_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_JUDGE_H

#include "fuzz/harness/journal_world.h"

/* Two readers see the same, forward, backward, and another time. */
void journal_judge_reader(const struct journal_world *world, const struct second *second);

/* Recovery does what the model says; whole, cut off and begun again, and with an error.
 */
void journal_judge_recovery(const struct journal_world *world,
                            const struct second *second,
                            const struct journal_model *model);

/* Say what is wrong, and abort. */
_Noreturn void journal_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
