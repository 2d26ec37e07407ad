"""An OpenShift 4.2 survivor on whose disk nothing may delete the lost masters' Nodes: the first boot gets a certificate for a
day, issued by the signer in the snapshot, and a real kube-apiserver that believes that signer lets it in."""

import base64
import json
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

import requirement
from cli.test_run import call, marks, program, run  # noqa: F401
from cli.test_run_join import STATE, before_of
from cli.tree import own_contents
from interop.finished import Objects
from interop.server import kept_in
from interop.test_finish_tokens import RESOURCES, SYNCER, kubeconfig
from interop.test_run_signer import openssl, secret
from machine import pki

SECRETS = "/kubernetes.io/secrets/openshift-kube-apiserver-operator"
SIGNER, SERVING = "kube-control-plane-signer", "localhost-serving-signer"
OURS = f"{STATE}/finish.kubeconfig"
PLAN = "role: single\nsurvivors: none\n"
MEMBERS = """survivors: none
cluster:
  members:
    - {name: etcd-member-ocp-master0, peer: "https://etcd-0.ocp.example.org:2380"}
    - {name: etcd-member-ocp-master1, peer: "https://etcd-1.ocp.example.org:2380"}
"""
ONE = "".join(line for line in MEMBERS.splitlines(keepends=True) if "master0" not in line)
BUNDLE = f"{RESOURCES}/kube-apiserver-pod-12/configmaps/kube-apiserver-server-ca/ca-bundle.crt"


def authority(place, name, days=60):
    """A CA that is good for so many days, from ten days ago on."""
    (place / "index.txt").write_text("")
    (place / "ca.conf").write_text(f"""[ca]
default_ca = own
[own]
database = {place}/index.txt
new_certs_dir = {place}
default_md = sha256
policy = any
rand_serial = yes
x509_extensions = ca_extensions
[any]
commonName = supplied
[ca_extensions]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,digitalSignature
subjectKeyIdentifier = hash
""")
    first, last = ((datetime.now(timezone.utc) + timedelta(days=n)).strftime("%Y%m%d%H%M%SZ") for n in (-10, days - 10))
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=openshift_{name}", "-keyout", place / f"{name}.key",
            "-out", place / f"{name}.csr")
    openssl("ca", "-batch", "-selfsign", "-notext", "-config", place / "ca.conf", "-keyfile", place / f"{name}.key", "-in",
            place / f"{name}.csr", "-startdate", first, "-enddate", last, "-out", place / f"{name}.crt")
    return {f"tls.{end}": (place / f"{name}.{end}").read_bytes() for end in ("crt", "key")}


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    """A snapshot with both signers, and some in which something is wrong with one."""
    requirement.need("etcd-3.5", "etcdctl-3.5", "openssl")
    place = tmp_path_factory.mktemp("admit")
    with kept_in(place) as (server, save):
        server.put(f"{SECRETS}/{SERVING}", secret(SERVING, authority(place, SERVING)))
        save("without.db")
        server.put(f"{SECRETS}/{SIGNER}", secret(SIGNER, authority(place, "expired", days=9)))
        save("expired.db")
        server.put(f"{SECRETS}/{SIGNER}", b"k8s:enc:aescbc:v1:key1:rubbish")
        save("encrypted.db")
        server.put(f"{SECRETS}/{SIGNER}", secret(SIGNER, authority(place, SIGNER)))
        save("snapshot.db")
    return place


@pytest.fixture
def survivor(tmp_path):
    root = before_of("openshift-4.2", tmp_path)
    (root / "etc/hostname").write_text("m1\n")
    return root


def plan_of(tmp_path, path, more=PLAN):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{path}\n{more}")
    return plan


def parts(root, place):
    """The CA, the certificate and the key in it."""
    text, out = (root / OURS).read_text(), {}
    for name in ("certificate-authority", "client-certificate", "client-key"):
        out[name] = place / f"{name}.pem"
        out[name].write_bytes(base64.b64decode(re.search(rf"{name}-data: (\S+)", text)[1]))
    return text, out.values()


def secrets_left(root):
    """Files of the state directory with a private key in them, as text or in a kubeconfig."""
    return [path for path in (root / STATE).rglob("*") if path.is_file() and path.name != "etcd-rescue" and (
        b"PRIVATE KEY-----" in path.read_bytes() or b"client-key-data" in path.read_bytes())]


