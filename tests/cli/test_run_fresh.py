"""etcd-rescue run on a disk without /etc/kubernetes: another master's archive becomes this node's configuration."""

import base64
import json
import shlex
import shutil
import subprocess

import pytest
import requirement
import yaml

from cli.pki import CONFIGS, LEAVES, make_cas, openssl
from cli.test_run import GOLDEN, MANIFEST, call, contents, marks, program, run, snapshot  # noqa: F401

DATA = "mnt/fast/etcd"
STATE = "var/lib/etcd-rescue"
PLAN = """source: file:{snapshot}
pki: file:{bundle}
other-cluster: proceed
survivors: none
cluster:
  members:
    - {{name: master-1, peer: "https://127.0.10.11:2380"}}
    - {{name: master-2, peer: "https://127.0.10.12:2380"}}
    - {{name: master-3, peer: "https://127.0.10.13:2380", match: {{hostname: master-3}}}}
"""
API = """apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 127.0.10.12:6443
  name: kube-apiserver
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=127.0.10.12
    - --etcd-servers=https://127.0.0.1:2379
    - --service-cluster-ip-range=10.96.0.0/12
    image: registry.k8s.io/kube-apiserver:v1.30.2
    name: kube-apiserver
"""


def put(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def healthy(program, tmp_path):
    """master-2, whole, with certificates of its own."""
    root = tmp_path / "master-2"
    shutil.copytree(GOLDEN / "layouts" / "kubeadm" / "before", root)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("10.0.0.", "127.0.10."))
    make_cas(root, "ecdsa")
    put(root / "etc/kubernetes/manifests/kube-apiserver.yaml", API, 0o600)
    for name in ("kube-scheduler", "kube-controller-manager"):
        put(root / f"etc/kubernetes/manifests/{name}.yaml", f"kind: Pod\nmetadata: {{name: {name}}}\n", 0o600)
    put(root / "var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nclusterDNS: [10.96.0.10]\n")
    call(program, "certs", "--root", root)
    return root


@pytest.fixture
def bundle(program, healthy, tmp_path):
    path = tmp_path / "bundle.tar.zst"
    call(program, "collect", "--root", healthy, "-o", path)
    return path


@pytest.fixture
def bare(tmp_path):
    """An installed system that was never a master."""
    root = tmp_path / "bare"
    put(root / "etc/os-release", "ID=debian\n")
    put(root / "etc/hostname", "master-3\n")
    put(root / "etc/hosts", "127.0.0.1 localhost\n")
    put(root / "usr/bin/kubelet", "\x7fELF", 0o755)
    put(root / "etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n")
    (root / "var/lib").mkdir(parents=True)
    (root / "mnt/fast").mkdir(parents=True)
    return root


@pytest.fixture
def plan(snapshot, bundle, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.format(snapshot=snapshot, bundle=bundle))
    return path


def mode(path):
    return path.stat().st_mode & 0o777


def issued(config):
    """The certificate in a kubeconfig, as text, and its key."""
    doc = yaml.safe_load(config.read_text())
    user = doc["users"][0]["user"]
    text = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"], check=True, text=True,
                          input=base64.b64decode(user["client-certificate-data"]).decode(), capture_output=True).stdout
    return doc, text.strip(), user["client-key-data"]


