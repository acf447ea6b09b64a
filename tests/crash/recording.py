# SPDX-License-Identifier: MIT
"""Runs of the shipped program as a list of operations on its files.

strace sits at the boundary of the system calls: host and KVM guest run as they are
installed, with seccomp and Landlock armed.  Three kinds of file are followed: the image,
journals, and the directories of journals; the index is a matter of its own (scene.py).
The list is proved right by carrying it out: it must give the real files, byte for byte.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass

import strace_text
from content import Content
from lib.harness import JOURNAL_SUFFIX
from operations import (Allocate, Create, Punch, Rename, Sync, Truncate, Unlink, World, Write)

IMAGE = 0  # the image's inode in every recording
STRING_LIMIT = 1 << 28  # strace must not cut what is written

# All calls that could change a file or make it durable.  What is traced and not known
# to _Follower is an error, so that nothing goes by unseen.
TRACED = ("open,openat,openat2,creat,close,write,writev,pwrite64,pwritev,pwritev2,ftruncate,"
          "truncate,fallocate,fdatasync,fsync,sync_file_range,syncfs,sync,unlink,unlinkat,rename,"
          "renameat,renameat2,link,linkat,symlink,symlinkat,copy_file_range,sendfile,splice,"
          "clone,clone3,fork,vfork")

_HARMLESS = {"close", "write", "writev", "open", "clone", "clone3", "fork", "vfork"}
_SYNCING_FLAGS = {"O_SYNC", "O_DSYNC", "O_TRUNC", "O_APPEND"}


class NotReproduced(Exception):
    """The operations do not give what the program really did: the recorder is wrong."""


@dataclass
class Recording:
    image: str         # path
    before: World
    operations: list
    after: World
    codes: list        # exit codes
    output: str        # stdout and stderr of all
    mtime_ns: int      # of the image, as the program left it


class _Follower:
    """Turns system calls into operations on the files that matter.  A child has the files that
    were open where it was made; what one does to other files, the index's, does not matter."""

    def __init__(self, image, before):
        self.image = os.path.realpath(image)
        self.names = dict(before.names)
        self.next_inode = 1 + max(before.contents)
        self.tables = {}  # of each thread: descriptor -> inode
        self.open_files = {}  # that of the thread whose call is taken
        self.main = None
        self.operations = []

    def take(self, call):
        if self.main is None:
            self.main = call.pid
        self.open_files = self.tables.setdefault(call.pid, {})
        if call.name in ("clone", "clone3", "fork", "vfork"):
            self._begin(call)
            return
        if call.result < 0:
            return
        handler = getattr(self, "_" + call.name, None)
        if handler:
            handler(call)
        elif call.name not in _HARMLESS and self.tables[call.pid] is self.tables[self.main]:
            raise strace_text.Unreadable(f"{call.name}: not expected of this program")

    def _begin(self, call):
        """A thread shares its files with the one that made it, a process has copies.  Its first
        calls may be in the log before the one that made it."""
        if call.result <= 0:
            return
        is_thread = "CLONE_THREAD" in "".join(call.arguments)
        own = self.tables.get(call.result, {})
        self.tables[call.result] = self.open_files if is_thread else {**self.open_files, **own}
        if is_thread:
            self.open_files.update(own)

    def _inode(self, call):
        """The followed file that a descriptor stands for, or None."""
        number, path = call.descriptor(0)
        if path == self.image:
            return IMAGE
        return self.open_files.get(number)

    def _add(self, operation):
        self.operations.append(operation)

    def _at(self, call, first):
        """The path that a directory and a name give."""
        directory = call.descriptor(first)[1]
        name = os.path.join(directory, os.fsdecode(call.string(first + 1)))
        return os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))

    def _openat(self, call):
        path, flags = self._at(call, 0), call.flags(2)
        if path != self.image and not path.endswith(JOURNAL_SUFFIX):
            return
        if flags & _SYNCING_FLAGS and flags & {"O_RDWR", "O_WRONLY"}:
            raise strace_text.Unreadable(f"openat of {path}: {flags}")
        if path == self.image:
            return
        if "O_CREAT" in flags and path not in self.names:
            self.names[path] = self.next_inode
            self._add(Create(os.path.dirname(path), path, self.next_inode))
            self.next_inode += 1
        self.open_files[call.result] = self.names[path]

    def _close(self, call):
        self.open_files.pop(call.descriptor(0)[0], None)

    def _pwrite64(self, call):
        inode = self._inode(call)
        if inode is not None:
            data = call.string(1)[:call.result]
            self._add(Write(inode, call.number(3), data))

    def _unexpected_on_files(self, call):
        if self._inode(call) is not None:
            raise strace_text.Unreadable(f"{call.name} on {call.descriptor(0)[1]}")

    _write = _writev = _pwritev = _pwritev2 = _sync_file_range = _unexpected_on_files

    def _ftruncate(self, call):
        inode = self._inode(call)
        if inode is not None:
            self._add(Truncate(inode, call.number(1)))

    def _fallocate(self, call):
        inode, mode = self._inode(call), call.flags(1)
        if inode is None:
            return
        offset, length = call.number(2), call.number(3)
        if mode == {"FALLOC_FL_KEEP_SIZE", "FALLOC_FL_PUNCH_HOLE"}:
            self._add(Punch(inode, offset, length))
        elif mode == {"0"}:
            self._add(Allocate(inode, offset + length))
        elif mode != {"FALLOC_FL_KEEP_SIZE"}:
            raise strace_text.Unreadable(f"fallocate {mode}")

    def _fdatasync(self, call):
        inode = self._inode(call)
        path = call.descriptor(0)[1]
        if inode is not None:
            self._add(Sync(inode))
        elif os.path.isdir(path):
            self._add(Sync(path))

    _fsync = _fdatasync

    def _unlinkat(self, call):
        path = self._at(call, 0)
        if path == self.image:
            raise strace_text.Unreadable("the image is removed")
        if self.names.pop(path, None) is not None:
            self._add(Unlink(os.path.dirname(path), path))

    def _renameat2(self, call):
        old, new = self._at(call, 0), self._at(call, 2)
        if old not in self.names:
            return
        if os.path.dirname(old) != os.path.dirname(new):
            raise strace_text.Unreadable(f"{old} renamed to {new}")
        self.names[new] = self.names.pop(old)
        self._add(Rename(os.path.dirname(old), old, new))

    _renameat = _renameat2


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def journals_in(directories):
    """The paths of all journals there."""
    return sorted(os.path.join(d, n) for d in directories if os.path.isdir(d)
                  for n in os.listdir(d) if n.endswith(JOURNAL_SUFFIX))


