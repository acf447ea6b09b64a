/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/unit/image/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect_resolved(const struct image *image, const char *name)
{
        char expected[PATH_MAX + NAME_MAX + 2];

        snprintf(expected, sizeof expected, "%s/%s", scratch_path(), name);
        assert_string_equal(image->resolved_path, expected);
}

static void a_regular_file_opens_with_its_size_and_absolute_path(void **state)
{
        struct image image;

        (void)state;
        scratch_write("x.qcow2", "12345", 5);
        image = scratch_open("./x.qcow2");
        assert_false(image.block_device);
        assert_int_equal(image.size, 5);
        expect_resolved(&image, "x.qcow2");
        assert_true(fcntl(image.fd, F_GETFD) & FD_CLOEXEC);
        image_close(&image);
        assert_int_equal(image.fd, -1);
        image_close(&image); /* harmless */
}

static void symbolic_links_are_resolved(void **state)
{
        struct image image;

        (void)state;
        assert_int_equal(mkdir("real", 0755), 0);
        scratch_write("real/disk", "x", 1);
        assert_int_equal(symlink("real", "folder-link"), 0);
        assert_int_equal(symlink("folder-link/disk", "disk-link"), 0);
        image = scratch_open("disk-link");
        expect_resolved(&image, "real/disk");
        image_close(&image);
}

static void names_are_literal_whatever_their_bytes(void **state)
{
        static char long_name[251];
        static const char *const names[] = {"json:{\"driver\":\"raw\"}",
                                            "file:x",
                                            "nbd:h",
                                            " ",
                                            "-",
                                            "new\nline",
                                            "bad\xff\xfeutf8",
                                            "back\\slash",
                                            "gone (deleted)",
                                            long_name};

        (void)state;
        memset(long_name, 'l', 250);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                struct image image;
                scratch_write(names[i], "x", 1);
                image = scratch_open(names[i]);
                expect_resolved(&image, names[i]);
                image_close(&image);
        }
}

static void expect_error(const char *name, enum image_error expected, int expected_errno)
{
        struct image image;
        int error = -1;

        assert_int_equal(image_open(name, &image, &error), expected);
        assert_int_equal(error, expected_errno);
        assert_int_equal(image.fd, -1);
        assert_null(image.resolved_path);
}

static void what_is_missing_is_an_errno(void **state)
{
        char too_long[NAME_MAX + 2];

        (void)state;
        scratch_write("file", "x", 1);
        assert_int_equal(symlink("nowhere", "dangling"), 0);
        assert_int_equal(symlink("loop", "loop"), 0);
        memset(too_long, 'l', sizeof too_long - 1);
        too_long[sizeof too_long - 1] = '\0';
        expect_error("missing", IMAGE_OPEN_FAILED, ENOENT);
        expect_error("", IMAGE_OPEN_FAILED, ENOENT);
        expect_error("dangling", IMAGE_OPEN_FAILED, ENOENT);
        expect_error("file/x", IMAGE_OPEN_FAILED, ENOTDIR);
        expect_error("loop", IMAGE_OPEN_FAILED, ELOOP);
        expect_error(too_long, IMAGE_OPEN_FAILED, ENAMETOOLONG);
}

static void make_socket(const char *name)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path, name);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        close(fd);
}

static void only_regular_files_and_block_devices_are_images(void **state)
{
        (void)state;
        assert_int_equal(mkdir("folder", 0755), 0);
        assert_int_equal(mkfifo("fifo", 0644), 0);
        make_socket("socket");
        alarm(10); /* a FIFO that blocks ends the test */
        expect_error("folder", IMAGE_IS_DIRECTORY, 0);
        expect_error("fifo", IMAGE_NOT_A_FILE, 0);
        expect_error("socket", IMAGE_NOT_A_FILE, 0);
        expect_error("/dev/null", IMAGE_NOT_A_FILE, 0);
        alarm(0);
}

/* Root may open everything, so the attempt is made by a child that is somebody else. */
static int errno_for_nobody(const char *name)
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                struct image image;
                int error;
                if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
                        _exit(255);
                _exit(image_open(name, &image, &error) == IMAGE_OPEN_FAILED ? error
                                                                            : 254);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void a_read_only_file_is_refused(void **state)
{
        (void)state;
        assert_int_equal(chmod(scratch_path(), 0755), 0);
        scratch_write("read-only", "x", 1);
        assert_int_equal(chmod("read-only", 0444), 0);
        assert_int_equal(errno_for_nobody("read-only"), EACCES);
}

static void opening_changes_nothing(void **state)
{
        struct stat before, after;
        struct image image;

        (void)state;
        scratch_write("untouched", "x", 1);
        assert_int_equal(stat("untouched", &before), 0);
        image = scratch_open("untouched");
        image_close(&image);
        assert_int_equal(stat("untouched", &after), 0);
        assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
        assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_regular_file_opens_with_its_size_and_absolute_path),
            cmocka_unit_test(symbolic_links_are_resolved),
            cmocka_unit_test(names_are_literal_whatever_their_bytes),
            cmocka_unit_test(what_is_missing_is_an_errno),
            cmocka_unit_test(only_regular_files_and_block_devices_are_images),
            cmocka_unit_test(a_read_only_file_is_refused),
            cmocka_unit_test(opening_changes_nothing),
        };

        return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
