#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs of `instar check`: progress, silence, locks, several images, memory."""

import collections
import json
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from lib import harness, images, locks
from lib.craft import Craft
from lib.qcow2 import FLAG_IN_USE

SHOWN = re.compile(r" {4}\((\d+\.\d\d)/100%\)")
LOCKED = 'Failed to get shared'
MANY_CLUSTERS = "12G"  # of 4 KiB: their counters do not fit into 4 MiB


class Large:
    """An image with all metadata and no data, which takes seconds to make."""

    folder = path = None


def setUpModule():
    Large.folder = tempfile.mkdtemp(prefix="instar-e2e-", dir=harness.IN_MEMORY)
    unittest.addModuleCleanup(shutil.rmtree, Large.folder)
    Large.path = images.create(f"{Large.folder}/large.qcow2", MANY_CLUSTERS, cluster=4096,
                               options="preallocation=metadata")


class RunCase(harness.Case):
    def check(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "check", *arguments, **options)

    def qemu(self, *arguments):
        return self.run_program("qemu-img", "check", *arguments)

    def leaking(self, name="leaking.qcow2"):
        path = images.create(self.path(name))
        with Craft(path) as image:
            image.allocate(3)
        return path

    def corrupt(self, name="corrupt.qcow2"):
        path = images.create(self.path(name))
        with Craft(path) as image:
            image.set_refcount(0, 0)
        return path


class Progress(RunCase):
    def assert_rising(self, text):
        shown = [float(share) for share in SHOWN.findall(text)]
        self.assertGreater(len(shown), 3, text)
        self.assertEqual(shown, sorted(shown))
        self.assertLessEqual(shown[-1], 100)
        return shown

    def test_an_option_shows_it(self):
        image = Large.path
        plain = self.check(image)
        result = self.check("-p", image)
        self.assertEqual((result.code, result.err), (0, ""))
        self.assert_rising(result.out)
        self.assertEqual(SHOWN.sub("", result.out).replace("\r", "").lstrip("\n"), plain.out)

    def test_json_and_silence_have_none(self):
        image = Large.path
        result = self.check("-p", "--output=json", image)
        self.assertEqual(result.out, self.qemu("--output=json", image).out)
        self.assertEqual(self.check("-p", "-q", image).out, "")

    def test_a_signal_shows_it_once(self):
        """On standard error, in JSON runs, too."""
        image = Large.path
        with subprocess.Popen(
                [harness.INSTAR, "check", "--output=json", "--memory-limit=4M", image],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment,
                # until the program is ready for it
                preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN)) as process:
            sent = 0
            while process.poll() is None:
                process.send_signal(signal.SIGUSR1)
                sent += 1
                time.sleep(0.02)
            out, err = process.stdout.read(), process.stderr.read().decode()
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(json.loads(out)["check-errors"], 0)
        self.assertLessEqual(len(self.assert_rising(err)), sent)
        self.assertEqual(SHOWN.sub("", err).strip("\n"), "")


class Silence(RunCase):
    def test_sums_are_left_out_and_findings_are_not(self):
        for image in (self.leaking(), self.corrupt()):
            result, qemu = self.check("-q", image), self.qemu("-q", image)
            self.assertEqual((result.code, result.out, result.err), (qemu.code, "", qemu.err))
            self.assertNotEqual(result.err, "")


class Locks(locks.Holder, RunCase):
    def test_an_image_that_is_held_open(self):
        image = images.with_bitmaps(self.path("disk.qcow2"))
        self.hold_by_daemon(image)
        result = self.check(image)
        self.assertEqual((result.code, result.out), (1, ""), result)
        self.assertIn(LOCKED, result.first_line)
        self.assertEqual(self.qemu(image).code, 1)
        for option in ("-U", "--force-share"):
            result, qemu = self.check("-q", option, image), self.qemu("-q", "-U", image)
            self.assertEqual((result.code, result.out), (qemu.code, ""), result)
            self.assertEqual([line for line in result.err.splitlines() if "in use" not in line
                              and not line.startswith("hint: ")], qemu.err.splitlines())

    def test_a_reader_does_not_hinder_it(self):
        image = images.with_bitmaps(self.path("disk.qcow2"))
        self.hold_by_daemon(image, read_only="on")
        result = self.check("-q", image)
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))

    def test_it_changes_nothing(self):
        for image in (images.with_bitmaps(self.path("disk.qcow2")), self.leaking(),
                      self.corrupt()):
            harness.age(image)
            before = harness.state_of(image)
            self.check("-q", image)
            self.assertEqual(harness.state_of(image), before)


