# SPDX-License-Identifier: MIT
"""What a reproducer is, and the table of all of them."""

from dataclasses import dataclass
from typing import Callable

from images.builder import Builder

ATTACKS = []


@dataclass(frozen=True)
class Attack:
    """`make` gives the bytes of the file.  `what` the image does; what a `naive` program does
    with it; the `model`: a published bug of this kind, if there is one.  `names`: what the image
    wants to have opened, as it would be seen in a system call.  `mebibytes` of memory and
    `seconds` bound every command; `repair_mebibytes`, if not 0, that of a repair instead."""

    name: str
    what: str
    naive: str
    make: Callable
    model: str = ""
    names: tuple = ()
    mebibytes: int = 8
    repair_mebibytes: int = 0
    seconds: int = 20


def attack(name, what, naive, model="", names=(), **bounds):
    """Decorates a function that makes the file's bytes."""
    def register(make):
        assert name not in [a.name for a in ATTACKS], name
        ATTACKS.append(Attack(name, what, naive, make, model, names, **bounds))
        return make
    return register


def changed(name, what, naive, change, model="", names=(), **options):
    """The sound image, given to a function that changes it.  What that returns are refcounts, by
    cluster, that are not 1."""
    def make():
        image = Builder(**options)
        return image.finish(change(image))
    attack(name, what, naive, model, names)(make)


def fields(name, what, naive, model="", **values):
    """The sound image with these header fields."""
    changed(name, what, naive, lambda image: image.set(**values), model)
