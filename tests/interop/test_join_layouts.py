"""What `run` lays down joins with other layouts, too: an etcd that is a service, and a machine that was never a master.

Real etcd servers over TLS, the first of which is restored alone; trees of machine/, each node at an address of its own.
"""

import contextlib
import json
import os
import re
import subprocess
import threading

import pytest

import requirement
from interop.nodes import MANIFEST, STATE, Kubelet, Master, settled
from machine.csm import CsmMaster
from machine.master import Cluster
from sources.servers import Process

UNITS = "etc/systemd/system"
UNIT = f"{UNITS}/etcd.service"


class Service(Kubelet):
    """Stands for systemd: runs the command of etcd.service, as it was when units were read last, while the conditions of the
    unit and its drop-ins hold, and again when it ends."""

    def __init__(self, node):
        super().__init__(node)
        self.reloads = node.root / "reloads"
        program = node.root / "usr/bin/systemctl"
        program.write_text(f"#!/bin/sh\n[ $# = 1 ] && [ $1 = daemon-reload ] && echo >>{self.reloads}\n")
        program.chmod(0o755)
        self.read = None

    def unit(self):
        now = self.reloads.stat().st_size if self.reloads.exists() else 0
        if not self.read or self.read[0] != now:
            self.read = now, (self.node.root / UNIT).read_text()
        return self.read[1]

    def holds(self):
        files = [self.node.root / UNIT, *sorted((self.node.root / f"{UNIT}.d").glob("*.conf"))]
        wanted = [path for file in files for path in re.findall(r"^ConditionPathExists=/(\S+)$", file.read_text(), re.M)]
        return all((self.node.root / path).exists() for path in wanted)

    def run(self):
        while not self.over.wait(0.1):
            unit = self.unit()
            if self.process and self.process.child.poll() is not None:
                self.process.close()
                self.process = None
                self.over.wait(0.5)
            if not self.process and self.holds():
                words = self.node.words(unit)
                self.process = Process([requirement.need(f"etcd-{self.node.version}"), *words], self.node.root / "etcd.log")


class CsmNode(Master):
    def words(self, manifest):
        """Of the unit, with the tree's paths."""
        lines = [line for line in manifest.splitlines() if not line.startswith("#")]
        text = "\n".join(lines).replace("\\\n", " ")
        words = re.search(r"^ExecStart=/usr/bin/etcd (.*)$", text, re.M)[1].split()
        return [re.sub(r"(^|=)/(etc|var)/", rf"\1{self.root}/\2/", word).replace(",https://127.0.0.1:2379", "") for word in words]


class Blank(Master):
    """An installed system on which no master has ever been."""

    def __init__(self, machine, version):
        super().__init__(machine, version)
        self.root = machine.tree(fresh=True)


@pytest.fixture
def rescue(image_file):
    def call(*words, status=0):
        done = subprocess.run([image_file("etcd-rescue"), *map(str, words)], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done
    return call


def network():
    return f"127.80.{os.getpid() % 250 + 1}"


def plan_of(path, machine, nodes, *more):
    path.write_text(f"source: file:{machine.snapshot()}\nsurvivors: none\nrecovery-host: {nodes[0].name}\n" + "".join(
        f"{line}\n" for line in more) + "cluster:\n  members:\n" + "".join(
        f'    - {{name: {n.name}, peer: "{n.peer}", match: {{hostname: {n.name}}}}}\n' for n in nodes))
    return path


def all_finish(nodes, finish):
    results = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n.name: finish(n, "--deadline", 90)})) for n in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in nodes:
        status, did, said = results[n.name]
        # There is no API server here, and what is to be done through it is tried until the deadline.
        assert did["served"] and (status == 0 or "the API server" in said), said


def keys_of(node):
    keys = len(node.etcdctl("get", "/registry/", "--prefix", "--keys-only").split())
    assert keys > 40
    return keys


