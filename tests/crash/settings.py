# SPDX-License-Identifier: MIT
"""What a run was asked for, and what came out of it."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Settings:
    seed: int = 1
    bound: int = 8         # pieces of which every subset is taken
    samples: int = 300     # at a point with more
    budget: int | None = None    # states; None: all
    judgements: frozenset = frozenset()
    shares: dict = field(default_factory=dict)  # judgement -> one state in so many
    deadline: float | None = None
    state: tuple | None = None   # only this one
    failures: str = ""     # the directory where failing states are kept


@dataclass
class Tally:
    """What came out of one case."""

    case: str
    counts: Counter = field(default_factory=Counter)
    failures: list = field(default_factory=list)
    seconds: float = 0
    cut_short: bool = False
