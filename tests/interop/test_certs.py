"""Certificates issued by `etcd-rescue certs` in the eyes of real etcd: three members, TLS for clients and peers."""

import shutil
import subprocess
import time

import pytest

import requirement
from ports import free_ports

MANIFEST = """apiVersion: v1
kind: Pod
metadata: {{name: etcd}}
spec:
  containers:
  - name: etcd
    command:
    - etcd
    - --name=m{n}
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://127.0.0.1{n}:2380
    volumeMounts: [{{mountPath: /var/lib/etcd, name: d}}]
  volumes: [{{name: d, hostPath: {{path: /var/lib/etcd}}}}]
""".replace("127.0.0.1{n}", "127.0.0.1")


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def trees(request, program, tmp_path):
    """Three masters with the same CAs, and what the program issued for each."""
    kind = ["-newkey", "rsa:2048"] if request.param == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    cas = tmp_path / "cas"
    (cas / "etcd").mkdir(parents=True)
    for name, cn in {"ca": "kubernetes", "etcd/ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}.items():
        openssl("req", "-x509", *kind, "-nodes", "-subj", f"/CN={cn}", "-days", "3650",
            "-keyout", cas / f"{name}.key", "-out", cas / f"{name}.crt")
    for name in ("sa.key", "sa.pub"):
        (cas / name).write_text("# stands for it\n")
    found = []
    for n in range(3):
        tree = tmp_path / f"m{n}"
        shutil.copytree(cas, tree / "etc/kubernetes/pki")
        (tree / "etc/kubernetes/manifests").mkdir()
        (tree / "etc/kubernetes/manifests/etcd.yaml").write_text(MANIFEST.format(n=n))
        subprocess.run([program, "certs", "--root", tree], check=True, capture_output=True, timeout=120)
        found.append(tree / "etc/kubernetes/pki")
    return found


@pytest.mark.parametrize("version, trees", [
    *[pytest.param(v, "ecdsa") for v in ("3.4", "3.5")],
    *[pytest.param(v, "ecdsa", marks=pytest.mark.long) for v in ("3.6", "3.7")],
    *[pytest.param(v, "rsa", marks=pytest.mark.long) for v in ("3.4", "3.5", "3.6", "3.7")],
], indirect=["trees"])
def test_three_members_take_them(version, trees, tmp_path):
    etcd, etcdctl = requirement.need(f"etcd-{version}", f"etcdctl-{version}")
    ports = free_ports(6)
    cluster = ",".join(f"m{n}=https://127.0.0.1:{ports[n]}" for n in range(3))
    endpoints = ",".join(f"https://127.0.0.1:{port}" for port in ports[3:])
    running = []
    try:
        for n, pki in enumerate(trees):
            running.append(subprocess.Popen([etcd, "--name", f"m{n}", "--data-dir", tmp_path / f"data{n}",
                "--initial-advertise-peer-urls", f"https://127.0.0.1:{ports[n]}",
                "--listen-peer-urls", f"https://127.0.0.1:{ports[n]}",
                "--listen-client-urls", f"https://127.0.0.1:{ports[3 + n]}",
                "--advertise-client-urls", f"https://127.0.0.1:{ports[3 + n]}",
                "--initial-cluster", cluster, "--client-cert-auth", "--peer-client-cert-auth",
                "--cert-file", pki / "etcd/server.crt", "--key-file", pki / "etcd/server.key",
                "--trusted-ca-file", pki / "etcd/ca.crt", "--peer-trusted-ca-file", pki / "etcd/ca.crt",
                "--peer-cert-file", pki / "etcd/peer.crt", "--peer-key-file", pki / "etcd/peer.key"],
                stdout=open(tmp_path / f"log{n}", "wb"), stderr=subprocess.STDOUT))

        def ctl(client, *args):
            pki = trees[0]
            return subprocess.run([etcdctl, "--endpoints", endpoints, "--cacert", pki / "etcd/ca.crt",
                "--cert", pki / f"{client}.crt", "--key", pki / f"{client}.key", *args],
                env={"ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=60)
        deadline = time.monotonic() + 120
        while ctl("etcd/healthcheck-client", "endpoint", "health").returncode:
            logs = "".join((tmp_path / f"log{n}").read_text()[-2000:] for n in range(3))
            assert time.monotonic() < deadline and all(p.poll() is None for p in running), logs
        assert ctl("apiserver-etcd-client", "put", "a", "b").returncode == 0
        # A certificate of another CA is none here.
        refused = ctl("apiserver-kubelet-client", "--command-timeout=3s", "--dial-timeout=3s", "get", "a")
        assert refused.returncode != 0
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
