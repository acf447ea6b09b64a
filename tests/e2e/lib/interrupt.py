# SPDX-License-Identifier: MIT
"""Edits that are killed at a chosen point of the shipped program."""

import os

from lib import faults, harness

BUILD, SWITCH = 1, 2  # the image's syncs of a plain edit


def kill(case, image, *command, sync=BUILD, environment=None):
    """Run `instar bitmap COMMAND`, killed at its `sync`-th sync of the image: what the
    step wrote is in the page cache.  A journal is left behind."""
    log = case.path("strace.log")
    result = case.run_program(
        *faults.prefix(image, "fdatasync", sync, log, "signal=SIGKILL"),
        harness.INSTAR, "bitmap", *command, environment=environment)
    with open(log, encoding="utf-8", errors="replace") as file:
        case.assertIn("killed by SIGKILL", file.read(), result)


def journal_of(image):
    """Where the journal of an ordinary image is."""
    return os.path.realpath(image) + harness.JOURNAL_SUFFIX
