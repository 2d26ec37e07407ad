"""etcd-rescue run, role join, of an OpenShift 4.2 master that was built anew: its certificates are signed by the CAs in the
snapshot of a real etcd, so that nobody has to start a signer."""

import json
import subprocess

import pytest

import requirement

from cli.test_run import call, marks, program, run  # noqa: F401
from cli.test_run_join import STATE, before_of
from cli.tree import own_contents
from interop.server import kept_in

CERTS = "etc/kubernetes/static-pod-resources/etcd-member"
DNS = "etcd-2.ocp.example.org"
PLAN = f"""role: join
cluster:
  members:
    - {{name: etcd-member-ocp-master0, peer: "https://etcd-0.ocp.example.org:2380"}}
    - {{name: etcd-member-ocp-master2, peer: "https://{DNS}:2380"}}
"""


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True).stdout


def field(number, data):
    data = data.encode() if isinstance(data, str) else data
    length, size = len(data), b""
    while length > 0x7f:
        size += bytes([length & 0x7f | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def secret(name, entries):
    """A Secret as an API server stores it."""
    data = b"".join(field(2, field(1, key) + field(2, value)) for key, value in entries.items())
    raw = field(1, field(1, name) + field(3, "openshift-config")) + data
    return b"k8s\0" + field(1, field(1, "v1") + field(2, "Secret")) + field(2, raw)


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    """A snapshot with both signers, one without, one in which they are encrypted."""
    requirement.need("etcd-3.5", "etcdctl-3.5", "openssl")
    place = tmp_path_factory.mktemp("signer")
    with kept_in(place) as (server, save):
        save("without.db")
        for signer in ("etcd-signer", "etcd-metric-signer"):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/OU=openshift/CN={signer}", "-days", "3650",
                    "-addext", "keyUsage=critical,keyCertSign,digitalSignature", "-keyout", place / f"{signer}.key", "-out", place / f"{signer}.crt")
            server.put(f"/kubernetes.io/secrets/openshift-config/{signer}", secret(signer, {
                "tls.crt": (place / f"{signer}.crt").read_bytes(), "tls.key": (place / f"{signer}.key").read_bytes()}))
        save("snapshot.db")
        server.put("/kubernetes.io/secrets/openshift-config/etcd-signer", b"k8s:enc:aescbc:v1:key1:rubbish")
        save("encrypted.db")
    return place


@pytest.fixture
def rebuilt(tmp_path):
    root = before_of("openshift-4.2", tmp_path)
    for path in (root / CERTS).iterdir():
        path.unlink()
    (root / "etc/etcd/etcd.conf").unlink()
    (root / "etc/hostname").write_text("ocp-master2\n")
    return root


def test_certificates_come_from_the_signers_in_the_snapshot(program, rebuilt, backup, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{backup}/snapshot.db\n{PLAN}")
    before = own_contents(rebuilt)
    result, said = run(program, rebuilt, plan)
    assert (result["outcome"], result["role"]) == ("restored", "join")
    for kind, signer, group in (("server", "etcd-signer", "servers"), ("peer", "etcd-signer", "peers"),
                                ("metric", "etcd-metric-signer", "metrics")):
        cert, key = (rebuilt / CERTS / f"system:etcd-{kind}:{DNS}.{end}" for end in ("crt", "key"))
        openssl("verify", "-x509_strict", "-CAfile", backup / f"{signer}.crt", cert)
        assert openssl("x509", "-in", cert, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")
        text = openssl("x509", "-in", cert, "-noout", "-text")
        assert f"O = system:etcd-{group}, CN = system:etcd-{kind}:{DNS}" in text
        assert f"DNS:{DNS}" in text and "DNS:*.ocp.example.org" in text and "IP Address:127.0.0.1" in text
        assert "TLS Web Server Authentication" in text and "TLS Web Client Authentication" in text
        assert (cert.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o644, 0o600)
    assert (rebuilt / CERTS / "ca.crt").read_text() == (backup / "etcd-signer.crt").read_text()
    assert (rebuilt / CERTS / "metric-ca.crt").read_text() == (backup / "etcd-metric-signer.crt").read_text()
    cluster, = json.loads((rebuilt / STATE / "finish.json").read_text())["clusters"]
    assert (cluster["ca"], cluster["cert"]) == (f"{CERTS}/ca.crt", f"{CERTS}/system:etcd-peer:{DNS}.crt")
    assert cluster["seeds"] == ["https://etcd-0.ocp.example.org:2379"] and cluster["clients"] == ["https://127.0.0.1:2379"]
    assert "PRIVATE KEY" not in said
    # Neither a signer's key nor the snapshot stays.
    for path in (p for p in rebuilt.rglob("*") if p.is_file() and not p.name.endswith(".key")):
        assert b"PRIVATE KEY-----" not in path.read_bytes() or path.name == "etcd-rescue", path

    still = marks(rebuilt)
    assert run(program, rebuilt, plan)[0]["outcome"] == "already-restored" and marks(rebuilt) == still
    call(program, "rollback", "--root", rebuilt)
    assert own_contents(rebuilt) == before


@pytest.mark.parametrize("name, why", [("without.db", "holds no /kubernetes.io/secrets/openshift-config/etcd-signer"),
                                       ("encrypted.db", "is encrypted in the snapshot")])
def test_what_cannot_be_signed_is_told(program, rebuilt, backup, tmp_path, name, why):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{backup}/{name}\n{PLAN}")
    before = own_contents(rebuilt)
    result, said = run(program, rebuilt, plan, status=1)
    assert why in said and result["outcome"] == "untouched" and own_contents(rebuilt) == before


@pytest.mark.parametrize("name", ["ca.crt", "metric-ca.crt"])
def test_a_ca_of_another_cluster_is_not_left_beside_what_was_issued(program, rebuilt, backup, tmp_path, name):
    plan, there = tmp_path / "plan.yaml", rebuilt / CERTS / name
    plan.write_text(f"source: file:{backup}/snapshot.db\n{PLAN}")
    own = (backup / ("etcd-signer.crt" if name == "ca.crt" else "etcd-metric-signer.crt")).read_text()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/OU=openshift/CN=etcd-signer", "-days", "3650",
            "-keyout", tmp_path / "other.key", "-out", there)
    other, before = there.read_text(), own_contents(rebuilt)
    result, said = run(program, rebuilt, plan, status=6)
    assert f"/{CERTS}/{name} is not of the snapshot's" in said and "take the file away" in said
    assert result["outcome"] == "refused" and own_contents(rebuilt) == before
    # By force it is the snapshot's, and a rollback brings the other one back.
    _, said = run(program, rebuilt, plan, "--force")
    assert f"/{CERTS}/{name} is of another CA" in said and there.read_text() == own
    call(program, "rollback", "--root", rebuilt)
    assert own_contents(rebuilt) == before
    # Among several it does.
    there.write_text(other + own)
    run(program, rebuilt, plan, "--again")
    assert there.read_text() == other + own
