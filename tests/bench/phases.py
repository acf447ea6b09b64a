# SPDX-License-Identifier: MIT
"""One `--add` cut into phases by the system calls that it makes (tracing.py).

A phase begins at a call, or after one, and ends where the next begins: the time between
calls is the phase's too, and the phases of a run add up to the whole of it, from before
the process is made until it is reaped.  A call that is not found ends the benchmark: then
instar does something else than what is written here.
"""

import bisect
from collections import Counter
from dataclasses import dataclass

VFORK, WAIT4 = 58, 61
NAMES = {17: "pread64", 45: "recvfrom", 53: "socketpair", 56: "clone", 59: "execve",
         74: "fsync", 75: "fdatasync", 186: "gettid", 231: "exit_group", 262: "newfstatat",
         317: "seccomp", 318: "getrandom"}
IOCTL = 16
REQUESTS = {0x4020AE46: "KVM_SET_USER_MEMORY_REGION", 0xAE80: "KVM_RUN"}

START = [("start", "after", "execve")]
EXIT = [("exit", "before", "exit_group")]
BEFORE_RUN = [
    *START,
    ("image", "before", "newfstatat"),
    ("index", "before", "socketpair"),
    ("image", "before", "newfstatat"),      # the journal's place
    ("vm", "after", "getrandom"),           # the transaction's id
    ("memslot", "before", "KVM_SET_USER_MEMORY_REGION"),
    ("vcpu", "after", "KVM_SET_USER_MEMORY_REGION"),
    ("load", "before", "gettid"),           # the guest's timer, the host's buffers
    ("wait", "before", "recvfrom"),
    ("sandbox", "after", "recvfrom"),
    ("load", "after", "seccomp"),
]
AFTER_RUN = [
    ("journal", "after", "KVM_RUN"),
    ("journal_sync", "before", "fdatasync"),
    ("directory", "before", "fsync"),
    ("wait", "before", "recvfrom"),
    ("build", "after", "recvfrom"),
    ("switch", "after", "fdatasync"),
    ("end", "after", "fdatasync"),
    ("remove", "after", "fdatasync"),
    *EXIT,
]


@dataclass
class Run:
    whole: int              # everything in microseconds
    phases: Counter
    in_calls: Counter       # of each phase, the part inside system calls
    exits: int = 0          # of KVM_RUN
    index: int = 0          # from the index process's first call to its last


def name_of(call):
    return REQUESTS.get(call.arguments[1]) if call.number == IOCTL else NAMES.get(call.number)


def the_add(calls):
    """The steps of an `--add` that enters its guest as often as this one."""
    runs = sum(name_of(call) == "KVM_RUN" for call in calls)
    again = [("requests", "after", "KVM_RUN"), ("exits", "before", "KVM_RUN")] * (runs - 1)
    return [*BEFORE_RUN, ("first", "before", "KVM_RUN"), *again, *AFTER_RUN]


def edges(calls):
    for call in calls:
        yield call.begin, "before", name_of(call)
        if call.end is not None:
            yield call.end, "after", name_of(call)


def cut(calls, steps):
    """[(when it begins, phase)]"""
    marks, coming = [], edges(calls)
    for phase, *edge in steps:
        for time, *here in coming:
            if here == edge:
                marks.append((time, phase))
                break
        else:
            raise SystemExit(f"bench: --breakdown: {' '.join(edge)}, where \"{phase}\" begins, "
                             "is not in the trace: has the order of instar's calls changed?")
    return marks


def split(timer, traced, steps_of):
    """The program that process `timer` (timed.c) has run, as a Run."""
    vfork, wait = (next(call for call in traced[timer] if call.number == number)
                   for number in (VFORK, WAIT4))
    calls = traced[vfork.result]
    marks = [(vfork.begin, "process"), *cut(calls, steps_of(calls)), (wait.end, None)]
    run = Run(wait.end - vfork.begin, Counter(), Counter())
    for (begin, phase), (end, _) in zip(marks, marks[1:]):
        run.phases[phase] += end - begin
    for call in calls:
        if call.end is not None:
            at = bisect.bisect_right(marks, call.begin, key=lambda mark: mark[0]) - 1
            run.in_calls[marks[at][1]] += call.end - call.begin
    run.exits = sum(name_of(call) == "KVM_RUN" for call in calls)
    for call in calls:
        if name_of(call) == "clone":
            child = traced[call.result]
            run.index = child[-1].begin - child[0].begin
    return run
