# SPDX-License-Identifier: MIT
"""Skips that CI accepts; any other skip under CI=true is a failure.

Each entry is a reason, word for word, as a test gives it.
"""

ALLOWED_IN_CI = {
    "needs root: opens a loop device",
    "needs root: runs the program as another user",
    "needs root: strace cannot tell the paths of a process that is not dumpable",
    "needs root: hides /dev/kvm in a mount namespace of its own",
    "needs root: mounts a file system",
    "INSTAR_TEST_NO_KVM=1: needs /dev/kvm",
}
