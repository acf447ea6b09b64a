/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cli/open_image.h"

static char directory[] = "/tmp/instar-test-XXXXXX";

static int make_directory(void **state)
{
        FILE *file;

        (void)state;
        if (!mkdtemp(directory) || chmod(directory, 0755) || chdir(directory))
                return -1;
        file = fopen("x", "w");
        return !file || fputs("QFI\xfb", file) < 0 || fclose(file);
}

static int remove_directory(void **state)
{
        (void)state;
        return unlink("x") || chdir("/") || rmdir(directory);
}

static enum message try_open(const char *path, enum image_use use)
{
        struct image image;
        int error;
        enum message message = open_image(path, use, &image, &error);

        image_close(&image);
        return message;
}

static void only_who_takes_no_locks_reads_beside_a_writer(void **state)
{
        struct image writer;
        int error;

        (void)state;
        assert_int_equal(open_image("x", IMAGE_EDIT, &writer, &error), MESSAGE_NONE);
        assert_int_equal(try_open("x", IMAGE_EDIT), MESSAGE_LOCKED);
        assert_int_equal(try_open("x", IMAGE_LOOK), MESSAGE_LOCKED_SHARED);
        assert_int_equal(try_open("x", IMAGE_LOOK_SHARED), MESSAGE_NONE);
        image_close(&writer);
        assert_int_equal(try_open("x", IMAGE_LOOK), MESSAGE_NONE);
}

static void only_a_reader_without_locks_lets_others_write(void **state)
{
        struct image reader;
        int error;

        (void)state;
        assert_int_equal(open_image("x", IMAGE_LOOK, &reader, &error), MESSAGE_NONE);
        assert_int_equal(try_open("x", IMAGE_LOOK), MESSAGE_NONE);
        assert_int_equal(try_open("x", IMAGE_EDIT), MESSAGE_LOCKED);
        image_close(&reader);
        assert_int_equal(open_image("x", IMAGE_LOOK_SHARED, &reader, &error),
                         MESSAGE_NONE);
        assert_int_equal(try_open("x", IMAGE_EDIT), MESSAGE_NONE);
        image_close(&reader);
}

/* Root may do everything, so a child that is somebody else tries. */
static enum message try_as_nobody(enum image_use use)
{
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
                        _exit(255);
                _exit((int)try_open("x", use));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        return (enum message)WEXITSTATUS(status);
}

static void who_wants_to_read_is_not_told_about_writing(void **state)
{
        (void)state;
        assert_int_equal(chmod("x", 0), 0);
        assert_int_equal(try_as_nobody(IMAGE_LOOK), MESSAGE_OPEN_FAILED);
        assert_int_equal(try_as_nobody(IMAGE_EDIT), MESSAGE_OPEN_DENIED);
        assert_int_equal(chmod("x", 0444), 0);
        assert_int_equal(try_as_nobody(IMAGE_LOOK), MESSAGE_NONE);
        assert_int_equal(try_as_nobody(IMAGE_EDIT), MESSAGE_OPEN_READ_ONLY_FILE);
}

static void what_is_no_image_is_closed_again(void **state)
{
        struct image image;
        int error;

        (void)state;
        assert_int_equal(open_image("/dev/null", IMAGE_LOOK, &image, &error),
                         MESSAGE_NOT_A_FILE);
        assert_int_equal(image.fd, -1);
        assert_int_equal(open_image("missing", IMAGE_LOOK, &image, &error),
                         MESSAGE_OPEN_FAILED);
        assert_int_equal(error, ENOENT);
        assert_int_equal(image.fd, -1);
        assert_int_equal(truncate("x", 3), 0);
        assert_int_equal(open_image("x", IMAGE_LOOK, &image, &error), MESSAGE_NOT_QCOW2);
        assert_int_equal(image.fd, -1);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(only_who_takes_no_locks_reads_beside_a_writer),
            cmocka_unit_test(only_a_reader_without_locks_lets_others_write),
            cmocka_unit_test(who_wants_to_read_is_not_told_about_writing),
            cmocka_unit_test(what_is_no_image_is_closed_again),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
