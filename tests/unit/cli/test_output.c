/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/cli/output.h"

static struct output output;
static char written[4 * TEXT_MAX];

static int start(void)
{
        int fd = memfd_create("output", MFD_CLOEXEC);

        assert_true(fd >= 0);
        output_start(&output, fd);
        return fd;
}

static size_t read_back(int fd)
{
        ssize_t length = pread(fd, written, sizeof written, 0);

        assert_true(length >= 0);
        close(fd);
        return (size_t)length;
}

/* Fill `length` bytes in place, `took` of which are kept. */
static void fill(char byte, size_t length, size_t took)
{
        char *to = output_room(&output, length);

        memset(to, byte, length);
        output_took(&output, to + took);
}

static void what_is_filled_in_place_stands_between_its_neighbours(void **state)
{
        int fd = start();

        (void)state;
        output_string(&output, "a");
        fill('b', 20, 3);
        fill('-', 20, 0);
        output_number(&output, 12);
        assert_int_equal(output_finish(&output), 0);
        assert_int_equal(read_back(fd), 6);
        assert_memory_equal(written, "abbb12", 6);
}

static void a_full_buffer_makes_room_by_being_written(void **state)
{
        int fd = start();

        (void)state;
        for (char byte = 'a'; byte < 'd'; byte++)
                fill(byte, TEXT_MAX, TEXT_MAX - 10);
        fill('d', 10, 10);
        assert_int_equal(output_finish(&output), 0);
        assert_int_equal(read_back(fd), 3 * (TEXT_MAX - 10) + 10);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(written[i * (TEXT_MAX - 10)], 'a' + (int)i);
                assert_int_equal(written[(i + 1) * (TEXT_MAX - 10) - 1], 'a' + (int)i);
        }
        assert_memory_equal(written + 3 * (TEXT_MAX - 10), "dddddddddd", 10);
}

static void as_long_as_the_buffer_has_room_nothing_is_written(void **state)
{
        int fd = start();

        (void)state;
        fill('a', TEXT_MAX, TEXT_MAX - 1);
        fill('b', 1, 1);
        assert_false(output.begun);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
        fill('c', 1, 1);
        assert_true(output.begun);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), TEXT_MAX);
        close(fd);
}

static void nothing_at_all_is_not_a_beginning(void **state)
{
        int fd = start();

        (void)state;
        assert_int_equal(output_finish(&output), 0);
        assert_false(output.begun);
        assert_int_equal(read_back(fd), 0);
}

static void the_first_error_is_kept_and_room_is_given_all_the_same(void **state)
{
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void)state;
        assert_true(full >= 0);
        output_start(&output, full);
        for (int i = 0; i < 5; i++)
                fill('a', TEXT_MAX, TEXT_MAX);
        assert_int_equal(output.error, ENOSPC);
        close(full);
        fill('a', TEXT_MAX, TEXT_MAX);
        assert_int_equal(output_finish(&output), ENOSPC);
        assert_true(output.begun);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_filled_in_place_stands_between_its_neighbours),
            cmocka_unit_test(a_full_buffer_makes_room_by_being_written),
            cmocka_unit_test(as_long_as_the_buffer_has_room_nothing_is_written),
            cmocka_unit_test(nothing_at_all_is_not_a_beginning),
            cmocka_unit_test(the_first_error_is_kept_and_room_is_given_all_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
