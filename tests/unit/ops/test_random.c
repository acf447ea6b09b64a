/* SPDX-License-Identifier: MIT */
/*
 * Seeded random images and invocations against the model: after every run the list is
 * what the model says, nothing is corrupt, and nothing has leaked.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/model.h"
#include "tests/unit/ops/ops.h"
#include "tests/unit/ops/random_edits.h"

static uint64_t seed_now;

static void random_run(struct ops *ops, struct model *model, uint64_t *refused)
{
        struct abi_call call;
        random_call(model, &call);
        enum abi_code expected = model_apply(model, &call);
        enum abi_code code = ops_run_call(ops, &call);
        const char *difference = model_difference(model, &ops->read);
        if (code == ABI_NO_SPACE && !expected) {
                /* The header cluster of 512 bytes may be full: the model has no header.
                 */
                assert_int_equal(ops->read.cluster_bits, 9);
                model_free(model);
                model_take(model, &ops->read);
                return;
        }
        if (code != expected)
                fail_msg("code %d instead of %d", code, expected);
        if (difference)
                fail_msg("the model differs: %s", difference);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
        *refused += code != ABI_OK;
}

/* Every sixth image lies on a block device, with what others have left behind it. */
static void random_place(struct ops *ops)
{
        bool device = !random_below(6);
        native_host_set_block_device(ops->host, device);
        if (!device)
                return;
        uint64_t from = (ops->image->size + 65535) / 65536 * 65536;
        for (uint64_t at = from; at < from + (2 << 20); at += 512)
                if (random_below(4))
                        native_image_write(ops->image, at + random_below(505), "garbage",
                                           7);
        native_image_resize(ops->image, from + (16 << 20));
        ops_look(ops);
}

static void random_history(struct ops *ops, uint64_t seed, uint64_t *refused)
{
        static struct model model;
        struct made_options options;
        random_start(seed);
        random_image(&options);
        ops_make(ops, &options);
        random_place(ops);
        model_take(&model, &ops->read);
        for (int i = 0; i < 25; i++)
                random_run(ops, &model, refused);
        model_free(&model);
}

static void random_histories_agree_with_the_model(void **state)
{
        struct ops ops;
        uint64_t refused = 0;
        const uint64_t histories = 600;
        (void)state;
        ops_open(&ops);
        for (uint64_t seed = 1; seed <= histories; seed++) {
                seed_now = seed;
                random_history(&ops, seed, &refused);
        }
        ops_close(&ops);
        /* Neither all refused nor none. */
        assert_in_range(refused, histories * 5, histories * 20);
        printf("%llu runs, %llu refused\n", (unsigned long long)histories * 25,
               (unsigned long long)refused);
}

static int tell_seed(void **state)
{
        (void)state;
        print_message("last seed: %llu\n", (unsigned long long)seed_now);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_teardown(random_histories_agree_with_the_model, tell_seed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
