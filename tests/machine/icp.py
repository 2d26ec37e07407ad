"""Nodes as IBM Cloud Private leaves them: static pods in JSON below /etc/cfc/pods, etcd with clients at 4001 and a write-ahead
log of its own, its certificates in /etc/cfc/conf/etcd.

	cluster = IcpCluster(work)                          # etcd0, etcd1, etcd2 at 192.168.70.20 and up
	path = cluster["icp-master-2"].disk(work / "2.img", damage="db")
	cluster["icp-master-3"].half_done = True            # its pods lie in podbackup, as an attempt by hand left them
	cluster["icp-master-3"].init = "openrc"             # no systemd there: OpenRC's `local` starts what is in /etc/local.d
	path = cluster.management.disk(work / "m.img")      # a management node: a kubelet and its pods, no etcd

damage is one of machine/master.py's, but for "empty". etcd is 3.3, as near as there is to ICP's 3.2. Beside it run a stand-in
for the hyperkube, which says in /var/log/pods/NAME.log whether etcd served when it was started, and nothing else. The pods
are those of golden/layouts/icp with this cluster's addresses.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import requirement

from . import pki
from .master import DAMAGES, SNAPSHOT, TOP, Cluster, Master, copy_tree

NETWORK = "192.168.70"
GOLDEN = TOP / "tests/golden/layouts/icp/before/etc/cfc/pods"
PODS, BACKUP, CONF = Path("etc/cfc/pods"), Path("etc/cfc/podbackup"), Path("etc/cfc/conf/etcd")
DATA, WAL = Path("var/lib/etcd"), Path("var/lib/etcd-wal/wal")
VOLUMES = Path("var/lib/kubelet/pods")
TOKEN = "etcd-cluster-1"
GOLDEN_OWN, GOLDEN_ADDRESS = "etcd1", "192.168.70.21"
HYPERKUBE = ("master", "proxy")     # pods beside etcd's


class IcpMaster(Master):
    half_done, init = False, "systemd"

    def __init__(self, cluster, name, address, number):
        super().__init__(cluster, name, address, number)
        self.client = f"https://{address}:4001"
        self.member = f"etcd{number}"

    def _programs(self, root, apiserver):
        super()._programs(root, apiserver)
        for path, text in ((root / "usr/local/bin/etcdctl", ETCDCTL), (root / "hyperkube", STAND_IN)):
            path.write_text(text)
            path.chmod(0o755)

    def _kubernetes(self, root, apiserver):
        self._kubelet(root)
        conf = root / CONF
        conf.mkdir(parents=True)
        shutil.copy(self.cluster.cas / "etcd/ca.crt", conf / "ca.pem")
        own = [f"DNS:{self.name}", f"IP:{self.address}", "IP:127.0.0.1"]
        for name, usages, alternatives in (("server", [pki.SERVER, pki.CLIENT], own), ("member", [pki.SERVER, pki.CLIENT], own),
                                           ("client", [pki.CLIENT], [])):
            pki.certificate(self.cluster.cas, "etcd/once", "etcd/ca", f"/CN={name}", usages, alternatives)
            (self.cluster.cas / "etcd/once.crt").rename(conf / f"{name}.pem")
            (self.cluster.cas / "etcd/once.key").rename(conf / f"{name}-key.pem")
        (root / PODS).mkdir()
        if self.half_done:
            (root / BACKUP).mkdir()
        for name, text in self.pods().items():
            path = root / (BACKUP if self.half_done else PODS) / name
            path.write_text(text)
            path.chmod(0o600)

    def _kubelet(self, root):
        """Its unit, or what starts it elsewhere, and what it left of the pods that ran."""
        words = f"--kubeconfig=/etc/cfc/kubelet/kubelet-config --pod-manifest-path=/{PODS} --hostname-override={self.address}"
        if self.init == "systemd":
            (root / "etc/systemd/system/kubelet.service").write_text(
                f"[Unit]\nDescription=Kubelet Service\n[Service]\nExecStart=/opt/kubernetes/hyperkube kubelet {words}\n")
        else:
            shutil.rmtree(root / "etc/systemd")
            (root / "etc/default").mkdir()
            (root / "etc/default/kubelet").write_text(f'KUBELET_ARGS="{words}"\n')
            (root / "etc/local.d").mkdir()
            (root / "etc/runlevels/default").mkdir(parents=True)
            (root / "etc/runlevels/default/local").symlink_to("/etc/init.d/local")
        volume = root / VOLUMES / "0a1b2c3d-1111-2222-3333-444455556666/volumes/kubernetes.io~empty-dir/cache"
        volume.mkdir(parents=True)
        (volume / "left").write_text(f"by a pod of {self.name}\n")

    def pods(self):
        """{name: text} of its static pods."""
        pods = {f"{name}.json": self._own((GOLDEN / f"{name}.json").read_text()) for name in ("etcd", "master")}
        assert f'"--name={self.member}"' in pods["etcd.json"] and self.cluster.listed in pods["etcd.json"]
        pods["proxy.json"] = PROXY.format(address=self.address)
        return pods

    def _own(self, text):
        """The golden master's text as this one's; the lists of all masters are the same everywhere."""
        for number, everywhere in enumerate((self.cluster.listed, self.cluster.clients)):
            text = text.replace(everywhere, f"<{number}>")
        text = text.replace(GOLDEN_ADDRESS, self.address).replace(f"={GOLDEN_OWN}", f"={self.member}")
        return text.replace("<0>", self.cluster.listed).replace("<1>", self.cluster.clients)

    def _data(self, root, damage, member):
        if damage not in DAMAGES or damage == "empty":
            raise ValueError(f"no master of this kind is damaged like that: {damage}")
        for path in (root / DATA, root / WAL.parent):
            path.mkdir(mode=0o700)
        if damage == "missing":
            return
        old = self.restored_by(TOKEN)
        copy_tree(old / "data/member", root / DATA / "member")
        copy_tree(old / "wal", root / WAL)
        if damage == "db":
            database = root / DATA / "member/snap/db"
            os.truncate(database, database.stat().st_size // 2)
        elif damage == "wal":
            segment = next((root / WAL).glob("*.wal"))
            with open(segment, "r+b") as file:
                file.write(b"\xff" * 512)

    def restored_by(self, token):
        """Data and log of this master by the etcd's own restore: what the old cluster had."""
        out = self.cluster.work / f"{self.name}.{token}"
        if not out.exists():
            out.mkdir()
            subprocess.run([requirement.need(f"etcdctl-{self.cluster.etcd}"), "snapshot", "restore", self.cluster.snapshot(),
                            f"--name={self.member}", f"--data-dir={out}/data", f"--wal-dir={out}/wal",
                            f"--initial-cluster={self.cluster.listed}", f"--initial-cluster-token={token}",
                            f"--initial-advertise-peer-urls={self.peer}"], check=True, capture_output=True,
                           env={"ETCDCTL_API": "3", "PATH": os.defpath})
            # Of 64 MiB that it takes in advance most are empty, and an emulated processor is slow to sum them up.
            for segment in (out / "wal").glob("*.wal"):
                os.truncate(segment, 1 << 20)
        return out