def test_fresh_master_is_its_own_and_not_the_other(program, healthy, bare, plan):
    result, said = run(program, bare, plan)
    assert (result["outcome"], result["layout"], result["node"]) == ("restored", "kubeadm", "master-3"), said
    cluster, = result["clusters"]
    assert cluster["name"] == "master-3"
    call(program, "verify", bare / DATA)

    # Nothing of master-2 is left but what the cluster shares.
    etc, theirs = bare / "etc/kubernetes", healthy / "etc/kubernetes"
    for path in (p for p in etc.rglob("*") if p.is_file()):
        text = path.read_text().replace("master-2=https://127.0.10.12:2380", "")
        assert "master-2" not in text and "127.0.10.12" not in text, path
        twin = theirs / path.relative_to(etc)
        assert mode(path) == mode(twin), path
    flags = yaml.safe_load((bare / MANIFEST).read_text())["spec"]["containers"][0]["command"]
    assert "--name=master-3" in flags and "--initial-advertise-peer-urls=https://127.0.10.13:2380" in flags
    assert ("--initial-cluster=master-1=https://127.0.10.11:2380,master-2=https://127.0.10.12:2380,"
            "master-3=https://127.0.10.13:2380") in flags
    assert "--advertise-address=127.0.10.13" in (etc / "manifests/kube-apiserver.yaml").read_text()
    assert (bare / "var/lib/kubelet/config.yaml").read_text() == (healthy / "var/lib/kubelet/config.yaml").read_text()
    assert (bare / "etc/hostname").read_text() == "master-3\n"
    assert (bare / "etc/hosts").read_text() == "127.0.0.1 localhost\n"

    for leaf, ca in LEAVES.items():
        openssl("verify", "-x509_strict", "-CAfile", etc / f"pki/{ca}.crt", etc / f"pki/{leaf}.crt")
        assert (etc / f"pki/{leaf}.key").read_text() != (theirs / f"pki/{leaf}.key").read_text()
        assert mode(etc / f"pki/{leaf}.key") == 0o600
    for name in ("ca.key", "sa.key", "sa.pub", "etcd/ca.key", "front-proxy-ca.key"):
        assert (etc / "pki" / name).read_bytes() == (theirs / "pki" / name).read_bytes()
    names = openssl("x509", "-in", etc / "pki/etcd/peer.crt", "-noout", "-ext", "subjectAltName")
    assert "DNS:master-3" in names and "IP Address:127.0.10.13" in names
    for name in CONFIGS:
        doc, subject, key = issued(etc / f"{name}.conf")
        assert key != issued(theirs / f"{name}.conf")[2] and mode(etc / f"{name}.conf") == 0o600
        if name == "kubelet":
            assert "CN=system:node:master-3" in subject
    assert not [p for p in bare.rglob("*") if "fresh" in p.name]


