"""Disks behind the controllers of servers, a plan on a stick, a virtual console, and an image cut in transport."""

import json
import re
import subprocess

import pytest

import requirement
from machine.vm import BOOT

LINE = "console=tty0 console=ttyS0 panic=-1"
PLAN = "source: https://192.0.2.1/etcd/\nnetwork: [ip=192.0.2.7::192.0.2.254:24::eth0:none]\n"


def disk(name, path, device):
    return ["-drive", f"if=none,id={name},format=raw,file={path}", "-device", f"{device},drive={name}"]


@pytest.fixture(scope="module")
def server(fleet, image_file, work):
    """ext4 behind a MegaRAID controller, LUKS on NVMe, a stick labelled RESCUE with a plan, hvc0, a card without DHCP."""
    mkfs, mformat, mcopy = requirement.need("mkfs.ext4", "mformat", "mcopy")
    raid, nvme, stick, plan = (work / name for name in ("raid.img", "nvme.img", "stick.img", "hardware-plan.yaml"))
    for path in (raid, nvme, stick):
        with open(path, "wb") as file:
            file.truncate(32 << 20)
    subprocess.run([mkfs, "-q", "-F", "-L", "ROOT", "-U", "00112233-4455-6677-8899-aabbccddeeff", raid], check=True)
    with open(nvme, "r+b") as file:
        file.write(b"LUKS\xba\xbe\0\2")
    plan.write_text(PLAN)
    subprocess.run([mformat, "-i", stick, "-v", "RESCUE", "::"], check=True)
    subprocess.run([mcopy, "-i", stick, plan, "::plan.yaml"], check=True)
    extra = ["-device", "megasas,id=raid", *disk("root", raid, "scsi-hd,bus=raid.0,serial=RAIDVOL1"),
             *disk("fast", nvme, "nvme,serial=NVME001"),
             "-device", "qemu-xhci,id=xhci", *disk("plan", stick, "usb-storage,bus=xhci.0,removable=on"),
             "-device", "virtio-serial-pci", "-chardev", f"file,id=hv,path={work / 'hvc0.txt'}",
             "-device", "virtconsole,chardev=hv",
             "-netdev", "user,id=quiet,restrict=on", "-device", "e1000,netdev=quiet,mac=52:54:00:aa:bb:cc"]
    with fleet.start("hardware", memory=256, machine="q35", kernel=image_file("vmlinuz"),
                     initrd=image_file("initramfs.img"), append=LINE, extra=extra) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        yield vm


@pytest.fixture(scope="module")
def seen(server):
    answer = server.console.run("etcd-rescue boot --dry-run --json 2>/dev/null", 120)
    assert answer.status == 0, answer.text
    return json.loads(answer.text)


def by_serial(seen, serial):
    return next(one for one in seen["disks"] if one["serial"] == serial)


def test_disk_behind_a_raid_controller(seen):
    found = by_serial(seen, "RAIDVOL1")
    assert (found["driver"], found["content"], found["label"]) == ("megaraid_sas", "ext4", "ROOT")
    assert found["uuid"] == "00112233-4455-6677-8899-aabbccddeeff"


def test_encrypted_nvme_disk(seen):
    found = by_serial(seen, "NVME001")
    assert (found["name"], found["transport"], found["content"]) == ("nvme0n1", "nvme", "luks2")


def test_plan_on_a_stick_is_found_and_sets_the_network(server, seen):
    assert (seen["plan"]["found"], seen["plan"]["way"]) == (True, "volume")
    assert "inet 192.0.2.7/24" in server.console.run("ip -4 addr show eth0").text
    log = server.console.run("cat /run/etcd-rescue/boot.log").text
    assert "network: by the plan" in log
    assert "The plan is good" in log


def test_every_console_got_the_whole_report(server, work):
    assert "hvc0" in server.console.run("cat /run/consoles").text.split()
    log = server.console.run("cat /run/etcd-rescue/boot.log").text.splitlines()
    there = (work / "hvc0.txt").read_text(errors="replace").replace("\r", "")
    assert len(log) > 20
    for line in log:
        assert line.rstrip() in there


def test_steps_are_in_the_kernel_log(server):
    log = server.console.run("dmesg").text
    for step in ("boot: etcd-rescue", "image: complete", "drivers: loading", "network: ", "plan: "):
        assert f"etcd-rescue: {step}" in log


def test_cut_image_is_said_to_be_incomplete(fleet, image_file, work):
    """What a BMC or a boot loader may do to a large image: its end is missing, and the kernel starts all the same."""
    whole = image_file("initramfs.img").read_bytes()
    cut = work / "cut.img"
    cut.write_bytes(whole[:len(whole) * 6 // 10])
    with fleet.start("cut", memory=256, kernel=image_file("vmlinuz"), initrd=cut, append=LINE) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        log = vm.console.run("cat /run/etcd-rescue/boot.log").text
        assert re.search(r"this image arrived incomplete: \d+ of \d+ files are missing, first /lib/modules/\S+", log), log
        assert "This image is damaged" in log
        assert vm.console.run("etcd-rescue boot --dry-run --quiet >/dev/null 2>&1").status == 1
