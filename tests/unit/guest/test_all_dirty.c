/* SPDX-License-Identifier: MIT */
/* A bitmap with every bit set, and none behind the end of the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/qcow2/all_dirty.h"
#include "guest/qcow2/format.h"
#include "guest/rt/bytes.h"

#define DATA_OFFSET 0x50000u

static struct header disk(uint32_t cluster_bits, uint64_t bits)
{
        return (struct header){.cluster_bits = cluster_bits,
                               .cluster_size = 1ull << cluster_bits,
                               .size = bits << QCOW2_MIN_GRANULARITY_BITS};
}

/* Bits of a stored bitmap that are set, by its table and its data cluster. */
static uint64_t bits_set(const struct all_dirty *plan, const uint64_t *table,
                         const uint8_t *data, uint64_t cluster_size)
{
        uint64_t count = 0;
        for (uint64_t i = 0; i < plan->entries; i++) {
                uint64_t entry = load_be64(&table[i]);
                if (entry == QCOW2_TABLE_ALL_ONES) {
                        count += cluster_size * 8;
                        continue;
                }
                assert_int_equal(entry, DATA_OFFSET);
                for (uint64_t byte = 0; byte < plan->data_bytes; byte++)
                        count += (uint64_t)__builtin_popcount(data[byte]);
        }
        return count;
}

/* As many bits as the disk has, the last of them where it belongs. */
static void check_disk(uint32_t cluster_bits, uint64_t bits, uint64_t entries,
                       uint64_t data_bytes)
{
        struct header h = disk(cluster_bits, bits);
        struct all_dirty plan = all_dirty_plan(&h, QCOW2_MIN_GRANULARITY_BITS);
        uint64_t table[16];
        uint8_t data[8192];
        memset(table, 0x5a, sizeof table);
        memset(data, 0x5a, sizeof data);
        assert_int_equal(plan.entries, entries);
        assert_int_equal(plan.data_bytes, data_bytes);
        assert_int_equal(plan.data_clusters, data_bytes != 0);
        all_dirty_store_table(&plan, DATA_OFFSET, table);
        all_dirty_store_data(&plan, data);
        assert_int_equal(bits_set(&plan, table, data, h.cluster_size), bits);
        uint64_t last = (bits - 1) % (h.cluster_size * 8);
        if (data_bytes)
                assert_true(data[last / 8] >> last % 8 == 1);
        assert_int_equal(table[entries], 0x5a5a5a5a5a5a5a5aull);
        assert_int_equal(data[data_bytes], 0x5a);
}

static void whole_clusters_of_ones_take_no_data(void **state)
{
        (void)state;
        check_disk(9, 4096, 1, 0);
        check_disk(9, 3 * 4096, 3, 0);
        check_disk(12, 32768, 1, 0);
}

static void bits_behind_the_end_are_zero(void **state)
{
        (void)state;
        check_disk(9, 1, 1, 512);
        check_disk(9, 7, 1, 512);
        check_disk(9, 8, 1, 512);
        check_disk(9, 4095, 1, 512);
        check_disk(9, 2 * 4096 + 1, 3, 512);
        check_disk(12, 32768 + 4097, 2, 1024);
        check_disk(12, 32768 + 4096, 2, 512);
        check_disk(12, 2 * 32768 - 1, 2, 4096);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(whole_clusters_of_ones_take_no_data),
            cmocka_unit_test(bits_behind_the_end_are_zero),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
