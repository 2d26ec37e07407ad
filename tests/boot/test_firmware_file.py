"""A card that needs a firmware file: named where it is missing, fed where firmware.img carries it.

QEMU's i82551 is such a card: its driver, e100, asks for e100/d102e_ucode.bin when the link is set up.
"""

import json

import pytest

from machine.vm import BOOT

FILE = "e100/d102e_ucode.bin"
# Who waits for an address on a card without firmware waits long.
LINE = "quiet ip=off"
CARD = ("-netdev", "user,id=card", "-device", "i82551,netdev=card,mac=52:54:00:65:43:21")


def missing(vm):
    answer = vm.console.run("etcd-rescue boot --dry-run --json 2>/dev/null | grep '\"missing_firmware\"'", 120)
    seen = [json.loads(line) for line in answer.text.splitlines()]
    return [entry["file"] for one in seen for entry in one["missing_firmware"]]


def test_missing_file_is_named_on_the_console(fleet, image_file):
    with fleet.start("no-firmware", memory=192, kernel=image_file("vmlinuz"), initrd=image_file("initramfs.img"),
                     append=LINE, extra=CARD) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        assert vm.console.run("ip link set eth0 up").status != 0
        assert missing(vm) == [FILE]
        # Said in words, and what to do about it.
        answer = vm.console.run("etcd-rescue boot --dry-run 2>&1", 120).text
        assert FILE in answer and "etcd-rescue-firmware.iso" in answer


@pytest.mark.parametrize("way", ["iso", "second-initrd"])
def test_firmware_img_carries_it(way, fleet, image_file, work):
    if way == "iso":
        options = dict(cdrom=image_file("etcd-rescue-firmware.iso"))
    else:
        both = work / "with-firmware.img"
        initramfs = image_file("initramfs.img").read_bytes()
        both.write_bytes(initramfs + bytes(-len(initramfs) % 4) + image_file("firmware.img").read_bytes())
        options = dict(kernel=image_file("vmlinuz"), initrd=both, append=LINE)
    with fleet.start("firmware-" + way, memory=192, extra=CARD, **options) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        assert vm.console.run("ip link set eth0 up").status == 0
        assert vm.console.run("for i in 1 2 3 4 5 6 7 8; do sleep 1; [ \"$(cat /sys/class/net/eth0/carrier)\" = 1 ] && break; "
                              "done; cat /sys/class/net/eth0/carrier", 60).text == "1"
        assert missing(vm) == []
