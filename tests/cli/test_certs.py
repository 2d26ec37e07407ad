"""etcd-rescue certs: what kubeadm would have issued, from the CAs that are left, judged by OpenSSL."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
LAYOUT = TOP / "tests" / "golden" / "layouts" / "kubeadm"
CAS = {"ca": "kubernetes", "etcd/ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}
LEAVES = {
    "apiserver": "ca", "apiserver-kubelet-client": "ca", "apiserver-etcd-client": "etcd/ca",
    "front-proxy-client": "front-proxy-ca", "etcd/server": "etcd/ca", "etcd/peer": "etcd/ca",
    "etcd/healthcheck-client": "etcd/ca",
}
CONFIGS = ("admin", "super-admin", "controller-manager", "scheduler", "kubelet")


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True, **kwargs).stdout


def make_cas(root, kind):
    pki = root / "etc/kubernetes/pki"
    (pki / "etcd").mkdir(parents=True)
    new = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for name, cn in CAS.items():
        openssl("req", "-x509", *new, "-nodes", "-subj", f"/CN={cn}", "-days", "3650",
            "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
            "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.crt")
    openssl("genrsa", "-out", pki / "sa.key", "2048")
    (pki / "sa.pub").write_text(openssl("rsa", "-in", pki / "sa.key", "-pubout"))
    return pki


@pytest.fixture
def root(tmp_path, request):
    """A master with its CAs and no other certificate; keys on P-256, which are made sooner, unless asked."""
    tree = tmp_path / "root"
    shutil.copytree(LAYOUT / "before", tree)
    make_cas(tree, getattr(request, "param", "ecdsa"))
    (tree / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text("""apiVersion: v1
kind: Pod
metadata:
  name: kube-apiserver
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.0.0.12
    - --service-cluster-ip-range=10.96.0.0/12
    image: registry.k8s.io/kube-apiserver:v1.30.2
    name: kube-apiserver
