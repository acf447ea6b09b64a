# SPDX-License-Identifier: MIT
"""`instar check -r`, and what a repaired image has to be."""

import json
import os

from lib import check_pair, guest_view, harness
from lib.guest_view import ACTIVE, LOST, LUKS, UNALLOCATED, ZEROS

IN_USE = "it is in use"
UNCHANGED = b"nothing changed"
# qemu-img asks for every 32 MiB or so of a disk, be it empty.
MOST_COMPARED = 1 << 41
MOST_ASKED = 100  # reads of one image
DATA = "data"
READ_AS = {LOST: LOST, UNALLOCATED: ZEROS, ZEROS: ZEROS}


def ours(path, kind, *options):
    return check_pair.run(harness.INSTAR, "check", "-r", kind, "-f", "qcow2", "--output=json",
                          *options, path)


def theirs(opened, kind, *options):
    return check_pair.run("qemu-img", "check", "-r", kind, "--output=json", *options, *opened)


def is_refusal(run):
    return run.code == check_pair.REFUSED and UNCHANGED in run.err


def listed(run):
    """[(what, bitmap or None)] of what was done."""
    return [(one["what"], one.get("bitmap"))
            for one in json.loads(run.out or b"{}").get("instar-repairs", ())]


# ---- what is asked of every repaired image ----

def unsound(path, opened, again=None):
    """What the two checkers still find, and a second repair still does.  `again`: the Run of the
    second one, where one has already met these very bytes, and left them."""
    found = []
    run = check_pair.theirs(opened)
    if run.code:
        found.append(f"qemu-img check: exit {run.code}: {_tail(run)}")
    run = check_pair.ours(path, "--output=json")
    damage = [one["what"] for one in json.loads(run.out or b"{}").get("instar-damage", ())
              if IN_USE not in one["what"]]
    if run.code or damage:
        found.append(f"instar check: exit {run.code}: {damage} {_tail(run)}")
    found += _second_repair(path) if again is None else _second_faults(again, False)
    if os.path.exists(path + harness.JOURNAL_SUFFIX):
        found.append("the undo journal is still there")
    return found


def _second_repair(path):
    before = harness.digest_of(path)
    run = ours(path, "all")
    return _second_faults(run, harness.digest_of(path) != before)


def _second_faults(run, has_changed):
    if not run.code and not listed(run) and not has_changed:
        return []
    return [f"a second repair: exit {run.code}, {listed(run)}, image "
            + ("changed" if has_changed else "the same")]


def _tail(run):
    return (run.err or run.out).decode(errors="replace")[-300:]


def guest_faults(before, after, dropped_snapshots=True):
    """Of two guest_view.View: what reads otherwise."""
    found = guest_view.differences(before, before.layers[ACTIVE], after.layers[ACTIVE])
    if before.virtual_size != after.virtual_size:
        found.append(f"the disk had {before.virtual_size} bytes and has {after.virtual_size}")
    if after.layers[ACTIVE].lost_tables:
        found.append("an L2 table still cannot be read")
    old = [name for name in before.layers if name != ACTIVE]
    new = [name for name in after.layers if name != ACTIVE]
    if not dropped_snapshots and len(old) != len(new):
        found.append(f"{len(old)} snapshots became {len(new)}")
    for name in new:
        while old and not _is_same(before, after, old[0], name):
            del old[0]
        if not old:
            if not dropped_snapshots:
                found.append(f"snapshot {name}: none that was there reads so")
            break
        del old[0]
    return found


def _is_same(before, after, old, new):
    return old[:2] == new[:2] and not guest_view.differences(before, before.layers[old],
                                                             after.layers[new])


def compared(before, opened_before, opened_after):
    """What qemu-img says of the guest's data, where it can read the image; `before`: the View."""
    if before.virtual_size > MOST_COMPARED:
        return []
    run = check_pair.run("qemu-img", "compare", "-U", *opened_before, opened_after[-1])
    garbage = before.crypt == LUKS and before.layers[ACTIVE].has_lost
    if run.code == 1 and not garbage:
        return [f"qemu-img compare: {run.out.decode(errors='replace')}"]
    return []


def misread(view, opened):
    """Where guest_view reads otherwise than qemu, of the first entries that are not zero."""
    layer, asked = view.layers[ACTIVE], []
    for index in sorted(layer.pieces)[:MOST_ASKED]:
        length = min(view.piece, view.virtual_size - index * view.piece)
        if length > 0 and not layer.at(index).startswith("zstd"):
            asked.append((index, f"read -P 0 {index * view.piece} {length}"))
    if not asked or view.crypt or view.has_data_file:
        return []
    run = check_pair.run("qemu-io", "-r", *sum((["-c", read] for _, read in asked), []), *opened)
    told = list(_answers(run.out.decode()))
    if not told:
        return []  # qemu does not open it
    return [f"guest_view: {layer.at(index)} at {index * view.piece:#x}, qemu reads {answer}"
            for (index, _), answer in zip(asked, told, strict=True)
            if answer != READ_AS.get(layer.at(index), DATA)]


def _answers(out):
    """Of each read with a pattern of zeros."""
    answer = ZEROS
    for line in out.splitlines():
        if line.startswith("read failed"):
            yield LOST
        elif line.startswith("Pattern verification failed"):
            answer = DATA
        elif line.startswith("read "):
            yield answer
            answer = ZEROS


def bit_count(view):
    return lambda granularity_bits: -(-(view.virtual_size // 512 * 512) >> granularity_bits)
