"""etcd-rescue target on a machine's disks: loop devices under names of a fake tree, with a control plane on one of them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import requirement

from sources.disks import Disks, loop, loops_in, sh

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
MARKER = "etc/kubernetes/manifests/etcd.yaml"


class Machine(Disks):
    def __init__(self, work):
        super().__init__(work, None)
        self.devices = []

    def disk_of(self, name, image):
        device = loop(image)
        self.devices.append(device)
        self.disk(name, None, device, os.path.getsize(image))

    def close(self):
        for device in self.devices:
            sh("losetup", "-d", device)


@pytest.fixture
def machine(tmp_path):
    requirement.need("unshare", "losetup", "mkfs.ext4", "mkfs.xfs")
    if os.geteuid() != 0:
        pytest.skip("needs root, for loop devices")
    made = Machine(tmp_path / "machine")
    yield made
    made.close()
    assert not loops_in(tmp_path)


@pytest.fixture
def target(machine, image_file):
    """target(*args): the finished program, in that machine."""
    def call(*args):
        return subprocess.run([*machine.wrapper, image_file("etcd-rescue"), "target", *args], capture_output=True, text=True,
                              timeout=60)
    return call


def image(path, kind, label, files, links=()):
    """A file system with these files {path: text or tree}; mounted once to be filled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate((320 if kind == "xfs" else 48) << 20)
    sh(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else ["-f"]), "-L", label, path)
    point = path.with_suffix(".mnt")
    point.mkdir()
    sh("mount", "-o", "loop", path, point)
    try:
        for name, content in files.items():
            where = point / name
            if isinstance(content, Path):
                shutil.copytree(content, where, dirs_exist_ok=True, symlinks=True)
                continue
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(content)
        for name, goal in links:
            (point / name).parent.mkdir(parents=True, exist_ok=True)
            (point / name).symlink_to(goal)
    finally:
        sh("umount", point)
    return path


def seen(done):
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


def digest(path):
    return sh("sha256sum", path).split()[0]


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_control_plane_is_found_among_the_disks(machine, target, tmp_path, kind):
    root = image(tmp_path / "root", kind, "ROOT", {
        "": LAYOUTS / "kubeadm" / "before", "etc/fstab": "LABEL=ETCD /mnt/fast xfs defaults 0 2\n"})
    data = image(tmp_path / "data", "xfs", "ETCD", {"real/etcd/member/snap/db": "x"}, [("etcd", "real/etcd")])
    other = image(tmp_path / "other", "ext4", "HOME", {"home/x": "x"})
    before = [digest(i) for i in (root, data, other)]
    for name, disk in ("sda", other), ("sdb", root), ("sdc", data):
        machine.disk_of(name, disk)
    found = seen(target("--json"))
    assert (found["volume"], found["layout"], found["marker"]) == ("sdb", "kubeadm", MARKER)
    lies = found["clusters"][0]["data"]
    assert (lies["path"], lies["device"], lies["volume"], lies["inside"]) == ("/mnt/fast/etcd", "LABEL=ETCD", "sdc", "real/etcd")
    assert lies["has_member"] is True
    assert {v["name"]: v["why_not"] for v in found["volumes"]} == \
        {"sda": "no control plane", "sdb": None, "sdc": "no control plane"}
    text = target().stdout
    assert "root        sdb" in text and "LABEL=ETCD, here sdc: real/etcd (holds a member)" in text
    # Looking left no trace, and nothing mounted.
    assert [digest(i) for i in (root, data, other)] == before
    for device in machine.devices:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))


def test_two_control_planes_are_refused_with_both(machine, target, tmp_path):
    files = {"": LAYOUTS / "kubeadm" / "before"}
    machine.disk_of("sda", image(tmp_path / "one", "ext4", "A", files))
    machine.disk_of("sdb", image(tmp_path / "two", "ext4", "B", files))
    machine.disk_of("sdc", image(tmp_path / "three", "ext4", "C", {"x": "x"}))
    done = target()
    assert (done.returncode, done.stdout) == (6, "")
    assert f"sda (kubeadm, {MARKER}" in done.stderr and f"sdb (kubeadm, {MARKER}" in done.stderr
    assert "sdc: no control plane" in done.stderr


