"""Keys that a snapshot needs, by name, and those of the disk it is to be restored to; the snapshot is a real etcd's."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ports import free_ports

TOP = Path(__file__).resolve().parents[2]
BIN = TOP / "build" / "peers" / "bin"
BEFORE = TOP / "tests" / "golden" / "layouts" / "kubeadm" / "before"
CLUSTER = b"""apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
clusterName: prod
kubernetesVersion: v1.28.4
controlPlaneEndpoint: api.example.org:7443
networking: {serviceSubnet: 10.112.0.0/16, dnsDomain: cluster.example}
apiServer:
  certSANs: [zeta.example.org]
"""


def field(number, content):
    length, n = b"", len(content)
    while n > 0x7f:
        length, n = length + bytes((n & 0x7f | 0x80,)), n >> 7
    return bytes((number << 3 | 2,)) + length + bytes((n,)) + content


def config_map(**data):
    entries = b"".join(field(2, field(1, k.encode()) + field(2, v)) for k, v in data.items())
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, field(1, field(1, b"x")) + entries)


def saved(place, objects):
    """A snapshot of a real etcd that holds these."""
    etcd, etcdctl = BIN / "etcd-3.5", BIN / "etcdctl-3.5"
    if not etcd.exists():
        pytest.skip("etcd 3.5 cannot be had here")
    client, peer = free_ports(2)
    url, other = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    server = subprocess.Popen([etcd, "--data-dir", place / "data", "--listen-client-urls", url, "--advertise-client-urls", url,
        "--listen-peer-urls", other, "--initial-advertise-peer-urls", other, "--initial-cluster", f"default={other}"],
        stdout=open(place / "log", "wb"), stderr=subprocess.STDOUT)

    def ctl(*args, **kwargs):
        return subprocess.run([etcdctl, "--endpoints", url, *map(str, args)], capture_output=True, timeout=60,
            env={"ETCDCTL_API": "3"}, **kwargs).returncode
    try:
        deadline = time.monotonic() + 60
        while ctl("endpoint", "health"):
            assert time.monotonic() < deadline, (place / "log").read_text()[-2000:]
        for name, value in objects.items():
            assert ctl("put", f"/registry/{name}", input=value) == 0
        assert ctl("snapshot", "save", place / "snapshot.db") == 0
    finally:
        server.terminate()
        server.wait(timeout=30)
    return place / "snapshot.db"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("etcd"), {
        "secrets/default/a": b"k8s:enc:aescbc:v1:key1:\xff\xfe\0\n:",
        "secrets/default/b": b"k8s:enc:aescbc:v1:key1:\x01",
        "secrets/default/c": b"k8s:enc:aescbc:v1:key2:\x01",
        "configmaps/default/d": b"k8s:enc:kms:v2:vault:\x01",
        "secrets/kube-system/kubeadm-certs": b"k8s:enc:aescbc:v1:key2:\x01",
        "configmaps/kube-system/kubeadm-config": config_map(ClusterConfiguration=CLUSTER, ClusterStatus=b"x"),
    })


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def root(tmp_path):
    tree = tmp_path / "root"
    shutil.copytree(BEFORE, tree)
    (tree / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text("""apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver}
spec:
  containers:
  - name: kube-apiserver
    command: [kube-apiserver, --encryption-provider-config=/etc/enc/current.yaml]
    volumeMounts: [{mountPath: /etc/enc, name: e}]
  volumes: [{name: e, hostPath: {path: /etc/cray/kubernetes/encryption}}]
