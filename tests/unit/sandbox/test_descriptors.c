/* SPDX-License-Identifier: MIT */
/* What stays open once a process is armed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/layers.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

#define LEFT_OPEN 50
#define BEYOND    200

static char path[64];
static int directory_fd;

/* Fifty, and the numbers of three among them. */
static void leave_open(int needed[3])
{
        for (int i = 0; i < LEFT_OPEN; i++) {
                int fd = open("/", O_RDONLY | O_DIRECTORY);
                if (i == 0)
                        needed[0] = fd; /* two neighbours, and one far away */
                if (i == 1)
                        needed[1] = fd;
                if (i == 30)
                        needed[2] = fd;
        }
}

static bool is_one_of(int fd, const int needed[3])
{
        return fd == needed[0] || fd == needed[1] || fd == needed[2];
}

/* 0: these are open, and of the others above stderr none. */
static int only_these(const int needed[3])
{
        for (int fd = STDERR_FILENO + 1; fd < BEYOND; fd++)
                if ((close(fd) == 0) != is_one_of(fd, needed))
                        return fd < 90 ? fd : 90;
        return 0;
}

/* close(2) is allowed under the filter, and tells. */
static int arm_and_look(void *argument)
{
        struct sandbox_config config = {.table = *(const enum sandbox_table *)argument,
                                        .machine = -1,
                                        .journal_directory_fd = -1};
        int needed[3] = {-1, -1, -1};

        leave_open(needed);
        config.journal_directory_fd = needed[1];
        sandbox_keep(&config, needed[2]);
        sandbox_keep(&config, needed[0]);
        sandbox_keep(&config, -1);
        return sandbox_arm(&config) ? 98 : only_these(needed);
}

static void what_is_not_needed_is_closed(void **state)
{
        const enum sandbox_table tables[] = {SANDBOX_KVM_HOST, SANDBOX_PROCESS_HOST};

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                enum sandbox_table table = tables[i];
                assert_int_equal(child_run(arm_and_look, &table), 0);
        }
}

/* A process's number is no descriptor. */
static int arm_with_machine(void *argument)
{
        const int needed[3] = {-1, -1, -1};
        struct sandbox_config config = {
            .table = SANDBOX_PROCESS_HOST, .machine = 40, .journal_directory_fd = -1};

        (void)argument;
        leave_open((int[3]){0});
        return sandbox_arm(&config) ? 98 : only_these(needed);
}

static void the_number_of_a_process_keeps_nothing_open(void **state)
{
        (void)state;
        assert_int_equal(child_run(arm_with_machine, NULL), 0);
}

static int close_as_old_kernels_do(void *argument)
{
        struct sandbox_config config = {.journal_directory_fd = -1};
        int needed[3] = {-1, -1, -1};

        (void)argument;
        leave_open(needed);
        for (int i = 0; i < 3; i++)
                sandbox_keep(&config, needed[i]);
        return descriptors_close_listed(&config) ? 98 : only_these(needed);
}

static void without_close_range_the_same_is_closed(void **state)
{
        (void)state;
        assert_int_equal(child_run(close_as_old_kernels_do, NULL), 0);
}

static bool is_null(int fd)
{
        struct stat null;
        struct stat status;

        return stat("/dev/null", &null) == 0 && fstat(fd, &status) == 0 &&
               S_ISCHR(status.st_mode) && status.st_rdev == null.st_rdev;
}

#ifdef INSTAR_SANITIZE
#define LAST_OUTPUT STDOUT_FILENO /* the report of a fault goes to stderr */
#else
#define LAST_OUTPUT STDERR_FILENO
#endif

/* The first of stdin, stdout, stderr (1 to 3) that is not as it should be. */
static int look_at_standard_ones(void *argument)
{
        const struct sandbox_config config = {.journal_directory_fd = -1,
                                              .silent = *(const bool *)argument};

        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (dup2(directory_fd, fd) < 0)
                        return 97;
        if (descriptors_close_others(&config))
                return 98;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (is_null(fd) != (fd <= (config.silent ? LAST_OUTPUT : STDIN_FILENO)))
                        return fd + 1;
        return 0;
}

static void stdin_is_of_no_use(void **state)
{
        bool silent = false;

        (void)state;
        assert_int_equal(child_run(look_at_standard_ones, &silent), 0);
}

static void a_silent_process_has_no_outputs(void **state)
{
        bool silent = true;

        (void)state;
        assert_int_equal(child_run(look_at_standard_ones, &silent), 0);
}

static void too_many_are_refused(void **state)
{
        struct sandbox_config config = {.journal_directory_fd = -1};

        (void)state;
        for (int i = 0; i <= SANDBOX_KEEP_MAX; i++)
                sandbox_keep(&config, directory_fd);
        assert_int_equal(descriptors_close_others(&config), -EINVAL);
}

static int setup(void **state)
{
        (void)state;
        directory_fd = child_directory(path);
        return directory_fd < 0;
}

static int teardown(void **state)
{
        (void)state;
        close(directory_fd);
        child_remove_directory(path);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_not_needed_is_closed),
            cmocka_unit_test(the_number_of_a_process_keeps_nothing_open),
            cmocka_unit_test(without_close_range_the_same_is_closed),
            cmocka_unit_test(stdin_is_of_no_use),
            cmocka_unit_test(a_silent_process_has_no_outputs),
            cmocka_unit_test(too_many_are_refused),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
