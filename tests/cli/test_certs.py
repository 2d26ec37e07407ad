"""etcd-rescue certs: what kubeadm would have issued, from the CAs that are left, judged by OpenSSL."""

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cli.pki import CONFIGS, LEAVES, fields, make_cas, openssl, self_signed

TOP = Path(__file__).resolve().parents[2]
LAYOUT = TOP / "tests" / "golden" / "layouts" / "kubeadm"


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


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


@pytest.mark.parametrize("name, word", [("sa.key", "service account"), ("sa.pub", "service account")])
def test_what_cannot_be_made_again_is_said_aloud(certs, root, name, word):
    certs(root)
    (root / "etc/kubernetes/pki" / name).unlink()
    items, said = certs(root, status=1)
    assert items[f"pki/{name}"]["state"] == "lost" and word in said and "backup" in said
    assert items["pki/apiserver.crt"]["state"] == "good"


@pytest.mark.parametrize("ca, leaf, word", [("ca", "apiserver", "no certificate of the cluster"),
    ("etcd/ca", "etcd/peer", "no certificate of etcd"), ("front-proxy-ca", "front-proxy-client", "front proxy")])
def test_key_of_an_external_ca_is_absent_until_it_is_wanted(certs, root, ca, leaf, word):
    pki = root / "etc/kubernetes/pki"
    certs(root)
    (pki / f"{ca}.key").unlink()
    items, said = certs(root)
    assert items[f"pki/{ca}.key"]["state"] == "absent" and word in said
    (pki / f"{leaf}.crt").unlink()
    items, said = certs(root, status=1)
    assert items[f"pki/{ca}.key"]["state"] == items[f"pki/{leaf}.crt"]["state"] == "lost"
    assert "no key to sign with" in items[f"pki/{leaf}.crt"]["why"] and "backup" in said


def test_kubelet_of_another_master_gets_its_own_certificate(certs, root):
    """What an archive of another master brings leads to a file that is not here, or to that master's."""
    certs(root)
    conf, pem = root / "etc/kubernetes/kubelet.conf", root / "var/lib/kubelet/pki/kubelet-client-current.pem"
    text = conf.read_text()
    data = dict(re.findall(r"client-(\w+)-data: (\S+)", text))
    text = re.sub(r"client-(\w+)-data: \S+", f"client-\\1: /{pem.relative_to(root)}", text)
    conf.write_text(text)
    assert certs(root, "--dry-run")[0]["kubelet.conf"]["state"] == "issued"
    pem.parent.mkdir(parents=True)
    pem.write_bytes(base64.b64decode(data["certificate"]) + base64.b64decode(data["key"]))
    assert certs(root, "--dry-run")[0]["kubelet.conf"]["state"] == "good"
    item = certs(root, "--dry-run", "--file", LAYOUT / "plan.yaml")[0]["kubelet.conf"]
    assert item["state"] == "issued" and "common name" in item["why"]


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
@pytest.mark.parametrize("kind", [["RSA", "-pkeyopt", "rsa_keygen_bits:4096"], ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]],
    ids=["rsa-4096", "p-384"])
def test_ca_of_another_kind(certs, root, kind, form):
    pki = root / "etc/kubernetes/pki"
    key = openssl("genpkey", "-algorithm", *kind)
    (pki / "etcd/ca.key").write_text(openssl("pkey", *(["-traditional"] if form == "traditional" else []), input=key))
    # The name has parts that come twice, kinds of text of every sort, and there is no key identifier.
    openssl("req", "-x509", "-key", pki / "etcd/ca.key", "-days", "100", "-out", pki / "etcd/ca.crt",
        "-config", "/dev/stdin", "-subj", "/DC=org/DC=example/OU=one/OU=two, with \\=/CN=etcd ca #1",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        "-addext", "subjectKeyIdentifier=none",
        input="[req]\nstring_mask=default\ndistinguished_name=d\n[d]\n")
    certs(root)
    leaf = pki / "etcd/server.crt"
    openssl("verify", "-CAfile", pki / "etcd/ca.crt", leaf)
    found, text = fields(leaf)
    assert "Authority Key Identifier" not in found
    assert ("Public-Key: (2048 bit)" if kind[0] == "RSA" else "Public-Key: (256 bit)") in text
    names = [openssl("x509", "-in", p, "-noout", f"-{what}", "-nameopt", "RFC2253,show_type").strip().split("=", 1)[1]
        for p, what in ((pki / "etcd/ca.crt", "subject"), (leaf, "issuer"))]
    assert names[0] == names[1]


