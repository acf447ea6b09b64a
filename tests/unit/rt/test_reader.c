/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/rt/checked.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/fingerprint.h"
#include "guest/rt/reader.h"
#include "tests/unit/rt/platform.h"

static int reset(void **state)
{
        (void)state;
        platform_reset();
        return 0;
}

static void nothing_queued_rings_nothing(void **state)
{
        uint8_t byte;

        (void)state;
        read_queue(7, &byte, 0);
        read_flush();
        assert_int_equal(platform.rings, 0);
}

static void queued_reads_go_out_together(void **state)
{
        uint8_t low[100];
        uint8_t high[50];

        (void)state;
        read_queue(0x1234, low, sizeof low);
        read_queue(1ull << 40, high, sizeof high);
        assert_int_equal(platform.rings, 0);
        read_flush();
        assert_int_equal(platform.rings, 1);
        assert_int_equal(platform.doorbells[0].count, 2);
        for (unsigned i = 0; i < sizeof low; i++)
                assert_int_equal(low[i], platform_image_byte(0x1234 + i));
        assert_int_equal(high[49], platform_image_byte((1ull << 40) + 49));
        read_flush();
        assert_int_equal(platform.rings, 1);
}

static void full_doorbell_rings_by_itself(void **state)
{
        static uint8_t bytes[ABI_MAX_REQUESTS + 1];

        (void)state;
        for (unsigned i = 0; i < sizeof bytes; i++)
                read_queue(i, &bytes[i], 1);
        assert_int_equal(platform.rings, 1);
        read_flush();
        assert_int_equal(platform.rings, 2);
        assert_int_equal(platform.doorbells[0].count, ABI_MAX_REQUESTS);
        assert_int_equal(platform.doorbells[1].count, 1);
        for (unsigned i = 0; i < sizeof bytes; i++)
                assert_int_equal(bytes[i], platform_image_byte(i));
}

/* The host ends a guest that asks for more in one doorbell. */
static void no_doorbell_moves_more_than_its_bound(void **state)
{
        uint8_t *nowhere = (uint8_t *)(uintptr_t)ABI_ARENA_BASE;
        uint64_t next = 0;

        (void)state;
        platform.answer_reads = false;
        read_queue(0, nowhere, 2 * ABI_MAX_TRANSFER + 5);
        read_queue(2 * ABI_MAX_TRANSFER + 5, nowhere + 2 * ABI_MAX_TRANSFER + 5, 10);
        read_flush();
        for (unsigned ring = 0; ring < platform.rings; ring++) {
                const struct abi_doorbell *doorbell = &platform.doorbells[ring];
                uint64_t sum = 0;
                for (uint32_t i = 0; i < doorbell->count; i++) {
                        const struct abi_request *request = &doorbell->requests[i];
                        assert_int_equal(request->offset, next);
                        assert_int_equal(request->addr, ABI_ARENA_BASE + next);
                        next += request->length;
                        sum += request->length;
                }
                assert_true(sum <= ABI_MAX_TRANSFER);
        }
        assert_int_equal(next, 2 * ABI_MAX_TRANSFER + 15);
}

/* Reference values of XXH3-64 with seed 0, from the algorithm's own sanity test. */
static void fingerprint_is_xxh3(void **state)
{
        static uint8_t pattern[2048];
        uint64_t generator = 2654435761u;

        (void)state;
        for (unsigned i = 0; i < sizeof pattern; i++) {
                pattern[i] = (uint8_t)(generator >> 56);
                generator *= 11400714785074694797ull;
        }
        assert_true(fingerprint(pattern, 0) == 0x2d06800538d394c2ull);
        assert_true(fingerprint(pattern, 1) == 0xc44bdff4074eecdbull);
        assert_true(fingerprint(pattern, 6) == 0x27b56a84cd2d7325ull);
        assert_true(fingerprint(pattern, 2048) == 0xdd59e2c3a5f038e0ull);
}

static void sums_and_products_that_do_not_fit_are_refused(void **state)
{
        uint64_t value;

        (void)state;
        assert_true(checked_add(UINT64_MAX - 1, 1, &value));
        assert_false(checked_add(UINT64_MAX, 1, &value));
        assert_true(checked_mul(1ull << 32, (1ull << 32) - 1, &value));
        assert_false(checked_mul(1ull << 32, 1ull << 32, &value));
        assert_true(checked_round_up(UINT64_MAX - 511, 512, &value));
        assert_int_equal(value, UINT64_MAX - 511);
        assert_false(checked_round_up(UINT64_MAX - 510, 512, &value));
        assert_int_equal(divide_up(UINT64_MAX, 512), 1ull << 55);
        assert_int_equal(divide_up(0, 512), 0);
}

static void ranges_are_compared_without_overflow(void **state)
{
        (void)state;
        assert_true(range_inside(10, 0, 10));
        assert_true(range_inside(0, 10, 10));
        assert_false(range_inside(1, 10, 10));
        assert_false(range_inside(UINT64_MAX, 2, 10));
        assert_false(range_inside(2, UINT64_MAX, 10));
        assert_true(ranges_overlap(0, 2, 1, 1));
        assert_false(ranges_overlap(0, 1, 1, 1));
        assert_false(ranges_overlap(5, 0, 0, 10));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset)
        const struct CMUnitTest tests[] = {
            TEST(nothing_queued_rings_nothing),
            TEST(queued_reads_go_out_together),
            TEST(full_doorbell_rings_by_itself),
            TEST(no_doorbell_moves_more_than_its_bound),
            TEST(fingerprint_is_xxh3),
            TEST(sums_and_products_that_do_not_fit_are_refused),
            TEST(ranges_are_compared_without_overflow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
