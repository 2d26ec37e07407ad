"""A control plane in a container that only a person can open: asked at a shell, asked by the menu, named when nobody is
there; and what a killed restore leaves open is no hindrance to the next one.

One machine, whose disk is made by the image's own tools.
"""

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest

import requirement
from machine import image as images
from machine.cpio import append, archive
from machine.storage import MIB, Storage, attach, blank, file_system
from machine.vm import BOOT

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
LINE = "console=ttyS0 panic=-1"
MENU = r"what shall be done\?.*A letter, then Enter"
PASSPHRASE, WRONG = "CANARY correct horse", "CANARY staple"
FORMAT = "--batch-mode --pbkdf-force-iterations 4 --pbkdf-parallel 1 --pbkdf argon2id --pbkdf-memory 32768 --key-file /tmp/key"
PLAN = """source: file:/root/snapshot.db
survivors: none
handoff: stay
cluster:
  members:
    - {name: master-1, peer: "https://10.0.0.11:2380"}
    - {name: master-2, peer: "https://10.0.0.12:2380"}
    - {name: master-3, peer: "https://10.0.0.13:2380"}
"""
pytestmark = pytest.mark.long

ASKED = r"is an encrypted disk, and no key for it was found.*takes 32 MiB of memory.*Passphrase of vd.[^\n]*not shown\): "
AGAIN = r"does not open it, try {} of 3.*not shown\): "


@pytest.fixture(scope="module")
def storage(fleet, image_file, work):
    place = work / "passphrase-disks"
    place.mkdir()
    shutil.copytree(LAYOUTS / "kubeadm" / "before", place / "plain", symlinks=True)
    (place / "plain/mnt/fast/etcd/member/snap").mkdir(parents=True)
    (place / "plain/mnt/fast/etcd/member/snap/db").write_text("x")
    extra = attach("secret", blank(place / "secret.img", 216 * MIB))
    extra += attach("from", file_system(place / "from.img", "ROOT", place / "plain", 168 * MIB, requirement.need("mke2fs")))
    snapshot = gzip.decompress((LAYOUTS.parent / "kubernetes" / "snapshot.db.gz").read_bytes())
    initrd = place / "passphrase.img"
    with_program = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), place)
    initrd.write_bytes(append(with_program.read_bytes(), archive({"root/snapshot.db": snapshot,
                                                                  "etc/etcd-rescue/plan.yaml": PLAN.encode()})))
    with fleet.start("passphrase", memory=640, kernel=image_file("vmlinuz"), initrd=initrd, append=LINE, extra=extra) as vm:
        vm.console.expect(MENU, BOOT)
        vm.console.wake(BOOT)
        made = Storage(vm, ["secret", "from"])
        secret, source = made.of("secret"), made.of("from")
        made.sh(f"printf '%s' '{PASSPHRASE}' >/tmp/key; modprobe dm-crypt")
        made.sh(f"cryptsetup luksFormat {FORMAT} --type luks2 --label MASTER {secret}")
        # A group in the container, so that both have to be closed again.
        made.sh(f"cryptsetup open --key-file /tmp/key {secret} made && lvm pvcreate /dev/mapper/made && "
                "lvm vgcreate sys /dev/mapper/made && lvm lvcreate -y -L 168M -n root sys")
        made.sh(f"dd if={source} of=/dev/sys/root bs=1M && sync && lvm vgchange -an && cryptsetup close made; rm /tmp/key")
        made.hide("from")
        yield made


def test_nobody_there_is_told_which_disk_and_what_to_do(storage):
    before = storage.digest("secret")
    said = storage.sh("etcd-rescue run --file /etc/etcd-rescue/plan.yaml --yes --json </dev/null 2>&1", 1)
    disk = storage.of("secret")[len("/dev/"):]
    assert re.search(f"{disk}[^\n]*locked, no key was found on the other disks and nobody typed its passphrase: choose the "
                     "restore at the image's menu", said), said
    assert storage.opened() == [] and storage.digest("secret") == before


def test_at_a_terminal_it_is_asked_for_three_times(storage):
    console = storage.vm.console
    console.send("etcd-rescue run --file /etc/etcd-rescue/plan.yaml --dry-run; echo ended-$((1000+$?))\n")
    console.expect(ASKED, 120)
    for nth in (2, 3):
        console.send(WRONG + "\n")
        console.expect(AGAIN.format(nth), 120)
    console.send(PASSPHRASE + "\n")
    console.expect("ended-1000\r?\n", 240)
    assert storage.opened() == []


def test_killed_in_the_middle_the_next_one_begins_anew(storage):
    # The passphrase as the menu keeps it.
    uuid = storage.sh(f"cryptsetup luksUUID {storage.of('secret')}")
    storage.sh("mkdir -p -m 700 /run/etcd-rescue/entered && "
               f"printf '%s' '{PASSPHRASE}' >/run/etcd-rescue/entered/test-luks-{uuid}")
    storage.sh("etcd-rescue run --file /etc/etcd-rescue/plan.yaml --yes </dev/null >/tmp/killed 2>&1 & "
               "n=0; until ls /dev/mapper/sys-root >/dev/null 2>&1 || [ $n = 600 ]; do n=$((n+1)); usleep 100000; done; "
               "kill -9 $!; wait $! 2>/dev/null; [ $n -lt 600 ]")
    assert len(storage.opened()) == 2, "it was not killed with its disks open"
    text = storage.sh("etcd-rescue run --file /etc/etcd-rescue/plan.yaml --dry-run --json </dev/null 2>/tmp/log || "
                      "{ cat /tmp/log; false; }")
    assert json.loads(text.splitlines()[-1])["outcome"] == "rehearsed"
    assert storage.opened() == []
    storage.sh("rm -r /run/etcd-rescue/entered")


def test_the_menu_asks_before_the_restore_and_keeps_it_in_memory_only(storage):
    console = storage.vm.console
    console.send("exit\n")
    console.expect(MENU, 60)
    console.send("r\n")
    console.expect("yes, or Enter for no", 30)
    console.send("yes\n")
    console.expect(ASKED, 120)
    console.send(WRONG + "\n")
    console.expect(AGAIN.format(2), 120)
    console.send(PASSPHRASE + "\n")
    console.expect("commit: restored", 600, stop_at="FAILED")
    # It has gone through the hand-off, which the plan has stay.
    console.expect(MENU, 240)
    console.wake(60)
    assert storage.sh("ls /run/etcd-rescue/entered 2>/dev/null; true") == ""
    assert storage.opened() == []
    storage.sh(f"printf '%s' '{PASSPHRASE}' >/tmp/key; cryptsetup open --key-file /tmp/key {storage.of('secret')} made && "
               "lvm vgchange -ay sys && mount -o ro /dev/sys/root /mnt; rm /tmp/key")
    try:
        storage.sh("etcd-rescue verify /mnt/mnt/fast/etcd")
        assert storage.sh("grep -rl CANARY /mnt/var/log /mnt/var/lib/etcd-rescue /run /var/log 2>/dev/null; dmesg | grep CANARY; "
                          "true") == ""
    finally:
        storage.sh("umount /mnt; lvm vgchange -an sys; cryptsetup close made")


def test_nothing_typed_was_shown(storage):
    typed = [line for line in storage.vm.console.text.splitlines() if "CANARY" in line]
    # What the tests themselves put into commands, and nothing else.
    assert typed and all("printf" in line or "grep" in line for line in typed), typed