""")
    return tree


@pytest.fixture
def certs(program):
    def run(root, *args, status=0):
        done = subprocess.run([program, "certs", "--root", root, "--json", *args], capture_output=True, text=True,
                timeout=120)
        assert done.returncode == status, done.stderr
        return {item["path"].removeprefix("etc/kubernetes/"): item
                for item in json.loads(done.stdout)["items"]}, done.stderr
    return run


def fields(path):
    text = openssl("x509", "-in", path, "-noout", "-text")
    extensions = re.findall(r"X509v3 ([A-Z][^:]+):( critical)?\s*\n\s+(.*)", text)
    return {name: (value.strip(), bool(critical)) for name, critical, value in extensions}, text


@pytest.mark.parametrize("root", ["rsa", "ecdsa"], indirect=True)
def test_missing_ones_are_issued_as_kubeadm_does(certs, root):
    pki = root / "etc/kubernetes/pki"
    items, _ = certs(root)
    assert {name: item["state"] for name, item in items.items()} == \
        {**{f"pki/{leaf}.crt": "issued" for leaf in LEAVES}, **{f"{c}.conf": "issued" for c in CONFIGS}}
    for leaf, ca in LEAVES.items():
        openssl("verify", "-x509_strict", "-CAfile", pki / f"{ca}.crt", pki / f"{leaf}.crt")
        assert (pki / f"{leaf}.key").stat().st_mode & 0o777 == 0o600
        found, text = fields(pki / f"{leaf}.crt")
        assert found["Key Usage"] == ("Digital Signature, Key Encipherment", True)
        assert found["Basic Constraints"] == ("CA:FALSE", True)
        server = leaf in ("apiserver", "etcd/server", "etcd/peer")
        client = leaf != "apiserver"
        wanted = ["TLS Web Server Authentication"] * server + ["TLS Web Client Authentication"] * client
        assert found["Extended Key Usage"] == (", ".join(wanted), False)
        key_id = fields(pki / f"{ca}.crt")[0]["Subject Key Identifier"][0]
        assert found["Authority Key Identifier"][0].removeprefix("keyid:") == key_id
        assert "Version: 3" in text and "Signature Algorithm: " in text
    names = openssl("x509", "-in", pki / "apiserver.crt", "-noout", "-ext", "subjectAltName").splitlines()[1].strip()
    assert names == "DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, " \
        "DNS:kubernetes.default.svc.cluster.local, DNS:master-2, IP Address:10.96.0.1, IP Address:10.0.0.12"
    names = openssl("x509", "-in", pki / "etcd/peer.crt", "-noout", "-ext", "subjectAltName").splitlines()[1].strip()
    assert names == "DNS:localhost, DNS:master-2, IP Address:10.0.0.12, IP Address:127.0.0.1, " \
        "IP Address:0:0:0:0:0:0:0:1"
    subjects = {leaf: openssl("x509", "-in", pki / f"{leaf}.crt", "-noout", "-subject", "-nameopt", "RFC2253").strip()
        for leaf in LEAVES}
    assert subjects == {
        "apiserver": "subject=CN=kube-apiserver",
        "apiserver-kubelet-client": "subject=CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins",
        "apiserver-etcd-client": "subject=CN=kube-apiserver-etcd-client",
        "front-proxy-client": "subject=CN=front-proxy-client",
        "etcd/server": "subject=CN=master-2", "etcd/peer": "subject=CN=master-2",
        "etcd/healthcheck-client": "subject=CN=kube-etcd-healthcheck-client",
    }


def test_issuer_has_the_very_bytes_of_the_ca(certs, root):
    """Go finds a CA by the bytes of its name; a PrintableString is not a UTF8String there."""
    pki = root / "etc/kubernetes/pki"
    def kind(path, field):
        dump = openssl("asn1parse", "-in", path)
        return re.findall(r"prim: (\w+STRING)\s", dump)[field]
    openssl("req", "-x509", "-key", pki / "ca.key", "-subj", "/CN=kubernetes", "-days", "10",
        "-config", "/dev/stdin", "-out", pki / "ca.crt", "-addext", "basicConstraints=critical,CA:TRUE",
        input="[req]\nstring_mask=nombstr\ndistinguished_name=d\n[d]\n")
    ca_kind = kind(pki / "ca.crt", 0)
    certs(root)
    assert kind(pki / "apiserver.crt", 0) == ca_kind


def test_second_time_everything_is_good(certs, root):
    certs(root)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    items, _ = certs(root)
    assert {item["state"] for item in items.values()} == {"good"}
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_what_is_wrong_is_replaced_and_the_old_one_kept(certs, root):
    pki = root / "etc/kubernetes/pki"
    certs(root)
    old = (pki / "etcd/server.crt").read_bytes()
    # Another node's name; a foreign CA; a key that does not belong.
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=master-2", "-days", "9",
        "-keyout", pki / "etcd/peer.key", "-out", pki / "etcd/peer.crt")
    (pki / "apiserver.key").write_text(openssl("genrsa", "2048"))
    items, _ = certs(root, "--dry-run")
    issued = {name: item["why"] for name, item in items.items() if item["state"] == "issued"}
    assert issued == {"pki/etcd/peer.crt": "it was signed by another CA",
        "pki/apiserver.crt": "the key is another certificate's"}
    certs(root)
    assert (pki / "etcd/server.crt").read_bytes() == old
    openssl("verify", "-x509_strict", "-CAfile", pki / "etcd/ca.crt", pki / "etcd/peer.crt")
    assert (root / "var/lib/etcd-rescue/before/etc/kubernetes/pki/etcd/peer.key").exists()


def test_replaced_address_gets_certificates_that_name_it(certs, root):
    certs(root)
    items, _ = certs(root, "--file", LAYOUT / "plan.yaml")
    issued = {name for name, item in items.items() if item["state"] == "issued"}
    assert issued == {"pki/apiserver.crt", "pki/etcd/server.crt", "pki/etcd/peer.crt", "kubelet.conf"}
    _, text = fields(root / "etc/kubernetes/pki/etcd/peer.crt")
    assert "IP Address:10.0.0.22" in text and "DNS:master-4" in text and "10.0.0.12" not in text


@pytest.mark.parametrize("name, word", [("sa.key", "service account"), ("ca.key", "no certificate of the cluster"),
    ("etcd/ca.key", "no certificate of etcd")])
def test_what_cannot_be_made_again_is_said_aloud(certs, root, name, word):
    certs(root)
    (root / "etc/kubernetes/pki" / name).unlink()
    items, said = certs(root, status=1)
    assert items[f"pki/{name}"]["state"] == "lost" and word in said and "backup" in said
    assert items["pki/apiserver.crt"]["state"] == "good"


def test_no_key_is_ever_printed(program, root):
    done = subprocess.run([program, "certs", "--root", root, "--verbose"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "KEY" not in done.stdout + done.stderr
