# SPDX-License-Identifier: MIT
"""Another program writes between the crash and the recovery: theirs is the truth
(invariant 7)."""

import os

from lib import check, images, walk
from lib.harness import SLOW_INDEX
from lib.qcow2 import Image
from recovery import LEAKS, NEW_NAME
from seen import check_faults, facts, run, valid_bitmaps

PATTERNS = (0x5A, 0)  # zeros look like what an edit prepares for itself
LENGTH = 128 << 10
WRITERS = ("write", "leaks", "open")
PENDING = "pending-supersede"
WARNING = "instar bitmap: warning: another program has written to the image"


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

    def _look(self, added=None):
        """All that recovery must leave as the other program has left it; without the bitmap
        that an edit has added."""
        with Image(self.scene.image) as image:
            return (facts(self.scene.image), walk.guest_fingerprint(image),
                    [bitmap for bitmap in valid_bitmaps(image) if bitmap[0] != added])

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
        """A sound image keeps no command from its work, whoever has written.  What is not
        undone stays to the byte."""
        before, content = self._look(), self.scene.disk.look()
        code, states, said = self.session.recovery.check("-n")
        faults = [said] if code not in (0, LEAKS) else []
        if self._differs(content) or self.scene.journals() != sorted(state.world.names):
            faults.append("check -n changed something")
        if states == [PENDING] and not self._counts_behind_the_end() \
                and self.session.dice(state).random() < 0.5:
            return faults + self._edit(before, read)
        code, states, said = self.session.recovery.check()
        self.session.count(f"(foreign: {'+'.join(states) or 'no journal'})")
        faults += self.session.recovery.faults_of_verdict(code, said)
        if states == ["superseded"] and self._differs(content):
            faults.append("superseded, and yet the image was changed")
        faults += self._whole(before, read)
        if self.scene.journals():
            faults.append("the journal was left behind")
        return faults + [said] if faults else []

    def _differs(self, content):
        return self.scene.disk.look().key() != content.key()

    def _edit(self, before, read):
        """It warns, unless the interrupted edit had been done, and goes on."""
        self.session.count("(foreign: edit)")
        command = self._next_edit()
        code, out, err = self.session.recovery.instar("bitmap", command[0], self.scene.image,
                                                      command[1])
        err = SLOW_INDEX.sub("", err)
        faults = []
        if code or out or (err and not err.startswith(WARNING)):
            faults.append(f"{command}: exit {code}: {out} {err}")
        if self.scene.journals():
            faults.append("the journal was left behind")
        self.scene.disk.look()
        return faults + self._whole(before, read, os.fsencode(NEW_NAME))

    def _counts_behind_the_end(self):
        """The refcounts of what the edit had taken are on the disk, the file's growth is not:
        to take those clusters is not allowed, so an edit refuses."""
        with Image(self.scene.image) as image:
            return any(cluster >= image.file_clusters for cluster in check.check(image).leaks)

    def _next_edit(self):
        """A list that is invalid already can only be removed from."""
        with Image(self.scene.image) as image:
            body = image.bitmaps_body()
            if body and body[0] and not image.bitmaps_valid:
                return "--remove", image.bitmap_names()[0]
        return "--add", NEW_NAME

    def _whole(self, before, read, added=None):
        """Nothing of the guest's or of the bitmaps' is lost."""
        names, after = ("facts", "guest data", "bitmaps"), self._look(added)
        faults = [f"{what}: {was!r} became {now!r}"[:1000]
                  for what, was, now in zip(names, before, after) if was != now]
        if read:
            code, out, err = run("qemu-io", "-r", "-c", read, images.alone(self.scene.image))
            if code or "verification failed" in out:
                faults.append(f"what was written is lost: {out} {err}")
        return faults + check_faults(self.scene.image)
