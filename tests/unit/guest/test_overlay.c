/* SPDX-License-Identifier: MIT */
/*
 * A plan on top of an image: reads show the plan, wherever they begin and end, however
 * many are under way; the image itself shows when the plan is left; and nothing is
 * written.
 */
#include "tests/unit/guest/overlay_model.h"

static void extent(uint64_t offset, uint64_t length)
{
        uint8_t *bytes = overlay_extent(&overlay, offset, length);
        assert_non_null(bytes);
        for (uint64_t i = 0; i < length; i++) {
                assert_int_equal(bytes[i], 0);
                bytes[i] = model[offset + i] = (uint8_t)below(256);
        }
}

/* ---- reads ---------------------------------------------------------------------------
 */

static void read_around_words(void)
{
        static const uint64_t words[] = {0, 8, 504, 512, 1016, 4096, SIZE - 8};
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                set(words[i], 0x1122334455667788ull + i);
        for (uint64_t offset = 495; offset < 530; offset++)
                for (uint64_t length = 1; length < 30; length++)
                        expect(offset, length);
        for (uint64_t length = 1; length < 20; length++) {
                expect(0, length);
                expect(SIZE - length, length);
        }
        expect(0, SIZE);
        assert_int_equal(overlay.count, sizeof words / sizeof words[0]);
}

static void reads_that_begin_or_end_inside_a_word_show_it(void **state)
{
        (void)state;
        plan(read_around_words);
}

static void read_around_extents(void)
{
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        extent(SIZE, 512);
        extent(SIZE + 1024, 1024);
        for (uint64_t offset = SIZE - 3; offset < SIZE + 3; offset++)
                for (uint64_t length = 1; length < 530; length += 7)
                        expect(offset, length);
        for (uint64_t offset = SIZE + 500; offset < SIZE + 2060; offset += 11)
                expect(offset, 700);
        expect(SIZE + 1100, 3);
        expect(0, SIZE + 4096);
        assert_int_equal(overlay.count, 0);
}

static void reads_that_begin_or_end_inside_an_extent_show_it(void **state)
{
        (void)state;
        plan(read_around_extents);
}

/* More than the overlay keeps in mind at a time, and than a doorbell holds. */
static void many_reads(void)
{
        static uint8_t bytes[5000][24];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        for (uint64_t offset = 0; offset < SIZE; offset += 24)
                set(offset, below(UINT64_MAX));
        extent(SIZE, 4096);
        for (uint64_t i = 0; i < 5000; i++)
                read_queue(i * 13, bytes[i], sizeof bytes[i]);
        read_flush();
        for (uint64_t i = 0; i < 5000; i++)
                assert_memory_equal(bytes[i], model + i * 13, sizeof bytes[i]);
}

static void any_number_of_reads_fits_between_two_flushes(void **state)
{
        (void)state;
        plan(many_reads);
}

static void random_plan(void)
{
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        extent(SIZE + 2048, 2048);
        extent(8192, 1536); /* on a device, over old content */
        for (int i = 0; i < 3000; i++) {
                uint64_t offset = below(SIZE);
                set(below(SIZE / 8) * 8, below(UINT64_MAX));
                expect(offset, 1 + below(PLANNED - offset - 1) % 3000);
        }
        expect(0, PLANNED - 1);
}

static void a_plan_reads_as_its_model(void **state)
{
        (void)state;
        plan(random_plan);
}

static void leave(void)
{
        static uint8_t bytes[SIZE];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        set(512, ~load_be64(model + 512));
        overlay_stop();
        read_queue(0, bytes, SIZE);
        read_flush();
        assert_memory_equal(bytes, guest_image->bytes, SIZE);
}

static void once_it_is_left_the_image_shows(void **state)
{
        (void)state;
        plan(leave);
}

/* ---- what is remembered --------------------------------------------------------------
 */

static void put_twice(void)
{
        uint64_t old = load_be64(model + 1024);
        uint8_t bytes[8];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        assert_true(overlay_is_empty(&overlay));
        overlay_put(&overlay, OVERLAY_TABLE, 1024, old, (struct overlay_values){1, 2, 3});
        read_queue(1024, bytes, 8);
        read_flush();
        assert_int_equal(load_be64(bytes), 3);
        overlay_put(&overlay, OVERLAY_REFCOUNTS, 1024, 3,
                    (struct overlay_values){4, 5, 6});
        assert_int_equal(overlay.count, 1);
        assert_int_equal(overlay.words[0].old, old);
        assert_int_equal(overlay.words[0].values.first, 4);
        assert_int_equal(overlay.words[0].values.between, 5);
        assert_int_equal(overlay.words[0].values.now, 6);
        assert_int_equal(overlay.words[0].kind, OVERLAY_REFCOUNTS);
        assert_false(overlay_is_empty(&overlay));
        overlay_set(&overlay, OVERLAY_TABLE, 1024, 6, old);
        assert_true(overlay_is_empty(&overlay));
}

static void a_word_put_twice_remembers_the_file(void **state)
{
        (void)state;
        plan(put_twice);
}

static void put_into_extent(void)
{
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        extent(SIZE, 1024);
        set(SIZE, 77);
        set(SIZE + 1016, 78);
        assert_int_equal(overlay.count, 0);
        set(SIZE - 8, 79);
        assert_int_equal(overlay.count, 1);
        expect(SIZE - 16, 1050);
        assert_false(overlay_is_empty(&overlay));
}

static void a_word_of_an_extent_changes_there(void **state)
{
        (void)state;
        plan(put_into_extent);
}

static void put_bytes(void)
{
        uint8_t now[64];
        assert_int_equal(overlay_start(&overlay), ABI_OK);
        memcpy(now, model + 256, sizeof now);
        now[8] ^= 1;
        now[15] ^= 1;
        now[63] ^= 1;
        assert_int_equal(overlay_put_bytes(&overlay, OVERLAY_HEADER, 256, model + 256,
                                           now, sizeof now),
                         ABI_OK);
        memcpy(model + 256, now, sizeof now);
        assert_int_equal(overlay.count, 2);
        expect(250, 80);
}

static void words_that_are_equal_are_left_alone(void **state)
{
        (void)state;
        plan(put_bytes);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            OVERLAY(reads_that_begin_or_end_inside_a_word_show_it),
            OVERLAY(reads_that_begin_or_end_inside_an_extent_show_it),
            OVERLAY(any_number_of_reads_fits_between_two_flushes),
            OVERLAY(a_plan_reads_as_its_model),
            OVERLAY(once_it_is_left_the_image_shows),
            OVERLAY(a_word_put_twice_remembers_the_file),
            OVERLAY(a_word_of_an_extent_changes_there),
            OVERLAY(words_that_are_equal_are_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
