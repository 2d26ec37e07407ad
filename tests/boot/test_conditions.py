"""Disks that are not fit for a restore: refused in words that say what to do, with nothing changed; then made fit.

One machine with all the disks, of which each test sees those it asks for.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

import requirement
from machine import disk as disks, image as images, tree
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import HOST, NIC
from machine.storage import MIB, Storage
from machine.vm import BOOT

NAME = "master-1"
LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.auto=no"
STEP = 300
ROOT = 2 * MIB          # where the second partition begins
TOP = "/tmp/disk"
MANIFEST = f"{TOP}/etc/kubernetes/manifests/etcd.yaml"
BESIDES = 80 * MIB      # a segment of the log, edits, files
PLAN = """generation: {generation}
source: {url}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
{more}"""


class Box:
    """The machine, its disks by name, and what is asked of both."""

    def __init__(self, vm, paths, url, snapshot):
        self.vm, self.paths, self.url, self.snapshot = vm, paths, url, snapshot
        self.names = {f"DISK-{number}": name for number, name in enumerate(paths)}
        self.storage = Storage(vm, list(self.names))

    def serial(self, name):
        return next(serial for serial, known in self.names.items() if known == name)

    def show(self, *names):
        """The first one's device."""
        self.storage.show(*map(self.serial, names))
        return self.storage.of(self.serial(names[0]))

    def away(self, name):
        """So that its file can be changed from outside."""
        self.storage.hide(self.serial(name))

    def digest(self, name):
        with open(self.paths[name], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def run(self, generation=1, more="", options="--unattended"):
        """`run` by a plan; its exit status, what it said on both."""
        text = PLAN.format(generation=generation, url=self.url, more=more)
        assert self.vm.console.run(f"printf '%s' '{text}' >/tmp/plan.yaml").status == 0
        answer = self.vm.console.run(f"etcd-rescue run --file /tmp/plan.yaml {options} 2>&1", STEP)
        return answer.status, answer.text

    def sh(self, command, status=0):
        return self.storage.sh(command, status)

    def trees(self, device, *parts, folders):
        """What lies in folders of the file systems, mounted as long as it takes: {number: where below TOP}."""
        for number, where in parts:
            self.sh(f"mkdir -p {TOP}{where}; mount -o ro {device}{number} {TOP}{where}")
        found = tree.record(self.vm, [TOP + folder for folder in folders])
        for number, where in reversed(parts):
            self.sh(f"umount {TOP}{where}")
        return found

    def verified(self, device, inside="var/lib/etcd"):
        self.sh(f"mkdir -p {TOP}; mount -o ro {device} {TOP} && etcd-rescue verify {TOP}/{inside} >/tmp/said 2>&1; s=$?; "
                f"umount {TOP}; [ $s = 0 ] || {{ cat /tmp/said; false; }}")


def old_member(path, mebibytes):
    """Nothing that etcd could read, of a certain size."""
    (path / "snap").mkdir(parents=True)
    (path / "wal").mkdir()
    (path / "wal" / "0000000000000000-0000000000000000.wal").write_bytes(b"old" * 100)
    with open(path / "snap" / "db", "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    return path


@pytest.fixture(scope="module")
def box(fleet, image_file, tmp_path_factory):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "mkfs.xfs", "debugfs")
    work = tmp_path_factory.mktemp("conditions")
    own, other = Cluster(work / "own", [NAME]), Cluster(work / "other", ["ncn-m001"], network="10.9.8")
    paths = {name: work / f"{name}.img" for name in ("ext4", "xfs", "foreign", "tight", "kept", "read-only")}
    for name in ("ext4", "xfs"):
        own[NAME].disk(paths[name], fs=name, size=400, damage="none", programs=False)
    other["ncn-m001"].disk(paths["foreign"], size=400, programs=False)
    for name, size in (("tight", 140), ("kept", 200)):
        own[NAME].disk(paths[name], etcd_partition=True, size=400, etcd_size=size, damage="none", programs=False,
                       member=old_member(work / f"{name}.member", 50))
    subprocess.run(["cp", "--sparse=always", paths["ext4"], paths["read-only"]], check=True)
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), work)
    folder = work / "served"
    folder.mkdir()
    shutil.copy(own.snapshot(), folder / "snapshot.db")
    writable = [path for name, path in paths.items() if name != "read-only"]
    number = len(writable)
    locked = ["-drive", f"if=none,id=locked,format=raw,readonly=on,file={paths['read-only']}",
              "-device", f"virtio-blk-pci,drive=locked,serial=DISK-{number}"]
    with web_server(folder) as server, \
            fleet.start("conditions", memory=512, cpu="max", kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE,
                        disks=writable, nic=NIC, extra=locked) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        yield Box(vm, paths, f"http://{HOST}:{server.server_port}", folder / "snapshot.db")


def test_two_control_planes_are_listed_and_neither_is_touched(box):
    own = box.show("ext4", "foreign")
    before = box.digest("ext4"), box.digest("foreign")
    status, text = box.run()
    foreign = box.storage.of(box.serial("foreign"))
    assert status == 6 and "more than one disk holds a control plane" in text, text
    for device in (own, foreign):
        assert re.search(rf"{device[5:]}2 \(kubeadm, [^)]*, UUID=[-0-9a-f]{{36}}\)", text), text
    box.sh("sync")
    assert (box.digest("ext4"), box.digest("foreign")) == before


def test_read_only_disk_is_refused_and_named(box):
    device = box.show("read-only")
    status, text = box.run()
    assert status in (1, 6) and f"{device[5:]}2: the disk is read-only" in text and "blockdev --setrw" in text, text
    assert "commit: restored" not in text


