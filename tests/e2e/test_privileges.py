#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whoever calls instar has the right to what it does: a program file that gives more
privileges than the caller has is refused before anything is opened."""

import os
import shutil
import subprocess
import tempfile

from lib import harness, images

REFUSAL = ("instar: instar does not run with more privileges than its caller has\n"
           "hint: take set-user-id, set-group-id and capabilities from the program file; "
           "use sudo\n")
USER = 12345


class Privileges(harness.Case):
    def setUp(self):
        super().setUp()
        self.need_root("runs the program as another user")
        self.folder = self.folder_with_privileges()
        os.chmod(self.folder, 0o755)
        self.program = os.path.join(self.folder, "instar")
        shutil.copy(harness.INSTAR, self.program)
        os.chmod(self.directory, 0o755)
        self.image = images.with_bitmaps(self.path("disk.qcow2"))
        os.chmod(self.image, 0o666)

    def folder_with_privileges(self):
        """A folder whose file system honours set-user-id."""
        for parent in (tempfile.gettempdir(), "/var/tmp", str(harness.REPOSITORY)):
            if os.path.isdir(parent) and not os.statvfs(parent).f_flag & os.ST_NOSUID:
                folder = tempfile.mkdtemp(prefix="instar-e2e-", dir=parent)
                self.addCleanup(shutil.rmtree, folder)
                return folder
        raise AssertionError("every file system is mounted nosuid")

    def run_as_user(self, *arguments):
        return self.run_program("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                                self.program, *arguments)

    def assert_all_refused(self):
        """Help, too: no line of the command is looked at."""
        harness.age(self.image)
        before = harness.state_of(self.image)
        for arguments in (("bitmap", "--add", self.image, "n"), ("info", self.image), ("--help",),
                          ("--version",), ()):
            result = self.run_as_user(*arguments)
            self.assertEqual((result.code, result.out, result.err), (1, "", REFUSAL), arguments)
        self.assertEqual(harness.state_of(self.image), before)
        self.assertFalse(os.path.exists(self.image + harness.JOURNAL_SUFFIX))

    def test_plain_program(self):
        """It is not the user that is refused."""
        self.assertEqual(self.run_as_user("--version").code, 0)

    def test_set_user_id(self):
        os.chmod(self.program, 0o4755)
        self.assert_all_refused()

    def test_set_group_id(self):
        os.chmod(self.program, 0o2755)
        self.assert_all_refused()

    def test_set_user_id_of_the_caller_gives_nothing(self):
        os.chown(self.program, USER, USER)
        os.chmod(self.program, 0o4755)
        self.assertEqual(self.run_as_user("--version").code, 0)

    def test_capabilities(self):
        if not shutil.which("setcap"):
            self.skipTest("setcap is not installed")
        subprocess.run(["setcap", "cap_dac_override=ep", self.program], check=True)
        self.assert_all_refused()


if __name__ == "__main__":
    harness.main()
