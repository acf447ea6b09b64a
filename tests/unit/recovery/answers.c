/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include "left_edit.h"
#include "tests/unit/journal/cmocka_all.h"

struct answers answers;

static int prove(struct image *image, const struct abi_range *ranges, size_t count,
                 enum recovery_proof *proof)
{
        answers.proofs++;
        assert_ptr_equal(image, answers.image);
        assert_int_equal(count, LEFT_CLAIMS);
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(ranges[i].offset, left_edit_claims[i].offset);
                assert_int_equal(ranges[i].length, left_edit_claims[i].length);
        }
        *proof = answers.proof;
        return answers.proof_error;
}

static int check(struct image *image, enum recovery_soundness *soundness)
{
        answers.checks++;
        assert_ptr_equal(image, answers.image);
        *soundness = answers.soundness;
        return answers.check_error;
}

const struct recovery_examiner answers_examiner = {.prove = prove, .check = check};
