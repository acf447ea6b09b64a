#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random sequences of writes and resizes, by both programs.

instar and qemu-img resize copies of one image, and the guest writes the same to both in
between.  After every resize the exit code's class, the virtual size, the guest's data and the
verdict of `qemu-img check` are compared.  A difference needs an entry of
lib/divergences.py that applies, and each entry has to be seen at work.

INSTAR_SEED and INSTAR_SEQUENCES repeat or lengthen the run.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from lib import harness, resizes
from lib.divergences import KNOWN_RESIZE_DIVERGENCES

SEED = int(os.environ.get("INSTAR_SEED", "20250601"))
SEQUENCES = int(os.environ.get("INSTAR_SEQUENCES", 330 // harness.SHARE))
STEPS = 4
WORKERS = 2


class Random(harness.Case):
    """Sequences over all geometries."""

    @staticmethod
    def one(number):
        sequence = resizes.Sequence()
        sequence.setUp()
        try:
            sequence.begin(SEED, number, STEPS)
            return sequence.play()
        finally:
            sequence.doCleanups()

    def test_sequences_end_as_with_qemu_img(self):
        with ThreadPoolExecutor(WORKERS) as pool:
            running = [pool.submit(self.one, number) for number in range(SEQUENCES)]
        failed = [str(r.exception()) for r in running if r.exception()]
        self.assertEqual(failed, [], "\n".join(failed[:5]))
        ended = [r.result() for r in running]
        seen = set().union(*(s.seen for s in ended))
        print(f"{len(ended)} sequences, {sum(s.resizes for s in ended)} resizes,"
              f" {sorted(seen)} seen", flush=True)
        if SEQUENCES >= 300:
            self.assertEqual(seen, set(KNOWN_RESIZE_DIVERGENCES), "entries that nobody needs")


if __name__ == "__main__":
    harness.main()
