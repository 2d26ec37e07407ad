"""A dead master in, a serving one out, nobody at the keyboard; and the image started on it again changes nothing.

One machine a firmware, each asked along its whole way: image, disk, image again, disk. One master is the whole cluster,
so that it shows its health by itself.
"""

import re
import shutil
import time

import pytest

import requirement
from machine import firmware, image as images, tree
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import CPU, HOST, NIC, NOT_ON_THE_DISK, note_that_it_ran, on_the_disk, served, stop_serving
from machine.vm import BOOT

NAME = "master-1"
RESTORE = 300       # seconds from the kernel's start to the disk's own
FOLDERS = ["/etc/kubernetes", "/var/lib/etcd"]
SNAKES = list(range(8, 27))
PLAN = """generation: {generation}
source: {url}/{snapshot}
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
auto: {auto}
"""
# What a machine says when a part of its way is behind it, in this order.
MARKS = (("firmware, boot loader", r"Linux version|etcd-rescue [^ ]+ looks at this machine"),
         ("kernel, drivers, network, plan", r"RESTORE BEGINS"), ("countdown", r"==> identify"),
         ("find, fetch, check, stage", r"==> commit"), ("commit", r"commit: restored"),
         ("hand-off, the disk's kernel", r"started from its own disk"))


def plan(url, snapshot="snapshot.db", generation=1, auto="yes"):
    return PLAN.format(url=url, snapshot=snapshot, generation=generation, auto=auto)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12")
    return Cluster(tmp_path_factory.mktemp("restore"), [NAME])


