#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A repair that is killed before any of its calls, or whose call fails: afterwards the image is
the old one to the byte, or the repaired one (invariant 2; what is freed behind the switch may
stay leaked, and COPIED flags that rest on that may be unset, which harms no data)."""

import os
import random
import re
import shutil

from lib import damage, harness, info_images, lived_in
from lib.qcow2 import Image

IMAGES = 6
PATCHES = 4         # of damage in each
MOST_BYTES = 2 << 20
CALLS = ("pwrite64", "fdatasync", "ftruncate", "unlinkat")
CORRUPT, LEAKS = 2, 3
UNSET = re.compile(r"ERROR OFLAG_COPIED (data|L2) cluster: .*(l1|l2)_entry=[0-7]?[0-9a-f]{0,15} "
                   r"refcount=1$")
MOST_CALLS = 60     # a repair of these images makes fewer


def damaged(path, chance):
    """An image of the matrix that was used and then damaged; false if it is not fit for this."""
    _, make = chance.choice(info_images.CASES)
    make(path)
    with Image(path) as image:
        size = image.virtual_size
    if os.path.getsize(path) > MOST_BYTES or size < 1 << 20:
        return False
    lived_in.live_in(path, size, chance, True)
    with Image(path) as image:
        places = damage.Places(image)
        patches = [places.damage(chance) for _ in range(PATCHES)]
    damage.apply(path, patches)
    return True


class Interrupted(harness.Case):
    def setUp(self):
        super().setUp()
        self.image = self.path("disk.qcow2")
        self.chance = random.Random(info_images.SEED)

    def bytes(self):
        with open(self.image, "rb") as file:
            return file.read()

    def repair(self, *before):
        return self.run_program(*before, harness.INSTAR, "check", "-r", "all", self.image)

    def start(self, old):
        for name in os.listdir(os.path.dirname(self.image)):
            if name.startswith("disk.qcow2."):
                os.unlink(self.path(name))
        shutil.copyfile(old, self.image)

    def samples(self):
        """Paths of damaged images that can be repaired, with what becomes of them."""
        found = 0
        while found < IMAGES:
            old = self.path(f"old-{found}")
            if not damaged(old, self.chance):
                continue
            shutil.copyfile(old, self.image)
            if self.repair().code == 0 and self.bytes() != open(old, "rb").read():
                found += 1
                yield old, self.bytes()

    def judge(self, old, new):
        """After recovery, which `instar check` does first."""
        checked = self.run_program(harness.INSTAR, "check", self.image)
        now = self.bytes()
        if now not in (old, new):
            corrupt = [line for line in checked.err.split("\n") if line.startswith("ERROR")]
            self.assertEqual([line for line in corrupt if not UNSET.match(line)], [], checked)
            self.assertEqual(checked.code, CORRUPT if corrupt else LEAKS, checked)
            self.assertEqual(self.repair().code, 0)
        self.assertFalse([name for name in os.listdir(os.path.dirname(self.image))
                          if name.endswith("instar-journal")])

    def through(self, action):
        for path, new in self.samples():
            with open(path, "rb") as file:
                old = file.read()
            for call in CALLS:
                for number in range(1, MOST_CALLS):
                    with self.subTest(image=path, call=call, number=number):
                        self.start(path)
                        done = self.repair("strace", "-f", "-o", "/dev/null", "-e",
                                           f"inject={call}:{action}:when={number}")
                        reached = done.code != 0 or self.bytes() != new
                        self.judge(old, new)
                    if not reached:
                        break
                else:
                    self.fail("the calls have no end")

    def test_killed_before_any_call(self):
        self.through("signal=KILL")

    def test_any_call_fails(self):
        self.through("error=EIO")


if __name__ == "__main__":
    harness.main()