def test_etcd_serves_with_what_was_issued(program, bare, plan, tmp_path):
    """Alone, in a network of its own, with the very flags of the manifest."""
    etcd, etcdctl = requirement.need("etcd-3.5", "etcdctl-3.5")
    plan.write_text(plan.read_text() + "role: single\n")
    run(program, bare, plan)
    flags = [flag.replace("/etc/kubernetes", f"{bare}/etc/kubernetes").replace("=/var/lib/etcd", f"={bare}/{DATA}")
             for flag in yaml.safe_load((bare / MANIFEST).read_text())["spec"]["containers"][0]["command"][1:]]
    assert "--initial-cluster=master-3=https://127.0.10.13:2380" in flags
    pki = bare / "etc/kubernetes/pki/etcd"
    script = tmp_path / "serve.sh"
    script.write_text(f"""ip link set lo up
{shlex.join([str(etcd), *flags])} >{tmp_path}/etcd.log 2>&1 &
trap 'kill $!' EXIT
for i in $(seq 100); do
	{etcdctl} --cacert {pki}/ca.crt --cert {pki}/healthcheck-client.crt --key {pki}/healthcheck-client.key \
		--endpoints https://127.0.10.13:2379 endpoint health 2>&1 && exit
	sleep 0.2
done
cat {tmp_path}/etcd.log
exit 1
""")
    done = subprocess.run(["unshare", "-n", "sh", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "127.0.10.13:2379 is healthy" in done.stdout, done.stdout + done.stderr


def test_second_run_writes_nothing_and_rollback_leaves_a_bare_disk(program, bare, plan):
    plan.write_text(plan.read_text().replace("survivors: none\n", ""))
    before = contents(bare)
    run(program, bare, plan)
    seen = marks(bare)
    result, _ = run(program, bare, plan)
    assert result["outcome"] == "already-restored" and marks(bare) == seen
    call(program, "rollback", "--root", bare)
    after = {name: text for name, text in contents(bare).items()
             if not name.startswith((STATE, "var/log/etcd-rescue", f"{DATA}/member.rolled-back-"))}
    assert after == before
    _, said = run(program, bare, plan, status=6)
    assert "rolled back" in said
    assert run(program, bare, plan, "--again")[0]["outcome"] == "restored"


def traced(program, root, plan, log, *inject):
    strace = requirement.need("strace")
    return subprocess.run([strace, "-f", "-qq", "-o", log, "--trace=renameat2", *inject, program, "run", "--root", root,
                           "--file", plan, "--yes"], capture_output=True, text=True, timeout=120).returncode


@pytest.mark.parametrize("how", ["run", "rollback"])
@pytest.mark.parametrize("before_the_end", [1, 9, 25])
def test_cut_in_the_middle_it_goes_on_or_back(program, bare, plan, tmp_path, before_the_end, how):
    before, log = contents(bare), tmp_path / "log"
    shutil.copytree(bare, tmp_path / "whole")
    assert traced(program, tmp_path / "whole", plan, log) == 0
    cut = log.read_text().count("renameat2(") - before_the_end
    assert traced(program, bare, plan, log, f"--inject=renameat2:signal=KILL:when={cut}") not in (0, 1)
    assert not (bare / MANIFEST).exists() or before_the_end == 1
    if how == "run":
        assert run(program, bare, plan)[0]["outcome"] == "restored"
        call(program, "verify", bare / DATA)
        assert run(program, bare, plan)[0]["outcome"] == "already-restored"
    call(program, "rollback", "--root", bare)
    after = {name: text for name, text in contents(bare).items()
             if not name.startswith((STATE, "var/log/etcd-rescue", f"{DATA}/member.rolled-back-"))}
    assert after == before


def test_rehearsal_writes_nothing(program, bare, plan):
    before = marks(bare)
    said = call(program, "run", "--root", bare, "--file", plan, "--dry-run")
    assert marks(bare) == before and "master-3" in said.stdout


@pytest.mark.parametrize("more, role, why", [
    ("", "restore", "the plan has a pki:"), ("role: join\n", "join", "the plan says so"),
    ("recovery-host: master-1\n", "join", "recovery-host is master-1 and this is master-3"),
    ("recovery-host: master-3\n", "single", "this is the recovery host")])
def test_plan_shows_what_would_become_of_a_fresh_disk(program, healthy, bare, plan, more, role, why):
    """From the archive alone: no snapshot is looked for, so that there may be none yet."""
    plan.write_text(plan.read_text().replace("source: file:", "source: file:/nowhere") + more)
    before = marks(bare)
    found = json.loads(call(program, "plan", "--root", bare, "--file", plan, "--json").stdout)
    assert (found["layout"], found["node"], found["role"]) == ("kubeadm", "master-3", role)
    assert why in found["role_why"] and "no control plane is here" in found["role_why"]
    assert {"etc/kubernetes/pki/ca.key", MANIFEST, "var/lib/kubelet/config.yaml"} <= set(found["fresh"])
    assert "etc/kubernetes/pki/apiserver.key" not in found["fresh"], "another master's own"
    text = call(program, "plan", "--root", bare, "--file", plan).stdout
    assert f"\nrole        {role}: {found['role_why']}\n" in text and f"\n            {MANIFEST}\n" in text
    assert ("adds this node's member to the cluster" in text) == (role == "join") and marks(bare) == before
    # And why it would be refused.
    (bare / "usr/bin/kubelet").unlink()
    done = subprocess.run([program, "plan", "--root", bare, "--file", plan], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no kubelet" in done.stderr and not done.stdout


@pytest.mark.parametrize("lost", ["sa.key", "etcd/ca.key"])
def test_what_cannot_be_made_again_is_refused(program, healthy, bare, snapshot, tmp_path, lost):
    (healthy / "etc/kubernetes/pki" / lost).unlink()
    bundle = tmp_path / "bundle.tar.zst"
    call(program, "collect", "--root", healthy, "-o", bundle)
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN.format(snapshot=snapshot, bundle=bundle))
    before = contents(bare)
    _, said = run(program, bare, plan, status=6)
    assert f"pki/{lost}" in said
    after = {name: text for name, text in contents(bare).items() if not name.startswith((STATE, "var/log/etcd-rescue"))}
    assert after == before


@pytest.mark.parametrize("what, hint, status", [("kubelet", "no kubelet", 1), ("system", "no system", 1),
                                                ("part", "part of a control", 1), ("nobody", "cluster.members", 2)])
def test_a_disk_that_is_not_meant_is_left_alone(program, bare, plan, what, hint, status):
    if what == "kubelet":
        (bare / "usr/bin/kubelet").unlink()
    if what == "system":
        (bare / "etc/os-release").unlink()
    if what == "part":
        put(bare / "etc/kubernetes/pki/ca.key", "mine", 0o600)
    if what == "nobody":
        (bare / "etc/hostname").unlink()
    before = marks(bare)
    done = subprocess.run([program, "run", "--root", bare, "--file", plan, "--yes"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == status and hint in done.stderr, done.stderr
    assert marks(bare) == before


def test_without_an_archive_it_is_no_control_plane(program, bare, plan):
    plan.write_text("".join(line for line in plan.read_text().splitlines(True) if not line.startswith("pki:")))
    _, said = run(program, bare, plan, status=1)
    assert "no control plane" in said or "no layout" in said, said
