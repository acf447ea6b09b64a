#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""instar against qemu-img, on this machine, in one run.

Method.  A case is one image and one command, given to both programs.  Its timed
part is a number of rounds; a round runs the programs one after the other, always in
the same order, each on a fresh copy of the image that has been synced to the disk
(and the file system with it) before the clock starts.  What is timed is a whole
process, from before it is made until it is reaped (timed.c).  Printed are the
median of each program and the ratio instar : qemu-img, which is the median of the
rounds' own ratios, with their lower and upper quartile.  Where a bar compares a case with
instar's `--add` on an empty image, that command is a third runner in every round.

The other columns come from one more run of each program that is not timed
(observe.c): system calls, syncs, bytes written, peak memory (VmHWM), and for instar the
exits of KVM_RUN and the guest's page faults: its first touches of its memory.  After that run qemu-img
checks the image; anything but "no errors" ends the benchmark.

instar runs as it is installed: seccomp and Landlock armed, journal and index on.
"""

import argparse
import ctypes
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

import breakdown
import images
from report import print_markdown, print_report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


PATH = "PATH"

# All that qemu-img can do; $1 is the file.
REMOVE_ONE_BY_ONE = (f"i=0; while [ $i -lt {images.STALE_BITMAPS} ]; do "
                     "qemu-img bitmap --remove \"$1\" b$i || exit; i=$((i + 1)); done")


@dataclass
class Case:
    key: str
    title: str
    image: str                      # a function of images.py
    command: list                   # of `bitmap`, without the file and the name; else
                                    # all words of a program, with PATH for the file
    name: str = "new"
    rounds: int = 200
    quick_rounds: int = 20
    delay_us: int = 0               # added to every sync
    reference: bool = False         # also time instar's --add on an empty image
    variants: dict = field(default_factory=dict)  # more runners: label -> extra options
    peer: bool = True               # qemu-img can be compared
    peer_command: list = None       # its words, with PATH for the file, where they are others
    timed: bool = True


CASES = [
    Case("add-empty", "--add, empty 1 GiB", "empty", ["--add"]),
    Case("add-three", "--add, image with 3 bitmaps", "three_bitmaps", ["--add"], rounds=100),
    Case("add-three-5ms", "--add, image with 3 bitmaps, 5 ms a sync", "three_bitmaps",
         ["--add"], rounds=60, quick_rounds=10, delay_us=5000),
    Case("add-empty-5ms", "--add, empty 1 GiB, 5 ms a sync", "empty", ["--add"], rounds=60,
         quick_rounds=10, delay_us=5000),
    Case("add-ten-dense", "--add, 16 TiB with 10 dense bitmaps", "ten_dense", ["--add"],
         rounds=15, quick_rounds=3, reference=True),
    Case("disable-512m", "--disable of a 512 MiB bitmap (16 TiB at 4 KiB)", "half_gib_bitmap",
         ["--disable"], name="b0", rounds=11, quick_rounds=3, reference=True),
    Case("add-preallocated", "--add, 1 TiB with all metadata allocated", "preallocated",
         ["--add"], rounds=31, quick_rounds=3, reference=True),
    Case("merge-dense", "--merge of two dense bitmaps, 16 TiB at 64 KiB", "two_dense",
         ["--merge", "b0"], name="b1", rounds=31, quick_rounds=5),
    Case("remove-scan", "--remove, 1 TiB with all metadata allocated",
         "preallocated_with_bitmap", ["--remove"], name="b0", rounds=15, quick_rounds=3,
         variants={"unscanned": ["--no-ownership-scan"]}),
    Case("remove-all-seventy", "--remove-all of 70 dense bitmaps, 1 TiB (qemu-img: a loop)",
         "seventy_dense", ["bitmap", "--remove-all", PATH], rounds=3, quick_rounds=1,
         peer_command=["sh", "-c", REMOVE_ONE_BY_ONE, "loop", PATH]),
    Case("info-ten-dense", "info, 16 TiB with 10 dense bitmaps", "ten_dense", ["info", PATH],
         rounds=15, quick_rounds=3),
    Case("map-dense", "map of a dense 32 MiB bitmap (16 TiB at 64 KiB), to /dev/null",
         "dense_runs", ["map", "--bitmap", "b0", PATH], rounds=15, quick_rounds=3, peer=False),
    Case("map-noise", "map of 32 MiB of random bits (67 million extents), to /dev/null",
         "two_dense", ["map", "--bitmap", "b0", PATH], rounds=5, quick_rounds=1, peer=False),
    Case("check-preallocated", "check, 1 TiB with all metadata allocated", "preallocated",
         ["check", PATH], rounds=15, quick_rounds=3),
    Case("add-overlay", "first --add on an overlay", "overlay", ["--add"], timed=False),
    Case("add-growth", "--add that grows the refcount structures", "full_refcount_block",
         ["--add"], timed=False),
]

L2_GIB_OF_1_TIB = 128 / 1024  # 8 bytes for each 64 KiB cluster


class Bench:
    def __init__(self, options):
        self.instar = str(pathlib.Path(options.instar).resolve())
        self.quick = options.quick
        self.room = pathlib.Path(options.work).resolve()
        shutil.rmtree(self.room, ignore_errors=True)
        self.room.mkdir(parents=True)
        self.timed = self._compile("timed", "timed.c")
        self.observe = self._compile("observe", "observe.c", "observe_kvm.c")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.room),
                            "INSTAR_STATE_DIR": str(self.room / "state")}
        self.libc = ctypes.CDLL(None)
        self.masters = {}
        # The state directory and its index are made by the first edit, once.
        self.time(CASES[0], self.command(self.instar, CASES[0], self.fresh_copy("empty")))

    def _compile(self, name, *sources):
        program = self.room / name
        subprocess.run(["cc", "-O2", "-static", "-o", program,
                        *(HERE / source for source in sources)], check=True)
        return str(program)

    def master(self, image):
        """The image that copies are made of; only the last big one is kept."""
        if image not in self.masters:
            for old in [key for key in self.masters if key != "empty"]:
                self.masters.pop(old).unlink()
            path = self.room / f"{image}.qcow2"
            getattr(images, image)(path)
            self.masters[image] = path
        return self.masters[image]

    def fresh_copy(self, image):
        source = self.master(image)
        path = self.room / "copy.qcow2"
        path.unlink(missing_ok=True)
        read, write = os.open(source, os.O_RDONLY), os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        size, end = os.fstat(read).st_size, 0
        os.ftruncate(write, size)
        while end < size:
            try:
                begin = os.lseek(read, end, os.SEEK_DATA)
            except OSError:
                break  # a hole up to the end
            end = os.lseek(read, begin, os.SEEK_HOLE)
            while begin < end:
                begin += os.copy_file_range(read, write, end - begin, begin, begin)
        os.fsync(write)
        # The discards and journal blocks of the last copy's unlink, too: nobody
        # should pay for them inside the clock.
        self.libc.syncfs(write)
        os.close(read)
        os.close(write)
        return path

    def command(self, program, case, path, extra=()):
        if program == "qemu-img" and case.peer_command:
            return with_path(case.peer_command, path)
        if PATH in case.command:
            return [program, *with_path(case.command, path)]
        return [program, "bitmap", *case.command, *extra, str(path), case.name]

    def time(self, case, command):
        delay = ["--sync-delay", str(case.delay_us)] if case.delay_us else []
        run = subprocess.run([self.timed, *delay, *command], env=self.environment,
                             capture_output=True, text=True, stdin=subprocess.DEVNULL)
        fields = run.stdout.split()
        if run.returncode != 0 or len(fields) != 2 or fields[1] != "0":
            raise SystemExit(f"bench: failed: {' '.join(command)}\n{run.stdout}{run.stderr}")
        return int(fields[0]) / 1e6

    def look(self, case, command, path):
        run = subprocess.run([self.observe, str(path), *command], env=self.environment,
                             capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise SystemExit(f"bench: observe failed: {' '.join(command)}\n{run.stderr}")
        seen = json.loads(run.stdout)
        if seen.pop("status") != 0:
            raise SystemExit(f"bench: failed: {' '.join(command)}\n{run.stderr}")
        if command[0] == self.instar and seen["kvm_exits"] == 0:
            raise SystemExit(f"bench: {command[0]} ran no virtual machine")
        check = subprocess.run(["qemu-img", "check", "-q", path], capture_output=True, text=True)
        if check.returncode != 0:
            raise SystemExit(f"bench: {case.key}: {command[0]} left a damaged image:\n"
                             f"{check.stdout}{check.stderr}")
        return seen

    def runners(self, case):
        """[(label, image, function of a path -> command)], in the order of a round."""
        empty = CASES[0]
        runners = []
        if case.peer:
            runners.append(("qemu-img", case.image,
                            lambda path: self.command("qemu-img", case, path)))
        runners.append(("instar", case.image, lambda path: self.command(self.instar, case, path)))
        for label, extra in case.variants.items():
            runners.append((label, case.image,
                            lambda path, extra=extra: self.command(self.instar, case, path, extra)))
        if case.reference:
            runners.append(("reference", empty.image,
                            lambda path: self.command(self.instar, empty, path)))
        return runners

    def run(self, case):
        runners = self.runners(case)
        result = {"title": case.title, "rounds": 0, "ms": {}, "seen": {}}
        for label, image, command in runners:
            if label == "reference":
                continue
            path = self.fresh_copy(image)
            result["seen"][label] = self.look(case, command(path), path)
        if not case.timed:
            return result
        rounds = case.quick_rounds if self.quick else case.rounds
        times = {label: [] for label, _, _ in runners}
        for _ in range(rounds):
            for label, image, command in runners:
                path = self.fresh_copy(image)
                times[label].append(self.time(case, command(path)))
        result["rounds"] = rounds
        result["ms"] = {label: summary(values) for label, values in times.items()}
        result["ratios"] = {label: ratios(times["instar"], values)
                            for label, values in times.items() if label != "instar"}
        return result


def with_path(words, path):
    return [str(path) if word == PATH else word for word in words]


def summary(values):
    low, middle, high = quartiles(values)
    return {"median": middle, "low": low, "high": high}


def ratios(ours, others):
    return summary([mine / other for mine, other in zip(ours, others)])


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, statistics.median(values), high


def bars(results):
    """Every row of the project's table of numbers that this run has measured:
    (what, measured, bar, goal)."""
    rows = []

    def row(key, what, value, bar, goal):
        if key in results:
            rows.append({"case": key, "what": what, "value": value(results[key]), "bar": bar,
                         "goal": goal})

    def against(label):
        return lambda result: result["ratios"][label]["median"]

    def seen(name):
        return lambda result: result["seen"]["instar"][name]

    row("add-empty", "--add on an empty image : qemu-img", against("qemu-img"), 0.75, 0.6)
    row("add-three-5ms", "--add beside 3 bitmaps, 5 ms a sync : qemu-img", against("qemu-img"),
        1.0, 0.7)
    row("add-ten-dense", "--add beside 10 dense bitmaps, 16 TiB : our empty one",
        against("reference"), 2.0, 1.2)
    row("disable-512m", "--disable of a 512 MiB bitmap : our --add on an empty image",
        against("reference"), 1.0, 0.8)
    row("add-preallocated", "--add, 1 TiB with all metadata : our empty one",
        against("reference"), 1.5, 1.2)
    row("merge-dense", "--merge of two dense bitmaps : qemu-img", against("qemu-img"), 0.25, 0.12)
    row("remove-scan", "proof of ownership, seconds per GiB of L2 tables",
        lambda result: (result["ms"]["instar"]["median"] - result["ms"]["unscanned"]["median"])
        / 1000 / L2_GIB_OF_1_TIB, 0.5, 0.3)
    row("remove-all-seventy", "--remove-all of 70 dense bitmaps : qemu-img, one by one",
        against("qemu-img"), 0.01, 0.001)
    row("info-ten-dense", "info on 16 TiB with 10 dense bitmaps : qemu-img", against("qemu-img"),
        0.05, 0.02)
    row("check-preallocated", "check of 1 TiB with all metadata : qemu-img", against("qemu-img"),
        0.5, 0.25)
    row("map-dense", "map of a dense 32 MiB bitmap, seconds",
        lambda result: result["ms"]["instar"]["median"] / 1000, 0.5, 0.25)
    row("add-empty", "syncs of a plain --add", seen("syncs"), 7, 6)
    row("add-overlay", "syncs of the first --add on an overlay", seen("syncs"), 10, 8)
    row("add-growth", "syncs of an --add with growth", seen("syncs"), 12, 10)
    row("disable-512m", "bytes written to the image by --disable", seen("image_bytes"), 512, 4)
    row("add-empty", "guest page faults (first touches) of a plain --add",
        seen("guest_pages"), 24, 16)
    row("add-empty", "exits of a plain --add", seen("kvm_exits"), 5, 4)
    for key in ("add-empty", "add-three", "add-ten-dense", "add-preallocated"):
        row(key, f"peak memory, MiB: {results.get(key, {}).get('title')}",
            lambda result: result["seen"]["instar"]["peak_kib"] / 1024, 8, 4)
    return rows


def machine(options):
    version = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True).stdout
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        model = next((line.split(":", 1)[1].strip() for line in file
                      if line.startswith("model name")), "unknown CPU")
    work = subprocess.run(["stat", "-f", "-c", "%T", options.work], capture_output=True,
                          text=True).stdout.strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(),
            "file_system": work, "qemu_img": version.splitlines()[0].split()[2]}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench",
                                     description="instar against qemu-img, side by side")
    parser.add_argument("--instar", default="build/instar", help="the program (build/instar)")
    parser.add_argument("--quick", action="store_true", help="few rounds: a look, not a measurement")
    parser.add_argument("--case", action="append", choices=[case.key for case in CASES],
                        help="only this case; may be repeated")
    parser.add_argument("--breakdown", action="store_true",
                        help="instead: where the time of one --add goes")
    parser.add_argument("--output", choices=["human", "json", "markdown"], default="human",
                        help="markdown: the tables of README.md")
    parser.add_argument("--work", default=str(ROOT / "build" / "bench"),
                        help="where the images are made: a real disk, 3 GiB free (build/bench)")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("run it as root: what instar does cannot be observed by its user "
                     "(it makes itself untraceable)")
    bench = Bench(options)
    results = {}
    try:
        if options.breakdown:
            return breakdown.run(bench, 20 if options.quick else 200)
        for case in CASES:
            if options.case and case.key not in options.case:
                continue
            print(f"bench: {case.title} ...", file=sys.stderr, flush=True)
            results[case.key] = bench.run(case)
        report = {"machine": machine(options), "cases": results, "bars": bars(results)}
    finally:
        shutil.rmtree(bench.room, ignore_errors=True)
    if options.output == "json":
        json.dump(report, sys.stdout, indent=2)
        print()
    elif options.output == "markdown":
        print_markdown(report)
    else:
        print_report(report)


if __name__ == "__main__":
    main()
