/* SPDX-License-Identifier: MIT */
/*
 * The allowed system calls, for the generator of the filters, for `instar --version -v`
 * and for the tests.
 */
#ifndef INSTAR_HOST_SANDBOX_FILTER_RULES_H
#define INSTAR_HOST_SANDBOX_FILTER_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "host/sandbox/sandbox.h"

/*
 * Values that are known only when a filter is installed (struct sandbox_config): the
 * generated program compares with these numbers, and filter_install() puts the real
 * ones in their place.  A comparison with what there is not (-1) never holds.
 */
#define FILTER_MACHINE           UINT32_C(0x6d616368) /* .machine */
#define FILTER_JOURNAL_DIRECTORY UINT32_C(0x6a646972) /* .journal_directory_fd */

#define FILTER_COMPARISONS 2

/* One argument's lower half (the kernel looks at no more of an int) under a mask. */
struct filter_comparison {
        const char *text; /* of the value; NULL: nothing is compared */
        unsigned int argument;
        uint32_t mask;
        uint32_t value;
};

/* One way in which a system call is allowed; several rules may name the same one. */
struct filter_rule {
        unsigned int tables; /* enum sandbox_table, one or more */
        int number;          /* __NR_* */
        const char *name;
        struct filter_comparison compare[FILTER_COMPARISONS]; /* all of them hold */
        const char *reason;
};

/* What a rule is written with. */
#define FILTER_CALL(call) __NR_##call, #call
/* clang-format off */
#define FILTER_ANY {{NULL, 0, 0, 0}, {NULL, 0, 0, 0}}
#define FILTER_IS(argument, value) FILTER_NAMED(argument, value, #value)
#define FILTER_NAMED(argument, value, text) \
        {{text, argument, UINT32_MAX, value}, {NULL, 0, 0, 0}}
#define FILTER_WITHOUT(argument, bits) \
        {{#bits, argument, bits, 0}, {NULL, 0, 0, 0}}
#define FILTER_BOTH(first, first_value, first_text, second, second_value, second_text) \
        {{first_text, first, UINT32_MAX, first_value}, \
         {second_text, second, UINT32_MAX, second_value}}
/* clang-format on */

/* Of a guest's host (filter_rules.c), and of a process that reads journals
 * (first_rules.c). */
extern const struct filter_rule filter_rules[];
extern const size_t filter_rule_count;
extern const struct filter_rule first_rules[];
extern const size_t first_rule_count;

/* Of each of these in a build for the sanitizers (sanitizer_rules.c); others have none.
 */
extern const struct filter_rule sanitizer_rules[];
extern const size_t sanitizer_rule_count;

#endif
