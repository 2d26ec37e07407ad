"""A master with Debian's systemd: the first boot's unit runs once beside the kubelet, removes itself, and nothing has failed.

Everywhere else BusyBox is the init of the installed machines, and a script starts what the kubelet's drop-ins want.
"""

import re

import pytest

import requirement
from machine import image as images
from machine.booted import SIZE, WORDS, SystemdCluster
from machine.netboot import web_server
from machine.serving import CPU, HOST, NIC, NOT_ON_THE_DISK, on_the_disk, served
from machine.vm import BOOT

NAME = "master-1"
RESTORE = 300
SERVES = 480
ENDS = 300          # seconds for the unit, once etcd serves
SNAKES = list(range(8, 27))
UNIT = "etcd-rescue-finish.service"
OWN = (f"/etc/systemd/system/{UNIT}", "/etc/systemd/system/kubelet.service.d", "/var/lib/etcd-rescue/finish.json")
PROGRAM = "/var/lib/etcd-rescue/bin/etcd-rescue"
PLAN = """source: {url}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}{others}]}}
auto: yes
finish: {{deadline: 2h}}
"""
# Two who never come: nothing serves.
OTHERS = "".join(f', {{name: master-{n}, peer: "https://10.252.1.{n + 6}:2380"}}' for n in (2, 3))

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def restored(fleet, image_file, tmp_path_factory):
    """restored(name, others) is a machine on its own disk after a restore by this plan."""
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12", "systemctl-257")
    work = tmp_path_factory.mktemp("systemd")
    cluster = SystemdCluster(work / "cluster", [NAME])
    (work / "served").mkdir()
    cluster.snapshot()
    (work / "served/snapshot.db").symlink_to(cluster.snapshot())
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), work)
    iso = images.iso_of(image_file("vmlinuz"), initramfs, work / "etcd-rescue.iso")
    running = []

    def start(name, others=""):
        disk = cluster[NAME].disk(work / f"{name}.img", damage="none", size=SIZE, words=WORDS)
        (work / f"{name}.yaml").write_text(PLAN.format(url=f"http://{HOST}:{server.server_port}", others=others))
        planned = images.customised(iso, work / f"{name}.iso", "--plan", work / f"{name}.yaml", "--cmdline", "rescue.wait=2")
        vm = fleet.start(f"systemd-{name}", memory=768, cpu=CPU, cdrom=planned, disks=[disk], nic=NIC, reboot=True)
        running.append(vm)
        vm.console.expect("commit: restored", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
        on_the_disk(vm, NAME, RESTORE)
        return vm

    with web_server(work / "served") as server:
        try:
            yield start
        finally:
            for vm in running:
                vm.close()


def ask(vm, command, seconds=120):
    answer = vm.console.run(command, seconds)
    assert answer.status == 0, answer.text
    return answer.text


def there(vm):
    """Which of its own files are there."""
    return [path for path in OWN if vm.console.run(f"[ -e {path} ]").status == 0]


def state_of(vm):
    """How systemd sees the unit: what is loaded, what it does, how it ended."""
    text = ask(vm, f"systemctl show {UNIT} -p LoadState -p ActiveState -p Result -p NRestarts")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def nothing_failed(vm):
    assert ask(vm, "systemctl list-units --failed --no-legend --no-pager").strip() == ""


def until(vm, condition, seconds):
    ask(vm, f"n=0; until {condition}; do [ $n -lt {seconds} ] || break; n=$((n+1)); sleep 1; done; [ $n -lt {seconds} ]",
        4 * seconds)


def reboot(vm):
    """The image, which sees that the disk has run since, and the disk again."""
    ask(vm, "touch /var/log/wtmp; sync")
    vm.console.send("systemctl reboot\n")
    vm.console.expect("RESTORE BEGINS", BOOT + RESTORE, stop_at="Kernel panic - not")


def test_the_unit_runs_once_removes_itself_and_nothing_has_failed(restored):
    vm = restored("once")
    assert "systemd" in ask(vm, "readlink /proc/1/exe")
    new = served(vm, SERVES)
    assert new.snakes == SNAKES
    until(vm, f"[ ! -e {OWN[0]} ]", ENDS)
    assert there(vm) == []
    until(vm, f"! systemctl is-active {UNIT} >/dev/null", ENDS)
    nothing_failed(vm)
    said = ask(vm, f"journalctl -u {UNIT} --no-pager -o cat")
    assert len(re.findall(r"^Started etcd-rescue-finish", said, re.M)) == 1, said
    assert "serves: the restored cluster, 1 of 1 members started" in said
    assert re.search(rf"^{re.escape(UNIT)}: Deactivated successfully", said, re.M), said
    # At the next boot systemd knows no such unit, and misses none.
    reboot(vm)
    vm.console.expect("this plan was restored here, and etcd has run on it since", RESTORE, stop_at=NOT_ON_THE_DISK)
    on_the_disk(vm, NAME, RESTORE)
    assert served(vm, SERVES).cluster == new.cluster
    assert state_of(vm)["LoadState"] == "not-found"
    assert vm.console.run(f"journalctl -b --no-pager | grep {UNIT}").status == 1
    nothing_failed(vm)


def test_a_rollback_takes_the_unit_away_while_it_waits(restored):
    vm = restored("rollback", OTHERS)
    until(vm, f"journalctl -u {UNIT} --no-pager | grep -q 'waiting for etcd'", ENDS)
    assert state_of(vm)["ActiveState"] == "active" and len(there(vm)) == len(OWN)
    ask(vm, f"{PROGRAM} rollback 2>&1", 600)
    assert there(vm) == []
    # The old cluster, which is this member alone.
    old = served(vm, SERVES)
    assert old.snakes == SNAKES
    until(vm, f"! systemctl is-active {UNIT} >/dev/null", ENDS)
    nothing_failed(vm)
    reboot(vm)
    # What was rolled back is not restored unasked; who looks at it sends it on.
    vm.console.expect(r"what shall be done\?.*A letter, then Enter", BOOT + RESTORE)
    vm.console.send("b\n")
    on_the_disk(vm, NAME, RESTORE)
    assert served(vm, SERVES).cluster == old.cluster
    assert state_of(vm)["LoadState"] == "not-found"
    nothing_failed(vm)
