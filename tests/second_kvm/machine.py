# SPDX-License-Identifier: MIT
"""An emulated machine with an ordinary KVM: Debian's kernel under qemu's TCG, which
emulates AMD SVM.

Needs no KVM itself, no root, no disk and no network.  The machine boots from an
initramfs that holds busybox, the KVM modules and the caller's files, runs the caller's
script, and sends a directory back over its second serial port.
"""

import base64
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

MODULES = ["irqbypass", "kvm", "ccp", "kvm-amd"]  # in this order

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in {modules}; do insmod /modules/$module.ko; done
mount -t tmpfs tmpfs /tmp
echo "second KVM: $(uname -r), nested paging $(cat /sys/module/kvm_amd/parameters/npt)"
mkdir -p /tmp/back
sh /script
cd /tmp/back && tar cf - . | gzip -1 | base64 >/dev/ttyS1
sync
poweroff -f
"""


class Unavailable(Exception):
    """Something that the machine needs is not here: a reason to skip."""


def kernel(cache):
    """Paths of the kernel and of the KVM modules, from Debian's package; downloaded
    once into `cache`."""
    unpacked = cache / "kernel"
    if not unpacked.exists():
        _download(cache, unpacked)
    images = list(unpacked.glob("boot/vmlinuz-*"))
    modules = {name: next(unpacked.rglob(f"{name}.ko"), None) for name in MODULES}
    if len(images) != 1 or None in modules.values():
        raise Unavailable(f"the kernel package in {unpacked} has no kernel or no KVM modules")
    return images[0], modules


def _download(cache, unpacked):
    cache.mkdir(parents=True, exist_ok=True)
    for attempt in ("as it is", "after an update"):
        package = _kernel_package()
        if package and subprocess.run(["apt-get", "-qq", "download", package], cwd=cache,
                                      stdin=subprocess.DEVNULL).returncode == 0:
            break
        # Package lists may be missing or older than the mirror.
        if attempt == "as it is" and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], stdin=subprocess.DEVNULL, check=False)
        else:
            raise Unavailable("apt-get could not download Debian's kernel "
                              "(the package that linux-image-amd64 depends on)")
    archive = next(cache.glob(f"{package}_*.deb"))
    partial = cache / "kernel.partial"
    shutil.rmtree(partial, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-x", archive, partial], check=True)
    archive.unlink()
    partial.rename(unpacked)


def _kernel_package():
    try:
        answer = subprocess.run(["apt-cache", "depends", "linux-image-amd64"],
                                capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise Unavailable("this is not Debian: there is no apt-cache") from error
    names = [line.split()[-1] for line in answer.splitlines() if "Depends: linux-image" in line]
    return names[0] if names else None


# ---- the initramfs ---------------------------------------------------------------


def _entry(archive, number, name, mode, data=b""):
    """One file of a "newc" cpio archive (the kernel's initramfs format)."""
    name = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
    archive.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
    archive.write(b"\0" * (-archive.tell() % 4) + data)
    archive.write(b"\0" * (-archive.tell() % 4))


def initramfs(path, modules, script, files):
    """`files` maps a path inside the machine to (bytes, executable)."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Unavailable("busybox is not installed (package busybox-static)")
    content = {"bin/busybox": (pathlib.Path(busybox).read_bytes(), True),
               "init": (INIT.format(modules=" ".join(MODULES)).encode(), True),
               "script": (script.encode(), True)}
    content.update({f"modules/{name}.ko": (module.read_bytes(), False)
                    for name, module in modules.items()})
    content.update(files)
    folders = {str(parent) for name in content for parent in pathlib.PurePath(name).parents}
    folders |= {"proc", "sys", "dev", "tmp"}
    archive = io.BytesIO()
    number = 1
    for folder in sorted(folders - {"."}):
        _entry(archive, number, folder, 0o040755)
        number += 1
    for name, (data, executable) in content.items():
        _entry(archive, number, name, 0o100755 if executable else 0o100644, data)
        number += 1
    _entry(archive, 0, "TRAILER!!!", 0)
    path.write_bytes(archive.getvalue())


# ---- running it --------------------------------------------------------------------


def run(work, cache, script, files, limit=420):
    """Boot, run `script`, power off.  Returns the files that it left in /tmp/back, as
    {name: bytes}, and what the console said."""
    if not shutil.which("qemu-system-x86_64"):
        raise Unavailable("qemu-system-x86_64 is not installed (package qemu-system-x86)")
    image, modules = kernel(cache)
    archive, console, back = work / "initramfs", work / "console", work / "back"
    initramfs(archive, modules, script, files)
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "1024",
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-serial", f"file:{console}", "-serial", f"file:{back}",
               "-kernel", str(image), "-initrd", str(archive),
               "-append", "console=ttyS0 quiet panic=-1"]
    begin = time.monotonic()
    try:
        # TCG warns about every feature of an EPYC that it does not emulate.
        subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                       timeout=limit, check=True)
    except subprocess.TimeoutExpired as error:
        said = console.read_text(errors="replace") if console.exists() else ""
        raise AssertionError(f"the machine did not power off in {limit} s; it said:\n{said}") \
            from error
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"qemu failed: {error.stderr}") from error
    said = console.read_text(errors="replace")
    print(f"machine ran for {time.monotonic() - begin:.1f} s", flush=True)
    return _unpack(back.read_bytes(), said), said


def _unpack(text, said):
    try:
        packed = base64.b64decode(text)
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            return {member.name.removeprefix("./"): archive.extractfile(member).read()
                    for member in archive if member.isfile()}
    except (ValueError, tarfile.TarError, OSError) as error:
        raise AssertionError(f"nothing readable came back ({error}); it said:\n{said}") from error
