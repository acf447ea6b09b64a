# SPDX-License-Identifier: MIT
"""How the program under test is run: in a folder of its own, where its state lies, too.

INSTAR names the program (build/instar of this checkout otherwise), GUEST_DRIVER the driver
that runs the guest program with a raw request (build/tests/guest_driver).  INSTAR_SANDBOX
says what both run guests in.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
INSTAR = os.path.abspath(os.environ.get("INSTAR") or REPOSITORY / "build" / "instar")
GUEST_DRIVER = os.path.abspath(
    os.environ.get("GUEST_DRIVER") or Path(INSTAR).parent / "tests" / "guest_driver")
# What guest programs run in, unless a test chooses.
SANDBOX = os.environ.get("INSTAR_SANDBOX") or "kvm"
JOURNAL_SUFFIX = ".instar-journal"
# Where many or large files are made quickly; None: where temporary files are.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def first_line(self):
        return self.err.split("\n", 1)[0]


# The index has a second to be durable, and its process two to live; then the edit goes on
# with this warning.  A disk that is busy for so long is no defect; a run that was quick, and
# whatever else goes wrong with the index, fails a test.
SLOW_INDEX = re.compile(
    r"^instar bitmap: warning: the index of interrupted edits could not be written: "
    r"(Connection timed out|Broken pipe)\nhint: [^\n]*\n", re.MULTILINE)


def without_slow_index(result, seconds):
    """The result without the warning of a busy disk, which is told beside the test."""
    if seconds < 1:
        return result
    err, found = SLOW_INDEX.subn("", result.err)
    if found:
        print(f"note: no durable index, in {seconds:.1f} s", file=sys.stderr)
    return replace(result, err=err)


class Runner:
    """Runs programs in a folder."""

    def use_folder(self, folder):
        self.directory = Path(folder)
        self.environment = dict(
            os.environ, INSTAR_STATE_DIR=str(self.directory / "state"), LC_ALL="C")
        self.environment.pop("INSTAR_JOURNAL_DIR", None)

    def path(self, name):
        return str(self.directory / name)

    def run_program(self, *command, timeout=60, environment=None):
        """Run a command; a hang is an exception."""
        done = subprocess.run(
            [os.fspath(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=timeout, env=environment or self.environment, cwd=self.directory, check=False)
        return Result(done.returncode, done.stdout.decode(errors="backslashreplace"),
                      done.stderr.decode(errors="backslashreplace"))

    def instar(self, *arguments, prefix=(), **options):
        """`instar bitmap ARGUMENTS`, behind a prefix like strace."""
        begin = time.monotonic()
        result = self.run_program(*prefix, INSTAR, "bitmap", *arguments, **options)
        return without_slow_index(result, time.monotonic() - begin)

    def driver(self, image, *settings, **options):
        """The real guest program, with a request that no command line can make."""
        return self.run_program(GUEST_DRIVER, image, *settings, **options)

    def journals_left(self):
        """Beside an image or in the state directory."""
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.directory)
                for name in names if name.endswith(JOURNAL_SUFFIX)
                or (os.path.basename(folder) == "journals" and folder != str(self.directory))]