""")
    return tree


def configure(root, *keys, more=""):
    path = root / "etc/cray/kubernetes/encryption/current.yaml"
    path.parent.mkdir(parents=True)
    names = ", ".join(f"{{name: {key}, secret: c2VjcmV0c2VjcmV0c2VjcmV0}}" for key in keys)
    path.write_text("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
        f"- resources: [secrets]\n  providers: [{{aescbc: {{keys: [{names}]}}}}{more}]\n")


def plan(program, root, snapshot):
    done = subprocess.run([program, "plan", "--root", root, "--snapshot", snapshot, "--json"], capture_output=True, text=True,
        timeout=60)
    assert "c2Vj" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)["warnings"], done.stderr


def test_every_key_is_there(program, root, snapshot):
    configure(root, "key1", "key2", more=", {kms: {name: vault, endpoint: 'unix:///x'}}")
    status, warnings, _ = plan(program, root, snapshot)
    assert status == 0 and not [w for w in warnings if "encrypted by" in w]
    assert [w for w in warnings if "kubeadm-certs" in w and "encrypted in etcd besides" in w]


def test_missing_keys_are_named(program, root, snapshot):
    configure(root, "key1")
    status, warnings, said = plan(program, root, snapshot)
    assert status == 1 and "EncryptionConfiguration" in said
    assert sorted(w for w in warnings if "encrypted by" in w) == [
        f"{n} {what} of the snapshot are encrypted by {provider} with the key '{key}', which is not in "
        "etc/cray/kubernetes/encryption/current.yaml"
        for n, what, provider, key in ((1, "configmaps", "kms:v2", "vault"), (2, "secrets", "aescbc:v1", "key2"))]


def test_no_configuration_at_all(program, root, snapshot):
    status, warnings, _ = plan(program, root, snapshot)
    assert status == 1 and [w for w in warnings if "--encryption-provider-config" in w and "not found" in w.lower()
        or "no such file" in w.lower()], warnings
    (root / "etc/kubernetes/manifests/kube-apiserver.yaml").unlink()
    status, warnings, _ = plan(program, root, snapshot)
    assert status == 1 and [w for w in warnings if "key1" in w and "no --encryption-provider-config" in w]


def test_what_cannot_be_read_is_said_with_its_place(program, root, snapshot):
    configure(root, "key1", more=", {aesgcm: {}}")
    status, warnings, _ = plan(program, root, snapshot)
    assert status == 1 and [w for w in warnings if w.startswith("etc/cray/kubernetes/encryption/current.yaml:5:")], warnings


def test_snapshot_goes_with_root(program, snapshot):
    done = subprocess.run([program, "plan", "--snapshot", snapshot], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--root" in done.stderr


def test_kubeadm_config_of_the_snapshot_says_what_the_disk_does_not(program, root, snapshot):
    for name in ("kubeadm.yaml", "kubeadm-config.yaml", "manifests/kube-apiserver.yaml"):
        (root / "etc/kubernetes" / name).unlink(missing_ok=True)
    for conf in (root / "etc/kubernetes").glob("*.conf"):
        conf.unlink()
    pki = root / "etc/kubernetes/pki"
    (pki / "etcd").mkdir(parents=True, exist_ok=True)
    for name in ("ca", "etcd/ca", "front-proxy-ca"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            f"/CN={name.replace(chr(47), chr(45))}", "-days", "3650", "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.crt"], check=True,
            capture_output=True)
    for name in ("sa.key", "sa.pub"):
        (pki / name).write_text("# stands for it\n")
    done = subprocess.run([program, "certs", "--root", root, "--snapshot", snapshot, "--json"], capture_output=True, text=True,
        timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["server"] == "https://api.example.org:7443"
    text = subprocess.run(["openssl", "x509", "-in", pki / "apiserver.crt", "-noout", "-ext", "subjectAltName"], check=True,
        capture_output=True, text=True).stdout
    for name in ("api.example.org", "zeta.example.org", "kubernetes.default.svc.cluster.example", "10.112.0.1"):
        assert name in text
    subject = subprocess.run(["openssl", "x509", "-in", pki / "apiserver-etcd-client.crt", "-noout", "-subject"], check=True,
        capture_output=True, text=True).stdout
    assert "system:masters" in subject  # 1.28
    assert "name: prod" in (root / "etc/kubernetes/admin.conf").read_text()


# Test case 14 of the paper on GCM: key, nonce and text are all zeros.
SEALED = bytes(12) + bytes.fromhex("cea7403d4d606b6e074ec5d3baf39d18" "d0d1c8a799996bf0265b98b5d48ab919")


def test_ca_that_was_uploaded_comes_out_of_the_snapshot(program, tmp_path):
    secret = b"k8s\0" + field(1, field(1, b"v1") + field(2, b"Secret")) + \
        field(2, field(1, field(1, b"x")) + field(2, field(1, b"ca.key") + field(2, SEALED)))
    held = saved(tmp_path, {"secrets/kube-system/kubeadm-certs": secret})
    root, key = tmp_path / "root", tmp_path / "key"
    root.mkdir()
    command = [program, "certs", "--root", root, "--layout", "kubeadm", "--name", "m1", "--address", "10.0.0.1",
               "--snapshot", held, "--certificate-key", key]

    key.write_text("01" * 32 + "\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "does not open with this certificate key" in done.stderr
    assert not list(root.iterdir())

    key.write_text("00" * 32 + "\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "etc/kubernetes/pki/ca.key: from the snapshot's kubeadm-certs" in done.stderr
    path = root / "etc/kubernetes/pki/ca.key"
    # No key of any CA, so the command ends there; what came out is what went in.
    assert (done.returncode, path.read_bytes(), path.stat().st_mode & 0o777) == (1, bytes(16), 0o600)
