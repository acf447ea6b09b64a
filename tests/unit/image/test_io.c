/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/unit/image/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 65536u

static void the_magic_is_the_first_four_bytes(void **state)
{
        static const struct {
                const char *bytes;
                size_t length;
                enum image_error expected;
        } cases[] = {
            {"QFI\xfb", 4, IMAGE_OK},          {"QFI\xfb\0\0", 6, IMAGE_OK},
            {"", 0, IMAGE_NOT_QCOW2},          {"QFI", 3, IMAGE_NOT_QCOW2},
            {"QFI\xfa", 4, IMAGE_NOT_QCOW2},   {"\xfbIFQ", 4, IMAGE_NOT_QCOW2},
            {"\0QFI\xfb", 5, IMAGE_NOT_QCOW2},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct image image;
                int error = -1;

                scratch_write("magic", cases[i].bytes, cases[i].length);
                image = scratch_open("magic");
                assert_int_equal(image_check_magic(&image, &error), cases[i].expected);
                assert_int_equal(error, 0);
                image_close(&image);
        }
}

static void a_failed_read_of_the_magic_is_no_verdict(void **state)
{
        struct image image = {.fd = -1};
        int error = 0;

        (void)state;
        assert_int_equal(image_check_magic(&image, &error), IMAGE_READ_FAILED);
        assert_int_equal(error, EBADF);
}

static void reads_behind_the_end_give_zeros(void **state)
{
        struct image image;
        struct image_io io;
        char buffer[8];

        (void)state;
        scratch_write("short", "abc", 3);
        image = scratch_open("short");
        io = image_io(&image);
        memset(buffer, 'x', sizeof buffer);
        assert_int_equal(io.read(io.context, 1, buffer, sizeof buffer), 0);
        assert_memory_equal(buffer, "bc\0\0\0\0\0\0", 8);
        memset(buffer, 'x', sizeof buffer);
        assert_int_equal(io.read(io.context, UINT64_C(1) << 60, buffer, sizeof buffer),
                         0);
        assert_memory_equal(buffer, "\0\0\0\0\0\0\0\0", 8);
        image_close(&image);
}

static void what_is_written_is_read_and_the_size_follows(void **state)
{
        struct image image;
        struct image_io io;
        uint64_t size;
        char buffer[4];

        (void)state;
        scratch_write("rw", "", 0);
        image = scratch_open("rw");
        io = image_io(&image);
        assert_int_equal(io.write(io.context, 10, "data", 4), 0);
        assert_int_equal(io.sync(io.context), 0);
        assert_int_equal(io.size(io.context, &size), 0);
        assert_int_equal(size, 14);
        assert_int_equal(io.read(io.context, 10, buffer, 4), 0);
        assert_memory_equal(buffer, "data", 4);
        assert_int_equal(io.resize(io.context, 12), 0);
        assert_int_equal(io.size(io.context, &size), 0);
        assert_int_equal(size, 12);
        assert_int_equal(io.read(io.context, 10, buffer, 4), 0);
        assert_memory_equal(buffer, "da\0\0", 4);
        image_close(&image);
}

static void offsets_that_no_file_has_are_refused(void **state)
{
        static const uint64_t offsets[] = {INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
        struct image image;
        struct image_io io;
        char buffer[2] = {0};

        (void)state;
        scratch_write("far", "x", 1);
        image = scratch_open("far");
        io = image_io(&image);
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
                assert_int_equal(io.read(io.context, offsets[i], buffer, 2), -EFBIG);
                assert_int_equal(io.write(io.context, offsets[i], buffer, 2), -EFBIG);
                assert_int_equal(image_punch(&image, offsets[i], 2), -EFBIG);
                assert_int_equal(image_is_hole(&image, offsets[i], 2), 0);
        }
        assert_int_equal(io.resize(io.context, UINT64_C(1) << 63), -EFBIG);
        image_close(&image);
}

