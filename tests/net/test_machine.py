"""What needs a kernel of our own: bonds, VLANs, a cable pulled and put back, and a clock that stands in 1970.

One machine with three cards. eth0 is on a wire of its own with nobody else; eth1 and eth2 are on one wire, where QEMU's
network answers DHCP (10.0.2.2 is this host). Where a second machine is needed, eth2 is moved into a namespace of the guest.
"""

import json
import re
import shutil
import threading
import time

import pytest

import requirement
from machine import accelerator
from machine.cpio import append, archive
from machine.vm import BOOT, Vm
from net import authority
from net.time_server import TimeServer

MAC = "52:54:00:aa:00:0"
HUB = ("-netdev", "user,id=world", "-netdev", "hubport,id=port9,hubid=1,netdev=world",
       *(word for number, hub in ((0, 0), (1, 1), (2, 1)) for word in (
           "-netdev", f"hubport,id=port{number},hubid={hub}",
           "-device", f"virtio-net-pci,id=card{number},netdev=port{number},mac={MAC}{number},romfile=")))


class Guest:
    def __init__(self, vm, known, unknown):
        self.vm, self.known, self.unknown = vm, known, unknown

    def run(self, command, seconds=60):
        return self.vm.console.run(command, seconds)

    def network(self, words, seconds=300):
        """The result of etcd-rescue network, and what it told."""
        answer = self.run(f"etcd-rescue network --json {words} 2>/tmp/told", seconds)
        told = self.run("cat /tmp/told").text
        return (json.loads(answer.text) if answer.status == 0 else None), told


@pytest.fixture(scope="module")
def guest(image_file, top):
    requirement.need("openssl")
    qemu = requirement.need("qemu-system-x86_64")
    kernel, initramfs = image_file("vmlinuz"), image_file("initramfs.img")
    work = top / "build" / "net-machine"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    servers = []
    try:
        own = authority.make(work, "own", "IP:10.0.2.2")
        authority.make(work, "foreign", "IP:10.0.2.2")
        for name in ("own", "foreign"):
            servers.append(authority.Server(authority.say, work / f"{name}-server.pem"))
        initrd = work / "initrd"
        initrd.write_bytes(append(initramfs.read_bytes(), archive({"etc/etcd-rescue/ca/own.pem": own})))
        extra = (*HUB, "-rtc", "base=1970-01-02T03:04:05")
        with Vm("net", work / "vm", accelerator.choose(qemu, kernel), kernel=kernel, initrd=initrd, memory=512,
                append="console=ttyS0,115200n8 ip=off", extra=extra) as vm:
            vm.console.wake(BOOT)
            vm.settle()
            yield Guest(vm, servers[0], servers[1])
    finally:
        for server in servers:
            server.close()
        shutil.rmtree(work, ignore_errors=True)


def test_a_clock_in_1970_is_seen_and_not_believed(guest):
    answer = json.loads(guest.run("etcd-rescue clock --json").text)
    assert answer["believable"] is False or answer["now"] >= answer["not_before"]


def test_dhcp_on_the_card_that_answers(guest):
    result, told = guest.network("ip=dhcp")
    assert result and result["address"].startswith("10.0.2.") and result["link"] in ("eth1", "eth2"), told


def test_a_date_with_a_foreign_certificate_is_refused(guest):
    result, told = guest.network("ip=eth1:dhcp")
    assert result, told
    guest.run("date -s 1970-01-02")
    answer = guest.run(f"etcd-rescue clock --url https://10.0.2.2:{guest.unknown.port}/ 2>&1", 120)
    assert answer.status != 0 and "its certificate is not valid at the time it tells" in answer.text
    # Not the time it told, but the image's own day, which is nearer to the truth than 1970.
    clock = json.loads(guest.run("etcd-rescue clock --json").text)
    assert clock["now"][:10] == clock["not_before"][:10]


def test_a_date_sets_the_clock_once_the_certificate_holds_at_it(guest):
    result, told = guest.network("ip=eth1:dhcp")
    assert result, told
    guest.run("date -s 1970-01-02")
    answer = guest.run(f"etcd-rescue clock --url https://10.0.2.2:{guest.known.port}/x?secret 2>&1", 120)
    assert answer.status == 0, answer.text
    assert "behind" in answer.text and "secret" not in answer.text
    seconds = int(guest.run("date +%s").text)
    assert abs(seconds - time.time()) < 30
    # The first look is unverified and takes no body; the second one counts.
    assert guest.known.requests[-2:] == ["HEAD /x?secret"] * 2
    # The machine remembers it.
    assert time.strftime("%Y", time.gmtime()) in guest.run("hwclock -u").text


