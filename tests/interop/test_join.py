"""A node joins a running cluster: at its first boot (`etcd-rescue finish`) and by hand (`etcd-rescue join`).

Real etcd servers over TLS. The first member is restored from a snapshot; what stands for a kubelet starts an etcd
as soon as its manifest appears.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

import requirement
from interop.nodes import MANIFEST, PATIENCE, STATE, Kubelet, Master, Node, beside, members_of, settled, summary
from interop.server import Server, free_ports, start_all, stop_all
from machine import pki
from machine.master import Cluster


def later(*versions):
    return [pytest.param(version, marks=pytest.mark.long) for version in versions]


# 3.3 has no learners; from 3.4 on they join in one and the same way.
VERSIONS = ["3.3", "3.5", *later("3.4", "3.6", "3.7")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """etc/kubernetes of a master, which all nodes share: all of them are 127.0.0.1."""
    folder = tmp_path_factory.mktemp("pki")
    pki.issue(pki.authorities(folder / "cas"), folder / "kubernetes", "m", "127.0.0.1")
    return folder / "kubernetes/pki/etcd"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """snapshot(version): a database with some keys, saved from a real server; made once."""
    made = {}

    def make(version):
        if version not in made:
            folder = tmp_path_factory.mktemp(f"snapshot-{version}")
            server = Server(version, "old", folder / "data", free_ports(2),
                ["--initial-cluster-token", "old"])
            server.extra += ["--initial-cluster", f"old={server.peer_url}"]
            try:
                start_all([server])
                for i in range(40):
                    server.put(f"/registry/things/{i:03}", "x" * (10 * i))
                etcdctl = requirement.need(f"etcdctl-{version}")
                subprocess.run([etcdctl, f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save",
                    folder / "snapshot.db"], check=True, capture_output=True, timeout=60, env={**os.environ, "ETCDCTL_API": "3"})
            finally:
                stop_all([server])
            made[version] = folder / "snapshot.db"
        return made[version]
    return make


@pytest.fixture
def cluster(tmp_path, certificates, snapshot, image_file):
    """cluster(version, n): n nodes, the first of which is restored as the only member, and serves."""
    made = []
    with contextlib.ExitStack() as stack:
        def make(version, n=2, serves=True):
            nodes = [Node(tmp_path / f"m{i + 1}", certificates, f"m{i + 1}", version) for i in range(n)]
            made.extend(nodes)
            first = nodes[0]
            subprocess.run([image_file("etcd-rescue"), "snapshot", "restore", snapshot(version), "--data-dir", first.data,
                "--name", first.name, "--initial-cluster", f"{first.name}={first.peer}", "--initial-advertise-peer-urls",
                first.peer], check=True, capture_output=True, timeout=60)
            if serves:
                first.start(f"--initial-cluster={first.name}={first.peer}")
            return nodes

        make.kubelet = lambda *args: stack.enter_context(Kubelet(*args))
        yield make
    for node in made:
        node.stop()


@pytest.fixture
def finish(image_file):
    def run(node, *more):
        return summary(subprocess.run([image_file("etcd-rescue"), "finish", "--root", node.root, "--json", *map(str, more)],
            capture_output=True, text=True, timeout=300, check=False))
    return run


@pytest.fixture
def join(image_file):
    """join(node, seeds, *more): by hand; the etcd is started as it says. (status, what it did, what it said)"""
    def run(node, seeds, *more, start=True):
        argv = [image_file("etcd-rescue"), "join", *(f"--seed={s.client}" for s in seeds), f"--name={node.name}",
            f"--peer={node.peer}", f"--ca={node.pki}/ca.crt", f"--cert={node.pki}/healthcheck-client.crt",
            f"--key={node.pki}/healthcheck-client.key", "--json", *map(str, more)]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = []
        for line in child.stdout:
            lines.append(line)
            said = json.loads(line)
            if start and said["outcome"] == "added":
                node.start(f"--initial-cluster={said['initial-cluster']}", "--initial-cluster-state=existing", wait=False)
        text = child.stderr.read()
        child.wait(30)
        print("".join(lines) + text, end="")
        return child.returncode, json.loads(lines[-1]) if lines else None, "".join(lines) + text
    return run


@pytest.mark.parametrize("version", VERSIONS)
def test_two_join_one_after_the_other(version, cluster, finish, join):
    first, second, third = cluster(version, 3)
    second.record([first, third], [first, third])
    cluster.kubelet(second)
    status, did, said = finish(second)
    assert status == 0 and did["outcome"] == "done" and did["served"], said
    assert ("as a learner" in said) == (version != "3.3") == ("promoting it" in said), said
    settled(first, second)
    manifest = second.root / MANIFEST
    assert members_of(re.search("--initial-cluster=(.*)", manifest.read_text())[1]) == members_of(first, second)
    assert manifest.stat().st_mode & 0o777 == 0o640
    # Nothing of it is left but the log and the state directory itself.
    assert [p.name for p in (second.root / STATE).rglob("*") if p.is_file()] == []
    # The other one by hand, through a seed that never was there, too.
    third_seeds = [third, second, first]
    status, did, said = join(third, third_seeds, "--data-dir", third.data)
    assert status == 0 and did["outcome"] == "joined" and did["added"], said
    assert did["promoted"] == (version != "3.3")
    settled(first, second, third)
    # Once more, and there is nothing to do.
    status, did, said = join(third, third_seeds, "--data-dir", third.data)
    assert status == 0 and did["outcome"] == "joined" and not did["added"] and not did["promoted"], said


@pytest.mark.parametrize("version", ["3.5", *later("3.3", "3.4", "3.6", "3.7")])
def test_two_join_at_the_same_time(version, cluster, finish):
    first, second, third = cluster(version, 3)
    results = {}
    for node in (second, third):
        node.record([n for n in (first, second, third) if n is not node], [first])
        cluster.kubelet(node)
    threads = [threading.Thread(target=lambda node=node: results.update({node.name: finish(node)})) for node in (second, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[name][0] for name in ("m2", "m3")] == [0, 0], results
    assert any("one does at a time" in said for _, _, said in results.values()), results
    settled(first, second, third)


STAGES = ["m2 joins etcd", "adding m2 as", "it can start", "is filled in", "is in place", "has started, and learns",
    "m2 is a member of etcd", "waiting for etcd", "the joined cluster"]


@pytest.mark.parametrize("version", ["3.5", *later("3.3", "3.7")])
def test_killed_at_every_stage_it_goes_on(version, cluster, finish, image_file):
    first, second = cluster(version)
    second.record([first], [first])
    cluster.kubelet(second)
    met, ended = [], None
    while ended != 0:
        child = subprocess.Popen([image_file("etcd-rescue"), "finish", "--root", second.root, "--json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in child.stderr:
            stage = next((stage for stage in STAGES if stage in line and stage not in met), None)
            if stage:
                child.kill()
                met.append(stage)
                break
        child.stderr.close()
        ended = child.wait(30)
    # Between two of them there may be no time for a kill.
    assert set(STAGES[:3]) <= set(met) and len(met) >= 5, met
    status, did, said = finish(second)
    assert status == 0 and did["outcome"] in ("done", "nothing"), said
    # The lock of one that was killed goes with its lease, where nobody needs it before: here it is made to go.
    for held in json.loads(first.etcdctl("get", "etcd-rescue/", "--prefix", "-w", "json")).get("kvs", []):
        lease = f"{held['lease']:x}"
        assert json.loads(first.etcdctl("lease", "timetolive", lease, "-w", "json"))["granted-ttl"] <= 60
        first.etcdctl("lease", "revoke", lease)
    settled(first, second)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dead_member_of_the_same_address_is_removed_first(version, cluster, finish, join):
    first, second, third = cluster(version, 3)
    for node in (second, third):
        status, _, said = join(node, [first], "--data-dir", node.data)
        assert status == 0, said
    settled(first, second, third)
    third.stop()
    # As long as its data may be there, nothing is done to it.
    status, _, said = join(third, [first], "--timeout", 20)
    assert status == 6 and "start it when its data are there" in said, said
    shutil.rmtree(third.data)
    status, did, said = join(third, [first], "--data-dir", third.data, "--dry-run", start=False)
    assert status == 0 and did["action"] == "remove", said
    before = json.loads(first.etcdctl("member", "list", "-w", "json"))["members"]
    third.record([first, second], [second, first])
    cluster.kubelet(third)
    status, did, said = finish(third)
    assert status == 0 and "its data are gone" in said and "is removed" in said, said
    settled(first, second, third)
    after = json.loads(first.etcdctl("member", "list", "-w", "json"))["members"]
    assert {m["ID"] for m in before} - {m["ID"] for m in after} == {m["ID"] for m in before if m["name"] == "m3"}


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


def test_a_dry_run_changes_nothing(cluster, finish, join):
    first, second = cluster("3.5")
    second.record([first], [first])
    before = first.etcdctl("endpoint", "status", "-w", "json")
    revision = json.loads(before)[0]["Status"]["header"]["revision"]
    status, did, said = join(second, [first], "--dry-run")
    assert status == 0 and (did["outcome"], did["action"], did["learner"]) == ("would", "add", True), said
    assert members_of(did["initial-cluster"]) == members_of(first, second)
    status, did, _ = finish(second, "--dry-run")
    assert status == 0 and did["outcome"] == "would"
    assert json.loads(first.etcdctl("endpoint", "status", "-w", "json"))[0]["Status"]["header"]["revision"] == revision
    assert first.members() == {"m1": (True, True)}


def test_what_it_prints_is_what_etcd_takes(cluster, image_file):
    first, second = cluster("3.6")
    child = subprocess.Popen([image_file("etcd-rescue"), "join", "--seed", first.client, "--name", "m2", "--peer", second.peer,
        "--ca", second.pki / "ca.crt", "--cert", second.pki / "healthcheck-client.crt", "--key",
        second.pki / "healthcheck-client.key"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    for line in child.stdout:
        lines.append(line.strip())
        if line.startswith("--name="):
            second.start(*line.split(), wait=False)
    assert child.wait(30) == 0
    variables = dict(re.fullmatch(r'(ETCD_\w+)="(.*)"', line).groups() for line in lines if line.startswith("ETCD_"))
    assert members_of(variables.pop("ETCD_INITIAL_CLUSTER")) == members_of(first, second)
    assert variables == {"ETCD_NAME": "m2", "ETCD_INITIAL_ADVERTISE_PEER_URLS": second.peer, "ETCD_INITIAL_CLUSTER_STATE": "existing"}
    assert lines[-1].endswith("and votes")
    settled(first, second)


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


@pytest.mark.parametrize("version", ["3.5", *later("3.3")])
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


def test_two_clusters_of_one_node_are_joined_in_their_order(cluster, finish, image_file):
    """As kube-up's masters have: etcd and etcd-events, each of which waits for itself."""
    first, second = cluster("3.5")
    other, events = [Node(first.root.parent / name, first.pki, name, "3.5") for name in ("e1", "e2")]
    second.record([first], [first])
    events.record([other], [other])
    waits, manifest = f"{STATE}/held/etcd-events.yaml", "etc/kubernetes/manifests/etcd-events.yaml"
    shutil.copy(events.root / STATE / "held/etcd.yaml", second.root / waits)
    mine, more = [json.loads((node.root / STATE / "finish.json").read_text()) for node in (second, events)]
    more["clusters"][0].update(what="etcd-events", files=[waits])
    mine["clusters"] += more["clusters"]
    mine["held"].append({"path": manifest, "held": waits})
    (second.root / STATE / "finish.json").write_text(json.dumps(mine))
    cluster.kubelet(second)
    cluster.kubelet(events, second.root / manifest)
    try:
        # The events' cluster does not serve yet: the other one is joined all the same, and the next boot goes on.
        with subprocess.Popen([image_file("etcd-rescue"), "finish", "--root", second.root], stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True) as boot:
            said = ""
            for line in boot.stderr:
                said += line
                if "e2 joins etcd-events" in line:
                    boot.kill()
            assert "m2 is a member of etcd" in said and "e2 joins etcd-events" in said, said
        settled(first, second)
        status, did, said = finish(second, "--deadline", 5)
        assert status == 1 and "etcd-events: " in said, said
        assert (second.root / MANIFEST).exists() and not (second.root / manifest).exists()
        settled(first, second)
        other.start(f"--initial-cluster=e1={other.peer}")
        status, did, said = finish(second)
        assert status == 0 and did["outcome"] == "done" and did["released"] == 1, said
        settled(first, second)
        settled(other, events, keys=0)
    finally:
        other.stop()


