# SPDX-License-Identifier: MIT
"""`instar info` and `qemu-img info` beside each other.

What is instar's own stands under keys that begin `instar-`, behind qemu's in each object.
Without them, both outputs are to be the same bytes.
"""

import json
import os
import subprocess
from dataclasses import dataclass

from lib import harness

OWN_KEY = "instar-"
OWN_LINE = b"instar "


@dataclass
class Looked:
    """What a run gave, byte for byte."""

    code: int
    out: bytes
    err: bytes


def indentation(line):
    return len(line) - len(line.lstrip(b" "))


def without_blocks(lines, begins):
    """Lines without those that `begins`, and what is indented below such a line."""
    kept, skipped = [], None
    for line in lines:
        if skipped is not None and line and indentation(line) > skipped:
            continue
        skipped = None
        if begins(line.lstrip(b" ")):
            skipped = indentation(line)
        else:
            kept.append(line)
    return kept


def qemu_human(out):
    """Human output without instar's own lines."""
    return b"\n".join(without_blocks(out.split(b"\n"), lambda line: line.startswith(OWN_LINE)))


def qemu_json(out):
    """JSON text without instar's own members.  An object's last member has no comma, and a
    bracket that closes a block stands where the block's first line stands."""
    kept = []
    skipped = None
    for line in out.split(b"\n"):
        text = line.lstrip(b" ")
        if skipped is not None:
            closes = text[:1] in (b"]", b"}") and indentation(line) == skipped
            if closes or indentation(line) > skipped:
                continue
            skipped = None
        if text.startswith(b'"' + OWN_KEY.encode()):
            skipped = indentation(line)
            continue
        if text.startswith(b"}") and kept and kept[-1].endswith(b","):
            kept[-1] = kept[-1][:-1]
        kept.append(line)
    return b"\n".join(kept)


def parse(out):
    """The JSON of a run; a key twice, or instar's own before another's, is an error."""
    def pairs(members):
        keys = [key for key, _ in members]
        assert len(set(keys)) == len(keys), f"a key twice: {keys}"
        own = [key.startswith(OWN_KEY) for key in keys]
        assert own == sorted(own), f"own keys are not the last: {keys}"
        return dict(members)
    return json.loads(out, object_pairs_hook=pairs)


def data_of(look):
    return look["format-specific"]["data"]


def bitmaps_of(look):
    return data_of(look).get("bitmaps", [])


def damage_of(look):
    return data_of(look).get("instar-damage", [])


class LookCase(harness.Case):
    """Runs both programs in the test's directory."""

    def setUp(self):
        super().setUp()
        self.environment["TZ"] = "Europe/Berlin"

    def look(self, *command, stdout=subprocess.PIPE, timeout=60, environment=None):
        done = subprocess.run(
            [os.fspath(c) for c in command], stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE, timeout=timeout, env=environment or self.environment,
            cwd=self.directory, check=False)
        return Looked(done.returncode, done.stdout, done.stderr)

    def instar_look(self, command, *arguments, **options):
        return self.look(harness.INSTAR, command, *arguments, **options)

    def looks(self, command, *arguments, **options):
        """Standard output of a run that succeeds and says nothing else."""
        result = self.instar_look(command, *arguments, **options)
        self.assertEqual((result.code, result.err), (0, b""), (arguments, result))
        return result.out

    def info(self, *arguments, **options):
        """`instar info`, as JSON, parsed."""
        return parse(self.looks("info", "--output=json", *arguments, **options))

    def qemu_info(self, *arguments, **options):
        """Standard output of `qemu-img info`."""
        result = self.look("qemu-img", "info", *arguments, **options)
        self.assertEqual(result.code, 0, (arguments, result))
        return result.out

    def refused(self, command, message, *arguments, code=1, **options):
        """Nothing on stdout, one message and at most a hint on stderr."""
        result = self.instar_look(command, *arguments, **options)
        self.assertEqual((result.code, result.out or b""), (code, b""), result)
        lines = result.err.decode(errors="backslashreplace").split("\n")
        self.assertEqual(lines.pop(), "", result)
        self.assertEqual(lines[0], f"instar {command}: {message}", result)
        for line in lines[1:]:
            self.assertTrue(line.startswith("hint: "), result)
        self.assertLessEqual(len(lines), 2, result)
        return result

    def files(self):
        """Every file below the test's directory."""
        return sorted(os.path.join(folder, name) for folder, folders, names in
                      os.walk(self.directory) for name in names + folders)

    def untouched(self, *paths):
        """A context in which these files keep every byte and time stamp, and no file is made
        or goes away."""
        return Untouched(self, paths)


class Untouched:
    def __init__(self, case, paths):
        self.case, self.paths = case, paths

    def _now(self):
        return self.case.files(), {path: harness.state_of(path) for path in self.paths}

    def __enter__(self):
        for path in self.paths:
            harness.age(path)
        self.before = self._now()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.case.assertEqual(self._now(), self.before)
