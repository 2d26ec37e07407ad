"""HPE Cray CSM as its disks are on real masters: the root on a mirror, etcd in the upper directory of an overlay that lies in a
volume in a LUKS2 container. The same bytes as on a plain disk, kept, left alone by a second run, and rolled back.

One machine with the image and no system to start; how three of them serve is shown on plain disks (test_csm.py).
"""

import hashlib
import json
import os
import shutil

import pytest

import requirement
from machine import csm
from machine.cpio import append, archive
from machine.serving import CPU
from machine.storage import MIB, Storage, as_on_a_cray, attach, blank, file_system
from machine.vm import BOOT, Vm
from scenario import story as stories, sums
from scenario.test_csm import GOOD, MEMBERS

KEY = "aB3-x_9Zq-0w"
VOLUME, MEMORY = 112, 4096      # MiB; KiB of its key's Argon2: a machine without KVM takes long for both
DISKS, SOURCES = {"mirror0": 80, "mirror1": 80, "etcd": VOLUME + 48}, {"fromroot": 48, "frometcd": VOLUME}
LINE = "console=ttyS0 panic=-1 no_timer_check"
PLAN = "source: file:{folder}/{name}.tar.gz\ncluster: {{token: tkn}}\nother-cluster: proceed\nsurvivors: none\nhandoff: stay\n"


class Scene:
    def __init__(self, lab, work):
        self.work, cluster = work, csm.CsmCluster(work / "cluster")
        master = cluster["ncn-m001"]
        snapshot = stories.snapshot_of(cluster.snapshot(), work, work / "etcd-dump.bin", None, MEMBERS, csm.TOKEN)
        self.packed = csm.archive(GOOD, snapshot)
        (work / f"{GOOD}.tar.gz").write_bytes(self.packed)
        self.expected = self.on_a_plain_disk(lab, master)
        root = master.tree("db", programs=False)
        (root / "pki").mkdir()
        (root / "pki/etcd.key").write_text(KEY)
        (work / "etcd/overlayfs").mkdir(parents=True)
        shutil.move(root / "var/lib/etcd/member", work / "etcd/overlayfs/member")
        for log in (work / "etcd/overlayfs/member/wal").glob("*.wal"):
            # What etcd has not written to yet is not needed here.
            os.truncate(log, MIB)
        self.old = sums.of_tree(work / "etcd/overlayfs/member")
        self.extra = [word for name, size in DISKS.items() for word in attach(name, blank(work / f"{name}.img", size * MIB))]
        for (name, size), label, tree in zip(SOURCES.items(), ("ROOTRAID", "ETCDK8S"), (root, work / "etcd")):
            self.extra += attach(name, file_system(work / f"{name}.img", label, tree, size * MIB, requirement.need("mke2fs")))
        self.initrd = work / "storage.img"
        self.initrd.write_bytes(append(lab.initramfs.read_bytes(), archive({
            f"root/{GOOD}.tar.gz": self.packed, "root/plan.yaml": PLAN.format(folder="/root", name=GOOD).encode()})))

    def on_a_plain_disk(self, lab, master):
        """What the same plan stages there."""
        root = master.tree("missing", programs=False)
        (root / "etc/fstab").write_text("UUID=4b1e6f8e-93f7-4d5e-9e5a-0d8f3b8d1c11 / ext4 defaults 0 1\n")
        plan = self.work / "plan.yaml"
        plan.write_text(PLAN.format(folder=self.work, name=GOOD))
        status, outcome, said = stories.run_on(lab.program, root, plan, "--until", "rewrite")
        assert (status, outcome) == (0, "staged"), said
        return sums.of_tree(root / "var/lib/etcd/.etcd-rescue/new/member")

    def run(self, storage, *words):
        text = storage.sh(f"etcd-rescue {' '.join(words)} --json 2>/tmp/said || {{ cat /tmp/said; false; }}", seconds=900)
        return json.loads(text.splitlines()[-1])["outcome"]

    def on_the_disks(self, storage):
        """Sums of what is on them, past all caches."""
        storage.sh("sync")
        return {name: hashlib.sha256((self.work / f"{name}.img").read_bytes()).hexdigest() for name in DISKS}

    def look(self, storage, folder=""):
        """{directory beside the member, or itself: what is in it}, of all or of this one"""
        storage.sh(f"cryptsetup open --key-file /tmp/key {storage.of('etcd')} ETCDLVM && lvm vgchange -ay && "
                   "mount -o ro /dev/etcdvg0/ETCDK8S /mnt")
        try:
            files = sums.below(sums.digests(storage.vm, f"/mnt/overlayfs/{folder}", 600), "mnt/overlayfs")
        finally:
            storage.sh("umount /mnt; lvm vgchange -an && cryptsetup close ETCDLVM")
        return {folder: sums.below(files, folder) for folder in {path.split("/")[0] for path in files}}


@pytest.mark.needs("etcdutl-3.6", "mke2fs")
def test_an_overlay_in_a_volume_in_a_container_on_a_cray(lab, tmp_path):
    scene = Scene(lab, tmp_path)
    with Vm("csm-storage", tmp_path / "vm", lab.accel, cpu=CPU, memory=640, kernel=lab.kernel, initrd=scene.initrd, append=LINE,
            extra=scene.extra) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        storage = Storage(vm, [*DISKS, *SOURCES])
        storage.sh(f"printf %s {KEY} >/tmp/key")
        as_on_a_cray(storage, "fromroot", "frometcd", VOLUME, MEMORY)
        storage.show(*DISKS)
        assert scene.run(storage, "run", "--file /root/plan.yaml", "--yes") == "restored"
        assert storage.opened() == []
        after = scene.look(storage)
        kept, = [folder for folder in after if folder.startswith("member.before-")]
        assert after["member"] == scene.expected and after[kept] == scene.old
        before = scene.on_the_disks(storage)
        assert scene.run(storage, "run", "--file /root/plan.yaml", "--yes") == "already-restored"
        assert scene.on_the_disks(storage) == before
        assert scene.run(storage, "rollback") == "rolled-back"
        assert scene.look(storage, "member")["member"] == scene.old
