/* SPDX-License-Identifier: MIT */
/* Which filters there are. */
#ifndef INSTAR_HOST_SANDBOX_FILTER_TABLES_H
#define INSTAR_HOST_SANDBOX_FILTER_TABLES_H

#include "host/sandbox/filter_rules.h"

struct filter_table {
        enum sandbox_table table;
        const char *name; /* for the build */
        const char *when; /* it holds: for people */
        const struct filter_rule *rules;
        const size_t *rule_count;
};

extern const struct filter_table filter_tables[];
extern const size_t filter_table_count;

/* Visit the rules of one table: NULL at first, NULL after the last. */
const struct filter_rule *filter_next_rule(const struct filter_table *table,
                                           const struct filter_rule *rule);

#endif
