# SPDX-License-Identifier: MIT
"""What the tests of the hostile guest share: an image, runs of instar with a script in the
place of the guest program, and what must be so afterwards.

HOSTILE_DRIVER names the driver (build/tests/hostile_driver of this checkout otherwise),
INSTAR_SANDBOX what the guest runs in.
"""

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "e2e"))

from lib import harness, images  # noqa: E402
from lib.terminal import on_terminal  # noqa: E402
from script import (  # noqa: E402
    APPLY, ARENA, BEGIN, JOURNAL, READ, SECTOR, SWITCH, Request, Script)

DRIVER = os.path.abspath(
    os.environ.get("HOSTILE_DRIVER") or Path(harness.INSTAR).parent / "tests" / "hostile_driver")

PROTOCOL = "the guest program broke the protocol and was ended; the image is as it was"
DIED = "the guest program died; the image is as it was"
TIMEOUT = "the guest program gave no sign for 60 seconds and was ended; the image is as it was"

# The commands, with {} where the image stands.
EDIT = ("bitmap", "--add", "{}", "n")
INFO = ("info", "{}")
MAP = ("map", "--bitmap", "t", "{}")
CHECK = ("check", "{}")

# Places of the test image and of guest memory.
CLUSTER = 65536
WHOLE_MEMORY = 256 << 20  # of the guest, by default
GUEST_DATA = 40 * CLUSTER
OLD, NEW = ARENA, ARENA + (4 << 20)

# Everything that could steer a terminal, and no text that it could be.
CONTROLS = bytes([*range(1, 32), 127, *range(128, 160), *"\x9b31m\u202e\u2028".encode(), 255])
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@dataclass(frozen=True)
class Breach:
    """A script that breaks one rule of host/vmm/, and no other before."""

    name: str
    rule: str
    script: Script
    command: tuple = EDIT
    circumstances: dict = field(default_factory=dict)
    done: bool = False  # behind the switch of an edit


class HostileCase(harness.Case):
    """Each test has a pristine image, and changes none but its copies."""

    def setUp(self):
        super().setUp()
        self.pristine = self.path("pristine.qcow2")
        images.create(self.pristine)
        images.write(self.pristine, f"write -P 7 0 {GUEST_DATA}")
        images.bitmap(self.pristine, "--add", "t")
        self.size = -(-os.path.getsize(self.pristine) // CLUSTER) * CLUSTER
        os.truncate(self.pristine, self.size)  # whole sectors, so that fresh ones follow
        self.environment.pop("INSTAR_DEBUG", None)

    def copy(self):
        image = self.path("image.qcow2")
        shutil.copyfile(self.pristine, image)
        return image

    # ---- places of the image ----

    @property
    def target(self):
        """A place of guest data, 1.5 MiB before the end of the file."""
        return self.size - (3 << 19)

    def overwrite(self, step, length=SECTOR, at=0, **fields):
        """Write `length` bytes at NEW over guest data; the old ones are at OLD."""
        return Request(JOURNAL, offset=self.target + at, length=length, addr=NEW, step=step,
                       old=(OLD + at, length), **fields)

    def begun(self, growth=0, flags=0):
        """A script that has begun a transaction, with 1 MiB of guest data at OLD."""
        return Script().fill(NEW, 4096, 0xa5).ring(
            Request(READ, self.target, 1 << 20, OLD),
            Request(BEGIN, self.size, self.size + growth, flags=flags))

    # ---- runs ----

    def write_script(self, script):
        path = self.path("script")
        with open(path, "wb") as file:
            file.write(script.parts + bytes(32))
        return path

    def command_line(self, script, image, command, circumstances):
        return [DRIVER, self.write_script(script),
                *[f"{name}={number}" for name, number in circumstances.items()],
                *[word.format(image) for word in command]]

    def attack(self, script, command=EDIT, image=None, debug=False, **circumstances):
        environment = dict(self.environment, **({"INSTAR_DEBUG": "1"} if debug else {}))
        return self.run_program(
            *self.command_line(script, image or self.copy(), command, circumstances),
            environment=environment)

    def attack_terminal(self, script, command, **circumstances):
        """The same with stdout on a terminal."""
        code, out, err = on_terminal(
            self.command_line(script, self.copy(), command, circumstances), columns=60,
            env=self.environment)
        return harness.Result(code, out.decode(errors="backslashreplace"),
                              err.decode(errors="backslashreplace"))

    # ---- what must be so ----

    def assert_untouched(self):
        """The image is the old one to the byte, and no journal is left."""
        image = self.path("image.qcow2")
        self.assertEqual(os.path.getsize(image), self.size)
        self.assertEqual(harness.digest_of(image), harness.digest_of(self.pristine))
        self.assert_no_journal()

    def assert_steers_nothing(self, result):
        self.assertIsNone(STEERING.search(result.out), result)
        self.assertIsNone(STEERING.search(result.err), result)

    def assert_ended(self, result, command, message):
        """One line and its hint, exit 1, and the image is untouched."""
        lines = result.err.split("\n")
        self.assertEqual(lines[0], f"instar {command[0]}: {message}")
        for line in lines[1:-1]:
            self.assertTrue(line.startswith("hint: ") or
                            line == "instar map: what was printed is incomplete", result)
        self.assertEqual((result.code, lines[-1]), (1, ""), result)
        if command[0] == "bitmap":
            self.assertEqual(result.out, "")
        self.assert_steers_nothing(result)
        self.assert_untouched()

    def assert_done(self, result):
        """The switch was durable: a success with a warning.  It wrote what was there."""
        lines = result.err.splitlines()
        self.assertEqual((result.code, result.out, len(lines)), (0, "", 2), result)
        self.assertTrue(lines[0].startswith("instar bitmap: warning: the edit was done, but "))
        self.assert_untouched()

    def committed(self, flags=0):
        """A script whose edit is done: its switch wrote what was there."""
        return self.begun(flags=flags).ring(
            Request(JOURNAL, offset=self.target, length=8, addr=OLD, step=1, flags=SWITCH,
                    old=(OLD, 8)),
            Request(APPLY, step=1))

    def ends(self, script, message=PROTOCOL, command=EDIT, **circumstances):
        """The guest is ended with this message."""
        result = self.attack(script, command, **circumstances)
        self.assert_ended(result, command, message)
        return result

    @staticmethod
    def rule_told(result):
        """By INSTAR_DEBUG=1, or None; the result is then as it would be without that."""
        found = re.search(r"^debug: fault: (.*)$", result.err, re.MULTILINE)
        result.err = re.sub("^debug: .*\n", "", result.err, flags=re.MULTILINE)
        return found and found[1]

    def breaks(self, breach):
        """The guest is ended by this rule; INSTAR_DEBUG=1 tells which it was."""
        result = self.attack(breach.script, breach.command, debug=True, **breach.circumstances)
        self.assertEqual(self.rule_told(result), breach.rule, result)
        if breach.done:
            self.assert_done(result)
        else:
            self.assert_ended(result, breach.command, PROTOCOL)


def main():
    if not os.access(DRIVER, os.X_OK):
        print(f"{DRIVER}: not there; build it first", file=sys.stderr)
        sys.exit(1)
    harness.main()
