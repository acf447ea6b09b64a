# SPDX-License-Identifier: MIT
"""What strace writes (`-f -xx -y`), as a list of finished system calls in their order.

With -xx every string and every path is hexadecimal, so that a comma or a bracket in the
text is always strace's own.
"""

import re
from dataclasses import dataclass

_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (\?|-?\d+|0x[0-9a-f]+)(.*)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<((?:\\x..)*)>)?(\(deleted\))?$")
_UNFINISHED = " <unfinished ...>"


class Unreadable(Exception):
    """strace wrote something that this reader does not know."""


@dataclass
class Call:
    pid: int
    name: str
    arguments: list  # strace's text of each
    result: int      # -1: the call failed, or was never made
    tail: str        # what stands behind the result

    def descriptor(self, index):
        """(number, path) of an argument `3<path>`."""
        return descriptor(self.arguments[index])

    def number(self, index):
        return int(self.arguments[index], 0)

    def flags(self, index):
        return set(self.arguments[index].split("|"))

    def string(self, index):
        """The bytes of a string; a cut one is an error."""
        text = self.arguments[index]
        if not (text.startswith('"') and text.endswith('"')):
            raise Unreadable(f"{self.name}: not a whole string: {text[-60:]}")
        return unescape(text[1:-1])


def unescape(text):
    return bytes.fromhex(text.replace("\\x", ""))


def descriptor(text):
    found = _DESCRIPTOR.match(text)
    if not found:
        raise Unreadable(f"not a descriptor: {text[:200]}")
    number = -100 if found[1] == "AT_FDCWD" else int(found[1])
    return number, unescape(found[2] or "").decode(errors="surrogateescape")


def _call(pid, text):
    found = _CALL.match(text)
    if not found:
        raise Unreadable(text[:200])
    name, arguments, result, tail = found.groups()
    return Call(pid, name, arguments.split(", "), -1 if result == "?" else int(result, 0), tail)


def calls(path):
    """Every system call of a log, at the place where it ended."""
    begun = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            pid, text = _LINE.match(line.rstrip("\n")).groups()
            if text.startswith(("+++", "---")):
                continue
            if text.endswith(_UNFINISHED):
                begun[pid] = text[:-len(_UNFINISHED)]
                continue
            resumed = _RESUMED.match(text)
            if resumed:
                text = begun.pop(pid) + resumed[2]
            yield _call(int(pid), text)
