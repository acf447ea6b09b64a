#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""instar against qemu-img, side by side on this machine.

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
exits of KVM_RUN and the guest's page faults: its first touches of its memory.  After
that run the image is checked, by qemu-img, or by instar where qemu-img is left out
because it would need minutes; anything but "no errors" ends the benchmark.

With --runs all that is done several times over; a bar has to be met in two of three.

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

import breakdown
import images
import picture
from bars import bars, verdicts
from cases import CASES, PATH
from report import print_markdown, print_report

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


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
        if case.script:
            return ["sh", "-c", case.script, program, str(path)]
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

    def look(self, case, label, command, path):
        run = subprocess.run([self.observe, str(path), *command], env=self.environment,
                             capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise SystemExit(f"bench: observe failed: {' '.join(command)}\n{run.stderr}")
        seen = json.loads(run.stdout)
        if seen.pop("status") != 0:
            raise SystemExit(f"bench: failed: {' '.join(command)}\n{run.stderr}")
        if label != "qemu-img" and seen["kvm_exits"] == 0:
            raise SystemExit(f"bench: {command[0]} ran no virtual machine")
        judge = "qemu-img" if case.peer else self.instar
        check = subprocess.run([judge, "check", "-q", path], env=self.environment,
                               capture_output=True, text=True)
        if check.returncode != 0:
            raise SystemExit(f"bench: {case.key}: {label} left a damaged image:\n"
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
        result = {"title": case.title, "rounds": 0, "times": {}, "ms": {}, "ratios": {},
                  "seen": {}}
        for label, image, command in runners:
            if label == "reference":
                continue
            path = self.fresh_copy(image)
            result["seen"][label] = self.look(case, label, command(path), path)
        if not case.timed:
            return result
        rounds = case.quick_rounds if self.quick else case.rounds
        times = {label: [] for label, _, _ in runners}
        for _ in range(rounds):
            for label, image, command in runners:
                path = self.fresh_copy(image)
                times[label].append(self.time(case, command(path)))
        result["times"] = times
        return summarize(result)


def summarize(result):
    """Fill in what follows from `times`, which has each round's milliseconds."""
    times = result["times"]
    if times:
        result["rounds"] = len(times["instar"])
    result["ms"] = {label: summary(values) for label, values in times.items()}
    result["ratios"] = {label: ratios(times["instar"], values)
                        for label, values in times.items() if label != "instar"}
    return result


def merged(runs):
    """The cases of several runs as those of one: all rounds, and the most of what was
    counted."""
    cases = {}
    for key in runs[0]:
        same = [run[key] for run in runs]
        labels = same[0]["seen"]
        cases[key] = summarize({
            "title": same[0]["title"], "rounds": 0,
            "times": {label: [ms for result in same for ms in result["times"][label]]
                      for label in same[0]["times"]},
            "seen": {label: {name: max(result["seen"][label][name] for result in same)
                             for name in labels[label]} for label in labels}})
    return cases


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


def machine(options):
    version = subprocess.run(["qemu-img", "--version"], capture_output=True, text=True).stdout
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        model = next((line.split(":", 1)[1].strip() for line in file
                      if line.startswith("model name")), "unknown CPU")
    work = subprocess.run(["stat", "-f", "-c", "%T", options.work], capture_output=True,
                          text=True).stdout.strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(),
            "file_system": work, "qemu_img": version.splitlines()[0].split()[2]}


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench",
                                     description="instar against qemu-img, side by side")
    parser.add_argument("--instar", default="build/instar", help="the program (build/instar)")
    parser.add_argument("--quick", action="store_true", help="few rounds: a look, not a measurement")
    parser.add_argument("--case", action="append", choices=[case.key for case in CASES],
                        help="only this case; may be repeated")
    parser.add_argument("--runs", type=int, default=1, choices=range(1, 10), metavar="N",
                        help="measure all that N times, one after the other; a bar has to be "
                        "met in two of three")
    parser.add_argument("--breakdown", action="store_true",
                        help="instead: where the time of one --add goes")
    parser.add_argument("--output", choices=["human", "json", "markdown"], default="human",
                        help="markdown: the tables of README.md")
    parser.add_argument("--save", metavar="DIRECTORY",
                        help="also keep the numbers there, and a picture of them: numbers.json, "
                        "speed.svg")
    parser.add_argument("--from", dest="kept", metavar="FILE",
                        help="measure nothing: print the numbers that --save or --output json "
                        "has kept there")
    parser.add_argument("--work", default=str(ROOT / "build" / "bench"),
                        help="where the images are made: a real disk, 8 GiB free (build/bench)")
    options = parser.parse_args()
    if os.geteuid() != 0 and not options.kept:
        parser.error("run it as root: what instar does cannot be observed by its user "
                     "(it makes itself untraceable)")
    return options


def measure_run(bench, cases, number, of):
    results = {}
    for case in cases:
        which = f" ({number} of {of})" if of > 1 else ""
        print(f"bench{which}: {case.title} ...", file=sys.stderr, flush=True)
        results[case.key] = bench.run(case)
    return results


def measure(options, bench):
    """The report; with --save kept after every run, for what comes after may be cut off."""
    cases = [case for case in CASES if not options.case or case.key in options.case]
    runs = []
    for number in range(options.runs):
        runs.append(measure_run(bench, cases, number + 1, options.runs))
        report = {"machine": machine(options), "runs": len(runs), "quick": options.quick,
                  "cases": merged(runs), "bars": verdicts([bars(run) for run in runs])}
        if options.save:
            save(report, pathlib.Path(options.save))
    return report


def show(options, report):
    if options.output == "json":
        json.dump(report, sys.stdout, indent=1)
        print()
    elif options.output == "markdown":
        print_markdown(report)
    else:
        print_report(report)


def save(report, directory):
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "numbers.json", "w", encoding="ascii") as file:
        # The single rounds are of no use to a reader; their spread is in `ms` and `ratios`.
        cases = {key: {name: value for name, value in case.items() if name != "times"}
                 for key, case in report["cases"].items()}
        json.dump({**report, "cases": cases}, file, indent=1)
        file.write("\n")
    (directory / "speed.svg").write_text(picture.draw(report), encoding="utf-8")


def main():
    options = parse()
    if options.kept:
        report = json.loads(pathlib.Path(options.kept).read_text(encoding="ascii"))
    else:
        bench = Bench(options)
        try:
            if options.breakdown:
                return breakdown.run(bench, 20 if options.quick else 200)
            report = measure(options, bench)
        finally:
            shutil.rmtree(bench.room, ignore_errors=True)
    show(options, report)
    return any(row["met"] < row["enough"] for row in report["bars"])


if __name__ == "__main__":
    sys.exit(main())
