#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Differential fuzzing: instar bitmap (INSTAR, INSTAR_SANDBOX) and qemu-img bitmap do the same
random commands on copies of random images.  A difference that tests/e2e/lib/divergences.py does
not explain is a finding: its images are kept, and the exit status is 1.  The last line is JSON.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(1, str(ROOT / "tests" / "e2e"))

import findings  # noqa: E402
from lib import runner  # noqa: E402
from sequence import Sequence, Tally  # noqa: E402

NEVER = float("inf")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, metavar="N", help="so long (default: 10)")
    parser.add_argument("--sequences", type=int, metavar="N", help="so many, instead")
    parser.add_argument("--seed", default="1", help="of the dice (default: 1)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N",
                        help="begin with the sequence of this number")
    parser.add_argument("--findings", default=str(ROOT / "build-fuzz/state/differential"),
                        metavar="DIR", help="where they are kept")
    parser.add_argument("--most-findings", type=int, default=20, metavar="N",
                        help="end with so many (default: 20)")
    return parser.parse_args()


def run_one(number, options, deadline, tally):
    """A sequence; a finding ends it."""
    with tempfile.TemporaryDirectory(prefix="instar-differential-", dir=runner.IN_MEMORY) as folder:
        try:
            found = Sequence(folder, options.seed, number, tally).run(deadline)
        finally:
            os.chdir(ROOT)
        if found:
            again = [sys.executable, str(HERE), "--seed", options.seed, "--from", str(number),
                     "--sequences", "1"]
            target = os.path.join(options.findings, f"{options.seed}-{number}")
            shutil.rmtree(target, ignore_errors=True)
            text = findings.keep(folder, target, *found, again)
            tally.findings.append(target)
            sys.stdout.write(f"FINDING in {target}:\n{text}\n")


def run_all(options, tally):
    minutes = 10 if options.minutes is None else options.minutes
    deadline = NEVER if options.sequences else time.monotonic() + 60 * minutes
    number = options.first
    while (time.monotonic() < deadline and len(tally.findings) < options.most_findings
           and (not options.sequences or number < options.first + options.sequences)):
        run_one(number, options, deadline, tally)
        number += 1


def tell(options, tally, seconds):
    speed = tally.steps / max(seconds, 0.001)
    print(f"differential: {tally.sequences} sequences, {tally.steps} steps "
          f"({tally.successful} successful), {speed:.1f} steps a second")
    print("  between: " + ", ".join(f"{count} {name}" for name, count in
                                    sorted(tally.events.items())))
    print("  known divergences: " + ", ".join(f"{count} {key}" for key, count in
                                              sorted(tally.known.items())))
    print(f"  findings: {len(tally.findings)}")
    print(json.dumps({
        "harness": "differential", "seed": options.seed, "sandbox": runner.SANDBOX,
        "sequences": tally.sequences, "steps": tally.steps, "successful": tally.successful,
        "seconds": round(seconds, 1), "steps_per_second": round(speed, 1),
        "known": dict(tally.known), "events": dict(tally.events),
        "findings": tally.findings}), flush=True)


def main():
    options, tally = arguments(), Tally()
    options.findings = os.path.abspath(options.findings)
    if not os.access(runner.INSTAR, os.X_OK):
        sys.exit(f"{runner.INSTAR}: not there; build it first")
    begin = time.monotonic()
    run_all(options, tally)
    tell(options, tally, time.monotonic() - begin)
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
