#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reports of guests that lie: out of order, of other lengths than their own, impossible, too
many; and texts that would steer a terminal if they came through."""

import json
import struct

import hostile
from hostile import CHECK, CONTROLS, INFO, MAP, PROTOCOL, Breach
from script import ARENA, REPORT, U64, Request, Script

(IMAGE, SNAPSHOT, BITMAP, DAMAGE, PICTURE, EXTENTS, FINDINGS, SNAPSHOT_FINDING, PROGRESS, SUMS,
 REPAIR) = range(1, 12)
NAME = b"n\x1b[2J\r\n\x07" + CONTROLS
INFO_JSON = ("info", "--output", "json", "{}")
CHECK_JSON = ("check", "--output", "json", "{}")
REPAIR_ALL = ("check", "-r", "all", "{}")
CALL_PROGRESS = 8  # abi_call.flags: the checker has it, a repair does not
MOST = 2**63 - 1  # of JSON's numbers
COLUMNS = 58  # of the picture on a terminal of 60


def image_report(version=3, flags=0, size=64 << 20, cluster=65536, bits=16, backing=b"",
                 backing_format=b"", data_file=b"", autoclear=1, lengths=None):
    lengths = lengths or (len(backing), len(backing_format), len(data_file))
    return struct.pack("<IIQQIIIIQQQIIII", version, flags, size, cluster, bits, 0, 0, 0, 0, 0,
                       autoclear, *lengths, 0) + backing + backing_format + data_file


def snapshot_report(identity=b"1", name=b"s", lengths=None):
    return struct.pack("<QQQIIII", U64, U64, U64, 0xffffffff, 0xffffffff,
                       *(lengths or (len(identity), len(name)))) + identity + name


def bitmap_report(name, granularity=65536, clusters=(1, 1), dirty=0, length=None):
    return struct.pack("<QQIIQQQQIIII", U64, U64, 0xffffffff, 0xfffffffe, granularity, *clusters,
                       dirty, 3, 0xffffffff, 0xffffffff,
                       len(name) if length is None else length) + name


def damage_report(code=36, name=b"", detail=(U64,) * 4, length=None):
    return struct.pack("<II4QII", code, 0, *detail, 0xffffffff,
                       len(name) if length is None else length) + name


def finding(kind, detail=(U64,) * 3):
    return struct.pack("<II3Q", kind, 0xffffffff, *detail)


def snapshot_finding(kind, identity, name, lengths=None):
    return finding(kind) + struct.pack("<II", *(lengths or (len(identity), len(name)))) + (
        identity + name)


def sums(corruptions=0, leaks=0, errors=0, incomplete=0, **others):
    number = others.get("number", 0)
    return struct.pack("<9QII", corruptions, leaks, errors, *[number] * 6, 1, incomplete)


def repair_report(kind, name=b"", detail=(U64,) * 3, length=None):
    return struct.pack("<II3Q", kind, len(name) if length is None else length, *detail) + name


def extents(*pairs):
    return b"".join(struct.pack("<QQ", *pair) for pair in pairs)


def picture(columns=COLUMNS, size=64 << 20, dirty=0, column_bytes=2 << 20, parts=None):
    return struct.pack("<QQIIQ", size, dirty, columns, 0, column_bytes) + struct.pack(
        f"<{COLUMNS}Q", *(parts or [0] * COLUMNS))


def reports(*kinds_and_bytes):
    script = Script()
    for kind, data in kinds_and_bytes:
        script.report(kind, data)
    return script.end()


class Malformed(hostile.HostileCase):
    """Each ends the guest."""

    def breach_all(self, command, table):
        for name, listed in table.items():
            with self.subTest(report=name):
                self.breaks(Breach(name, "report: content", reports(*listed), command))

    def test_order(self):
        image, bitmap = (IMAGE, image_report()), (BITMAP, bitmap_report(b"n"))
        snapshot, damage = (SNAPSHOT, snapshot_report()), (DAMAGE, damage_report())
        self.breach_all(INFO, {
            "a bitmap first": [bitmap], "a snapshot first": [snapshot], "damage first": [damage],
            "two images": [image, image], "a snapshot behind a bitmap": [image, bitmap, snapshot],
            "a bitmap behind damage": [image, damage, bitmap],
            "extents": [image, (EXTENTS, extents((0, 1)))],
            **{f"kind {kind:#x}": [image, (kind, b"12345678")]
               for kind in (0, 5, 12, 1 << 32, 1 << 32 | 3, U64)}})

    def test_lengths(self):
        image = (IMAGE, image_report())
        self.breach_all(INFO, {
            "a short image": [(IMAGE, image_report()[:-1])],
            "a long image": [(IMAGE, image_report() + b"x")],
            "a long name": [(IMAGE, image_report(lengths=(1, 0, 0)))],
            "names that overflow": [(IMAGE, image_report(lengths=(0, U64 >> 32, 1)))],
            "a backing name over all": [(IMAGE, image_report(backing=b"b" * 1024))],
            "a short snapshot": [image, (SNAPSHOT, snapshot_report()[:30])],
            "a snapshot's names": [image, (SNAPSHOT, snapshot_report(lengths=(2**32 - 1, 3)))],
            "a short bitmap": [image, (BITMAP, bitmap_report(b"")[:-1])],
            "a bitmap's name": [image, (BITMAP, bitmap_report(b"nn", length=3))],
            "half a name": [image, (BITMAP, bitmap_report(b"nn", length=1))],
            "an endless name": [image, (BITMAP, bitmap_report(b"nn", length=2**32 - 1))],
            "a damage's name": [image, (DAMAGE, damage_report(length=2**31))]})

    def test_numbers(self):
        image = (IMAGE, image_report())
        self.breach_all(INFO, {
            **{f"version {v}": [(IMAGE, image_report(version=v))] for v in (0, 1, 4, 2**32 - 1)},
            **{f"clusters {c:#x}": [(IMAGE, image_report(cluster=c))]
               for c in (0, 1, 256, 65537, 4 << 20, 1 << 32, 1 << 63)},
            "refcount bits": [(IMAGE, image_report(bits=65))],
            "granularity": [image, (BITMAP, bitmap_report(b"n", granularity=3))],
            "clusters that overflow": [image, (BITMAP, bitmap_report(b"n", clusters=(U64, 1)))],
            "bytes that overflow": [image, (BITMAP, bitmap_report(b"n", clusters=(1 << 48, 0)))],
            "more dirty than there is": [image, (BITMAP, bitmap_report(b"n", dirty=U64))],
            **{f"damage {code}": [image, (DAMAGE, damage_report(code))]
               for code in (0, 20, 47, 1000, 2**32 - 1)}})

    def test_a_map(self):
        self.breach_all(MAP, {
            "another kind": [(IMAGE, image_report())], "a picture": [(PICTURE, picture())],
            "half an extent": [(EXTENTS, bytes(24))], "nothing": [(EXTENTS, extents((0, 0)))],
            "descending": [(EXTENTS, extents((4096, 1), (0, 1)))],
            "descending later": [(EXTENTS, extents((4096, 1))), (EXTENTS, extents((0, 1)))],
            "neighbours": [(EXTENTS, extents((0, 1), (1, 1)))],
            "over each other": [(EXTENTS, extents((0, 9), (8, 9)))],
            "around": [(EXTENTS, extents((U64, 2)))],
            "behind 2^63": [(EXTENTS, extents((0, 1 << 63)))]})

    def test_a_picture(self):
        """Only a terminal is shown one."""
        ascending = (EXTENTS, extents((0, 1)))
        table = {
            "none": [ascending], "behind the extents": [(PICTURE, picture()), ascending,
                                                        (PICTURE, picture())],
            "twice": [(PICTURE, picture())] * 2, "columns": [(PICTURE, picture(columns=57))],
            "no columns": [(PICTURE, picture(columns=0))],
            "more dirty than there is": [(PICTURE, picture(dirty=U64))],
            "another sum": [(PICTURE, picture(dirty=1))],
            "empty columns": [(PICTURE, picture(column_bytes=0))],
            "columns that overflow": [(PICTURE, picture(column_bytes=U64))],
            "columns too short": [(PICTURE, picture(column_bytes=1))],
            "a full column": [(PICTURE, picture(dirty=U64, parts=[U64] + [0] * 57))],
            "beyond the disk": [(PICTURE, picture()), (EXTENTS, extents((0, (64 << 20) + 1)))]}
        for name, listed in table.items():
            with self.subTest(report=name):
                result = self.attack_terminal(reports(*listed), MAP)
                self.assert_ended(result, MAP, PROTOCOL)

    def test_a_check(self):
        """Its child passes on what its parent then refuses."""
        image, end = (IMAGE, image_report()), (SUMS, sums())
        table = {
            "no image": [end], "two images": [image, image], "two sums": [image, end, end],
            "behind the sums": [image, end, (FINDINGS, finding(1))],
            "a short image": [(IMAGE, image_report()[:-1])],
            "short sums": [image, (SUMS, sums()[:-1])],
            **{f"{name} beyond number": [image, (SUMS, sums(**{name: MOST + 1}))]
               for name in ("corruptions", "leaks", "errors", "number")},
            "another kind": [image, (BITMAP, bitmap_report(b"n"))],
            "kind 2^32": [image, (1 << 32, b"12345678")], "kind 0": [(0, b"12345678")],
            "half a finding": [image, (FINDINGS, finding(1)[:-1])],
            **{f"finding {kind}": [image, (FINDINGS, finding(kind))]
               for kind in (0, 26, 2**32 - 1)},
            "names": [image, (SNAPSHOT_FINDING, snapshot_finding(19, b"", b"", (U64 >> 32, 1)))],
            "long names": [image, (SNAPSHOT_FINDING, snapshot_finding(19, b"i" * 256, b""))],
            "a long name": [image, (DAMAGE, damage_report(name=b"n" * 1024))],
            "no progress": [image, (PROGRESS, struct.pack("<QQ", 0, 0))],
            "too much progress": [image, (PROGRESS, struct.pack("<QQ", 2, 1))],
            **{f"damage {code}": [image, (DAMAGE, damage_report(code))]
               for code in (0, 20, 47, 1000, 2**32 - 1)}}
        for name, listed in table.items():
            with self.subTest(report=name):
                self.ends(reports(*listed), PROTOCOL, CHECK)


class Texts(hostile.HostileCase):
    """Well-formed reports whose texts and numbers are hostile: told, and steered by nothing."""

    def told(self, result, code):
        self.assertEqual(result.code, code, result)
        self.assert_steers_nothing(result)
        self.assert_untouched()
        return result

    def description(self):
        flags = 1 | 4 | 8 | 16 | 256
        return reports(
            (IMAGE, image_report(flags=flags, size=U64, backing=NAME, backing_format=NAME,
                                 data_file=NAME)),
            (SNAPSHOT, snapshot_report(NAME, NAME)), (BITMAP, bitmap_report(NAME)),
            (BITMAP, bitmap_report(NAME * 700, granularity=1 << 63)), (BITMAP, bitmap_report(b"")),
            (DAMAGE, damage_report(36, NAME)), (DAMAGE, damage_report(3, NAME)))

    def test_a_description_on_a_terminal(self):
        result = self.told(self.attack_terminal(self.description(), INFO), 0)
        self.assertIn("image:", result.out)

    def test_a_description_in_json(self):
        result = self.told(self.attack(self.description(), INFO_JSON), 0)
        self.assertTrue(result.out.isascii())
        json.loads(result.out)

    def test_findings(self):
        listed = [(IMAGE, image_report())]
        listed += [(FINDINGS, finding(kind)) for kind in range(1, 26)]
        listed += [(SNAPSHOT_FINDING, snapshot_finding(19, NAME[:99], NAME[-99:])),
                   (PROGRESS, struct.pack("<QQ", U64, U64)),
                   (DAMAGE, damage_report(36, NAME)), (DAMAGE, damage_report(37, NAME)),
                   (SUMS, sums(MOST, MOST, number=MOST))]
        for command in (CHECK, ("check", "-p", "{}")):
            result = self.attack(reports(*listed), command)
            result.out = result.out.replace("    (100.00/100%)\r", "")
            self.told(result, 2)
            self.assertIn(f"{MOST} errors were found on the image.", result.out)
        json.loads(self.told(self.attack(reports(*listed), CHECK_JSON), 2).out)

    def repair(self, *listed):
        """As the checker: a leak.  As the repair: these."""
        check = reports((IMAGE, image_report()), (SUMS, sums(leaks=1)))
        script = Script().only_with(CALL_PROGRESS, check)
        for kind, data in listed:
            script.report(kind, data)
        return script.end()

    def test_a_repair_that_is_none(self):
        """It tells of much and does nothing: the leak is still there."""
        listed = [(REPAIR, repair_report(kind, NAME)) for kind in range(1, 24)]
        for command in (REPAIR_ALL, ("check", "-r", "all", "-n", "{}")):
            self.told(self.attack(self.repair(*listed), command), 3)

    def test_malformed_reports_of_a_repair(self):
        for name, listed in {
                "another kind": (FINDINGS, finding(1)), "short": (REPAIR, b"1234"),
                "unknown": (REPAIR, repair_report(99)), "zero": (REPAIR, repair_report(0)),
                "a name": (REPAIR, repair_report(9, b"n", length=2)),
                "a long name": (REPAIR, repair_report(9, b"n" * 1024))}.items():
            with self.subTest(report=name):
                result = self.told(self.attack(self.repair(listed), REPAIR_ALL), 1)
                self.assertIn(f"not repaired, nothing changed: {PROTOCOL}", result.err)


class Floods(hostile.HostileCase):
    def test_findings_without_end(self):
        """512 MiB of them at most; here it begins shortly before."""
        script = Script().report(IMAGE, image_report())
        script.bytes(ARENA, finding(1) * 2000)
        script.ring(*[Request(REPORT, 0, 64000, ARENA, value=FINDINGS)])
        script.again(script.here - 32)
        result = self.attack(script, CHECK, bytes_reported=(512 << 20) - (1 << 20))
        self.assertEqual(result.code, 1)
        self.assertLess(len(result.err), 16 << 20)
        self.assertEqual(result.err.splitlines()[-2:][0], f"instar check: {PROTOCOL}")
        self.assert_untouched()


if __name__ == "__main__":
    hostile.main()
