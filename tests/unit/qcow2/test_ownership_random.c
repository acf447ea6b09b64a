/* SPDX-License-Identifier: MIT */
/*
 * Thousands of small random images, some of them damaged, in arenas of all sizes: the
 * proof of ownership says what the oracle says, cluster by cluster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guest/qcow2/ownership.h"
#include "tests/unit/qcow2/ownership_oracle.h"
#include "tests/unit/qcow2/ownership_platform.h"

#define IMAGES       6000u
#define MAX_CLUSTERS 160u
#define TABLES       3u

struct sample {
        struct header header;
        uint8_t *bytes;
        uint64_t clusters;
        uint64_t size;
        uint32_t order[MAX_CLUSTERS]; /* a permutation: metadata takes clusters from it */
        uint32_t taken;
        uint64_t table_offset[TABLES], table_entries[TABLES]; /* other bitmaps */
        uint32_t faults; /* one entry in so many is damaged; 0: none */
};

static uint64_t random_state;

/* xorshift64*: the same numbers on every machine. */
static uint64_t random_below(uint64_t limit)
{
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return (random_state * 0x2545f4914f6cdd1dull >> 11) % limit;
}

static bool one_in(uint64_t chance)
{
        return random_below(chance) == 0;
}

static void put64(struct sample *sample, uint64_t offset, uint64_t value)
{
        if (sample->faults && one_in(sample->faults))
                value ^= 1ull << random_below(64);
        if (offset + 8 > sample->size)
                return;
        for (uint32_t i = 0; i < 8; i++)
                sample->bytes[offset + i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t offset_of(const struct sample *sample, uint64_t cluster)
{
        return cluster << sample->header.cluster_bits;
}

/* The file offset of a cluster for metadata: a fresh one as long as there is one. */
static uint64_t take(struct sample *sample)
{
        if (sample->taken < sample->clusters - 1)
                return offset_of(sample, sample->order[sample->taken++]);
        return offset_of(sample, 1 + random_below(sample->clusters - 1));
}

static uint64_t random_l2_entry(const struct sample *sample)
{
        bool extended = sample->header.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;
        bool data_file = sample->header.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE;
        uint64_t data = random_below(sample->clusters + 3);
        uint64_t entry = random_below(2) << 63 | offset_of(sample, data);
        if (!extended && one_in(4))
                entry |= 1;
        if (!data_file && one_in(5)) {
                uint32_t x = 62 - (sample->header.cluster_bits - 8);
                entry = 1ull << 62 | random_below(1ull << (62 - x)) << x |
                        random_below(sample->size);
        }
        return entry;
}

static uint64_t make_l2(struct sample *sample)
{
        uint64_t table = take(sample);
        for (uint32_t i = 0; i < 6; i++) {
                uint64_t at = random_below(sample->header.cluster_size / 16) * 16;
                if (!(sample->header.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2))
                        at += random_below(2) * 8;
                put64(sample, table + at, random_l2_entry(sample));
        }
        return table;
}

/* An L1 table, sharing entries with `model` where there is one. */
static uint64_t make_l1(struct sample *sample, uint32_t entries, uint64_t model)
{
        uint64_t table = take(sample);
        for (uint32_t i = 0; i < entries; i++) {
                uint64_t at = table + (uint64_t)i * 8;
                if (model && !one_in(4) && at + 8 <= sample->size &&
                    model + (uint64_t)i * 8 + 8 <= sample->size)
                        memcpy(sample->bytes + at, sample->bytes + model + i * 8ull, 8);
                else if (one_in(3))
                        put64(sample, at, 1ull << 63 | make_l2(sample));
        }
        return table;
}

static void make_snapshots(struct sample *sample)
{
        struct header *header = &sample->header;
        header->snapshot_count = (uint32_t)random_below(4);
        header->snapshots_offset = header->snapshot_count ? take(sample) : 0;
        uint64_t at = header->snapshots_offset;
        for (uint32_t i = 0; i < header->snapshot_count; i++) {
                uint32_t entries = (uint32_t)random_below(header->l1_size + 2);
                uint64_t name = random_below(40), extra = random_below(3) * 8;
                put64(sample, at, make_l1(sample, entries, header->l1_offset));
                put64(sample, at + 8, (uint64_t)entries << 32 | 1u << 16 | name);
                put64(sample, at + 32, extra);
                at = (at + 40 + extra + 1 + name + 7) & ~7ull;
        }
}

static void make_tables(struct sample *sample)
{
        for (uint32_t t = 0; t < TABLES; t++) {
                sample->table_offset[t] = take(sample);
                sample->table_entries[t] = 1 + random_below(20);
                for (uint64_t i = 0; i < sample->table_entries[t]; i++) {
                        uint64_t data = random_below(sample->clusters + 2);
                        if (one_in(3))
                                put64(sample, sample->table_offset[t] + i * 8,
                                      offset_of(sample, data));
                        else
                                put64(sample, sample->table_offset[t] + i * 8,
                                      random_below(2));
                }
        }
}

static void make_header(struct sample *sample)
{
        static const uint64_t features[] = {
            0,     0, 0, QCOW2_INCOMPATIBLE_EXTENDED_L2, QCOW2_INCOMPATIBLE_DATA_FILE,
            16 | 4};
        struct header *header = &sample->header;
        header->version = 3;
        header->cluster_bits = 9 + (uint32_t)random_below(4);
        header->cluster_size = 1ull << header->cluster_bits;
        header->incompatible = features[random_below(6)];
        header->l1_size = (uint32_t)random_below(24);
        header->refcount_table_clusters = 1;
        if (one_in(4)) {
                header->has_crypto = true;
                header->crypt_method = 2;
                header->crypto_length = 1 + random_below(header->cluster_size);
        }
}

static void make_sample(struct sample *sample)
{
        *sample = (struct sample){.clusters = 20 + random_below(MAX_CLUSTERS - 20)};
        make_header(sample);
        sample->size = offset_of(sample, sample->clusters);
        if (one_in(3))
                sample->size -= random_below(sample->header.cluster_size);
        sample->bytes = calloc(1, sample->size);
        assert_non_null(sample->bytes);
        sample->faults = one_in(3) ? 60 : 0;
        for (uint32_t i = 0; i + 1 < sample->clusters; i++) {
                uint32_t other = (uint32_t)random_below(i + 1);
                sample->order[i] = sample->order[other];
                sample->order[other] = i + 1;
        }
        sample->header.refcount_table_offset = take(sample);
        for (uint32_t i = 0; i < 4; i++)
                put64(sample, sample->header.refcount_table_offset + random_below(64) * 8,
                      take(sample));
        sample->header.crypto_offset = take(sample);
        sample->header.l1_offset = make_l1(sample, sample->header.l1_size, 0);
        make_snapshots(sample);
        make_tables(sample);
}

static bool claim_at_random(const struct sample *sample, struct ownership *ownership,
                            struct oracle *oracle)
{
        uint64_t claims = 1 + random_below(30);
        for (uint64_t i = 0; i < claims; i++) {
                uint64_t first = random_below(sample->clusters + 2);
                uint64_t count = one_in(3) ? random_below(30) : 1;
                oracle_claim(oracle, first, count);
                if (ownership_claim(ownership, first, count) != ABI_OK)
                        return false;
        }
        return ownership_seal(ownership) == ABI_OK;
}

/* False if the arena was too small, which must then prove nothing. */
static bool compare(const struct sample *sample, struct oracle *oracle)
{
        struct ownership *ownership;
        bool provable, scan_l2 = !one_in(5), late = one_in(4);
        if (ownership_begin(&sample->header, sample->size, &ownership) != ABI_OK ||
            !claim_at_random(sample, ownership, oracle))
                return false;
        for (uint32_t t = 0; t < TABLES && !late; t++)
                ownership_contest_table(ownership, sample->table_offset[t],
                                        sample->table_entries[t]);
        enum abi_code code = ownership_prove(ownership, scan_l2, &provable);
        for (uint32_t t = 0; t < TABLES && late; t++)
                ownership_contest_table(ownership, sample->table_offset[t],
                                        sample->table_entries[t]);
        for (uint32_t t = 0; t < TABLES; t++)
                oracle_bitmap_table(oracle, sample->table_offset[t],
                                    sample->table_entries[t]);
        oracle_image(oracle, scan_l2);
        if (code != ABI_OK)
                oracle->provable = false;
        for (uint64_t i = 0; i < sample->clusters + 2; i++)
                assert_int_equal(ownership_holds(ownership, i), oracle_holds(oracle, i));
        return code == ABI_OK;
}

static void random_images_agree_with_the_oracle(void **state)
{
        uint64_t provable = 0, held = 0, too_small = 0;
        (void)state;
        for (uint64_t i = 0; i < IMAGES; i++) {
                struct sample sample;
                struct oracle oracle;
                random_state = 0x9e3779b97f4a7c15ull * (i + 1);
                make_sample(&sample);
                uint64_t arena =
                    one_in(3) ? (36u << 10) + random_below(16u << 10) : PLATFORM_ARENA;
                platform_start(sample.bytes, sample.size, arena);
                oracle_begin(&oracle, &sample.header, sample.bytes, sample.size);
                too_small += !compare(&sample, &oracle);
                provable += oracle.provable;
                for (uint64_t c = 0; c < sample.clusters; c++)
                        held += oracle_holds(&oracle, c);
                oracle_end(&oracle);
                free(sample.bytes);
        }
        /* The samples have to say something: proofs that succeed and that fail. */
        print_message(
            "%llu images: %llu provable, %llu held clusters, %llu arenas too small\n",
            (unsigned long long)IMAGES, (unsigned long long)provable,
            (unsigned long long)held, (unsigned long long)too_small);
        assert_in_range(provable, IMAGES / 3, IMAGES * 9 / 10);
        assert_in_range(held, IMAGES, IMAGES * MAX_CLUSTERS);
        assert_in_range(too_small, 1, IMAGES / 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(random_images_agree_with_the_oracle),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
