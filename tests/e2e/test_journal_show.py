#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`instar journal show` against a reader of its own, made from docs/journal-format.md alone:
journals of killed edits, cut, flipped and forged ones."""

import datetime
import fcntl
import json
import os
import re
import struct
import subprocess
import unittest
import uuid

from lib import craft, faults, harness, images, interrupt, journal

HOSTILE = b"\x1b[31m\xff\xc3\r\n\"\\x41\xe2\x80\xae end"
TIME = 1_700_000_000 * 10**9 + 999_999_999


def rfc3339(nanoseconds):
    moment = datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def unescaped(text):
    """The bytes that were escaped."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode())


def change_or_claim(record):
    if isinstance(record, journal.Claim):
        return {"takes": True, "offset": record.offset, "length": record.length}
    return {"step": record.step, "offset": record.offset, "length": 512 * record.sectors,
            "old": journal.OLD_NAMES[record.old], "switch": record.switch}


def changes(batch):
    return [change_or_claim(record) for record in batch.records_in_order]


def line_of(change):
    if "takes" in change:
        return f"  takes   offset {change['offset']}  length {change['length']}"
    return (f"  step {change['step']}  offset {change['offset']}  length {change['length']}"
            f"  old {change['old']}{'  switch' if change['switch'] else ''}")


def extents(read):
    """Runs of sectors, in the order of the records."""
    every = [c for b in read.batches for c in b.changes]
    return sum(1 for i, c in enumerate(every)
               if i == 0 or every[i - 1].offset + 512 * every[i - 1].sectors != c.offset)


def expected(read):
    """What the JSON must say of a Journal, but for the file's name and its writer.  Times and
    boots that are not known, and what a journal without a closed batch does not tell, are not
    there."""
    facts = {"state": read.state, "batches": [
                 {"number": b.number, "changes": changes(b), "closed": rfc3339(b.time)}
                 for b in read.batches],
             "records": sum(b.records for b in read.batches), "extents": extents(read),
             "bytes": sum(512 * c.sectors for b in read.batches for c in b.changes)}
    if read.transaction is None:
        return facts
    facts.update({
        "format-version": read.version, "transaction": read.transaction.hex(),
        "identity": {"kind": journal.IDENTITY_KINDS[read.identity_kind],
                     "bytes": read.identity.hex()},
        "old-size": read.old_size, "final-size": read.final_size, "begun": rfc3339(read.time)})
    if any(read.boot):
        facts["boot-id"] = str(uuid.UUID(bytes=read.boot))
    if read.batches:
        facts.update({"asked": read.asked, "last-record": rfc3339(read.batches[-1].time)})
        if read.path:
            facts["image"] = read.path
    if read.ending == journal.RECOVERING:
        facts["recovery-begun"] = rfc3339(read.ending_time)
        if any(read.ending_boot):
            facts["recovery-boot-id"] = str(uuid.UUID(bytes=read.ending_boot))
    elif read.ending:
        facts["ended"] = rfc3339(read.ending_time)
    return facts


