/* SPDX-License-Identifier: MIT */
/* Header extension records, and the bitmaps extension's body. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/header.h"

static struct header header;
static enum abi_code code;
static uint64_t detail[4];

static void read_header(void)
{
        struct header_bytes bytes;
        code = header_read(guest_image->size, &header, &bytes);
        failure_details(detail);
}

static struct made_places places;

static void make(bool stale)
{
        struct made_options options = {.record_before = 20,
                                       .bitmap_count = 2,
                                       .bitmaps = {{.name = "a"}, {.name = "b"}},
                                       .stale = stale};
        make_image(guest_image, &options, &places);
}

static void expect_fault(enum abi_extension_fault fault)
{
        in_guest(read_header);
        assert_int_equal(code, ABI_BAD_EXTENSION);
        assert_int_equal(detail[0], places.bitmaps_record);
        assert_int_equal(detail[2], fault);
}

/* Field of the record, its width, the value, and the fault; with the bit and without. */
static void malformed_bodies_are_refused(void **state)
{
        static const struct {
                uint32_t at, bytes;
                uint64_t value;
                enum abi_extension_fault fault;
        } cases[] = {
            {4, 4, 23, ABI_EXTENSION_LENGTH},
            {4, 4, 25, ABI_EXTENSION_LENGTH},
            {4, 4, 0, ABI_EXTENSION_LENGTH},
            {4, 4, 70000, ABI_EXTENSION_OVERRUN},
            {4, 4, UINT32_MAX, ABI_EXTENSION_OVERRUN},
            {4, 4, UINT32_MAX - 7, ABI_EXTENSION_OVERRUN},
            {8, 4, 0, ABI_EXTENSION_NO_BITMAPS},
            {8, 4, 65536, ABI_EXTENSION_TOO_MANY},
            {8, 4, UINT32_MAX, ABI_EXTENSION_TOO_MANY},
            {12, 4, 1, ABI_EXTENSION_RESERVED},
            {16, 8, 0, ABI_EXTENSION_DIRECTORY_SIZE},
            {16, 8, 67107841, ABI_EXTENSION_DIRECTORY_SIZE},
            {16, 8, UINT64_MAX, ABI_EXTENSION_DIRECTORY_SIZE},
            {16, 8, 67107840, ABI_EXTENSION_DIRECTORY},
            {24, 8, 0, ABI_EXTENSION_DIRECTORY},
            {24, 8, 512, ABI_EXTENSION_DIRECTORY},
            {24, 8, 1ull << 40, ABI_EXTENSION_DIRECTORY},
            {24, 8, UINT64_MAX & ~65535ull, ABI_EXTENSION_DIRECTORY},
        };
        (void)state;
        for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
                bool stale = i % 2;
                if (stale && cases[i / 2].fault == ABI_EXTENSION_NO_BITMAPS)
                        continue; /* an emptied record: see below */
                make(stale);
                if (cases[i / 2].bytes == 4)
                        poke32(guest_image, places.bitmaps_record + cases[i / 2].at,
                               (uint32_t)cases[i / 2].value);
                else
                        poke64(guest_image, places.bitmaps_record + cases[i / 2].at,
                               cases[i / 2].value);
                expect_fault(cases[i / 2].fault);
        }
}

static void second_bitmaps_record_is_refused(void **state)
{
        uint8_t record[32];
        (void)state;
        make(false);
        native_image_read(guest_image, places.bitmaps_record, record, sizeof record);
        native_image_write(guest_image, places.bitmaps_record + 32, record,
                           sizeof record);
        places.bitmaps_record += 32;
        expect_fault(ABI_EXTENSION_DUPLICATE);
}

static void autoclear_bit_without_a_record_is_refused(void **state)
{
        (void)state;
        make(false);
        poke32(guest_image, places.bitmaps_record, 0x12345678);
        in_guest(read_header);
        assert_int_equal(code, ABI_NO_AUTOCLEAR_EXTENSION);
}

