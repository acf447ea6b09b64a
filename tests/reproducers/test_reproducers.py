#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every reproducer, given to every command: the expected line, exit code, memory and time.

And whatever the image names is not opened, a command that is refused has written nothing, no
byte that could steer a terminal is printed, and nothing is left behind.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

# pylint: disable=wrong-import-position
import expected
import make
from commands import COMMANDS, IMAGE, run, without_bitmaps
from images import ATTACKS
from lib import faults, harness

MEASURE = os.path.abspath(os.environ.get("MEASURE") or
                          Path(harness.INSTAR).parent / "tests" / "reproducers" / "measure")
STEERS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\xc2-\xf4])[\x80-\x9f]")
CLEAN, DAMAGED, LEAKED = 0, 2, 3
SMALL = 4 << 10
PATIENCE = 60  # seconds for one command


class Table(harness.Case):
    def test_every_image_has_a_row_and_every_row_an_image(self):
        table = expected.read()
        self.assertEqual(list(table), [attack.name for attack in ATTACKS])
        for name, rows in table.items():
            self.assertEqual(list(rows), [command.name for command in COMMANDS], name)

    def test_the_readme_has_the_same_table(self):
        with open(HERE / "README.md", encoding="utf-8") as file:
            text = file.read()
        self.assertIn(make.readme(), text, "make.py --readme prints the table")

    def test_files_for_people(self):
        done = self.run_program(sys.executable, HERE / "make.py", self.path("images"))
        self.assertEqual((done.code, done.out, done.err), (0, "", ""))
        self.assertEqual(sorted(os.listdir(self.path("images"))),
                         sorted(attack.name + ".qcow2" for attack in ATTACKS))
        for attack in ATTACKS:
            with open(self.path(f"images/{attack.name}.qcow2"), "rb") as file:
                self.assertEqual(file.read(), attack.make())

    def test_an_image_that_is_not_attacked_is_sound(self):
        """Else the attacks could be refused for another reason than the one that is told."""
        image = self.path("sound.qcow2")
        with open(image, "wb") as file:
            file.write(make.sound())
        done = self.run_program(harness.INSTAR, "check", image)
        self.assertEqual((done.code, done.err), (0, ""), done)
        self.edit("--add", image, "n", qemu=False)


class Attacked(harness.Case):
    """Images side by side, as many as there are processors; each in a directory of its own."""

    def test_line_exit_code_memory_and_time(self):
        table = expected.read()
        slow_first = sorted(self.attacks(), key=lambda attack: -attack.seconds)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for attack, runs in zip(slow_first, pool.map(self.runs_of, slow_first)):
                for command, done in zip(COMMANDS, runs):
                    with self.subTest(image=attack.name, command=command.name):
                        self.judge(attack, command, done, table[attack.name][command.name])

    def attacks(self):
        """In the process all but what takes minutes: it is no other attack there."""
        left_out = [a.name for a in ATTACKS if a.seconds > PATIENCE and harness.SANDBOX != "kvm"]
        print(f"left out in this sandbox: {left_out}", file=sys.stderr)
        return [attack for attack in ATTACKS if attack.name not in left_out]

    def runs_of(self, attack):
        data, runs = attack.make(), []
        for command in COMMANDS:
            with tempfile.TemporaryDirectory(dir=self.directory) as directory:
                runs.append(run(harness.INSTAR, MEASURE, directory, data, command,
                                attack.seconds))
        return runs

    def judge(self, attack, command, done, wanted):
        self.assertEqual((done.code, done.line), (wanted.code, wanted.line))
        mebibytes = command.repairs and attack.repair_mebibytes or attack.mebibytes
        self.assertLessEqual(done.kibibytes, mebibytes << 10)
        self.assertGreater(done.kibibytes, 256, "this was not measured")
        self.assertLessEqual(done.seconds, attack.seconds)
        self.assertEqual(done.left, ())
        if command.name != "info":  # which writes names into a pipe as they are
            self.assertIsNone(STEERS.search(done.output))
        if not command.writes or done.code not in (CLEAN, DAMAGED, LEAKED):
            self.assertFalse(done.changed, "a byte of the image has changed")


class Names(harness.Case):
    """What an image names is opened by no command: strace sees every path and address."""

    def setUp(self):
        super().setUp()
        if not faults.available():
            self.skipTest("strace is not installed")
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def test_nothing_that_is_named_is_opened(self):
        seen = 0
        for attack in ATTACKS:
            if not attack.names:
                continue
            for command in COMMANDS:
                with self.subTest(image=attack.name, command=command.name):
                    for call in self.calls(attack, command):
                        seen += 1
                        for name in attack.names:
                            self.assertNotIn(name, call)
        self.assertGreater(seen, 500, "strace has seen nothing")

    def calls(self, attack, command):
        """The lines of strace that have a path or an address."""
        data = attack.make()
        with open(self.path(IMAGE), "wb") as file:
            file.write(without_bitmaps(data) if command.bare else data)
        log = self.path("calls")
        # The process sandbox's child is another tracer's, and makes no call.
        follow = [] if os.environ.get("INSTAR_SANDBOX") == "process" else ["-f"]
        subprocess.run(["strace", *follow, "-qq", "-s", "4096", "-e", "trace=%file,%network",
                        "-o", log, harness.INSTAR, *command.arguments], cwd=self.directory,
                       env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60, check=False)
        with open(log, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read().splitlines()
        self.assertTrue(any(IMAGE in line for line in lines), "strace has seen nothing")
        return lines


if __name__ == "__main__":
    harness.main()
