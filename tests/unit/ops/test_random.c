/* SPDX-License-Identifier: MIT */
/*
 * Seeded random images and invocations against the model: after every run the list is
 * what the model says, nothing is corrupt, and nothing has leaked.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/model.h"
#include "tests/unit/ops/ops.h"

static uint64_t random_state;
static uint64_t seed_now;

static uint64_t below(uint64_t limit)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (random_state >> 11) % limit;
}

/* Names of all lengths; a few, so that they meet again. */
static const char *random_name(void)
{
        static char names[12][1024];
        static bool made;
        for (size_t i = 0; i < 12 && !made; i++) {
                size_t length = i < 8 ? i + 1 : i * 93 - 1;
                memset(names[i], (char)('a' + i), length);
        }
        made = true;
        return names[below(8) ? below(8) : below(12)];
}

static void random_image(struct made_options *options)
{
        static const uint32_t cluster_bits[] = {9, 9, 9, 12, 12, 16};
        static const char names[4][4] = {"a", "bb", "ccc", "s"};
        memset(options, 0, sizeof *options);
        options->cluster_bits = cluster_bits[below(6)];
        options->virtual_size = (1 + below(32768)) * 512;
        options->header_length = below(2) ? 104 : 112;
        options->backing = below(2) ? "some/where/base.img" : NULL;
        options->record_before = below(3) ? 0 : (uint32_t)below(100);
        options->record_behind = below(3) ? 0 : (uint32_t)below(60);
        options->data_clusters = (uint32_t)below(5);
        options->snapshots = below(3) ? 0 : (uint32_t)below(3);
        options->autoclear = below(6) ? 0 : 1ull << (2 + below(62));
        options->free_clusters = below(3) ? 0 : (uint32_t)below(20);
        options->bitmap_count = (uint32_t)below(5);
        options->stale = options->bitmap_count && !below(8);
        options->emptied_record = !options->bitmap_count && below(2);
        for (uint32_t i = 0; i < options->bitmap_count; i++)
                options->bitmaps[i] = (struct made_bitmap){
                    .name = names[i],
                    .granularity_bits = (uint32_t)(below(3) ? 9 : 9 + below(4)),
                    .flags = (uint32_t)(below(8) ? below(2) * 2 : below(4)),
                    .fill = (enum made_fill)below(4),
                    .seed = (uint32_t)below(1000),
                    .dirty_tail = below(4) == 0,
                    .extra_length = below(8) ? 0 : (uint32_t)below(40),
                };
        for (uint32_t i = 0; i < options->bitmap_count; i++)
                if (options->bitmaps[i].extra_length && below(3))
                        options->bitmaps[i].flags |= 4;
        if (options->cluster_bits == 9) {
                options->record_before %= 64;
                options->record_behind %= 32;
        }
}

/* Mostly the name of a bitmap that is there. */
static void random_target(const struct model *model, char name[1024])
{
        if (model->count && below(4)) {
                const struct model_bitmap *bitmap = &model->bitmaps[below(model->count)];
                memcpy(name, bitmap->name, bitmap->name_length);
                name[bitmap->name_length] = '\0';
        } else {
                strcpy(name, random_name());
        }
}

static bool model_has(const struct model *model, const char *name)
{
        for (uint32_t i = 0; i < model->count; i++)
                if (model->bitmaps[i].name_length == strlen(name) &&
                    !memcmp(model->bitmaps[i].name, name, strlen(name)))
                        return true;
        return false;
}

static void random_merge(const struct model *model, struct abi_call *call)
{
        char sources[2048] = "";
        char name[1024];
        uint64_t count = 1 + below(3);
        for (uint64_t i = 0; i < count; i++) {
                random_target(model, name);
                if (strlen(sources) + strlen(name) + 1 < sizeof sources) {
                        strcat(sources, *sources ? "|" : "");
                        strcat(sources, name);
                }
        }
        random_target(model, name);
        ops_call(call, name, "m", 0, sources);
}

/* Mostly actions that are possible where they stand. */
static void random_call(const struct model *model, struct abi_call *call)
{
        char actions[9] = "";
        char name[1024];
        if (!below(3)) {
                random_merge(model, call);
                return;
        }
        random_target(model, name);
        bool there = model_has(model, name);
        uint64_t count = 1 + below(below(3) ? 2 : 8);
        for (uint64_t i = 0; i < count; i++) {
                actions[i] = there ? "rcedcede"[below(8)] : 'a';
                if (!below(24))
                        actions[i] = "arcedx"[below(6)];
                there = actions[i] == 'a' || (there && actions[i] != 'r');
        }
        ops_call(call, name, actions, below(8) ? 512ull << below(3) : below(70000), NULL);
}

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

static void random_history(struct ops *ops, uint64_t seed, uint64_t *refused)
{
        static struct model model;
        struct made_options options;
        random_state = seed * 0x9e3779b97f4a7c15ull + 1;
        random_image(&options);
        ops_make(ops, &options);
        model_take(&model, &ops->read);
        for (int i = 0; i < 25; i++)
                random_run(ops, &model, refused);
        model_free(&model);
}

static void random_histories_agree_with_the_model(void **state)
{
        struct ops ops;
        uint64_t refused = 0;
        const uint64_t histories = 300;
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
