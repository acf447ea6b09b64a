/* SPDX-License-Identifier: MIT */
/* The bitmap directory: what is refused, what is found, what is stored. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/image.h"

static struct image image;
static enum abi_code code;
static uint64_t detail[4];
static struct made_places places;

static void open_image(void)
{
        code = image_open(&image, guest_image->size, false);
        failure_details(detail);
}

static void make(bool stale, uint32_t flags)
{
        struct made_options options = {
            .cluster_bits = 12,
            .stale = stale,
            .bitmap_count = 3,
            .bitmaps = {{.name = "first"},
                        {.name = "second!", .flags = flags, .fill = MADE_DATA},
                        {.name = "third", .extra_length = 11, .flags = 4}}};
        make_image(guest_image, &options, &places);
}

static void expect_fault(enum abi_directory_fault fault, uint64_t index)
{
        in_guest(open_image);
        assert_int_equal(code, ABI_BAD_DIRECTORY);
        assert_int_equal(detail[2], fault);
        assert_int_equal(detail[1], index);
}

/* A field of the second entry each. */
static void malformed_entries_are_refused(void **state)
{
        static const struct {
                uint32_t at, bytes;
                uint64_t value;
                enum abi_directory_fault fault;
        } cases[] = {
            {0, 8, 0, ABI_DIRECTORY_TABLE_OFFSET},
            {0, 8, 512, ABI_DIRECTORY_TABLE_OFFSET},
            {0, 8, 0x5001, ABI_DIRECTORY_TABLE_OFFSET},
            {8, 4, 0, ABI_DIRECTORY_TABLE_SIZE},
            {8, 4, 2, ABI_DIRECTORY_TABLE_SIZE},
            {8, 4, UINT32_MAX, ABI_DIRECTORY_TABLE_SIZE},
            {8, 4, 0x8000001, ABI_DIRECTORY_TABLE_SIZE},
            {12, 4, 8, ABI_DIRECTORY_FLAGS},
            {12, 4, 1u << 31, ABI_DIRECTORY_FLAGS},
            {16, 4, 0x02100007, ABI_DIRECTORY_TYPE},
            {16, 4, 0x00100007, ABI_DIRECTORY_TYPE},
            {16, 4, 0x01080007, ABI_DIRECTORY_GRANULARITY},
            {16, 4, 0x01200007, ABI_DIRECTORY_GRANULARITY},
            {16, 4, 0x01ff0007, ABI_DIRECTORY_GRANULARITY},
            {16, 4, 0x01100000, ABI_DIRECTORY_NAME_SIZE},
            {20, 4, UINT32_MAX, ABI_DIRECTORY_TRUNCATED},
            {20, 4, 200, ABI_DIRECTORY_TRUNCATED},
            {28, 4, 0x6e642161, ABI_DIRECTORY_PADDING},
        };
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                make(false, 2);
                uint64_t at = places.entries[1] + cases[i].at;
                if (cases[i].bytes == 8)
                        poke64(guest_image, at, cases[i].value);
                else
                        poke32(guest_image, at, (uint32_t)cases[i].value);
                expect_fault(cases[i].fault, 1);
        }
}

static void duplicate_name_is_refused(void **state)
{
        (void)state;
        make(false, 0);
        native_image_write(guest_image, places.entries[2] + 24 + 11, "first", 5);
        expect_fault(ABI_DIRECTORY_DUPLICATE_NAME, 2);
        make(false, 0);
        native_image_write(guest_image, places.entries[1] + 24, "first\0\0", 7);
        poke16(guest_image, places.entries[1] + 18, 5);
        expect_fault(ABI_DIRECTORY_DUPLICATE_NAME, 1);
        poke32(guest_image, places.entries[1] + QCOW2_ENTRY_FLAGS, QCOW2_BITMAP_IN_USE);
        expect_fault(ABI_DIRECTORY_DUPLICATE_IN_USE, 1);
}

/* QEMU minds it more than what else is wrong with the entry. */
static void duplicate_name_of_a_faulty_entry_is_told(void **state)
{
        (void)state;
        make(false, 0);
        native_image_write(guest_image, places.entries[1] + 24, "first\0\1", 7);
        poke16(guest_image, places.entries[1] + 18, 5);
        expect_fault(ABI_DIRECTORY_DUPLICATE_NAME, 1);
        make(false, 0);
        native_image_write(guest_image, places.entries[0] + 24 + 5, "\1", 1);
        expect_fault(ABI_DIRECTORY_PADDING, 0);
}

