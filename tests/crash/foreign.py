# SPDX-License-Identifier: MIT
"""Another program writes between the crash and the recovery: theirs is the truth
(invariant 7)."""

from lib import images, walk
from lib.qcow2 import Image
from recording import IMAGE
from seen import check_faults, facts, run, valid_bitmaps

PATTERNS = (0x5A, 0)  # zeros look like what an edit prepares for itself
LENGTH = 128 << 10
WRITERS = ("write", "leaks", "open")
CONFLICT = 4


class Foreign:
    def __init__(self, session):
        self.session = session
        self.scene = session.scene

    def _write(self, dice):
        """128 KiB of guest data; how to read them again."""
        with Image(self.scene.image) as image:
            places = (image.virtual_size - LENGTH) // (64 << 10) + 1
        offset = dice.randrange(places) * (64 << 10)
        pattern = dice.choice(PATTERNS)
        images.write(self.scene.image, f"write -P {pattern} {offset} {LENGTH}")
        return f"read -P {pattern} {offset} {LENGTH}"

    def _leaks(self, _):
        code, _, err = run("qemu-img", "check", "-q", "-r", "leaks",
                           *images.check_options(self.scene.image))
        if code:
            raise AssertionError(f"qemu-img check -r leaks: exit {code}: {err}")

    def _open(self, _):
        images.write(self.scene.image, "flush")

    def _look(self):
        """All that recovery must leave as the other program has left it."""
        with Image(self.scene.image) as image:
            return facts(self.scene.image), walk.guest_fingerprint(image), valid_bitmaps(image)

    def foreign(self, state):
        dice = self.session.dice(state)
        writer = dice.choice(WRITERS)
        self.session.put(state)
        try:
            read = getattr(self, "_" + writer)(dice)
        except AssertionError as fault:
            return [f"{writer}: {fault}"]
        faults = self._recover(state, read)
        self.scene.disk.look()
        return [f"{writer}: {fault}" for fault in faults]

    def _recover(self, state, read):
        before, content = self._look(), self.scene.disk.look()
        code, states, said = self.session.recovery.check()
        self.session.count(f"(foreign: {'+'.join(states) or 'no journal'})")
        faults = [] if code == CONFLICT else \
            self.session.recovery.faults_of_verdict(code, said)
        changed = self.scene.disk.look().key() != content.key()
        if code == CONFLICT and (changed or self.scene.journals() != sorted(state.world.names)):
            faults.append("a conflict, and yet something was changed")
        faults += self._whole(before, read)
        if code == CONFLICT:
            faults += self._discard(content)
        elif self.scene.journals():
            faults.append("the journal was left behind")
        return faults + [said] if faults else []

    def _whole(self, before, read):
        """Nothing of the guest's or of the bitmaps' is lost."""
        names, after = ("facts", "guest data", "bitmaps"), self._look()
        faults = [f"{what}: {was!r} became {now!r}"[:1000]
                  for what, was, now in zip(names, before, after) if was != now]
        if read:
            code, out, err = run("qemu-io", "-r", "-c", read, images.alone(self.scene.image))
            if code or "verification failed" in out:
                faults.append(f"what was written is lost: {out} {err}")
        return faults + check_faults(self.scene.image)

    def _discard(self, content):
        """--discard-journal keeps the image as it is."""
        code, states, said = self.session.recovery.check("--discard-journal")
        if states != ["discarded"] or self.scene.journals() \
                or self.scene.disk.look().key() != content.key():
            return [f"--discard-journal: {said}"]
        return self.session.recovery.faults_of_verdict(code, said)
