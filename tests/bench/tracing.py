# SPDX-License-Identifier: MIT
"""Every system call of a program and its children, with the time it begins and ends:
the kernel's raw_syscalls tracepoints, through tracefs.

They cost less than a microsecond a call and about a hundred a process, and nothing is
stopped (ptrace would multiply every number).  The tracing is an instance of its own, so that
whatever else is traced on the machine stays as it is.  Times are microseconds of
CLOCK_MONOTONIC; the text that is read here has no more digits.
"""

import ctypes
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass

TRACEFS = pathlib.Path("/sys/kernel/tracing")
NEEDED = "events/raw_syscalls/enable"
PR_SET_CHILD_SUBREAPER = 36
LINE = re.compile(r".*-(?P<pid>\d+) +\[\d+\] \S+ +(?P<seconds>\d+)\.(?P<micros>\d+): "
                  r"sys_(?P<edge>enter|exit): NR (?P<number>-?\d+) (?P<rest>.*)")


@dataclass
class Call:
    number: int
    arguments: tuple
    begin: int
    end: int = None      # None: it has not returned (exit_group)
    result: int = None


class Tracer:
    """with Tracer() as tracer: calls = tracer.run(command, environment)"""

    def __init__(self):
        self.instance = TRACEFS / "instances" / f"instar-bench-{os.getpid()}"
        self.mounted = False

    def __enter__(self):
        self._mount()
        try:
            self.instance.mkdir()
            self._set("trace_clock", "mono")
            self._set("options/event-fork", "1")
            self._set("buffer_size_kb", "2048")
        except OSError:
            self.__exit__()
            raise
        # Processes that a command leaves behind become ours, so that we see them end.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        return self

    def __exit__(self, *_):
        if self.instance.exists():
            self._set("events/enable", "0")
            self.instance.rmdir()
        if self.mounted:
            subprocess.run(["umount", TRACEFS], check=False)

    def _mount(self):
        if (TRACEFS / NEEDED).exists():
            return
        mount = subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS],
                               capture_output=True, text=True)
        self.mounted = mount.returncode == 0
        if not (TRACEFS / NEEDED).exists():
            self.__exit__()
            raise SystemExit(
                f"bench: --breakdown needs {TRACEFS / NEEDED}, and it is not there: a kernel "
                "with CONFIG_FTRACE_SYSCALLS and tracefs "
                f"(mount -t tracefs tracefs {TRACEFS})\n{mount.stderr}".rstrip())

    def _set(self, name, value):
        (self.instance / name).write_text(value, encoding="ascii")

    def _follow_me(self):
        self._set("set_event_pid", str(os.getpid()))
        self._set(NEEDED, "1")

    def reap(self):
        """Wait for all that commands have left behind."""
        try:
            while True:
                os.wait()
        except ChildProcessError:
            pass

    def run(self, command, environment):
        """The command's own process id, {process: its calls in order}, its output."""
        run = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=self._follow_me)
        out, errors = run.communicate()
        self.reap()
        self._set(NEEDED, "0")
        if run.returncode != 0:
            raise SystemExit(f"bench: failed: {' '.join(command)}\n{out}{errors}")
        return run.pid, calls_of(self._take()), out

    def _take(self):
        """What has been traced since the last time.  (Reading `trace` would leave it there,
        and clearing it waits for every processor.)"""
        pieces = []
        pipe = os.open(self.instance / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            while piece := os.read(pipe, 1 << 16):
                pieces.append(piece)
        except BlockingIOError:
            pass
        finally:
            os.close(pipe)
        return b"".join(pieces).decode(errors="replace")


def calls_of(text):
    if "LOST" in text:
        raise SystemExit("bench: --breakdown: the trace is not whole")
    calls = {}
    for line in text.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        mine = calls.setdefault(int(found["pid"]), [])
        time = int(found["seconds"]) * 1000000 + int(found["micros"])
        if found["edge"] == "enter":
            arguments = tuple(int(word, 16) for word in found["rest"].strip("()").split(", "))
            mine.append(Call(int(found["number"]), arguments, time))
        elif mine and mine[-1].end is None and mine[-1].number == int(found["number"]):
            mine[-1].end = time
            mine[-1].result = int(found["rest"].removeprefix("= "))
    return calls
