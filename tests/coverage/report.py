#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which lines of guest/ and journal/ the unit tests and the fuzzers' corpora run.

Runs them in the build of the preset `coverage`, and prints each file below the bar with
the lines that nothing has run, what is not counted, and the two totals.  The exit status
is 1 where a test has failed or a total is below the bar: `./dev coverage`.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build-coverage"
PROFILES = BUILD / "profiles"
MERGED = BUILD / "profile"
ROOMS = ("guest", "journal")
BAR = 95


def run_tests(jobs):
    """Each process maps a file of its own (%c), and counts in it to its last instruction;
    what it forks shares that."""
    shutil.rmtree(PROFILES, ignore_errors=True)
    PROFILES.mkdir()
    tests = subprocess.run(
        ["ctest", "--test-dir", BUILD, "-L", "^(unit|fuzz)$", "-j", str(jobs),
         "--no-tests=error", "--output-on-failure"],
        env=dict(os.environ, LLVM_PROFILE_FILE=f"{PROFILES}/%p-%m.profraw%c"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if tests.returncode:
        sys.exit(tests.stdout)
    print(next(line for line in tests.stdout.splitlines() if "tests passed" in line))


def merge_profiles():
    # A program that has nothing of the two rooms in it leaves an empty file.
    profiles = [path for path in sorted(PROFILES.iterdir()) if path.stat().st_size]
    subprocess.run(["llvm-profdata-14", "merge", "-o", MERGED, *profiles], check=True)


def counted():
    """{source: object} of what counts, linked into a test or not."""
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    return {pathlib.Path(entry["file"]).relative_to(SOURCE):
            pathlib.Path(entry["directory"], object_of(entry)) for entry in commands
            if "-fcoverage-mapping" in entry["command"]}


def object_of(entry):
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


def not_counted(sources):
    """What has no native build, and so cannot be counted."""
    return sorted(path.relative_to(SOURCE) for room in ROOMS
                  for pattern in ("*.c", "*.S") for path in (SOURCE / room).rglob(pattern)
                  if path.relative_to(SOURCE) not in sources)


def read_coverage(objects):
    """{file: (lines run, lines, [numbers of lines not run])}; lcov's format."""
    words = ["llvm-cov-14", "export", "-format=lcov", f"-instr-profile={MERGED}"]
    for path in objects:
        words += ["-object", path]
    text = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    files = {}
    for record in text.split("end_of_record\n"):
        fields = [line.partition(":")[::2] for line in record.splitlines()]
        values = dict(fields)
        # Headers may have declarations only.
        if int(values.get("LF", 0)):
            missed = [int(value.split(",")[0]) for name, value in fields
                      if name == "DA" and value.endswith(",0")]
            path = pathlib.Path(values["SF"]).relative_to(SOURCE)
            files[path] = (int(values["LH"]), int(values["LF"]), missed)
    return files


def ranges(numbers):
    """[1, 2, 3, 7]: '1-3, 7'"""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def below(run, lines):
    return run * 100 < lines * BAR


def share(run, lines):
    # Rounded down: what is below the bar does not read as if it were not.
    return f"{run * 1000 // lines / 10:5.1f} %"


def print_files(files, every):
    rows = [(run / lines, path, run, lines, missed)
            for path, (run, lines, missed) in files.items()
            if below(run, lines) or (every and missed)]
    for _, path, run, lines, missed in sorted(rows):
        print(f"{share(run, lines)}  {str(path):33} {run:4} of {lines:4}  not: {ranges(missed)}")


def print_totals(files):
    """True where every room reaches the bar."""
    reached = True
    for room in ROOMS:
        counts = [value[:2] for path, value in files.items() if path.parts[0] == room]
        run, lines = map(sum, zip(*counts))
        reached = reached and not below(run, lines)
        print(f"line coverage of {room + '/':9} {share(run, lines)}  {run} of {lines} lines, "
              f"at least {BAR} % {'MISSED' if below(run, lines) else 'reached'}")
    return reached


def main():
    parser = argparse.ArgumentParser(prog="./dev coverage", description=__doc__.split("\n\n")[0])
    parser.add_argument("--every", action="store_true",
                        help="also the files above the bar that have lines not run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests at a time")
    parser.add_argument("--again", action="store_true",
                        help="run no tests: print what the last run has counted")
    options = parser.parse_args()
    if not options.again:
        run_tests(options.jobs)
        merge_profiles()
    objects = counted()
    files = read_coverage(objects.values())
    print_files(files, options.every)
    print("not built natively, not counted:", *not_counted(objects))
    return 0 if print_totals(files) else 1


if __name__ == "__main__":
    sys.exit(main())
