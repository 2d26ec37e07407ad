"""Masters of OpenShift 4.1 to 4.3 on the disks of openshift.py: a shell starts etcd with variables that a discovery has
written when the node came up, and members have names that only the domain's name server, here /etc/hosts, knows.

	cluster = Openshift42Cluster(work)                   # ocp-master0 .. 2 at 10.15.155.210 and up
	path = cluster["ocp-master1"].disk(work / "1.img", damage="db")
	path = cluster["ocp-master0"].disk(work / "0.img", fresh=True)      # installed anew: the manifest, no certificates, no data
	tree = cluster["ocp-master0"].rebuilt()              # the same as a tree
	data = cluster.backup()                              # bytes of backup_*.snapshots.tgz, a folder a node

The pod is that of golden/layouts/openshift-4.2. etcd is 3.4, which reads what 3.3 wrote.
"""

import gzip
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import requirement
from interop.server import Server, free_ports

from . import pki
from .master import MANIFESTS, SNAPSHOT, TOP, Cluster, Master
from .openshift import OpenshiftMaster

NETWORK, DOMAIN = "10.15.155", "ocp.example.org"
TOKEN = "etcd-cluster-1"
SIGNERS = {"etcd-signer": "etcd/ca", "etcd-metric-signer": "front-proxy-ca"}       # Secret: the CA here
GOLDEN = TOP / "tests/golden/layouts/openshift-4.2/before"
MANIFEST = MANIFESTS / "etcd-member.yaml"
CERTIFICATES = Path("etc/kubernetes/static-pod-resources/etcd-member")
CONFIG = Path("etc/etcd/etcd.conf")


class Openshift42Master(OpenshiftMaster):
    def __init__(self, cluster, name, address, number):
        super().__init__(cluster, name, address, number)
        self.member, self.dns = f"etcd-member-{name}", f"etcd-{number}.{DOMAIN}"
        self.peer = f"https://{self.dns}:2380"

    def tree(self, damage="missing", fresh=False, **options):
        root = super().tree(damage, fresh, **options)
        if fresh:
            self._pod(root)
        return root

    def rebuilt(self):
        return self.tree(fresh=True, programs=False)

    def _base(self, root, dhcp):
        super()._base(root, dhcp)
        (root / "etc/nsswitch.conf").write_text("hosts: files dns myhostname\n")
        with open(root / "etc/hosts", "a", encoding="ascii") as hosts:
            hosts.writelines(f"{master.address}\t{master.dns}\n" for master in self.cluster)

    def _programs(self, root, apiserver):
        Master._programs(self, root, apiserver)
        (root / "usr/local/bin/etcdctl").write_text(ETCDCTL.format(self.dns))

    def _kubernetes(self, root, apiserver):
        folder = root / CERTIFICATES
        folder.mkdir(parents=True)
        for kind in ("server", "peer", "metric"):
            pki.certificate(self.cluster.cas, "etcd/once", "etcd/ca", f"/O=system:etcd-{kind}s/CN=system:etcd-{kind}:{self.dns}",
                            [pki.SERVER, pki.CLIENT], [f"DNS:{self.dns}", "DNS:localhost", f"IP:{self.address}", "IP:127.0.0.1"])
            for end in ("crt", "key"):
                (self.cluster.cas / f"etcd/once.{end}").rename(folder / f"system:etcd-{kind}:{self.dns}.{end}")
        shutil.copy(self.cluster.cas / "etcd/ca.crt", folder / "ca.crt")
        self._pod(root)
        if self.cluster.endpoint:
            # What the installer gave to the administrator, who works here.
            (root / "root/.kube").mkdir()
            pki.kubeconfig(self.cluster.cas, root / "root/.kube/config", "/O=system:masters/CN=system:admin", "admin",
                           self.address, self.cluster.endpoint)

    def _pod(self, root):
        """What the machine's own configuration brings: as it is on every new master."""
        texts = {MANIFEST: (GOLDEN / MANIFEST).read_text(), CONFIG: (GOLDEN / CONFIG).read_text().split("\n#[recover]")[0],
                 Path("etc/local.d/discovery.start"): DISCOVERY.format(self=self, domain=DOMAIN)}
        for path, text in texts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755 if path.suffix == ".start" else 0o644)
        (root / "etc/runlevels/default").mkdir(parents=True)
        (root / "etc/runlevels/default/local").touch()
        (root / "etc/ssl").mkdir(exist_ok=True)
        (root / "etc/ssl/etcd").symlink_to(f"/{CERTIFICATES}")

    def restored(self, token=TOKEN):
        out = self.cluster.work / f"{self.name}.{token}"
        if not out.exists():
            subprocess.run([requirement.need("etcdutl-3.6"), "snapshot", "restore", self.cluster.snapshot(), "--name", self.member,
                            "--data-dir", out, "--initial-cluster", self.cluster.initial_cluster, "--initial-cluster-token", token,
                            "--initial-advertise-peer-urls", self.peer], check=True, capture_output=True)
        return out / "member"


