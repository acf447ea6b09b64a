# SPDX-License-Identifier: MIT
"""What is seen of an image that must survive every crash: by qemu-img, and by the
independent reader (tests/e2e/lib), which shares no code with instar.
"""

import json
import os
import subprocess
from dataclasses import dataclass, field

from lib import check, images
from lib.harness import Case
from lib.qcow2 import EXT_PADDING, Image, Malformed


@dataclass
class Seen:
    facts: dict          # virtual size, guest data, backing, data file, extensions, snapshots
    bitmaps: list        # the valid list, bits included
    bystanders: list     # all of every bitmap that no command names
    listed: list         # the list as `qemu-img info` gives it
    leaks: list          # clusters
    faults: list = field(default_factory=list)  # corruptions, and what could not be opened


def run(*command, environment=None):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([os.fspath(c) for c in command], stdin=subprocess.DEVNULL,
                          capture_output=True, env=environment, check=False)
    return (done.returncode, done.stdout.decode(errors="backslashreplace"),
            done.stderr.decode(errors="backslashreplace"))


def valid_bitmaps(image):
    """The list as a program that knows bitmaps takes it, in order, with the bits."""
    if not image.bitmaps_valid:
        return []
    return [(b.name, b.flags, b.granularity_bits, b.extra, image.bits(b))
            for b in image.bitmaps()]


def check_faults(path):
    """`qemu-img check`: leaks are allowed, anything else is not."""
    code, out, err = run("qemu-img", "check", "--output=json", *images.check_options(path))
    if code not in (0, 2, 3):
        return [f"qemu-img check: exit {code}: {err}"]
    found = json.loads(out)
    wrong = {k: found[k] for k in ("corruptions", "check-errors") if found.get(k)}
    return [f"qemu-img check: {wrong}: {err}"] if wrong else []


def _info(path):
    code, out, err = run("qemu-img", "info", "-U", "--output=json", path)
    if code:
        return [], [f"qemu-img info: exit {code}: {err}"]
    found = json.loads(out)["format-specific"]["data"].get("bitmaps", [])
    return [(b["name"], tuple(b["flags"]), b["granularity"]) for b in found], []


def facts(path):
    """All that an edit of bitmaps must keep.  A record that instar leaves where the bitmaps
    record was is no content, whatever it covers."""
    found = Case.facts(None, path)
    found["extensions"] = [e for e in found["extensions"] if e[0] != EXT_PADDING]
    return found


def see(path, named):
    """Everything about an image, `named` being the bitmaps that the commands name."""
    listed, faults = _info(path)
    faults += check_faults(path)
    try:
        with Image(path) as image:
            report = check.check(image)
            bitmaps = valid_bitmaps(image)
        return Seen(facts(path), bitmaps,
                    Case.bystanders(None, path, *named) if bitmaps else [],
                    listed, report.leaks, faults + report.corruptions)
    except (Malformed, OSError) as fault:
        return Seen({}, [], [], listed, [], faults + [f"the independent reader: {fault!r}"])
