/* SPDX-License-Identifier: MIT */
/*
 * Headers that no edit begins with, and what each is refused as.  ops_run() sees to it
 * that a refusal has written nothing.
 */
#include "guest/ops/bitmap.h"
#include "tests/unit/ops/fixture.h"

static const struct made_options plain = {
    .cluster_bits = 12,
    .data_clusters = 2,
    .bitmap_count = 1,
    .bitmaps = {{.name = "one", .fill = MADE_DATA}},
};

static int set_up(void **state)
{
        fixture_open(state);
        ops_make(&ops, &plain);
        return 0;
}

static uint64_t detail(int index)
{
        return ops.outcome.result.detail[index];
}

static void not_qcow2(void **state)
{
        (void)state;
        poke32(ops.image, 0, 0x12345678);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_NOT_QCOW2);
}

static void empty_file_is_not_qcow2(void **state)
{
        (void)state;
        for (uint64_t size = 0; size < 4; size++) {
                native_image_resize(ops.image, size);
                if (size) /* a file size of 0 means: ask the host */
                        assert_int_equal(ops_run(&ops, "x", "a"), ABI_NOT_QCOW2);
        }
}

static void version_2(void **state)
{
        (void)state;
        poke32(ops.image, 4, 2);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_QCOW2_V2);
}

static void header_cut_at_every_byte(void **state)
{
        (void)state;
        for (uint64_t size = 103; size >= 4; size--) {
                native_image_resize(ops.image, size);
                assert_int_equal(ops_run(&ops, "x", "a"), ABI_BAD_HEADER);
                assert_int_equal(detail(0), ABI_HEADER_SHORT);
        }
}

/* One field each: its offset, its bytes, the value, the fault. */
static void header_fields(void **state)
{
        static const struct {
                uint64_t offset;
                uint32_t bytes;
                uint64_t value;
                uint32_t fault;
        } cases[] = {
            {4, 4, 4, ABI_HEADER_VERSION},
            {4, 4, 0, ABI_HEADER_VERSION},
            {20, 4, 8, ABI_HEADER_CLUSTER_BITS},
            {20, 4, 22, ABI_HEADER_CLUSTER_BITS},
            {20, 4, UINT32_MAX, ABI_HEADER_CLUSTER_BITS},
            {100, 4, 96, ABI_HEADER_LENGTH},
            {100, 4, 108, ABI_HEADER_LENGTH},
            {100, 4, 8192, ABI_HEADER_LENGTH},
            {100, 4, 0xfffffff8, ABI_HEADER_LENGTH},
            {8, 8, 8, ABI_HEADER_BACKING},
            {8, 8, 4097, ABI_HEADER_BACKING},
            {8, 8, UINT64_MAX, ABI_HEADER_BACKING},
            {48, 8, 0, ABI_HEADER_REFTABLE},
            {48, 8, 512, ABI_HEADER_REFTABLE},
            {48, 8, 1ull << 40, ABI_HEADER_REFTABLE},
            {48, 8, UINT64_MAX & ~4095ull, ABI_HEADER_REFTABLE},
            {56, 4, 0, ABI_HEADER_REFTABLE},
            {56, 4, UINT32_MAX, ABI_HEADER_REFTABLE},
            {40, 8, 8, ABI_HEADER_L1},
            {40, 8, 1ull << 40, ABI_HEADER_L1},
            {36, 4, UINT32_MAX, ABI_HEADER_L1},
            {36, 4, 0, ABI_HEADER_L1},
            {60, 4, 1, ABI_HEADER_SNAPSHOTS},
            {60, 4, UINT32_MAX, ABI_HEADER_SNAPSHOTS},
            {64, 8, 8, ABI_HEADER_SNAPSHOTS},
            {64, 8, 1ull << 63, ABI_HEADER_SNAPSHOTS},
            {24, 8, UINT64_MAX, ABI_HEADER_SIZE},
            {24, 8, 1ull << 63, ABI_HEADER_SIZE},
            {24, 8, INT64_MAX, ABI_HEADER_L1},
            {96, 4, 7, ABI_HEADER_REFCOUNT_ORDER},
            {96, 4, UINT32_MAX, ABI_HEADER_REFCOUNT_ORDER},
            {32, 4, 3, ABI_HEADER_ENCRYPTION},
            {32, 4, 2, ABI_HEADER_NO_LUKS},
            {72, 8, 8, ABI_HEADER_COMPRESSION},
            {104, 4, 1u << 24, ABI_HEADER_COMPRESSION},
            {104, 4, 2u << 24, ABI_HEADER_COMPRESSION},
            {72, 8, 16, ABI_HEADER_SUBCLUSTERS},
            {88, 8, 3, ABI_HEADER_RAW_DATA},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                ops_make(&ops, &plain);
                if (cases[i].bytes == 8)
                        poke64(ops.image, cases[i].offset, cases[i].value);
                else
                        poke32(ops.image, cases[i].offset, (uint32_t)cases[i].value);
                enum abi_code code = ops_run(&ops, "x", "a");
                if (code != ABI_BAD_HEADER || detail(0) != cases[i].fault)
                        fail_msg("case %zu: code %d, fault %d", i, code, (int)detail(0));
        }
}

static void refcount_width(void **state)
{
        (void)state;
        for (uint32_t order = 0; order <= 6; order++) {
                poke32(ops.image, 96, order);
                if (order == 4)
                        continue;
                assert_int_equal(ops_run(&ops, "x", "a"), ABI_REFCOUNT_WIDTH);
                assert_int_equal(detail(0), 1u << order);
        }
}

static void incompatible_bits(void **state)
{
        (void)state;
        poke64(ops.image, 72, 1);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_DIRTY);
        poke64(ops.image, 72, 2);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_CORRUPT);
        for (int bit = 5; bit < 64; bit++) {
                poke64(ops.image, 72, 1ull << bit | 3);
                assert_int_equal(ops_run(&ops, "x", "a"), ABI_UNKNOWN_INCOMPATIBLE);
                assert_int_equal(detail(0), 1ull << bit);
        }
}

static void header_that_the_host_did_not_see(void **state)
{
        struct abi_call call;
        (void)state;
        ops_call(&call, "x", "a", 0, NULL);
        call.header_fingerprint = 1;
        assert_int_equal(ops_run_call(&ops, &call), ABI_HEADER_CHANGED);
}

/* A virtual size of nothing: no table could be stored. */
static void disk_of_no_size(void **state)
{
        (void)state;
        struct made_options options = {.cluster_bits = 12};
        ops_make(&ops, &options);
        poke64(ops.image, 24, 0);
        assert_int_equal(ops_run(&ops, "x", "a"), ABI_BAD_HEADER);
        assert_int_equal(detail(0), ABI_HEADER_SIZE);
}

int main(void)
{
#define REFUSAL(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_close)
        const struct CMUnitTest tests[] = {
            REFUSAL(not_qcow2),         REFUSAL(empty_file_is_not_qcow2),
            REFUSAL(version_2),         REFUSAL(header_cut_at_every_byte),
            REFUSAL(header_fields),     REFUSAL(refcount_width),
            REFUSAL(incompatible_bits), REFUSAL(header_that_the_host_did_not_see),
            REFUSAL(disk_of_no_size),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
