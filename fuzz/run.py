#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the fuzzers for a while, and tell what they did: what `./dev fuzz` does when all is
built.  Each harness runs on one core of its own choice; what its queue has gained is then
replayed under the sanitizers, which are far too slow to explore with.
"""
import argparse
import base64
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAST, SANITIZED, NATIVE = "build-fuzz", "build-fuzz-sanitize", "build"
DIFFERENTIAL = "differential"
HARNESSES = ("guest", "doorbell", "command_line", "journal", "cut")
ENVIRONMENT = {"AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_NO_AFFINITY": "1",
               "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_AUTORESUME": "1"}
INPUT_MILLISECONDS = 2000


def spelled(path):
    """A finding's bytes, for who reads of it where its file is gone."""
    with open(path, "rb") as file:
        return f"base64 -d <<<{base64.b64encode(file.read()).decode()}"


class Fuzzer:
    def __init__(self, harness, options):
        self.harness, self.minutes, self.core = harness, options.minutes, options.core
        self.seed = options.seed
        self.seeds = os.path.join(ROOT, FAST, "seeds", harness)
        self.state = os.path.join(ROOT, FAST, "state", harness)
        self.counts = os.path.join(self.state, "counts")
        self.out = os.path.join(self.state, "default")

    def program(self, build, suffix=""):
        return os.path.join(ROOT, build, "fuzz", f"fuzz_{self.harness}{suffix}")

    def make_seeds(self):
        """The corpus, and the images that a program makes."""
        shutil.rmtree(self.seeds, ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, "fuzz/corpus", self.harness), self.seeds)
        subprocess.run([self.program(NATIVE, "_seeds"), self.seeds], check=True)

    def mutator(self):
        """Of a harness that has one of its own."""
        library = self.program(NATIVE, "_mutator.so")
        return {"AFL_CUSTOM_MUTATOR_LIBRARY": library} if os.path.exists(library) else {}

    def dictionary(self):
        path = os.path.join(ROOT, "fuzz", f"{self.harness}.dict")
        return ["-x", path] if os.path.exists(path) else []

    def run(self):
        """afl-fuzz, from where the last run ended, until the time is over."""
        os.makedirs(self.state, exist_ok=True)
        environment = {**os.environ, **ENVIRONMENT, "INSTAR_FUZZ_COUNTS": self.counts,
                       **self.mutator()}
        command = ["afl-fuzz", "-i", self.seeds, "-o", self.state, *self.dictionary(),
                   *(["-s", str(self.seed)] if self.seed is not None else []),
                   "-t", str(INPUT_MILLISECONDS), "-V", str(int(self.minutes * 60)),
                   "--", self.program(FAST)]
        log = os.path.join(self.state, "log")
        with open(log, "w", encoding="utf-8") as output:
            status = subprocess.run(["taskset", "-c", str(self.core), *command], env=environment,
                                    stdout=output, stderr=output, check=False).returncode
        if not os.path.exists(os.path.join(self.out, "fuzzer_stats")):
            sys.exit(f"afl-fuzz did not start ({status}): see {log}")

    def is_open(self, path):
        """Whether an input that once failed, or was too slow, still is."""
        try:
            return subprocess.run([self.program(FAST, "_replay"), path], check=False,
                                  timeout=5 * INPUT_MILLISECONDS / 1000,
                                  capture_output=True).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def ever_found(self):
        """afl-fuzz sets aside (`crashes.DATE`) what the runs before have found."""
        return [path for kind in ("crashes", "hangs")
                for path in sorted(glob.glob(f"{glob.escape(self.out)}/{kind}*/id*"))]

    def replay(self):
        """The queue under the sanitizers; the input that fails, with its last words."""
        process = subprocess.run([self.program(SANITIZED, "_replay"),
                                  os.path.join(self.out, "queue")],
                                 capture_output=True, text=True, errors="replace", check=False)
        return None if process.returncode == 0 else process.stderr[-4000:]

    def statistics(self):
        with open(os.path.join(self.out, "fuzzer_stats"), encoding="utf-8") as file:
            lines = (line.split(":", 1) for line in file if ":" in line)
            return {key.strip(): value.strip() for key, value in lines}

    def told_counts(self):
        return subprocess.run([self.program(NATIVE, "_replay"), "--counts"], check=True,
                              env={**os.environ, "INSTAR_FUZZ_COUNTS": self.counts},
                              capture_output=True, text=True).stdout.strip()

    def told(self, findings, complaint):
        """What the run has come to, also left in a file for `./dev test --fuzz`."""
        numbers = self.statistics()
        edges, total = int(numbers["edges_found"]), int(numbers["total_edges"])
        lines = [f"{self.harness}: {numbers['execs_done']} executions in all, "
                 f"{numbers['execs_per_sec']} a second, {edges} of {total} edges "
                 f"({100 * edges / total:.0f} %), {numbers['corpus_count']} inputs in the queue",
                 f"  {self.told_counts()}",
                 f"  open findings: {len(findings)} of {len(self.ever_found())}; "
                 f"the queue under the sanitizers: {'a finding' if complaint else 'clean'}"]
        lines += [f"  {self.program(SANITIZED, '_replay')} '{path}'\n  {spelled(path)}"
                  for path in findings]
        text = "\n".join(lines + [complaint] * bool(complaint)) + "\n"
        with open(os.path.join(ROOT, FAST, f"report-{self.harness}"), "w",
                  encoding="utf-8") as report:
            report.write(text)
        return text


def arguments():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, metavar="N",
                        default=float(os.environ.get("INSTAR_FUZZ_MINUTES") or 10),
                        help="for each harness (default: INSTAR_FUZZ_MINUTES, or 10)")
    parser.add_argument("--harness", choices=(*HARNESSES, DIFFERENTIAL), action="append",
                        help="only this one; may be repeated")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)),
                        help="to run on (default: the last)")
    parser.add_argument("--seed", type=int, metavar="N",
                        help="of afl-fuzz: the same luck each time")
    parser.add_argument("--fresh", action="store_true",
                        help="forget the state of the runs before")
    return parser.parse_args()


def run_differential(options):
    """True if qemu-img and the program did not differ."""
    command = ["taskset", "-c", str(options.core), sys.executable,
               os.path.join(ROOT, "fuzz", DIFFERENTIAL, "run.py"),
               "--minutes", str(options.minutes)]
    # Without a seed, other images each day.
    seed = time.strftime("%Y%m%d%H%M") if options.seed is None else options.seed
    return subprocess.run([*command, "--seed", str(seed)], check=False).returncode == 0


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    clean = True
    for harness in options.harness or (*HARNESSES, DIFFERENTIAL):
        if harness == DIFFERENTIAL:
            clean = run_differential(options) and clean
            continue
        fuzzer = Fuzzer(harness, options)
        if options.fresh:
            shutil.rmtree(fuzzer.state, ignore_errors=True)
        fuzzer.make_seeds()
        print(f"{harness}: {options.minutes:g} minutes on core {options.core}, "
              f"until about {time.strftime('%H:%M', time.localtime(time.time() + options.minutes * 60))}",
              flush=True)
        fuzzer.run()
        findings = [path for path in fuzzer.ever_found() if fuzzer.is_open(path)]
        complaint = fuzzer.replay()
        print(fuzzer.told(findings, complaint), end="", flush=True)
        clean = clean and not findings and not complaint
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
