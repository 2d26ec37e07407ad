"""The file systems a control plane lies on, and etcd on a partition of its own: one machine, one after the other."""

import json

import pytest

import requirement
from machine import image as images
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import CPU, HOST, NIC, on_the_disk, served
from machine.storage import Storage
from machine.vm import BOOT

NAME = "master-1"
LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.auto=no"
STEP = 300
PLAN = """source: {url}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
"""
# Which file system, and whether etcd has a partition of its own. The last one is started from.
DISKS = (("btrfs", False, "db"), ("ext4", True, "missing"), ("xfs", True, "wal"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "mkfs.xfs", "mkfs.btrfs")
    return Cluster(tmp_path_factory.mktemp("disks"), [NAME])


def restore(vm, disk, fs, own):
    """`run` as the image does it; what it says of itself, and of what then lies there."""
    answer = vm.console.run("etcd-rescue run --file /tmp/plan.yaml --unattended --json 2>/tmp/said", STEP)
    assert answer.status == 0, answer.text + vm.console.run("tail -n 5 /tmp/said").text
    said = json.loads(answer.text.strip().splitlines()[-1])
    assert (said["outcome"], said["phase"]) == ("restored", "committed"), said
    part, path = (f"{disk}3", "") if own else (f"{disk}2", "var/lib/etcd")
    # Mounted by nobody any more, whole, and of the member that was announced.
    look = vm.console.run(f"grep {disk} /proc/mounts; mkdir -p /tmp/etcd && mount -t {fs} -o ro {part} /tmp/etcd && "
                          f"etcd-rescue verify --json /tmp/etcd/{path} 2>/tmp/said; s=$?; umount /tmp/etcd; [ $s = 0 ]", STEP)
    assert look.status == 0 and look.text.startswith("{"), look.text + vm.console.run("cat /tmp/said").text
    return said, json.loads(look.text)


def test_each_file_system_is_restored_and_one_with_a_partition_for_etcd_serves(fleet, image_file, cluster, tmp_path):
    disks = [cluster[NAME].disk(tmp_path / f"{fs}.img", fs=fs, etcd_partition=own, damage=damage,
                                programs=number == len(DISKS) - 1)
             for number, (fs, own, damage) in enumerate(DISKS)]
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "snapshot.db").write_bytes(cluster.snapshot().read_bytes())
    with web_server(folder) as server, \
            fleet.start("restore-disks", memory=512, cpu=CPU, kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE,
                        disks=disks, nic=NIC, reboot=True) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        text = PLAN.format(url=f"http://{HOST}:{server.server_port}")
        assert vm.console.run(f"printf '%s' '{text}' >/tmp/plan.yaml").status == 0
        names = [f"DISK-{number}" for number in range(len(DISKS))]
        storage = Storage(vm, names)
        found = []
        for name, (fs, own, _) in zip(names, DISKS):
            storage.show(name)
            said, look = restore(vm, storage.of(name), fs, own)
            print(f"{fs}{', etcd on its own partition' if own else ''}: {said['took_ms']} ms")
            found.append(said["clusters"][0])
            assert look["clusterID"] == found[-1]["cluster_id"], look
        # The same snapshot and the same names are the same cluster, wherever it lies.
        assert len({(each["cluster_id"], each["member_id"]) for each in found}) == 1
        vm.console.send("etcd-rescue handoff --to kexec --yes\n")
        on_the_disk(vm, NAME, BOOT)
        state = served(vm)
        assert state.snakes == list(range(8, 27)) and int(found[-1]["cluster_id"], 16) == int(state.cluster, 16)
        assert vm.console.run("grep -c ' /var/lib/etcd xfs ' /proc/mounts").text == "1"