class Openshift42Cluster(Cluster):
    kind = Openshift42Master

    def __init__(self, work):
        super().__init__(work, ["ocp-master0", "ocp-master1", "ocp-master2"], network=NETWORK, first=210, etcd="3.4")
        self.also = None    # called with the server that the snapshot is saved from

    @property
    def initial_cluster(self):
        return ",".join(f"{master.member}={master.peer}" for master in self.masters)

    def snapshot(self):
        """The golden database with the signers' Secrets in it."""
        path = self.work / "snapshot.db"
        if not path.exists():
            golden = self.work / "golden.db"
            golden.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
            etcdctl = requirement.need("etcdctl-3.4")
            environment = {"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}
            subprocess.run([etcdctl, "snapshot", "restore", golden, "--data-dir", self.work / "served"], check=True,
                           capture_output=True, env=environment)
            server = Server("3.4", "default", self.work / "served", free_ports(2))
            try:
                server.start().wait()
                for name, ca in SIGNERS.items():
                    pair = {f"tls.{end}": (self.cas / f"{ca}.{end}").read_bytes() for end in ("crt", "key")}
                    server.put(f"/kubernetes.io/secrets/openshift-config/{name}", secret("openshift-config", name, pair))
                if self.also:
                    self.also(server)
                subprocess.run([etcdctl, f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save", path], check=True,
                               capture_output=True, env=environment)
            finally:
                server.stop()
        return path

    def backup(self, other):
        """The survivor's folder has the snapshot, those of the lost ones have `other`."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for master in self.masters:
                body = self.snapshot().read_bytes() if master.name == "ocp-master1" else other
                for name, data in (("snapshot.db", body), ("etcd-member.yaml", (GOLDEN / MANIFEST).read_bytes())):
                    info = tarfile.TarInfo(f"{master.name}/assets/backup/{name}")
                    info.size, info.mode = len(data), 0o600
                    tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def secret(namespace, name, data):
    """A Secret as the API server stores it in etcd."""
    def field(number, *parts):
        body = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
        size, length = len(body), b""
        while size > 127:
            length += bytes((size & 127 | 128,))
            size >>= 7
        return bytes((number << 3 | 2,)) + length + bytes((size,)) + body
    entries = [field(2, field(1, key), field(2, value)) for key, value in sorted(data.items())]
    raw = b"".join([field(1, field(1, name), field(3, namespace)), *entries, field(3, "SecretTypeTLS")])
    return b"k8s\0" + field(1, field(1, "v1"), field(2, "Secret")) + field(2, raw)


DISCOVERY = """#!/bin/sh
# What the discovery finds out from the name server and the machine's cards, and what the kubelet knows of the pod.
mkdir -p /run/etcd
cat >/run/etcd/new <<EOF
export ETCD_IPV4_ADDRESS={self.address}
export ETCD_DNS_NAME={self.dns}
export ETCD_WILDCARD_DNS_NAME=*.{domain}
export ETCD_NAME={self.member}
EOF
mv /run/etcd/new /run/etcd/environment
"""

ETCDCTL = """#!/bin/sh
certs=/etc/kubernetes/static-pod-resources/etcd-member
export ETCDCTL_API=3 ETCDCTL_CACERT=$certs/ca.crt ETCDCTL_CERT=$certs/system:etcd-peer:{0}.crt
export ETCDCTL_KEY=$certs/system:etcd-peer:{0}.key
exec /usr/local/bin/etcdctl.bin "$@"
"""