static void failures_are_negative_errnos(void **state)
{
        struct image image;
        struct image_io io;
        uint64_t size;
        char byte = 0;
        int read_only;

        (void)state;
        scratch_write("fails", "x", 1);
        image = scratch_open("fails");
        io = image_io(&image);
        read_only = open("fails", O_RDONLY | O_CLOEXEC);
        assert_true(read_only >= 0);
        assert_int_equal(dup2(read_only, image.fd), image.fd);
        close(read_only);
        assert_int_equal(io.write(io.context, 0, "y", 1), -EBADF);
        assert_int_equal(io.resize(io.context, 0), -EINVAL);
        assert_int_equal(image_punch(&image, 0, 1), -EBADF);
        image_close(&image);
        assert_int_equal(io.read(io.context, 0, &byte, 1), -EBADF);
        assert_int_equal(io.sync(io.context), -EBADF);
        assert_int_equal(io.size(io.context, &size), -EBADF);
        assert_int_equal(image_is_hole(&image, 0, 1), -EBADF);
}

/* data, hole, data, hole */
static struct image make_sparse(void)
{
        static char data[BLOCK];
        struct image image;
        struct image_io io;

        memset(data, 'd', sizeof data);
        scratch_write("sparse", "", 0);
        image = scratch_open("sparse");
        io = image_io(&image);
        assert_int_equal(io.write(io.context, 0, data, BLOCK), 0);
        assert_int_equal(io.write(io.context, 2 * BLOCK, data, BLOCK), 0);
        assert_int_equal(io.resize(io.context, 4 * BLOCK), 0);
        return image;
}

static void holes_are_told_from_data_and_from_what_is_behind_the_end(void **state)
{
        struct image image = make_sparse();

        (void)state;
        assert_int_equal(image_is_hole(&image, 0, BLOCK), 0);
        assert_int_equal(image_is_hole(&image, BLOCK, BLOCK), 1);
        assert_int_equal(image_is_hole(&image, BLOCK + 4096, 4096), 1);
        assert_int_equal(image_is_hole(&image, BLOCK, BLOCK + 1), 0);
        assert_int_equal(image_is_hole(&image, BLOCK - 1, 2), 0);
        assert_int_equal(image_is_hole(&image, 3 * BLOCK, BLOCK), 1); /* up to the end */
        assert_int_equal(image_is_hole(&image, 3 * BLOCK, BLOCK + 1), 0);
        assert_int_equal(image_is_hole(&image, 4 * BLOCK, 1), 0);
        assert_int_equal(image_is_hole(&image, BLOCK, 0), 0);
        image_close(&image);
}

static void a_punched_range_is_a_hole_and_the_size_stays(void **state)
{
        struct image image = make_sparse();
        struct image_io io = image_io(&image);
        struct stat before, after;
        uint64_t size;
        char byte;

        (void)state;
        assert_int_equal(io.sync(io.context), 0);
        assert_int_equal(fstat(image.fd, &before), 0);
        assert_int_equal(image_punch(&image, 0, BLOCK), 0);
        assert_int_equal(image_is_hole(&image, 0, 2 * BLOCK), 1);
        assert_int_equal(io.read(io.context, BLOCK - 1, &byte, 1), 0);
        assert_int_equal(byte, 0);
        assert_int_equal(io.read(io.context, 2 * BLOCK, &byte, 1), 0);
        assert_int_equal(byte, 'd');
        assert_int_equal(image_punch(&image, 3 * BLOCK, 9 * BLOCK), 0);
        assert_int_equal(io.size(io.context, &size), 0);
        assert_int_equal(size, 4 * BLOCK);
        assert_int_equal(fstat(image.fd, &after), 0);
        assert_true(after.st_blocks < before.st_blocks);
        image_close(&image);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_magic_is_the_first_four_bytes),
            cmocka_unit_test(a_failed_read_of_the_magic_is_no_verdict),
            cmocka_unit_test(reads_behind_the_end_give_zeros),
            cmocka_unit_test(what_is_written_is_read_and_the_size_follows),
            cmocka_unit_test(offsets_that_no_file_has_are_refused),
            cmocka_unit_test(failures_are_negative_errnos),
            cmocka_unit_test(holes_are_told_from_data_and_from_what_is_behind_the_end),
            cmocka_unit_test(a_punched_range_is_a_hole_and_the_size_stays),
        };

        return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
