"""Volumes as disks of this machine: a loop device below a fake /sys and /dev, seen in a mount namespace of the program's own.

A volume's content is a copy of a file system taken while it was mounted and written to, as EBS takes a snapshot: its last
files are in the journal alone.
"""

import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import threading
from pathlib import Path

MIB = 1 << 20
FIRST = MIB     # where a partition begins


def sh(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, **options).stdout.strip()


def loop(path, *options):
    return sh("losetup", "--show", "--find", *options, path)


def frozen_copy(work, files, kind="ext4", size=64 * MIB, partition=False, folder=""):
    """An image with these files {name: bytes} in a file system of that kind, on a partition where one is asked for,
    copied while it is in use."""
    work.mkdir(parents=True, exist_ok=True)
    live, frozen, point = work / "live", work / "frozen", work / "point"
    with open(live, "wb") as file:
        file.truncate(size)
        if partition:
            # An MBR with one partition of Linux from 1 MiB on.
            file.write(bytes(446) + struct.pack("<B3xB3xII", 0, 0x83, FIRST // 512, (size - FIRST) // 512) + bytes(48) + b"\x55\xaa")
    where = loop(live, "-o", FIRST if partition else 0)
    try:
        sh(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else ["-f"]), where)
        point.mkdir()
        sh("mount", where, point)
        try:
            (point / folder).mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                with open(point / folder / name, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            shutil.copyfile(live, frozen)
        finally:
            sh("umount", point)
    finally:
        sh("losetup", "-d", where)
    live.unlink()
    point.rmdir()
    return frozen


class Disks:
    """A machine whose disks come and go. plug and unplug are what an Ec2 calls."""

    def __init__(self, work, image, kind="nvme"):
        self.work, self.image, self.kind = Path(work), image, kind
        self.loops, self.busy, self.late = {}, [], None
        self.sys, self.dev, self.run_dir = (self.work / n for n in ("sys", "dev", "run"))
        (self.sys / "block").mkdir(parents=True)
        self.dev.mkdir()
        self.run_dir.mkdir()
        for name in ("null", "urandom"):
            s = os.stat(f"/dev/{name}")
            os.mknod(self.dev / name, s.st_mode, s.st_rdev)

    def disk(self, name, serial, device, size, partition=None):
        """One disk of the fake tree; its bytes, and those of its partition, are those of real block devices."""
        at = self.sys / "block" / name
        (at / "device").mkdir(parents=True)
        if serial:
            (at / "device" / "serial").write_text(serial + "\n")
            (at / "device" / "model").write_text("Amazon Elastic Block Store\n")
        (at / "size").write_text(f"{size // 512}\n")
        (at / "removable").write_text("0\n")
        self.node(name, device)
        if partition:
            # As a kernel does it: the disk first, its partitions when it has read the table.
            self.late = threading.Timer(0.7, self.part, (at, name, size, partition))
            self.late.start()

    def part(self, at, name, size, device):
        own = name + ("p1" if name[-1].isdigit() else "1")
        (at / own).mkdir()
        for file, value in ("partition", 1), ("start", FIRST // 512), ("size", (size - FIRST) // 512):
            (at / own / file).write_text(f"{value}\n")
        self.node(own, device)

    def node(self, name, device):
        os.mknod(self.dev / name, stat.S_IFBLK | 0o600, os.stat(device).st_rdev)

    def plug(self, volume):
        copy = self.work / volume["volumeId"]
        shutil.copyfile(self.image, copy)
        with open(copy, "rb") as file:
            partition = loop(copy, "-o", FIRST) if file.read(512)[510:] == b"\x55\xaa" else None
        device = loop(copy)
        name = f"nvme{len(self.loops) + 1}n1" if self.kind == "nvme" else "xvdj"
        self.loops[volume["volumeId"]] = [d for d in (device, partition) if d], name, copy
        serial = volume["volumeId"].replace("-", "") if self.kind == "nvme" else None
        self.disk(name, serial, device, volume["size"] << 30, partition)

    def unplug(self, volume):
        devices, name, copy = self.loops.pop(volume["volumeId"])
        if self.late:
            self.late.join()
        for device in devices:
            try:
                os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
            except OSError:
                self.busy.append(volume["volumeId"])
            sh("losetup", "-d", device)
        shutil.rmtree(self.sys / "block" / name)
        for node in self.dev.glob(name + "*"):
            node.unlink()
        copy.unlink()

    @property
    def wrapper(self):
        """Words that put a program into this machine."""
        inside = 'mount --bind "$0/sys" /sys && mount --bind "$0/run" /run && mount --bind "$0/dev" /dev && exec "$@"'
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", inside, str(self.work)]

    def close(self):
        if self.late:
            self.late.join()
        for devices, _, _ in self.loops.values():
            for device in devices:
                sh("losetup", "-d", device)


def kill(process):
    """As a power cut would: nothing is tidied up."""
    process.send_signal(signal.SIGKILL)


def loops_in(path):
    """Loop devices that still hold files below this path."""
    return [line for line in sh("losetup", "-a").splitlines() if re.search(re.escape(str(path)), line)]
