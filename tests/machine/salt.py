"""Masters as kube-up's salt states leave them: two etcds in one pod each, JSON text in `.manifest` files whose command is one
string for a shell, the data on a volume of its own at /mnt/master-pd.

	cluster = SaltCluster(work, 3)
	path = cluster.masters[0].disk(work / "m1.img", damage="none", etcd_partition=True)
	both = served(vm)                       # of a running one: {"etcd": Served, "etcd-events": Served}

etcd            peers 2380 (TLS), clients 2379, token etcd-server, /mnt/master-pd/var/etcd/data
etcd-events     peers 2381 (TLS), clients 4002, token etcd-server-events, /mnt/master-pd/var/etcd/data-events

What the pods mount elsewhere (/var/etcd, /etc/srv/kubernetes) is a link here, for the stand-in of the kubelet mounts
nothing. The manifests are those of golden/layouts/salt with this cluster's addresses.
"""

import gzip
import re
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

    def restored_of(self, what, token, snapshot=None):
        """A data directory of this master by etcdctl's own restore."""
        out = self.cluster.work / f"{self.name}.{what}.{token}"
        if not out.exists():
            etcdctl = requirement.need(f"etcdctl-{self.cluster.etcd}")
            subprocess.run([etcdctl, "snapshot", "restore", snapshot or self.cluster.snapshots[what], "--name", self.member,
                            "--data-dir", out, "--initial-cluster", self.cluster.listed(what), "--initial-cluster-token", token,
                            "--initial-advertise-peer-urls", self.peer_of(what)], check=True, capture_output=True,
                           env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})
        return out


class SaltCluster(Cluster):
    """`count` masters of 10.20.0.4 and up, and a database for each of its etcds."""

    kind = SaltMaster

    def __init__(self, work, count):
        super().__init__(work, [f"ip-10-20-0-{4 + n}" for n in range(count)], network=NETWORK, first=4, etcd="3.4")
        objects = self.work / "snapshot.db"
        objects.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
        self.snapshots = {"etcd": objects, "etcd-events": EVENTS}

    def listed(self, what):
        return ",".join(f"{master.member}={master.peer_of(what)}" for master in self.masters)


class Served(NamedTuple):
    cluster: str        # in hexadecimal
    own: str            # id of this member
    members: dict       # name: (id, peer URL)
    keys: str           # SHA-256 over every key and value
    count: int


def served(vm, seconds=240):
    """Waits until both etcds are healthy, and asks them."""
    return {what: _asked(vm, etcd, seconds) for what, etcd in ETCDS.items()}


def _asked(vm, etcd, seconds):
    ask = f"etcdctl --endpoints=http://127.0.0.1:{etcd.client} --command-timeout=5s"
    healthy = vm.console.run(f"n=0; until {ask} endpoint health 2>/dev/null; do [ $n -lt {seconds} ] || break; n=$((n+3)); "
                             f"sleep 2; done; [ $n -lt {seconds} ]", 3 * seconds)
    assert healthy.status == 0, healthy.text + vm.console.run("tail -n 5 /var/log/etcd*.log /var/log/kubelet.log").text
    said = vm.console.run(f"{ask} member list; {ask} endpoint status -w fields; "
                          f"{ask} get '' --prefix --keys-only | grep -c .; {ask} get '' --prefix | sha256sum", 120).text
    members = {name: (number, peer) for number, name, peer in re.findall(r"([0-9a-f]+), started, ([^,]+), ([^,]+),", said)}
    number = {key: f"{int(value):x}" for key, value in re.findall(r'"(ClusterID|MemberID)" : (\d+)', said)}
    count, keys = re.search(r"(\d+)\n([0-9a-f]{64})  -", said).groups()
    return Served(number["ClusterID"], number["MemberID"], members, keys, int(count))


ETCDCTL = """#!/bin/sh
export ETCDCTL_API=3
exec /usr/local/bin/etcdctl.bin "$@"
"""