static enum abi_directory_fault faults[3];

static bool note_fault(void *context, const struct directory_entry *entry,
                       uint64_t position, uint32_t index, enum abi_directory_fault fault)
{
        (void)context;
        (void)entry;
        (void)position;
        assert_in_range(index, 0, 2);
        faults[index] = fault;
        return true;
}

static void visit(void)
{
        open_image();
        assert_int_equal(code, ABI_OK);
        assert_int_equal(
            directory_visit(&image.header, &image.directory, note_fault, NULL), ABI_OK);
}

static void name(uint32_t index, const char *bytes, uint16_t length)
{
        uint64_t at = places.entries[index] + 24 + (index == 2 ? 11 : 0);
        native_image_write(guest_image, at, "\0\0\0\0\0\0\0", index == 2 ? 5 : 7);
        native_image_write(guest_image, at, bytes, length);
        poke16(guest_image, places.entries[index] + 18, length);
}

/* They are two names in the format, so the image is edited all the same. */
static void names_that_are_the_same_up_to_a_nul_are_told(void **state)
{
        (void)state;
        for (uint32_t first = 0; first < 2; first++) {
                make(false, 0);
                name(first, "first", 5);
                name(!first, "first\0", 6);
                in_guest(visit);
                assert_int_equal(faults[0], 0);
                assert_int_equal(faults[1], ABI_DIRECTORY_SAME_TO_NUL);
                assert_int_equal(faults[2], 0);
        }
        make(false, 0);
        name(0, "a\0a", 3);
        name(1, "a\0b", 3);
        name(2, "a\0", 2);
        in_guest(visit);
        assert_int_equal(faults[1], ABI_DIRECTORY_SAME_TO_NUL);
        assert_int_equal(faults[2], ABI_DIRECTORY_SAME_TO_NUL);
        make(false, QCOW2_BITMAP_IN_USE); /* QEMU passes over it */
        name(0, "a", 1);
        name(1, "a\0b", 3);
        in_guest(visit);
        assert_int_equal(faults[1], 0);
        make(false, 0);
        name(0, "a\0b", 3);
        name(1, "a", 1);
        name(2, "a", 1);
        expect_fault(ABI_DIRECTORY_DUPLICATE_NAME, 2);
}

static void count_and_size_must_agree(void **state)
{
        (void)state;
        make(false, 0);
        poke32(guest_image, places.bitmaps_record + 8, 4);
        expect_fault(ABI_DIRECTORY_COUNT, 3);
        poke32(guest_image, places.bitmaps_record + 8, 2);
        expect_fault(ABI_DIRECTORY_COUNT, 2);
        poke32(guest_image, places.bitmaps_record + 8, 3);
        poke64(guest_image, places.bitmaps_record + 16, places.directory_size - 8);
        expect_fault(ABI_DIRECTORY_TRUNCATED, 2);
        poke64(guest_image, places.bitmaps_record + 16, places.directory_size + 8);
        expect_fault(ABI_DIRECTORY_COUNT, 3);
}

/* In use, or stale: the size may be of another time. */
static void size_of_an_unusable_bitmap_may_be_wrong(void **state)
{
        (void)state;
        for (int stale = 0; stale < 2; stale++) {
                make(stale, stale ? 2 : 3);
                poke32(guest_image, places.entries[1] + 8, 7);
                in_guest(open_image);
                assert_int_equal(code, ABI_OK);
                poke32(guest_image, places.entries[1] + 8, 0);
                expect_fault(ABI_DIRECTORY_TABLE_SIZE, 1);
        }
}

static void find_names(void)
{
        struct directory_entry entry;
        open_image();
        assert_int_equal(code, ABI_OK);
        struct bitmap_name third = {(const uint8_t *)"third", 5};
        assert_true(directory_find(&image.directory, third, &entry));
        assert_int_equal(entry.position, places.entries[2] - places.directory);
        assert_int_equal(entry.extra_length, 11);
        assert_int_equal(entry.length, 24 + 11 + 5);
        assert_int_equal(entry.table_offset, places.tables[2]);
        third.length = 4;
        assert_false(directory_find(&image.directory, third, &entry));
        third = (struct bitmap_name){(const uint8_t *)"Third", 5};
        assert_false(directory_find(&image.directory, third, &entry));
}

