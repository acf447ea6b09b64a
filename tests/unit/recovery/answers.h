/* SPDX-License-Identifier: MIT */
/* An examiner that answers what a test says, and notes how often it was asked. */
#ifndef INSTAR_TESTS_UNIT_RECOVERY_ANSWERS_H
#define INSTAR_TESTS_UNIT_RECOVERY_ANSWERS_H

#include "host/recovery/recovery.h"

struct answers {
        struct image *image; /* that it is to be asked about */

        /* of the proof that nothing refers to left_edit_claims */
        int proof_error;
        enum recovery_proof proof;
        unsigned int proofs;

        /* of the check */
        int check_error;
        enum recovery_soundness soundness;
        unsigned int checks;
};

extern struct answers answers;
extern const struct recovery_examiner answers_examiner;

#endif
