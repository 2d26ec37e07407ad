"""etcd-rescue run --root: the main job on a mounted tree, from a snapshot in a file to a restored master."""

import gzip
import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from cli.tree import call, contents, marks

import requirement

TOP = Path(__file__).resolve().parents[2]
GOLDEN = TOP / "tests" / "golden"
MANIFEST = "etc/kubernetes/manifests/etcd.yaml"
DATA = "mnt/fast/etcd"     # where the pod's /var/lib/etcd really is
MEMBERS = """cluster:
  members:
    - {name: master-1, peer: "https://127.0.10.11:2380"}
    - {name: master-2, peer: "https://127.0.10.12:2380"}
    - {name: master-3, peer: "https://127.0.10.13:2380"}
"""


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "snapshot_2026-11-20_180000.db"
    path.write_bytes(gzip.decompress((GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes()))
    return path


def run(program, root, plan, *args, status=0):
    done = call(program, "run", "--root", root, "--file", plan, "--yes", "--json", *args, status=status)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None, done.stderr


def old_member(program, data):
    call(program, "snapshot", "restore", GOLDEN / "etcd-3.5" / "snapshot.db", "--data-dir", data, "--name", "master-2",
         "--initial-cluster", "master-2=https://127.0.10.12:2380")


@pytest.fixture
def tree(program, tmp_path):
    """A kubeadm master with an old member directory."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", GOLDEN / "layouts" / "kubeadm" / "before", root], check=True)
    # Addresses where surely nobody answers, and at once.
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("10.0.0.", "127.0.10."))
    old_member(program, root / DATA)
    return root


@pytest.fixture
def plan(snapshot, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(f"source: file:{snapshot}\n{MEMBERS}")
    return path


def below(files, folder):
    return {name[len(folder) + 1:]: text for name, text in files.items() if name.startswith(folder + "/")}


def test_dead_master_becomes_a_restored_one(program, tree, plan, snapshot):
    before = contents(tree)
    result, _ = run(program, tree, plan)
    after = contents(tree)
    assert (result["outcome"], result["phase"], result["layout"], result["node"]) == \
        ("restored", "committed", "kubeadm", "master-2")

    cluster, = result["clusters"]
    assert cluster["sha256"] == hashlib.sha256(snapshot.read_bytes()).hexdigest()
    assert cluster["token"].startswith("etcd-cluster-") and len(cluster["token"]) == len("etcd-cluster-") + 12
    assert cluster["initial_cluster"] == ("master-1=https://127.0.10.11:2380,master-2=https://127.0.10.12:2380,"
                                          "master-3=https://127.0.10.13:2380")
    assert cluster["revision"] == 2438 + 1000000000 + (1 if cluster["dropped_keys"] else 0)

    call(program, "verify", tree / DATA)
    keep = f"member.before-{result['plan_id'][:8]}"
    assert sorted(p.name for p in (tree / DATA).iterdir()) == ["member", keep]
    assert below(after, f"{DATA}/{keep}") == below(before, f"{DATA}/member")
    assert "master-3=https://127.0.10.13:2380" in (tree / MANIFEST).read_text()
    changed = {name for name in before if not name.startswith(f"{DATA}/") and after[name] != before[name]}
    assert changed == {MANIFEST}


def test_second_run_writes_nothing(program, tree, plan):
    run(program, tree, plan)
    before = marks(tree)
    result, _ = run(program, tree, plan)
    assert (result["outcome"], result["served"]) == ("already-restored", False)
    assert marks(tree) == before


def test_same_snapshot_gives_the_same_bytes_under_another_name(program, tree, plan, snapshot, tmp_path):
    plan.write_text(plan.read_text() + "survivors: none\n")
    other = tmp_path / "other.yaml"
    other.write_text(plan.read_text())
    first, _ = run(program, tree, plan)
    db = (tree / f"{DATA}/member/snap/db").read_bytes()
    second, _ = run(program, tree, other, "--again")
    assert second["outcome"] == "restored" and second["clusters"][0]["token"] == first["clusters"][0]["token"]
    assert (tree / f"{DATA}/member/snap/db").read_bytes() == db


def test_other_plan_needs_a_higher_generation(program, tree, plan):
    run(program, tree, plan)
    before = marks(tree)
    plan.write_text(plan.read_text() + "bump-revision: no\n")
    result, said = run(program, tree, plan, status=6)
    assert result["outcome"] == "refused" and marks(tree) == before
    assert "restored by another plan" in said and "generation: 2" in said
    plan.write_text(plan.read_text() + "generation: 2\n")
    assert run(program, tree, plan)[0]["outcome"] == "restored"


def test_rehearsal_shows_the_changes_and_writes_nothing(program, tree, plan):
    before = marks(tree)
    said = call(program, "run", "--root", tree, "--file", plan, "--dry-run").stdout
    assert marks(tree) == before
    assert "+    - --initial-cluster=master-1=" in said


def test_nobody_to_ask_is_told_what_to_say(program, tree, plan):
    before = marks(tree)
    said = call(program, "run", "--root", tree, "--file", plan, status=2).stderr
    assert "--yes" in said and marks(tree) == before


def test_bad_snapshot_leaves_everything_as_it_was(program, tree, plan, snapshot, tmp_path):
    broken = tmp_path / "snapshot_2026-11-21_180000.db"
    data = bytearray(snapshot.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    plan.write_text(f"source: file:{broken}\n{MEMBERS}")
    before = contents(tree)
    result, said = run(program, tree, plan, status=1)
    assert result["outcome"] == "untouched" and ("does not match" in said or "sha256" in said.lower()), said
    after = contents(tree)
    assert {name: text for name, text in after.items() if not name.startswith(("var/lib/etcd-rescue/", "var/log/etcd-rescue/"))} == before


def test_rollback_brings_back_every_byte_and_is_not_undone_by_the_next_run(program, tree, plan):
    before = contents(tree)
    result, _ = run(program, tree, plan)
    call(program, "rollback", "--root", tree)
    after = contents(tree)
    assert below(after, f"{DATA}/member") == below(before, f"{DATA}/member")
    assert after[MANIFEST] == before[MANIFEST]
    assert f"member.rolled-back-{result['plan_id'][:8]}" in os.listdir(tree / DATA)
    _, said = run(program, tree, plan, status=6)
    assert "rolled back" in said
    assert run(program, tree, plan, "--again")[0]["outcome"] == "restored"


def test_missing_member_directory_is_no_obstacle(program, tree, plan):
    subprocess.run(["rm", "-r", tree / DATA], check=True)
    assert run(program, tree, plan)[0]["outcome"] == "restored"
    call(program, "verify", tree / DATA)
    assert os.listdir(tree / DATA) == ["member"]


def test_token_that_is_told_is_not_for_the_unattended(program, tree, plan, snapshot):
    plan.write_text(plan.read_text().replace("cluster:\n", "cluster:\n  token: tkn\n"))
    _, said = run(program, tree, plan, "--unattended", status=6)
    assert "token" in said
    digest = hashlib.sha256(snapshot.read_bytes()).hexdigest()
    plan.write_text(plan.read_text() + f"snapshot: {{sha256: {digest}}}\nsurvivors: none\n")
    assert run(program, tree, plan, "--unattended")[0]["clusters"][0]["token"] == "tkn"


@pytest.mark.parametrize("how", ["run", "rollback"])
def test_a_fenced_disk_is_gone_on_with(program, tree, plan, how):
    """Nothing tells a control plane while etcd's manifest is away; the journal does."""
    strace = requirement.need("strace")
    before = contents(tree)
    # The exchange of the member directories comes behind the fence.
    done = subprocess.run([strace, "-f", "-qq", "-o", tree.parent / "log", "--trace=renameat2",
                           "--inject=renameat2:error=EIO:when=3", program, "run", "--root", tree, "--file", plan, "--yes"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 4, done.stderr
    assert not (tree / MANIFEST).exists()
    call(program, "run", "--root", tree, "--file", plan, "--dry-run")
    assert not (tree / MANIFEST).exists()
    if how == "run":
        assert run(program, tree, plan)[0]["outcome"] == "restored"
        call(program, "verify", tree / DATA)
    else:
        call(program, "rollback", "--root", tree)
        assert below(contents(tree), f"{DATA}/member") == below(before, f"{DATA}/member")
        assert contents(tree)[MANIFEST] == before[MANIFEST]


def test_what_is_done_is_done_though_nobody_can_be_told(program, tree, plan):
    for command in (["run", "--file", plan, "--yes"], ["rollback"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program, *command, "--root", tree], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode == 0 and "No space left" in done.stderr, done.stderr