def test_the_first_boot_gets_a_certificate_for_a_day(program, survivor, backup, tmp_path):
    plan, before = plan_of(tmp_path, backup / "snapshot.db"), own_contents(survivor)
    shown = call(program, "run", "--root", survivor, "--file", plan, "--yes", "--dry-run").stdout
    assert re.search(r"^ +nodes +deletes .*with a certificate for a day from the snapshot's kube-control-plane-signer", shown, re.M)
    assert not (survivor / OURS).exists()

    result, said = run(program, survivor, plan)
    assert result["outcome"] == "restored" and "the first boot gets one for 24 hours" in said
    text, (ca, cert, key) = parts(survivor, tmp_path)
    assert (survivor / OURS).stat().st_mode & 0o7777 == 0o600
    assert "server: https://localhost:6443\n" in text and ca.read_text() == (backup / f"{SERVING}.crt").read_text()
    openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", backup / f"{SIGNER}.crt", cert)
    assert openssl("x509", "-in", cert, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")
    shown = openssl("x509", "-in", cert, "-noout", "-subject", "-dates", "-ext", "extendedKeyUsage,basicConstraints")
    assert "subject=O = system:masters, CN = system:etcd-rescue\n" in shown and "CA:FALSE" in shown
    assert "TLS Web Client Authentication" in shown and "Server" not in shown
    first, last = (datetime.strptime(re.search(rf"{name}=(.*) GMT", shown)[1], "%b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc)
                   for name in ("notBefore", "notAfter"))
    now = datetime.now(timezone.utc)
    assert now - timedelta(minutes=10) < first < now < last <= now + timedelta(hours=24)
    record = json.loads((survivor / STATE / "finish.json").read_text())
    assert record["kubeconfigs"][-1] == record["files"][0] == OURS and record["kubeconfigs"].count(OURS) == 1
    assert f"{RESOURCES}/kube-apiserver-pod-*/configmaps/kube-apiserver-cert-syncer-kubeconfig/kubeconfig" in record["kubeconfigs"]
    # It is nowhere else, and neither are the signers' keys.
    assert secrets_left(survivor) == [survivor / OURS] and "PRIVATE" not in said and key.read_text()[40:80] not in said

    still = marks(survivor)
    assert run(program, survivor, plan)[0]["outcome"] == "already-restored" and marks(survivor) == still
    call(program, "rollback", "--root", survivor)
    assert own_contents(survivor) == before and secrets_left(survivor) == []


def test_the_api_servers_own_bundle_is_believed_where_the_disk_has_it(program, survivor, backup, tmp_path):
    for revision in ("9", "12"):
        path = survivor / BUNDLE.replace("12", revision)
        path.parent.mkdir(parents=True)
        path.write_text(f"# revision {revision}\n" + (backup / "expired.crt").read_text())
    run(program, survivor, plan_of(tmp_path, backup / "snapshot.db"))
    _, (ca, _, _) = parts(survivor, tmp_path)
    assert ca.read_text() == (survivor / BUNDLE).read_text()


@pytest.mark.parametrize("name, why", [("without", f"the snapshot holds no {SECRETS}/{SIGNER}"),
                                       ("encrypted", f"{SECRETS}/{SIGNER} is encrypted in the snapshot"),
                                       ("expired", f"{SECRETS}/{SIGNER} has run out")])
def test_what_cannot_be_signed_is_told_and_the_restore_goes_on(program, survivor, backup, tmp_path, name, why):
    # Without --force nothing is restored that the API server of the disk has no key for.
    result, said = run(program, survivor, plan_of(tmp_path, backup / f"{name}.db"), *["--force"] * (name == "encrypted"))
    assert result["outcome"] == "restored" and said.count(why) == 1 and "none can be issued" in said, said
    record = json.loads((survivor / STATE / "finish.json").read_text())
    assert secrets_left(survivor) == [] and OURS not in record["kubeconfigs"] + record["files"] and record["nodes"]


def disk_has(root, backup, days, subject="/O=system:masters/CN=system:kube-apiserver-cert-syncer"):
    """What every 4.2 master has: its API server's cert-syncer's, good for so many days."""
    config = root / SYNCER.replace("*", "4")
    place = config.parents[2] / "secrets/kube-apiserver-cert-syncer-client-cert-key"
    place.mkdir(parents=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", days, "-subj", subject, "-addext",
            "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth", "-CA", backup / f"{SIGNER}.crt",
            "-CAkey", backup / f"{SIGNER}.key", "-keyout", place / "tls.key", "-out", place / "tls.crt")
    folder = "/etc/kubernetes/static-pod-resources"
    kubeconfig(config, "https://localhost:6443", "\n".join(
        f"      client-{what}: {folder}/secrets/{place.name}/tls.{end}" for what, end in (("certificate", "crt"), ("key", "key"))),
        f"      certificate-authority: {folder}/configmaps/kube-apiserver-server-ca/ca-bundle.crt")
    (config.parents[1] / "kube-apiserver-server-ca").mkdir()
    shutil.copy(backup / f"{SERVING}.crt", config.parents[1] / "kube-apiserver-server-ca/ca-bundle.crt")


@pytest.mark.parametrize("days, subject, more, issued", [
    ("30", "/O=system:masters/CN=system:kube-apiserver-cert-syncer", PLAN, False),
    ("1", "/O=system:masters/CN=system:kube-apiserver-cert-syncer", PLAN, True),
    ("30", "/O=system:nodes/CN=system:node:m1", PLAN, True),
    ("1", "/O=system:masters/CN=x", ONE, True),
    ("1", "/O=system:masters/CN=x", PLAN + "finish: {nodes: no}\n", False),
    ("1", "/O=system:masters/CN=x", MEMBERS, False)],
    ids=["the-disk-has-one", "it-runs-out", "of-a-kubelet", "one-member-by-the-plan", "turned-off", "nobody-is-lost"])
def test_none_is_issued_that_is_not_needed(program, survivor, backup, tmp_path, days, subject, more, issued):
    disk_has(survivor, backup, days, subject)
    _, said = run(program, survivor, plan_of(tmp_path, backup / "snapshot.db", more))
    assert (survivor / OURS).exists() == issued and ("gets one for 24 hours" in said) == issued and "none can be" not in said, said


@pytest.mark.needs("kube-apiserver-1.34", "etcd-3.6")
@pytest.mark.parametrize("who", ["issued", "of-the-disk"])
def test_a_real_api_server_lets_it_delete_the_lost_node(program, survivor, backup, tmp_path, master, finish, who):
    if who == "of-the-disk":
        disk_has(survivor, backup, "30")
    run(program, survivor, plan_of(tmp_path, backup / "snapshot.db"))
    m = master("3.6")
    m.start_etcd()
    for end in ("crt", "key"):
        shutil.copy(backup / f"{SERVING}.{end}", m.pki)
    pki.certificate(m.pki, "localhost", SERVING, "/CN=localhost", [pki.SERVER], ["DNS:localhost", "IP:127.0.0.1"])
    (m.pki / "client-ca.crt").write_text((m.pki / "ca.crt").read_text() + (backup / f"{SIGNER}.crt").read_text())
    m.start_api(f"--client-ca-file={m.pki}/client-ca.crt", f"--tls-sni-cert-key={m.pki}/localhost.crt,{m.pki}/localhost.key")
    o = Objects(m)
    o.node("m1", "True")
    o.node("m2", "Unknown")
    # What the commit has left, on the machine whose API server has another port.
    said = json.loads((survivor / STATE / "finish.json").read_text())
    shutil.copytree(survivor / RESOURCES, m.root / RESOURCES)
    used = OURS if who == "issued" else SYNCER.replace("*", "4")
    if who == "issued":
        shutil.copy(survivor / OURS, m.root / OURS)
    (m.root / used).write_text((survivor / used).read_text().replace(":6443", f":{m.api_port}"))
    m.record(*m.ids(), restored=int(datetime.now().timestamp()) + 2, layout="openshift-4.2", role="single", snapshot="5" * 64,
             known=["m1", "m2"], kubeconfigs=said["kubeconfigs"], files=said["files"])
    status, did, text = finish(m, "--deadline", 32)
    assert status == 0 and did["cleaned"] == 1 and did["removed"], text
    assert set(o.names("/api/v1/nodes")) == {"m1"} and f"lets us in with {used}" in text
    assert secrets_left(m.root) == [] and not (m.root / OURS).exists()
