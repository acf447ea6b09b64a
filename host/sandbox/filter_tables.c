/* SPDX-License-Identifier: MIT */
#include "host/sandbox/filter_tables.h"

const struct filter_table filter_tables[] = {
    {SANDBOX_KVM_HOST, "kvm", "while a guest runs in KVM", filter_rules,
     &filter_rule_count},
    {SANDBOX_PROCESS_HOST, "process", "while a guest runs in a process", filter_rules,
     &filter_rule_count},
    {SANDBOX_FIRST_KVM, "first_kvm", "from the first byte of a journal", first_rules,
     &first_rule_count},
    {SANDBOX_FIRST_PROCESS, "first_process",
     "from the first byte of a journal, with guests in processes", first_rules,
     &first_rule_count},
};

const size_t filter_table_count = sizeof filter_tables / sizeof filter_tables[0];

static const struct filter_rule *next_of(enum sandbox_table table,
                                         const struct filter_rule *rule,
                                         const struct filter_rule *end)
{
        for (; rule < end; rule++)
                if (rule->tables & table)
                        return rule;
        return NULL;
}

static bool is_for_sanitizers(const struct filter_rule *rule)
{
        return rule >= sanitizer_rules && rule < sanitizer_rules + sanitizer_rule_count;
}

const struct filter_rule *filter_next_rule(const struct filter_table *table,
                                           const struct filter_rule *rule)
{
        const struct filter_rule *from = sanitizer_rules;

        if (rule && is_for_sanitizers(rule)) {
                from = rule + 1;
        } else {
                rule = next_of(table->table, rule ? rule + 1 : table->rules,
                               table->rules + *table->rule_count);
                if (rule)
                        return rule;
        }
        return next_of(table->table, from, sanitizer_rules + sanitizer_rule_count);
}
