#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Results that lie: codes that are none, numbers that cannot be, success where nothing was
done.  No result changes the image, and none comes out as more than words of the host's."""

import json

import hostile
from hostile import CHECK, EDIT, INFO, MAP, PROTOCOL
from script import JOURNAL, PUNCH, SECTOR, U64, Request, Script

RESIZE = ("resize", "{}", "+1M")
COMMANDS = (EDIT, INFO, MAP, RESIZE, ("bitmap", "--merge", "a", "--merge", "b", "{}", "t"),
            ("bitmap", "--output", "json", "--remove", "{}", "t"))
# enum abi_code has some between 1 and 46; these are none.
NO_CODES = (20, 31, 47, 63, 1000, 0x7fffffff, 0x80000000, 0xffffffff)
ABSURD = ((U64,) * 4, (0,) * 4, (1 << 63,) * 4, (1, 2**32, 2**31, 2**63 - 1))


class Lies(hostile.HostileCase):
    def assert_words(self, result):
        """Refused in one line and at most a hint, by the program's own words."""
        lines = result.err.splitlines()
        self.assertEqual(result.code, 1, result)
        self.assertTrue(lines[0].startswith("instar "), result)
        self.assertTrue(all(line.startswith("hint: ") for line in lines[1:]), result)
        self.assertLessEqual(len(lines), 2, result)
        self.assertEqual(result.out, "")
        self.assert_steers_nothing(result)
        self.assert_untouched()

    def test_a_code_that_is_none_is_a_breach(self):
        for command in COMMANDS:
            for code in NO_CODES[:: 1 if command is EDIT else 4]:
                with self.subTest(command=command[0], code=code):
                    self.ends(Script().end(code=code, detail=ABSURD[0]), PROTOCOL, command)

    def test_every_code_with_numbers_that_cannot_be_is_told_in_words(self):
        for code in range(1, 47):
            if code in NO_CODES or 19 < code < 32:
                continue
            for command in COMMANDS if code % 5 == 1 else COMMANDS[:1]:
                with self.subTest(command=command[:2], code=code):
                    self.assert_words(self.attack(
                        Script().end(code=code, applied=2**32 - 1, bitmaps=2**32 - 1,
                                     affected=2**32 - 1, leaked=U64,
                                     detail=ABSURD[code % len(ABSURD)]), command))

    def test_success_that_did_nothing_changes_nothing(self):
        """Accepted: a plan that comes to nothing is a success, and only the guest knows.  What
        the user is told is the guest's word; no more can come of it than of an image whose
        bitmaps are not what they seem."""
        result = self.attack(Script().end())
        self.assertEqual((result.code, result.out, result.err), (0, "", ""))
        self.assert_untouched()

    def test_numbers_of_a_success_are_printed_as_they_are(self):
        """Accepted: 32 and 64 bits of them, as JSON that is well formed."""
        lie = Script().end(applied=2**32 - 1, bitmaps=2**32 - 1, affected=2**32 - 1,
                           detail=(U64, U64, 0, 0))
        bitmap = self.attack(lie, ("bitmap", "--output", "json", "--add", "{}", "n"))
        self.assertEqual(json.loads(bitmap.out),
                         {"actions-applied": 2**32 - 1, "resulting-bitmaps": 2**32 - 1})
        resize = self.attack(lie, ("resize", "--output", "json", "{}", "+1M"))
        self.assertEqual(json.loads(resize.out), {"old-size": U64, "new-size": U64})
        self.assert_untouched()

    def test_leaks_beyond_number_are_a_warning(self):
        """Accepted, for the same reason."""
        result = self.attack(Script().end(leaked=U64))
        self.assertEqual(result.code, 0)
        self.assertIn(f"warning: {U64} clusters", result.err)
        self.assertLessEqual(len(result.err.splitlines()), 2)
        self.assert_untouched()

    def test_a_success_that_tells_no_result_is_none(self):
        result = self.attack(Script().end(applied=0),
                             ("bitmap", "--output", "json", "--add", "{}", "n"))
        self.assert_words(result)
        self.assertIn("before it told the result", result.err)

    def test_a_look_that_has_seen_nothing_is_no_success(self):
        for command in (INFO, CHECK):
            with self.subTest(command=command[0]):
                self.ends(Script().end(), PROTOCOL, command)

    def test_a_changed_header_is_believed_three_times(self):
        """A fresh try each: it comes to an end."""
        result = self.attack(Script().end(code=4), debug=True)
        self.assertEqual(result.code, 1)
        self.assertIn("instar bitmap: the image's header changed", result.first_line)
        self.assertIn("doorbells 3,", result.err)
        self.assert_untouched()


class Committed(hostile.HostileCase):
    """Behind the switch the edit is done, whatever the guest says then.  The switch writes what
    was there, so the new image is the old one."""

    def test_an_error_does_not_undo_it(self):
        self.assert_done(self.attack(self.committed().end(code=11)))

    def test_an_exception_does_not_undo_it(self):
        self.assert_done(self.attack(self.committed().load(0)))

    def test_silence_does_not_undo_it(self):
        self.assert_done(self.attack(self.committed().spin(), limit_ms=200))

    def test_releases_that_are_not_applied_are_never_made(self):
        self.assert_done(self.attack(self.committed().ring(
            Request(JOURNAL, self.target, SECTOR, step=2, flags=PUNCH)).end()))


if __name__ == "__main__":
    hostile.main()
