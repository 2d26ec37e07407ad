"""A plan comes to a machine by every way there is in a real one; each is taken away and the next one must be found."""

import functools
import http.server
import json
import shutil
import subprocess
import threading

import pytest

import requirement
from machine.vm import BOOT

MAC = "52:54:00:12:34:56"


def vfat(path, label, files):
    """A small file system for a stick or a disk, made without root."""
    mformat, mcopy = requirement.need("mformat", "mcopy")
    path.write_bytes(b"")
    subprocess.run([mformat, "-C", "-i", path, "-T", str(16384), "-v", label, "::"], check=True)
    for name, text in files.items():
        content = path.with_suffix(".tmp")
        content.write_text(text)
        subprocess.run([mcopy, "-i", path, content, f"::{name}"], check=True)
        content.unlink()
    return path


def ext4_in_use(path, files, folder):
    """As a stick is that was pulled out while mounted: its journal waits to be replayed."""
    mkfs, debugfs = requirement.need("mkfs.ext4", "debugfs")
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    subprocess.run([mkfs, "-q", "-F", "-L", "RESCUE", "-d", folder, path, "16M"], check=True)
    subprocess.run([debugfs, "-w", "-R", "feature needs_recovery", path], check=True, capture_output=True)
    shutil.rmtree(folder)
    return path


@pytest.fixture(scope="module")
def in_use(work):
    return ext4_in_use(work / "in-use.img", {"plan.yaml": "source: s3://by-ext4/\n"}, work / "in-use")


@pytest.fixture(scope="module")
def web(work):
    """A web server on the host's loopback, which the machine sees as 10.0.2.2."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    directory = work / "delivery-web"
    directory.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (directory / f"{MAC}.yaml").write_text("source: s3://by-kernel-line/\nauto: yes\n")
    yield f"http://10.0.2.2:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def machine(fleet, work, image_file, in_use):
    """A stick and a disk with the same label, fw_cfg and an SMBIOS string, all with a plan."""
    stick = vfat(work / "stick.img", "RESCUE", {"plan.yaml": "source: s3://by-stick/\nnetwork: [ip=dhcp]\n"})
    disk = vfat(work / "disk.img", "RESCUE", {"plan.yaml": "source: s3://by-fixed-disk/\n"})
    (work / "fwcfg.txt").write_text("source: s3://by-fw-cfg/\n")
    extra = ["-device", "qemu-xhci,id=bus",
             "-drive", f"if=none,id=stick,format=raw,readonly=on,file={stick}",
             "-device", "usb-storage,bus=bus.0,drive=stick,removable=on,id=pen",
             "-drive", f"if=none,id=in-use,format=raw,cache=writethrough,file={in_use}",
             "-drive", f"if=none,id=fixed,format=raw,readonly=on,file={disk}",
             "-device", "virtio-blk-pci,drive=fixed",
             "-fw_cfg", f"name=opt/etcd-rescue/plan,file={work / 'fwcfg.txt'}",
             "-smbios", "type=11,value=etcd-rescue.plan=c291cmNlOiBzMzovL2J5LXNtYmlvcy8K"]
    with fleet.start("delivery", memory=256, kernel=image_file("vmlinuz"), initrd=image_file("initramfs.img"),
                     append="console=ttyS0 quiet", nic="", extra=extra) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        yield vm


def plan(vm):
    answer = vm.console.run("etcd-rescue plan --json 2>/dev/null", 120)
    assert answer.status == 0, vm.console.run("etcd-rescue plan", 120).text
    return json.loads(answer.text)


def states(shown):
    return {place["way"]: place["state"] for place in shown["places"] if place["state"] != "absent"}


def test_stick_is_taken_and_the_fixed_disk_of_the_same_label_is_not(machine):
    shown = plan(machine)
    assert shown["plan"]["source"] == "s3://by-stick/"
    assert states(shown) == {"volume": "taken", "fw-cfg": "left", "smbios": "left"}
    assert shown["name"].endswith(":plan.yaml") and shown["name"].startswith("sd")
    # It is read and let go: nothing stays mounted.
    assert machine.console.run("grep -c vfat /proc/mounts").text == "0"


def test_boot_itself_followed_the_plan_of_the_stick(machine):
    said = machine.console.run("cat /run/etcd-rescue/boot.log").text
    assert "(volume)" in said and "by the plan" in said


def test_stick_pulled_out_leaves_fw_cfg(machine):
    machine.qmp("device_del", id="pen")
    assert machine.console.run("n=0; while [ -e /sys/block/sda ] && [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done; "
                               "[ ! -e /sys/block/sda ]", 90).status == 0
    shown = plan(machine)
    assert shown["plan"]["source"] == "s3://by-fw-cfg/"
    assert states(shown) == {"fw-cfg": "taken", "smbios": "left"}


def test_without_fw_cfg_the_smbios_string_is_the_plan(machine):
    assert machine.console.run("modprobe -r qemu_fw_cfg || rmmod qemu_fw_cfg").status == 0
    shown = plan(machine)
    assert shown["plan"]["source"] == "s3://by-smbios/" and shown["may_run_unattended"] is True


def test_kernel_line_goes_before_all_and_plain_http_stays_attended(machine, web):
    # The line of a running kernel cannot be changed; what the program reads can.
    line = f"rescue.plan={web}/${{mac}}.yaml"
    assert machine.console.run(f"printf '%s\\n' '{line}' >/tmp/line && mount --bind /tmp/line /proc/cmdline").status == 0
    shown = plan(machine)
    assert machine.console.run("umount /proc/cmdline").status == 0
    assert shown["plan"]["source"] == "s3://by-kernel-line/" and shown["plan"]["auto"] is True
    assert shown["way"] == "kernel-line" and shown["name"] == f"{web}/{MAC}.yaml"
    assert shown["may_run_unattended"] is False


def test_stick_with_a_journal_is_read_and_not_written_to(machine, in_use):
    before = in_use.read_bytes()
    machine.qmp("device_add", driver="usb-storage", bus="bus.0", drive="in-use", id="ext4", removable=True)
    assert machine.console.run("n=0; until blkid | grep -q ext4; do n=$((n+1)); [ $n -lt 60 ] || break; sleep 1; done; "
                               "[ $n -lt 60 ]", 90).status == 0
    shown = plan(machine)
    assert (shown["plan"]["source"], shown["way"]) == ("s3://by-ext4/", "volume")
    # The kernel would have said that it recovers.
    assert "recovery" not in machine.console.run("dmesg | grep -i EXT4-fs").text.replace("norecovery", "")
    machine.qmp("device_del", id="ext4")
    assert in_use.read_bytes() == before
