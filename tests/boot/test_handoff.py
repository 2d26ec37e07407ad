"""The image hands an installed machine back to its own disk, and never goes round in circles.

One machine a firmware, each asked along its whole way: image, disk, image again, disk by the next way, image, halt.
"""

import json
import re
import shutil
import subprocess
import time

import pytest

import requirement
from machine import cpio, firmware, loader
from machine.master import Cluster
from machine.vm import BOOT

NAME = "master-1"
STARTED = f"{NAME}: started from its own disk"
# An emulator on a busy machine is too slow for the check of the timer.
LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.auto=no no_timer_check"
WORDS = f"{loader.WORDS} no_timer_check"
HANDOFF = "etcd-rescue handoff"
LOOK = 180      # all drivers loaded and the disks looked at


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("handoff"), [NAME])


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory, image_file):
    """The image's, with the program of the same folder: it may be newer."""
    strip = requirement.need("strip")
    work = tmp_path_factory.mktemp("handoff-initramfs")
    shutil.copy(image_file("etcd-rescue"), work / "etcd-rescue")
    subprocess.run([strip, work / "etcd-rescue"], check=True)
    extra = cpio.archive({"bin/etcd-rescue": (work / "etcd-rescue").read_bytes()}, 0o100755)
    path = work / "initramfs.img"
    path.write_bytes(cpio.append(image_file("initramfs.img").read_bytes(), extra))
    return path


@pytest.fixture(scope="module")
def uki(top, tmp_path_factory, image_file, initramfs):
    path = tmp_path_factory.mktemp("handoff-uki") / "etcd-rescue.efi"
    done = subprocess.run([top / "initramfs" / "mkuki.sh", "--kernel", image_file("vmlinuz"), "--release",
                           loader.kernel()[1], "--initramfs", initramfs, "--output", path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


def in_the_image(vm):
    """A shell of the image, which has found the disk; what a dry run says: {rung: (state, why)}, and rung and text."""
    vm.console.wake(BOOT)
    # The drivers of the disks are being loaded meanwhile, and that is told on the same line.
    deadline = time.monotonic() + LOOK
    while (found := vm.console.run(f"{HANDOFF} --dry-run --json 2>&1", 60)).status and time.monotonic() < deadline:
        time.sleep(3)
    said = re.search(r'{"event":"handoff".*}', found.text)
    assert found.status == 0 and said, found.text
    return {step["rung"]: (step["state"], step["why"]) for step in json.loads(said[0])["steps"]}


def hand_off(vm):
    vm.console.send(f"{HANDOFF} --yes --verbose\n")


def on_the_disk(vm, seconds=BOOT):
    vm.console.expect(STARTED, seconds, stop_at="HAS NOT STARTED|Kernel panic")
    vm.console.wake(BOOT)
    # A file system that was not left cleanly would have had to be recovered.
    assert vm.console.run("dmesg | grep -c 'EXT4-fs.*recover'").text == "0"
    return vm.console.run("cat /proc/cmdline").text


def back_to_the_image(vm):
    vm.console.send("reboot\n")
    return in_the_image(vm)


def boot_order(vm):
    """Numbers, in order; four bytes of attributes come before them."""
    words = vm.console.run("od -An -v -tx2 /sys/firmware/efi/efivars/BootOrder-*").text.split()
    return words[2:]


@pytest.mark.long
def test_bios_goes_to_the_disk_by_kexec_and_halts_when_it_leads_back(fleet, image_file, cluster, initramfs, tmp_path):
    disk = cluster[NAME].disk(tmp_path / "bios.img", firmware="bios", programs=False, words=WORDS)
    with fleet.start("handoff-bios", memory=512, kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE, disks=[disk],
                     reboot=True) as vm:
        dry = in_the_image(vm)
        assert dry["kexec"][0] == "chosen" and "Debian GNU/Linux" in dry["kexec"][1]
        assert list(dry) == ["kexec", "flag", "halt"]
        hand_off(vm)
        line = on_the_disk(vm)
        # Word by word what GRUB would have handed over.
        uuid = vm.console.run("sed -n 's/.*root=UUID=\\([^ ]*\\) .*/\\1/p' /boot/grub/grub.cfg").text
        assert line == f"root=UUID={uuid} ro {WORDS}"
        # The tests' machine writes nothing that says it ran, so being back at once is a way that leads back.
        dry = back_to_the_image(vm)
        assert dry["kexec"][0] == "tried" and dry["flag"][0] == "cannot"
        hand_off(vm)
        vm.console.expect("THIS MACHINE HAS NOT STARTED FROM ITS OWN DISK", 120, stop_at="started from its own")
        # It stays, and a person's word counts.
        assert vm.console.run("echo still here").text == "still here"
        vm.console.send(f"{HANDOFF} --yes --to kexec\n")
        assert on_the_disk(vm) == line


@pytest.mark.long
def test_uefi_boots_the_disk_once_then_by_kexec_then_halts(fleet, cluster, uki, tmp_path):
    disk = cluster[NAME].disk(tmp_path / "uefi.img", firmware="uefi", programs=False, words=WORDS)
    with fleet.start("handoff-uefi", memory=640, machine="q35", firmware=firmware.plain(), efi_app=uki, disks=[disk],
                     reboot=True) as vm:
        dry = in_the_image(vm)
        state, why = dry["firmware"]
        assert state == "chosen" and "EFI/debian/shimx64.efi" in why, dry
        before = boot_order(vm)
        hand_off(vm)
        line = on_the_disk(vm)
        assert "BOOT_IMAGE=/boot/vmlinuz" in line, "not by the disk's own boot loader"
        # The medium is still the first, as its owner has it, and one entry has come. (OVMF sorts the rest by itself.)
        after = boot_order(vm)
        assert after[0] == before[0] and set(before) < set(after) and len(after) == len(before) + 1
        dry = back_to_the_image(vm)
        assert dry["firmware"][0] == "tried" and dry["kexec"][0] == "chosen", dry
        hand_off(vm)
        line = on_the_disk(vm)
        assert "BOOT_IMAGE" not in line and WORDS in line
        dry = back_to_the_image(vm)
        assert dry["kexec"][0] == "tried" and dry["halt"][0] == "chosen", dry
        hand_off(vm)
        vm.console.expect("THIS MACHINE HAS NOT STARTED FROM ITS OWN DISK", 120, stop_at="started from its own")
        # However often, it is one entry of ours.
        assert sorted(boot_order(vm)) == sorted(after)
