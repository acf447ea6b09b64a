# SPDX-License-Identifier: MIT
"""The shipped program, stopped at chosen system calls so that a test can act in between.

SIGSTOP is injected with strace: the process stops when the call has been made, and goes on
when the test says so.  No clock is involved.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress

from lib import harness
from lib.faults import Injection

DEADLINE = 30
STOPPED = "--- stopped by SIGSTOP"


def descendants(pid):
    """The processes that a process has started, and theirs."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError), \
            open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        for child in file.read().split():
            found += [int(child), *descendants(child)]
    return found


class StoppedRun:
    """`for call in StoppedRun(case, command, calls, path): ...`: the body runs while the
    process is stopped behind `call`, a line of strace's log.  Then `result`.
    `path`: only calls on that file; None: on any.  `children`: so are the processes that it
    starts."""

    def __init__(self, case, command, calls, path=None, when="1+", children=False):
        self.result = None
        self.children = children
        self.log = case.path("stops.log")
        with suppress(FileNotFoundError):
            os.unlink(self.log)
        paths = () if path is None else (os.path.realpath(path),)
        stop = Injection(calls, "signal=SIGSTOP", when, paths, children)
        self.strace = subprocess.Popen(
            stop.prefix(self.log) + [os.fspath(word) for word in command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=case.environment,
            cwd=case.directory)
        case.addCleanup(self._end)

    def lines(self):
        """strace's log so far."""
        with suppress(FileNotFoundError), \
                open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
        return []

    def __iter__(self):
        seen = 0
        while (lines := self._next_stop(seen)) is not None:
            seen += 1
            stop = [i for i, line in enumerate(lines) if STOPPED in line][seen - 1]
            yield next(line for line in reversed(lines[:stop]) if not line.startswith("---"))
            self._signal(signal.SIGCONT)
        out, err = self.strace.communicate()
        self.result = harness.Result(self.strace.returncode, out.decode(), err.decode())

    def _next_stop(self, seen):
        """The log once it shows more than `seen` stops; None at the end of the run."""
        deadline = time.monotonic() + DEADLINE
        while self.strace.poll() is None:
            lines = self.lines()
            if sum(STOPPED in line for line in lines) > seen:
                return lines
            if time.monotonic() > deadline:
                raise AssertionError(f"no stop and no end: {lines[-3:]}")
            time.sleep(0.002)
        return None

    def _signal(self, number):
        """To the traced process, the only child of strace, or to all."""
        traced = descendants(self.strace.pid)
        for pid in traced if self.children else traced[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self):
        if self.strace.returncode is None:
            self._signal(signal.SIGKILL)
            self.strace.kill()
            self.strace.communicate()
