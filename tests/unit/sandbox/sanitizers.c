/* SPDX-License-Identifier: MIT */
#include "tests/unit/sandbox/sanitizers.h"

#include "host/sandbox/filter_rules.h"

static bool holds(const struct filter_rule *rule, const long arguments[6])
{
        for (int i = 0; i < FILTER_COMPARISONS && rule->compare[i].text; i++) {
                const struct filter_comparison *c = &rule->compare[i];
                if (((uint32_t)arguments[c->argument] & c->mask) != c->value)
                        return false;
        }
        return true;
}

bool sanitizers_allow(enum sandbox_table table, long number, const long arguments[6])
{
        for (size_t i = 0; i < sanitizer_rule_count; i++)
                if (sanitizer_rules[i].tables & table &&
                    sanitizer_rules[i].number == number &&
                    holds(&sanitizer_rules[i], arguments))
                        return true;
        return false;
}
