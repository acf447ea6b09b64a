/* SPDX-License-Identifier: MIT */
#include "host/cli/version.h"

#include <stddef.h>

#include "host/cli/program.h"
#include "host/sandbox/filter_tables.h"

static void append_comparison(struct text *text,
                              const struct filter_comparison *comparison)
{
        text_string(text, "argument ");
        text_number(text, comparison->argument);
        text_string(text, comparison->mask == UINT32_MAX ? " is " : " without ");
        text_string(text, comparison->text);
}

/* `system call TAB restriction TAB reason` */
static void append_rule(struct text *text, const struct filter_rule *rule)
{
        text_string(text, rule->name);
        text_string(text, "\t");
        for (int i = 0; i < FILTER_COMPARISONS && rule->compare[i].text; i++) {
                text_string(text, i ? ", " : "");
                append_comparison(text, &rule->compare[i]);
        }
        text_string(text, "\t");
        text_string(text, rule->reason);
        text_string(text, "\n");
}

static void append_table(struct text *text, const struct filter_table *table)
{
        const struct filter_rule *rule = NULL;

        text_string(text, "\nSystem calls ");
        text_string(text, table->when);
        text_string(text, ":\n");
        while ((rule = filter_next_rule(table, rule)))
                append_rule(text, rule);
}

void version_append_sandbox(struct text *text)
{
        char description[320];

        sandbox_describe(description, sizeof description);
        text_string(text, description);
        text_string(text, "\n");
        for (size_t i = 0; i < filter_table_count; i++)
                append_table(text, &filter_tables[i]);
}
