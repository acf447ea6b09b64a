# SPDX-License-Identifier: MIT
"""Small file systems of a test's own, and how they are filled up."""

import errno
import os
import subprocess

from lib import images

BLOCK = 4096
NEEDS_ROOT = "mounts a file system"


class Disk:
    """A mounted file system, gone with the test.  `where`: its mount point."""

    def __init__(self, case, name, *command):
        case.need_root(NEEDS_ROOT)
        self.where = case.path(name)
        os.mkdir(self.where)
        images.tool("mount", *command, self.where)
        case.addCleanup(subprocess.run, ["umount", "-l", self.where], check=True)

    def path(self, name):
        return os.path.join(self.where, name)

    def fill(self, leave):
        """Write until nothing goes in any more, then give back so many bytes.  (What statfs(2)
        calls free is more than that on ext4.)"""
        filler = self.path("filler")
        with open(filler, "ab"):
            pass
        while True:
            images.tool("sync", "--file-system", filler)  # blocks that were freed just now
            size = os.stat(filler).st_size
            self._append(filler)
            if os.stat(filler).st_size == size:
                break
        os.truncate(filler, max(size - leave, 0))

    @staticmethod
    def _append(filler):
        with open(filler, "ab") as file:
            size, piece = os.stat(filler).st_size, 1 << 20
            while piece >= BLOCK:
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2

    @property
    def free(self):
        """What statfs(2) calls free."""
        status = os.statvfs(self.where)
        return status.f_bfree * status.f_frsize

    def empty(self):
        if os.path.exists(self.path("filler")):
            os.unlink(self.path("filler"))


def tmpfs(case, size, name="tmpfs"):
    return Disk(case, name, "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs")


def make_ext4(case, size, name="ext4.img"):
    """An image of an ext4 file system, nothing reserved for root; its path."""
    path = case.path(name)
    with open(path, "wb") as file:
        file.truncate(size)
    images.tool("mkfs.ext4", "-q", "-m", "0", "-b", "4096", path)
    return path


def ext4(case, size, name="ext4"):
    return Disk(case, name, "-o", "loop", make_ext4(case, size, name + ".img"))