def test_locked_key_and_dead_ca(certs, root):
    pki = root / "etc/kubernetes/pki"
    key = (pki / "ca.key").read_text()
    (pki / "ca.key").write_text(openssl("pkey", "-in", pki / "ca.key", "-aes256", "-passout", "pass:secret"))
    item = certs(root, "--dry-run", status=1)[0]["pki/apiserver.crt"]
    assert item["state"] == "lost" and "passphrase" in item["why"]
    (pki / "ca.key").write_text(key)
    certs(root)
    # The same name and key, out of time: its certificates look good and are of no use.
    (pki / "ca.crt").write_text(self_signed(pki, pki / "ca.key", "20200101000000Z", "20210101000000Z"))
    item = certs(root, "--dry-run", status=1)[0]["pki/apiserver.crt"]
    assert item["state"] == "lost" and "run out" in item["why"]
    (pki / "ca.crt").write_text(self_signed(pki, pki / "ca.key", "20900101000000Z", "20910101000000Z"))
    (pki / "apiserver.crt").unlink()
    item = certs(root, "--dry-run", status=1)[0]["pki/apiserver.crt"]
    assert item["state"] == "lost" and "clock" in item["why"]


def test_bundle_of_an_old_and_a_new_ca(certs, root):
    """While a CA is exchanged ca.crt holds both; the key is of the second."""
    pki = root / "etc/kubernetes/pki"
    certs(root)
    new, old = (pki / "ca.crt").read_text(), pki / "old.crt"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kubernetes", "-days", "100",
        "-keyout", pki / "old.key", "-out", old)
    (pki / "ca.crt").write_text(old.read_text() + new)
    assert {item["state"] for item in certs(root)[0].values()} == {"good"}
    (pki / "apiserver.crt").unlink()
    assert certs(root)[0]["pki/apiserver.crt"]["state"] == "issued"
    (pki / "new.crt").write_text(new)
    openssl("verify", "-x509_strict", "-CAfile", pki / "new.crt", pki / "apiserver.crt")


@pytest.mark.parametrize("whole", [True, False], ids=["root-in-file", "intermediate-alone"])
def test_ca_that_another_one_vouches_for(certs, root, whole, tmp_path):
    """A company's root signs the cluster's CA: who knows the root alone accepts what the leaf's file holds."""
    pki = root / "etc/kubernetes/pki"
    top = tmp_path / "top"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=company",
        "-days", "3650", "-addext", "keyUsage=critical,keyCertSign", "-keyout", f"{top}.key", "-out", f"{top}.crt")
    request = openssl("req", "-new", "-key", pki / "ca.key", "-subj", "/CN=kubernetes")
    (tmp_path / "ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    middle = openssl("x509", "-req", "-CA", f"{top}.crt", "-CAkey", f"{top}.key", "-CAcreateserial", "-days", "900",
        "-extfile", tmp_path / "ext", input=request)
    (pki / "ca.crt").write_text(middle + (Path(f"{top}.crt").read_text() if whole else ""))
    items, _ = certs(root)
    assert items["pki/apiserver.crt"]["state"] == "issued"
    leaf = (pki / "apiserver.crt").read_text()
    assert leaf.count("BEGIN CERTIFICATE") == 2 and middle.strip() in leaf
    openssl("verify", "-x509_strict", "-CAfile", f"{top}.crt", "-untrusted", pki / "apiserver.crt", pki / "apiserver.crt")
    assert (pki / "etcd/peer.crt").read_text().count("BEGIN CERTIFICATE") == 1 # its CA is its own
    assert {item["state"] for item in certs(root)[0].values()} == {"good"}


def test_leaf_of_the_newer_ca_is_good_though_the_older_has_run_out(certs, root):
    """Without the key nothing tells which of two CAs is meant but the name of the issuer."""
    pki = root / "etc/kubernetes/pki"
    certs(root)
    openssl("genrsa", "-out", pki / "old.key", "2048")
    old = self_signed(pki, pki / "old.key", "20100101000000Z", "20110101000000Z")
    (pki / "ca.crt").write_text(old + (pki / "ca.crt").read_text())
    (pki / "ca.key").unlink()
    items, _ = certs(root)
    assert items["pki/apiserver.crt"]["state"] == "good" and items["pki/ca.key"]["state"] == "absent"


@pytest.mark.parametrize("name", ["1234", "yes", "a: b", "#x", 'q"q', "prod-1.example.org"])
def test_kubeconfig_of_a_cluster_of_any_name_is_read_by_others(certs, root, name):
    (root / "etc/kubernetes/kubeadm.yaml").write_text("apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n"
        f"clusterName: {json.dumps(name)}\nnetworking: {{dnsDomain: ''}}\napiServer: {{certSANs: ['']}}\n")
    certs(root)
    config = yaml.safe_load((root / "etc/kubernetes/scheduler.conf").read_text())
    assert config["clusters"][0]["name"] == config["contexts"][0]["context"]["cluster"] == name
    assert config["current-context"] == config["contexts"][0]["name"] == f"system:kube-scheduler@{name}"


def test_keys_are_told_while_they_are_made(certs, root):
    _, told = certs(root)
    assert "making a key for etc/kubernetes/pki/apiserver.crt" in told
    assert "making a key" not in certs(root)[1]


def test_etcd_elsewhere_wants_no_ca_of_etcd(certs, root):
    pki = root / "etc/kubernetes/pki"
    certs(root)
    shutil.rmtree(pki / "etcd")
    (root / "etc/kubernetes/kubeadm.yaml").write_text("""apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
etcd:
  external:
    endpoints: [https://10.0.0.50:2379]
    caFile: /etc/kubernetes/pki/etcd/ca.crt
""")
    (pki / "apiserver-etcd-client.crt").unlink()
    (pki / "apiserver-etcd-client.key").unlink()
    items, _ = certs(root)
    assert not [name for name in items if "etcd" in name and items[name]["state"] != "absent"]


