#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every rule that host/vmm/ has for a guest is broken, and the guest is ended by that rule."""

import re

import doorbell_breaches
import hostile
import transaction_breaches

SOURCES = ("doorbell", "transaction", "transaction_begin", "declare", "edit", "inspect")

# Rules that no script can break, and why.
UNREACHABLE = {
    "apply: address": "the address was looked at when it was declared, and the program's "
                      "bounds are the host's",
}


def rules_of_the_sources():
    """Every text of theirs but formats and names of files."""
    rules = set()
    for name in SOURCES:
        text = (hostile.harness.REPOSITORY / "host" / "vmm" / f"{name}.c").read_text()
        text = re.sub(r"/\*.*?\*/|^#include.*?$", "", text, flags=re.MULTILINE | re.DOTALL)
        rules |= {literal for literal in re.findall(r'"([^"\n]*)"', text) if "%" not in literal}
    return rules


class Rules(hostile.HostileCase):
    def breach_all(self, breaches):
        for breach in breaches:
            with self.subTest(breach=breach.name):
                self.breaks(breach)

    def test_the_doorbell(self):
        self.breach_all(doorbell_breaches.breaches())

    def test_transactions(self):
        self.breach_all(transaction_breaches.breaches(self))

    def test_every_rule_of_the_sources_has_a_breach(self):
        broken = {breach.rule for breach in (*doorbell_breaches.breaches(),
                                             *transaction_breaches.breaches(self))}
        self.assertEqual(broken | UNREACHABLE.keys(), rules_of_the_sources())
        self.assertEqual(broken & UNREACHABLE.keys(), set())


if __name__ == "__main__":
    hostile.main()
