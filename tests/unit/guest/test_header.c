/* SPDX-License-Identifier: MIT */
/* The fixed header; the refusals are in tests/unit/ops/test_header_refusals.c. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/header.h"

static struct header header;
static struct header_bytes header_bytes;
static enum abi_code code;

static void read_header(void)
{
        code = header_read(guest_image->size, &header, &header_bytes);
}

static void fields_are_loaded_at_every_cluster_size(void **state)
{
        (void)state;
        for (uint32_t bits = 9; bits <= 21; bits++) {
                struct made_places places;
                struct made_options options = {
                    .cluster_bits = bits,
                    .virtual_size = 5 << 20,
                    .backing = "base",
                    .snapshots = 2,
                    .compatible = 1,
                    .bitmap_count = 1,
                    .bitmaps = {{.name = "b"}},
                };
                make_image(guest_image, &options, &places);
                in_guest(read_header);
                assert_int_equal(code, ABI_OK);
                assert_int_equal(header.cluster_size, 1ull << bits);
                assert_int_equal(header.size, 5 << 20);
                assert_int_equal(header.l1_offset, places.l1);
                assert_int_equal(header.refcount_table_offset, places.refcount_table);
                assert_int_equal(header.snapshots_offset, places.snapshot_table);
                assert_int_equal(header.snapshot_count, 2);
                assert_int_equal(header.compatible, 1);
                assert_int_equal(header.autoclear, 1);
                assert_int_equal(header.header_length, 112);
                assert_int_equal(header.bitmaps_record, places.bitmaps_record);
                assert_int_equal(header.extensions_end, places.bitmaps_record + 32);
                assert_int_equal(header.backing_offset, header.extensions_end + 8);
                assert_int_equal(header.extensions_limit, header.backing_offset);
                assert_int_equal(header.directory_offset, places.directory);
                assert_int_equal(header.directory_size, 32);
        }
}

static void one_read_is_enough_for_the_usual_image(void **state)
{
        struct made_options options = {.record_before = 1000};
        (void)state;
        make_image(guest_image, &options, NULL);
        struct native_outcome outcome = in_guest(read_header);
        assert_int_equal(outcome.doorbells, 2); /* the end is the second */
        assert_int_equal(outcome.bytes_read, 4096);
}

static void record_behind_the_first_page_is_found(void **state)
{
        (void)state;
        for (uint32_t length = 3940; length < 4100; length += 4) {
                struct made_places places;
                struct made_options options = {.record_before = length,
                                               .bitmap_count = 1,
                                               .bitmaps = {{.name = "b"}}};
                make_image(guest_image, &options, &places);
                in_guest(read_header);
                assert_int_equal(code, ABI_OK);
                assert_int_equal(header.bitmaps_record, places.bitmaps_record);
                assert_int_equal(header.directory_offset, places.directory);
        }
}

static void need_more(void)
{
        read_header();
        assert_int_equal(header_bytes.length, 4096);
        assert_int_equal(header_need(&header, &header_bytes, 4096), ABI_OK);
        assert_int_equal(header_bytes.length, 4096);
        assert_int_equal(header_need(&header, &header_bytes, 4097), ABI_OK);
        assert_int_equal(header_bytes.length, 8192);
        assert_int_equal(header_need(&header, &header_bytes, 65536), ABI_OK);
        assert_int_equal(header_bytes.length, 65536);
        assert_memory_equal(header_bytes.bytes, guest_image->bytes, 65536);
}

static void more_of_the_cluster_is_read_on_demand(void **state)
{
        struct made_options options = {.record_before = 3000};
        (void)state;
        make_image(guest_image, &options, NULL);
        for (uint64_t i = 4096; i < 65536; i += 512)
                poke64(guest_image, i, i);
        in_guest(need_more);
}

static void length_is_cut_at_a_small_cluster(void **state)
{
        struct made_options options = {.cluster_bits = 9};
        (void)state;
        make_image(guest_image, &options, NULL);
        in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_int_equal(header_bytes.length, 512);
}

/* The last cluster may be there in part: tables may lie in it. */
static void file_end_is_rounded_up_to_clusters(void **state)
{
        struct header h = {.cluster_size = 65536};
        (void)state;
        assert_int_equal(header_file_end(&h, 1), 65536);
        assert_int_equal(header_file_end(&h, 65536), 65536);
        assert_int_equal(header_file_end(&h, 65537), 131072);
        assert_int_equal(header_file_end(&h, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(fields_are_loaded_at_every_cluster_size),
            IN_GUEST(one_read_is_enough_for_the_usual_image),
            IN_GUEST(record_behind_the_first_page_is_found),
            IN_GUEST(more_of_the_cluster_is_read_on_demand),
            IN_GUEST(length_is_cut_at_a_small_cluster),
            IN_GUEST(file_end_is_rounded_up_to_clusters),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