class IcpManagement(IcpMaster):
    """A kubelet and what it left; neither etcd nor static pods."""

    def _kubernetes(self, root, apiserver):
        self._kubelet(root)
        # The network is kept in etcd, so that every node is a client of it.
        conf = root / CONF
        conf.mkdir(parents=True)
        shutil.copy(self.cluster.cas / "etcd/ca.crt", conf / "ca.pem")
        pki.certificate(self.cluster.cas, "etcd/once", "etcd/ca", "/CN=client", [pki.CLIENT], [])
        (self.cluster.cas / "etcd/once.crt").rename(conf / "client.pem")
        (self.cluster.cas / "etcd/once.key").rename(conf / "client-key.pem")
        (root / PODS).mkdir(parents=True)
        (root / PODS / "proxy.json").write_text(PROXY.format(address=self.address))

    def _data(self, root, damage, member):
        pass


class IcpCluster(Cluster):
    kind = IcpMaster

    def __init__(self, work):
        super().__init__(work, [f"icp-master-{n}" for n in (1, 2, 3)], network=NETWORK, first=20, etcd="3.3")
        self.management = IcpManagement(self, "icp-management-1", f"{NETWORK}.40", 20)

    @property
    def listed(self):
        return ",".join(f"{master.member}={master.peer}" for master in self.masters)

    @property
    def clients(self):
        return ",".join(master.client for master in self.masters)

    @property
    def members(self):
        return {master.member: [master.peer] for master in self.masters}

    def snapshot(self):
        """What a member of this cluster would save: the golden database with these members, and the SHA-256 at the end."""
        path = self.work / "snapshot.db"
        if not path.exists():
            golden, out, first = self.work / "golden.db", self.work / "saved", self.masters[0]
            golden.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
            subprocess.run([requirement.need("etcdutl-3.6"), "snapshot", "restore", golden, f"--name={first.member}",
                            f"--data-dir={out}", f"--initial-cluster={self.listed}", f"--initial-cluster-token={TOKEN}",
                            f"--initial-advertise-peer-urls={first.peer}"], check=True, capture_output=True)
            database = (out / "member/snap/db").read_bytes()
            path.write_bytes(database + hashlib.sha256(database).digest())
        return path


ETCDCTL = f"""#!/bin/sh
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:4001
export ETCDCTL_CACERT=/{CONF}/ca.pem ETCDCTL_CERT=/{CONF}/client.pem ETCDCTL_KEY=/{CONF}/client-key.pem
exec /usr/local/bin/etcdctl.bin "$@"
"""
STAND_IN = """#!/bin/sh
# Says what it was started as, and whether etcd served then, by etcd's own word.
grep -q 'ready to serve client requests' /var/log/pods/etcd.log && etcd='etcd serves' || etcd='no etcd serves'
echo "$1: $etcd"
exec sleep 864000
"""
PROXY = """{{
  "apiVersion": "v1", "kind": "Pod",
  "metadata": {{"name":"k8s-proxy", "namespace":"kube-system"}},
  "spec":{{
    "hostNetwork": true,
    "containers":[
      {{"name": "proxy", "image": "ibmcom/hyperkube:v1.12.4",
       "command": ["/hyperkube", "proxy", "--master=https://127.0.0.1:8001", "--hostname-override={address}"]}}
    ]
  }}
}}
"""
