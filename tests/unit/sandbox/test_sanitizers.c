/* SPDX-License-Identifier: MIT */
/*
 * A build for the sanitizers tells of a fault in an armed process, with function and
 * line; no other build has their rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/filter_tables.h"
#include "host/sandbox/layers.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

#ifdef INSTAR_SANITIZE

/* The exit code of the runtime. */
#define REPORTED 1

#define TOLD_MAX 65536

/* The compiler must not see what is wrong. */
static volatile unsigned int ten = 10;
static uint8_t *volatile block;

/* The runtime's, before cmocka has put its own in its place. */
static struct sigaction on_segv;

__attribute__((noinline)) static int read_behind_block(void)
{
        uint16_t two;

        memcpy(&two, block + ten - 1, sizeof two);
        return two % 2;
}

__attribute__((noinline)) static int write_behind_variable(void)
{
        uint8_t variable[8];

        memset(variable, 0, ten);
        return variable[ten - 9];
}

__attribute__((noinline)) static int read_what_is_freed(void)
{
        free(block);
        return block[ten - 9];
}

__attribute__((noinline)) static int write_to_nowhere(void)
{
        __asm__ volatile("movb $0, (%0)" : : "r"((uint64_t)ten));
        return 0;
}

__attribute__((noinline)) static int overflow(void)
{
        return INT32_MAX - 9 + (int)ten;
}

__attribute__((noinline)) static int load_from_odd_address(void)
{
        return *(volatile int *)(void *)(block + ten - 9);
}

__attribute__((noinline)) static int index_beyond(void)
{
        static const int array[10] = {0};

        return array[ten];
}

static const struct fault {
        int (*make)(void);
        const char *report;
        const char *function; /* NULL: with file and line only */
} faults[] = {
    {read_behind_block, "ERROR: AddressSanitizer: heap-buffer-overflow",
     "read_behind_block"},
    {write_behind_variable, "ERROR: AddressSanitizer: stack-buffer-overflow",
     "write_behind_variable"},
    {read_what_is_freed, "ERROR: AddressSanitizer: heap-use-after-free",
     "read_what_is_freed"},
    {write_to_nowhere, "ERROR: AddressSanitizer: SEGV", "write_to_nowhere"},
    {overflow, "runtime error: signed integer overflow", NULL},
    {load_from_odd_address, "runtime error: load of misaligned address", NULL},
    {index_beyond, "runtime error: index 10 out of bounds", NULL},
};

struct scene {
        enum sandbox_table table;
        int (*act)(void); /* once armed; NULL: nothing */
        bool lose;        /* memory, before */
        int stderr_fd;
};

static bool is_first(enum sandbox_table table)
{
        return table == SANDBOX_FIRST_KVM || table == SANDBOX_FIRST_PROCESS;
}

static int arm(enum sandbox_table table)
{
        const struct sandbox_config config = {
            .table = table, .machine = -1, .journal_directory_fd = -1, .silent = true};

        return is_first(table) ? sandbox_arm_first(table) : sandbox_arm(&config);
}

/* Some of these pointers may be left in a register. */
__attribute__((noinline)) static void lose_memory(void)
{
        for (int i = 0; i < 10; i++)
                block = malloc(ten);
        block = NULL;
}

static int play(void *argument)
{
        const struct scene *scene = argument;

        if (dup2(scene->stderr_fd, STDERR_FILENO) < 0 ||
            sigaction(SIGSEGV, &on_segv, NULL))
                return 97;
        block = malloc(ten);
        if (scene->lose)
                lose_memory();
        if (arm(scene->table))
                return 98;
        return scene->act ? scene->act() : 0;
}

/* The exit code of a child, and what it has said. */
static int end_of(struct scene scene, char told[TOLD_MAX])
{
        ssize_t length;
        int end;

        scene.stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
        assert_true(scene.stderr_fd >= 0);
        end = child_run(play, &scene);
        length = pread(scene.stderr_fd, told, TOLD_MAX - 1, 0);
        assert_true(length >= 0);
        told[length] = '\0';
        close(scene.stderr_fd);
        return end;
}

static void try_fault(const struct fault *fault, const struct filter_table *table)
{
        static char told[TOLD_MAX];
        int end = end_of((struct scene){.table = table->table, .act = fault->make}, told);

        if (end != REPORTED || !strstr(told, fault->report) ||
            !strstr(told, "test_sanitizers.c:") ||
            (fault->function && !strstr(told, fault->function)))
                fail_msg("%s: no \"%s\": the child ended with %d; it said: %s",
                         table->name, fault->report, end, told);
}

static void an_armed_process_reports_a_fault(void **state)
{
        (void)state;
        for (size_t t = 0; t < filter_table_count; t++)
                for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
                        try_fault(&faults[i], &filter_tables[t]);
}

static void memory_that_was_lost_before_arming_is_reported(void **state)
{
        static char told[TOLD_MAX];

        (void)state;
        for (size_t t = 0; t < filter_table_count; t++) {
                struct scene scene = {.table = filter_tables[t].table, .lose = true};
                assert_int_equal(end_of(scene, told), REPORTED);
                assert_non_null(
                    strstr(told, "ERROR: LeakSanitizer: detected memory leaks"));
                assert_non_null(strstr(told, "in lose_memory"));
        }
}

static bool has_landlock;

/* 0: the program's own file, and no other, as far as the kernel has Landlock. */
static int open_files(void)
{
        int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int other = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

        if (own < 0)
                return 1;
        return !has_landlock || (other < 0 && errno == EACCES) ? 0 : 2;
}

static void the_programs_file_can_be_read_and_no_other(void **state)
{
        static char told[TOLD_MAX];

        (void)state;
        has_landlock = landlock_abi() > 0;
        for (size_t t = 0; t < filter_table_count; t++) {
                struct scene scene = {.table = filter_tables[t].table, .act = open_files};
                if (!is_first(scene.table))
                        assert_int_equal(end_of(scene, told), 0);
        }
}

static void each_of_their_rules_is_marked(void **state)
{
        (void)state;
        assert_true(sanitizer_rule_count > 0);
        for (size_t i = 0; i < sanitizer_rule_count; i++)
                assert_ptr_equal(strstr(sanitizer_rules[i].reason, "sanitizers: "),
                                 sanitizer_rules[i].reason);
}

#else

static void this_build_has_none_of_their_rules(void **state)
{
        (void)state;
        assert_int_equal(sanitizer_rule_count, 0);
}

#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
#ifdef INSTAR_SANITIZE
            cmocka_unit_test(an_armed_process_reports_a_fault),
            cmocka_unit_test(memory_that_was_lost_before_arming_is_reported),
            cmocka_unit_test(the_programs_file_can_be_read_and_no_other),
            cmocka_unit_test(each_of_their_rules_is_marked),
#else
            cmocka_unit_test(this_build_has_none_of_their_rules),
#endif
        };

#ifdef INSTAR_SANITIZE
        sigaction(SIGSEGV, NULL, &on_segv);
#endif
        return cmocka_run_group_tests(tests, NULL, NULL);
}
