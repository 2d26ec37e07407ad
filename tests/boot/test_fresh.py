"""A newly installed machine without /etc/kubernetes, from the archive of another master: restored from the image on its own
disk, left alone by a second run, and bare again after a rollback."""

import shutil
import subprocess

import pytest

import requirement
from machine import image as images, pods, tree
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import HOST, NIC
from machine.vm import BOOT

LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.auto=no"
STEP = 300
DISK, TOP = "/dev/vda2", "/tmp/disk"
PLAN = """source: {url}/snapshot.db
pki: {url}/pki.tar.zst
survivors: none
other-cluster: proceed
cluster:
  members:
  - {{name: master-1, peer: "https://10.252.1.7:2380"}}
  - {{name: master-2, peer: "https://10.252.1.8:2380"}}
  - {{name: master-3, peer: "https://10.252.1.9:2380", match: {{ip: 10.252.1.9}}}}
"""
FOLDERS = [f"{TOP}/{name}" for name in ("etc", "var/lib")]


def archive(program, cluster, path):
    """What `collect` makes on master-1."""
    root = cluster["master-1"].tree("none", programs=False)
    manifests = root / "etc/kubernetes/manifests"
    (manifests / "kube-apiserver.yaml").write_text(pods.apiserver("10.252.1.7"))
    for name in ("kube-controller-manager", "kube-scheduler"):
        (manifests / f"{name}.yaml").write_text(f"kind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: []}}\n")
    subprocess.run([program, "collect", "--root", root, "-o", path], check=True, capture_output=True)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def machine(fleet, image_file, tmp_path_factory):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "debugfs")
    work = tmp_path_factory.mktemp("fresh")
    cluster = Cluster(work / "cluster")
    disk = cluster["master-3"].disk(work / "master-3.img", fresh=True, size=500, programs=False)
    folder = work / "served"
    folder.mkdir()
    archive(image_file("etcd-rescue"), cluster, folder / "pki.tar.zst")
    shutil.copy(cluster.snapshot(), folder / "snapshot.db")
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), work)
    with web_server(folder) as server, \
            fleet.start("fresh", memory=512, cpu="max", kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE,
                        disks=[disk], nic=NIC) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        plan = PLAN.format(url=f"http://{HOST}:{server.server_port}")
        assert vm.console.run(f"printf '%s' '{plan}' >/tmp/plan.yaml").status == 0
        yield vm


def sh(vm, command, status=0):
    answer = vm.console.run(f"{{ {command}; }} 2>&1", STEP)
    assert answer.status == status, answer.text
    return answer.text


def contents(vm):
    sh(vm, f"mkdir -p {TOP} && mount -t ext4 -o ro {DISK} {TOP}")
    found = tree.record(vm, FOLDERS)
    sh(vm, f"umount {TOP}")
    return found


def test_bare_disk_becomes_this_master_and_bare_again(machine):
    before = contents(machine)
    text = sh(machine, "etcd-rescue run --file /tmp/plan.yaml --yes")
    assert "a fresh kubeadm control plane" in text and "master-3 at 10.252.1.9" in text, text
    after = contents(machine)
    for name in ("manifests/etcd.yaml", "pki/etcd/peer.key", "pki/sa.key", "admin.conf", "kubelet.conf"):
        assert f"{TOP}/etc/kubernetes/{name}" in after
    look = sh(machine, f"mount -t ext4 -o ro {DISK} {TOP}; etcd-rescue verify {TOP}/var/lib/etcd >/dev/null; echo $?; "
                       f"cat {TOP}/etc/kubernetes/manifests/*.yaml; ls -l {TOP}/etc/kubernetes/pki/sa.key; umount {TOP}")
    assert look.splitlines()[0].strip() == "0" and "-rw-------" in look, look
    assert "--name=master-3" in look and "--advertise-address=10.252.1.9" in look
    assert "10.252.1.7" not in look.replace("master-1=https://10.252.1.7:2380", "")

    assert "nothing was written" in sh(machine, "etcd-rescue run --file /tmp/plan.yaml --yes")
    assert tree.changes(after, contents(machine)) == []

    sh(machine, "etcd-rescue rollback")
    left = {name: entry for name, entry in tree.contents(contents(machine), TOP).items()
            if "etcd-rescue" not in name and ".rolled-back-" not in name and entry[2]}
    assert left == {name: entry for name, entry in tree.contents(before, TOP).items() if entry[2]}
