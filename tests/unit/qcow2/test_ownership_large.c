/* SPDX-License-Identifier: MIT */
/*
 * What small images do not reach: claims so far apart that the filter is coarse, more
 * claims than the list first has room for, and L2 tables that neither the list nor
 * the buffer can hold at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guest/qcow2/ownership.h"
#include "tests/unit/qcow2/ownership_platform.h"

/* A file whose first part is in memory; the rest is a hole, so that it reads as
 * zeros and may still be named. */
struct large_image {
        struct header header;
        uint8_t *bytes;
        uint64_t size;
        uint64_t file_size;
};

static void put64(struct large_image *image, uint64_t offset, uint64_t value)
{
        assert_true(offset + 8 <= image->size);
        for (uint32_t i = 0; i < 8; i++)
                image->bytes[offset + i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Cluster 1: refcount table; from 2 on: L1 table for `l2_tables`. */
static void make(struct large_image *image, uint32_t cluster_bits, uint32_t l2_tables,
                 uint64_t clusters_in_memory, uint64_t file_clusters)
{
        *image = (struct large_image){
            .header = {.version = 3,
                       .cluster_bits = cluster_bits,
                       .cluster_size = 1ull << cluster_bits,
                       .refcount_table_offset = 1ull << cluster_bits,
                       .refcount_table_clusters = 1,
                       .l1_offset = 2ull << cluster_bits,
                       .l1_size = l2_tables},
            .size = clusters_in_memory << cluster_bits,
            .file_size = file_clusters << cluster_bits,
        };
        image->bytes = calloc(1, image->size);
        assert_non_null(image->bytes);
}

static struct ownership *begin(const struct large_image *image, uint64_t arena)
{
        struct ownership *ownership;
        platform_start(image->bytes, image->size, arena);
        assert_int_equal(ownership_begin(&image->header, image->file_size, &ownership),
                         ABI_OK);
        return ownership;
}

static void seal_and_prove(struct ownership *ownership)
{
        bool provable;
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        assert_int_equal(ownership_prove(ownership, true, &provable), ABI_OK);
        assert_true(provable);
}

/* 4096 claims over 2^34 clusters: a filter bit stands for thousands.  The L2 table names
 * every second claim, and a free neighbour of each. */
static void claims_far_apart_are_told_from_their_neighbours(void **state)
{
        const uint64_t step = 1ull << 22, claims = 4096, low = 1000;
        struct large_image image;
        (void)state;
        make(&image, 16, 2, 8, low + step * claims);
        put64(&image, 2 << 16, 4 << 16);
        put64(&image, (2 << 16) + 8, 5 << 16);
        struct ownership *ownership = begin(&image, PLATFORM_ARENA);
        for (uint64_t i = 0; i < claims; i++) {
                /* The order is not ascending, and the list outgrows its first room. */
                uint64_t cluster = low + (i * 1601 % claims) * step;
                assert_int_equal(ownership_claim(ownership, cluster, 1), ABI_OK);
        }
        for (uint64_t i = 0; i < claims; i++) {
                uint64_t named = low + i * step + (i % 2);
                put64(&image, (4ull << 16) + i * 8, 1ull << 63 | named << 16);
                put64(&image, (5ull << 16) + i * 8, (named - i % 2 - 1) << 16);
        }
        seal_and_prove(ownership);
        for (uint64_t i = 0; i < claims; i++) {
                assert_int_equal(ownership_holds(ownership, low + i * step), i % 2);
                assert_false(ownership_holds(ownership, low + i * step + 1));
        }
        free(image.bytes);
}

#define MANY_TABLES 3000u

/* Each L2 table names one cluster of its own; no two tables are neighbours, and the
 * L1 table names them from the last to the first. */
static void make_many_tables(struct large_image *image)
{
        const uint64_t first_table = 64, first_data = first_table + 2ull * MANY_TABLES;
        make(image, 9, MANY_TABLES, first_data, first_data + MANY_TABLES);
        for (uint32_t i = 0; i < MANY_TABLES; i++) {
                uint64_t table = first_table + 2ull * (MANY_TABLES - 1 - i);
                put64(image, (2ull << 9) + i * 8, table << 9);
                if (i % 3)
                        put64(image, (table << 9) + i % 64 * 8, (first_data + i) << 9);
        }
}

static void assert_many_tables_are_proved(const struct large_image *image, uint64_t arena)
{
        const uint64_t first_table = 64, first_data = first_table + 2ull * MANY_TABLES;
        struct ownership *ownership = begin(image, arena);
        assert_int_equal(ownership_claim(ownership, first_table, 3ull * MANY_TABLES),
                         ABI_OK);
        seal_and_prove(ownership);
        for (uint32_t i = 0; i < MANY_TABLES; i++) {
                assert_false(ownership_holds(ownership, first_table + 2ull * i));
                assert_true(ownership_holds(ownership, first_table + 2ull * i + 1));
                assert_int_equal(ownership_holds(ownership, first_data + i), i % 3 == 0);
        }
}

static void many_l2_tables_are_proved_in_any_arena(void **state)
{
        struct large_image image;
        (void)state;
        make_many_tables(&image);
        assert_many_tables_are_proved(&image, PLATFORM_ARENA);
        uint64_t with_room = platform_rings;
        assert_many_tables_are_proved(&image, 44u << 10);
        assert_true(platform_rings > 20 * with_room); /* piece by piece */
        free(image.bytes);
}

static void arena_too_small_proves_nothing(void **state)
{
        struct large_image image;
        uint64_t refused = 0;
        (void)state;
        make_many_tables(&image);
        for (uint64_t arena = 0; arena < 48u << 10; arena += 512) {
                struct ownership *ownership;
                bool provable = false;
                platform_start(image.bytes, image.size, arena);
                enum abi_code code =
                    ownership_begin(&image.header, image.file_size, &ownership);
                if (code == ABI_OK)
                        code = ownership_claim(ownership, 65, 1);
                if (code == ABI_OK)
                        code = ownership_seal(ownership);
                if (code == ABI_OK)
                        code = ownership_prove(ownership, true, &provable);
                assert_true(code == ABI_OK || code == ABI_TOO_LARGE);
                assert_int_equal(provable, code == ABI_OK);
                if (code == ABI_OK)
                        assert_true(ownership_holds(ownership, 65));
                refused += code == ABI_TOO_LARGE;
        }
        assert_in_range(refused, 10, 95);
        free(image.bytes);
}

/* 8 MiB of L2 tables in one run are read 2 MiB at a time, and looked at to the last
 * entry. */
static void adjacent_l2_tables_are_read_in_large_pieces(void **state)
{
        struct large_image image;
        (void)state;
        make(&image, 16, 128, 4 + 128, 4 + 128 + 10);
        for (uint64_t i = 0; i < 128; i++) {
                put64(&image, (2ull << 16) + i * 8, (4 + i) << 16);
                for (uint64_t entry = 0; entry < 8192; entry++)
                        put64(&image, ((4 + i) << 16) + entry * 8, 1ull << 40);
        }
        put64(&image, (131ull << 16) + 65528, 140ull << 16); /* the last entry of all */
        struct ownership *ownership = begin(&image, PLATFORM_ARENA);
        assert_int_equal(ownership_claim(ownership, 132, 10), ABI_OK);
        seal_and_prove(ownership);
        for (uint64_t i = 132; i < 142; i++)
                assert_int_equal(ownership_holds(ownership, i), i != 140);
        assert_in_range(platform_rings, 5, 9);
        free(image.bytes);
}

/* Entries that take 168 bytes, padding included: 65536 = 390 * 168 + 16, so that a fixed
 * part of 40 bytes lies across the end of the first 64 KiB. */
static void snapshot_table_longer_than_one_read_is_walked(void **state)
{
        const uint32_t snapshots = 2000;
        const uint64_t table = 4ull << 12, first_l1 = 200;
        struct large_image image;
        (void)state;
        make(&image, 12, 0, first_l1 + snapshots, first_l1 + 2 * snapshots);
        image.header.snapshots_offset = table;
        image.header.snapshot_count = snapshots;
        uint64_t at = table;
        for (uint32_t i = 0; i < snapshots; i++) {
                uint64_t name = 113 + i % 8, extra = 8;
                at = (at + 7) & ~7ull;
                put64(&image, at, (first_l1 + i) << 12);
                put64(&image, at + 8, 1ull << 32 | name);
                put64(&image, at + 32, extra);
                at += 40 + extra + name;
                if (i % 2)
                        put64(&image, (first_l1 + i) << 12,
                              (first_l1 + snapshots + i) << 12);
        }
        assert_true(at - table > 3u << 16 && at < first_l1 << 12);
        struct ownership *ownership = begin(&image, PLATFORM_ARENA);
        assert_int_equal(ownership_claim(ownership, 1, first_l1 + 2ull * snapshots),
                         ABI_OK);
        seal_and_prove(ownership);
        uint64_t last = (at - 1) >> 12;
        for (uint64_t i = 4; i < first_l1; i++)
                assert_int_equal(ownership_holds(ownership, i), i > last);
        for (uint64_t i = 0; i < snapshots; i++) {
                assert_false(ownership_holds(ownership, first_l1 + i));
                assert_int_equal(ownership_holds(ownership, first_l1 + snapshots + i),
                                 i % 2 == 0);
        }
        free(image.bytes);
}

static bool is_provable(const struct large_image *image)
{
        struct ownership *ownership = begin(image, PLATFORM_ARENA);
        bool provable;
        assert_int_equal(ownership_claim(ownership, 8, 1), ABI_OK);
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        assert_int_equal(ownership_prove(ownership, true, &provable), ABI_OK);
        return provable;
}

static void tables_over_the_formats_limits_prove_nothing(void **state)
{
        struct large_image image;
        (void)state;
        make(&image, 16, (32u << 20) / 8, 8, 1ull << 20);
        assert_true(is_provable(&image));
        image.header.l1_size++;
        assert_false(is_provable(&image));
        image.header.l1_size = 0;
        image.header.snapshots_offset = 4 << 16;
        image.header.snapshot_count = 1;
        put64(&image, (4 << 16) + 32, (64u << 20) - 40); /* extra data */
        assert_true(is_provable(&image));
        put64(&image, (4 << 16) + 32, (64u << 20) - 39);
        assert_false(is_provable(&image));
        free(image.bytes);
}

/* More tables than pieces are noted at once. */
static void each_of_many_bitmap_tables_is_contested(void **state)
{
        const uint64_t tables = 150;
        struct large_image image;
        (void)state;
        make(&image, 12, 0, 10 + tables, 10 + 3 * tables);
        struct ownership *ownership = begin(&image, PLATFORM_ARENA);
        assert_int_equal(ownership_claim(ownership, 10, 3 * tables), ABI_OK);
        assert_int_equal(ownership_seal(ownership), ABI_OK);
        for (uint64_t i = 0; i < tables; i++) {
                put64(&image, ((10 + i) << 12) + 8, (10 + tables + 2 * i) << 12);
                ownership_contest_table(ownership, (10 + i) << 12, 2);
        }
        seal_and_prove(ownership);
        for (uint64_t i = 0; i < tables; i++) {
                assert_false(ownership_holds(ownership, 10 + i));
                assert_false(ownership_holds(ownership, 10 + tables + 2 * i));
                assert_true(ownership_holds(ownership, 10 + tables + 2 * i + 1));
        }
        free(image.bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(claims_far_apart_are_told_from_their_neighbours),
            cmocka_unit_test(many_l2_tables_are_proved_in_any_arena),
            cmocka_unit_test(arena_too_small_proves_nothing),
            cmocka_unit_test(snapshot_table_longer_than_one_read_is_walked),
            cmocka_unit_test(tables_over_the_formats_limits_prove_nothing),
            cmocka_unit_test(each_of_many_bitmap_tables_is_contested),
            cmocka_unit_test(adjacent_l2_tables_are_read_in_large_pieces),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
