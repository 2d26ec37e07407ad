"""The variants that carry the cards' firmware start as well, and have it where the kernel looks."""

import pytest

from machine import firmware
from machine.cpio import append
from machine.vm import BOOT

pytestmark = pytest.mark.long
MEMORY = 320        # the files stay in memory, on top of what the plain image takes


def has_firmware(vm):
    vm.console.wake(BOOT)
    vm.settle()
    # One of each of the large families, compressed or not.
    for family in ("bnx2x", "tigon", "rtl_nic", "qed", "intel/ice", "cxgb4"):
        assert vm.console.run(f"ls /lib/firmware/{family}/ | head -n 1").text, f"no firmware of {family}"


@pytest.mark.parametrize("loader", ["bios", "uefi"])
def test_firmware_iso_boots(loader, fleet, image_file):
    options = dict(machine="q35", firmware=firmware.plain()) if loader == "uefi" else {}
    with fleet.start(f"firmware-{loader}", memory=MEMORY, cdrom=image_file("etcd-rescue-firmware.iso"),
                     **options) as vm:
        has_firmware(vm)


def test_second_initrd_brings_firmware(fleet, image_file, work):
    both = work / "firmware-both.img"
    both.write_bytes(append(image_file("initramfs.img").read_bytes(), image_file("firmware.img").read_bytes()))
    with fleet.start("firmware-initrd", memory=MEMORY, kernel=image_file("vmlinuz"), initrd=both,
                     append="console=ttyS0 panic=-1") as vm:
        has_firmware(vm)
    both.unlink()
