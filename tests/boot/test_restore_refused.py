"""At the menu: who says no, what is refused and why, and the way back from the image. One machine, without a reset."""

import hashlib
import json
import shutil

import pytest

import requirement
from machine import foreign, image as images, pki, tree
from machine.console import COLOUR
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import CPU, HOST, NIC, on_the_disk, served
from machine.vm import BOOT

NAME = "master-1"
LINE = "console=tty0 console=ttyS0,115200 panic=-1"
MENU = r"what shall be done\?.*A letter, then Enter"
STEP = 240          # a restore, or one that is refused
TOP = "/tmp/disk"
FOLDERS = [f"{TOP}/etc/kubernetes", f"{TOP}/var/lib/etcd"]
PLAN = """generation: {generation}
source: {url}/{snapshot}
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
handoff: stay
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12")
    return Cluster(tmp_path_factory.mktemp("refused"), [NAME])


@pytest.fixture(scope="module")
def server(tmp_path_factory, cluster):
    """Two objects that stay what they are, and `current.db`, which changes as backups do."""
    folder = tmp_path_factory.mktemp("served")
    other = pki.authorities(folder / "other-pki")
    shutil.copy(cluster.snapshot(), folder / "own.db")
    foreign.snapshot(folder / "foreign.db", (other / "ca.crt").read_bytes(), folder)
    shutil.copy(folder / "foreign.db", folder / "current.db")
    with web_server(folder) as running:
        running.url, running.folder = f"http://{HOST}:{running.server_port}", folder
        yield running


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_the_shell(vm):
    vm.console.send("\n")
    vm.console.wake(60)


def trees(vm):
    """What lies on the disk, which nobody else has mounted meanwhile."""
    mounted = vm.console.run(f"mkdir -p {TOP}; mount -t ext4 -o ro /dev/vda2 {TOP}")
    assert mounted.status == 0, mounted.text
    found = tree.record(vm, FOLDERS)
    assert vm.console.run(f"umount {TOP}").status == 0
    return found


def under(path, folder):
    return path == folder or path.startswith(f"{folder}/")


def run(vm, url, **wishes):
    """`run` of a plan typed at the shell; its exit status and what it said."""
    text = PLAN.format(**{"url": url, "generation": 1, "snapshot": "own.db", **wishes})
    assert vm.console.run(f"printf '%s' '{text}' >/tmp/plan.yaml").status == 0
    answer = vm.console.run("etcd-rescue run --file /tmp/plan.yaml --unattended 2>&1", STEP)
    return answer.status, answer.text


def choose_restore(vm, answer):
    vm.console.send("r\n")
    vm.console.expect("This replaces etcd", 60)
    vm.console.send(f"{answer}\n")


def test_menu_no_refusals_and_rollback_from_the_image(fleet, image_file, cluster, server, tmp_path):
    disk = cluster[NAME].disk(tmp_path / "disk.img", damage="none")
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN.format(generation=2, url=server.url, snapshot="current.db"))
    with fleet.start("restore-refused", memory=512, cpu=CPU, kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE,
                     disks=[disk], nic=NIC, reboot=True,
                     extra=["-fw_cfg", f"name=opt/etcd-rescue/plan,file={tmp_path / 'plan.yaml'}"]) as vm:
        # The operator says no: not one byte of the whole disk.
        vm.console.expect(MENU, BOOT)
        before = digest(disk)
        choose_restore(vm, "no")
        vm.console.expect("Nothing is done", 60, stop_at="==> identify")
        vm.console.expect(MENU, 60)
        assert digest(disk) == before
        to_the_shell(vm)
        old = trees(vm)
        assert digest(disk) == before, "our own look has changed it"
        # Another cluster's snapshot, chosen at the menu.
        vm.console.send("exit\n")
        vm.console.expect(MENU, 60)
        choose_restore(vm, "yes")
        said = vm.console.expect(r"FAILED in the step (\w+).*?exit status (\d+)", STEP, stop_at="commit: restored")
        told = COLOUR.sub("", said[0].decode())
        assert said[2] == b"6" and "another cluster" in told and "refused: nothing was changed" in told, told
        vm.console.expect(MENU, 120)
        to_the_shell(vm)
        assert tree.contents(trees(vm), TOP) == tree.contents(old, TOP)
        # The backup is the right one now; the same plan, the same answer.
        shutil.copy(server.folder / "own.db", server.folder / "current.db")
        vm.console.send("exit\n")
        vm.console.expect(MENU, 60)
        choose_restore(vm, "yes")
        vm.console.expect("commit: restored", STEP, stop_at="FAILED")
        vm.console.expect(MENU, 120)
        to_the_shell(vm)
        new = trees(vm)
        assert tree.contents(new, TOP) != tree.contents(old, TOP)
        # Now it is restored by generation 2 of that plan: what is older, other or the same changes nothing.
        restored = digest(disk)
        for wishes, status, words in (({"generation": 2, "snapshot": "current.db"}, 0, "nothing was written"),
                                      ({"generation": 1, "snapshot": "current.db"}, 0, "nothing was written"),
                                      ({"generation": 2, "snapshot": "own.db"}, 6, "restored by another plan"),
                                      ({"generation": 1, "snapshot": "own.db"}, 6, "generation: 3")):
            answer = run(vm, server.url, **wishes)
            assert answer[0] == status and words in answer[1], (wishes, answer)
            assert digest(disk) == restored, wishes
        # Back, from the image.
        back = vm.console.run("etcd-rescue rollback --json 2>/dev/null", STEP)
        said = json.loads(back.text.strip().splitlines()[-1])
        assert back.status == 0 and said["outcome"] == "rolled-back", back.text
        after = trees(vm)
        member = f"{TOP}/var/lib/etcd/member"
        aside = {path: entry for path, entry in after.items() if path.startswith(f"{member}.rolled-back-")}
        there = {path: entry for path, entry in after.items() if path not in aside}
        assert tree.contents(there, TOP) == tree.contents(old, TOP)
        # Not copies: the directories themselves have changed places, and the new one is kept.
        assert there[member].inode == old[member].inode
        assert {entry.inode for entry in aside.values()} == {new[path].inode for path in new if under(path, member)}
        status, text = run(vm, server.url, generation=2, snapshot="current.db")
        assert status == 6 and "rolled back" in text, text
        vm.console.send("etcd-rescue handoff --to kexec --yes\n")
        on_the_disk(vm, NAME, BOOT)
        assert served(vm).snakes == list(range(8, 27))