def test_file_system_with_errors_is_refused_until_it_is_checked(box):
    device = box.show("ext4")
    box.away("ext4")
    disks.run("debugfs", "-w", "-R", "ssv state 2", f"{box.paths['ext4']}?offset={ROOT}")
    device = box.show("ext4")
    before = box.digest("ext4")
    status, text = box.run()
    assert status == 6 and f"{device[5:]}2: the file system says that it has errors" in text, text
    box.sh("sync")
    assert box.digest("ext4") == before
    # The command that it names is there, and does it.
    command = re.search(r"`e2fsck ([^`]*)`", text)[1]
    checked = box.vm.console.run(f"e2fsck -y {command}", STEP)
    assert checked.status in (0, 1), checked.text


def needs_recovery(path):
    with open(path, "rb") as file:
        file.seek(ROOT + 1024 + 96)
        return bool(file.read(4)[0] & 4)


@pytest.mark.parametrize("fs, still", [("ext4", "noload"), ("xfs", "norecovery")])
def test_journal_of_a_power_cut_is_replayed(box, fs, still):
    """What only the journal has is the newest state of the disk: it is kept, and what is restored is built on it."""
    device = box.show(fs)
    # Synced by itself: a sync of everything would write it to its own place, too.
    box.sh(f"mkdir -p {TOP} && mount -t {fs} {device}2 {TOP} && mkdir {TOP}/root/before-the-cut && "
           f"echo '# edited before the power cut' | dd of={MANIFEST} oflag=append conv=notrunc,fsync 2>/dev/null")
    cut = box.paths[fs].with_suffix(".cut")
    shutil.copyfile(box.paths[fs], cut)
    box.sh(f"umount {TOP}")
    box.away(fs)
    subprocess.run(["dd", f"if={cut}", f"of={box.paths[fs]}", "bs=4M", "conv=notrunc", "status=none"], check=True)
    cut.unlink()
    device = box.show(fs)
    assert fs != "ext4" or needs_recovery(box.paths[fs])
    # Without the journal it is not there, so the rest of this shows something.
    look = box.sh(f"mount -t {fs} -o ro,{still} {device}2 {TOP}; tail -n 1 {MANIFEST}; ls {TOP}/root; umount {TOP}")
    assert "power cut" not in look and "before-the-cut" not in look, look
    status, text = box.run()
    assert status == 0, text
    look = box.sh(f"mount -t {fs} -o ro {device}2 {TOP}; cat {MANIFEST}; ls {TOP}/root; umount {TOP}")
    assert "# edited before the power cut" in look and "before-the-cut" in look, look
    assert fs != "ext4" or not needs_recovery(box.paths[fs])
    box.verified(f"{device}2")


def available(box, part):
    """Bytes of a file system that may still be written."""
    text = box.sh(f"mkdir -p {TOP}; mount -o ro {part} {TOP} && stat -f -c '%a %S' {TOP}; umount {TOP}")
    blocks, size = map(int, text.split())
    return blocks * size


def missing(text):
    return int(re.search(r"(\d+) bytes are missing to lay the new member down", text)[1])


ETCD = [(2, ""), (3, "/var/lib/etcd")], ["/etc/kubernetes", "/var/lib/etcd"]


def test_full_disk_is_refused_with_the_bytes_that_are_short(box):
    parts, folders = ETCD
    device = box.show("tight")
    before, free = box.trees(device, *parts, folders=folders), available(box, f"{device}3")
    status, text = box.run()
    assert status == 1 and "`old: move:/PATH`" in text and "`etcd-rescue forget`" in text, text
    short = box.snapshot.stat().st_size + BESIDES - free
    # A journal or a directory that was made until then has taken a few blocks.
    assert short > 0 and 0 <= missing(text) - short <= 64 << 10, (short, text)
    after = box.trees(device, *parts, folders=folders)
    assert tree.contents(after, TOP) == tree.contents(before, TOP)
    member = f"{TOP}/var/lib/etcd/member"
    assert after[member].inode == before[member].inode and available(box, f"{device}3") == free


def test_old_state_goes_to_another_file_system_where_the_plan_says_so(box):
    device = box.show("tight")
    root, data = available(box, f"{device}2"), available(box, f"{device}3")
    status, text = box.run(more="old: move:/var/tmp\n")
    assert status == 0 and "the old member goes to /var/tmp" in text, text
    box.verified(f"{device}3", "")
    assert root - available(box, f"{device}2") >= 50 * MIB
    # The old one is no longer where it was, and the new one has the room.
    assert available(box, f"{device}3") > data - 40 * MIB
    assert box.sh("etcd-rescue forget --yes --json 2>/dev/null")
    assert root - available(box, f"{device}2") < 8 * MIB
    box.verified(f"{device}3", "")


def test_forget_makes_room_for_the_next_restore(box):
    device = box.show("kept")
    status, text = box.run()
    assert status == 0, text
    kept = available(box, f"{device}3")
    # A second one has no room beside what the first one kept, and says what would help.
    status, text = box.run(generation=2)
    assert status == 1 and missing(text) > 0 and "`etcd-rescue forget`" in text, text
    box.verified(f"{device}3", "")
    would = json.loads(box.sh("etcd-rescue forget --dry-run --json 2>/dev/null").splitlines()[-1])
    assert would["bytes"] >= 50 * MIB and available(box, f"{device}3") == kept, would
    done = json.loads(box.sh("etcd-rescue forget --yes --json 2>/dev/null").splitlines()[-1])
    assert done["bytes"] == would["bytes"], (would, done)
    assert available(box, f"{device}3") - kept >= 50 * MIB
    back = box.vm.console.run("etcd-rescue rollback 2>&1", STEP)
    assert back.status != 0 and "rolled back" not in back.text, back.text
    status, text = box.run(generation=2)
    assert status == 0, text
    box.verified(f"{device}3", "")
