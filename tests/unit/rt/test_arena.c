/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/rt/arena.h"
#include "tests/unit/rt/platform.h"

static int reset(void **state)
{
        (void)state;
        platform_reset();
        return 0;
}

static void assert_zeros(const uint8_t *bytes, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (bytes[i])
                        fail_msg("byte %zu is %u", i, bytes[i]);
}

static void pieces_are_aligned_and_apart(void **state)
{
        uint8_t *first = arena_alloc(1);
        uint8_t *second = arena_alloc(17);
        uint8_t *third = arena_alloc(16);

        (void)state;
        assert_ptr_equal(first, rt_arena_base());
        assert_ptr_equal(second, first + 16);
        assert_ptr_equal(third, second + 32);
}

static void exhaustion_gives_null_and_takes_nothing(void **state)
{
        (void)state;
        assert_non_null(arena_alloc(PLATFORM_ARENA - 16));
        assert_null(arena_alloc(17));
        assert_int_equal(arena_left(), 16);
        assert_non_null(arena_alloc(16));
        assert_int_equal(arena_left(), 0);
        assert_null(arena_alloc(1));
}

static void lengths_near_the_end_of_numbers_give_null(void **state)
{
        const uint64_t lengths[] = {UINT64_MAX,      UINT64_MAX - 14, UINT64_MAX - 15,
                                    UINT64_MAX - 16, UINT64_MAX - 31, UINT64_MAX - 32};

        (void)state;
        arena_alloc(16);
        for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
                assert_null(arena_alloc(lengths[i]));
        assert_int_equal(arena_mark(), 16);
}

static void all_that_is_left_can_be_had(void **state)
{
        (void)state;
        arena_alloc(100);
        assert_non_null(arena_alloc(arena_left()));
        assert_int_equal(arena_left(), 0);
}

static void released_memory_is_cleared_again(void **state)
{
        uint64_t mark;
        uint8_t *again;

        (void)state;
        arena_alloc(32);
        mark = arena_mark();
        memset(arena_alloc(1000), 0xaa, 1000);
        arena_release(mark);
        again = arena_alloc(2000);
        assert_ptr_equal(again, rt_arena_base() + 32);
        assert_zeros(again, 2000);
}

static void memory_below_the_mark_is_kept(void **state)
{
        uint8_t *kept = arena_alloc(64);
        uint64_t mark = arena_mark();

        (void)state;
        memset(kept, 0x55, 64);
        arena_alloc(64);
        arena_release(mark);
        arena_alloc(128);
        assert_int_equal(kept[63], 0x55);
}

static void mark_above_the_used_releases_nothing(void **state)
{
        (void)state;
        arena_alloc(64);
        arena_release(1000);
        assert_int_equal(arena_mark(), 64);
}

/* An untouched page costs the guest 20 microseconds. */
static void fresh_memory_is_not_touched(void **state)
{
        uint8_t *base = rt_arena_base();

        (void)state;
        memset(base, 0x77, 4096);
        assert_int_equal(*(uint8_t *)arena_alloc(4096), 0x77);
}

static void populate_asks_once_for_whole_huge_pages(void **state)
{
        (void)state;
        arena_alloc(100);
        arena_populate(3 << 20);
        arena_populate(1 << 20); /* inside what was asked for */
        assert_int_equal(platform.rings, 1);
        assert_int_equal(platform.doorbells[0].count, 1);
        assert_int_equal(platform.doorbells[0].requests[0].op, ABI_POPULATE);
        assert_int_equal(platform.doorbells[0].requests[0].length, 4 << 20);
        arena_populate(5 << 20);
        assert_int_equal(platform.rings, 2);
        assert_int_equal(platform.doorbells[1].requests[0].length, 6 << 20);
}

static void populate_is_not_worth_an_exit_for_little(void **state)
{
        (void)state;
        arena_populate((1 << 20) - 1);
        assert_int_equal(platform.rings, 0);
}

static void populate_never_asks_beyond_the_arena(void **state)
{
        (void)state;
        arena_populate(UINT64_MAX);
        assert_int_equal(platform.rings, 0);
        arena_populate(1ull << 40);
        assert_int_equal(platform.doorbells[0].requests[0].length, PLATFORM_ARENA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset)
        const struct CMUnitTest tests[] = {
            TEST(pieces_are_aligned_and_apart),
            TEST(exhaustion_gives_null_and_takes_nothing),
            TEST(lengths_near_the_end_of_numbers_give_null),
            TEST(all_that_is_left_can_be_had),
            TEST(released_memory_is_cleared_again),
            TEST(memory_below_the_mark_is_kept),
            TEST(mark_above_the_used_releases_nothing),
            TEST(fresh_memory_is_not_touched),
            TEST(populate_asks_once_for_whole_huge_pages),
            TEST(populate_is_not_worth_an_exit_for_little),
            TEST(populate_never_asks_beyond_the_arena),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