def _world(image, directories):
    contents, names = {IMAGE: Content(_read(image))}, {}
    for path in journals_in(directories):
        names[path] = len(contents)
        contents[names[path]] = Content(_read(path))
    return World(contents, names)


def _trace(before, image, command, environment, injection):
    """Run one command under strace: (the finished process, its operations)."""
    with tempfile.NamedTemporaryFile(prefix="instar-trace-") as log:
        done = subprocess.run(
            ["strace", "-f", "-qq", "-xx", "-y", "-s", str(STRING_LIMIT), "-o", log.name,
             "-e", f"trace={TRACED}", "-e", "signal=none", *injection, "--", *command],
            stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False)
        follower = _Follower(image, before)
        for call in strace_text.calls(log.name):
            follower.take(call)
    if follower.main is None:
        raise strace_text.Unreadable(done.stderr.decode(errors="backslashreplace"))
    return done, follower.operations


def record(image, directories, commands, environment, injection=(), before=None):
    """Run the commands, one behind the other; their Recording.

    `directories`: where journals may lie.  `injection`: options of strace that make
    calls fail, so that the program has to roll back.  `before`: the world, if it is known."""
    before = before.copy() if before else _world(image, directories)
    recording = Recording(image, before.copy(), [], before, [], "", 0)
    for command in commands:
        done, operations = _trace(recording.after, image, command, environment, injection)
        for operation in operations:
            recording.after.do(operation)
        recording.operations += operations
        recording.codes.append(done.returncode)
        recording.output += (done.stdout + done.stderr).decode(errors="backslashreplace")
        _prove(recording, directories)
    recording.mtime_ns = os.stat(image).st_mtime_ns
    return recording


def _prove(recording, directories):
    """Carried out, the operations give the real files."""
    after = recording.after
    if after.contents[IMAGE].to_bytes() != _read(recording.image):
        raise NotReproduced("the image")
    if sorted(after.names) != journals_in(directories):
        raise NotReproduced(f"journals: {sorted(after.names)}")
    for path, inode in after.names.items():
        if after.contents[inode].to_bytes() != _read(path):
            raise NotReproduced(path)
