/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/identity.h"
#include "journal/journal.h"
#include "scratch.h"

static int set_up(void **state)
{
        struct scratch *scratch = malloc(sizeof *scratch);

        scratch_create(scratch);
        *state = scratch;
        return 0;
}

static int tear_down(void **state)
{
        scratch_remove(*state);
        free(*state);
        return 0;
}

static void a_file_keeps_its_identity_under_another_name_and_content(void **state)
{
        struct scratch *scratch = *state;
        struct journal_identity before;
        struct journal_identity after;
        int fd = scratch_file(scratch, "a", 4096);

        assert_int_equal(journal_identify(fd, &before), 0);
        assert_true(before.length > 0 && before.length <= JOURNAL_IDENTITY_MAX);
        assert_int_equal(pwrite(fd, "x", 1, 10000), 1);
        close(fd);
        assert_int_equal(rename(scratch_path(scratch, "a"), scratch_path(scratch, "b")),
                         0);
        fd = open(scratch_path(scratch, "b"), O_RDONLY);
        assert_int_equal(journal_identify(fd, &after), 0);
        assert_true(journal_identity_equal(&before, &after));
        close(fd);
}

static void two_files_have_two_identities(void **state)
{
        struct scratch *scratch = *state;
        struct journal_identity a;
        struct journal_identity b;
        char digest_a[IDENTITY_DIGEST_SIZE];
        char digest_b[IDENTITY_DIGEST_SIZE];
        int fd_a = scratch_file(scratch, "a", 4096);
        int fd_b = scratch_file(scratch, "b", 4096);

        assert_int_equal(journal_identify(fd_a, &a), 0);
        assert_int_equal(journal_identify(fd_b, &b), 0);
        assert_false(journal_identity_equal(&a, &b));
        identity_digest(&a, digest_a);
        identity_digest(&b, digest_b);
        assert_int_equal(strlen(digest_a), 32);
        assert_string_not_equal(digest_a, digest_b);
        close(fd_a);
        close(fd_b);
}

/* File systems give a freed inode out again at once; the generation differs. */
static void a_new_file_in_a_reused_inode_is_another_one(void **state)
{
        struct scratch *scratch = *state;
        struct journal_identity old;
        struct journal_identity new;
        int fd = scratch_file(scratch, "a", 0);

        assert_int_equal(journal_identify(fd, &old), 0);
        close(fd);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(unlink(scratch_path(scratch, "a")), 0);
                fd = scratch_file(scratch, "a", 0);
                assert_int_equal(journal_identify(fd, &new), 0);
                assert_false(journal_identity_equal(&old, &new));
                close(fd);
        }
}

/* A loop device for `backing`, gone with its last descriptor.  -1: not permitted here. */
static int make_loop_device(int backing)
{
        char path[64];
        struct loop_info64 info = {.lo_flags = LO_FLAGS_AUTOCLEAR};
        int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        int number;
        int fd = -1;

        if (control < 0)
                return -1;
        for (int try = 0; try < 10 && fd < 0; try++) {
                number = ioctl(control, LOOP_CTL_GET_FREE);
                if (number < 0)
                        break;
                snprintf(path, sizeof path, "/dev/loop%d", number);
                fd = open(path, O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        break;
                if (ioctl(fd, LOOP_SET_FD, backing) != 0) { /* somebody else has it */
                        close(fd);
                        fd = -1;
                }
        }
        close(control);
        if (fd >= 0)
                assert_int_equal(ioctl(fd, LOOP_SET_STATUS64, &info), 0);
        return fd;
}

static void a_loop_device_is_known_by_its_backing_file(void **state)
{
        struct scratch *scratch = *state;
        struct journal_identity first;
        struct journal_identity other;
        struct journal_identity again;
        int backing = scratch_file(scratch, "disk", 1 << 20);
        int backing_2 = scratch_file(scratch, "disk2", 1 << 20);
        int device = make_loop_device(backing);
        int device_2;

        if (device < 0) {
                print_message("loop devices cannot be made here\n");
                close(backing);
                close(backing_2);
                skip();
        }
        device_2 = make_loop_device(backing_2);
        assert_true(device_2 >= 0);
        assert_int_equal(journal_identify(device, &first), 0);
        assert_int_equal(first.kind, JOURNAL_IDENTITY_DEVICE);
        assert_int_equal(journal_identify(device_2, &other), 0);
        assert_false(journal_identity_equal(&first, &other));
        close(device);
        /* The same backing file, likely under another number. */
        device = make_loop_device(backing_2);
        assert_true(device >= 0);
        close(device_2);
        device_2 = make_loop_device(backing);
        assert_true(device_2 >= 0);
        assert_int_equal(journal_identify(device_2, &again), 0);
        assert_true(journal_identity_equal(&first, &again));
        close(device);
        close(device_2);
        close(backing);
        close(backing_2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_file_keeps_its_identity_under_another_name_and_content),
            TEST(two_files_have_two_identities),
            TEST(a_new_file_in_a_reused_inode_is_another_one),
            TEST(a_loop_device_is_known_by_its_backing_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