@pytest.mark.parametrize("version", ["3.4", "3.6"])
def test_who_was_restored_alone_does_not_mind_the_others(version, cluster, finish, join):
    first, second = cluster(version)
    answer = json.loads(first.etcdctl("member", "list", "-w", "json"))
    cluster_id, own = answer["header"]["cluster_id"], answer["members"][0]["ID"]
    status, _, said = join(second, [first], "--data-dir", second.data)
    assert status == 0, said
    for role, expected in (("restore", 1), ("single", 0)):
        first.record([], [], role=role)
        path = first.root / STATE / "finish.json"
        said = json.loads(path.read_text())
        said["clusters"][0].update(id=f"{cluster_id:x}", own=f"{own:x}", urls=[], seeds=[], files=[], listed=None,
            members=[{"name": "m1", "id": f"{own:x}", "urls": [first.peer]}])
        said["held"] = []
        path.write_text(json.dumps(said))
        status, _, text = finish(first, "--deadline", 10)
        assert status == expected, text


# From `run` on.

def test_what_run_lays_down_joins(image_file, tmp_path, finish):
    program = image_file("etcd-rescue")
    machine = Cluster(tmp_path / "cluster", network=f"127.79.{os.getpid() % 250 + 1}", etcd="3.6")
    masters = [Master(one, "3.6") for one in machine]
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{machine.snapshot()}\nsurvivors: none\nrecovery-host: master-1\ncluster:\n  members:\n" + "".join(
        f'    - {{name: {m.name}, peer: "{m.peer}"}}\n' for m in masters))
    with contextlib.ExitStack() as stack:
        for m in masters:
            done = subprocess.run([program, "run", "--root", m.root, "--file", plan, "--yes", "--force", "--json"],
                capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        assert [(m.root / MANIFEST).exists() for m in masters] == [True, False, False]
        for m in masters:
            stack.enter_context(Kubelet(m))
        results = {}
        threads = [threading.Thread(target=lambda m=m: results.update({m.name: finish(m, "--deadline", 180)})) for m in masters]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for m in masters:
            status, did, said = results[m.name]
            # There is no API server here, and what is to be done through it is tried until the deadline.
            assert did["served"] and (status == 0 or "the API server" in said), said
        assert len({m.hash()["hash"] for m in masters}) == 1
        assert masters[0].members() == {m.name: (True, True) for m in masters}
        for m in masters:
            assert "--initial-cluster-state=existing" in (m.root / MANIFEST).read_text() or m is masters[0]
        keys = len(masters[0].etcdctl("get", "/registry/", "--prefix", "--keys-only").split())
        assert keys > 40
        settled(*masters, keys=keys)
