"""An EBS snapshot read by the rescue image in a machine whose cloud plugs real NVMe disks.

AttachVolume hot-plugs a disk with the volume's serial number, DetachVolume takes it out, which the kernel has to allow.
The metadata service stands at its own address, 169.254.169.254; EC2 is where the plan says. The other disks of the machine
have file systems with a snapshot.db too, and are not looked at.
"""

import hashlib
import threading
import time
from pathlib import Path

import pytest

import requirement

from machine import accelerator, cpio
from machine.vm import BOOT, Vm
from sources.cloud import ADDRESS, Cloud
from sources.disks import frozen_copy

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MAIN, EVENTS = (GOLDEN / f"etcd-{v}/snapshot.db" for v in ("3.5", "3.6"))
OTHER = GOLDEN / "etcd-3.4/snapshot.db"
# An emulator on a busy machine is too slow for the check of the timer.
KERNEL_LINE = "console=tty0 console=ttyS0,115200 panic=-1 no_timer_check ip=eth0:dhcp"
CARD = f"ip link set eth1 up && ip addr add {ADDRESS}/24 dev eth1"
PROGRAM = "/opt/etcd-rescue"


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def cloud(image_file, program, tmp_path_factory):
    qemu = requirement.need("qemu-system-x86_64")
    for tool in ("losetup", "mkfs.ext4"):
        requirement.need(tool)
    work = tmp_path_factory.mktemp("ebs-vm")
    files = {"snapshot.db": MAIN.read_bytes(), "snapshot-events.db": EVENTS.read_bytes()}
    cloud = Cloud(work, frozen_copy(work / "image", files, partition=True))
    decoy = frozen_copy(work / "decoy", {"snapshot.db": OTHER.read_bytes()})
    with open(work / "initramfs.img", "wb") as file:
        file.write(cpio.append(image_file("initramfs.img").read_bytes(),
                               cpio.archive({PROGRAM[1:]: program.read_bytes()}, 0o100755)))
    extra = cloud.card(cloud.ec2.instance, work)
    for number, driver in enumerate(("nvme,serial=vol00000000000000bad", "virtio-blk-pci,serial=sdf")):
        extra += ["-drive", f"if=none,id=decoy{number},format=raw,readonly=on,file={decoy}",
                  "-device", f"{driver},drive=decoy{number}"]
    try:
        with Vm("ebs", work / "vm", accelerator.choose(qemu, image_file("vmlinuz")), memory=320, kernel=image_file("vmlinuz"),
                initrd=work / "initramfs.img", append=KERNEL_LINE, nic="", extra=extra) as vm:
            cloud.vm = cloud.machines[cloud.ec2.instance] = vm
            vm.console.wake(BOOT)
            vm.settle()
            endpoint = cloud.ec2.endpoint.replace("127.0.0.1", "10.0.2.2")
            plan = f"source: ebs\\nebs: {{tags: {{backup: etcd}}, endpoint: {endpoint}}}\\n"
            assert vm.console.run(f"{CARD} && printf '{plan}' > /tmp/plan.yaml").status == 0
            yield cloud
    finally:
        cloud.close()


@pytest.fixture
def fresh(cloud):
    """Snapshots, volumes and requests as before the first test."""
    ec2 = cloud.ec2
    ec2.snapshots.clear()
    ec2.faults.clear()
    ec2.requests.clear()
    cloud.plugged.clear()
    cloud.gone.clear()
    ec2.snapshot(tags={"backup": "etcd"}, started="2026-11-19T00:00:00.000Z")
    ec2.snapshot(tags={"backup": "etcd"}, started="2026-11-20T00:00:00.000Z")
    ec2.volume(attached=(ec2.instance, "/dev/sda1"))
    kept = set(ec2.volumes)
    yield cloud
    assert set(ec2.volumes) == kept
    ec2.volumes.clear()


def fetch(vm, words=""):
    return vm.console.run(f"rm -rf /tmp/out; mkdir /tmp/out; {words} {PROGRAM} fetch --plan /tmp/plan.yaml -o /tmp/out/", 300)


def arrived(vm):
    return {line.split()[0] for line in vm.console.run("sha256sum /tmp/out/*", 60).text.splitlines() if line}


def no_disk_is_left(vm):
    answer = vm.console.run("cat /sys/block/nvme*/device/serial; grep -c nvme /proc/mounts", 60)
    return answer.text.split() == ["vol00000000000000bad", "0"]


def test_disk_comes_is_read_and_goes(fresh):
    done = fetch(fresh.vm)
    assert done.status == 0, done.text
    assert arrived(fresh.vm) == {digest(MAIN), digest(EVENTS)}
    assert len(fresh.plugged) == 1 and fresh.gone == fresh.plugged
    assert [f["Device"] for f in fresh.ec2.requests if f["Action"] == "AttachVolume"] == ["/dev/sdf"]
    assert no_disk_is_left(fresh.vm)
    # What was plugged in was in use when it was copied: the kernel says that it read the journal.
    assert "recovery complete" in fresh.vm.console.run("dmesg | grep -i ext4", 60).text


def test_run_killed_with_the_disk_attached_is_tidied_up_by_the_next(fresh):
    """EC2 falls silent when the disk is there, and the run is killed; a second run finds all of it."""
    reached = threading.Event()

    def silent(number, form):
        if form["Action"] == "DetachVolume" and not reached.is_set():
            fresh.ec2.faults["DescribeVolumes"] = "hang"
            reached.set()
    fresh.ec2.faults["DetachVolume"] = ("InternalError", 500)
    fresh.ec2.on_request = silent
    run = f"sh -c 'echo $$ > /tmp/pid; exec {PROGRAM} fetch --plan /tmp/plan.yaml -o /tmp/out/'"
    fresh.vm.console.run(f"rm -rf /tmp/out; mkdir /tmp/out; ({run}; echo $? > /tmp/status) > /dev/null 2>&1 & true")
    assert reached.wait(300)
    killed = fresh.vm.console.run("kill -9 $(cat /tmp/pid); until [ -s /tmp/status ]; do sleep 1; done; cat /tmp/status", 60)
    fresh.ec2.on_request = None
    fresh.ec2.faults.clear()
    assert killed.text.split()[-1] == "137" and len(fresh.plugged) == 1
    if not fresh.gone:
        assert not no_disk_is_left(fresh.vm)
    done = fetch(fresh.vm)
    assert done.status == 0, done.text
    assert arrived(fresh.vm) == {digest(MAIN), digest(EVENTS)}
    assert len(fresh.plugged) == 2 and sorted(fresh.gone) == sorted(fresh.plugged)
    assert no_disk_is_left(fresh.vm)


def test_clock_that_would_sign_nothing_is_set(fresh):
    """The battery of the board is empty: EC2 says what time it is."""
    assert fresh.vm.console.run("date -u -s '2020-01-01 00:00:00'").status == 0
    done = fetch(fresh.vm)
    assert done.status == 0 and "is set to it" in done.text, done.text
    assert arrived(fresh.vm) == {digest(MAIN), digest(EVENTS)}
    now = int(fresh.vm.console.run("date +%s").text.split()[-1])
    assert abs(now - time.time()) < 60
