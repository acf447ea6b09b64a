/* SPDX-License-Identifier: MIT */
/* What docs/journal-format.md says becomes of a journal and its image. */
#ifndef INSTAR_FUZZ_HARNESS_JOURNAL_MODEL_H
#define INSTAR_FUZZ_HARNESS_JOURNAL_MODEL_H

#include "fuzz/harness/journal_second.h"
#include "host/recovery/recovery.h"

/* What the examiner answers. */
struct journal_answers {
        int proof_error;
        enum recovery_proof proof;
        int check_error;
        enum recovery_soundness soundness;
};

struct journal_answers journal_model_answers(const struct journal_input *input);

struct journal_model {
        bool is_hot;
        enum recovery_state state; /* what is said of the journal */
        bool undoes;
        struct journal_file end; /* the image */
};

void journal_model(const struct journal_input *input, const struct second *second,
                   const struct journal_file *image, struct journal_model *model);

#endif
