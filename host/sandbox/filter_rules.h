/* SPDX-License-Identifier: MIT */
/* The allowed system calls, for the generator and the tests. */
#ifndef INSTAR_HOST_SANDBOX_FILTER_RULES_H
#define INSTAR_HOST_SANDBOX_FILTER_RULES_H

#include <stddef.h>
#include <stdint.h>

#define FILTER_ANY_ARGUMENT (-1)

/* One way in which a system call is allowed; several rules may name the same one. */
struct filter_rule {
        int number;   /* __NR_* */
        int argument; /* which one must equal `value`, or FILTER_ANY_ARGUMENT */
        uint64_t value;
        const char *reason;
};

extern const struct filter_rule filter_rules[];
extern const size_t filter_rule_count;

#endif
