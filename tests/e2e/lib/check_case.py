# SPDX-License-Identifier: MIT
"""A case of `instar check`: an image, an edit of it that is killed, and what is asserted."""

import json
import shutil
import unittest

from lib import faults, harness, images, interrupt
from lib.craft import Craft


@unittest.skipUnless(faults.available(), "strace is not installed")
class CheckCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.need_root("strace cannot tell the paths of a process that is not dumpable")
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        self.original = self.path("original")
        shutil.copyfile(self.image, self.original)
        self.journal = interrupt.journal_of(self.image)

    def check(self, *arguments, **options):
        return self.run_program(harness.INSTAR, "check", *arguments, **options)

    def checks(self, *arguments, code=0, err=""):
        """The exit code, and standard output."""
        result = self.check(*arguments)
        self.assertEqual((result.code, result.err), (code, err), result)
        return result.out

    def json(self, *arguments, code=0):
        result = self.check("--output=json", *arguments)
        self.assertEqual(result.code, code, result)
        return json.loads(result.out)

    def states(self, *arguments, code=0):
        return [j["state"] for j in self.journals(*arguments, code=code)]

    def journals(self, *arguments, code=0):
        found = self.json(*arguments, code=code)
        self.assertNotEqual(found.get("instar-journals"), [])
        return found.get("instar-journals", [])

    def qemu(self, image, *options):
        return self.run_program("qemu-img", "check", *options, image)

    def fails(self, code, words, *arguments):
        """Nothing on stdout, one line and at most a hint on stderr."""
        result = self.check(*arguments)
        self.assertEqual((result.code, result.out), (code, ""), result)
        self.assertTrue(result.first_line.startswith("instar check: "), result)
        self.assertIn(words, result.first_line)
        self.assertLessEqual(len(result.err.splitlines()), 2, result)
        return result

    def kill(self, image=None, sync=interrupt.BUILD, options=(), name="n"):
        interrupt.kill(self, image or self.image, *options, "--add", image or self.image, name,
                       sync=sync)

    def write(self, image=None):
        """Another program does, after the crash."""
        images.write(image or self.image, "write -P 99 4M 128k")

    def corrupt(self, image=None):
        """One does that leaves a cluster without a refcount, though it is in use."""
        with Craft(image or self.image) as opened:
            opened.set_refcount(opened.l1_offset >> opened.cluster_bits, 0)

    def assert_old(self, image=None):
        self.assertEqual(harness.digest_of(image or self.image), harness.digest_of(self.original))

    def unchanged(self, *paths):
        """A context in which these files keep every byte and time stamp."""
        case, before = self, {path: harness.state_of(path) for path in paths}

        class Context:
            def __enter__(self):
                return self

            def __exit__(self, kind, *_):
                if kind is None:
                    for path, state in before.items():
                        case.assertEqual(harness.state_of(path), state, path)
        return Context()
