/* SPDX-License-Identifier: MIT */
/*
 * Tables of bitmaps that are read along with others: each entry is the file's, in
 * whatever order, kept or not, and few doorbells are rung.
 */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/table_readahead.h"
#include "guest/rt/bytes.h"

#define CLUSTER  512u
#define BITMAPS  5000u
#define ENTRY    32u
#define TABLES   (1ull << 20)  /* where the first one is */
#define TAILS    (64ull << 20) /* of the first one's data */
#define BIG      (128ull << 20)
#define BIG_SIZE 10000u /* entries: more than are read at a time */

static struct header header;
static struct directory directory;
static uint8_t list[BITMAPS * ENTRY];
static struct directory_entry bitmaps[BITMAPS];
static bool kept;

static uint64_t table_size(uint32_t i)
{
        return i == 1001 ? BIG_SIZE : i == 2001 ? 0 : 1 + i % 7;
}

/* Several have the table of the one before, and one lies where no file can be. */
static uint64_t table_offset(uint32_t i)
{
        if (i == 3001)
                return UINT64_MAX - CLUSTER + 1;
        return i == 1001 ? BIG : TABLES + (i - (i % 50 == 7 ? 7ull : 0)) * CLUSTER;
}

static uint64_t data_offset(uint32_t i)
{
        return TAILS + i * (uint64_t)CLUSTER;
}

static uint8_t tail_byte(uint32_t i)
{
        return (uint8_t)(i * 37 + 1);
}

static void write_word(uint64_t offset, uint64_t word)
{
        uint8_t bytes[8];
        store_be64(bytes, word);
        assert_true(native_image_write(guest_image, offset, bytes, sizeof bytes));
}

static void put(uint32_t i)
{
        struct directory_new_entry entry = {
            .name = {(const uint8_t *)"name", 4},
            .table_offset = table_offset(i),
            .table_entries = (uint32_t)table_size(i),
            .granularity_bits = 9,
        };
        directory_store_entry(list + i * ENTRY, &entry);
        assert_true(directory_entry_at(&directory, i * ENTRY, &bitmaps[i]));
        if (i == 3001 || (i % 50 == 7))
                return;
        for (uint64_t k = 0; k < table_size(i); k++)
                write_word(table_offset(i) + k * 8,
                           k + 1 == table_size(i) ? data_offset(i) : i * 1000003ull + k);
        uint8_t data[CLUSTER];
        memset(data, tail_byte(i), sizeof data);
        assert_true(native_image_write(guest_image, data_offset(i), data, sizeof data));
}

/* A disk of 100 granules: 64 bits and 36 of the second word, and the rest is behind it.
 */
static int set_up(void **state)
{
        guest_set_up(state);
        header = (struct header){
            .cluster_bits = 9, .cluster_size = CLUSTER, .size = 100ull << 9};
        directory = (struct directory){.bytes = list, .size = sizeof list};
        for (uint32_t i = 0; i < BITMAPS; i++)
                put(i);
        kept = false;
        return 0;
}

#define READAHEAD(name) cmocka_unit_test_setup_teardown(name, set_up, guest_tear_down)

static void start(enum table_readahead_scope scope)
{
        table_readahead_start(&header, &directory, scope);
        if (kept)
                table_readahead_keep();
}

static void expect_table(uint32_t i)
{
        uint32_t own = i % 50 == 7 ? i - 7 : i;
        bool whole = table_size(i) == table_size(own);
        for (uint64_t k = 0; i != 3001 && k < table_size(i); k++) {
                uint64_t entry = table_readahead_entry(&bitmaps[i], k);
                assert_int_equal(entry,
                                 load_be64(guest_image->bytes + table_offset(i) + k * 8));
                if (whole && k + 1 < table_size(i))
                        assert_int_equal(entry, own * 1000003ull + k);
        }
}

static void walk(void)
{
        start(TABLE_READAHEAD_TABLES);
        for (int round = 0; round < 3; round++) {
                for (uint32_t i = 0; i < BITMAPS; i++)
                        expect_table(i);
                table_readahead_again(TABLE_READAHEAD_TABLES);
        }
}

static void every_entry_is_the_files(void **state)
{
        (void)state;
        in_guest(walk);
        kept = true;
        in_guest(walk);
}

static void leap(void)
{
        start(TABLE_READAHEAD_TAILS);
        for (uint32_t i = 0; i < BITMAPS; i++)
                expect_table((uint32_t)(i * 1237ull % BITMAPS));
        for (uint32_t i = 0; i < BITMAPS; i += 17)
                expect_table(i);
        for (uint32_t i = BITMAPS; i--;)
                expect_table(i);
}

static void in_any_order(void **state)
{
        (void)state;
        in_guest(leap);
        kept = true;
        in_guest(leap);
}

static void walk_with_tails(void)
{
        start(TABLE_READAHEAD_TAILS);
        for (uint32_t i = 0; i < BITMAPS; i++) {
                uint32_t own = i % 50 == 7 ? i - 7 : i;
                expect_table(i);
                if (own != i || !table_size(i) || i == 3001)
                        continue;
                const uint8_t *tail = table_readahead_tail(&bitmaps[i]);
                assert_non_null(tail);
                for (uint32_t k = 0; k < CLUSTER - 8; k++)
                        assert_int_equal(tail[k], tail_byte(i));
        }
}

static void tails_are_those_of_their_bitmaps(void **state)
{
        (void)state;
        in_guest(walk_with_tails);
        kept = true;
        in_guest(walk_with_tails);
}

static void walk_and_change(void)
{
        start(TABLE_READAHEAD_TABLES);
        expect_table(20);
        write_word(table_offset(21), 0x123456);
        table_readahead_forget();
        assert_int_equal(table_readahead_entry(&bitmaps[21], 0), 0x123456);
}

static void what_is_forgotten_is_read_anew(void **state)
{
        (void)state;
        in_guest(walk_and_change);
}

/* The big table takes one for each window of it. */
static void walk_once(void)
{
        start(TABLE_READAHEAD_TABLES);
        for (uint32_t i = 0; i < BITMAPS; i++)
                expect_table(i);
}

static void a_few_doorbells_read_thousands_of_tables(void **state)
{
        (void)state;
        assert_in_range(in_guest(walk_once).doorbells, 2, 20);
        kept = true;
        assert_in_range(in_guest(walk).doorbells, 2, 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            READAHEAD(every_entry_is_the_files),
            READAHEAD(in_any_order),
            READAHEAD(tails_are_those_of_their_bitmaps),
            READAHEAD(what_is_forgotten_is_read_anew),
            READAHEAD(a_few_doorbells_read_thousands_of_tables),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
