# SPDX-License-Identifier: MIT
"""Faults of the kernel, injected into the shipped program with strace.

Only system calls on one path are hit, so that the n-th write of the image can
fail while the journal's go through.
"""

import os
import re
import shutil
from dataclasses import dataclass

READS = "pread64,preadv,preadv2,read"
WRITES = "pwrite64,pwritev,pwritev2,write"
SYNCS = "fsync,fdatasync"


def available():
    return shutil.which("strace") is not None


def prefix(path, calls, number, log, fault="error=EIO"):
    """A command prefix: the `number`-th of these calls on `path` meets the fault: an
    error, or with "signal=SIGINT" a signal that comes while it is made."""
    return Injection(calls, fault, number, (os.path.realpath(path),), children=True).prefix(log)


@dataclass(frozen=True)
class Injection:
    """What happens to which system calls.

    `when`: 3 for the third call, "3+" for the third and all that follow.  `paths`: only calls
    on these; any, if there are none.  `children`: the index's process is hit too, and its calls
    are counted by themselves.  `also`: calls that always meet the fault."""

    calls: str
    fault: str
    when: object
    paths: tuple = ()
    children: bool = False
    also: str = ""

    def prefix(self, log):
        # LeakSanitizer cannot work in a traced process, and says so with a failure.
        command = ["strace", "-E", "ASAN_OPTIONS=detect_leaks=0", "-qq", "-o", log]
        if self.children:
            command.append("-f")
        for path in self.paths:
            command += ["-P", path]
        if self.also:
            command += ["-e", f"inject={self.also}:{self.fault}"]
        return command + ["-e", f"trace={self.calls}" + (f",{self.also}" if self.also else ""),
                          "-e", f"inject={self.calls}:{self.fault}:when={self.when}"]

    def met(self, log):
        """The lines of the log that show the fault, those of `also` left out."""
        signal = re.match("signal=(SIG[A-Z0-9]+)", self.fault)
        if signal:
            shown = rf"(--- |killed by ){signal[1]}\b"
        else:
            calls = self.calls.replace(",", "|")
            shown = rf"^(\d+ +)?(<\.\.\. )?({calls})\b.*\((INJECTED|DELAYED)\)"
        with open(log, encoding="utf-8", errors="replace") as file:
            return [line for line in file if re.search(shown, line)]


def injected(log):
    """How many calls were made to fail."""
    return len(Injection(r"\w+", "error=", 0).met(log))
