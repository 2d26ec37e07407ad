"""rollback, commit, forget: the ways on and back from a restore, on a tree that `run --root` restored."""

import fcntl
import gzip
import hashlib
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cli.tree import call, marks, own_contents as contents

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MANIFEST = "etc/kubernetes/manifests/etcd.yaml"
DATA = "mnt/fast/etcd"
STATE = "var/lib/etcd-rescue"
PLAN = """source: file:{}
survivors: none
cluster:
  members:
    - {{name: master-2, peer: "https://127.0.10.12:2380"}}
"""


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("snapshot") / "snapshot_2026-11-20_180000.db"
    path.write_bytes(gzip.decompress((GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes()))
    return path


def ask(program, command, root, *args, status=0):
    done = call(program, command, "--root", root, "--json", *args, status=status)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None, done.stderr


@pytest.fixture
def tree(program, tmp_path):
    """A dead kubeadm master."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", GOLDEN / "layouts" / "kubeadm" / "before", root], check=True)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("10.0.0.", "127.0.10."))
    call(program, "snapshot", "restore", GOLDEN / "etcd-3.5" / "snapshot.db", "--data-dir", root / DATA, "--name", "master-2",
         "--initial-cluster", "master-2=https://127.0.10.12:2380")
    return root


@pytest.fixture
def plan(snapshot, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.format(snapshot))
    return path


@pytest.fixture
def old(tree):
    return contents(tree)


@pytest.fixture
def restored(program, tree, plan, old):
    call(program, "run", "--root", tree, "--file", plan, "--yes")
    assert contents(tree) != old
    return tree


def test_rollback_puts_every_byte_back_and_may_be_repeated(program, restored, old):
    new = contents(restored)
    before = marks(restored)
    result, _ = ask(program, "rollback", restored, "--dry-run")
    assert (result["outcome"], result["phase"]) == ("would", "committed") and marks(restored) == before

    result, _ = ask(program, "rollback", restored)
    assert (result["outcome"], result["phase"]) == ("rolled-back", "rolled-back")
    assert contents(restored) == old
    aside = [p for p in (restored / DATA).iterdir() if p.name.startswith("member.rolled-back-")]
    assert len(aside) == 1
    wanted = {name[len(f"{DATA}/member/"):]: sha for name, sha in new.items() if name.startswith(f"{DATA}/member/")}
    assert {str(p.relative_to(aside[0])): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in aside[0].rglob("*") if p.is_file()} == wanted

    before = marks(restored)
    result, _ = ask(program, "rollback", restored)
    assert result["outcome"] == "nothing" and marks(restored) == before


def test_rollback_waits_for_a_running_etcd(program, restored, old):
    """As etcd does, somebody holds the database; when the manifest is away he ends."""
    with open(restored / DATA / "member/snap/db", "r+b") as db:
        fcntl.flock(db, fcntl.LOCK_EX)

        def end():
            while (restored / MANIFEST).exists():
                time.sleep(0.05)
            time.sleep(1)
            fcntl.flock(db, fcntl.LOCK_UN)

        kubelet = threading.Thread(target=end)
        kubelet.start()
        result, said = ask(program, "rollback", restored, "--wait", "60")
        kubelet.join()
    assert result["outcome"] == "rolled-back" and "waiting for etcd to end" in said
    assert contents(restored) == old


def test_rollback_gives_up_without_a_change(program, restored):
    new = contents(restored)
    with open(restored / DATA / "member/snap/db", "r+b") as db:
        fcntl.flock(db, fcntl.LOCK_EX)
        _, said = ask(program, "rollback", restored, "--wait", "1", status=1)
    assert "etcd still runs" in said and "systemctl stop" in said
    assert contents(restored) == new
    assert ask(program, "rollback", restored, "--dry-run")[0]["phase"] == "committed"


def test_rollback_leaves_alone_what_somebody_changed_since(program, restored):
    (restored / MANIFEST).write_text((restored / MANIFEST).read_text() + "# mine\n")
    before = marks(restored)
    _, said = ask(program, "rollback", restored, status=6)
    assert MANIFEST in said and "left alone" in said and marks(restored) == before


def test_forget_deletes_the_old_state_alone(program, restored, plan):
    new = contents(restored)
    (restored / DATA / "member.before-mine").mkdir()
    held = sum(p.stat().st_size for p in (restored / DATA).glob("member.before-*/**/*") if p.is_file())
    before = marks(restored)
    assert ask(program, "forget", restored, "--dry-run")[0]["bytes"] > 0 and marks(restored) == before
    _, said = ask(program, "forget", restored, status=2)
    assert "--yes" in said and marks(restored) == before

    result, _ = ask(program, "forget", restored, "--yes")
    assert result["outcome"] == "forgotten" and 0 < result["bytes"] <= held + (1 << 20)
    assert contents(restored) == new
    assert sorted(p.name for p in (restored / DATA).iterdir()) == ["member", "member.before-mine"]
    assert not list((restored / STATE).glob("before-*"))

    before = marks(restored)
    _, said = ask(program, "rollback", restored, status=6)
    assert "deleted by etcd-rescue forget" in said and marks(restored) == before
    # The disk still says that it is restored.
    call(program, "run", "--root", restored, "--file", plan, "--yes")
    assert contents(restored) == new


def test_commit_finishes_what_was_prepared(program, tree, plan, old):
    call(program, "run", "--root", tree, "--file", plan, "--yes", "--until", "rewrite")
    assert contents(tree) == old
    result, _ = ask(program, "commit", tree, "--dry-run")
    assert (result["outcome"], result["phase"]) == ("would", "prepared") and contents(tree) == old
    result, _ = ask(program, "commit", tree)
    assert (result["outcome"], result["phase"]) == ("committed", "committed") and contents(tree) != old
    before = marks(tree)
    assert ask(program, "commit", tree)[0]["outcome"] == "nothing" and marks(tree) == before
    assert ask(program, "rollback", tree)[0]["outcome"] == "rolled-back"
    assert contents(tree) == old


def test_rollback_of_what_was_only_prepared_removes_what_was_staged(program, tree, plan, old):
    call(program, "run", "--root", tree, "--file", plan, "--yes", "--until", "rewrite")
    assert ask(program, "rollback", tree)[0]["outcome"] == "abandoned"
    assert contents(tree) == old
    assert not (tree / DATA / ".etcd-rescue").exists() and not (tree / STATE / "stage").exists()
    _, said = ask(program, "commit", tree, status=1)
    assert "no restore" in said


def test_without_a_restore_there_is_nothing_to_do(program, tree):
    before = marks(tree)
    for command in (["rollback"], ["commit"], ["forget", "--yes"]):
        _, said = ask(program, *command[:1], tree, *command[1:], status=1)
        assert "no restore has been done" in said
    assert marks(tree) == before


@pytest.mark.parametrize("harm", ["torn", "newer", "key"])
def test_a_journal_that_is_not_understood_is_not_acted_on(program, restored, harm):
    path = restored / STATE / "journal"
    text = path.read_bytes()
    if harm == "torn":
        path.write_bytes(text[:len(text) // 2])
    else:
        body = text[:-16]
        body = body.replace(b'"version":1', b'"version":2') if harm == "newer" else body.replace(b'"phase"', b'"future":1,"phase"')
        path.write_bytes(body + b"crc32c %08x\n" % crc32c(body))
    before = marks(restored)
    _, said = ask(program, "rollback", restored, status=1)
    assert {"torn": "its sum", "newer": "newer etcd-rescue", "key": "a key nobody knows"}[harm] in said
    assert marks(restored) == before


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
