# SPDX-License-Identifier: MIT
"""Kill a program before its n-th system call of some kinds, with ptrace(2).

strace counts per thread, so it cannot name the n-th write of qemu-img, whose pool of
threads shares the work; and the call at which it delivers a signal is still made.  Here
the count is the whole process's, and a thread that is killed while it stands at the
entry of a call never makes it: the kernel looks for a fatal signal there.
"""

import ctypes
import errno
import os
import signal
from dataclasses import dataclass

NUMBERS = {  # x86-64
    "pwrite64": 18, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "rename": 82, "unlink": 87,
    "unlinkat": 263, "renameat": 264, "fallocate": 285, "pwritev": 296, "renameat2": 316,
    "pwritev2": 328,
}

_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_SYSGOOD, _CLONE, _EXITKILL = 1, 8, 0x100000
_ALL_THREADS = 0x40000000  # __WALL
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_ENTRY = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info, as far as an entry fills it in."""

    _fields_ = [("op", ctypes.c_uint8), ("padding", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("instruction", ctypes.c_uint64), ("stack", ctypes.c_uint64),
                ("number", ctypes.c_uint64), ("arguments", ctypes.c_uint64 * 6)]


def _ptrace(request, tid, data=None, address=None):
    if _libc.ptrace(request, tid, address, data) == -1:
        error = ctypes.get_errno()
        if error != errno.ESRCH:  # a thread that is gone is no error
            raise OSError(error, f"ptrace {request}: {os.strerror(error)}")


@dataclass
class End:
    killed: bool
    code: int | None  # of a program that ended by itself
    calls: int        # that were counted


def _start(command, environment):
    """The program, stopped behind its execve."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        _ptrace(_SETOPTIONS, pid, _SYSGOOD | _CLONE | _EXITKILL)
        return pid
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        _ptrace(_TRACEME, 0)
        os.execvpe(command[0], command, environment)
    finally:
        os._exit(127)


class _Tracer:
    def __init__(self, pid, calls, number):
        self.pid = pid
        self.numbers = {NUMBERS[name] for name in calls}
        self.number = number
        self.count = 0
        self.threads = {pid}

    def _is_counted(self, tid):
        """Does the thread stand at the entry of a call that counts?"""
        info = _SyscallInfo()
        _ptrace(_GET_SYSCALL_INFO, tid, ctypes.addressof(info), ctypes.sizeof(info))
        return info.op == _ENTRY and info.number in self.numbers

    def _is_the_one(self, tid, status):
        """Count this stop; is it the entry at which the program is to be killed?"""
        if os.WSTOPSIG(status) != _SYSCALL_STOP or not self._is_counted(tid):
            return False
        self.count += 1
        return self.count == self.number

    def _signal(self, tid, status):
        """The signal to pass on, if the thread was stopped by one."""
        stop = os.WSTOPSIG(status)
        is_new = tid not in self.threads
        self.threads.add(tid)
        if stop == _SYSCALL_STOP or status >> 16 or is_new and stop == signal.SIGSTOP:
            return 0  # a call, the event of a new thread, or its own first stop
        return stop

    def run(self):
        killed = False
        _ptrace(_SYSCALL, self.pid, 0)
        while True:
            tid, status = os.waitpid(-1, _ALL_THREADS)
            if os.WIFSTOPPED(status):
                if self._is_the_one(tid, status):
                    os.kill(self.pid, signal.SIGKILL)
                    killed = True
                else:
                    _ptrace(_SYSCALL, tid, self._signal(tid, status))
            elif tid == self.pid:
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
                return End(killed and code is None, code, self.count)


def run(command, environment, calls, number=0):
    """Run the command, kill it at the entry of the `number`-th of these calls (0: never).

    Children that it forks are not followed, its threads are."""
    pid = _start([os.fspath(c) for c in command], environment)
    return _Tracer(pid, calls, number).run()
