# SPDX-License-Identifier: MIT
"""The files of one case on the disk: they are put into any state, and looked at again.

The image is rebuilt in place: a journal knows its image by the file handle, which holds
the inode and its generation.
"""

import os
import shutil
import time

import journal_file
from content import Content, from_bytes
from lib.harness import INSTAR
from recording import IMAGE, journals_in, record

INDEX_VARIANTS = ("after", "before", "gone")
BOOTS = ("same", "earlier")


def boot_time_ns():
    with open("/proc/stat", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("btime")) * 10**9


class DiskFile:
    """The image's bytes on the disk, known by what differs from a base."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.base = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        self.now = Content(self.base)

    def close(self):
        os.close(self.fd)

    def rebase(self):
        """What is there now is the base of all that follows."""
        self.base = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        self.now = Content(self.base)

    def put(self, content):
        limit = -(-content.size // 512)
        for index in sorted(self.now.delta.keys() | content.delta.keys()):
            data = content.sector(index)
            if index < limit and data != self.now.sector(index):
                os.pwrite(self.fd, data, 512 * index)
        os.ftruncate(self.fd, content.size)
        self.now = content.copy()

    def look(self):
        """What some program has made of it."""
        self.now = from_bytes(self.base, os.pread(self.fd, os.fstat(self.fd).st_size, 0))
        return self.now.copy()


def read_tree(directory):
    """{name: bytes} of a directory's files, or None without one."""
    if not os.path.isdir(directory):
        return None
    found = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as file:
            found[name] = file.read()
    return found


def write_tree(directory, files):
    shutil.rmtree(directory, ignore_errors=True)
    if files is None:
        return
    os.mkdir(directory, 0o700)
    for name, data in files.items():
        _write(os.path.join(directory, name), data)


def _write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    os.close(fd)


class Scene:
    def __init__(self, directory, journal_directory=None):
        self.directory = directory
        self.state = os.path.join(directory, "state")
        self.index = os.path.join(self.state, "index")
        self.image = os.path.join(directory, "disk.qcow2")
        self.journal_options = ["--journal-dir", journal_directory] if journal_directory else []
        self.journal_directories = [directory, os.path.join(self.state, "journals")]
        if journal_directory:
            self.journal_directories.append(journal_directory)
        self.environment = dict(os.environ, INSTAR_STATE_DIR=self.state, LC_ALL="C")
        self.environment.pop("INSTAR_JOURNAL_DIR", None)
        self.indexes = {}
        self.disk = None
        self.mtime_ns = 0

    def close(self):
        if self.disk:
            self.disk.close()

    def command(self, subcommand, *arguments):
        return [INSTAR, subcommand, *self.journal_options, *arguments]

    def record(self, commands, injection=()):
        """Record commands; from here on states of them can be put."""
        if self.disk is None:
            self.disk = DiskFile(self.image)
        self.disk.rebase()
        before = read_tree(self.index)
        recording = record(self.image, self.journal_directories, commands, self.environment,
                           injection)
        self.disk.look()
        self.indexes = {"before": before, "after": read_tree(self.index), "gone": None}
        self.mtime_ns = recording.mtime_ns
        return recording

    def record_recovery(self, world):
        """Record `instar check` in a world that has been put; the index stays as it is."""
        recording = record(self.image, self.journal_directories,
                           [self.command("check", self.image)], self.environment, before=world)
        self.disk.look()
        return recording

    @staticmethod
    def in_boot(world, boot):
        """The world as this boot of the system finds it."""
        if boot == "same":
            return world
        world = world.copy()
        for inode in world.names.values():
            data = world.contents[inode].to_bytes()
            world.contents[inode] = Content(journal_file.after_reboot(data))
        return world

    def put(self, world, index="after", boot="same", mtime_ns=None):
        """Make the files those of a world; `mtime_ns`: when the image was written last."""
        world = self.in_boot(world, boot)
        self.disk.put(world.contents[IMAGE])
        for path in journals_in(self.journal_directories):
            os.unlink(path)
        for path, inode in world.names.items():
            _write(path, world.contents[inode].to_bytes())
        write_tree(self.index, self.indexes[index])
        moment = mtime_ns or self.mtime_ns
        if boot == "earlier":
            moment = min(moment, boot_time_ns() - 3600 * 10**9)
        self.set_mtime(moment)

    def set_mtime(self, moment):
        os.utime(self.image, ns=(time.time_ns(), moment))

    def journals(self):
        return journals_in(self.journal_directories)
