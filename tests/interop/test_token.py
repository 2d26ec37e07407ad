"""Two masters made to restore different snapshots: with tokens made of the content real etcd keeps them apart."""

import hashlib
import json
import subprocess
import time

import pytest

import requirement
from interop.server import PATIENCE, GatewayError, Server, free_ports, stop_all

VERSION = "3.5"


def plan_token(layout, snapshot, *edits):
    """As the header of plan/token describes it."""
    digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
    text = "".join(f"{line}\n" for line in ("etcd-rescue token 1", f"snapshot {digest}", *(edits or ["bump-revision 0"])))
    return f"{layout}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Two of the same cluster, the second with one key more."""
    requirement.need(f"etcd-{VERSION}", f"etcdctl-{VERSION}")
    place, made = tmp_path_factory.mktemp("source"), []
    server = Server(VERSION, "source", place / "data", free_ports(2))
    server.extra = ["--initial-cluster", f"source={server.peer_url}"]
    server.start()
    try:
        server.wait()
        for n in range(2):
            server.put(f"key{n}", "value")
            made.append(place / f"{n}.db")
            subprocess.run([requirement.need(f"etcdctl-{VERSION}"), f"--endpoints=127.0.0.1:{server.client_port}",
                            "snapshot", "save", made[-1]], check=True, capture_output=True, env={"ETCDCTL_API": "3"})
    finally:
        server.stop()
    return made


@pytest.fixture
def masters(image_file, tmp_path):
    """masters([(snapshot, token), ..]): members restored each for itself, and started."""
    running = []

    def start(*what):
        servers = [Server(VERSION, f"m{n}", tmp_path / f"m{n}", free_ports(2)) for n in range(len(what))]
        cluster = ",".join(f"{s.name}={s.peer_url}" for s in servers)
        for server, (snapshot, token) in zip(servers, what):
            subprocess.run([image_file("etcd-rescue"), "snapshot", "restore", snapshot, "--name", server.name,
                            "--data-dir", server.data_dir, "--initial-cluster", cluster, "--initial-cluster-token", token,
                            "--initial-advertise-peer-urls", server.peer_url], check=True, capture_output=True)
            running.append(server.start())
        return servers
    yield start
    stop_all(running)


def answers(server):
    try:
        return server.call("/kv/range", {"key": "eA=="}, timeout=2)
    except (OSError, GatewayError):
        return None


def test_other_bytes_are_another_cluster(snapshots, masters):
    tokens = [plan_token("tkn", snapshot) for snapshot in snapshots]
    servers = masters(*zip(snapshots, tokens))
    end = time.monotonic() + PATIENCE
    while not all("cluster ID mismatch" in s.log.read_text() for s in servers):
        assert time.monotonic() < end, [s.log.read_text()[-3000:] for s in servers]
        time.sleep(0.2)
    # None of them has a leader then, nor later.
    time.sleep(5)
    assert [answers(s) for s in servers] == [None, None]


def test_the_same_bytes_are_one_cluster(snapshots, masters):
    token = plan_token("tkn", snapshots[1])
    for server in masters((snapshots[1], token), (snapshots[1], token)):
        server.wait()
        assert b"key1" in server.keys()


def test_with_a_plain_token_they_would_have_met(snapshots, masters):
    """What the token is for: nothing else would have kept them apart, and their keys differ."""
    servers = masters(*((snapshot, "tkn") for snapshot in snapshots))
    for server in servers:
        server.wait()
    assert [b"key1" in server.keys() for server in servers] == [False, True], json.dumps([*map(str, servers)])
