/* SPDX-License-Identifier: MIT */
/*
 * Images damaged at random, structure by structure: whatever they say, the guest keeps
 * the host's rules, ends, and a refusal has written nothing.  (Fuzzers go further; this
 * is the part that runs every time, under the sanitizers, too.)
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/ops/ops.h"
#include "tests/unit/ops/random_edits.h"

static uint64_t seed_now;

/* Numbers that parsers get wrong. */
static uint64_t odd_number(const struct ops *ops)
{
        const uint64_t size = ops->image->size;
        const uint64_t numbers[] = {0,
                                    1,
                                    2,
                                    7,
                                    8,
                                    511,
                                    512,
                                    513,
                                    4096,
                                    65535,
                                    65536,
                                    size,
                                    size - 1,
                                    size + 1,
                                    size & ~511ull,
                                    size / 2,
                                    INT64_MAX,
                                    UINT64_MAX,
                                    UINT64_MAX - 511,
                                    1ull << 63,
                                    UINT32_MAX,
                                    1ull << 32,
                                    ops->places.directory,
                                    ops->places.l1,
                                    ops->places.refcount_table,
                                    ops->places.refcount_block,
                                    ops->places.tables[0],
                                    ops->places.entries[0],
                                    ops->places.first_data,
                                    ops->places.snapshot_table,
                                    random_below(UINT32_MAX)};
        uint64_t number = numbers[random_below(sizeof numbers / sizeof numbers[0])];
        return random_below(4) ? number : number << random_below(32);
}

static uint64_t random_place(const struct ops *ops)
{
        const struct made_places *p = &ops->places;
        uint64_t bitmap = random_below(ops->options.bitmap_count + 1);
        const uint64_t places[] = {random_below(14) * 8,
                                   8 * random_below(64),
                                   p->bitmaps_record + random_below(4) * 8,
                                   p->bitmaps_record,
                                   p->directory + random_below(16) * 8,
                                   p->entries[bitmap] + random_below(4) * 8,
                                   p->tables[bitmap] + random_below(8) * 8,
                                   p->refcount_table + random_below(4) * 8,
                                   p->refcount_block + random_below(60) * 8,
                                   p->l1 + random_below(4) * 8,
                                   p->snapshot_table + random_below(8) * 8};
        return places[random_below(sizeof places / sizeof places[0])];
}

static void damage(struct ops *ops)
{
        uint64_t count = 1 + random_below(3);
        for (uint64_t i = 0; i < count; i++) {
                uint64_t at = random_place(ops);
                uint64_t number = odd_number(ops);
                switch (random_below(4)) {
                case 0:
                        poke64(ops->image, at, number);
                        break;
                case 1:
                        poke32(ops->image, at + random_below(2) * 4, (uint32_t)number);
                        break;
                case 2:
                        poke16(ops->image, at + random_below(4) * 2, (uint16_t)number);
                        break;
                default:
                        poke64(ops->image, at,
                               peek64(ops->image, at) ^ 1ull << random_below(64));
                }
        }
        if (!random_below(12))
                native_image_resize(ops->image, random_below(ops->image->size));
}

static void random_history(struct ops *ops, uint64_t *accepted)
{
        static struct model model;
        struct made_options options;
        struct abi_call call;
        random_start(seed_now + 700000);
        random_image(&options);
        ops_make(ops, &options);
        model_take(&model, &ops->read);
        damage(ops);
        ops->damaged = true;
        native_host_set_block_device(ops->host, !random_below(8));
        for (int i = 0; i < 4; i++) {
                random_call(&model, &call);
                *accepted += ops_run_call(ops, &call) == ABI_OK;
        }
        model_free(&model);
}

static void damaged_images_never_make_the_guest_break_a_rule(void **state)
{
        struct ops ops;
        uint64_t accepted = 0;
        (void)state;
        ops_open(&ops);
        native_host_set_memory_limit(ops.host, 64 << 20);
        for (seed_now = 1; seed_now <= 2500; seed_now++)
                random_history(&ops, &accepted);
        printf("%llu of 10000 runs went on\n", (unsigned long long)accepted);
        assert_in_range(accepted, 800, 8000);
        ops_close(&ops);
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
            cmocka_unit_test_teardown(damaged_images_never_make_the_guest_break_a_rule,
                                      tell_seed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
