/* SPDX-License-Identifier: MIT */
/*
 * Every conflict is made by a child process, as it would be by another program.
 */
#define _GNU_SOURCE
#include "tests/unit/image/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "locked.qcow2"

static int make_image(void **state)
{
        int failed = scratch_enter(state);

        if (!failed)
                scratch_write(NAME, "QFI\xfb", 4);
        return failed;
}

static enum image_error try_lock(void)
{
        struct image image = scratch_open(NAME);
        int error;
        enum image_error result = image_lock(&image, &error);

        image_close(&image);
        return result;
}

/* A child that holds something until it is told to end. */
struct holder {
        pid_t child;
        int end; /* closing it ends the child */
};

static bool hold_byte(short type, off_t byte)
{
        struct flock lock = {
            .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        int fd = open(NAME, O_RDWR | O_CLOEXEC);

        return fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool hold_image(void)
{
        struct image image;
        int error;

        return image_open(NAME, &image, &error) == IMAGE_OK &&
               image_lock(&image, &error) == IMAGE_OK;
}

/* Fork a child that takes one byte, or with byte 0 all of image_lock(). */
static struct holder hold(short type, off_t byte)
{
        int ready[2], end[2];
        struct holder holder;
        char answer = 0;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        assert_int_equal(pipe2(end, O_CLOEXEC), 0);
        holder = (struct holder){.child = fork(), .end = end[1]};
        assert_true(holder.child >= 0);
        if (holder.child == 0) {
                close(end[1]);
                answer = byte ? hold_byte(type, byte) : hold_image();
                if (write(ready[1], &answer, 1) == 1)
                        answer = read(end[0], &answer, 1) == 0;
                _exit(0);
        }
        close(end[0]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &answer, 1), 1);
        close(ready[0]);
        assert_true(answer);
        return holder;
}

static void release(struct holder holder, bool kill_it)
{
        if (kill_it)
                assert_int_equal(kill(holder.child, SIGKILL), 0);
        close(holder.end);
        assert_int_equal(waitpid(holder.child, NULL, 0), holder.child);
}

static void of_two_instars_one_goes_on(void **state)
{
        struct holder holder = hold(0, 0);

        (void)state;
        assert_int_equal(try_lock(), IMAGE_LOCKED);
        release(holder, false);
        assert_int_equal(try_lock(), IMAGE_OK);
}

static void a_killed_holder_leaves_no_lock(void **state)
{
        struct holder holder = hold(0, 0);

        (void)state;
        assert_int_equal(try_lock(), IMAGE_LOCKED);
        release(holder, true);
        assert_int_equal(try_lock(), IMAGE_OK);
}

/* Those who do not share read, write or resize, and those who write or resize. */
static void every_conflicting_byte_of_qemu_is_seen(void **state)
{
        static const off_t bytes[] = {101, 103, 200, 201, 203};

        (void)state;
        for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
                struct holder holder = hold(F_RDLCK, bytes[i]);
                if (try_lock() != IMAGE_LOCKED)
                        fail_msg("byte %d was not seen", (int)bytes[i]);
                release(holder, false);
        }
        assert_int_equal(try_lock(), IMAGE_OK);
}

static void bytes_that_do_not_conflict_are_let_be(void **state)
{
        /* libvirt's byte; a consistent read that shares everything */
        static const off_t bytes[] = {100, 102, 202};

        (void)state;
        for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
                struct holder holder = hold(F_RDLCK, bytes[i]);
                assert_int_equal(try_lock(), IMAGE_OK);
                release(holder, false);
        }
}

static void our_own_byte_refuses_another_holder_of_any_kind(void **state)
{
        struct holder holder = hold(F_RDLCK, 400);

        (void)state;
        assert_int_equal(try_lock(), IMAGE_LOCKED);
        release(holder, false);
}

/* What qemu looks at: each of our bytes must be visible as held, and shared. */
static void qemu_sees_exactly_a_writers_bytes(void **state)
{
        struct image image = scratch_open(NAME);
        int other = open(NAME, O_RDWR | O_CLOEXEC);
        int error;

        (void)state;
        assert_int_equal(image_lock(&image, &error), IMAGE_OK);
        for (off_t byte = 0; byte < 500; byte++) {
                bool ours = byte == 100 || byte == 101 || byte == 103 || byte == 201 ||
                            byte == 203 || byte == 400;
                struct flock lock = {
                    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

                assert_int_equal(fcntl(other, F_OFD_GETLK, &lock), 0);
                if ((lock.l_type != F_UNLCK) != ours)
                        fail_msg("byte %d", (int)byte);
                if (ours)
                        assert_int_equal(lock.l_type, byte == 400 ? F_WRLCK : F_RDLCK);
        }
        close(other);
        image_close(&image);
}

static void the_size_is_taken_again_under_the_locks(void **state)
{
        struct image image = scratch_open(NAME);
        int error;

        (void)state;
        assert_int_equal(truncate(NAME, 4096), 0); /* a writer that is gone by now */
        assert_int_equal(image.size, 4);
        assert_int_equal(image_lock(&image, &error), IMAGE_OK);
        assert_int_equal(image.size, 4096);
        image_close(&image);
        scratch_write(NAME, "QFI\xfb", 4);
}

static void a_descriptor_without_locks_says_so(void **state)
{
        struct image image = {.fd = -1};
        int error = 0;

        (void)state;
        assert_int_equal(image_lock(&image, &error), IMAGE_NO_OFD_LOCKS);
        assert_int_not_equal(error, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(of_two_instars_one_goes_on),
            cmocka_unit_test(a_killed_holder_leaves_no_lock),
            cmocka_unit_test(every_conflicting_byte_of_qemu_is_seen),
            cmocka_unit_test(bytes_that_do_not_conflict_are_let_be),
            cmocka_unit_test(our_own_byte_refuses_another_holder_of_any_kind),
            cmocka_unit_test(qemu_sees_exactly_a_writers_bytes),
            cmocka_unit_test(the_size_is_taken_again_under_the_locks),
            cmocka_unit_test(a_descriptor_without_locks_says_so),
        };

        return cmocka_run_group_tests(tests, make_image, scratch_leave);
}
