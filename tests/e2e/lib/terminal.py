# SPDX-License-Identifier: MIT
"""A program on a terminal of its own."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def on_terminal(command, columns=80, rows=24, **options):
    """Run a command whose stdout is a terminal; (exit code, what it printed, stderr)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST  # newlines stay as they are
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    with subprocess.Popen([os.fspath(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=slave, stderr=subprocess.PIPE, **options) as process:
        os.close(slave)
        out = _all(master)
        err = process.stderr.read()
    os.close(master)
    return process.returncode, out, err


def _all(master):
    """Until the last process has closed the terminal, which reads as an error."""
    pieces = []
    while True:
        try:
            pieces.append(os.read(master, 1 << 16))
        except OSError:
            return b"".join(pieces)
