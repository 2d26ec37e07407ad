"""The network for real: cards, cables, DHCP servers and routers, in namespaces of their own."""

import threading
import time

import pytest

BOOT_MAC = "52:54:00:aa:00:02"
SOON = 60 # seconds; what is waited for in vain takes 120 for a carrier, and 600 for an address


def test_a_lease_gives_address_route_servers_and_mtu(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    url = "https://plans.example/m001.yaml"
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", "6=c0000235", "26=0578", "42=c0000201",
               "12=" + b"m001".hex(), "224=" + url.encode().hex())
    result = site.network()
    assert result.status == 0, result.stderr
    assert result.json == {"link": "eth0", "address": "192.0.2.7/24", "hostname": "m001", "plan_url": url,
                           "ntp": ["192.0.2.1"]}
    assert result.warnings == []
    assert "default via 192.0.2.1 dev eth0" in site.shell("ip route").stdout
    assert site.read("/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    assert "mtu 1400" in site.shell("ip link show dev eth0").stdout
    # The client stays to renew the lease.
    assert "udhcpc" in site.shell("ps -o comm").stdout


def test_a_lease_is_renewed_while_nobody_waits(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", "lease=12")
    assert site.network().status == 0
    time.sleep(16)
    assert "192.0.2.7/24" in site.shell("ip -4 addr show dev eth0").stdout
    assert site.read("/run/etcd-rescue/net/eth0.log").count("obtained") >= 2


def test_of_two_cards_the_one_that_is_answered_ends_the_wait(site):
    site.cable("eth0")  # carrier, and silence
    peer = site.cable("eth1")
    site.address(peer, "eth1", "198.51.100.1/24")
    site.serve(peer, "dhcp_server.py", "eth1", "198.51.100.7", "3=c6336401")
    result = site.network()
    assert (result.status, result.json["link"]) == (0, "eth1"), result.stderr
    assert result.seconds < SOON
    # The silent one goes on asking.
    assert site.shell("cat /run/etcd-rescue/net/eth0.pid").stdout.strip().isdigit()


def test_the_boot_card_is_preferred_and_its_route_wins(site):
    for number, name, mac in ((2, "eth0", None), (3, "eth1", BOOT_MAC)):
        peer = site.cable(name, mac)
        site.address(peer, name, f"10.0.{number}.1/24")
        # The boot card is slower to be answered.
        site.serve(peer, "dhcp_server.py", name, f"10.0.{number}.7", f"3=0a000{number}01", f"6=0a000{number}35",
                   "deaf=3" if mac else "deaf=0")
    result = site.network("BOOTIF=01-" + BOOT_MAC.replace(":", "-"))
    assert (result.status, result.json["link"]) == (0, "eth1"), result.stderr
    assert site.shell("ip route get 203.0.113.1").stdout.split()[:5] == ["203.0.113.1", "via", "10.0.3.1", "dev", "eth1"]
    assert site.read("/etc/resolv.conf").splitlines()[0] == "nameserver 10.0.3.53"


def test_static_address_with_mtu_routes_and_name_servers(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    result = site.network("ip=192.0.2.9::192.0.2.1:255.255.255.0:m002:eth0:none:9000", "nameserver=192.0.2.53",
                          "rd.route=203.0.113.0/24:192.0.2.2:eth0", "nameserver=192.0.2.54")
    assert (result.status, result.json["address"]) == (0, "192.0.2.9/24"), result.stderr
    assert result.warnings == []
    routes = site.shell("ip route").stdout
    assert "default via 192.0.2.1 dev eth0" in routes and "203.0.113.0/24 via 192.0.2.2 dev eth0" in routes
    assert "mtu 9000" in site.shell("ip link show dev eth0").stdout
    assert site.read("/etc/resolv.conf") == "nameserver 192.0.2.53\nnameserver 192.0.2.54\n"
    assert site.shell("ping -c 1 -W 5 192.0.2.1").returncode == 0


def test_static_address_without_a_card_takes_the_one_with_carrier(site):
    site.cable("eth0", up=False)
    peer = site.cable("eth1")
    site.address(peer, "eth1", "192.0.2.1/24")
    result = site.network("ip=192.0.2.9::192.0.2.1:24:m002::none")
    assert (result.status, result.json["link"]) == (0, "eth1"), result.stderr
    assert "inet " not in site.shell("ip -4 addr show dev eth0").stdout


def test_carrier_that_comes_late_is_waited_for(site):
    peer = site.cable("eth0", up=False)
    site.address(peer, "eth0", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201")
    timer = threading.Timer(8, site.carrier, (peer, "eth0"))
    timer.start()
    result = site.network()
    timer.join()
    assert (result.status, result.json["address"]) == (0, "192.0.2.7/24"), result.stderr
    assert 8 <= result.seconds < SOON


def test_a_card_that_comes_late_is_taken_and_named(site):
    def plug_in():
        peer = site.cable("eth0", BOOT_MAC)
        site.address(peer, "eth0", "192.0.2.1/24")
        site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201")
    timer = threading.Timer(3, plug_in)
    timer.start()
    result = site.network("ip=boot:dhcp", f"ifname=boot:{BOOT_MAC}")
    timer.join()
    assert (result.status, result.json["link"]) == (0, "boot"), result.stderr
    assert result.seconds >= 3


def test_no_carrier_ends_with_one_line_that_names_the_card(site):
    site.cable("eth0", up=False)
    result = site.network("rd.net.timeout.carrier=3")
    assert result.status == 1
    assert 3 <= result.seconds < SOON
    assert "eth0 has no carrier" in result.stderr.splitlines()[-1]
    # It is asked on, should the cable come after all.
    assert site.shell("cat /run/etcd-rescue/net/eth0.pid").stdout.strip().isdigit()


def test_a_missing_card_is_named(site):
    site.cable("eth0")
    result = site.network("ip=eth7:dhcp", "rd.net.timeout.carrier=2")
    assert result.status == 1 and "eth7 does not exist" in result.stderr


def test_no_card_at_all_is_said_soon(site):
    result = site.network()
    assert result.status == 1 and result.seconds < SOON
    assert "no network card found" in result.stderr


def test_two_cards_change_their_names(site):
    site.cable("eth0", "52:54:00:aa:00:00")
    peer = site.cable("eth1", BOOT_MAC)
    site.address(peer, "eth1", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth1", "192.0.2.7", "3=c0000201")
    result = site.network("ifname=eth0:" + BOOT_MAC, "ifname=eth1:52:54:00:aa:00:00", "ip=eth0:dhcp")
    assert (result.status, result.json["link"]) == (0, "eth0"), result.stderr
    assert BOOT_MAC in site.shell("ip link show dev eth0").stdout


def test_single_dhcp_silences_the_others(site):
    site.cable("eth0")
    peer = site.cable("eth1")
    site.address(peer, "eth1", "198.51.100.1/24")
    site.serve(peer, "dhcp_server.py", "eth1", "198.51.100.7", "3=c6336401")
    assert site.network("ip=single-dhcp").status == 0
    time.sleep(1)
    clients = site.shell("ps -o args").stdout.count("udhcpc -f")
    assert clients == 1


def test_a_second_call_replaces_the_first(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", "6=c0000235")
    assert site.network().status == 0
    result = site.network("ip=192.0.2.9::192.0.2.1:24::eth0:none", "nameserver=192.0.2.54")
    assert (result.status, result.json["address"]) == (0, "192.0.2.9/24"), result.stderr
    addresses = site.shell("ip -4 addr show dev eth0").stdout
    assert "192.0.2.9/24" in addresses and "192.0.2.7" not in addresses
    assert site.read("/etc/resolv.conf") == "nameserver 192.0.2.54\n"
    assert "udhcpc -f" not in site.shell("ps -o args").stdout


def test_a_switched_off_card_is_left_alone(site):
    site.cable("eth0")
    result = site.network("ip=off")
    assert result.status == 0
    assert "UP" not in site.shell("ip link show dev eth0").stdout.split("\n")[0].split(">")[0]


def test_router_advertisements_give_address_route_and_name_server(site):
    peer = site.cable("eth0")
    site.serve(peer, "router6.py", "eth0", "2001:db8:1::", "2001:db8:1::53")
    result = site.network("ip=auto6")
    assert result.status == 0, result.stderr
    assert result.json["address"].startswith("2001:db8:1:") and result.json["address"].endswith("/64")
    assert "default via fe80" in site.shell("ip -6 route").stdout
    assert site.read("/etc/resolv.conf") == "nameserver 2001:db8:1::53\n"


def test_dhcp6_is_asked(site):
    peer = site.cable("eth0")
    site.serve(peer, "router6.py", "eth0", "2001:db8:1::", "dhcp6:2001:db8:1::77")
    result = site.network("ip=eth0:dhcp6")
    assert (result.status, result.json and result.json["address"]) == (0, "2001:db8:1::77/128"), result.stderr
    assert site.read("/etc/resolv.conf") == "nameserver 2001:0db8:0000:0000:0000:0000:0000:0053\n"


def test_link_local_is_enough_when_asked_for(site):
    site.cable("eth0")
    result = site.network("ip=eth0:link6")
    assert result.status == 0 and result.json["address"].startswith("fe80::"), result.stderr


@pytest.mark.long
def test_either6_asks_dhcp_when_no_router_gives_an_address(site):
    peer = site.cable("eth0")
    site.serve(peer, "router6.py", "eth0", "2001:db8:1::", "dhcp6:2001:db8:1::77")
    result = site.network("ip=eth0:either6")
    assert (result.status, result.json and result.json["address"]) == (0, "2001:db8:1::77/128"), result.stderr
    assert result.seconds > 20


@pytest.mark.long
def test_a_switch_port_that_listens_only_after_half_a_minute(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", "deaf=40")
    result = site.network()
    assert (result.status, result.json["address"]) == (0, "192.0.2.7/24"), result.stderr
    assert 40 <= result.seconds < 60


def test_a_static_ipv6_address(site):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "2001:db8:2::1/64")
    result = site.network("ip=[2001:db8:2::9]::[2001:db8:2::1]:64:m003:eth0:none")
    assert (result.status, result.json["address"]) == (0, "2001:db8:2::9/64"), result.stderr
    assert "default via 2001:db8:2::1 dev eth0" in site.shell("ip -6 route").stdout
    assert site.shell("ping6 -c 1 -W 5 2001:db8:2::1").returncode == 0


def test_bad_words_change_nothing(site):
    site.cable("eth0")
    for word, text in (("ip=dchp", "none of dhcp"), ("ip=ibft", "not done here"), ("bridge=br0:eth0", "not done here")):
        result = site.network(word)
        assert result.status in (1, 2) and text in result.stderr, result.stderr
        assert len(result.stderr.splitlines()) <= 2
    assert "state DOWN" in site.shell("ip link show dev eth0").stdout


def test_dry_run_changes_nothing(site):
    site.cable("eth0")
    result = site.network("--dry-run", "ip=eth0:dhcp")
    assert result.status == 0 and "/bin/ip link set dev eth0 up" in result.json["actions"]
    assert site.shell("ls /run").stdout == ""
    assert "state DOWN" in site.shell("ip link show dev eth0").stdout
