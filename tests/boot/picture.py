#!/usr/bin/python3
"""The picture in the README: the screen of a server that was started from the ISO.

    tests/boot/picture.py [--image out] [--output tests/boot/console.png]

A UEFI machine with two disks, as a control plane's node has them, and two network cards of which one has a cable.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests"))

from machine import accelerator, firmware       # noqa: E402 (the path above finds them)
from machine.vm import BOOT, Vm                 # noqa: E402


def disk(path, *, label, megabytes):
    """A disk of zeros with an ext4 on it; sparse."""
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-L", label, path], check=True)
    return path


def used(picture):
    """Width and height of what is not background, with a margin."""
    rows = picture.cells()
    filled = [[any(cell) for cell in row] for row in rows]
    height = max(y for y, row in enumerate(filled) if any(row)) + 2
    width = max(x for row in filled for x, mark in enumerate(row) if mark) + 2
    return min(width * 8, picture.width), min(height * 16, picture.height)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--image", type=Path, default=TOP / "out")
    options.add_argument("--output", type=Path, default=TOP / "tests" / "boot" / "console.png")
    options = options.parse_args()
    qemu = "qemu-system-x86_64"
    accel = accelerator.choose(qemu, options.image / "vmlinuz")
    with tempfile.TemporaryDirectory(dir=TOP / "build", prefix="picture-") as folder:
        work = Path(folder)
        system = disk(work / "system.img", label="root", megabytes=2048)
        data = disk(work / "data.img", label="etcd", megabytes=1024)
        server = ("-smbios", "type=1,manufacturer=Example,product=Rack Server R1,serial=SN4711",
                  "-drive", f"if=none,id=d0,format=raw,file={system}", "-device", "ide-hd,bus=ide.0,drive=d0,model=EXAMPLE SSD 2G,serial=S0001",
                  "-drive", f"if=none,id=d1,format=raw,file={data}", "-device", "ide-hd,bus=ide.1,drive=d1,model=EXAMPLE SSD 1G,serial=S0002",
                  "-netdev", "user,id=lan", "-device", "e1000e,netdev=lan,mac=52:54:00:12:34:56,romfile=",
                  "-device", "e1000e,mac=52:54:00:12:34:57,romfile=")
        with Vm("picture", work / "vm", accel, memory=1024, machine="q35", firmware=firmware.plain(),
                cdrom=options.image / "etcd-rescue.iso", extra=server) as vm:
            vm.console.wake(BOOT)
            vm.settle()
            assert re.search("next  ", vm.console.text), "boot has not said what to do next"
            time.sleep(2)
            vm.type("\n")
            time.sleep(5)
            picture = vm.picture()
    png = picture.cropped(*used(picture)).png()
    options.output.write_bytes(png)
    print(f"{options.output}: {len(png)} bytes")


if __name__ == "__main__":
    main()
