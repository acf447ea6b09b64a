# SPDX-License-Identifier: MIT
"""Where the time of one `--add` on an empty image goes, and what each part costs at least.

A round runs the command untraced, traced (tracing.py, phases.py), an empty program traced,
and floor.c, which does the bare system calls of each part.  The phases of a round add up to
its whole; their medians need not, quite.
"""

import pathlib
import statistics
import subprocess
from collections import defaultdict

import phases
from tracing import Tracer

HERE = pathlib.Path(__file__).resolve().parent
EMPTY = "int main(void) { return 0; }\n"
FILTER = "host/sandbox/filter_kvm.inc"   # in the build directory, beside the program

# What a phase is, and the floors that it is made of: a line of floor.c, or ("empty", phase) of
# the empty program; None: only the time that its system calls take themselves.
PARTS = {
    "process": ("process: vfork, exec", [("empty", "process")]),
    "start": ("start of a static program, command line", [("empty", "start")]),
    "image": ("image: open, identify, lock, magic; the journal's place", None),
    "index": ("index process: made and asked", ["fork"]),
    "vm": ("guest memory reserved, /dev/kvm, KVM_CREATE_VM", ["vm"]),
    "memslot": ("memslot", ["memslot"]),
    "vcpu": ("vCPU", ["vcpu"]),
    "wait": ("waiting for the index process (twice)", []),
    "sandbox": ("sandbox: descriptors, limits, Landlock, seccomp", ["sandbox"]),
    "load": ("timer, buffers; guest program loaded, registers", ["load"]),
    "first": ("first KVM_RUN, to its exit", ["first"]),
    "exits": ("further KVM_RUNs", ["exit"]),
    "requests": ("between them: reads for the guest", ["read"]),
    "journal": ("journal: old bytes read, file made and written", ["journal"]),
    "journal_sync": ("journal: fdatasync", ["journal_sync"]),
    "directory": ("journal: fsync of its directory", ["directory"]),
    "build": ("image: build written, fdatasync", ["build"]),
    "switch": ("image: switch written, fdatasync", ["switch"]),
    "end": ("journal: end written, fdatasync", ["end"]),
    "remove": ("journal: unlink, close; the result", ["remove"]),
    "exit": ("exit, virtual machine and process torn down, reaped",
             [("empty", "exit"), "tear_down"]),
}
# Floors that are paid at every further exit.
PER_EXIT = ("exits", "requests")


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")


def milliseconds_of(output):
    """What timed.c has printed, of a program that did what it was asked."""
    nanoseconds, status = output.split()
    if status != "0":
        raise SystemExit(f"bench: --breakdown: a command failed, wait status {status}")
    return int(nanoseconds) / 1e6


class Breakdown:
    def __init__(self, bench, tracer):
        self.bench, self.tracer = bench, tracer
        (bench.room / "empty.c").write_text(EMPTY, encoding="ascii")
        self.empty_program = self.compile("empty", bench.room / "empty.c")
        filter_file = pathlib.Path(bench.instar).parent / FILTER
        self.floor = self.compile("floor", f'-DFILTER="{filter_file}"', HERE / "floor.c",
                                  HERE / "floor_kvm.c", HERE / "floor_disk.c")
        self.untraced, self.add, self.empty = [], [], []
        self.floors = defaultdict(list)

    def compile(self, name, *words):
        program = str(self.bench.room / name)
        subprocess.run(["cc", "-O2", "-static", "-o", program, *words], check=True)
        return program

    def command(self):
        return [self.bench.timed, self.bench.instar, "bitmap", "--add",
                str(self.bench.fresh_copy("empty")), "new"]

    def output(self, command):
        run = subprocess.run(command, env=self.bench.environment, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"bench: failed: {' '.join(command)}\n{run.stdout}{run.stderr}")
        self.tracer.reap()
        return run.stdout

    def trace(self, command, steps_of):
        timer, calls, output = self.tracer.run(command, self.bench.environment)
        milliseconds_of(output)
        return phases.split(timer, calls, steps_of)

    def round(self):
        self.untraced.append(milliseconds_of(self.output(self.command())))
        self.add.append(self.trace(self.command(), phases.the_add))
        self.empty.append(self.trace([self.bench.timed, self.empty_program],
                                     lambda _: phases.START + phases.EXIT))
        floors = self.output([self.floor, str(self.bench.room)])
        for line in floors.splitlines():
            name, nanoseconds = line.split()
            self.floors[name].append(int(nanoseconds) / 1e6)

    def at_least(self, phase):
        """The floor of a phase in milliseconds, and a mark where it is approximate."""
        floors = PARTS[phase][1]
        if floors is None:
            return statistics.median(run.in_calls[phase] for run in self.add) / 1e3, "~"
        many = self.add[-1].exits - 1 if phase in PER_EXIT else 1
        return many * sum(
            statistics.median(self.floors[floor]) if isinstance(floor, str) else
            statistics.median(run.phases[floor[1]] for run in self.empty) / 1e3
            for floor in floors), ""

    def print(self):
        print(f"{'ms':>7} {'quartiles':>13} {'at least':>9}  what it is")
        total = 0.0
        for phase, (what, _) in PARTS.items():
            low, middle, high = quartiles([run.phases[phase] / 1e3 for run in self.add])
            floor, mark = self.at_least(phase)
            total += floor
            print(f"{middle:7.3f} {low:6.3f}-{high:6.3f} {floor:8.3f}{mark or ' '}  {what}")
        for what, values in (("the whole, traced", [run.whole / 1e3 for run in self.add]),
                             ("the whole, not traced", self.untraced)):
            low, middle, high = quartiles(values)
            floor = f"{total:8.3f} " if values is not self.untraced else " " * 9
            print(f"{middle:7.3f} {low:6.3f}-{high:6.3f} {floor}  {what}")
        low, middle, high = quartiles([run.index / 1e3 for run in self.add])
        print(f"{middle:7.3f} {low:6.3f}-{high:6.3f} {'':9}  beside it, in the index process: "
              "from its first call to its last")
        print(f"\n{len(self.add)} rounds; {self.add[-1].exits} KVM_RUNs.  ~: the time inside "
              "the phase's own system calls.")


def run(bench, rounds):
    with Tracer() as tracer:
        breakdown = Breakdown(bench, tracer)
        for _ in range(rounds):
            breakdown.round()
    breakdown.print()
