"""A dead master whose pods the real kubelet runs, in containerd: restored by itself, serving, and rolled back while it runs.

Everywhere else a stand-in for the kubelet starts the static pods (machine/system/usr/local/bin/kubelet).
"""

import re

import pytest

import requirement
from machine import image as images
from machine.netboot import web_server
from machine.runtime import SIZE, Real
from machine.serving import CPU, HOST, NIC, NOT_ON_THE_DISK, on_the_disk, served
from machine.vm import BOOT

NAME = "master-1"
RESTORE = 300
PODS = 1500         # seconds: three programs of a hundred megabytes, started by an emulated processor
ROLLBACK = 600
SNAKES = list(range(8, 27))
PROGRAM = "/var/lib/etcd-rescue/bin/etcd-rescue"
PLAN = """source: {url}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
auto: yes
"""


@pytest.fixture(scope="module")
def master(fleet, image_file, tmp_path_factory):
    """The machine, on its own disk after a restore."""
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "kubelet-1.34", "containerd-1.7")
    work = tmp_path_factory.mktemp("kubelet")
    cluster = Real(work / "cluster", [NAME])
    # The old cluster is alive on the disk, so that it can be seen again.
    disk = cluster[NAME].disk(work / "disk.img", damage="none", size=SIZE)
    served_folder = work / "served"
    served_folder.mkdir()
    cluster.snapshot().rename(served_folder / "snapshot.db")
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), work)
    with web_server(served_folder) as server:
        (work / "plan.yaml").write_text(PLAN.format(url=f"http://{HOST}:{server.server_port}"))
        iso = images.iso_of(image_file("vmlinuz"), initramfs, work / "etcd-rescue.iso")
        iso = images.customised(iso, work / "planned.iso", "--plan", work / "plan.yaml", "--cmdline", "rescue.wait=2")
        with fleet.start("real-kubelet", memory=2048, cpu=CPU, cdrom=iso, disks=[disk], nic=NIC, reboot=True) as vm:
            vm.console.expect("commit: restored", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
            on_the_disk(vm, NAME, RESTORE)
            yield vm


def ask(vm, command, seconds=120):
    answer = vm.console.run(command, seconds)
    assert answer.status == 0, answer.text
    return answer.text


def pods_of(vm):
    """What the kubelet has ever heard of from its directory."""
    said = ask(vm, "grep -o 'SyncLoop [A-Z]*\" source=\"file\" pods=.*' /var/log/kubelet.log")
    return set(re.findall(r'"([^"/]+/[^"]+)"', " ".join(re.findall(r"pods=(\[.*\])", said))))


@pytest.mark.long
def test_the_real_kubelet_starts_what_was_restored(master):
    vm = master
    new = served(vm, PODS)
    assert new.snakes == SNAKES
    # In a container of its own, confined as the pod says, below the kubelet's group.
    tasks = ask(vm, "ctr -n k8s.io tasks list")
    assert len(re.findall(r"RUNNING", tasks)) == 2, tasks       # etcd and its sandbox
    assert "kubepods" in ask(vm, "cat /proc/$(pidof etcd)/cgroup")
    assert "Seccomp:\t2" in ask(vm, "grep Seccomp: /proc/$(pidof etcd)/status")
    assert pods_of(vm) == {f"kube-system/etcd-{NAME}"}


@pytest.mark.long
def test_a_rollback_waits_for_the_real_kubelet_to_end_etcd(master):
    vm = master
    new = served(vm, PODS)
    ask(vm, f"{PROGRAM} rollback 2>&1", ROLLBACK)
    old = served(vm, PODS)
    assert old.cluster != new.cluster and old.snakes == SNAKES
    # Of all that was staged, fenced and kept aside it took nothing for a pod.
    assert pods_of(vm) == {f"kube-system/etcd-{NAME}"}
    # What it saw come and go between two looks is no complaint of what lies there.
    complaints = vm.console.run("grep '^E.* file.go:' /var/log/kubelet.log | grep -v 'no such file'", 60)
    assert complaints.status == 1, complaints.text


@pytest.mark.long
def test_to_the_real_kubelet_every_file_is_a_pod_but_those_with_a_dot(master):
    """So what is staged lies elsewhere, or is called so; and what the tests above look for is there when it is not."""
    vm = master
    for path, name in (("/etc/kubernetes/.beside.yaml.etcd-rescue-1", "beside"),
                       ("/etc/kubernetes/manifests/.dotted.yaml", "dotted"), ("/etc/kubernetes/manifests/staged", "staged")):
        ask(vm, f"sed 's/name: etcd$/name: {name}/' /etc/kubernetes/manifests/etcd.yaml >{path}")
    ask(vm, "n=0; until grep -q kube-system/staged /var/log/kubelet.log; do [ $n -lt 120 ] || break; n=$((n+1)); sleep 1; done; "
            "[ $n -lt 120 ]", 400)
    assert pods_of(vm) == {f"kube-system/{name}-{NAME}" for name in ("etcd", "staged")}
