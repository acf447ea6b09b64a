/* SPDX-License-Identifier: MIT */
/* The resize program: what it writes, what it frees, and what it leaves alone. */
#include <string.h>

#include "guest/ops/resize.h"
#include "guest/qcow2/format.h"
#include "tests/unit/ops/ops.h"

#define COPIED     (1ull << 63)
#define COMPRESSED (1ull << 62)
#define OFFSETS    0x00fffffffffffe00ull

#define VERSION        4u
#define SIZE_AT        24u
#define REFCOUNT_TABLE 48u
#define INCOMPATIBLE   72u
#define L1_SIZE        36u
#define L1_AT          40u

static uint32_t peek32(const struct native_image *image, uint64_t offset)
{
        return (uint32_t)(peek64(image, offset) >> 32);
}

static void make(struct ops *ops, uint32_t cluster_bits, uint64_t size, uint32_t data)
{
        struct made_options options = {
            .cluster_bits = cluster_bits, .virtual_size = size, .data_clusters = data};
        ops_make(ops, &options);
}

/* Run it; a refusal has written nothing, and what was done left the image sound. */
static enum abi_code resize(struct ops *ops, uint64_t size)
{
        struct abi_call call = {.size = size, .flags = ops->flags | ABI_CALL_SHRINK};

        assert_true(native_image_copy(&ops->before, ops->image));
        ops->outcome = native_run(ops->host, resize_main, &call);
        if (ops->outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", ops->outcome.rule);
        assert_int_equal(ops->outcome.status, NATIVE_OK);
        if (ops->outcome.result.code) {
                assert_int_equal(native_trace_changes(native_host_trace(ops->host)), 0);
                assert_true(native_image_equal(ops->image, &ops->before));
                return (enum abi_code)ops->outcome.result.code;
        }
        assert_int_equal(peek64(ops->image, SIZE_AT), size);
        if (ops->damaged)
                return ABI_OK;
        ops_look(ops);
        if (ops->read.error[0])
                fail_msg("unreadable: %s", ops->read.error);
        assert_int_equal(ops->read.corruptions, 0);
        assert_int_equal(ops->read.leaks, ops->outcome.result.leaked_clusters);
        return ABI_OK;
}

static void expect_fault(struct ops *ops, uint64_t size, enum abi_resize_fault fault)
{
        assert_int_equal(resize(ops, size), ABI_BAD_RESIZE);
        assert_int_equal(ops->outcome.result.detail[0], fault);
}

/* Where the guest's cluster lies in the file; 0: nowhere. */
static uint64_t data_of(const struct ops *ops, uint64_t cluster)
{
        uint64_t per_table = (1ull << ops->options.cluster_bits) / 8;
        uint64_t l1 = peek64(ops->image, L1_AT);
        uint64_t l2 = peek64(ops->image, l1 + cluster / per_table * 8) & OFFSETS;

        return l2 ? peek64(ops->image, l2 + cluster % per_table * 8) & OFFSETS : 0;
}

/* The L2 entry in the file. */
static uint64_t entry_at(const struct ops *ops, uint64_t cluster)
{
        uint64_t per_table = (1ull << ops->options.cluster_bits) / 8;
        uint64_t l1 = peek64(ops->image, L1_AT);

        return (peek64(ops->image, l1 + cluster / per_table * 8) & OFFSETS) +
               cluster % per_table * 8;
}

/* ---- growing --------------------------------------------------------------------- */

static void growing_in_place_writes_the_size_alone(void **state)
{
        struct ops *ops = *state;

        make(ops, 16, 64 << 20, 20);
        assert_int_equal(resize(ops, 512ull << 20), ABI_OK);
        assert_int_equal(ops->outcome.bytes_written, 8);
        assert_int_equal(native_trace_changes(native_host_trace(ops->host)), 1);
        assert_int_equal(ops->outcome.result.detail[0], 64 << 20);
        assert_int_equal(ops->outcome.result.detail[1], 512ull << 20);
}

static void a_larger_l1_table_has_the_old_entries_and_the_old_one_is_freed(void **state)
{
        struct ops *ops = *state;

        for (uint32_t bits = 9; bits <= 16; bits += 7) {
                make(ops, bits, 1 << 20, 40);
                uint64_t old = peek64(ops->image, L1_AT);
                uint64_t data = data_of(ops, 39);
                assert_int_equal(resize(ops, 4ull << 30), ABI_OK);
                assert_int_not_equal(peek64(ops->image, L1_AT), old);
                assert_int_equal(peek32(ops->image, L1_SIZE), bits == 9 ? 131072 : 8);
                assert_int_equal(peek_refcount(ops->image, old >> bits), 0);
                assert_int_equal(data_of(ops, 39), data);
                assert_int_equal(ops->outcome.result.leaked_clusters, 0);
        }
}

/* The new area reads as zeros, whatever the backing file has. */
static void over_a_backing_file_the_new_area_is_marked_as_zeros(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {.cluster_bits = 9,
                                       .virtual_size = 40 * 512,
                                       .data_clusters = 3,
                                       .backing = "base"};

        ops_make(ops, &options);
        assert_int_equal(resize(ops, 150 * 512), ABI_OK);
        for (uint64_t c = 3; c < 150; c++)
                assert_int_equal(peek64(ops->image, entry_at(ops, c)), c < 40 ? 0 : 1);
        for (uint64_t c = 150; c < 192; c++)
                assert_int_equal(peek64(ops->image, entry_at(ops, c)), 0);
        assert_int_equal(data_of(ops, 2) != 0, true);
        expect_fault(ops, 1ull << 37, ABI_RESIZE_BACKING_LARGE);
}

static void a_cluster_cut_by_the_end_must_not_show_the_backing_file(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {.cluster_bits = 12,
                                       .virtual_size = 4096 + 512,
                                       .data_clusters = 1,
                                       .backing = "base"};

        ops_make(ops, &options);
        expect_fault(ops, 1 << 20, ABI_RESIZE_BACKING_PARTIAL);
        poke64(ops->image, entry_at(ops, 1), 1); /* it says zeros */
        assert_int_equal(resize(ops, 1 << 20), ABI_OK);
        options.data_clusters = 2;
        ops_make(ops, &options);
        uint64_t rest = data_of(ops, 1) + 512;
        ops->image->bytes[rest + 4096 - 513] = 1;
        expect_fault(ops, 1 << 20, ABI_RESIZE_BACKING_PARTIAL);
        memset(ops->image->bytes + rest, 0, 4096 - 512);
        assert_int_equal(resize(ops, 1 << 20), ABI_OK);
}

/* ---- shrinking -------------------------------------------------------------------- */

static void what_is_cut_off_is_freed_and_no_entry_is_left(void **state)
{
        struct ops *ops = *state;

        for (uint32_t bits = 9; bits <= 12; bits += 3) {
                uint64_t size = 1ull << bits;
                make(ops, bits, 2000 * size, 1500);
                uint64_t kept = data_of(ops, 698);
                uint64_t gone = data_of(ops, 700);
                assert_int_equal(resize(ops, 700 * size - 512), ABI_OK);
                assert_int_equal(ops->outcome.result.leaked_clusters, 0);
                assert_int_equal(data_of(ops, 698), kept);
                assert_int_equal(peek_refcount(ops->image, gone >> bits), 0);
                for (uint64_t c = 700; c < 704; c++) /* of the same table */
                        assert_int_equal(data_of(ops, c), 0);
                assert_int_equal(resize(ops, 2000 * size), ABI_OK);
                assert_int_equal(data_of(ops, 700), 0);
        }
}

/* The disk's clusters lie in the file from the last to the first: no two of them that are
 * cut off follow each other. */
static void clusters_that_lie_in_no_order_are_all_freed(void **state)
{
        struct ops *ops = *state;

        make(ops, 12, 500 * 4096, 500);
        uint64_t first = entry_at(ops, 0);
        for (uint64_t i = 0; i < 250; i++) {
                uint64_t low = peek64(ops->image, first + i * 8);
                uint64_t high = peek64(ops->image, first + (499 - i) * 8);
                poke64(ops->image, first + i * 8, high);
                poke64(ops->image, first + (499 - i) * 8, low);
        }
        uint64_t last = data_of(ops, 499);
        assert_int_equal(resize(ops, 4096), ABI_OK);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
        for (uint64_t i = 0; i < 499; i++)
                assert_int_equal(peek_refcount(ops->image, (last >> 12) + i), 0);
        assert_int_equal(peek_refcount(ops->image, (last >> 12) + 499), 1);
}

/* Of a refcount table only so much is read as the file needs: growing into what has not
 * been read finds that, too. */
static void a_refcount_table_that_is_much_too_long_is_read_as_far_as_needed(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {.cluster_bits = 9,
                                       .virtual_size = 1 << 20,
                                       .data_clusters = 40,
                                       .refcount_table_clusters = 8};

        ops_make(ops, &options);
        /* An L1 table of 10 MiB: its clusters are counted by 80 blocks, a sector of the
         * table has 64. */
        assert_int_equal(resize(ops, 40ull << 30), ABI_OK);
        assert_int_equal(peek64(ops->image, REFCOUNT_TABLE), ops->places.refcount_table);
        assert_int_not_equal(peek64(ops->image, ops->places.refcount_table + 79 * 8), 0);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
}

static void where_nothing_is_mapped_the_size_alone_changes(void **state)
{
        struct ops *ops = *state;

        make(ops, 12, 32 << 20, 20);
        assert_int_equal(resize(ops, 1 << 20), ABI_OK);
        assert_int_equal(ops->outcome.bytes_written, 8);
}

/* A cluster of compressed data is freed with its last user. */
static void compressed_data_is_counted_down_where_some_of_it_stays(void **state)
{
        struct ops *ops = *state;

        make(ops, 12, 64 * 4096, 10);
        uint64_t shared = data_of(ops, 9);
        ops->damaged = true; /* the reader knows no compressed data */
        poke64(ops->image, entry_at(ops, 9), COMPRESSED | shared);
        poke64(ops->image, entry_at(ops, 10), COMPRESSED | (shared + 1024));
        poke64(ops->image, entry_at(ops, 11), COMPRESSED | (shared + 2048));
        poke_refcount(ops->image, shared >> 12, 3);
        assert_int_equal(resize(ops, 10 * 4096), ABI_OK);
        assert_int_equal(peek_refcount(ops->image, shared >> 12), 1);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
        assert_int_equal(resize(ops, 9 * 4096), ABI_OK);
        assert_int_equal(peek_refcount(ops->image, shared >> 12), 0);
        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
}

/* ---- what is not ours ---------------------------------------------------------------
 */

/* What is cut off names a cluster of something else: that one is kept. */
static void a_cluster_that_is_something_else_s_is_never_freed(void **state)
{
        struct ops *ops = *state;

        for (int i = 0; i < 5; i++) {
                make(ops, 12, 64 * 4096, 20);
                const uint64_t others[] = {0, ops->places.refcount_table,
                                           ops->places.refcount_block, data_of(ops, 3),
                                           entry_at(ops, 0)};
                ops->damaged = true;
                if (!others[i])
                        poke64(ops->image, ops->places.l1, COPIED); /* no table at all */
                else
                        poke64(ops->image, entry_at(ops, 19), others[i] | COPIED);
                uint16_t before = peek_refcount(ops->image, others[i] >> 12);
                assert_int_equal(resize(ops, 10 * 4096), ABI_OK);
                assert_int_equal(peek_refcount(ops->image, others[i] >> 12), before);
                assert_int_equal(ops->outcome.result.leaked_clusters, others[i] != 0);
        }
}

static void entries_that_make_no_sense_are_refused(void **state)
{
        static const uint64_t entries[] = {COPIED | 0x1200, COPIED | (1ull << 57), 2};
        struct ops *ops = *state;

        for (size_t i = 0; i < 3; i++) {
                make(ops, 12, 64 * 4096, 20);
                poke64(ops->image, entry_at(ops, 15), entries[i]);
                expect_fault(ops, 10 * 4096, ABI_RESIZE_DAMAGED);
        }
        make(ops, 9, 200 * 512, 150);
        poke64(ops->image, ops->places.l1 + 16, COPIED | (1ull << 40));
        expect_fault(ops, 64 * 512, ABI_RESIZE_DAMAGED);
        make(ops, 12, 64 * 4096, 20); /* a table that counts, too */
        poke64(ops->image, ops->places.l1, COPIED | ops->places.refcount_block);
        expect_fault(ops, 10 * 4096, ABI_RESIZE_DAMAGED);
}

static void snapshots_forbid_a_cut_but_no_growth(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {.cluster_bits = 9,
                                       .virtual_size = 200 * 512,
                                       .data_clusters = 100,
                                       .snapshots = 2};

        ops_make(ops, &options);
        expect_fault(ops, 50 * 512, ABI_RESIZE_SNAPSHOTS);
        uint64_t hash = ops->read.snapshot_hash;
        assert_int_equal(resize(ops, 1 << 24), ABI_OK);
        assert_int_equal(ops->read.snapshot_hash, hash);
}

static void bitmaps_and_their_extension_alone_are_refused(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {.bitmap_count = 1, .bitmaps = {{.name = "b"}}};

        ops_make(ops, &options);
        assert_int_equal(resize(ops, 1 << 20), ABI_HAS_BITMAPS);
        options.stale = true;
        ops_make(ops, &options);
        assert_int_equal(resize(ops, 1 << 30), ABI_HAS_BITMAPS);
        options.bitmap_count = 0;
        options.emptied_record = true;
        ops_make(ops, &options);
        assert_int_equal(resize(ops, 1 << 30), ABI_HAS_BITMAPS);
}

static void what_qemu_img_refuses_is_refused(void **state)
{
        struct ops *ops = *state;
        struct made_options options = {
            .cluster_bits = 9, .virtual_size = 40 * 512, .snapshots = 1};

        ops_make(ops, &options);
        expect_fault(ops, 1000, ABI_RESIZE_UNALIGNED);
        expect_fault(ops, 0, ABI_RESIZE_NOT_POSITIVE);
        expect_fault(ops, 1ull << 63, ABI_RESIZE_NOT_POSITIVE);
        expect_fault(ops, 1ull << 40, ABI_RESIZE_L1_TOO_LARGE);
        poke32(ops->image, VERSION, 2);
        expect_fault(ops, 50 * 512, ABI_RESIZE_V2_SNAPSHOTS);
        options.snapshots = 0;
        ops_make(ops, &options);
        poke64(ops->image, INCOMPATIBLE, QCOW2_INCOMPATIBLE_DATA_FILE);
        expect_fault(ops, 50 * 512, ABI_RESIZE_DATA_FILE);
}

/* ---- any order ------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *seed)
{
        *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
        return *seed >> 33;
}

static void any_order_of_sizes_leaves_a_sound_image(void **state)
{
        struct ops *ops = *state;
        uint64_t seed = 5;

        for (uint32_t bits = 9; bits <= 16; bits++) {
                uint64_t size = 1ull << bits;
                make(ops, bits, 600 * size, 400);
                for (int i = 0; i < 60; i++) {
                        uint64_t sectors = next_random(&seed) % (1200 * size / 512) + 1;
                        assert_int_equal(resize(ops, sectors * 512), ABI_OK);
                        assert_int_equal(ops->outcome.result.leaked_clusters, 0);
                }
        }
}

/* ---- machines -------------------------------------------------------------------------
 */

/* A device does not grow, and what lies behind the image on it is anything. */
static void on_a_block_device_the_new_tables_are_zeroed_first(void **state)
{
        static uint8_t junk[1 << 20];
        struct ops *ops = *state;

        make(ops, 9, 1 << 20, 40);
        uint64_t end = ops->image->size;
        memset(junk, 0x5a, sizeof junk);
        assert_true(native_image_write(ops->image, end, junk, sizeof junk));
        native_host_set_block_device(ops->host, true);
        assert_int_equal(resize(ops, 8 << 20), ABI_OK);
        assert_int_equal(ops->image->size, end + (1 << 20));
        assert_int_equal(data_of(ops, 8 << 10), 0);
        assert_int_equal(resize(ops, 10 * 512), ABI_OK);
        assert_int_equal(resize(ops, 40ull << 30), ABI_NO_SPACE);
}

/* Either it is done, or nothing is written: never is memory gone half-way. */
static void any_memory_is_enough_or_is_refused_beforehand(void **state)
{
        struct ops *ops = *state;
        uint32_t refused = 0;
        uint32_t done = 0;

        for (uint64_t kib = 2200; kib < 8000; kib += 97) {
                native_host_set_memory_limit(ops->host, 256u << 20);
                make(ops, 9, 16 << 20, 20000);
                native_host_set_memory_limit(ops->host, kib << 10);
                enum abi_code code = resize(ops, kib % 2 ? 1 << 20 : 40ull << 30);
                assert_true(code == ABI_OK || code == ABI_TOO_LARGE);
                refused += code != ABI_OK;
                done += code == ABI_OK;
        }
        assert_true(refused && done);
}

static int open_ops(void **state)
{
        static struct ops ops;

        ops_open(&ops);
        *state = &ops;
        return 0;
}

static int close_ops(void **state)
{
        ops_close(*state);
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ops, close_ops)

int main(void)
{
        static const struct CMUnitTest tests[] = {
            TEST(growing_in_place_writes_the_size_alone),
            TEST(a_larger_l1_table_has_the_old_entries_and_the_old_one_is_freed),
            TEST(over_a_backing_file_the_new_area_is_marked_as_zeros),
            TEST(a_cluster_cut_by_the_end_must_not_show_the_backing_file),
            TEST(what_is_cut_off_is_freed_and_no_entry_is_left),
            TEST(clusters_that_lie_in_no_order_are_all_freed),
            TEST(a_refcount_table_that_is_much_too_long_is_read_as_far_as_needed),
            TEST(where_nothing_is_mapped_the_size_alone_changes),
            TEST(compressed_data_is_counted_down_where_some_of_it_stays),
            TEST(a_cluster_that_is_something_else_s_is_never_freed),
            TEST(entries_that_make_no_sense_are_refused),
            TEST(snapshots_forbid_a_cut_but_no_growth),
            TEST(bitmaps_and_their_extension_alone_are_refused),
            TEST(what_qemu_img_refuses_is_refused),
            TEST(any_order_of_sizes_leaves_a_sound_image),
            TEST(on_a_block_device_the_new_tables_are_zeroed_first),
            TEST(any_memory_is_enough_or_is_refused_beforehand),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