@pytest.mark.parametrize("form", ["map", pytest.param("list", marks=pytest.mark.long)])
def test_a_service_joins_once_its_marker_is_there(rescue, finish, tmp_path, form):
    """HPE Cray: kubeadmcfg.yaml and a unit; nothing starts etcd.service before the cluster has let it in."""
    machine = Cluster(tmp_path / "cluster", ["ncn-m001", "ncn-m002"], network=network(), etcd="3.6")
    machine.masters = [CsmMaster(machine, m.name, m.address, m.number) for m in machine]
    nodes = []
    for one in machine:
        one.form = form
        nodes.append(CsmNode(one, "3.6"))
        (nodes[-1].root / "etc/fstab").write_text("UUID=0 / ext4 defaults 0 1\n")
    # No API server is here to be waited for.
    plan = plan_of(tmp_path / "plan.yaml", machine, nodes, "finish: {cronjobs: no, stuck-pods: no, nodes: no}")
    with contextlib.ExitStack() as stack:
        for node in nodes:
            said = rescue("run", "--root", node.root, "--file", plan, "--yes", "--force", "--json").stdout
            assert json.loads(said.splitlines()[-1])["role"] == ("single" if node is nodes[0] else "join")
            rescue("run", "--root", node.root, "--file", plan, "--yes", "--force")      # nothing is left to do
        for node in nodes[1:]:
            marker = f"{STATE}/released/etcd.service"
            assert not (node.root / marker).exists() and not (node.root / "var/lib/etcd/member").exists()
            assert f"PathChanged=/{marker}\nUnit=etcd.service\n" in (node.root / UNITS / "etcd-rescue-etcd.path").read_text()
            assert "initial-cluster-state existing" in (node.root / UNIT).read_text()
            assert re.search("existing", (node.root / "etc/kubernetes/kubeadmcfg.yaml").read_text())
        for node in nodes:
            stack.enter_context(Service(node))
        all_finish(nodes, finish)
        settled(*nodes, keys=keys_of(nodes[0]))
        for node in nodes[1:]:
            listed = re.search(r"--initial-cluster (\S+)", (node.root / UNIT).read_text())[1]
            assert f"{node.name}={node.peer}" in listed and listed in (node.root / "etc/kubernetes/kubeadmcfg.yaml").read_text()
            left = sorted(str(path.relative_to(node.root)) for path in (node.root / UNITS).rglob("*") if path.is_file())
            assert left == [UNIT], left
            # The image once more, on one whose etcd has run.
            said = rescue("run", "--root", node.root, "--file", plan, "--yes", "--json").stdout
            assert json.loads(said.splitlines()[-1])["outcome"] == "already-restored"
    node = nodes[1]
    rescue("rollback", "--root", node.root)
    assert (node.root / "var/lib/etcd/member/snap/db").exists() and "existing" not in (node.root / UNIT).read_text()


def test_a_machine_that_was_never_a_master_joins(rescue, finish, tmp_path):
    """All that it is comes from the archive of a master and the plan, which is the same for both."""
    machine = Cluster(tmp_path / "cluster", ["master-1", "master-2"], network=network(), etcd="3.6")
    first, second = Master(machine.masters[0], "3.6"), Blank(machine.masters[1], "3.6")
    archive = tmp_path / "master-1.tar.zst"
    rescue("collect", "--root", first.root, "-o", archive)
    plan = plan_of(tmp_path / "plan.yaml", machine, [first, second], f"pki: file:{archive}",
                   "finish: {cronjobs: no, stuck-pods: no, nodes: no}")
    assert not (second.root / "etc/kubernetes").exists()
    for node, role in ((first, "single"), (second, "join")):
        said = rescue("run", "--root", node.root, "--file", plan, "--yes", "--force", "--json").stdout
        assert json.loads(said.splitlines()[-1])["role"] == role
    assert not (second.root / MANIFEST).exists() and (second.root / f"{STATE}/held/etcd.yaml").exists()
    with contextlib.ExitStack() as stack:
        for node in (first, second):
            stack.enter_context(Kubelet(node))
        all_finish([first, second], finish)
        settled(first, second, keys=keys_of(first))
        text = (second.root / MANIFEST).read_text()
        assert "--name=master-2" in text and "--initial-cluster-state=existing" in text and first.name in text
    said = rescue("run", "--root", second.root, "--file", plan, "--yes", "--json").stdout
    assert json.loads(said.splitlines()[-1])["outcome"] == "already-restored"
    rescue("rollback", "--root", second.root)
    assert not [path for path in (second.root / "etc/kubernetes").rglob("*") if path.is_file()]
