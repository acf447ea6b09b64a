# SPDX-License-Identifier: MIT
"""An interactive bash on a terminal, whose keys a test presses."""

import os
import pty
import select
import subprocess
import tempfile
import threading

TAB = b"\t"
ALL = b"\x1b*"  # insert-completions: every candidate, in the place of the word
CLEAR = b"\x05\x15"  # to the end of the line, kill it
TELL = b"\x18\x10"  # bound below: write the line that is being edited into the FIFO
SECONDS = 30

START = r"""
PS1= PS2=
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind 'set completion-query-items 0'
bind -x '"\C-x\C-p": printf "%%s" "$READLINE_LINE" >"%(fifo)s"'
. "%(script)s"
"""


class Bash:
    """complete() and candidates() say what the line becomes."""

    def __init__(self, directory, script, environment):
        self.folder = tempfile.TemporaryDirectory(prefix="instar-bash-")
        self.fifo, self.errors, start = (os.path.join(self.folder.name, name)
                                         for name in ("line", "errors", "start"))
        os.mkfifo(self.fifo)
        with open(start, "w", encoding="utf-8") as file:
            file.write(START % {"fifo": self.fifo, "script": script})
        self.master, slave = pty.openpty()
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                ["/bin/bash", "--noprofile", "--rcfile", start, "-i"], stdin=slave, stdout=slave,
                stderr=errors, cwd=directory, env=dict(environment, TERM="dumb", HOME=directory,
                                                       INPUTRC="/dev/null"),
                start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self._drain, daemon=True)
        self.reader.start()
        self.line(b"")  # it has started
        with open(self.errors, "rb") as errors:
            self.started = len(errors.read())

    def _drain(self):
        """What the terminal shows is of no interest, but must be taken."""
        try:
            while os.read(self.master, 1 << 16):
                pass
        except OSError:
            pass

    def line(self, keys):
        """The line after these keys; a hang fails the test."""
        fd = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        with open(fd, "rb"):
            os.write(self.master, CLEAR + keys + TELL)
            answers = select.poll()
            answers.register(fd, select.POLLIN)
            line = b""
            while True:
                if not (ready := answers.poll(SECONDS * 1000)):
                    raise AssertionError(f"bash does not answer to {keys}")
                if not ready[0][1] & select.POLLIN:
                    return line.decode(errors="surrogateescape")
                line += os.read(fd, 1 << 16)

    def complete(self, typed):
        """The line after TAB."""
        return self.line(os.fsencode(typed) + TAB)

    def candidates(self, typed):
        """Everything that is offered for the last word of what was typed, as it is inserted:
        in the place of what is behind the last blank."""
        return self.line(os.fsencode(typed) + ALL)[len(typed.rpartition(" ")[0]) + 1:].split()

    def complaints(self):
        """What was printed on standard error since the start."""
        with open(self.errors, "rb") as file:
            return file.read()[self.started:].decode(errors="replace")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        os.close(self.master)
        self.folder.cleanup()
