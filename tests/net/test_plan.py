"""A plan whose address came by DHCP, from the lease to what is followed; and one boot at a time."""

import json
import subprocess
import sys

HOLD = """import fcntl, os, sys
os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def plan(site):
    done = subprocess.run(site.argv("/bin/etcd-rescue", "plan", "--json"), capture_output=True, text=True, timeout=120)
    return done, json.loads(done.stdout) if done.stdout else None


def lease(site, *more):
    peer = site.cable("eth0")
    site.address(peer, "eth0", "192.0.2.1/24")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", *more)
    result = site.network("ip=eth0:dhcp")
    assert result.status == 0, result.stderr
    return peer


def test_option_224_leads_to_the_plan_which_stays_attended(site, tmp_path):
    mac = "52:54:00:aa:00:07"
    (tmp_path / "plan.yaml").write_text("source: s3://by-dhcp/\nauto: yes\n")
    peer = site.peer()
    site.cable("eth0", mac, peer)
    site.address(peer, "eth0", "192.0.2.1/24")
    url = "http://192.0.2.1:8080/${mac}.yaml"
    site.serve(peer, "web_server.py", 8080, "", tmp_path / "plan.yaml")
    site.serve(peer, "dhcp_server.py", "eth0", "192.0.2.7", "3=c0000201", "224=" + url.encode().hex())
    result = site.network("ip=eth0:dhcp")
    assert result.status == 0, result.stderr
    done, shown = plan(site)
    assert done.returncode == 0, done.stderr
    assert (shown["way"], shown["plan"]["source"]) == ("dhcp", "s3://by-dhcp/")
    assert shown["name"] == f"http://192.0.2.1:8080/{mac}.yaml"
    # Whoever answers DHCP on this wire must not restore a cluster unasked.
    assert shown["may_run_unattended"] is False and "DHCP" in shown["why_attended"]


def test_lease_without_the_option_is_no_plan(site):
    lease(site)
    done, shown = plan(site)
    assert (done.returncode, shown) == (1, None)
    assert "no plan: none by the kernel line" in done.stderr


def test_address_that_is_none_is_said_with_its_option(site):
    lease(site, "224=" + b"ftp://192.0.2.1/p".hex())
    done, shown = plan(site)
    assert (done.returncode, shown) == (1, None)
    assert "224" in done.stderr and "ftp" in done.stderr


def test_second_boot_is_refused_while_the_first_one_runs(site):
    (site.tree / "init").touch()
    path = "run/etcd-rescue/boot.lock"
    first = subprocess.Popen(site.client.enter("--mount", "--pid") + [sys.executable, "-c", HOLD, site.tree / path],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        done = subprocess.run(site.argv("/bin/etcd-rescue", "boot"), capture_output=True, text=True, timeout=120)
    finally:
        first.communicate("", timeout=20)
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("etcd-rescue: the image is still starting, its steps are in /run/etcd-rescue/boot.log")
    assert "etcd-rescue boot --dry-run" in done.stderr
