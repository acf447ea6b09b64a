# SPDX-License-Identifier: MIT
"""Random commands for `bitmap`, most of them sensible."""

from lib.divergences import Command

GRANULARITIES = ("512", "4k", "64k", "64K", "1M", "2G", "0x1000", "3", "256", "0", "4G",
                 "4294967808", "1.5k", "", "65536")


def commands(*words):
    return tuple((w, None) for w in words)


def merges(*sources):
    return tuple(("--merge", s) for s in sources)


def random_command(chance, names, granularities=GRANULARITIES):
    kind = chance.random()
    if kind < 0.30:
        count = chance.choice((1, 1, 1, 2, 3))
        return Command(merges(*chance.choices(names, k=count)), chance.choice(names))
    if kind < 0.36:
        mixed = list(merges(chance.choice(names)) + commands(_random_flag(chance)))
        chance.shuffle(mixed)
        return Command(tuple(mixed), chance.choice(names))
    flags = [_random_flag(chance) for _ in range(chance.choice((1, 1, 1, 1, 2, 2, 3, 5)))]
    granularity = chance.choice(granularities) if chance.random() < 0.3 else None
    return Command(commands(*flags), chance.choice(names), granularity)


def _random_flag(chance):
    return chance.choice(("--add", "--add", "--remove", "--clear", "--enable", "--disable"))
