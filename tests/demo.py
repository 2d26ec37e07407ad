"""./build.sh demo: the finished ISO starts in a virtual machine, and a person sees what it says.

Boots out/etcd-rescue.iso with a network card and an ext4 disk, shows the serial console as it comes, types a few
commands at the rescue shell and switches the machine off. Leaves nothing running and nothing behind.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine.accelerator import choose
from machine.vm import BOOT, Vm

TOP = Path(__file__).resolve().parent.parent
COMMANDS = ["etcd-rescue --version", "etcd-rescue --help", "etcd-rescue boot --dry-run", "etcd-rescue plan --keys | head -n 20",
        "ip -br address", "free -m"]


def show(console, stop):
    """Copy the console's lines to this terminal until told to stop."""
    shown = 0
    while True:
        last = stop.is_set()
        text = console.text.replace("\r", "")
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        if last:
            return
        time.sleep(0.2)


def disk(folder):
    """A 64 MiB disk with an ext4 file system, so that the image has something to see."""
    path = folder / "disk.img"
    with open(path, "wb") as image:
        image.truncate(64 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-L", "master-root", str(path)], check=True)
    return ["-drive", f"if=none,id=disk,format=raw,file={path}", "-device", "virtio-blk-pci,drive=disk,serial=MASTER-DISK-1"]


def main():
    iso = TOP / "out" / "etcd-rescue.iso"
    with tempfile.TemporaryDirectory(prefix="etcd-rescue-demo-") as folder:
        folder = Path(folder)
        print(f"demo: booting {iso.name} ({iso.stat().st_size / 1e6:.1f} MB) as a CD, 256 MB of memory", flush=True)
        accel = choose("qemu-system-x86_64", TOP / "out" / "vmlinuz")
        with Vm("demo", folder / "vm", accel, cdrom=iso, memory=256, nic="", extra=disk(folder)) as vm:
            stop = threading.Event()
            viewer = threading.Thread(target=show, args=(vm.console, stop))
            viewer.start()
            try:
                vm.console.wake(BOOT)
                seconds = time.monotonic() - vm.started
                failed = [command for command in COMMANDS if vm.console.run(command, 120).status]
                vm.console.send("poweroff\n")
                vm.wait_for_end(120)
            finally:
                stop.set()
                viewer.join()
    if failed:
        sys.exit(f"\ndemo: these commands failed: {', '.join(failed)}")
    print(f"\ndemo: a shell {seconds:.0f} s after power on; the machine is off again, nothing was left behind.")
    print("demo: the same image is out/etcd-rescue.iso for a CD or USB stick; see README.md for the network.")


main()
