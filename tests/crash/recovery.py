# SPDX-License-Identifier: MIT
"""Recovery by the program itself, judged by the disk that it leaves (invariants 2 and 3)."""

import json
import re

from cut_off import CutOff
from lib.harness import SLOW_INDEX
from lib.qcow2 import Image
from recording import IMAGE
from seen import run, see

NEW_NAME = "zz"  # of a bitmap that no case has
LEAKS = 3  # the exit code
LEAKED = re.compile(r"Leaked cluster (\d+) ")


class Recovery:
    def __init__(self, session):
        self.session = session
        self.scene = session.scene
        self.judge = session.judge

    def instar(self, *arguments):
        return run(*self.scene.command(*arguments), environment=self.scene.environment)

    def check(self, *options):
        """Run `instar check`: (exit code, states of the journals, all that it said)."""
        code, out, err = self.instar("check", "--output", "json", *options, self.scene.image)
        try:
            journals = json.loads(out).get("instar-journals", ())
        except ValueError:
            return code, [], f"exit {code}: {out} {err}"
        told = [f"{j['state']} {j.get('reason', '')}" for j in journals]
        return code, [j["state"] for j in journals], f"exit {code}: {told} {err}"

    # ---- what must be there afterwards ----

    def faults_of_verdict(self, code, said):
        """What `check` says of the image that it leaves: which clusters leak, and no more; of
        one that is damaged again, or still, something else."""
        if self.session.case.repairs and code in (1, 2):
            return []
        leaks = self.judge.leaks(self.scene.disk.look())
        told = sorted(int(cluster) for cluster in LEAKED.findall(said))
        if (code, told) == (LEAKS if leaks else 0, sorted(leaks)):
            return []
        return [f"check tells of the leaked clusters {told}, there are {leaks}: {said}"]

    def faults_of_disk(self, complete, transaction, old):
        """The image is the old one to the byte, or the complete new one; no journal is left."""
        content = self.scene.disk.look()
        faults = [f"left behind: {path}" for path in self.scene.journals()]
        if complete:
            faults += self.judge.complete(content, self.session.finished[transaction.begin])
        elif content.key() != old.key():
            sectors = sorted(i for i in content.delta.keys() | old.delta.keys()
                             if content.sector(i) != old.sector(i))
            faults.append(f"not the old image to the byte: size {content.size} instead of"
                          f" {old.size}, sectors {sectors[:20]}")
        return faults

    def recovery(self, state):
        self.session.put(state)
        code, states, said = self.check()
        self.session.count(f"({'+'.join(states) or 'no journal'})")
        faults = self.faults_of_disk(state.complete, state.transaction, state.old)
        faults += self.faults_of_verdict(code, said)
        return faults + [said] if faults else faults

    def dry_run(self, state):
        """`check -n` says that it would work, and changes nothing."""
        self.session.put(state)
        code, states, said = self.check("-n")
        if any(s.startswith("pending-") for s in states):
            faults = [said] if code else []  # and the image is not looked at further
        else:
            faults = self.faults_of_verdict(code, said)
        if self.scene.disk.look().key() != state.world.contents[IMAGE].key():
            faults.append("check -n changed the image")
        if self.scene.journals() != sorted(state.world.names):
            faults.append("check -n changed the journals")
        return faults

    def edit(self, state):
        """`instar bitmap` recovers without a word, and goes on."""
        self.session.put(state)
        command = self._next_edit(state)
        code, out, err = self.instar("bitmap", command[0], self.scene.image, command[1])
        err = SLOW_INDEX.sub("", err)
        faults = [f"{command}: exit {code}: {out} {err}"] if code or out or err else []
        self.scene.disk.look()
        seen = see(self.scene.image, {*self.session.case.named, NEW_NAME})
        before = (self.session.finished[state.transaction.begin] if state.complete
                  else self.session.begun[state.transaction.begin if state.transaction else None])
        if [b[:2] for b in seen.bitmaps if b[0] != NEW_NAME.encode()] != \
                [b[:2] for b in before.seen.bitmaps]:
            faults.append(f"the list is {[b[0] for b in seen.bitmaps]}")
        if seen.facts != before.seen.facts:
            faults.append(f"facts became {seen.facts!r}")
        return faults + seen.faults + [f"left behind: {path}" for path in self.scene.journals()]

    def _next_edit(self, state):
        """--add; or --remove where the last bitmap is gone but its record still there,
        without the autoclear bit: to every program it is inconsistent then, and --remove is all
        that instar allows."""
        if not state.complete:
            return "--add", NEW_NAME
        with Image(self.scene.image) as image:
            body = image.bitmaps_body()
            if body and body[0] and not image.bitmaps_valid:
                return "--remove", image.bitmap_names()[0]
        return "--add", NEW_NAME

    def again(self, state):
        """Recovery that is cut off itself (invariant 3)."""
        return CutOff(self.session, state).faults()
