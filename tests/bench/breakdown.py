# SPDX-License-Identifier: MIT
"""Where the time of one `--add` goes: commands that get ever further, alternating, and
what each takes more than the one before it."""

import statistics
import subprocess

EMPTY = "int main(void) { return 0; }\n"


def stages(bench):
    """[(what, environment, make an image or None, command of an image's path)]"""
    program = bench.room / "empty"
    subprocess.run(["cc", "-O2", "-static", "-x", "c", "-", "-o", program], input=EMPTY,
                   text=True, check=True)
    raw = bench.room / "raw"
    raw.write_bytes(bytes(65536))
    index_off = {"INSTAR_STATE_DIR": "none"}

    def edit(*actions):
        return lambda path: [bench.instar, "bitmap", *actions, str(path), "new"]

    return [
        ("exec and exit of an empty static program", {}, None, lambda _: [str(program)]),
        ("command line (instar --version)", {}, None, lambda _: [bench.instar, "--version"]),
        ("open, lock, look at the magic (not a qcow2 image)", {}, None,
         lambda _: edit("--add")(raw)),
        ("virtual machine, sandbox, guest reads and plans (bitmap not found)", index_off,
         bench.fresh_copy, edit("--remove")),
        ("journal, image, syncs (--add without the index)", index_off, bench.fresh_copy,
         edit("--add")),
        ("index (--add)", {}, bench.fresh_copy, edit("--add")),
    ]


def run(bench, rounds):
    todo = stages(bench)
    times = [[] for _ in todo]
    for _ in range(rounds):
        for taken, (_, environment, make, command) in zip(times, todo):
            path = make("empty") if make else None
            done = subprocess.run([bench.timed, *command(path)], text=True, capture_output=True,
                                  env={**bench.environment, **environment},
                                  stdin=subprocess.DEVNULL)
            taken.append(int(done.stdout.split()[0]) / 1e6)
    before = 0.0
    print(f"{'ms':>8} {'more':>8}  up to and including")
    for (what, *_), taken in zip(todo, times):
        median = statistics.median(taken)
        print(f"{median:8.2f} {median - before:8.2f}  {what}")
        before = median
