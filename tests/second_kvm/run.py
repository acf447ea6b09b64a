#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same smoke on a second KVM.

instar must not lean on the quirks of the KVM and the kernel that it was written on.  So
the steps of steps.py run inside an emulated machine with Debian's kernel and an ordinary
AMD KVM (machine.py), in both sandboxes, and outside, on this machine's KVM, on equal
images.  Every exit code and every line must be as expected, all results must be equal to
the byte, and qemu-img, outside, must find the images clean and with the bitmaps that its
own `bitmap` command would have left.

Exits with 77 (skipped) where the machine cannot be had, and with 1 in CI.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import machine
from steps import IMAGES, STEPS, bitmaps, create_images, tool

SKIPPED = 77


SANDBOXES = ("kvm", "process")
OUTSIDE = "process" if os.environ.get("INSTAR_TEST_NO_KVM") == "1" else "kvm"


def script():
    """What runs inside.  The images are copied to a tmpfs: an initramfs has no
    file handles and no hole punching."""
    lines = ["export INSTAR_STATE_DIR=/tmp/state INSTAR_DEBUG=1"]
    for sandbox in SANDBOXES:
        back = f"/tmp/back/{sandbox}"
        lines += [f"mkdir -p {back}/images", f"cp /images/* {back}/images/",
                  f"export INSTAR_SANDBOX={sandbox}"]
        for number, step in enumerate(STEPS):
            command = " ".join(["/instar", *step.arguments(f"{back}/images")])
            base = f"{back}/{number}"
            lines.append(f"{command} >{base}.out 2>{base}.err; echo $? >{base}.status")
    return "\n".join(lines) + "\n"


def run_inside(options, images):
    """{sandbox: (folder, outcomes)}"""
    files = {"instar": (options.instar.read_bytes(), True)}
    files.update({f"images/{name}": ((images / name).read_bytes(), False) for name in IMAGES})
    back, said = machine.run(options.work, options.cache, script(), files)
    print(said.strip(), flush=True)
    return {sandbox: unpack(options.work / sandbox, sandbox, back) for sandbox in SANDBOXES}


def unpack(folder, sandbox, back):
    """The images into the folder, and what each step has said."""
    folder.mkdir()
    for name in IMAGES:
        (folder / name).write_bytes(back[f"{sandbox}/images/{name}"])
    left = [name for name in back if name.startswith(f"{sandbox}/images/")
            and os.path.basename(name) not in IMAGES]
    assert not left, f"files left beside the images: {left}"
    return folder, [(int(back[f"{sandbox}/{number}.status"]),
                     back[f"{sandbox}/{number}.out"].decode(),
                     back[f"{sandbox}/{number}.err"].decode()) for number in range(len(STEPS))]


def run_outside(options, images):
    outside = options.work / "outside"
    outside.mkdir()
    for name in IMAGES:
        # Not shutil.copy: what travelled through the initramfs has lost its holes.
        (outside / name).write_bytes((images / name).read_bytes())
    environment = dict(os.environ, INSTAR_STATE_DIR=str(options.work / "state"),
                       INSTAR_SANDBOX=OUTSIDE)
    outcomes = []
    for step in STEPS:
        done = subprocess.run([str(options.instar), *step.arguments(outside)], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, env=environment)
        outcomes.append((done.returncode, done.stdout, done.stderr))
    return outside, outcomes


def run_peer(options, images):
    """What qemu-img makes of the steps that are not refused."""
    peer = options.work / "peer"
    shutil.copytree(images, peer)
    for step in STEPS:
        if not step.refused:
            tool("qemu-img", "bitmap", *step.actions, peer / step.image, step.bitmap)
    return peer


def judge_outcomes(where, outcomes):
    for step, (status, stdout, stderr) in zip(STEPS, outcomes):
        about = f"{where}: {' '.join(step.arguments('.'))}: exit {status}\n{stdout}{stderr}"
        assert status == (1 if step.refused else 0), about
        if step.refused:
            messages = [line for line in stderr.splitlines() if line.startswith("instar")]
            assert messages == [f"instar bitmap: {step.refused}"] and stdout == "", about
        elif step.envelope:
            assert json.loads(stdout) == step.expected_stdout(), about
        else:
            assert stdout == "", about


def judge_images(images, inside, outside, peer):
    shutil.copy(images / "base.qcow2", inside)
    if not (outside / "base.qcow2").exists():
        shutil.copy(images / "base.qcow2", outside)
    for name in IMAGES:
        tool("qemu-img", "check", inside / name)
        assert bitmaps(inside / name) == bitmaps(peer / name), \
            f"{name}: {bitmaps(inside / name)}, but qemu-img makes {bitmaps(peer / name)}"
        assert (inside / name).read_bytes() == (outside / name).read_bytes(), \
            f"{inside / name}: other bytes than outside"


def main():
    parser = argparse.ArgumentParser(description="run instar on a second KVM")
    parser.add_argument("--instar", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True,
                        help="a directory of its own; emptied first")
    parser.add_argument("--cache", type=pathlib.Path, required=True,
                        help="where the downloaded kernel stays")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    images = options.work / "images"
    images.mkdir(parents=True)
    create_images(images)
    try:
        inside = run_inside(options, images)
    except machine.Unavailable as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else SKIPPED
    outside, outcomes = run_outside(options, images)
    judge_outcomes("outside", outcomes)
    peer = run_peer(options, images)
    for sandbox, (folder, outcomes) in inside.items():
        judge_outcomes(f"inside, {sandbox}", outcomes)
        judge_images(images, folder, outside, peer)
    print(f"{len(STEPS)} steps on {len(IMAGES)} images: both KVMs, the process and qemu-img agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