def test_no_key_is_ever_printed(program, root):
    done = subprocess.run([program, "certs", "--root", root, "--verbose"], capture_output=True, text=True, timeout=120)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "KEY" not in told
    keys = [line for path in root.rglob("*.key") for line in path.read_text().splitlines()
        if len(line) > 20 and not line.startswith("-----")]
    assert len(keys) > 20 and not [line for line in keys if line in told]


@pytest.fixture
def snapshot(program, tmp_path):
    """A real cluster's snapshot with its kubeadm-config, whose members are master-1 and master-2."""
    golden, out = tmp_path / "golden.db", tmp_path / "restored"
    golden.write_bytes(gzip.decompress((TOP / "tests/golden/kubernetes/snapshot.db.gz").read_bytes()))
    subprocess.run([program, "snapshot", "restore", golden, "--data-dir", out, "--name", "master-1",
        "--initial-advertise-peer-urls", "https://10.0.0.11:2380", "--initial-cluster",
        "master-1=https://10.0.0.11:2380,master-2=https://10.0.0.12:2380"], check=True, capture_output=True, timeout=60)
    return out / "member/snap/db"


PODS = {f"manifests/{name}.yaml" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")}


@pytest.fixture
def fresh(tmp_path):
    """A disk with a system and the CAs, and nothing else of a control plane."""
    tree = tmp_path / "fresh"
    make_cas(tree, "ecdsa")
    (tree / "etc/hostname").write_text("master-2\n")
    return tree


def test_fresh_master_gets_what_cas_and_snapshot_can_give(certs, fresh, snapshot, program):
    refused = subprocess.run([program, "certs", "--root", fresh], capture_output=True, text=True, timeout=30)
    assert refused.returncode == 1 and "no control plane here" in refused.stderr and "--layout kubeadm" in refused.stderr
    items, told = certs(fresh, "--layout", "kubeadm", "--snapshot", snapshot, status=1)
    pki = fresh / "etc/kubernetes/pki"
    assert {name for name, item in items.items() if item["state"] == "issued"} >= \
        {f"pki/{leaf}.crt" for leaf in LEAVES} | {f"{c}.conf" for c in CONFIGS if c != "super-admin"}
    assert {name for name, item in items.items() if item["state"] == "lost"} == \
        PODS | {"var/lib/kubelet/config.yaml", "var/lib/kubelet/kubeadm-flags.env"}
    assert "cannot be made up" in told
    names = openssl("x509", "-in", pki / "etcd/peer.crt", "-noout", "-subject", "-ext", "subjectAltName")
    assert "CN = master-2" in names and "IP Address:10.0.0.12" in names # of the snapshot's member of that name
    for leaf, ca in LEAVES.items():
        openssl("verify", "-x509_strict", "-CAfile", pki / f"{ca}.crt", pki / f"{leaf}.crt")
    again, _ = certs(fresh, "--layout", "kubeadm", "--snapshot", snapshot, status=1)
    assert {item["state"] for item in again.values()} == {"good", "lost"}


def test_fresh_master_is_told_who_it_is(certs, fresh, program):
    def run(*args):
        return subprocess.run([program, "certs", "--root", fresh, *args], capture_output=True, text=True, timeout=60)
    done = run("--layout", "kubeadm")
    assert done.returncode == 2 and "the address of master-2 stands neither" in done.stderr
    done = run("--layout", "kubeadm", "--address", "master-2")
    assert done.returncode == 2 and "no IP address" in done.stderr
    items, _ = certs(fresh, "--layout", "kubeadm", "--name", "m9", "--address", "fd00::9", "--dry-run", status=1)
    assert items["pki/etcd/peer.crt"]["state"] == "issued" and not (fresh / "etc/kubernetes/pki/etcd/peer.crt").exists()
    (fresh / "etc/hostname").unlink()
    done = run("--layout", "kubeadm", "--address", "10.0.0.9")
    assert done.returncode == 2 and "certs --name" in done.stderr


def test_fresh_master_without_cas_says_all_that_is_lost(certs, fresh):
    shutil.rmtree(fresh / "etc/kubernetes/pki")
    items, _ = certs(fresh, "--layout", "kubeadm", "--address", "10.0.0.12", status=1)
    assert {item["state"] for item in items.values()} == {"lost"}
    assert PODS | {"pki/sa.key", "pki/ca.key", "pki/apiserver.crt", "admin.conf"} <= set(items)


def test_name_is_not_told_to_a_master_that_has_one(program, root):
    for args, words in ((["--name", "x"], "replace: in the plan"), (["--layout", "csm"], "this is no csm, but kubeadm")):
        done = subprocess.run([program, "certs", "--root", root, *args], capture_output=True, text=True, timeout=30)
        assert done.returncode in (1, 2) and words in done.stderr
