"""Restored masters, nodes that join them, and the program that does what is left to do."""

import contextlib
import json
import os
import subprocess

import pytest

import requirement
from interop.finished import Master
from interop.nodes import Kubelet, Node
from interop.server import Server, free_ports, start_all, stop_all
from machine import pki


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    return pki.authorities(tmp_path_factory.mktemp("pki") / "cas")


@pytest.fixture
def master(tmp_path, authorities):
    made = []

    def make(version="3.5"):
        made.append(Master(tmp_path / f"tree{len(made)}", authorities, version))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def finish(image_file):
    """finish(master, *more): (exit status, what it did, what it said)"""
    def run(master, *more):
        done = subprocess.run([image_file("etcd-rescue"), "finish", "--root", master.root, "--json", *map(str, more)],
            capture_output=True, text=True, timeout=300, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        did = [line for line in lines if line.get("event") == "finish" and "outcome" in line]
        print(done.stdout + done.stderr, end="")
        return done.returncode, did[-1] if did else None, done.stdout + done.stderr
    return run


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """etc/kubernetes of a master, which all nodes share: all of them are 127.0.0.1."""
    folder = tmp_path_factory.mktemp("pki")
    pki.issue(pki.authorities(folder / "cas"), folder / "kubernetes", "m", "127.0.0.1")
    return folder / "kubernetes/pki/etcd"


@pytest.fixture(scope="session")
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