def test_what_is_locked_is_named(machine, target, tmp_path):
    for name, magic, at in ("luks", b"LUKS\xba\xbe\x00\x02", 0), ("swap", b"SWAPSPACE2", 4086):
        with open(tmp_path / name, "wb") as file:
            file.truncate(16 << 20)
            file.seek(at)
            file.write(magic)
    machine.disk_of("sda", tmp_path / "luks")
    machine.disk_of("sdb", tmp_path / "swap")
    done = target()
    assert (done.returncode, done.stdout) == (1, "")
    assert "no control plane on the 0 file systems" in done.stderr
    assert "sda: luks2: it is locked; in the image it is opened when a key is found (cryptsetup open)" in done.stderr
    assert "sdb: swap: no file system" in done.stderr


def test_ostree_deployment_that_boots(machine, target, tmp_path):
    """As on RHCOS: boot is a file system of its own, /var the stateroot's."""
    old, new = "ostree/deploy/rhcos/deploy/aaa.0", "ostree/deploy/rhcos/deploy/bbb.0"
    root = image(tmp_path / "root", "xfs", "root", {
        old: LAYOUTS / "openshift-4.2" / "before", new: LAYOUTS / "openshift-4.6" / "before",
        "ostree/deploy/rhcos/var/lib/etcd/member/snap/db": "x",
    }, [("ostree/boot.1", "boot.1.1"), ("ostree/boot.1.1/rhcos/1/0", f"../../../{new[7:]}"),
        ("ostree/boot.1.1/rhcos/1/1", f"../../../{old[7:]}")])
    entry = "version {}\noptions root=UUID=x ostree=/ostree/boot.1/rhcos/1/{} rw\n"
    boot = image(tmp_path / "boot", "ext4", "boot", {
        "loader.1/entries/ostree-1-rhcos.conf": entry.format(1, 1),
        "loader.1/entries/ostree-2-rhcos.conf": entry.format(2, 0)}, [("loader", "loader.1")])
    machine.disk_of("sda", root)
    done = target()
    assert done.returncode == 1 and "mount /boot too" in done.stderr and "aaa.0" in done.stderr
    machine.disk_of("sdb", boot)
    found = seen(target("--json"))
    assert (found["volume"], found["deployment"], found["layout"]) == ("sda", new, "openshift-4.6")
    lies = found["clusters"][0]["data"]
    assert (lies["device"], lies["inside"], lies["has_member"]) == (None, "ostree/deploy/rhcos/var/lib/etcd", True)
    assert {v["name"]: v["why_not"] for v in found["volumes"]}["sda"] is None


def test_overlay_of_a_cray_master(machine, target, tmp_path):
    machine.disk_of("sda", image(tmp_path / "root", "ext4", "ROOTRAID", {"": LAYOUTS / "csm" / "before"}))
    machine.disk_of("sdb", image(tmp_path / "data", "xfs", "ETCDK8S", {"overlayfs/member/snap/db": "x"}))
    lies = seen(target("--json"))["clusters"][0]["data"]
    assert (lies["volume"], lies["inside"], lies["has_member"]) == ("sdb", "overlayfs", True)
    assert lies["lower"] == [{"device": None, "type": "auto", "inside": "var/lib/etcd"}]


def test_etcds_volume_of_a_cray_counts_whatever_the_fstab_says(machine, target, tmp_path):
    """Though the root has a line in it, as in an ordinary installation, which keeps etcd's data on the root."""
    files = {"": LAYOUTS / "csm" / "before", "etc/fstab": "LABEL=ROOTRAID / ext4 defaults 0 1\n", "var/lib/etcd/member/snap/db": "x"}
    machine.disk_of("sda", image(tmp_path / "root", "ext4", "ROOTRAID", files))
    plain = seen(target("--json"))["clusters"][0]["data"]
    assert (plain["device"], plain["inside"], plain["has_member"]) == (None, "var/lib/etcd", True)
    machine.disk_of("sdb", image(tmp_path / "data", "xfs", "ETCDK8S", {"overlayfs/member/snap/db": "x"}))
    lies = seen(target("--json"))["clusters"][0]["data"]
    assert (lies["volume"], lies["inside"], lies["has_member"]) == ("sdb", "overlayfs", True)


def test_plain_user_is_told_so(machine, target, image_file):
    requirement.need("setpriv")
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", image_file("etcd-rescue"), "target"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 6 and "only root may look at the disks" in done.stderr
