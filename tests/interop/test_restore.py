"""Real etcd starts on what we restore and serves what the source served; so it does beside etcdutl's own restore.

The small matrix runs always, the full one ({3.4, 3.5, 3.6} snapshots x {1, 3, 5} members x {plain, bumped} x
servers 3.4 to 3.7) with --long.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

import requirement
from interop import boltwrite
from interop.boltdb import BoltDB
from interop.server import PATIENCE, PEERS, GatewayError, Server, b64, free_ports, start_all, stop_all

SOURCES, COUNTS, SERVERS = ["3.4", "3.5", "3.6"], [1, 3, 5], ["3.4", "3.5", "3.6", "3.7"]
SMALL = {("3.4", 1, False, "3.6"), ("3.5", 3, True, "3.5"), ("3.6", 3, False, "3.6"), ("3.6", 1, True, "3.4"),
         ("3.5", 1, True, "3.7")}
BUMP = 1_000_000_000


def matrix():
    for case in itertools.product(SOURCES, COUNTS, [False, True], SERVERS):
        name = f"{case[0]}-{case[1]}-{'bumped' if case[2] else 'plain'}-on-{case[3]}"
        yield pytest.param(*case, id=name, marks=[] if case in SMALL else [pytest.mark.long])
    # 3.3 reads the database, but not the empty entry a bump leaves behind a 3.5 mark.
    for source, count in itertools.product(SOURCES, [1, 3]):
        small = (source, count) == ("3.5", 3)
        yield pytest.param(source, count, False, "3.3", id=f"{source}-{count}-plain-on-3.3",
                           marks=[] if small else [pytest.mark.long])


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """source("3.5") is a snapshot of that version's server, and what the server said then."""
    made = {}

    def get(version):
        if version not in made:
            made[version] = make_source(version, tmp_path_factory.mktemp(f"source-{version}"))
        return made[version]
    return get


def make_source(version, place):
    requirement.need(f"etcd-{version}", f"etcdctl-{version}")
    server = Server(version, "source", place / "data", free_ports(2)).start()
    server.extra = ["--initial-cluster", f"source={server.peer_url}"]
    server.stop()
    server.start().wait()
    try:
        lease = server.call("/lease/grant" if version != "3.3" else "/kv/lease/grant", {"TTL": "7200"})["ID"]
        for number in range(300):
            server.put(f"/registry/pods/default/p{number:04d}", f"value {number}\n" * (number % 40))
        for number in range(0, 300, 7):
            server.put(f"/registry/pods/default/p{number:04d}", "again", lease if number % 2 else None)
        middle = server.put("/middle", "x" * 300_000)
        for number in range(0, 300, 11):
            server.call("/kv/deleterange", {"key": b64(f"/registry/pods/default/p{number:04d}")})
        server.call("/kv/compaction", {"revision": str(middle), "physical": True})
        last = server.put("/last", "é\0\xff")
        said = {"keys": server.keys(), "hash": server.hashkv(), "revision": last, "lease": lease}
        subprocess.run([PEERS / f"etcdctl-{version}", f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save",
                        place / "snapshot.db"], check=True, capture_output=True, env={**os.environ, "ETCDCTL_API": "3"})
    finally:
        server.stop()
    shutil.rmtree(place / "data")
    return place / "snapshot.db", said


def restore(program, snapshot, place, servers, bump, edits=()):
    """One of ours for every member, by --all-members where there are several."""
    cluster = ",".join(f"{s.name}={s.peer_url}" for s in servers)
    args = [program, "snapshot", "restore", snapshot, "--initial-cluster", cluster, "--initial-cluster-token", "fresh",
            *edits]
    if bump:
        args += [f"--bump-revision={BUMP}", "--mark-compacted"]
    if len(servers) > 1:
        args += ["--all-members", "--data-dir", place]
    else:
        args += ["--data-dir", servers[0].data_dir, "--name", servers[0].name]
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def etcdutl(version, snapshot, server, servers, place, bump):
    cluster = ",".join(f"{s.name}={s.peer_url}" for s in servers)
    args = [PEERS / f"etcdutl-{version}", "snapshot", "restore", snapshot, "--data-dir", place, "--name", server.name,
            "--initial-cluster", cluster, "--initial-cluster-token", "fresh", "--initial-advertise-peer-urls",
            server.peer_url]
    if bump:
        args += ["--bump-revision", str(BUMP), "--mark-compacted"]
    subprocess.run(args, check=True, capture_output=True, timeout=120)


def make_servers(version, count, place):
    ports = free_ports(2 * count)
    return [Server(version, f"m{i + 1}", place / f"m{i + 1}", ports[2 * i:2 * i + 2]) for i in range(count)]


