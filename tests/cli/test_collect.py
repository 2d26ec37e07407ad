"""etcd-rescue collect: what a fresh master needs of a healthy one."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
LAYOUT = TOP / "tests" / "golden" / "layouts" / "kubeadm"
PKI = ("ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key")


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def root(tmp_path):
    tree = tmp_path / "root"
    shutil.copytree(LAYOUT / "before", tree)
    for name in PKI:
        put(tree / "etc/kubernetes/pki" / name, f"# stands for {name}\n", 0o600 if name.endswith("key") else 0o644)
    put(tree / "etc/kubernetes/manifests/kube-apiserver.yaml", """apiVersion: v1
kind: Pod
spec:
  containers:
  - name: kube-apiserver
    command: [kube-apiserver, --encryption-provider-config=/enc/current.yaml]
    volumeMounts: [{mountPath: /enc, name: enc}]
  volumes: [{name: enc, hostPath: {path: /etc/cray/encryption}}]
""")
    put(tree / "etc/cray/encryption/current.yaml", "kind: EncryptionConfiguration\n", 0o600)
    put(tree / "etc/kubernetes/tmp/kubeadm-backup-etcd-2026/etcd/member/snap/db", "old")
    put(tree / "etc/kubernetes/manifests.old", "old")
    (tree / "etc/kubernetes/link").symlink_to("/etc/shadow")
    os.mkfifo(tree / "etc/kubernetes/pipe")
    return tree


def put(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def collect(program, root, output, *args):
    return subprocess.run([program, "collect", "--root", root, "-o", output, *args], capture_output=True, text=True,
            timeout=60)


def test_archive_holds_every_file_and_nothing_else(program, root, tmp_path):
    bundle = tmp_path / "bundle.tar.zst"
    done = collect(program, root, bundle, "--json")
    assert done.returncode == 0, done.stderr
    assert bundle.stat().st_mode & 0o777 == 0o600
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "--zstd", "-xpf", bundle, "-C", out], check=True)
    found = {str(p.relative_to(out)) for p in out.rglob("*") if not p.is_dir()}
    assert found == {f"etc/kubernetes/pki/{name}" for name in PKI} | {
        "etc/kubernetes/manifests/etcd.yaml", "etc/kubernetes/manifests/kube-apiserver.yaml",
        "etc/cray/encryption/current.yaml", "var/lib/kubelet/kubeadm-flags.env"}
    for name in found:
        assert (out / name).read_bytes() == (root / name).read_bytes()
        assert (out / name).stat().st_mode == (root / name).stat().st_mode
    said = [json.loads(line) for line in done.stdout.splitlines() if line]
    (report,) = (line for line in said if line["event"] == "collected")
    assert set(report["files"]) == found and report["missing"] == []
    assert "link" in done.stdout + done.stderr and "pipe" in done.stdout + done.stderr


def test_what_is_missing_is_said(program, root, tmp_path):
    (root / "etc/kubernetes/pki/sa.key").unlink()
    (root / "etc/cray/encryption/current.yaml").unlink()
    done = collect(program, root, tmp_path / "b.tar.zst")
    assert done.returncode == 0
    assert "etc/kubernetes/pki/sa.key is not here" in done.stderr
    assert "etc/cray/encryption/current.yaml is not here" in done.stderr


def test_nothing_is_overwritten_and_nothing_left_behind(program, root, tmp_path):
    there = tmp_path / "there.tar.zst"
    there.write_text("mine")
    assert collect(program, root, there).returncode == 6 and there.read_text() == "mine"
    with open(root / "etc/kubernetes/large", "wb") as f:
        f.truncate(5 << 20)
    done = collect(program, root, tmp_path / "new.tar.zst")
    assert done.returncode == 1 and "large holds more than" in done.stderr
    done = collect(program, tmp_path, tmp_path / "new.tar.zst")
    assert done.returncode == 1 and "healthy master" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root", "there.tar.zst"]


def make_ca(pki, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
        "/CN=ca", "-days", "99", "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.crt"], check=True,
        capture_output=True)


def test_fresh_master_is_rebuilt_from_it(program, root, tmp_path):
    for name in ("ca", "etcd/ca", "front-proxy-ca"):
        make_ca(root / "etc/kubernetes/pki", name)
    bundle = tmp_path / "bundle.tar.zst"
    assert collect(program, root, bundle).returncode == 0
    fresh = tmp_path / "fresh"
    put(fresh / "var/lib/kubelet/kubeadm-flags.env", "mine\n")
    command = [program, "certs", "--root", fresh, "--bundle", bundle]
    # A dry run writes nothing, and so finds no control plane afterwards.
    assert subprocess.run([*command, "--dry-run"], capture_output=True, timeout=60).returncode == 1
    assert not (fresh / "etc").exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (fresh / "var/lib/kubelet/kubeadm-flags.env").read_text() == "mine\n"
    for name in PKI:
        assert (fresh / "etc/kubernetes/pki" / name).read_bytes() == (root / "etc/kubernetes/pki" / name).read_bytes()
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in fresh.rglob("*.key"))
    assert (fresh / "etc/kubernetes/admin.conf").stat().st_mode & 0o777 == 0o600
    subprocess.run(["openssl", "verify", "-CAfile", fresh / "etc/kubernetes/pki/etcd/ca.crt",
        fresh / "etc/kubernetes/pki/etcd/peer.crt"], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/kubernetes/pki/absolute.yaml"])
def test_bundle_that_leads_elsewhere_is_refused(program, root, name, tmp_path):
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        archive.add(root / "etc/kubernetes/pki/ca.crt", "etc/kubernetes/pki/ca.crt")
        info = tarfile.TarInfo(name)
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    done = subprocess.run([program, "certs", "--root", fresh, "--bundle", evil], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert not (tmp_path / "outside.yaml").exists() and not Path("/etc/kubernetes/pki/absolute.yaml").exists()


def test_archive_of_something_else_is_no_bundle(program, tmp_path):
    put(tmp_path / "x" / "a.yaml", "a: 1\n")
    subprocess.run(["tar", "-cf", tmp_path / "x.tar", "-C", tmp_path, "x"], check=True)
    (tmp_path / "fresh").mkdir()
    done = subprocess.run([program, "certs", "--root", tmp_path / "fresh", "--bundle", tmp_path / "x.tar"],
            capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "no etc/kubernetes/pki" in done.stderr
    assert list((tmp_path / "fresh").iterdir()) == []


def test_what_is_not_brought_back_is_said(program, root, tmp_path):
    """The API server of this master has its encryption configuration where no other has."""
    for name in ("ca", "etcd/ca", "front-proxy-ca"):
        make_ca(root / "etc/kubernetes/pki", name)
    manifest = root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    manifest.write_text(manifest.read_text().replace("/etc/cray/encryption", "/srv/keys"))
    put(root / "srv/keys/current.yaml", "kind: EncryptionConfiguration\n", 0o600)
    bundle, fresh = tmp_path / "bundle.tar.zst", tmp_path / "fresh"
    assert collect(program, root, bundle).returncode == 0
    fresh.mkdir()
    done = subprocess.run([program, "certs", "--root", fresh, "--bundle", bundle], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "srv/keys/current.yaml lies in none of the places" in done.stderr
    assert not (fresh / "srv").exists()


def test_keys_behind_a_link_are_said_to_be_missing(program, root, tmp_path):
    pki = root / "etc/kubernetes/pki"
    pki.rename(root / "keys")
    pki.symlink_to("/keys")
    done = collect(program, root, tmp_path / "bundle.tar.zst")
    assert done.returncode == 0 and "etc/kubernetes/pki is a link to /keys and left out" in done.stderr
    for name in PKI:
        assert f"etc/kubernetes/pki/{name} is not here" in done.stderr
