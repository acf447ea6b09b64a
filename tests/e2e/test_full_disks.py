#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Full disks, limits of file size and closed outputs: real ones, not injected.

Whatever does not fit, the image is the old one to the byte or the complete new one, and the
exit code and the words are honest.
"""

import os
import subprocess

from lib import disks, faults, harness, images
from lib.edits import NEW, OLD, EditCase
from lib.qcow2 import Image
from lib.stops import StoppedRun

KIB = 1 << 10


class FullDisk(EditCase):
    def with_room(self, disk, room):
        """Run the edit with so much room on the disk; OLD, NEW or HOT, and the result.  Where
        the lack was seen before anything was written, the image keeps its time stamps."""
        disk.empty()
        self.renew()
        disk.fill(room)
        harness.age(self.image)
        before = harness.state_of(self.image)
        result = self.instar(*self.command)
        end = self.judge(result)
        if disk.free == 0 or "cannot write the undo journal" in result.err:
            self.assertEqual(harness.state_of(self.image), before, "the image was touched")
        disk.empty()
        return end, result

    def sweep(self, disk, limit, step=4 * KIB):
        """From no room at all to enough: the first ends are OLD, the last is NEW."""
        ends = []
        for room in range(0, limit + 1, step):
            with self.subTest(edit=self.name, room=room):
                end, result = self.with_room(disk, room)
                ends.append(end)
                if end == OLD:
                    self.assertIn("No space left on device", result.err)
        self.assertEqual((ends[0], ends[-1]), (OLD, NEW))
        self.assertEqual(ends, sorted(ends, key=[OLD, NEW].index), "more room, and yet it failed")

    def test_tmpfs_with_image_and_journal(self):
        disk = disks.tmpfs(self, "4M")
        for name in ("add", "merge", "remove"):
            self.prepare(name, image=disk.path("disk.qcow2"))
            self.sweep(disk, 256 * KIB)

    def test_ext4_with_image_and_journal(self):
        """Here some blocks that statfs(2) calls free cannot be had: the writes fail."""
        disk = disks.ext4(self, 16 << 20)
        for name in ("add", "merge", "add with growth"):
            self.prepare(name, image=disk.path("disk.qcow2"))
            self.sweep(disk, 256 * KIB, 8 * KIB)

    def test_image_alone_on_a_full_disk(self):
        disk = disks.ext4(self, 16 << 20)
        os.mkdir(self.path("journals-here"))
        self.prepare("merge", "--journal-dir", self.path("journals-here"),
                     image=disk.path("disk.qcow2"))
        self.sweep(disk, 192 * KIB, 8 * KIB)

    def test_journal_alone_on_a_full_disk(self):
        disk = disks.ext4(self, 16 << 20)
        self.prepare("add", "--journal-dir", disk.where)
        self.sweep(disk, 192 * KIB, 64 * KIB)
        end, result = self.with_room(disk, 0)
        self.assertEqual(end, OLD)
        self.assertIn(f"cannot write the undo journal {disk.where}/", result.first_line)

    def test_what_takes_no_room_needs_none_for_the_image(self):
        """Four bytes in place, and a journal elsewhere."""
        disk = disks.tmpfs(self, "4M")
        os.mkdir(self.path("journals-here"))
        self.prepare("disable", "--journal-dir", self.path("journals-here"),
                     image=disk.path("disk.qcow2"))
        disk.empty()
        self.renew()
        disk.fill(0)
        self.assertEqual(self.judge(self.instar(*self.command)), NEW)

    def test_index_alone_on_a_full_disk(self):
        disk = disks.tmpfs(self, "1M")
        self.prepare("add")
        self.environment["INSTAR_STATE_DIR"] = disk.path("state")
        for room in (0, 4 * KIB, 64 * KIB, 280 * KIB):
            with self.subTest(room=room):
                disk.empty()
                self.renew()
                disk.fill(room)
                result = self.instar(*self.command)
                self.assertEqual(self.judge(result), NEW)
                if room == 0:
                    self.assertRegex(result.first_line, "warning: .*No space left on device")

    def test_room_that_goes_away_after_it_was_looked_at(self):
        if not faults.available():
            self.skipTest("strace is not installed")
        disk = disks.ext4(self, 16 << 20)
        for name in ("add", "merge", "add with growth"):
            self.prepare(name, image=disk.path("disk.qcow2"))
            for room in (0, 4 * KIB, 8 * KIB, 64 * KIB):
                with self.subTest(edit=name, room=room):
                    disk.empty()
                    self.renew()
                    run = StoppedRun(self, [harness.INSTAR, "bitmap", *self.command], "pread64",
                                     self.image, 3)
                    for _ in run:
                        disk.fill(room)
                    disk.empty()
                    end = self.judge(run.result)
                    if room == 0:
                        self.assertEqual(end, OLD, run.result)


class ThinDevice(EditCase):
    """A block device that runs out of room: writes go well, and the sync fails."""

    def device_without_room(self, disk):
        """A loop device over a sparse file on a full disk; (device, file)."""
        backing = disk.path("device.raw")
        images.tool("cp", "--sparse=always", self.original, backing)
        with Image(self.original) as image:
            os.truncate(backing, (image.file_clusters + 20) * image.cluster_size)
        device = images.tool("losetup", "--find", "--show", backing).strip()
        self.addCleanup(images.tool, "losetup", "-d", device, fails=True)
        disk.fill(0)
        return device, backing

    def test_the_sync_fails_and_the_rollback_too(self):
        self.need_root("opens a loop device")
        disk = disks.tmpfs(self, "8M")
        self.prepare("merge")  # which writes to clusters that the file does not have
        device, backing = self.device_without_room(disk)
        before = harness.digest_of(backing)
        result = self.instar("--merge", "a", device, "b")
        self.assertEqual((result.code, result.out), (1, ""), result)
        self.assert_told(result)
        self.assertRegex(result.err, "Input/output error|No space left on device")
        for path in self.journals():
            self.assertIn(path, result.err)
        disk.empty()
        self.assertEqual(self.run_program(harness.INSTAR, "check", "-q", device).code, 0)
        self.assertEqual(self.journals(), [])
        images.tool("blockdev", "--flushbufs", device)
        self.assertEqual(before, harness.digest_of(backing))
        self.succeeds("--merge", "a", device, "b")


class FileSize(EditCase):
    """`ulimit -f`: SIGXFSZ is ignored, and the write fails."""

    def test_every_limit(self):
        self.prepare("add")
        self.renew()
        size = os.stat(self.image).st_size
        ends = []
        small = (0, 512, KIB, 3 * KIB, 4 * KIB, 8 * KIB, 24 * KIB, 64 * KIB)
        behind = (-KIB, 0, 1, 32 * KIB, 64 * KIB, 128 * KIB, KIB * KIB)
        for limit in (*small, *(size + more for more in behind)):
            with self.subTest(limit=limit, size=size):
                self.renew()
                result = self.run_program("prlimit", f"--fsize={limit}", harness.INSTAR, "bitmap",
                                          *self.command)
                ends.append(self.judge(result))
        self.assertEqual((ends[0], ends[-1]), (OLD, NEW))


class Outputs(EditCase):
    JSON = ("--output", "json")

    def into_closed_pipe(self, which, *options):
        """Run with the other end of stdout or stderr closed; SIGPIPE has its default."""
        reader, writer = os.pipe()
        os.close(reader)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, which: writer}
        done = subprocess.run([harness.INSTAR, "bitmap", *options, *self.command],
                              stdin=subprocess.DEVNULL, env=self.environment, cwd=self.directory,
                              check=False, timeout=60, **pipes)
        os.close(writer)
        return harness.Result(done.returncode, (done.stdout or b"").decode(),
                              (done.stderr or b"").decode())

    def test_closed_pipe_on_standard_output(self):
        """The edit is done, and says so; the result was not delivered."""
        self.prepare("add")
        self.renew()
        result = self.into_closed_pipe("stdout", *self.JSON)
        self.assertEqual(self.judge(result), NEW)
        self.assertEqual(result.code, 1, result)
        self.assertRegex(result.err, "Broken pipe\nhint: the edit itself was done\n$")

    def test_closed_pipe_on_standard_error(self):
        self.prepare("add")
        self.renew()
        self.assertEqual(self.into_closed_pipe("stderr").code, 0)
        self.assertEqual(self.see().what, NEW)
        self.assertEqual(self.into_closed_pipe("stderr").code, 1)  # it is there already
        self.assertEqual(self.see().what, NEW)

    def test_no_standard_descriptors_at_all(self):
        """No message ends up in the image, which could get one of their numbers."""
        self.prepare("add")
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for json in ((), self.JSON):
                with self.subTest(closed=closed, json=json):
                    self.renew()
                    command = f'exec "$0" bitmap "$@" {closed}'
                    result = self.run_program("sh", "-c", command, harness.INSTAR, *json,
                                              *self.command)
                    self.assertIn(result.code, (0, 1), result)
                    self.assertEqual(self.see().what, NEW, result)
                    self.assertEqual(self.journals(), [])

    def test_every_write_of_the_report_fails(self):
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.prepare("add")
        log = self.path("strace.log")
        seen = []
        for number in range(1, 9):
            self.renew()
            injection = faults.Injection("write", "error=EIO", number)
            result = self.run_program(*injection.prefix(log), harness.INSTAR, "bitmap", *self.JSON,
                                      *self.command)
            met = [line.split(",")[0] for line in injection.met(log)]
            if harness.SANDBOX == "process" and result.code == 1 and met != ["write(1"]:
                self.assertEqual(self.judge(result), OLD)  # the guest's process was not made
                continue
            self.assertEqual(self.judge(result), NEW)
            seen += met
            if seen and seen[-1] == "write(1":
                self.assertEqual((result.code, result.out), (1, ""))
                self.assertRegex(result.err, "error\nhint: the edit itself was done\n$")
                return
            self.assertEqual(result.code, 0)
        self.fail(f"the report was never written: {seen}")


if __name__ == "__main__":
    harness.main()