class ShowCase(harness.Case):
    def show(self, *arguments, **options):
        result = self.run_program(harness.INSTAR, "journal", "show", *arguments, **options)
        self.assertNotRegex(result.out + result.err, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        return result

    def shown(self, path):
        """The JSON, without the name and the writer."""
        result = self.show("--output", "json", path)
        self.assertEqual((result.code, result.err), (0, ""), result)
        facts = json.loads(result.out)
        self.assertEqual(unescaped(facts.pop("filename")), os.fsencode(path))
        self.assertFalse(facts.pop("writer-alive"))
        for key in {"asked", "image"} & set(facts):
            facts[key] = unescaped(facts[key])
        return facts

    def refuses(self, path, code, words, *options):
        """Nothing on stdout, one line, at most a hint."""
        result = self.show(*options, path)
        self.assertEqual((result.code, result.out), (code, ""), result)
        self.assertTrue(result.first_line.startswith("instar journal: "), result)
        self.assertIn(words, result.first_line)
        self.assertLessEqual(len(result.err.splitlines()), 2, result)
        return result

    def write(self, data, name="j"):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def agrees(self, data):
        """instar and the other reader say the same of these bytes: the state, or how they are
        bad."""
        path = self.write(data)
        try:
            read = journal.read(bytes(data))
        except journal.Malformed:
            self.refuses(path, 5, "malformed journal", "--output=json")
            return "malformed"
        except journal.Newer:
            self.refuses(path, 5, "newer format", "--output=json")
            return "newer"
        self.assertEqual(self.shown(path), expected(read))
        return read.state


@unittest.skipUnless(faults.available(), "strace is not installed")
class Killed(ShowCase):
    """Journals that the shipped program left behind."""

    def setUp(self):
        super().setUp()
        self.need_root("strace cannot tell the paths of a process that is not dumpable")

    def killed(self, *command, image=None, **options):
        """The bytes of the journal of an edit that was killed."""
        image = image or images.with_bitmaps(self.path("disk.qcow2"))
        interrupt.kill(self, image, *command, **options)
        with open(interrupt.journal_of(image), "rb") as file:
            return bytearray(file.read())

    def plain(self):
        return self.killed("--add", "--disable", self.path("disk.qcow2"), "n")

    def dense(self):
        """A merge whose plan takes several batches, killed after the second."""
        image = images.create(self.path("dense.qcow2"), "32G")
        with craft.Craft(image) as opened:
            for name in "ab":
                opened.add_bitmap(name, 512)
            for i, name in enumerate("ab"):
                opened.set_bits(name, range(i, opened.bit_count(opened.bitmap(name)), 100_000))
        return self.killed("--merge", "a", image, "b", image=image, sync=2)


class Sound(Killed):
    def test_json_says_what_the_file_says(self):
        data = self.plain()
        self.assertEqual(self.agrees(data), "pending")
        read = journal.read(bytes(data))
        image = self.path("disk.qcow2")
        self.assertEqual(read.asked.decode(), f"instar bitmap --add --disable {image} n")
        self.assertEqual(read.path.decode(), os.path.realpath(image))
        self.assertEqual(sum(c.switch for b in read.batches for c in b.changes), 1)

    def test_people_are_told_the_same(self):
        read = journal.read(bytes(self.plain()))
        path = interrupt.journal_of(self.path("disk.qcow2"))
        result = self.show(path)
        self.assertEqual((result.code, result.err), (0, ""))
        facts = expected(read)
        head = [("journal", path), ("state", "pending"), ("writer", "none"), ("format", "1"),
                ("transaction", facts["transaction"]), ("image", read.path.decode()),
                ("asked", read.asked.decode()), ("identity", f"handle {read.identity.hex()}"),
                ("size", f"{read.old_size} -> {read.final_size}"), ("boot", facts["boot-id"]),
                ("begun", facts["begun"]), ("last record", facts["last-record"])]
        lines = [f"{label:14}{value}" for label, value in head]
        for batch in facts["batches"]:
            lines.append(f"batch {batch['number']}")
            lines += map(line_of, batch["changes"])
            lines.append(f"  closed      {batch['closed']}")
        lines.append(f"1 batch, {facts['records']} records, {facts['extents']} extents, "
                     f"{facts['bytes']} bytes")
        self.assertEqual(result.out.splitlines(), lines)

    def test_a_journal_of_several_batches(self):
        data = self.dense()
        self.assertGreaterEqual(len(journal.read(bytes(data)).batches), 2)
        self.assertEqual(self.agrees(data), "pending")
        self.assertIn(b"behind-end", self.show(self.path("j")).out.encode())

    def test_a_recovery_that_was_begun(self):
        data, image = self.plain(), self.path("disk.qcow2")
        self.assertEqual(journal.read(bytes(data)).state, "pending")
        log = self.path("strace.log")
        self.run_program(*faults.prefix(image, faults.WRITES, 1, log, "signal=SIGKILL"),
                         harness.INSTAR, "check", image)
        path = interrupt.journal_of(image)
        with open(path, "rb") as file:
            self.assertEqual(self.agrees(file.read()), "recovering")
        self.assertIn("state         pending, with a recovery begun\n", self.show(path).out)

    def test_an_edit_that_has_ended(self):
        image = images.with_bitmaps(self.path("disk.qcow2"))
        self.run_program(
            *faults.prefix(self.directory, "unlinkat", 1, self.path("log"), "signal=SIGKILL"),
            harness.INSTAR, "bitmap", "--add", image, "n")
        with open(interrupt.journal_of(image), "rb") as file:
            self.assertEqual(self.agrees(file.read()), "done")

    def test_hostile_names(self):
        folder = self.directory / os.fsdecode(b"dir " + HOSTILE)
        folder.mkdir()
        image = str(folder / "disk.qcow2")
        os.rename(images.with_bitmaps(self.path("disk.qcow2")), image)
        data = self.killed("--add", image, os.fsdecode(b"n" + HOSTILE), image=image)
        self.assertEqual(self.agrees(data), "pending")
        self.assertIn(HOSTILE, journal.read(bytes(data)).asked)
        path = interrupt.journal_of(image)
        facts = self.shown(path)
        self.assertEqual(facts["image"], os.fsencode(os.path.realpath(image)))
        self.assertIn(r"n\x1b[31m\xff", self.show(path).out)  # show() looks for controls


class Damaged(Killed):
    def test_cut_anywhere(self):
        data, states = self.plain(), set()
        for end in (*range(0, len(data), 64), *range(0, 20), len(data) - 1):
            with self.subTest(end=end):
                states.add(self.agrees(data[:end]))
        self.assertEqual(states, {"never-begun"})

    def test_cut_between_batches(self):
        data, states = self.dense(), []
        for end in (*range(0, len(data) + 1, 512 * 5), len(data) - 512, len(data)):
            state = self.agrees(data[:end])
            states.append((state, len(journal.read(bytes(data[:end])).batches)))
        self.assertEqual(sorted(set(states)), sorted(
            {("never-begun", 0)} | {("pending", n + 1) for n in range(states[-1][1])}))

    def test_a_missing_sector(self):
        data = self.dense()
        found = set()
        for at in (*range(0, 8 * 512, 512), *range(8 * 512, len(data), 512 * 5)):
            if any(data[at:at + 512]):
                found.add(self.agrees(data[:at] + bytes(512) + data[at + 512:]))
        self.assertLessEqual({"malformed", "pending"}, found)

    def test_a_flipped_byte_is_noticed(self):
        data = self.plain()
        journal.end(data, journal.ABORTED, TIME)
        for at in (*range(512), *range(512, 3 * 512, 3)):
            data[at] ^= 1 << at % 8
            with self.subTest(at=at):
                path = self.write(data)
                result = self.refuses(path, 5, f"offset {at // 512 * 512} of the file")
                self.assertIn("malformed journal", result.err)
            data[at] ^= 1 << at % 8

    def test_every_changed_byte_with_the_checksums_made_right(self):
        """No field is read otherwise than the document says, none is left unchecked."""
        data, found = self.plain(), {}
        journal.end(data, journal.RECOVERING, TIME, bytes(range(16)))
        closing = journal.read(bytes(data)).batches[0].closing
        for at in range(len(data)):
            if at % 512 >= 508 or self.uninteresting(at):
                continue
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            journal.close(changed, closing)
            with self.subTest(at=at):
                state = self.agrees(changed)
                found[state] = found.get(state, 0) + 1
        self.assertEqual(set(found), {"malformed", "newer", "recovering", "never-begun"})
        self.assertGreater(found["recovering"], 100)
        self.assertGreater(found["malformed"], 400)

    def uninteresting(self, at):
        """Six of seven bytes inside zeros of the header and inside old content."""
        return at % 7 and (240 <= at < 500 or 560 <= at < 1020 or at >= 3 * 512)

    def test_a_newer_format(self):
        data = self.plain()
        for version in (2, 255, 2**32 - 1):
            struct.pack_into("<I", data, 8, version)
            journal.seal(data, 0)
            path = self.write(data)
            result = self.refuses(path, 5, f"newer format: version {version}, at offset 8 ")
            self.assertIn("\nhint: ", result.err)
        data[9] ^= 1  # no newer format, but damage: the checksum says so
        self.refuses(self.write(data), 5, "malformed journal")


class Endings(Killed):
    def test_every_kind(self):
        data = self.plain()
        for kind, state, words in ((1, "done", "done"), (2, "aborted", "aborted (undone)"),
                                   (3, "recovering", "pending, with a recovery begun")):
            journal.end(data, kind, TIME)
            self.assertEqual(self.agrees(data), state)
            out = self.show(self.path("j")).out
            self.assertIn(f"state         {words}\n", out)
            self.assertIn(rfc3339(TIME), out)
        journal.end(data, 3, TIME, uuid.uuid4().bytes)
        self.assertEqual(self.agrees(data), "recovering")
        for kind in (0, 4, 2**31):
            journal.end(data, kind, TIME)
            self.assertEqual(self.agrees(data), "malformed")
        journal.end(data, 1, TIME, b"\1" * 16)  # only a recovery has a boot
        self.assertEqual(self.agrees(data), "malformed")


class Files(ShowCase):
    def test_a_file_that_holds_no_transaction(self):
        for data in (b"", bytes(100), bytes(5000), b"instarUJ", b"inst"):
            self.assertEqual(self.agrees(data), "never-begun")
            result = self.show(self.path("j"))
            self.assertEqual(result.code, 0)
            self.assertIn("the file holds no transaction", result.out)

    def test_what_is_no_journal(self):
        for data in (b"x", b"instarUK", b"QFI\xfb" + bytes(4096), bytes(511) + b"x" + bytes(512)):
            self.assertEqual(self.agrees(data), "malformed")
        image = images.create(self.path("disk.qcow2"))
        self.refuses(image, 5, "at offset 0 of the file")

    def test_what_is_no_regular_file(self):
        os.mkfifo(self.path("fifo"))
        for path in (self.path("fifo"), self.path("."), "/dev/null", "/dev/tty"):
            self.refuses(path, 1, f"cannot use '{path}': it is not a regular file")
        os.symlink("fifo", self.path("link"))
        self.refuses(self.path("link"), 1, "not a regular file")
        self.refuses(self.path("missing"), 1, "No such file or directory")
        self.refuses("", 1, "No such file or directory")

    def test_a_link_is_followed_and_any_mode_will_do(self):
        path = self.write(b"")
        os.chmod(path, 0o666)
        os.symlink("j", self.path("link"))
        self.assertEqual(self.shown(self.path("link"))["state"], "never-begun")

    def test_a_living_writer(self):
        path = self.write(b"")
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        with open(path, "r+b") as writer:
            fcntl.fcntl(writer, fcntl.F_OFD_SETLK, lock)
            result = self.show("--output=json", path)
            self.assertIs(json.loads(result.out)["writer-alive"], True)
            self.assertIn("a living process holds the lock", self.show(path).out)
            writer.write(b"instarUJ" + bytes(1016))  # not whole yet
            writer.flush()
            self.refuses(path, 1, "in use by another process")
        self.refuses(path, 5, "malformed journal")

    def test_stdout_that_cannot_be_written(self):
        path = self.write(b"")
        for option in ("human", "json"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [harness.INSTAR, "journal", "show", "--output", option, path], stdout=full,
                    stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr), (
                1, b"instar journal: cannot write to standard output: No space left on device\n"))


class CommandLine(ShowCase):
    def test_rejected(self):
        for arguments, words in (
                ((), "missing verb"), (("x",), "unknown verb 'x'"),
                (("show",), "missing argument FILE"), (("show", "a", "b"), "'b'"),
                (("show", "--output=xml", "a"), "'xml'"), (("show", "-q", "a"), "'-q'"),
                (("a", "show"), "unknown verb 'a'")):
            result = self.run_program(harness.INSTAR, "journal", *arguments)
            self.assertEqual((result.code, result.out), (2, ""), result)
            self.assertTrue(result.err.startswith("instar journal: "), result)
            self.assertIn(words, result.first_line)
            self.assertTrue(result.err.endswith(
                "\nTry 'instar journal --help' for more information.\n"), result)

    def test_help_and_version(self):
        for arguments in (("journal", "--help"), ("journal", "show", "-h"), ("help", "journal")):
            result = self.run_program(harness.INSTAR, *arguments)
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertIn("Usage: instar journal show", result.out)
        result = self.run_program(harness.INSTAR, "journal", "-V")
        self.assertRegex(result.out, r"^instar journal \d")


if __name__ == "__main__":
    harness.main()
