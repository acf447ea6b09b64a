# SPDX-License-Identifier: MIT
"""Others who use an image: programs of qemu's that hold it open, and lock bytes."""

import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager

F_OFD_SETLK, F_OFD_GETLK = 37, 36


def lock(fd, kind, start, length=1):
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqixxxx", kind, os.SEEK_SET, start, length, 0))


@contextmanager
def locked(path, byte):
    """As qemu does it: a read lock on one byte."""
    with open(path, "rb") as file:
        lock(file.fileno(), fcntl.F_RDLCK, byte)
        yield


class Holder:
    """A mix-in for a test case: processes in the background, ended with the test."""

    def hold(self, *command, ready):
        """A process that has printed `ready`."""
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(self.ended, process)
        seen = b""
        while ready not in seen:
            piece = os.read(process.stdout.fileno(), 4096)
            self.assertTrue(piece, f"{command}: {seen!r}")
            seen += piece
        return process

    def hold_by_daemon(self, image, read_only="off", *exports):
        """qemu-storage-daemon, which exports the image over NBD at path("nbd") + read_only."""
        writable = "on" if read_only == "off" else "off"
        return self.hold(
            "qemu-storage-daemon", "--blockdev",
            f"driver=qcow2,node-name=n,read-only={read_only},file.driver=file,"
            f"file.filename={image}", "--nbd-server",
            f"addr.type=unix,addr.path={self.path('nbd' + read_only)}", "--export",
            ",".join(("type=nbd,id=e,node-name=n,writable=" + writable, *exports)),
            "--chardev", "stdio,id=c", "--monitor", "chardev=c", ready=b"QMP")

    @staticmethod
    def ended(process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