def test_a_time_server_sets_the_clock(guest):
    try:
        server = TimeServer()
    except OSError as error:
        pytest.skip(f"needs UDP port 123 of 127.0.0.1: {error}")
    try:
        result, told = guest.network("ip=eth1:dhcp")
        assert result, told
        guest.run("date -s 1970-01-02")
        answer = guest.run("etcd-rescue clock --ntp 10.0.2.2 2>&1", 120)
    finally:
        server.close()
    assert answer.status == 0 and "set by 10.0.2.2" in answer.text, answer.text
    assert server.asked and abs(int(guest.run("date +%s").text) - time.time()) < 30


def test_a_time_server_that_is_silent_is_named(guest):
    answer = guest.run("etcd-rescue clock --ntp 10.0.2.77 2>&1", 120)
    assert answer.status == 1 and "10.0.2.77" in answer.text, answer.text


def test_a_pulled_cable_is_waited_for(guest):
    guest.vm.qmp("set_link", name="card1", up=False)
    timer = threading.Timer(8, guest.vm.qmp, ("set_link",), {"name": "card1", "up": True})
    timer.start()
    result, told = guest.network("ip=eth1:dhcp")
    timer.join()
    assert result and result["address"].startswith("10.0.2."), told
    assert "eth1 has no carrier" in told or "eth1: carrier" in told


def test_vlan_is_tagged(guest):
    # eth2 becomes a machine of its own that hears VLAN 5 only.
    guest.run("unshare -n sleep 1000 & peer=$!; sleep 1; ip link set eth2 netns $peer")
    there = "nsenter -t $peer -n"
    for command in ("ip link set eth2 up", "ip link add link eth2 name eth2.5 type vlan id 5", "ip link set eth2.5 up",
                    "ip addr add 192.0.2.1/24 dev eth2.5"):
        answer = guest.run(f"{there} {command}")
        assert answer.status == 0, answer.text
    try:
        result, told = guest.network("vlan=eth1.0005:eth1 ip=192.0.2.7::192.0.2.1:24:node1:eth1.0005:none:1400")
        assert result and result["address"] == "192.0.2.7/24", told
        assert guest.run("ping -c 3 -W 10 192.0.2.1").status == 0
        assert "1400" in guest.run("ip link show dev eth1.0005").text
        assert "default via 192.0.2.1 dev eth1.0005" in guest.run("ip route").text
    finally:
        guest.run("kill $peer; sleep 1; ip link delete eth1.0005")


def test_bond_of_two_ports_uses_the_one_that_leads_somewhere(guest):
    result, told = guest.network("bond=bond0:eth0,eth1:mode=active-backup,primary=eth1 ip=bond0:dhcp")
    assert result and result["link"] == "bond0" and result["address"].startswith("10.0.2."), told
    assert "active-backup" in guest.run("cat /sys/class/net/bond0/bonding/mode").text
    assert guest.run("cat /sys/class/net/bond0/bonding/slaves").text.split() == ["eth0", "eth1"]
    # A second call finds the bond there and makes it anew.
    result, told = guest.network("bond=bond0:eth1:mode=active-backup ip=bond0:dhcp:1450")
    assert result and result["link"] == "bond0", told
    assert "1450" in guest.run("ip link show dev bond0").text


@pytest.mark.long
def test_lacp_without_a_partner_becomes_one_port_alone(guest):
    """The port that leads nowhere is the first in the list; nobody answers LACP on either."""
    began = time.monotonic()
    result, told = guest.network("bond=bond0:eth0,eth1:mode=802.3ad ip=bond0:dhcp", 600)
    assert result and result["link"] == "bond0" and result["address"].startswith("10.0.2."), told
    mode = guest.run("cat /sys/class/net/bond0/bonding/mode").text
    if "802.3ad" not in mode:
        assert re.search("no LACP partner and no address after 75 s; using eth[01] alone", told)
        assert time.monotonic() - began > 75
    else:
        assert "alone" not in told
