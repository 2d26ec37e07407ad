"""The tests' own masters: their disks are what real tools call sound, boot by themselves, and are dead where they should be."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

import requirement
from machine import disk as disks, firmware
from machine.master import Cluster
from machine.vm import BOOT

CHECKS = {"ext4": ["e2fsck", "-fn"], "xfs": ["xfs_repair", "-n", "-f"], "btrfs": ["btrfs", "check"]}
SERVES = 180
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A cluster of one, which has its quorum by itself."""
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "mke2fs", "mcopy", "mkfs.vfat")
    return Cluster(tmp_path_factory.mktemp("alone"), ["solo"])


def partitions(path):
    """[(start, size, name, type)] of a disk in bytes, as util-linux reads its table."""
    done = subprocess.run(["partx", "--raw", "--noheadings", "--bytes", "--output", "START,SIZE,NAME,TYPE", path],
                          check=True, capture_output=True, text=True)
    found = [line.split(" ") for line in done.stdout.splitlines()]
    return [(int(start) * disks.SECTOR, int(size), name.replace("\\x20", " "), kind) for start, size, name, kind in found]


def cut(path, part, target):
    """A file of its own from a partition."""
    subprocess.run(["dd", f"if={path}", f"of={target}", "bs=1M", f"skip={part[0] >> 20}", f"count={part[1] >> 20}",
                    "conv=sparse", "status=none"], check=True)
    return target


@pytest.mark.parametrize("fs", CHECKS)
def test_disk_is_sound(alone, fs, tmp_path):
    tool = requirement.need(CHECKS[fs][0], f"mkfs.{fs}")[0]
    path = alone["solo"].disk(tmp_path / "disk.img", fs=fs, firmware="both", etcd_partition=True, programs=False, damage="db")
    found = partitions(path)
    assert [(name, kind) for _, _, name, kind in found] == [
        ("", str(disks.BIOS_BOOT)), ("EFI System Partition", str(disks.ESP)), ("root", str(disks.LINUX)),
        ("etcd", str(disks.LINUX))]
    for part in found[2:]:
        image = cut(path, part, tmp_path / "part.img")
        done = subprocess.run([tool, *CHECKS[fs][1:], image], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    fat = subprocess.run(["mdir", "-/", "-b", "-i", f"{path}@@{found[1][0]}", "::/EFI"], check=True, capture_output=True, text=True)
    assert "EFI/debian/shimx64.efi" in fat.stdout and "EFI/BOOT/BOOTX64.EFI" in fat.stdout


@pytest.fixture
def folder():
    """A folder that others can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="etcd-rescue-owner-") as path:
        yield Path(path)


def test_everything_belongs_to_root_though_root_did_not_build_it(folder):
    debugfs = requirement.need("debugfs")
    tree = folder / "tree"
    (tree / "var/lib/etcd/member").mkdir(parents=True)
    (tree / "var/lib/etcd/member/secret").write_text("x")
    (tree / "var/lib/etcd/member/secret").chmod(0o600)
    (tree / "bin").symlink_to("usr/bin")
    script = "import sys; from machine.disk import *; d = Disk(sys.argv[1] + '/disk.img', 'owners'); " \
        "d.add(LINUX, 16, ext4(sys.argv[1] + '/tree')); d.write()"
    nobody = []
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534, follow_symlinks=False)
        nobody = [requirement.need("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    subprocess.run([*nobody, "/usr/bin/python3", "-c", script, folder], check=True, cwd=TESTS, env={**os.environ, "TMPDIR": "/tmp"})

    def stat(name):
        return subprocess.run([debugfs, "-R", f"stat {name}", f"{folder}/disk.img?offset={disks.MIB}"], capture_output=True,
                              text=True, check=True).stdout
    for name in ("/", "/var/lib/etcd", "/var/lib/etcd/member/secret", "/bin"):
        assert re.search(r"User: +0 +Group: +0\b", stat(name)), stat(name)
    assert re.search(r"Mode: +0600", stat("/var/lib/etcd/member/secret"))


@pytest.mark.parametrize("fs, kind, own", [
    ("ext4", "bios", False), pytest.param("btrfs", "bios", True, marks=pytest.mark.long), ("xfs", "uefi", True)])
def test_healthy_master_boots_and_serves(alone, fleet, fs, kind, own, tmp_path):
    requirement.need(f"mkfs.{fs}")
    disk = alone["solo"].disk(tmp_path / "disk.img", fs=fs, firmware=kind, etcd_partition=own, damage="none", dhcp=kind == "uefi")
    options = dict(machine="q35", firmware=firmware.plain()) if kind == "uefi" else {}
    with fleet.start(f"installed-{fs}-{kind}", disks=[disk], disk_first=True, nic="", cpu="max", **options) as vm:
        vm.console.wake(BOOT)
        vm.console.run("ip address add 10.252.1.7/24 dev eth0 2>/dev/null")
        answer = vm.console.run("n=0; until etcdctl endpoint health 2>/dev/null || [ $n -gt 20 ]; do sleep 3; n=$((n+1)); done; "
                                "etcdctl get --prefix --keys-only /registry/configmaps/default/snake | grep -c snake", SERVES)
        assert answer.text.endswith("\n19"), answer.text + vm.console.run("tail -n 3 /var/log/pods/etcd.log").text
        mounted = vm.console.run("cut -d ' ' -f 2,3 /proc/mounts").text.splitlines()
        assert f"/ {fs}" in mounted and (not own or f"/var/lib/etcd {fs}" in mounted)
        # The pod follows its manifest.
        vm.console.run("mv /etc/kubernetes/manifests/etcd.yaml /root/")
        assert vm.console.run("n=0; while pidof etcd && [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done; pidof etcd", 90).status == 1
        vm.console.send("poweroff\n")
        assert vm.wait_for_end(120) == 0


@pytest.mark.long
@pytest.mark.parametrize("damage", ["empty", "db", "wal"])
def test_damaged_master_does_not_serve(alone, fleet, damage, tmp_path):
    disk = alone["solo"].disk(tmp_path / "disk.img", damage=damage)
    with fleet.start(f"damaged-{damage}", disks=[disk], nic="", cpu="max") as vm:
        vm.console.wake(BOOT)
        vm.console.expect("kubelet: etcd ended: .*kubelet: etcd started", SERVES)
        assert vm.console.run("etcdctl endpoint health --command-timeout=5s", 60).status != 0
