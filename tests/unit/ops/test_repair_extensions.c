/* SPDX-License-Identifier: MIT */
/*
 * Header extensions without which the data cannot be read, LUKS header and data file's
 * name: a damaged length is found again; where the record is gone, nothing is written.
 */
#include "tests/unit/ops/repairs.h"

#define CHAIN        112u /* the header's length */
#define CRYPT_METHOD 32u
#define INCOMPATIBLE 72u
#define DATA_FILE    4u
#define LUKS         2u

#define CRYPTO_RECORD    0x0537be77u
#define FORMAT_RECORD    0xe2792acau
#define DATA_FILE_RECORD 0x44415441u
#define FEATURES_RECORD  0x6803f857u

static const struct made_options plain = {
    .cluster_bits = 12, .virtual_size = 8ull << 20, .free_clusters = 1};

static struct ops ops;
static struct native_image sound; /* the image before the damage */

static int set_up(void **state)
{
        (void)state;
        ops_open(&ops);
        native_image_create(&sound, 1ull << 30, 512);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        native_image_destroy(&sound);
        ops_close(&ops);
        return 0;
}

static void keep(void)
{
        native_image_copy(&sound, ops.image);
}

/* A record of the chain: where the next one begins. */
static uint32_t put_record(uint32_t at, uint32_t type, const void *body, uint32_t length)
{
        poke32(ops.image, at, type);
        poke32(ops.image, at + 4, length);
        native_image_write(ops.image, at + 8, body, length);
        return at + 8 + (length + 7) / 8 * 8;
}

/* Encrypted: the LUKS header is a cluster; behind its record the backing file's format
 * and a record that is longer. */
static uint32_t make_encrypted(void)
{
        static const uint8_t features[96] = {0, 1};
        uint8_t body[16] = {0};

        ops_make(&ops, &plain);
        uint64_t header = ops.places.free_clusters;
        poke_refcount(ops.image, header >> 12, 1);
        native_image_write(ops.image, header, "LUKS\xba\xbe", 6);
        poke32(ops.image, CRYPT_METHOD, LUKS);
        body[6] = (uint8_t)(header >> 8);
        body[5] = (uint8_t)(header >> 16);
        body[14] = 0x02; /* 512 bytes of it */
        uint32_t at = put_record(CHAIN, CRYPTO_RECORD, body, sizeof body);
        uint32_t second = at;
        at = put_record(at, FORMAT_RECORD, "qcow2\0\0", 5);
        put_record(at, FEATURES_RECORD, features, sizeof features);
        keep();
        return second;
}

static uint32_t make_with_data_file(void)
{
        ops_make(&ops, &plain);
        poke64(ops.image, INCOMPATIBLE, DATA_FILE);
        uint32_t at = put_record(CHAIN, DATA_FILE_RECORD, "disk.raw", 8);
        at = put_record(at, FORMAT_RECORD, "raw\0\0\0\0", 3);
        keep();
        return at;
}

static void expect_mended(uint32_t record)
{
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        repairs_expect(ABI_REPAIR_EXTENSION, record);
        assert_true(native_image_equal(ops.image, &sound));
}

static void expect_refused(void)
{
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_UNREPAIRABLE);
        assert_int_equal(ops.outcome.result.detail[0], ABI_UNREPAIRABLE_EXTENSION);
}

/* ---- lengths -------------------------------------------------------------------------
 */

static void what_is_sound_is_left_alone(void **state)
{
        (void)state;
        make_encrypted();
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_told.count, 0);
        make_with_data_file();
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        assert_int_equal(repairs_told.count, 0);
}

static void the_luks_header_is_found_behind_a_damaged_length(void **state)
{
        static const uint32_t lengths[] = {0, 8, 15, 17, 24, 120, 5000, UINT32_MAX};
        (void)state;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                make_encrypted();
                poke32(ops.image, CHAIN + 4, lengths[i]);
                expect_mended(CHAIN);
        }
}

static void a_format_is_as_long_as_its_text(void **state)
{
        static const uint32_t lengths[] = {16, 17, 100, 5000, UINT32_MAX};
        (void)state;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                uint32_t record = make_encrypted();
                poke32(ops.image, record + 4, lengths[i]);
                expect_mended(record);
        }
}

static void the_data_files_name_is_found_behind_a_damaged_length(void **state)
{
        static const uint32_t lengths[] = {0, 1024, 5000, UINT32_MAX};
        (void)state;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
                make_with_data_file();
                poke32(ops.image, CHAIN + 4, lengths[i]);
                expect_mended(CHAIN);
        }
}

/* A record that nobody knows has no length that could be told: the chain ends there. */
static void an_unknown_record_that_goes_on_for_ever_is_cut_off(void **state)
{
        (void)state;
        ops_make(&ops, &plain);
        put_record(put_record(CHAIN, FORMAT_RECORD, "raw\0\0\0\0", 3), 0x77777777, "x",
                   1);
        poke32(ops.image, CHAIN + 20, 1u << 20);
        repairs_all(&ops, 0);
        assert_int_equal(repairs_only(ABI_REPAIR_EXTENSION_REMOVED)->detail[0],
                         CHAIN + 16);
        assert_int_equal(peek64(ops.image, CHAIN), (uint64_t)FORMAT_RECORD << 32 | 3);
        assert_int_equal(peek64(ops.image, CHAIN + 16), 0);
}

/* ---- records that are gone -----------------------------------------------------------
 */

static void without_its_luks_header_nothing_is_repaired(void **state)
{
        (void)state;
        make_encrypted();
        poke32(ops.image, CHAIN, FEATURES_RECORD);
        expect_refused();
        make_encrypted();
        poke64(ops.image, CHAIN, 0); /* the chain's end */
        expect_refused();
}

static void without_its_data_file_nothing_is_repaired(void **state)
{
        (void)state;
        make_with_data_file();
        poke32(ops.image, CHAIN, FEATURES_RECORD);
        expect_refused();
        make_with_data_file();
        poke32(ops.image, CHAIN, 0x77777777);
        poke32(ops.image, CHAIN + 4, UINT32_MAX); /* its end is not to be found, either */
        expect_refused();
}

int main(void)
{
#define REPAIR(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
            REPAIR(what_is_sound_is_left_alone),
            REPAIR(the_luks_header_is_found_behind_a_damaged_length),
            REPAIR(a_format_is_as_long_as_its_text),
            REPAIR(the_data_files_name_is_found_behind_a_damaged_length),
            REPAIR(an_unknown_record_that_goes_on_for_ever_is_cut_off),
            REPAIR(without_its_luks_header_nothing_is_repaired),
            REPAIR(without_its_data_file_nothing_is_repaired),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