def same_database(ours, theirs):
    made, wanted = BoltDB(ours).buckets(), BoltDB(theirs).buckets()
    made["meta"].pop(b"confState", None)
    wanted["meta"].pop(b"confState", None)
    assert list(made) == list(wanted)
    for bucket in wanted:
        assert made[bucket] == wanted[bucket], f"bucket {bucket} differs"


@pytest.mark.parametrize("source_version, count, bump, server_version", list(matrix()))
def test_restored_cluster(program, source, tmp_path, source_version, count, bump, server_version):
    requirement.need(f"etcd-{server_version}", f"etcdctl-{server_version}", "etcdutl-3.5")
    snapshot, said = source(source_version)
    servers = make_servers(server_version, count, tmp_path)
    restore(program, snapshot, tmp_path, servers, bump)

    for server in servers:
        etcdutl("3.5", snapshot, server, servers, tmp_path / "theirs", bump)
        ours, theirs = server.data_dir / "member", tmp_path / "theirs/member"
        wal, snap = "wal/0000000000000000-0000000000000000.wal", f"snap/0000000000000001-{count:016x}.snap"
        assert (ours / wal).read_bytes() == (theirs / wal).read_bytes()
        assert (ours / snap).read_bytes() == (theirs / snap).read_bytes()
        same_database(ours / "snap/db", theirs / "snap/db")
        shutil.rmtree(tmp_path / "theirs")

    try:
        start_all(servers)
        serve_the_same(servers, said, bump)
        write_restart_defragment(servers)
        if bump:
            refuse_old_watches(servers[0], said)
        if server_version >= "3.4" and count < 5:
            grow(servers, tmp_path)
    finally:
        stop_all(servers)
    if server_version >= "3.5":
        done = subprocess.run([program, "verify", servers[0].data_dir], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def serve_the_same(servers, said, bump):
    for server in servers:
        assert server.keys() == said["keys"]
    leases = "/lease/timetolive" if servers[0].version != "3.3" else "/kv/lease/timetolive"
    ttl = servers[0].call(leases, {"ID": said["lease"], "keys": True})
    assert int(ttl["TTL"]) > 0 and ttl["keys"]
    hashes = {server.hashkv() for server in servers}
    assert len(hashes) == 1
    if not bump:
        assert hashes == {said["hash"]}
        assert servers[0].put("/new", "first") == said["revision"] + 1
    else:
        assert servers[0].put("/new", "first") == said["revision"] + BUMP + 1


def write_restart_defragment(servers):
    for number in range(50):
        servers[number % len(servers)].put(f"/new/{number}", "x" * 3000)
    before = servers[0].keys()
    stop_all(servers)
    start_all(servers)
    assert all(server.keys() == before for server in servers)
    for server in servers:
        server.call("/maintenance/defragment", {}, 30)
        server.wait()
    assert all(server.keys() == before for server in servers)
    assert len({server.hashkv() for server in servers}) == 1
    # Kill them too: what the restore wrote has to survive without a farewell.
    for server in servers:
        server.stop(signal.SIGKILL)
    start_all(servers)
    assert servers[-1].keys() == before


def refuse_old_watches(server, said):
    answer = server.watch_from("/registry/pods/default/p0001", said["revision"] - 1)
    assert answer and answer.get("canceled") and int(answer["compact_revision"]) == said["revision"] + BUMP


def until(action, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while True:
        try:
            return action()
        except GatewayError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


def grow(servers, place):
    """A learner joins, catches up and becomes a voter."""
    first = servers[0]
    new = Server(first.version, "late", place / "late", free_ports(2))
    added = until(lambda: first.call("/cluster/member/add", {"peerURLs": [new.peer_url], "isLearner": True}))
    everyone = ",".join(f"{s.name}={s.peer_url}" for s in [*servers, new])
    new.extra = ["--initial-cluster", everyone, "--initial-cluster-state", "existing"]
    new.start()
    servers.append(new)
    until(lambda: first.call("/cluster/member/promote", {"ID": added["member"]["ID"]}))
    new.wait()
    assert new.keys() == first.keys()


@pytest.mark.needs("etcd-3.6", "etcdctl-3.6")
def test_dropped_keys_are_deletes_like_any_other(program, source, tmp_path):
    """Keys and prefixes go, leases go, and the members still agree, also after a compaction over it."""
    snapshot, said = source("3.6")
    servers = make_servers("3.6", 3, tmp_path)
    restore(program, snapshot, tmp_path, servers, False,
            ["--drop-prefix", "/registry/pods/default/p00", "--drop-key", "/middle", "--drop-leases"])
    wanted = {k: v for k, v in said["keys"].items()
              if not k.startswith(b"/registry/pods/default/p00") and k != b"/middle"}
    try:
        start_all(servers)
        assert all(server.keys() == wanted for server in servers)
        answer = servers[0].watch_from("/middle", said["revision"] + 1)
        assert [e["type"] for e in answer["events"]] == ["DELETE"]
        assert int(answer["events"][0]["kv"]["mod_revision"]) == said["revision"] + 1
        revision = servers[1].put("/new", "x")
        assert revision == said["revision"] + 2
        assert "leases" not in servers[0].call("/lease/leases", {})
        servers[2].call("/kv/compaction", {"revision": str(revision), "physical": True})
        assert len({server.hashkv() for server in servers}) == 1
    finally:
        stop_all(servers)


@pytest.mark.needs("etcd-3.6", "etcd-3.5")
def test_markers_of_a_newer_version_do_not_stop_an_older_server(program, source, tmp_path):
    snapshot, said = source("3.6")
    servers = make_servers("3.5", 1, tmp_path)
    restore(program, snapshot, tmp_path, servers, False, ["--fix-version-markers", "--clear-alarms"])
    try:
        start_all(servers)
        assert servers[0].keys() == said["keys"]
    finally:
        stop_all(servers)


@pytest.mark.needs("bbolt-3.6")
@pytest.mark.parametrize("version", SOURCES)
def test_a_real_bbolt_finds_nothing_wrong(program, source, tmp_path, version):
    snapshot, _ = source(version)
    for bump in (False, True):
        servers = make_servers(version, 1, tmp_path / str(bump))
        (tmp_path / str(bump)).mkdir()
        restore(program, snapshot, tmp_path, servers, bump, ["--drop-prefix", "/registry/pods/default/p01"])
        done = subprocess.run([PEERS / "bbolt-3.6", "check", servers[0].data_dir / "member/snap/db"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr


@pytest.mark.needs("etcdutl-3.5", "etcdutl-3.6")
@pytest.mark.parametrize("version", SOURCES)
def test_status_and_hashkv_beside_etcdutl(program, source, tmp_path, version):
    snapshot, said = source(version)
    theirs = subprocess.run([PEERS / "etcdutl-3.6", "snapshot", "status", snapshot, "-w", "json"], check=True,
                            capture_output=True)
    ours = subprocess.run([program, "snapshot", "status", snapshot, "-w", "json"], check=True, capture_output=True)
    theirs, ours = json.loads(theirs.stdout), json.loads(ours.stdout)
    assert {key: ours[key] for key in theirs} == theirs
    done = subprocess.run([program, "snapshot", "hashkv", snapshot], check=True, capture_output=True, text=True)
    assert int(done.stdout.split(",")[0]) == said["hash"]


@pytest.mark.needs("etcdutl-3.5", "etcdutl-3.6", "bbolt-3.6")
@pytest.mark.parametrize("page_size, freelist, server_version",
                         [(16384, "short", "3.6"), (65536, "long", "3.5"), (4096, "long", "3.4"), (1024, "none", "3.6")])
def test_files_of_other_machines(program, source, tmp_path, page_size, freelist, server_version):
    """16 KiB and 64 KiB pages, a stored freelist in both encodings, one leaf over many pages."""
    requirement.need(f"etcd-{server_version}", f"etcdctl-{server_version}")
    original, said = source("3.5")
    snapshot = tmp_path / "other.db"
    snapshot.write_bytes(boltwrite.snapshot(BoltDB(original).buckets(), page_size, freelist))
    theirs = subprocess.run([PEERS / "etcdutl-3.6", "snapshot", "status", snapshot, "-w", "json"], check=True,
                            capture_output=True)
    ours = subprocess.run([program, "snapshot", "status", snapshot, "-w", "json"], check=True, capture_output=True)
    theirs, ours = json.loads(theirs.stdout), json.loads(ours.stdout)
    assert {key: ours[key] for key in theirs} == theirs and ours["pageSize"] == page_size

    servers = make_servers(server_version, 1, tmp_path)
    restore(program, snapshot, tmp_path, servers, False)
    etcdutl("3.5", snapshot, servers[0], servers, tmp_path / "theirs", False)
    same_database(servers[0].data_dir / "member/snap/db", tmp_path / "theirs/member/snap/db")
    done = subprocess.run([PEERS / "bbolt-3.6", "check", servers[0].data_dir / "member/snap/db"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        start_all(servers)
        serve_the_same(servers, said, False)
        write_restart_defragment(servers)
    finally:
        stop_all(servers)
