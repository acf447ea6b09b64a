# SPDX-License-Identifier: MIT
"""The reproducers: ATTACKS is the table, in the order in which it is shown."""

from images import sizes, names, overlaps, fields  # noqa: F401 - each adds its own
from images.attack import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack"]
