/* SPDX-License-Identifier: MIT */
/* The layers beside the filter: limits, and Landlock where the kernel has it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/layers.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

#define CREATE (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

struct places {
        char inside[64];
        char outside[64];
        int inside_fd;
        int outside_fd;
};

static int set_limits(void *argument)
{
        struct rlimit core, files, size;

        (void)argument;
        if (limits_set(1 << 20))
                return 1;
        getrlimit(RLIMIT_CORE, &core);
        getrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_FSIZE, &size);
        if (core.rlim_cur || core.rlim_max || prctl(PR_GET_DUMPABLE))
                return 2;
        if (files.rlim_max > 64 || size.rlim_max != 1 << 20)
                return 3;
        return 0;
}

static void limits_are_set(void **state)
{
        (void)state;
        assert_int_equal(child_run(set_limits, NULL), 0);
}

static int lower_twice(void *argument)
{
        const struct rlimit low = {1000, 1000};
        struct rlimit after;

        (void)argument;
        setrlimit(RLIMIT_FSIZE, &low);
        if (limits_set(1 << 20))
                return 1;
        getrlimit(RLIMIT_FSIZE, &after);
        return after.rlim_cur == 1000 && after.rlim_max == 1000 ? 0 : 2;
}

static void a_lower_limit_of_the_caller_is_kept(void **state)
{
        (void)state;
        assert_int_equal(child_run(lower_twice, NULL), 0);
}

static int grow_too_far(void *argument)
{
        const struct places *places = argument;
        int fd = openat(places->inside_fd, "large", CREATE, 0600);

        signal(SIGXFSZ, SIG_IGN);
        if (fd < 0 || limits_set(1 << 20))
                return 1;
        if (pwrite(fd, "x", 1, (1 << 20) - 1) != 1)
                return 2;
        if (pwrite(fd, "x", 1, 1 << 20) != -1 || errno != EFBIG)
                return 3;
        return ftruncate(fd, (1 << 20) + 1) == -1 && errno == EFBIG ? 0 : 4;
}

static void no_file_grows_beyond_the_limit(void **state)
{
        assert_int_equal(child_run(grow_too_far, *state), 0);
}

static int stay_inside(void *argument)
{
        const struct places *places = argument;
        int victim = openat(places->outside_fd, "victim", CREATE, 0600);

        /* Alone: the filter would not even let it try. */
        if (victim < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            landlock_restrict(places->inside_fd))
                return 1;
        if (openat(places->inside_fd, "journal", CREATE, 0600) < 0)
                return 2;
        if (unlinkat(places->inside_fd, "journal", 0))
                return 3;
        if (openat(places->outside_fd, "journal", CREATE, 0600) >= 0 || errno != EACCES)
                return 4;
        if (unlinkat(places->outside_fd, "victim", 0) == 0 || errno != EACCES)
                return 5;
        /* What was open before is not affected. */
        return pwrite(victim, "x", 1, 0) == 1 && ftruncate(victim, 9) == 0 ? 0 : 6;
}

static void only_the_journals_directory_is_left(void **state)
{
        if (!landlock_abi()) {
                print_message("skipped: this kernel has no Landlock\n");
                skip();
        }
        assert_int_equal(child_run(stay_inside, *state), 0);
}

/* A kernel without Landlock arms the rest and says so. */
static void description_names_what_there_is(void **state)
{
        char text[160];

        (void)state;
        sandbox_describe(text, sizeof text);
        assert_non_null(strstr(text, "seccomp"));
        assert_non_null(strstr(text, landlock_abi() ? "Landlock (ABI " : "no Landlock"));
}

static int setup(void **state)
{
        static struct places places;

        places.inside_fd = child_directory(places.inside);
        places.outside_fd = child_directory(places.outside);
        *state = &places;
        return places.inside_fd < 0 || places.outside_fd < 0;
}

static int teardown(void **state)
{
        struct places *places = *state;

        close(places->inside_fd);
        close(places->outside_fd);
        child_remove_directory(places->inside);
        child_remove_directory(places->outside);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(limits_are_set),
            cmocka_unit_test(a_lower_limit_of_the_caller_is_kept),
            cmocka_unit_test(no_file_grows_beyond_the_limit),
            cmocka_unit_test(only_the_journals_directory_is_left),
            cmocka_unit_test(description_names_what_there_is),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
