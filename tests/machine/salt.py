"""Masters as kube-up's salt states leave them: two etcds in one pod each, JSON text in `.manifest` files whose command is one
string for a shell, the data on a volume of its own at /mnt/master-pd.

	cluster = SaltCluster(work, 3)
	path = cluster.masters[0].disk(work / "m1.img", damage="none", etcd_partition=True)
	open_clients(vm)                        # of a running one: both are to be reached from outside

etcd            peers 2380 (TLS), clients 2379, token etcd-server, /mnt/master-pd/var/etcd/data
etcd-events     peers 2381 (TLS), clients 4002, token etcd-server-events, /mnt/master-pd/var/etcd/data-events

What the pods mount elsewhere (/var/etcd, /etc/srv/kubernetes) is a link here, for the stand-in of the kubelet mounts
nothing. The manifests are those of golden/layouts/salt with this cluster's addresses.
"""

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import requirement

from . import pki
from .master import MANIFESTS, SNAPSHOT, TOP, Cluster, Master, copy_tree, spoil

NETWORK = "10.20.0"
GOLDEN = TOP / "tests/golden/layouts/salt/before" / MANIFESTS
EVENTS = TOP / "tests/golden/etcd-3.4/snapshot.db"
DATA = Path("mnt/master-pd/var/etcd")
CERTIFICATES = Path("srv/kubernetes")
FILES = {"etcd": "snapshot.db", "etcd-events": "snapshot-events.db"}      # as the backup job calls them
MEMBERS_OF_GOLDEN = ("4", "5", "6")


class Etcd(NamedTuple):
    peer: int
    client: int
    token: str
    data: Path


ETCDS = {"etcd": Etcd(2380, 2379, "etcd-server", DATA / "data"),
         "etcd-events": Etcd(2381, 4002, "etcd-server-events", DATA / "data-events")}


class SaltMaster(Master):
    mount = Path("mnt/master-pd")

    @property
    def member(self):
        return "etcd-" + self.address.replace(".", "-")

    def peer_of(self, what):
        return f"https://{self.address}:{ETCDS[what].peer}"

    def _programs(self, root, apiserver):
        super()._programs(root, apiserver)
        (root / "usr/local/bin/etcdctl").write_text(ETCDCTL)

    def _kubernetes(self, root, apiserver):
        folder, manifests = root / CERTIFICATES, root / MANIFESTS
        for path in (folder, manifests, root / "etc/srv", root / "etc/default"):
            path.mkdir(parents=True)
        shutil.copy(self.cluster.cas / "etcd/ca.crt", folder / "etcd-ca.crt")
        pki.certificate(self.cluster.cas, "etcd/once", "etcd/ca", f"/CN={self.member}", [pki.SERVER, pki.CLIENT],
                        [f"IP:{self.address}", "IP:127.0.0.1"])
        for kind in ("crt", "key"):
            (self.cluster.cas / f"etcd/once.{kind}").rename(folder / f"etcd-peer.{kind}")
        (root / "etc/srv/kubernetes").symlink_to("/srv/kubernetes")
        (root / "var/etcd").symlink_to(f"/{DATA}")
        (root / "etc/default/kubelet").write_text(f'DAEMON_ARGS="--pod-manifest-path=/{MANIFESTS}"\n')
        for what in ETCDS:
            (manifests / f"{what}.manifest").write_text(self.manifest(what))

    def manifest(self, what):
        text = (GOLDEN / f"{what}.manifest").read_text()
        old = ",".join(f"etcd-10-20-0-{n}=https://10.20.0.{n}:{ETCDS[what].peer}" for n in MEMBERS_OF_GOLDEN)
        assert text.count(old) == 2, "golden/layouts/salt has other members than this knows"
        parts = [part.replace("etcd-10-20-0-5", self.member).replace("10.20.0.5", self.address) for part in text.split(old)]
        return self.cluster.listed(what).join(parts).replace("3.2.24", "3.4.13")

    def _data(self, root, damage, member):
        (root / DATA).mkdir(parents=True)
        for what, etcd in ETCDS.items():
            data = root / etcd.data
            data.mkdir(mode=0o700)
            if damage != "missing":
                copy_tree(self.restored_of(what, etcd.token) / "member", data / "member")
                spoil(data / "member", damage)

    def restored_of(self, what, token, tool="etcdctl-3.4", snapshot=None):
        """A data directory of this master by etcd's own restore."""
        out = self.cluster.work / f"{self.name}.{what}.{token}"
        if not out.exists():
            subprocess.run([requirement.need(tool), "snapshot", "restore", snapshot or self.cluster.snapshots[what],
                            f"--name={self.member}", f"--data-dir={out}", f"--initial-cluster={self.cluster.listed(what)}",
                            f"--initial-cluster-token={token}", f"--initial-advertise-peer-urls={self.peer_of(what)}"],
                           check=True, capture_output=True, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})
        return out


class SaltCluster(Cluster):
    """`count` masters of 10.20.0.4 and up, and a database for each of its etcds."""

    kind = SaltMaster

    def __init__(self, work, count):
        super().__init__(work, [f"ip-10-20-0-{4 + n}" for n in range(count)], network=NETWORK, first=4, etcd="3.4")
        (self.work / "golden.db").write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
        self.snapshots = {what: self._saved(what, golden) for what, golden in
                          (("etcd", self.work / "golden.db"), ("etcd-events", EVENTS))}

    def _saved(self, what, golden):
        """What a member of this cluster would save: the database with these members (etcdctl 3.4 leaves that to etcd), and
        the SHA-256 that ends a snapshot."""
        database = (self.masters[0].restored_of(what, "saved", "etcdutl-3.6", golden) / "member/snap/db").read_bytes()
        path = self.work / FILES[what]
        path.write_bytes(database + hashlib.sha256(database).digest())
        return path

    def listed(self, what):
        return ",".join(f"{master.member}={master.peer_of(what)}" for master in self.masters)


def open_clients(vm, behind=10000):
    """Their clients are let in from the machine itself alone: a port beside each leads there."""
    for etcd in ETCDS.values():
        said = vm.console.run(f"(nc -ll -p {behind + etcd.client} -e nc 127.0.0.1 {etcd.client} >/dev/null 2>&1 &)")
        assert said.status == 0, said.text


ETCDCTL = """#!/bin/sh
export ETCDCTL_API=3
exec /usr/local/bin/etcdctl.bin "$@"
"""
