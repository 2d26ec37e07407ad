"""A node that cannot join, or not yet: what is in its way is named, waited for, or refused.

Real etcd servers over TLS, as in test_join.py.
"""

import json
import shutil
import subprocess
import threading
import time

import pytest

import requirement
from interop.nodes import MANIFEST, PATIENCE, STATE, beside, settled
from machine import pki


def test_one_of_its_name_that_runs_is_left_alone(cluster, join):
    first, second, third = cluster("3.5", 3)
    status, _, said = join(second, [first], "--data-dir", second.data)
    assert status == 0, said
    third.name = "m2"
    status, _, said = join(third, [first], "--data-dir", third.data, "--timeout", 20)
    assert status == 6 and "somebody answers at" in said, said
    third.name, third.peer_port = "m3", second.peer_port
    status, _, said = join(third, [first], "--data-dir", third.data, "--timeout", 20)
    assert status == 6 and "somebody answers at" in said, said
    settled(first, second)


def test_data_of_another_cluster_are_refused(cluster, join, tmp_path):
    first, second = cluster("3.5")
    status, _, said = join(second, [first], "--data-dir", first.data, start=False)
    assert status == 6 and "whose name and address are others" in said, said
    other = tmp_path / "other"
    etcdctl = requirement.need("etcdctl-3.5")
    subprocess.run([etcdctl, f"--endpoints={first.client}", *first.tls, "snapshot", "save", tmp_path / "s.db"], check=True,
        capture_output=True, timeout=60)
    subprocess.run([etcdctl, "snapshot", "restore", tmp_path / "s.db", "--data-dir", other, "--initial-cluster-token", "x",
        "--name", "m2", "--initial-cluster", f"m2={second.peer}", "--initial-advertise-peer-urls", second.peer], check=True,
        capture_output=True, timeout=60)
    status, _, said = join(second, [first], "--data-dir", other, start=False)
    assert status == 6 and f"move it away (mv {other} {other}.old)" in said, said
    assert first.members() == {"m1": (True, True)}
    # One that was removed cannot go on either.
    status, _, said = join(second, [first], "--data-dir", second.data)
    assert status == 0, said
    first.change("remove", json.loads(said.splitlines()[0])["member"])
    second.stop()
    status, _, said = join(second, [first], "--data-dir", second.data, start=False)
    assert status == 6 and "has been removed" in said, said


def test_the_wrong_authority_is_told_at_once_by_hand_and_at_the_deadline_at_boot(cluster, finish, join, tmp_path):
    first, second = cluster("3.5")
    other = pki.authorities(tmp_path / "other")
    shutil.copy(other / "etcd/ca.crt", second.pki / "ca.crt")
    began = time.monotonic()
    status, _, said = join(second, [first], start=False)
    assert status == 1 and '"code":"auth"' in said and time.monotonic() - began < 20, said
    second.record([first], [first])
    status, did, said = finish(second, "--deadline", 5)
    assert status == 1 and did["outcome"] == "failed" and first.client in said, said
    assert not (second.root / MANIFEST).exists() and first.members() == {"m1": (True, True)}
    # It is put right while it waits.
    cluster.kubelet(second)
    timer = threading.Timer(3, lambda: shutil.copy(first.pki / "ca.crt", second.pki / "ca.crt"))
    timer.start()
    status, did, said = finish(second)
    assert status == 0, said
    settled(first, second)


def test_seeds_that_are_down_are_waited_for(cluster, finish):
    first, second = cluster("3.5", serves=False)
    other = second.root / STATE / "held/other.yaml"
    waits = {"path": "etc/kubernetes/manifests/other.yaml", "held": f"{STATE}/held/other.yaml"}
    other.write_text("other")
    second.record([first], [first], held=[waits])
    began = time.monotonic()
    status, did, said = finish(second, "--deadline", 5)
    assert status == 1 and did["outcome"] == "failed" and 5 <= time.monotonic() - began < 40, said
    # What is not etcd's is in place at the deadline; alone, etcd would be a member of nothing.
    assert (second.root / waits["path"]).read_text() == "other"
    assert not (second.root / MANIFEST).exists() and (second.root / STATE / "held/etcd.yaml").exists()
    cluster.kubelet(second)
    with beside(finish, second) as result:
        time.sleep(4)
        first.start(f"--initial-cluster={first.name}={first.peer}")
    status, did, said = result[0]
    assert status == 0 and did["outcome"] == "done", said
    settled(first, second)


def test_who_joins_waits_for_no_api_server(cluster, finish):
    """Which masters were lost is known to the one that was restored, and to a plan that replaced some."""
    first, second = cluster("3.5")
    second.record([first], [first], deadline=20, layout="openshift-4.2", nodes=True)
    cluster.kubelet(second)
    status, did, said = finish(second)
    assert status == 0 and did["outcome"] == "done" and "API server" not in said, said
    settled(first, second)


