/* SPDX-License-Identifier: MIT */
/* Every system call that has a number, by each table: what is not in it kills. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/filter_tables.h"
#include "host/sandbox/layers.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

/* Beyond the last that a kernel of today has. */
#define NUMBERS 461

struct attempt {
        enum sandbox_table table;
        int number;
};

static int call_number(void *argument)
{
        const struct attempt *attempt = argument;
        const struct sandbox_config config = {
            .table = attempt->table, .machine = -1, .journal_directory_fd = -1};

        if (sandbox_arm(&config))
                return 98;
        syscall(attempt->number, 0, 0, 0, 0, 0, 0);
        return 99;
}

static bool is_in(const struct filter_table *table, int number)
{
        const struct filter_rule *rule = NULL;

        while ((rule = filter_next_rule(table, rule)))
                if (rule->number == number)
                        return true;
        return false;
}

/* uretprobe and uprobe: newer kernels let them pass every filter, for a program that is
 * probed must not die of it.  Without a probe they do nothing (ENXIO) or end in SIGILL.
 */
static bool is_exempt(int number)
{
        return number == 335 || number == 336;
}

static void try_numbers(const struct filter_table *table)
{
        int tried = 0;

        for (int number = 0; number < NUMBERS; number++) {
                struct attempt attempt = {table->table, number};
                if (is_in(table, number) || is_exempt(number))
                        continue;
                int end = child_run(call_number, &attempt);
                if (end != 128 + SIGSYS)
                        fail_msg("%s: call %d: the child ended with %d", table->name,
                                 number, end);
                tried++;
        }
        assert_in_range(tried, 300, NUMBERS);
}

static void what_is_in_no_table_kills(void **state)
{
        (void)state;
        for (size_t i = 0; i < filter_table_count; i++)
                try_numbers(&filter_tables[i]);
}

/* What a tracer makes of a call that it answers itself: no call, and no end. */
static int call_nothing(void *argument)
{
        struct attempt attempt = {*(const enum sandbox_table *)argument, -1};

        return call_number(&attempt);
}

static void number_minus_one_passes(void **state)
{
        (void)state;
        for (size_t i = 0; i < filter_table_count; i++) {
                enum sandbox_table table = filter_tables[i].table;
                assert_int_equal(child_run(call_nothing, &table), 99);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_in_no_table_kills),
            cmocka_unit_test(number_minus_one_passes),
        };

        sanitizers_prepare(); /* once, for the children too: they are many */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
