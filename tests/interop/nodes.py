"""Nodes that join a cluster: their trees, the etcd that runs on them, and what stands for a kubelet."""

import contextlib
import json
import re
import shutil
import subprocess
import threading
import time

import requirement
from interop.server import free_ports
from sources.servers import Process

STATE = "var/lib/etcd-rescue"
MANIFEST = "etc/kubernetes/manifests/etcd.yaml"
PATIENCE = 120


class Node:
    """A tree with certificates, and the etcd that runs on it."""

    def __init__(self, root, certificates, name, version):
        self.root, self.name, self.version, self.server = root, name, version, None
        self.pki = root / "etc/kubernetes/pki/etcd"
        self.pki.parent.mkdir(parents=True)
        shutil.copytree(certificates, self.pki)
        (root / STATE / "held").mkdir(parents=True)
        (root / "etc/kubernetes/manifests").mkdir()
        self.client_port, self.peer_port = free_ports(2)
        self.data = root / "var/lib/etcd"

    @property
    def client(self):
        return f"https://127.0.0.1:{self.client_port}"

    @property
    def peer(self):
        return f"https://127.0.0.1:{self.peer_port}"

    @property
    def tls(self):
        return [f"--cacert={self.pki}/ca.crt", f"--cert={self.pki}/healthcheck-client.crt",
            f"--key={self.pki}/healthcheck-client.key"]

    def flags(self, *more):
        flags = [f"--name={self.name}", f"--data-dir={self.data}", f"--listen-peer-urls={self.peer}",
            f"--initial-advertise-peer-urls={self.peer}", f"--listen-client-urls={self.client}",
            f"--advertise-client-urls={self.client}", *more]
        for kind, prefix in (("server", ""), ("peer", "peer-")):
            flags += [f"--{prefix}client-cert-auth", f"--{prefix}trusted-ca-file={self.pki}/ca.crt",
                f"--{prefix}cert-file={self.pki}/{kind}.crt", f"--{prefix}key-file={self.pki}/{kind}.key"]
        return flags

    def start(self, *more, wait=True):
        self.server = Process([requirement.need(f"etcd-{self.version}"), *self.flags(*more)], self.root / "etcd.log")
        if wait:
            self.server.wait_for_port(self.client_port)
        return self

    @staticmethod
    def words(manifest):
        return [line.strip()[2:] for line in manifest.splitlines()]

    def stop(self):
        if self.server:
            self.server.close()

    def etcdctl(self, *args):
        done = subprocess.run([requirement.need("etcdctl-3.5"), f"--endpoints={self.client}", "--dial-timeout=30s",
            "--command-timeout=50s", *self.tls, *args],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def members(self):
        """{name: (votes, has started)}"""
        return {m.get("name", ""): (not m.get("isLearner"), bool(m.get("clientURLs")))
            for m in json.loads(self.etcdctl("member", "list", "-w", "json"))["members"]}

    def change(self, how, *words):
        """`member add` or `remove`, which etcd refuses until all have been connected for five seconds."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.etcdctl("member", how, *words)
            except AssertionError as why:
                if "unhealthy cluster" not in str(why) or time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def hash(self):
        return json.loads(self.etcdctl("endpoint", "hashkv", "-w", "json"))[0]["HashKV"]

    def record(self, others, seeds, deadline=PATIENCE, held=(), **more):
        """As `run` leaves it on a node that joins."""
        listed = ",".join(f"{n.name}={n.peer}" for n in [*others, self])
        flags = self.flags(f"--initial-cluster={listed}", "--initial-cluster-state=existing")
        waits = self.root / STATE / "held/etcd.yaml"
        waits.write_text("".join(f"    - {flag}\n" for flag in flags))
        waits.chmod(0o640)
        etcd = "etc/kubernetes/pki/etcd"
        (self.root / STATE / "finish.json").write_text(json.dumps({"version": 1, "plan": "0" * 64, "node": self.name,
            "layout": "kubeadm", "role": "join", "restored": int(time.time()), "deadline": deadline, "cronjobs": False,
            "stuck-pods": False, "nodes": False, "redeploy": False, "csr": False, "clusters": [{"what": "etcd", "id": "0",
                "own": "0", "clients": [self.client], "ca": f"{etcd}/ca.crt", "cert": f"{etcd}/healthcheck-client.crt",
                "key": f"{etcd}/healthcheck-client.key", "members": [{"name": n.name, "id": "0", "urls": [n.peer]}
                    for n in [*others, self]], "urls": [self.peer], "seeds": [s.client for s in seeds], "listed": listed,
                "files": [f"{STATE}/held/etcd.yaml"]}], "held": [{"path": MANIFEST, "held": f"{STATE}/held/etcd.yaml"}, *held],
            "lost": [], "known": [], "kubeconfigs": [], "files": [], **more}))
        return self


class Kubelet:
    """Starts a node's etcd as its manifest says, again when it ends or the manifest changes."""

    def __init__(self, node, manifest=None):
        self.node, self.text, self.over, self.process = node, None, threading.Event(), None
        self.manifest = manifest or node.root / MANIFEST
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        path = self.manifest
        while not self.over.wait(0.1):
            text = path.read_text() if path.exists() else None
            ended = self.process and self.process.child.poll() is not None
            if text == self.text and not ended:
                continue
            if self.process:
                self.process.close()
                self.process = None
                self.over.wait(0.5)
            self.text = text
            if text:
                words = self.node.words(text)
                self.process = Process([requirement.need(f"etcd-{self.node.version}"), *words], self.node.root / "etcd.log")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(30)
        if self.process:
            self.process.close()


class Master(Node):
    """A kubeadm master's tree; its etcd is started as its manifest says, with the tree's paths."""

    def __init__(self, machine, version):
        self.root, self.name, self.version, self.server = machine.tree(damage="none", programs=False), machine.name, version, None
        self.pki, self.address, self.urls = self.root / "etc/kubernetes/pki/etcd", machine.address, (machine.client, machine.peer)

    client = property(lambda self: self.urls[0])
    peer = property(lambda self: self.urls[1])

    def words(self, manifest):
        flags = [word.strip()[2:] for word in manifest.splitlines() if word.strip().startswith("- --")]
        return [re.sub(r"=/(etc|var)/", rf"={self.root}/\1/", flag).replace("https://127.0.0.1:2379,", "")
            .replace("http://127.0.0.1:2381", f"http://{self.address}:2381") for flag in flags]


@contextlib.contextmanager
def beside(call, *args):
    """What the call gave, in a list, once it has ended; a server is to be started by the thread that stays."""
    result = []
    thread = threading.Thread(target=lambda: result.append(call(*args)))
    thread.start()
    try:
        yield result
    finally:
        thread.join()


def members_of(*what):
    """Those of --initial-cluster, whose order is etcd's, or of nodes."""
    return sorted(what[0].split(",") if isinstance(what[0], str) else [f"{n.name}={n.peer}" for n in what])


def settled(*nodes, keys=40):
    """All of them serve the same data, all vote, and nobody holds the lock."""
    for node in nodes:
        assert node.etcdctl("get", "etcd-rescue/", "--prefix") == ""
        assert len(node.etcdctl("get", "/registry/", "--prefix", "--keys-only").split()) == keys
    assert nodes[0].members() == {node.name: (True, True) for node in nodes}
    for _ in range(50):
        hashes = [node.hash() for node in nodes]
        if len({(h["hash"], h.get("compact_revision")) for h in hashes}) == 1:
            return
        time.sleep(0.1)
    raise AssertionError(hashes)
