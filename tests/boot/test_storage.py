"""Control planes inside arrays, containers and volume groups, found by the image; every byte as it was.

One machine: the disks are made by the image's own tools, then each test sees those it asks for.
"""

import gzip
import json
import shutil
from pathlib import Path

import pytest

import requirement
from machine.cpio import append, archive
from machine.storage import FORMAT, MIB, Storage, as_on_a_cray, attach, blank, file_system
from machine.vm import BOOT

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
LINE = "console=ttyS0 panic=-1"
KEY = "aB3-x_9Zq-0w"
DISKS = {"mirror0": 80, "mirror1": 80, "etcd": 216, "plain": 192, "dear": 32, "three0": 48, "three1": 48, "three2": 48}
SOURCES = {"fromroot": 48, "frometcd": 168, "fromplain": 168}
MEMBERS = {"plain": {"master-1": "10.0.0.11", "master-2": "10.0.0.12", "master-3": "10.0.0.13"},
           "csm": {"ncn-m001": "10.252.1.7", "ncn-m002": "10.252.1.8", "ncn-m003": "10.252.1.9"}}


def plan(name):
    members = "".join(f"    - {{name: {one}, peer: \"https://{address}:2380\"}}\n" for one, address in MEMBERS[name].items())
    return f"source: file:/root/snapshot.db\nsurvivors: none\nhandoff: stay\ncluster:\n  members:\n{members}"


def csm_root(path):
    shutil.copytree(LAYOUTS / "csm" / "before", path, symlinks=True)
    (path / "pki").mkdir()
    (path / "pki" / "etcd.key").write_text(KEY)
    (path / "var/lib/etcd").mkdir(parents=True)


def member(path, top):
    folder = path / top / "member" / "snap"
    folder.mkdir(parents=True)
    (folder / "db").write_text("x")


@pytest.fixture(scope="module")
def storage(fleet, image_file, work):
    mke2fs = requirement.need("mke2fs")
    place = work / "storage-disks"
    place.mkdir()
    csm_root(place / "root")
    member(place / "etcd", "overlayfs")
    shutil.copytree(LAYOUTS / "kubeadm" / "before", place / "plain", symlinks=True)
    member(place / "plain", "mnt/fast/etcd")
    extra = []
    for name, size in DISKS.items():
        extra += attach(name, blank(place / f"{name}.img", size * MIB))
    for (name, size), label in zip(SOURCES.items(), ("ROOTRAID", "ETCDK8S", "ROOT")):
        extra += attach(name, file_system(place / f"{name}.img", label, place / name[4:], size * MIB, mke2fs))
    initrd = work / "storage.img"
    initrd.write_bytes(append(image_file("initramfs.img").read_bytes(), archive({
        "root/snapshot.db": gzip.decompress((LAYOUTS.parent / "kubernetes" / "snapshot.db.gz").read_bytes()),
        **{f"root/{name}.yaml": plan(name).encode() for name in MEMBERS}})))
    with fleet.start("storage", memory=640, kernel=image_file("vmlinuz"), initrd=initrd, append=LINE, extra=extra) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        made = Storage(vm, [*DISKS, *SOURCES])
        make(made)
        yield made


def make(s):
    at = {name: s.of(name) for name in s.names}
    s.sh(f"printf %s {KEY} >/tmp/key")
    as_on_a_cray(s, "fromroot", "frometcd")
    # A plain installation in a volume group, names with hyphens.
    s.sh(f"lvm pvcreate {at['plain']} && lvm vgcreate sys-vg {at['plain']} && lvm lvcreate -y -L 168M -n root-lv sys-vg")
    s.sh(f"dd if={at['fromplain']} of=/dev/sys-vg/root-lv bs=1M && sync && lvm vgchange -an")
    # A container that takes 128 MiB to unlock, and an array of three with parity.
    s.sh(f"cryptsetup luksFormat {FORMAT} --type luks2 --pbkdf argon2id --pbkdf-memory 131072 {at['dear']}", seconds=600)
    s.sh(f"mdadm --create /dev/md9 --run --level=5 --raid-devices=3 --homehost=any --name=data --assume-clean "
         f"{at['three0']} {at['three1']} {at['three2']} && mdadm --stop /dev/md9")


CSM = ("mirror0", "mirror1", "etcd")


def volume(found, name):
    return next(v for v in found["volumes"] if v["name"] == name)


def test_mirror_container_and_group_as_on_a_cray(storage):
    storage.show(*CSM)
    before = storage.digest(*CSM)
    found = storage.target()
    assert (found["volume"], found["layout"], found["node"]) == ("md0", "csm", "ncn-m001")
    assert [(one["kind"], one["name"]) for one in found["layers"]] == [("md", "md0"), ("luks", "ETCDLVM"), ("lvm", "etcdvg0")]
    data = found["clusters"][0]["data"]
    assert (data["device"], data["inside"], data["has_member"]) == ("LABEL=ETCDK8S", "overlayfs", True)
    etcd = storage.of("etcd")[len("/dev/"):]
    assert volume(found, etcd)["why_not"] == "part of the container ETCDLVM, which is open"
    assert not any(v["locked"] for v in found["volumes"])
    # Closed again, and not a byte of any disk has changed.
    assert storage.opened() == []
    assert storage.digest(*CSM) == before


