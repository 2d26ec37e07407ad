"""./build.sh demo: the finished ISO starts in a virtual machine, and a person sees what it says.

Boots out/etcd-rescue.iso with a network card and an ext4 disk, shows the serial console as it comes, types a few
commands at the rescue shell and switches the machine off. Leaves nothing running and nothing behind.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine.accelerator import choose
from machine.vm import BOOT, Vm

TOP = Path(__file__).resolve().parent.parent
FINISHED = "until grep -q ^next /run/etcd-rescue/boot.log; do sleep 1; done"
COMMANDS = ["etcd-rescue --version", "etcd-rescue --help", "etcd-rescue boot --dry-run", "etcd-rescue plan --keys | head -n 12",
            "ip -o address", "free -m"]
# What the test harness types around a command is of no interest here.
TYPED = re.compile(r"^(.*# )?printf '<%s>.n' begin\d+; (.*); printf .*$")
NOISE = re.compile(r"^<(begin|end)\d+|^printf '<|^(.*# )?(echo )?awake-|^.*dmesg -n 1; stty")


def show(console, stop):
    """Copy the console's whole lines to this terminal until told to stop."""
    shown, before = 0, None
    while True:
        last = stop.is_set()
        text = console.text.replace("\r", "")
        end = len(text) if last else text.rfind("\n") + 1
        for line in text[shown:end].splitlines():
            line = TYPED.sub(r"rescue:~# \2", line)
            # A shell echoes a line again when it redraws it.
            if not NOISE.match(line) and (line != before or not line.startswith("rescue:")):
                print(line, flush=True)
                before = line
        shown = max(shown, end)
        if last:
            return
        time.sleep(0.2)


def disk(folder):
    """A disk with an ext4 file system, so that the image has something to see."""
    path = folder / "disk.img"
    with open(path, "wb") as image:
        image.truncate(64 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-L", "master-root", str(path)], check=True)
    return ["-drive", f"if=none,id=disk,format=raw,file={path}",
            "-device", "virtio-blk-pci,drive=disk,serial=MASTER-DISK-1"]


def session(vm):
    """Type the commands; the ones that failed, and the seconds to a shell."""
    stop = threading.Event()
    viewer = threading.Thread(target=show, args=(vm.console, stop))
    viewer.start()
    try:
        vm.console.wake(BOOT)
        seconds = time.monotonic() - vm.started
        vm.console.run(FINISHED, BOOT)
        failed = [command for command in COMMANDS if vm.console.run(command, 120).status]
        vm.console.send("poweroff\n")
        vm.wait_for_end(120)
        return failed, seconds
    finally:
        stop.set()
        viewer.join()


def main():
    iso = TOP / "out" / "etcd-rescue.iso"
    with tempfile.TemporaryDirectory(prefix="etcd-rescue-demo-") as folder:
        folder = Path(folder)
        accel = choose("qemu-system-x86_64", TOP / "out" / "vmlinuz")
        print(f"demo: booting {iso.name} ({iso.stat().st_size / 1e6:.1f} MB) as a CD, 256 MB of memory", flush=True)
        with Vm("demo", folder / "vm", accel, cdrom=iso, memory=256, nic="", extra=disk(folder)) as vm:
            failed, seconds = session(vm)
    if failed:
        sys.exit(f"demo: these commands failed: {', '.join(failed)}")
    print(f"\ndemo: a shell {seconds:.0f} s after power on; the machine is off again, nothing was left behind.")
    print("demo: the same image is out/etcd-rescue.iso for a CD or USB stick; README.md says how it boots over a network.")


main()