@pytest.fixture(scope="module")
def initramfs(tmp_path_factory, image_file):
    return images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def served_folder(tmp_path_factory, cluster, image_file):
    """What lies on the web server: the snapshot, and the program for a running system."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(cluster.snapshot(), folder / "snapshot.db")
    shutil.copy(image_file("etcd-rescue"), folder / "etcd-rescue")
    return folder


@pytest.fixture(scope="module")
def server(served_folder):
    with web_server(served_folder) as running:
        running.url = f"http://{HOST}:{running.server_port}"
        yield running


def tell_times(vm, artefacts):
    """Of the console, and of the report on the disk; for people, no test."""
    lines, before = [], vm.started
    for part, pattern in MARKS:
        at = vm.console.when(pattern)
        lines.append(f"{part:34}{at - before:8.1f} s" if at else f"{part:34}       ?")
        before = at or before
    report = vm.console.run("tail -qn 1 /var/log/etcd-rescue/*.jsonl").text
    phases = re.findall(r'{"name":"([^"]+)","ms":(\d+)}', report)
    lines += [f"  {name:32}{int(ms) / 1000:8.1f} s" for name, ms in phases]
    lines += [f"  {name:32}{int(ms) / 1000:8.1f} s" for name, ms in re.findall(r'"(ours_ms|total_ms)":(\d+)', report)]
    (artefacts / f"{vm.name}-times.txt").write_text("\n".join(lines) + "\n")
    print(f"\n{vm.name}:", *lines, sep="\n")
    assert phases, f"the report on the disk tells no phases: {report[-500:]}"


def image_again(vm, expected):
    """The image starts once more, finds its own work, and goes to the disk."""
    vm.console.send("reboot\n")
    vm.console.expect("RESTORE BEGINS", BOOT, stop_at=NOT_ON_THE_DISK)
    vm.console.expect(expected, RESTORE, stop_at=NOT_ON_THE_DISK)
    return on_the_disk(vm, NAME, RESTORE)


def compare_over_a_boot(vm):
    """The trees, before and after the image has been started on them again; how many names there are."""
    stop_serving(vm)
    before = tree.record(vm, FOLDERS)
    image_again(vm, "this plan was restored here, and etcd has run on it since")
    changed = tree.changes(before, tree.record(vm, FOLDERS))
    files = sum(1 for entry in before.values() if entry.digest)
    print(f"{vm.name}: second boot of the image: {len(changed)} of {len(before)} names changed ({files} files)")
    assert changed == []
    assert files > 25 and any(path.startswith("/var/lib/etcd/member/wal/") for path in before)


def test_bios_with_the_cd_first_restores_by_itself_and_once(fleet, image_file, cluster, initramfs, server, artefacts, tmp_path):
    disk = cluster[NAME].disk(tmp_path / "bios.img", damage="db")
    (tmp_path / "plan.yaml").write_text(plan(server.url))
    iso = images.iso_of(image_file("vmlinuz"), initramfs, tmp_path / "etcd-rescue.iso")
    iso = images.customised(iso, tmp_path / "planned.iso", "--plan", tmp_path / "plan.yaml", "--cmdline", "rescue.wait=2")
    with fleet.start("restore-bios", memory=512, cpu=CPU, cdrom=iso, disks=[disk], nic=NIC, reboot=True) as vm:
        vm.console.expect("commit: restored", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
        line = on_the_disk(vm, NAME, RESTORE)
        assert "BOOT_IMAGE" not in line, "not by kexec"
        first = served(vm)
        assert first.snakes == SNAKES
        tell_times(vm, artefacts)
        note_that_it_ran(vm)
        compare_over_a_boot(vm)


@pytest.mark.long
def test_uefi_with_the_network_first_restores_once_and_rolls_back_on_the_running_system(
        fleet, image_file, top, cluster, initramfs, served_folder, server, artefacts, tmp_path):
    requirement.need("/usr/lib/ipxe/qemu/efi-virtio.rom")
    # The old cluster is alive here, so that it can be seen again.
    disk = cluster[NAME].disk(tmp_path / "uefi.img", damage="none", firmware="uefi")
    (tmp_path / "plan.yaml").write_text(plan(server.url))
    shutil.copy(image_file("vmlinuz"), served_folder)
    shutil.copy(initramfs, served_folder / "initramfs.img")
    script = (top / "initramfs" / "boot" / "boot.ipxe").read_text()
    (served_folder / "boot.ipxe").write_text(script.replace("quiet BOOTIF", "quiet rescue.wait=2 BOOTIF"))
    with fleet.start("restore-uefi", memory=768, cpu=CPU, machine="q35", firmware=firmware.plain(), disks=[disk], reboot=True,
                     nic=f"{NIC},bootfile={server.url}/boot.ipxe",
                     extra=["-fw_cfg", f"name=opt/etcd-rescue/plan,file={tmp_path / 'plan.yaml'}"]) as vm:
        vm.console.expect("commit: restored", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
        line = on_the_disk(vm, NAME, BOOT)
        assert "BOOT_IMAGE=/boot/vmlinuz" in line, "not by the firmware and the disk's own boot loader"
        new = served(vm)
        assert new.snakes == SNAKES
        tell_times(vm, artefacts)
        # From the network again, by which it still starts first: nothing goes round.
        note_that_it_ran(vm)
        line = image_again(vm, "this plan was restored here, and etcd has run on it since")
        assert "BOOT_IMAGE=/boot/vmlinuz" in line
        again = served(vm)
        assert again.cluster == new.cluster and again.revision >= new.revision
        # Back on the running system, by the program laid on it: it waits for etcd to end.
        assert vm.console.run(f"wget -q -O /usr/local/bin/etcd-rescue {server.url}/etcd-rescue; "
                              "chmod 755 /usr/local/bin/etcd-rescue", 120).status == 0
        back = vm.console.run("etcd-rescue rollback 2>&1", 240)
        assert back.status == 0, back.text
        old = served(vm)
        assert old.cluster != new.cluster and old.snakes == SNAKES
        note_that_it_ran(vm)
        # What was rolled back is not restored unasked; who looks at it sends it on.
        fetched = [path for _, path, _ in server.requests].count("/initramfs.img")
        vm.console.send("reboot\n")
        vm.console.expect("RESTORE BEGINS", BOOT, stop_at="FAILED|Kernel panic - not")
        vm.console.expect(r"FAILED.*a restore of this disk was rolled back.*disk +refused: nothing was changed.*exit status 6",
                          RESTORE)
        vm.console.expect(r"what shall be done\?", 120)
        assert [path for _, path, _ in server.requests].count("/initramfs.img") == fetched + 1
        vm.console.send("b\n")
        on_the_disk(vm, NAME, RESTORE)
        assert served(vm).cluster == old.cluster