static void stale_list_is_described(void **state)
{
        (void)state;
        make(true);
        in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_true(header_is_stale(&header));
        assert_int_equal(header.bitmap_count, 2);
}

static void emptied_record_is_no_list(void **state)
{
        struct made_options options = {.emptied_record = true};
        (void)state;
        make_image(guest_image, &options, &places);
        in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_true(header.has_bitmaps);
        assert_false(header_is_stale(&header));
}

/* Records may fill the area to its last byte, without END. */
static void area_may_be_full(void **state)
{
        struct made_options options = {.cluster_bits = 9};
        (void)state;
        make_image(guest_image, &options, &places);
        poke32(guest_image, 112, 0x77777777);
        poke32(guest_image, 116, 512 - 120);
        in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_int_equal(header.extensions_end, 512);
        poke32(guest_image, 116, 512 - 120 + 1);
        in_guest(read_header);
        assert_int_equal(code, ABI_BAD_EXTENSION);
        assert_int_equal(detail[2], ABI_EXTENSION_OVERRUN);
}

static void many_empty_records_end(void **state)
{
        struct made_options options = {.cluster_bits = 21};
        (void)state;
        make_image(guest_image, &options, &places);
        for (uint64_t at = 112; at < 1 << 21; at += 8)
                poke64(guest_image, at, 0x7777777700000000ull);
        struct native_outcome outcome = in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_int_equal(header.extensions_end, 1 << 21);
        assert_in_range(outcome.doorbells, 1, 520);
}

static void crypto_record_is_read(void **state)
{
        struct made_options options = {.cluster_bits = 12};
        (void)state;
        make_image(guest_image, &options, &places);
        poke32(guest_image, 32, 2);
        poke32(guest_image, 112, 0x0537be77);
        poke32(guest_image, 116, 16);
        poke64(guest_image, 120, 0x5000);
        poke64(guest_image, 128, 0x1234);
        in_guest(read_header);
        assert_int_equal(code, ABI_OK);
        assert_true(header.has_crypto);
        assert_int_equal(header.crypto_offset, 0x5000);
        assert_int_equal(header.crypto_length, 0x1234);
}

static void expect_luks(enum abi_code wanted, uint64_t at, uint64_t fault)
{
        in_guest(read_header);
        assert_int_equal(code, wanted);
        assert_int_equal(detail[at], fault);
}

static void crypto_record_fits_the_method(void **state)
{
        struct made_options options = {.cluster_bits = 12};
        (void)state;
        make_image(guest_image, &options, &places);
        poke32(guest_image, 32, 2);
        expect_luks(ABI_BAD_HEADER, 0, ABI_HEADER_NO_LUKS);
        poke32(guest_image, 112, 0x0537be77);
        poke64(guest_image, 120, 0x5000);
        for (uint32_t length = 0; length <= 40; length += 8) {
                poke32(guest_image, 116, length);
                if (length != 16)
                        expect_luks(ABI_BAD_EXTENSION, 2, ABI_EXTENSION_LUKS);
        }
        poke32(guest_image, 116, 16);
        poke64(guest_image, 120, 0x5200);
        expect_luks(ABI_BAD_EXTENSION, 2, ABI_EXTENSION_LUKS);
        poke64(guest_image, 120, 0x5000);
        for (uint32_t method = 0; method < 2; method++) {
                poke32(guest_image, 32, method);
                expect_luks(ABI_BAD_EXTENSION, 2, ABI_EXTENSION_NOT_LUKS);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(malformed_bodies_are_refused),
            IN_GUEST(second_bitmaps_record_is_refused),
            IN_GUEST(autoclear_bit_without_a_record_is_refused),
            IN_GUEST(stale_list_is_described),
            IN_GUEST(emptied_record_is_no_list),
            IN_GUEST(area_may_be_full),
            IN_GUEST(many_empty_records_end),
            IN_GUEST(crypto_record_is_read),
            IN_GUEST(crypto_record_fits_the_method),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
