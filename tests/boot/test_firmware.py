"""The ISO that carries the cards' firmware starts under UEFI as well; test_firmware_file.py has its other ways."""

import pytest

from machine import firmware
from machine.vm import BOOT


@pytest.mark.long
def test_firmware_iso_boots_under_uefi(fleet, image_file):
    # The files stay in memory, on top of what the plain image takes.
    with fleet.start("firmware-uefi", memory=320, machine="q35", firmware=firmware.plain(),
                     cdrom=image_file("etcd-rescue-firmware.iso")) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        # One of each of the large families, compressed or not.
        for family in ("bnx2x", "tigon", "rtl_nic", "qed", "intel/ice", "cxgb4"):
            assert vm.console.run(f"ls /lib/firmware/{family}/ | head -n 1").text, f"no firmware of {family}"
