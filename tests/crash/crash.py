#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The proof that no crash loses anything: every state that a power loss may leave of an
edit is rebuilt and judged.

The shipped program runs under strace (recording.py); what it did to its files is a list
of operations (operations.py), and from that every state that a power loss may leave is
built (explore.py), put on the disk (scene.py) and judged:

  bare      without any recovery: qemu-img opens the image and finds no corruption; every
            bitmap is as before or as after, everything else as before (invariant 4)
  recovery  `instar check` gives the old image to the byte where the switch is not in
            the image, else the complete new one (invariant 2)
  dry-run   `instar check -n` promises the same and changes nothing
  edit      `instar bitmap` recovers silently and goes on
  foreign   another program writes first; then no byte of the guest's is lost
  again     recovery is cut off at every point itself, and recovered from (invariant 3)

The last line says how many distinct states there were, and how many failures.
"""

import argparse
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time
import traceback
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "e2e"))

import cases  # noqa: E402
from lib import faults, harness  # noqa: E402
from session import Session  # noqa: E402
from settings import Settings, Tally  # noqa: E402

JUDGEMENTS = ("bare", "recovery", "dry-run", "edit", "foreign", "again")
PRINTED_FAILURES = 20  # of each case
SKIPPED = 77  # to ctest: not run
# One state in so many is given to the judgements that cost most.
FULL = {"shares": {"dry-run": 20, "edit": 20, "foreign": 40, "again": 200},
        "bound": 10, "samples": 4000}
FULL_STATES = 4200  # of each case
BOUNDED = {"shares": {"dry-run": 10, "edit": 10, "foreign": 12, "again": 40},
           "bound": 8, "samples": 60}
BOUNDED_STATES = 3300


def parse():
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__.split("\n\n")[0])
    parser.add_argument("--full", action="store_true",
                        help=f"{FULL_STATES} states of each case, not a few dozen")
    parser.add_argument("--states", type=int, metavar="N",
                        help="at most so many of each case; 0: all there are")
    parser.add_argument("--case", metavar="NAME", help="only the cases whose name holds this")
    parser.add_argument("--seed", type=int, default=1, help="of the samples (1)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (2)")
    parser.add_argument("--seconds", type=float, help="stop after so many")
    parser.add_argument("--judge", metavar="LIST", default=",".join(JUDGEMENTS),
                        help="judgements, with commas: " + ", ".join(JUDGEMENTS))
    parser.add_argument("--state", metavar="STATE",
                        help="only this state of one case, as a failure names it")
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser.parse_args()


def state_of(text):
    point, subset, index, boot = text.split(":")
    return int(point), int(subset, 16), index, boot


def budget_of(options, chosen):
    """States of each case; None: all."""
    if options.states is not None:
        return options.states or None
    return FULL_STATES if options.full else -(-BOUNDED_STATES // len(chosen))


def settings_of(options, chosen):
    mode = FULL if options.full else BOUNDED
    return Settings(
        seed=options.seed, judgements=frozenset(options.judge.split(",")),
        budget=budget_of(options, chosen),
        deadline=time.monotonic() + options.seconds if options.seconds else None,
        state=state_of(options.state) if options.state else None,
        failures=tempfile.mkdtemp(prefix="instar-crash-failures-"), **mode)


def run_case(job):
    key, settings = job
    case = next(c for c in cases.table() if c.key == key)
    try:
        return Session(case, settings).run()
    except Exception:  # a harness that fails is a failure, and the others go on
        tally = Tally(key)
        tally.failures.append((key, "-", "harness", [traceback.format_exc()], ""))
        return tally


def print_failure(failure, options):
    case, state, judgement, found, where = failure
    print(f"FAILED {case} {state} {judgement}")
    for line in found:
        print(f"    {line[:2000]}")
    print(f"    again: ./dev crash {'--full ' if options.full else ''}--case {case}"
          f" --seed {options.seed} --state {state} --judge {judgement}")
    if where:
        print(f"    files: {where}")


def run_all(chosen, settings, options):
    """Run the cases, print one line for each; (sums, failures)."""
    sums, failures = Counter(), []
    jobs = [(case.key, settings) for case in chosen]
    with multiprocessing.Pool(options.jobs) as pool:
        for tally in pool.imap_unordered(run_case, jobs, chunksize=1):
            print(f"{tally.case}: {tally.counts['states']} states, {len(tally.failures)} failures,"
                  f" {tally.seconds:.1f} s{', cut short' if tally.cut_short else ''}", flush=True)
            for failure in tally.failures[:PRINTED_FAILURES]:
                print_failure(failure, options)
            more = len(tally.failures) - PRINTED_FAILURES
            if more > 0:
                print(f"... and {more} more failures of this case")
            sums += tally.counts
            failures += tally.failures
    return sums, failures


def main():
    options = parse()
    chosen = [c for c in cases.table() if not options.case or options.case in c.key]
    if options.state:
        chosen = [c for c in chosen if c.key == options.case]
    if options.list:
        print(*(f"{c.key}: {' then '.join(' '.join(w) for w in c.words('IMAGE'))}" for c in chosen),
              sep="\n")
        return 0
    if not chosen:
        print("no such case", file=sys.stderr)
        return 2
    if os.geteuid() != 0 or not faults.available():
        print("skipped: needs root: strace cannot tell the paths of a process that is not dumpable")
        return SKIPPED
    settings = settings_of(options, chosen)
    sums, failures = run_all(chosen, settings, options)
    if not failures:
        os.rmdir(settings.failures)
    print(f"seed {options.seed}, {len(chosen)} cases, {sums['images']} distinct images looked at")
    print("judged:", ", ".join(f"{j} {sums[j]}" for j in JUDGEMENTS))
    print("what check did:", ", ".join(f"{k[1:-1]} {n}" for k, n in sorted(sums.items())
                                       if k.startswith("(")))
    states = sums["states"] + sums["recovery cut"]
    print(f"crash states: {states} distinct, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