def test_a_lock_of_another_one_is_waited_for_and_a_forgotten_one_is_not(cluster, finish, join):
    first, second = cluster("3.5")
    lease = first.etcdctl("lease", "grant", "5").split()[1]
    with subprocess.Popen([requirement.need("etcdctl-3.5"), f"--endpoints={first.client}", *first.tls, "lease", "keep-alive",
            lease], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert "keepalived" in holder.stdout.readline()
            first.etcdctl("put", f"--lease={lease}", "etcd-rescue/join", "m9 somewhere 17")
            status, _, said = join(second, [first], "--timeout", 3, start=False)
            assert status == 6 and "m9 joins just now" in said, said
            assert first.members() == {"m1": (True, True)}
        finally:
            holder.kill()
    # Its holder died: it goes with the lease.
    second.record([first], [first])
    cluster.kubelet(second)
    status, _, said = finish(second)
    assert status == 0, said
    settled(first, second)


@pytest.mark.parametrize("version", ["3.5", pytest.param("3.3", marks=pytest.mark.long)])
def test_one_in_the_way_is_named_and_waited_for(version, cluster, join):
    first, second, third = cluster(version, 3)
    if version == "3.3":
        # A second voter that has not started would leave a quorum of none; two of three do not.
        status, _, said = join(third, [first], "--data-dir", third.data)
        assert status == 0, said
    first.change("add", "late", "--peer-urls=https://127.0.0.1:1", *(["--learner"] if version != "3.3" else []))
    late = next(f"{m['ID']:x}" for m in json.loads(first.etcdctl("member", "list", "-w", "json"))["members"] if not m.get("name"))
    status, _, said = join(second, [first], "--data-dir", second.data, "--timeout",
        3 if version != "3.3" else 12)
    assert status == 1 and f"etcdctl member remove {late}" in said, said
    assert first.etcdctl("get", "etcd-rescue/", "--prefix") == ""
    with beside(first.change, "remove", late):
        status, _, said = join(second, [first], "--data-dir", second.data)
    assert status == 0, said
    settled(*([first, second] if version != "3.3" else [first, second, third]))


def test_a_user_is_wanted(cluster, join):
    first, second = cluster("3.5")
    first.etcdctl("user", "add", "root:secret")
    first.etcdctl("user", "grant-role", "root", "root")
    first.etcdctl("auth", "enable")
    began = time.monotonic()
    status, _, said = join(second, [first], start=False)
    assert status == 6 and "etcdctl auth disable" in said and time.monotonic() - began < 20, said


def test_what_changed_meanwhile_is_filled_in_again(cluster, finish, join):
    """Its start was cut, and another one joined before the next boot: the list is another one."""
    first, second, third = cluster("3.6", 3)
    second.record([first], [first])
    # Nobody starts its etcd, and the learner is in the way of others.
    status, _, said = finish(second, "--deadline", 4)
    assert status == 1 and "has not started yet" in said, said
    assert (second.root / MANIFEST).exists()
    first.change("remove", next(f"{m['ID']:x}" for m in json.loads(
        first.etcdctl("member", "list", "-w", "json"))["members"] if not m.get("name")))
    status, _, said = join(third, [first], "--data-dir", third.data)
    assert status == 0, said
    cluster.kubelet(second)
    status, did, said = finish(second)
    assert status == 0, said
    assert f"m3={third.peer}" in (second.root / MANIFEST).read_text()
    settled(first, second, third)


def test_a_unit_is_read_again_before_it_is_let_go(cluster, finish):
    """A systemd etcd: the unit is filled in where it lies, and waits for a mark."""
    first, second = cluster("3.5")
    listed = f"m1={first.peer},m2={second.peer}"
    unit, mark = "etc/systemd/system/etcd.service", f"{STATE}/released/etcd.service"
    (second.root / "etc/systemd/system").mkdir(parents=True)
    (second.root / unit).write_text(f"[Service]\nEnvironment=ETCD_INITIAL_CLUSTER={listed}\n")
    (second.root / STATE / "held/etcd.service").write_text("")
    program = second.root / "usr/bin/systemctl"
    program.parent.mkdir(parents=True)
    log = second.root / "systemctl.log"
    program.write_text(f'#!/bin/sh\nset -eu\n[ ! -e {second.root}/{mark} ] || exit 3\necho "$@" >>{log}\ncat {second.root}/{unit} >>{log}\n')
    program.chmod(0o755)
    second.record([first], [first], held=[])
    said = json.loads((second.root / STATE / "finish.json").read_text())
    said["clusters"][0]["files"] = [unit]
    said["clusters"][0]["listed"] = listed
    said["held"] = [{"path": mark, "held": f"{STATE}/held/etcd.service"}]
    (second.root / STATE / "finish.json").write_text(json.dumps(said))
    with beside(finish, second) as result:
        until = time.monotonic() + PATIENCE
        while not (second.root / mark).exists() and time.monotonic() < until:
            time.sleep(0.1)
        members = (second.root / unit).read_text().split("ETCD_INITIAL_CLUSTER=")[1].strip()
        second.start(f"--initial-cluster={members}", "--initial-cluster-state=existing", wait=False)
    status, _, text = result[0]
    assert status == 0, text
    assert log.read_text().startswith("daemon-reload\n[Service]\n") and f"m2={second.peer}" in log.read_text()
    assert (second.root / mark).exists()
    settled(first, second)
