#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Transactions and growth without end come to one.

Each transaction makes room, and its switch writes what was there: only what it has grown is left
of it."""

import os

import hostile
from hostile import DIED, NEW, OLD
from script import (APPLY, BEGIN, FRESH, JOURNAL, MAX_GROWTH, MAX_TRANSACTIONS, PREPARES, READ,
                    SECTOR, SWITCH, Request, Script)


class Growth(hostile.HostileCase):
    def prepare(self, size, growth=0):
        """The requests of one transaction."""
        return (Request(BEGIN, size, size + growth, flags=PREPARES),
                Request(JOURNAL, self.target, 8, OLD, step=1, flags=SWITCH, old=(OLD, 8)),
                Request(APPLY, step=1))

    def test_transactions_come_to_an_end(self):
        script = self.committed(PREPARES).ring(*self.prepare(self.size))
        script.again(script.here - 32)  # the ring
        self.ends(script, transactions=MAX_TRANSACTIONS - 5)

    def test_growth_comes_to_an_end(self):
        """What has made room is committed: that growth stays, and the limit of the process
        bounds it."""
        script, size = Script().ring(Request(READ, self.target, 8, OLD)), self.size
        for _ in range(5):
            script.ring(*self.prepare(size, MAX_GROWTH))
            size += MAX_GROWTH
        image = self.copy()
        result = self.attack(script, image=image)
        self.assertEqual((result.code, len(result.err.splitlines())), (1, 2), result)
        self.assertEqual(os.path.getsize(image), self.size + 2 * MAX_GROWTH)
        self.assert_no_journal()
        os.truncate(image, self.size)
        self.assert_untouched()

    def test_all_the_growth_there_may_be_is_given_back(self):
        script = self.begun(growth=MAX_GROWTH).ring(
            Request(JOURNAL, self.size + MAX_GROWTH - SECTOR, SECTOR, NEW, step=1, flags=FRESH),
            Request(APPLY, step=1))
        self.ends(script, DIED)


if __name__ == "__main__":
    hostile.main()
