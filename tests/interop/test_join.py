"""A node joins a running cluster: at its first boot (`etcd-rescue finish`) and by hand (`etcd-rescue join`).

Real etcd servers over TLS. The first member is restored from a snapshot; what stands for a kubelet starts an etcd
as soon as its manifest appears. What is in the way of a join is in test_join_waits.py.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

from interop.nodes import MANIFEST, STATE, Kubelet, Master, Node, members_of, settled
from machine.master import Cluster


def later(*versions):
    return [pytest.param(version, marks=pytest.mark.long) for version in versions]


# 3.3 has no learners; from 3.4 on they join in one and the same way.
VERSIONS = ["3.3", "3.5", *later("3.4", "3.6", "3.7")]


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
