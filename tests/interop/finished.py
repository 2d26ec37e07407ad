"""A restored master for `etcd-rescue finish`: its files, a real etcd over TLS, a real kube-apiserver, and objects in it."""

import contextlib
import http.client
import json
import ssl
import subprocess
import time
from datetime import datetime, timedelta, timezone

import requirement
from interop.server import free_ports
from machine import pki
from sources.servers import Process, accepts

STATE = "var/lib/etcd-rescue"
MASTER = "node-role.kubernetes.io/control-plane"


def files(root, *below):
    return sorted(str(p.relative_to(root)) for name in below for p in (root / name).rglob("*") if p.is_file())


def stamp(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


POD = {"containers": [{"name": "c", "image": "i"}]}


class Master:
    """A tree with a master's certificates, and what runs on it: etcd and, when asked for, an API server."""

    def __init__(self, root, authorities, version):
        self.root, self.version, self.running, self.contexts = root, version, [], {}
        (root / "etc/kubernetes").mkdir(parents=True)
        (root / STATE).mkdir(parents=True)
        pki.issue(authorities, root / "etc/kubernetes", "m1", "127.0.0.1")
        self.pki = root / "etc/kubernetes/pki"
        self.client, self.peer, self.api_port = free_ports(3)
        for name in ("admin", "super-admin"):
            path = root / f"etc/kubernetes/{name}.conf"
            path.write_text(path.read_text().replace(":6443", f":{self.api_port}"))

    @property
    def peer_url(self):
        return f"https://127.0.0.1:{self.peer}"

    def start_etcd(self, token="t", name="m1", more=()):
        etcd = self.pki / "etcd"
        client = f"https://127.0.0.1:{self.client}"
        command = [requirement.need(f"etcd-{self.version}"), "--name", name, "--data-dir", self.root / "etcd.data",
            "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
            "--listen-client-urls", client, "--advertise-client-urls", client, "--initial-cluster", ",".join(
                [f"{name}={self.peer_url}", *more]), "--initial-cluster-token", token]
        for kind, prefix in (("server", ""), ("peer", "peer-")):
            command += [f"--{prefix}client-cert-auth", f"--{prefix}trusted-ca-file", etcd / "ca.crt",
                f"--{prefix}cert-file", etcd / f"{kind}.crt", f"--{prefix}key-file", etcd / f"{kind}.key"]
        server = Process(command, self.root / "etcd.log")
        self.running.append(server)
        return server.wait_for_port(self.client)

    def start_api(self, *more, etcd_server=None):
        return self.until_api(self.launch_api(*more, etcd_server=etcd_server))

    def launch_api(self, *more, etcd_server=None):
        """etcd_server: the URL of another etcd than start_etcd()'s."""
        etcd, own = self.pki / "etcd", self.pki
        etcd_server = etcd_server or f"https://127.0.0.1:{self.client}"
        server = Process([requirement.need("kube-apiserver-1.34"), "--advertise-address=127.0.0.1",
            "--bind-address=127.0.0.1", f"--secure-port={self.api_port}", "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount", f"--client-ca-file={own}/ca.crt",
            f"--etcd-cafile={etcd}/ca.crt", f"--etcd-certfile={own}/apiserver-etcd-client.crt",
            f"--etcd-keyfile={own}/apiserver-etcd-client.key", f"--etcd-servers={etcd_server}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={own}/sa.pub",
            f"--service-account-signing-key-file={own}/sa.key", "--service-cluster-ip-range=10.96.0.0/12",
            f"--tls-cert-file={own}/apiserver.crt", f"--tls-private-key-file={own}/apiserver.key", *more],
            self.root / "api.log")
        self.running.append(server)
        return server

    def until_api(self, server, patience=180):
        return server.wait_until(lambda: accepts(self.api_port) and self.is_ready(), patience)

    def is_ready(self):
        """Port and handlers come before the rules of who may do what."""
        try:
            self.call("GET", "/readyz", as_json=False)
            return True
        except (AssertionError, OSError, http.client.HTTPException):
            return False

    def ids(self):
        """The cluster's id and this member's, as etcdctl tells them."""
        etcd = self.pki / "etcd"
        done = subprocess.run([requirement.need("etcdctl-3.5"), f"--endpoints=https://127.0.0.1:{self.client}",
            f"--cacert={etcd}/ca.crt", f"--cert={etcd}/healthcheck-client.crt", f"--key={etcd}/healthcheck-client.key",
            "member", "list", "-w", "json"], capture_output=True, check=True, timeout=60)
        answer = json.loads(done.stdout)
        return f"{answer['header']['cluster_id']:x}", f"{answer['members'][0]['ID']:x}"

    def record(self, cluster, member, layout="kubeadm", **more):
        etcd = "etc/kubernetes/pki/etcd"
        own = {"etc/systemd/system/kubelet.service.d/50-etcd-rescue.conf": "[Unit]\n",
            "etc/systemd/system/etcd-rescue-finish.service": "[Service]\n", f"{STATE}/bin/etcd-rescue": "program"}
        for name, text in own.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        said = {"version": 1, "plan": "0" * 64, "node": "m1", "layout": layout, "restored": int(time.time()), "deadline": 60,
            "cronjobs": True, "stuck-pods": True, "nodes": True, "redeploy": True, "csr": True,
            "clusters": [{"what": "etcd", "id": cluster, "own": member, "clients": [f"https://127.0.0.1:{self.client}"],
                "ca": f"{etcd}/ca.crt", "cert": f"{etcd}/healthcheck-client.crt", "key": f"{etcd}/healthcheck-client.key",
                "members": [{"name": "m1", "id": member, "urls": [self.peer_url]}]}],
            "held": [], "lost": [], "kubeconfigs": ["etc/kubernetes/admin.conf", "etc/kubernetes/super-admin.conf"],
            "files": list(own), **more}
        (self.root / STATE / "finish.json").write_text(json.dumps(said))
        return said

    def identity(self, name, subject):
        """A client certificate, for call(identity=...)."""
        pki.certificate(self.pki, name, "ca", subject, [pki.CLIENT])
        self.contexts[name] = ssl.create_default_context(cafile=self.pki / "ca.crt")
        self.contexts[name].load_cert_chain(self.pki / f"{name}.crt", self.pki / f"{name}.key")
        return name

    def call(self, method, path, body=None, status=(200, 201), type="application/json", identity="test", headers=(),
            as_json=True):
        if identity not in self.contexts:
            self.identity(identity, "/O=system:masters/CN=test")
        connection = http.client.HTTPSConnection("127.0.0.1", self.api_port, timeout=60, context=self.contexts[identity])
        with contextlib.closing(connection):
            connection.putrequest(method, path)
            data = json.dumps(body).encode() if body else b""
            for key, value in (("Content-Type", type), ("Content-Length", str(len(data))), *headers):
                connection.putheader(key, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status in status, (method, path, answer.status, text)
        return json.loads(text) if as_json else text

    def close(self):
        for server in reversed(self.running):
            server.close()


class Objects:
    """Makes objects of a cluster as it is after a restore, through its API."""

    def __init__(self, master):
        self.m = master
        for name in ("default", "services"):
            master.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}}, (201, 409))

    def node(self, name, ready, master=True):
        labels = {MASTER: ""} if master else {}
        self.m.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        self.m.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": [
            {"type": "Ready", "status": ready, "reason": "x", "message": "x"}]}}, type="application/merge-patch+json")

    def pod(self, name, node, phase="Pending", owner="ReplicaSet", leave=False):
        spec = {**POD, **({"nodeName": node} if node else {})}
        owners = [{"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "0", "controller": True}] if owner else []
        path = "/api/v1/namespaces/services/pods"
        self.m.call("POST", path, {"metadata": {"name": name, "ownerReferences": owners}, "spec": spec})
        self.m.call("PATCH", f"{path}/{name}/status", {"status": {"phase": phase}}, type="application/merge-patch+json")
        if leave:
            self.m.call("DELETE", f"{path}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 1},
                (200, 202))

    def cronjob(self, name, schedule, last=None, **spec):
        path = "/apis/batch/v1/namespaces/services/cronjobs"
        made = self.m.call("POST", path, {"metadata": {"name": name, "labels": {"app": name}}, "spec": {
            "schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}}, **spec}})
        if last:
            self.m.call("PATCH", f"{path}/{name}/status", {"status": {"lastScheduleTime": last}},
                type="application/merge-patch+json")
        return made["metadata"]["uid"]

    def names(self, path):
        return {item["metadata"]["name"]: item for item in self.m.call("GET", path)["items"]}
