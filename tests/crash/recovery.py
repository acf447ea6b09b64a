# SPDX-License-Identifier: MIT
"""Recovery by `instar check`, judged by the disk it leaves (invariant 2)."""


class Recovery:
    def __init__(self, session):
        self.session = session
