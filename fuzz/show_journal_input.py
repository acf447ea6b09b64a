#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Show what an input of the journal harness describes, a line for each piece.

    show_journal_input.py INPUT

The layout is in harness/journal_input.h.
"""
import struct
import sys

MODES = ("described", "raw", "sealed", "described")
PIECES = ("change", "switch", "close", "claim", "record", "file", "lost", "stale", "size",
          "foreign")
HEAD, PIECE, MOST, MAX_IMAGE = 32, 16, 64, 64 * 512


def show_head(data):
    old, growth = struct.unpack_from("<HH", data, 4)
    size, sectors = struct.unpack_from("<HI", data, 14)
    chosen, = struct.unpack_from("<Q", data, 24)
    old %= MAX_IMAGE + 1
    print(MODES[data[0] % 4], f"file={data[1]:#x}", f"proof={data[2] % 4}",
          f"check={data[2] // 4 % 5}", f"ending={data[3] % 5}",
          f"sizes={old}..{min(old + growth, MAX_IMAGE)}", f"applied={data[8]}",
          f"state={data[9]:#x}", f"cuts={data[10]},{data[13]}", f"fault={data[11]}",
          f"holes={data[12]:#x}", f"size={size}", f"sectors={sectors:#x}",
          f"chosen={chosen:#x}")


def show_pieces(data):
    for at in list(range(HEAD, len(data) - PIECE + 1, PIECE))[:MOST]:
        kind, flags, steps, sectors, where, content, value = \
            struct.unpack_from("<BBBBHHQ", data, at)
        print(f"  {PIECES[kind % len(PIECES)]} flags={flags:#x} steps={steps % 4} "
              f"sectors={sectors + 1} where={where} content={content} value={value:#x}")


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        data = file.read()
    if len(data) < HEAD:
        sys.exit("no input: shorter than a head")
    show_head(data)
    if data[0] % 4 in (0, 3):
        show_pieces(data)


if __name__ == "__main__":
    main(sys.argv[1:])
