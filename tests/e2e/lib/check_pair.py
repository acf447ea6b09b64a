# SPDX-License-Identifier: MIT
"""`instar check` and `qemu-img check` beside each other."""

import collections
import json
import os
import subprocess
from dataclasses import dataclass

from lib import harness

EXIT = "exit"          # the exit code
JSON = "json"          # keys, values and the keys' order, where both found an end
HUMAN = "human"        # standard output, to the byte
FINDINGS = "findings"  # the lines on standard error that tell of clusters and tables

# QEMU's warning of a stale list lacks its newline.
STALE = b"Some clusters may be leaked, run 'qemu-img check -r' on the image file to fix."

ENVIRONMENT = dict(os.environ, LC_ALL="C", INSTAR_STATE_DIR="none")
REFUSED = 1


@dataclass
class Run:
    code: int
    out: bytes
    err: bytes

    @property
    def json(self):
        """(key, value) in order; None where there is no JSON."""
        return json.loads(self.out, object_pairs_hook=list) if self.out else None

    def lines(self, *others):
        """Those of stderr that do not begin with one of `others`."""
        return collections.Counter(line for line in self.err.replace(STALE, b"").split(b"\n")
                                   if line and not line.startswith(others))


def run(*command):
    done = subprocess.run([os.fspath(c) for c in command], stdin=subprocess.DEVNULL,
                          capture_output=True, env=ENVIRONMENT, timeout=60, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def ours(path, *options):
    return run(harness.INSTAR, "check", "-n", "-f", "qcow2", *options, path)


def theirs(opened, *options):
    """`opened`: how qemu-img is told of the image (images.check_options)."""
    return run("qemu-img", "check", *options, *opened)


def own_lines(found):
    """What only instar tells: damage of bitmaps, and what keeps qemu from opening the image."""
    return collections.Counter(text.encode() for entry in
                               dict(found or ()).get("instar-damage", ())
                               for key, text in entry if key == "what")


def without_own(found):
    kept = [(key, value) for key, value in found if not key.startswith("instar-")]
    assert found[:len(kept)] == kept, f"own keys are not the last: {found}"
    return kept


def compare(path, opened, human=False):
    """({field: what differs}, qemu-img's exit code)."""
    qemu, own = theirs(opened, "--output=json"), ours(path, "--output=json")
    found, different = own.json, {}
    if own.code != qemu.code:
        different[EXIT] = f"{own.code} instead of {qemu.code}"
    if qemu.json is not None:
        expected = [(key, path if key == "filename" else value) for key, value in qemu.json]
        if without_own(found) != expected:
            different[JSON] = f"{without_own(found)} instead of {expected}"
    told = own.lines(b"instar check: ", b"hint: ") - own_lines(found)
    expected = qemu.lines(b"qemu-img: ")
    if qemu.code != REFUSED and told != expected:
        different[FINDINGS] = f"{told - expected} instead of {expected - told}"
    if human and qemu.code != REFUSED:
        texts = ours(path).out, theirs(opened).out
        if own_human(texts[0]) != texts[1]:
            different[HUMAN] = f"{texts[0]!r} instead of {texts[1]!r}"
    return different, qemu.code


def own_human(out):
    """Without the sum of what only instar tells."""
    lines = out.split(b"\n")
    for i, line in enumerate(lines):
        if line.endswith((b"faults of bitmaps were found.", b"fault of a bitmap was found.")):
            return b"\n".join(lines[:i - 1] + lines[i + 1:])
    return out
