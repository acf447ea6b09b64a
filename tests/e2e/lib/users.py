# SPDX-License-Identifier: MIT
"""Runs as other users, who have nothing but a place in /tmp and the virtual machine's device."""

import os
import shutil
import stat

from lib import harness

ALICE, MALLORY = 12345, 23456

# The device belongs to a group of the machine's; these users get a node of their own.
AS_USER = ('[ ! -e "$0" ] || mount --bind "$0" /dev/kvm && user=$1 && shift && '
           'exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"')


class Users:
    """A mix-in for a test case."""

    def setUp(self):
        super().setUp()
        self.need_root("runs the program as another user")
        os.chmod(self.directory, 0o755)
        self.program = shutil.copy(harness.INSTAR, self.path("instar"))
        os.chmod(self.program, 0o755)
        if os.path.exists("/dev/kvm"):
            os.mknod(self.path("kvm"), stat.S_IFCHR | 0o666, os.stat("/dev/kvm").st_rdev)
            os.chmod(self.path("kvm"), 0o666)

    def folder(self, name, owner, mode=0o700):
        path = self.path(name)
        os.mkdir(path)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
        return path

    def run_as(self, user, *arguments, **variables):
        """instar as that user, with a state directory of that user's own."""
        state = self.path(f"state-{user}")
        if not os.path.lexists(state):
            self.folder(f"state-{user}", user)
        environment = dict(self.environment, INSTAR_STATE_DIR=state) | variables
        return self.run_program("unshare", "-m", "sh", "-c", AS_USER, self.path("kvm"), str(user),
                                self.program, *arguments, environment=environment)