def test_no_secret_is_said(storage):
    storage.show(*CSM)
    assert KEY not in storage.sh("etcd-rescue target --json 2>&1; etcd-rescue target 2>&1; dmesg; cat /proc/cmdline", None)


def test_group_with_a_plain_root(storage):
    storage.show("plain")
    before = storage.digest("plain")
    found = storage.target()
    assert (found["volume"], found["layout"]) == ("dm-0", "kubeadm")
    assert found["layers"] == [{"kind": "lvm", "name": "sys-vg", "degraded": False, "from": [storage.of("plain")[5:]]}]
    assert found["clusters"][0]["data"]["has_member"] is True
    assert storage.opened() == [] and storage.digest("plain") == before


def test_array_that_lacks_a_disk_is_started_only_when_told(storage):
    storage.show("mirror1", "etcd")
    before = storage.digest("mirror1", "etcd")
    said = storage.target(status=1)
    assert "array any:0" in said and "degraded: yes" in said and "need all 2 to start it" in said
    assert storage.opened() == []
    found = storage.target("--degraded")
    assert found["volume"] == "md0" and found["layers"][0]["degraded"] is True
    assert storage.opened() == [] and storage.digest("mirror1", "etcd") == before


def test_two_missing_of_three_are_too_many(storage):
    storage.show("three0", "plain")
    before = storage.digest("three0")
    found = storage.target("--degraded")
    why = volume(found, storage.of("three0")[5:])
    assert why["locked"] and "array any:data" in why["why_not"] and "Not enough devices to start" in why["why_not"]
    assert storage.opened() == [] and storage.digest("three0") == before


def test_container_without_a_key_is_named(storage):
    storage.show("etcd", "plain")
    found = storage.target()
    assert found["volume"] == "dm-0"
    why = volume(found, storage.of("etcd")[5:])
    assert why["locked"] and "no key was found on the other disks" in why["why_not"]


def test_wrong_key_and_right_key_from_a_file(storage):
    storage.show("etcd", "plain")
    before = storage.digest("etcd")
    storage.sh("printf falsch >/tmp/wrong")
    why = volume(storage.target("--luks-key", "/tmp/wrong"), storage.of("etcd")[5:])
    assert why["locked"] and "no key fits" in why["why_not"] and "No key available with this passphrase" in why["why_not"]
    found = storage.target("--luks-key", "/tmp/key")
    assert {one["kind"] for one in found["layers"]} == {"luks", "lvm"}
    assert storage.opened() == [] and storage.digest("etcd") == before


def test_container_that_takes_more_memory_than_there_is(storage):
    storage.show("dear", "plain")
    # Fill the memory until 120 MiB are left.
    storage.sh("mount -t tmpfs -o size=600m none /mnt && n=$(awk '/MemAvailable/ { print int($2 / 1024) - 120 }' /proc/meminfo) && "
               "dd if=/dev/zero of=/mnt/fill bs=1M count=$n")
    try:
        why = volume(storage.target("--luks-key", "/tmp/key"), storage.of("dear")[5:])
    finally:
        storage.sh("umount /mnt")
    assert "unlocking it takes 128 MiB of memory (argon2)" in why["why_not"] and "MiB are free" in why["why_not"]


def test_what_was_opened_before_is_left_alone(storage):
    storage.show("plain")
    storage.sh("lvm vgchange -ay sys-vg")
    try:
        found = storage.target()
        assert found["volume"] == "dm-0" and found["layers"] == []
        assert volume(found, storage.of("plain")[5:])["why_not"] == "in use by what was opened before"
        assert storage.opened() == ["sys--vg-root--lv"]
    finally:
        storage.sh("lvm vgchange -an sys-vg")


def restore(storage, name):
    text = storage.sh(f"etcd-rescue run --file /root/{name}.yaml --yes --json 2>/tmp/run.log || {{ cat /tmp/run.log; false; }}",
                      seconds=600)
    return json.loads(text.splitlines()[-1])


def test_restored_inside_a_volume(storage):
    storage.show("plain")
    result = restore(storage, "plain")
    assert (result["outcome"], result["phase"]) == ("restored", "committed")
    assert storage.opened() == []
    # As whoever boots from it sees it.
    storage.sh("lvm vgchange -ay sys-vg && mount -o ro /dev/sys-vg/root-lv /mnt")
    try:
        assert storage.sh("ls /mnt/mnt/fast/etcd").split()[0] == "member"
        storage.sh("etcd-rescue verify /mnt/mnt/fast/etcd")
    finally:
        storage.sh("umount /mnt; lvm vgchange -an sys-vg")


def test_restored_through_mirror_container_and_group(storage):
    storage.show(*CSM)
    result = restore(storage, "csm")
    assert (result["outcome"], result["phase"], result["layout"]) == ("restored", "committed", "csm")
    assert storage.opened() == []
    found = storage.target()
    assert found["clusters"][0]["data"]["has_member"] is True
    # Both halves of the mirror have it.
    storage.show("mirror0", "mirror1")
    storage.sh("mdadm --assemble /dev/md0 --config=none --readonly %s %s" % (storage.of("mirror0"), storage.of("mirror1")))
    try:
        assert storage.sh("cat /sys/block/md0/md/degraded /sys/block/md0/md/array_state").split() == ["0", "readonly"]
    finally:
        storage.sh("mdadm --stop /dev/md0")
