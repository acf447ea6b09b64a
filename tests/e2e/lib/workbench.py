# SPDX-License-Identifier: MIT
"""The damaged images of the cross-validations: lib/info_images.py, as they are made and after
they were used, each sound and then with the same random damage whoever looks (lib/damage.py).
INSTAR_SEED changes the dice.
"""

import multiprocessing
import os
import random
import tempfile
from dataclasses import dataclass

from lib import copies, damage, harness, images, info_images, lived_in
from lib.qcow2 import Image

ROUNDS = {False: 2, True: 3}  # was it used: how often it is damaged
MOST_BYTES = 64 << 20         # of an image; beyond it is left out
PATCHES = (1, 1, 1, 2, 3)


@dataclass(frozen=True)
class Made:
    """The image that lies at the workbench's path now."""

    name: str
    used: bool
    patches: tuple = ()
    rarely: bool = True  # one in ten, and every sound one: for what costs more

    def __str__(self):
        return "\n  ".join([self.name + (", used" if self.used else ""),
                            *(str(patch) for patch in self.patches)])


class Workbench:
    """One image of the matrix, in a folder of its own."""

    def __init__(self, folder, name, make, used):
        self.folder = folder
        self.path = os.path.join(folder, "disk.qcow2")
        self.sound = os.path.join(folder, "sound.qcow2")
        self.name, self.used = name, used
        self.chance = random.Random(f"{info_images.SEED} {name} {used}")
        make(self.path)
        if used:
            with Image(self.path) as image:
                size = image.virtual_size
            lived_in.live_in(self.path, size, self.chance, self.chance.random() < 0.5)

    @property
    def is_too_large(self):
        return os.path.getsize(self.path) > MOST_BYTES

    def images(self):
        """Each is there until the next one is asked for."""
        copies.copy(self.path, self.sound)
        with Image(self.sound) as image:
            self.crypt_method = image.crypt_method
            yield Made(self.name, self.used)
            places = damage.Places(image)
            for _ in range(ROUNDS[self.used]):
                patches = [places.damage(self.chance) for _ in range(self.chance.choice(PATCHES))]
                copies.copy(self.sound, self.path)
                damage.apply(self.path, patches)
                yield Made(self.name, self.used, tuple(patches), self.chance.random() < 0.1)

    def opened(self, path=None):
        """How a tool of QEMU's is told of the image, or of a copy of it elsewhere."""
        return images.alone_options(path or self.path, self.crypt_method)


def _work(job):
    judge, number = job
    name, make = info_images.CASES[number]
    found = []
    for used in (False, True):
        with tempfile.TemporaryDirectory(prefix="instar-e2e-", dir=harness.IN_MEMORY) as folder:
            found += judge(Workbench(folder, name, make, used))
    return found


def each(judge):
    """All that judge(workbench) lists for the images of the matrix."""
    with multiprocessing.Pool() as pool:
        jobs = [(judge, number) for number in range(0, len(info_images.CASES), harness.SHARE)]
        return [one for some in pool.imap_unordered(_work, jobs) for one in some]
