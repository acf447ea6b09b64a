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

const struct filter_rule *filter_next_rule(const struct filter_table *table,
                                           const struct filter_rule *rule)
{
        const struct filter_rule *end = table->rules + *table->rule_count;

        for (rule = rule ? rule + 1 : table->rules; rule < end; rule++)
                if (rule->tables & table->table)
                        return rule;
        return NULL;
}
