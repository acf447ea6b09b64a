#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`cmake --install`: where everything goes, and that it works there."""

import os
import re
from pathlib import Path

from lib import harness, help_text, images, manual, shell

BUILD = Path(harness.INSTAR).parent
COMPLETION = "share/bash-completion/completions/instar"
DOCUMENTS = "share/doc/instar"


class Installed(harness.Case):
    def setUp(self):
        super().setUp()
        self.prefix = self.directory / "prefix"
        result = self.run_program("cmake", "--install", BUILD, "--prefix", self.prefix)
        self.assertEqual(result.code, 0, result)

    def files(self, folder="."):
        return {str(path.relative_to(self.prefix)) for path in (self.prefix / folder).rglob("*")
                if path.is_file()}

    def test_everything_is_where_it_belongs(self):
        documents = {f"docs/{path.name}" for path in (harness.REPOSITORY / "docs").glob("*.md")}
        self.assertLess(3, len(documents))
        self.assertEqual(self.files(), {
            "bin/instar", COMPLETION, *(f"{DOCUMENTS}/{name}"
                                        for name in ("README.md", "LICENSE", "docs/bench/speed.svg",
                                                     *documents)),
            *(f"share/man/man1/{path.name}" for path in manual.FOLDER.iterdir())})

    def test_only_the_program_is_executable(self):
        executable = {name for name in self.files() if os.stat(self.prefix / name).st_mode & 0o111}
        self.assertEqual(executable, {"bin/instar"})

    def test_the_program_works(self):
        image = images.create(self.path("disk.qcow2"))
        result = self.run_program(self.prefix / "bin/instar", "bitmap", "--add", image, "monday")
        self.assertEqual((result.code, result.err), (0, ""))
        self.assertEqual(self.listed(image), [("monday", ("auto",), 65536)])

    def test_every_page_can_be_read(self):
        for name in help_text.subcommands().keys() - {"help"}:
            page = self.run_program("mandoc", "-T", "ascii",
                                    self.prefix / f"share/man/man1/instar-{name}.1")
            self.assertEqual((page.code, page.err), (0, ""))
            self.assertIn(f"INSTAR-{name.upper()}(1)", page.out)

    def test_completion_is_found_by_name(self):
        """bash-completion looks for a file that is called as the program is."""
        path = f"{self.prefix}/bin:{os.environ['PATH']}"
        bash = shell.Bash(self.directory, self.prefix / COMPLETION,
                          dict(self.environment, PATH=path))
        self.addCleanup(bash.close)
        self.assertEqual(bash.complete("instar bi"), "instar bitmap ")

    def test_documents_are_where_the_readme_names_them(self):
        text = (self.prefix / DOCUMENTS / "README.md").read_text(encoding="utf-8")
        links = set(re.findall(r"\]\(((?:docs/|LICENSE)[^)#]*)", text))
        self.assertIn("docs/architecture.md", links)
        for link in links:
            self.assertTrue((self.prefix / DOCUMENTS / link).is_file(), link)

    def test_a_package_s_root_is_put_before_the_prefix(self):
        root = self.path("root")
        result = self.run_program("cmake", "--install", BUILD, "--prefix", "/usr",
                                  environment=dict(self.environment, DESTDIR=root))
        self.assertEqual(result.code, 0, result)
        self.assertTrue(os.access(f"{root}/usr/bin/instar", os.X_OK))
        self.assertTrue(os.path.isfile(f"{root}/usr/{COMPLETION}"))


if __name__ == "__main__":
    harness.main()
