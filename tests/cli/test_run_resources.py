"""The other half of OpenShift's backup: resources of static pods go onto the disk with the database, and back again."""

import gzip
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from cli.tree import call, marks, own_contents as contents
from interop.server import PEERS, Server, free_ports

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RESOURCES, MANIFESTS = Path("etc/kubernetes/static-pod-resources"), Path("etc/kubernetes/manifests")
STAMP = "2026-11-20_060200"
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {0}\n  labels:\n    revision: '{1}'\n"
COMPONENTS = {"kube-apiserver": 7, "kube-controller-manager": 8, "kube-scheduler": 6, "etcd": 2}


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


def resources(revisions):
    """{path below etc/kubernetes: bytes} of a backup with these revisions."""
    found = {}
    for component, revision in revisions.items():
        folder = f"static-pod-resources/{component}-pod-{revision}"
        found[f"{folder}/{component}-pod.yaml"] = POD.format(component, revision).encode()
        found[f"{folder}/configmaps/config/config.yaml"] = f"of: {component} {revision}\n".encode()
        found[f"{folder}/secrets/encryption-config/encryption-config"] = b"{\"kind\":\"EncryptionConfiguration\"}"
    return found


def archive(files, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o644
            tar.addfile(info, io.BytesIO(body))
        for name, goal in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, goal
            tar.addfile(info)
    return out.getvalue()


@pytest.fixture
def tree(tmp_path):
    """A master two revisions of whose API server lie on the disk, the newer one after the backup."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", GOLDEN / "layouts/openshift-4.6/before", root], check=True)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_bytes(re.sub(rb"\b(10\.0\.0|192\.168\.126|10\.15\.155)\.", b"127.1.2.", path.read_bytes()))
    for name, body in {**resources(COMPONENTS), **resources({"kube-apiserver": 8})}.items():
        path = root / "etc/kubernetes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    (root / RESOURCES / "kube-apiserver-pod-7/configmaps/config/config.yaml").write_text("of: somebody who typed here\n")
    for component, revision in {**COMPONENTS, "kube-apiserver": 8}.items():
        if component != "etcd":
            (root / MANIFESTS / f"{component}-pod.yaml").write_text(POD.format(component, revision))
    return root


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / f"snapshot_{STAMP}.db").write_bytes(gzip.decompress((GOLDEN / "kubernetes/snapshot.db.gz").read_bytes()))
    return folder


@pytest.fixture
def plan(tmp_path, place):
    path = tmp_path / "plan.yaml"
    path.write_text(f"source: file:{place}/\nrole: single\n")
    return path


def last(program, *args, status=0):
    return json.loads(call(program, *args, "--json", status=status).stdout.splitlines()[-1])


def test_resources_go_onto_the_disk_and_the_pods_of_their_revision_start(program, tree, place, plan):
    backup = resources({**COMPONENTS, "openshift-kube-new": 3})
    (place / f"static_kuberesources_{STAMP}.tar.gz").write_bytes(archive(
        backup, [("static-pod-resources/kube-apiserver-pod-7/link", "/etc/shadow")]))
    before = contents(tree)
    assert last(program, "run", "--root", tree, "--file", plan, "--yes")["outcome"] == "restored"
    for name, body in backup.items():
        path = tree / "etc/kubernetes" / name
        assert path.read_bytes() == body
    new = tree / RESOURCES / "openshift-kube-new-pod-3"
    assert (new / "configmaps/config/config.yaml").stat().st_mode & 0o777 == 0o644
    assert (new / "secrets/encryption-config/encryption-config").stat().st_mode & 0o777 == 0o600
    assert not (tree / RESOURCES / "kube-apiserver-pod-7/link").is_symlink()
    # The newer revision stays, and what starts is the backup's.
    for name, body in resources({"kube-apiserver": 8}).items():
        assert (tree / "etc/kubernetes" / name).read_bytes() == body
    for component, revision in COMPONENTS.items():
        if component != "etcd":
            assert (tree / MANIFESTS / f"{component}-pod.yaml").read_text() == POD.format(component, revision)
    assert "revision: '2'" not in (tree / MANIFESTS / "etcd-pod.yaml").read_text()

    still = marks(tree)
    assert last(program, "run", "--root", tree, "--file", plan, "--yes")["outcome"] == "already-restored"
    assert marks(tree) == still

    call(program, "rollback", "--root", tree)
    assert contents(tree) == before


def test_without_the_other_half_the_pods_stay(program, tree, plan):
    before = contents(tree)
    assert last(program, "run", "--root", tree, "--file", plan, "--yes")["outcome"] == "restored"
    after = contents(tree)
    assert {name for name in before if after.get(name) != before[name]} <= {f"{MANIFESTS}/etcd-pod.yaml"}


@pytest.mark.parametrize("spoil", ["cut", "empty", "outside"])
def test_a_damaged_half_is_no_backup(program, tree, place, plan, spoil):
    """The pair counts as one: the disk stays as it was."""
    whole = archive(resources(COMPONENTS))
    bodies = {"cut": whole[:len(whole) // 2], "empty": archive({}), "outside": archive({"../../etc/shadow": b"root::\n"})}
    (place / f"static_kuberesources_{STAMP}.tar.gz").write_bytes(bodies[spoil])
    before = contents(tree)
    result = last(program, "run", "--root", tree, "--file", plan, "--yes", status=1)
    assert result["outcome"] == "untouched", result
    assert contents(tree) == before
    assert not (tree.parent / "etc/shadow").exists()


@pytest.mark.parametrize("end, half, why", [("", "2026-11-20_060201", "mixed pair"),
                                            ("__POSSIBLY_DIRTY__", STAMP + "__POSSIBLY_DIRTY__", "operators were at work")])
def test_a_bad_pair_is_refused_by_name_too(program, tree, place, plan, end, half, why):
    """The wrong one was chosen: the reason is told, and the disk stays as it was."""
    name = f"snapshot_{STAMP}{end}.db"
    if end:
        (place / f"snapshot_{STAMP}.db").rename(place / name)
    (place / f"static_kuberesources_{half}.tar.gz").write_bytes(archive(resources(COMPONENTS)))
    plan.write_text(plan.read_text() + f"snapshot: {name}\n")
    before = contents(tree)
    done = call(program, "run", "--root", tree, "--file", plan, "--yes", "--json", status=6)
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "untouched" and why in done.stderr, done.stderr
    assert contents(tree) == before


def test_the_pair_before_is_taken_when_the_newest_is_damaged(program, tree, place, plan):
    whole = archive(resources(COMPONENTS))
    (place / f"static_kuberesources_{STAMP}.tar.gz").write_bytes(whole[:-20])
    older = "2026-11-19_060200"
    (place / f"snapshot_{older}.db").write_bytes((place / f"snapshot_{STAMP}.db").read_bytes())
    (place / f"static_kuberesources_{older}.tar.gz").write_bytes(whole)
    result = last(program, "run", "--root", tree, "--file", plan, "--yes")
    assert result["outcome"] == "restored" and older in result["chosen"]


@pytest.mark.needs("etcd-3.4", "etcdctl-3.4")
@pytest.mark.parametrize("key, bumped", [("/kubernetes.io/configmaps/default/x", True), ("/elsewhere/x", False)])
def test_openshifts_keys_are_a_kubernetes_to_the_bump(program, tree, place, plan, tmp_path, key, bumped):
    """Its API server keeps what others have below /registry/ elsewhere; clients there remember revisions as well."""
    server = Server("3.4", "x", tmp_path / "data", free_ports(2))
    path = place / f"snapshot_{STAMP}.db"
    path.unlink()
    try:
        server.start().wait()
        for number in range(3):
            server.put(key, f"value {number}")
        subprocess.run([PEERS / "etcdctl-3.4", f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save", path],
                       check=True, capture_output=True, env={"ETCDCTL_API": "3"})
    finally:
        server.stop()
    cluster, = last(program, "run", "--root", tree, "--file", plan, "--yes")["clusters"]
    assert (cluster["revision"] > 1_000_000_000) == bumped, cluster
