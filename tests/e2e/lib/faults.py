# SPDX-License-Identifier: MIT
"""Faults of the kernel, injected into the shipped program with strace.

Only system calls on one path are hit, so that the n-th write of the image can
fail while the journal's go through.
"""

import os
import re
import shutil

READS = "pread64,preadv,preadv2,read"
WRITES = "pwrite64,pwritev,pwritev2,write"
SYNCS = "fsync,fdatasync"


def available():
    return shutil.which("strace") is not None


def prefix(path, calls, number, log, fault="error=EIO"):
    """A command prefix: the `number`-th of these calls on `path` meets the fault: an
    error, or with "signal=SIGINT" a signal that comes while it is made."""
    # LeakSanitizer cannot work in a traced process, and says so with a failure.
    return ["strace", "-E", "ASAN_OPTIONS=detect_leaks=0",
            "-f", "-qq", "-o", log, "-P", os.path.realpath(path),
            "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}:when={number}"]


def injected(log):
    """How many calls were made to fail."""
    with open(log, encoding="utf-8", errors="replace") as file:
        return len(re.findall(r"\(INJECTED\)", file.read()))