static void names_are_found_by_all_their_bytes(void **state)
{
        (void)state;
        make(false, 0);
        in_guest(find_names);
}

static void store_and_load(void)
{
        uint8_t bytes[24 + 1023 + 1] = {0};
        uint8_t name[1023];
        struct directory_entry entry;
        memset(name, 'x', sizeof name);
        for (uint32_t length = 1; length <= 1023; length++) {
                struct directory_new_entry new = {
                    .name = {name, length},
                    .table_offset = 0x123456789000,
                    .table_entries = 0x8000000,
                    .flags = 2,
                    .granularity_bits = 31,
                };
                struct directory directory = {.bytes = bytes,
                                              .size = directory_entry_length(length)};
                memset(bytes, 0, sizeof bytes);
                directory_store_entry(bytes, &new);
                assert_true(directory_entry_at(&directory, 0, &entry));
                assert_int_equal(entry.length, directory.size);
                assert_int_equal(entry.length % 8, 0);
                assert_int_equal(entry.table_offset, new.table_offset);
                assert_int_equal(entry.table_entries, new.table_entries);
                assert_int_equal(entry.flags, 2);
                assert_int_equal(entry.type, 1);
                assert_int_equal(entry.granularity_bits, 31);
                assert_int_equal(entry.name_length, length);
                assert_memory_equal(entry.name, name, length);
                assert_false(directory_entry_at(&directory, entry.length, &entry));
        }
}

static void stored_entry_is_loaded_again(void **state)
{
        (void)state;
        in_guest(store_and_load);
}

/* Whatever the bytes are, the walk ends inside the directory. */
static void random_bytes_are_walked_safely(void **state)
{
        uint64_t random = 88172645463325252ull;
        (void)state;
        for (int round = 0; round < 300; round++) {
                make(false, 0);
                for (int i = 0; i < 1 + round % 4; i++) {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        poke32(guest_image,
                               places.directory + random % (places.directory_size - 3),
                               (uint32_t)(random >> 20));
                }
                in_guest(open_image);
                assert_true(code == ABI_OK || code == ABI_BAD_DIRECTORY);
        }
}

/* The most that the format allows: as many names, all alike but for their numbers. */
static void most_bitmaps(void)
{
        const uint32_t count = 65535;
        struct header header = {.cluster_size = 65536, .size = 1 << 20};
        struct directory directory = {.count = count, .size = count * 32ull};
        directory.bytes = arena_alloc(directory.size);
        assert_non_null(directory.bytes);
        for (uint32_t i = 0; i < count; i++) {
                uint8_t name[6] = {
                    'n', (uint8_t)('a' + i % 16), (uint8_t)('a' + i / 16 % 16),
                    (uint8_t)('a' + i / 256 % 16), (uint8_t)('a' + i / 4096)};
                struct directory_new_entry new = {
                    .name = {name, 5},
                    .table_offset = 65536,
                    .table_entries = 1,
                    .granularity_bits = 16,
                };
                directory_store_entry(directory.bytes + i * 32ull, &new);
        }
        assert_int_equal(directory_check(&header, &directory), ABI_OK);
        memcpy(directory.bytes + 32 * 60000 + 24, directory.bytes + 24, 5);
        assert_int_equal(directory_check(&header, &directory), ABI_BAD_DIRECTORY);
}

static void most_bitmaps_that_the_format_allows_are_checked(void **state)
{
        (void)state;
        in_guest(most_bitmaps);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(malformed_entries_are_refused),
            IN_GUEST(duplicate_name_is_refused),
            IN_GUEST(duplicate_name_of_a_faulty_entry_is_told),
            IN_GUEST(names_that_are_the_same_up_to_a_nul_are_told),
            IN_GUEST(count_and_size_must_agree),
            IN_GUEST(size_of_an_unusable_bitmap_may_be_wrong),
            IN_GUEST(names_are_found_by_all_their_bytes),
            IN_GUEST(stored_entry_is_loaded_again),
            IN_GUEST(random_bytes_are_walked_safely),
            IN_GUEST(most_bitmaps_that_the_format_allows_are_checked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
