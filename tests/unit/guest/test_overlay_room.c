/* SPDX-License-Identifier: MIT */
/* A plan's words in order, and where the room for words and extents ends. */
#include "tests/unit/guest/overlay_model.h"

static void sort(void)
{
        static uint8_t seen[SIZE / 8];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        for (int i = 0; i < 5000; i++) {
                uint64_t word = below(SIZE / 8);
                set(word * 8, word);
                seen[word] = 1;
        }
        overlay_stop();
        overlay_sort(&overlay);
        for (uint64_t i = 0; i < overlay.count; i++) {
                const struct overlay_word *w = &overlay.words[i];
                assert_true(!i || w[-1].offset < w->offset);
                assert_int_equal(w->values.now, w->offset / 8);
                assert_int_equal(w->old, load_be64(guest_image->bytes + w->offset));
                assert_int_equal(seen[w->offset / 8]--, 1);
        }
        for (size_t i = 0; i < sizeof seen; i++)
                assert_int_equal(seen[i], 0);
}

static void words_come_in_the_order_of_their_offsets(void **state)
{
        (void)state;
        plan(sort);
}

static void sort_few(void)
{
        for (uint64_t count = 0; count < 4; count++) {
                assert_int_equal(overlay_start(&overlay), ABI_OK);
                for (uint64_t i = 0; i < count; i++)
                        set((count - i) * 8, i);
                overlay_stop();
                overlay_sort(&overlay);
                for (uint64_t i = 0; i < count; i++)
                        assert_int_equal(overlay.words[i].offset, (i + 1) * 8);
        }
}

static void few_words_are_sorted_too(void **state)
{
        (void)state;
        plan(sort_few);
}

/* ---- room ----------------------------------------------------------------------------
 */

/* A word in each sector: the most slots that so many words can take. */
static void fill_up(void)
{
        struct overlay_values values = {1, 1, 1};
        uint8_t bytes[8];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        uint64_t most = overlay.capacity;
        for (uint64_t i = 0; i < most; i++)
                assert_int_equal(
                    overlay_put(&overlay, OVERLAY_TABLE, SIZE + i * 512, 0, values),
                    ABI_OK);
        assert_int_equal(overlay_put(&overlay, OVERLAY_TABLE, 0, 0, values),
                         ABI_TOO_LARGE);
        assert_int_equal(
            overlay_put_bytes(&overlay, OVERLAY_TABLE, 0, model, model + 8, 8),
            ABI_TOO_LARGE);
        assert_int_equal(overlay_set(&overlay, OVERLAY_TABLE, SIZE, 1, 2), ABI_OK);
        read_queue(SIZE + (most - 1) * 512, bytes, 8);
        read_flush();
        assert_int_equal(load_be64(bytes), 1);
        expect(0, 16); /* a sector that is not there */
}

static void room_for_words_ends(void **state)
{
        (void)state;
        native_host_set_memory_limit(guest_host, ABI_ARENA_BASE + (8ull << 20));
        plan(fill_up);
}

static void fill_pool(void)
{
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        assert_null(overlay_extent(&overlay, SIZE, UINT64_MAX));
        assert_null(overlay_extent(&overlay, SIZE, overlay.pool_left + 1));
        for (uint64_t i = 0; i < OVERLAY_MAX_EXTENTS; i++)
                assert_non_null(overlay_extent(&overlay, SIZE + i * 512, 512));
        assert_null(overlay_extent(&overlay, SIZE - 512, 512));
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        uint64_t all = overlay.pool_left / 512 * 512;
        assert_non_null(overlay_extent(&overlay, SIZE, all));
        assert_null(overlay_extent(&overlay, SIZE + all, 512));
}

static void room_for_extents_ends(void **state)
{
        (void)state;
        plan(fill_pool);
}

static void start_without_memory(void)
{
        assert_int_equal(overlay_start(&overlay), ABI_TOO_LARGE);
        expect(100, 1000); /* reads go on as before */
}

static void without_memory_there_is_none(void **state)
{
        (void)state;
        native_host_set_memory_limit(guest_host, ABI_ARENA_BASE + (16ull << 10));
        plan(start_without_memory);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            OVERLAY(words_come_in_the_order_of_their_offsets),
            OVERLAY(few_words_are_sorted_too),
            OVERLAY(room_for_words_ends),
            OVERLAY(room_for_extents_ends),
            OVERLAY(without_memory_there_is_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
