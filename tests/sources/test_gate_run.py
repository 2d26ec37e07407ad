"""Three masters that restore at the same time, each on its own disk, and meet at a gate on a real web server."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BEFORE = GOLDEN / "layouts" / "kubeadm" / "before"
DATA = "mnt/fast/etcd"
NAMES = {"master-1": "127.0.30.11", "master-2": "127.0.30.12", "master-3": "127.0.30.13"}
REFUSED = 6


def tree_of(name, root):
    """The golden master-2, as another one; nobody answers at these addresses, and at once."""
    subprocess.run(["cp", "-a", BEFORE, root], check=True)
    everybody = ",".join(f"{n}=https://{address}:2380" for n, address in NAMES.items())
    for path in (p for p in root.rglob("*") if p.is_file()):
        text = path.read_text().replace("master-1=https://10.0.0.11:2380,master-2=https://10.0.0.12:2380", "EVERYBODY")
        text = text.replace("master-2", name).replace("10.0.0.12", NAMES[name]).replace("10.0.0.", "127.0.30.")
        path.write_text(text.replace("EVERYBODY", everybody))
    return root


@pytest.fixture
def masters(program, nginx, work, tmp_path):
    """masters({name: snapshot}, more) -> {name: (exit status, result, what it said)}"""
    server = nginx(work("dav"), tls=True, conf="location / { dav_methods PUT; create_full_put_path on; }")

    def start(snapshots, more=""):
        children = {}
        for name, snapshot in snapshots.items():
            root = tree_of(name, tmp_path / name)
            plan = tmp_path / f"{name}.yaml"
            plan.write_text(f"source: file:{snapshot}\ngate: {server.url}/gate/\nhttps: {{ca: {server.ca}}}\n{more}"
                            "finish: {install: no}\ncluster:\n  members:\n" +
                            "".join(f'    - {{name: {n}, peer: "https://{a}:2380"}}\n' for n, a in NAMES.items()))
            children[name] = subprocess.Popen(
                [program, "run", "--root", root, "--file", plan, "--unattended", "--json"], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        ended = {}
        try:
            for name, child in children.items():
                out, said = child.communicate(timeout=120)
                ended[name] = (child.returncode, json.loads(out.splitlines()[-1]), said)
        finally:
            for child in children.values():
                child.kill()
        return ended
    return start


@pytest.fixture
def snapshot(tmp_path):
    path = tmp_path / "snapshot.db"
    path.write_bytes(gzip.decompress((GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes()))
    return path


def test_three_masters_restore_one_cluster(masters, snapshot, program, tmp_path):
    ended = masters(dict.fromkeys(NAMES, snapshot))
    assert [status for status, _, _ in ended.values()] == [0, 0, 0], ended
    clusters = [result["clusters"][0] for _, result, _ in ended.values()]
    assert len({c["cluster_id"] for c in clusters}) == len({c["token"] for c in clusters}) == 1
    assert len({c["member_id"] for c in clusters}) == 3
    databases = {(tmp_path / name / DATA / "member/snap/db").read_bytes() for name in NAMES}
    assert len(databases) == 1
    for name in NAMES:
        subprocess.run([program, "verify", tmp_path / name / DATA], check=True, capture_output=True)


def test_one_with_other_bytes_stops_all_with_the_old_state(masters, snapshot, tmp_path):
    other = GOLDEN / "etcd-3.6" / "snapshot.db"
    ended = masters({"master-1": snapshot, "master-2": snapshot, "master-3": other})
    for name, (status, result, said) in ended.items():
        assert (status, result["outcome"]) == (REFUSED, "refused"), (name, said)
        assert not (tmp_path / name / DATA / "member").exists()
        assert "nobody commits" in said
    assert all((tmp_path / name / "etc/kubernetes/manifests/etcd.yaml").exists() for name in NAMES)