class SeveralImages(RunCase):
    def test_the_worst_exit_code_counts(self):
        clean = images.with_bitmaps(self.path("clean.qcow2"))
        leaking, corrupt, missing = self.leaking(), self.corrupt(), self.path("missing")
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.truncate(1 << 20)
        for files, code in (((clean,), 0), ((clean, leaking), 3), ((leaking, clean), 3),
                            ((leaking, corrupt, clean), 2), ((corrupt, raw, leaking), 63),
                            ((raw, missing, corrupt), 1), ((missing, raw), 1)):
            result = self.check("-n", *files)
            self.assertEqual(result.code, code, (files, result))
            found = json.loads(self.check("-n", "--output=json", *files).out)
            found = found if len(files) > 1 else [found]
            self.assertEqual([entry["filename"] for entry in found], list(files))
            for entry, file in zip(found, files):
                self.assertEqual("check-errors" in entry, file not in (raw, missing))
                self.assertEqual("instar-error" in entry, file in (raw, missing))

    def test_each_is_told_of_as_alone_below_its_path(self):
        """On stderr only where there is something to be told."""
        files = self.leaking(), self.corrupt(), images.create(self.path("clean.qcow2"))
        alone = [self.check(file) for file in files]
        together = self.check(*files)
        self.assertEqual(together.out, "".join(f"{file}:\n{run.out}"
                                               for file, run in zip(files, alone)))
        self.assertEqual(together.err, "".join(f"{file}:\n{run.err}" if run.err else ""
                                               for file, run in zip(files, alone)))
        self.assertIn(f"{files[1]}:\n", together.err)
        self.assertNotIn(files[2], together.err)

    def test_quiet_and_json_have_paths_on_stderr_alone(self):
        files = self.leaking(), self.path("missing")
        quiet = self.check("-q", *files)
        self.assertEqual(quiet.out, "")
        for file in files:
            self.assertIn(f"{file}:\n", quiet.err)
        result = self.check("--output=json", *files)
        self.assertEqual([entry["filename"] for entry in json.loads(result.out)], list(files))
        self.assertIn(f"{files[0]}:\n", result.err)


class Memory(RunCase):
    def damage(self, path):
        """What several passes might tell twice, or not at all, all over the file."""
        with Craft(path) as image:
            image.add_bitmap("b", 1 << 20, FLAG_IN_USE)
            image.add_bitmap("shared", 512)
            count = image.file_clusters
            for cluster in range(0, count, count // 9):
                image.set_refcount(cluster, 3)
            l2 = [entry & ~(1 << 63) for entry in struct.unpack(
                ">3000Q", image.pread(image.l1_offset, 24000)) if entry]
            for i in (3, 1500, 2999):
                other, = struct.unpack(">Q", image.pread(l2[(i + 1000) % 3000], 8))
                image.pwrite(l2[i], struct.pack(">Q", other))          # a cluster twice
                image.pwrite(l2[i] + 8, struct.pack(">Q", 0x80 << 56 | 0x1200))  # unaligned
                image.pwrite(l2[i] + 16, bytes(8))                     # leaked
            image.set_table_entry("shared", 0, other & ~(1 << 63))

    def test_several_passes_find_the_same(self):
        image = f"{Large.folder}/damaged.qcow2"
        images.tool("cp", "--sparse=always", Large.path, image)
        self.damage(image)
        found = [self.check("--output=json", f"--memory-limit={size}", image)
                 for size in ("256M", "4M")]
        self.assertEqual([run.code for run in found], [2, 2])
        self.assertEqual(found[0].out, found[1].out)
        lines = [collections.Counter(run.err.splitlines()) for run in found]
        self.assertEqual(lines[0], lines[1])
        self.assertGreater(sum(lines[0].values()), 20)
        qemu = self.qemu("--output=json", image)
        own = json.loads(found[1].out)
        self.assertEqual([entry["bitmap"] for entry in own.pop("instar-damage")], ["b", "shared"])
        self.assertEqual(own, json.loads(qemu.out))
        self.assertEqual(collections.Counter(qemu.err.splitlines()) - lines[1],
                         collections.Counter())

    def test_a_limit_that_is_no_size(self):
        image = images.create(self.path("disk.qcow2"))
        for size in ("4095k", "17G", "0", "-1", "much", ""):
            result = self.check(f"--memory-limit={size}", image)
            self.assertEqual((result.code, result.out), (2, ""), result)
            self.assertIn("--memory-limit", result.err)


if __name__ == "__main__":
    harness.main()
