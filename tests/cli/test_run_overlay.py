"""etcd-rescue run where etcd's directories lie on an overlay: what a lower layer has does not come back among the new."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.test_run import call, marks, program, run, snapshot  # noqa: F401
from cli.test_run_join import plain_csm, starts
from cli.test_run_role import write
from cli.tree import own_contents

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
OVERLAY = "o {at} overlay lowerdir={at},upperdir=/srv/upper,workdir=/srv/work 0 0\n"


@pytest.fixture(autouse=True)
def root_alone():
    if os.geteuid():
        pytest.skip("mounting takes root")


@pytest.fixture
def apart(tmp_path):
    """apart(at): one whose etcd keeps its log apart, in etcd-wal/wal, with an overlay mounted at `at`."""
    def make(at):
        root = tmp_path / "root"
        subprocess.run(["cp", "-a", LAYOUTS / "icp" / "before", root], check=True)
        for path in (p for p in root.rglob("*") if p.is_file()):
            path.write_text(path.read_text().replace("192.168.70.", "127.1.2."))
        write(root, {"etc/fstab": OVERLAY.format(at=at), "var/lib/etcd/member/snap/db": "of the lost cluster",
                     "var/lib/etcd/member/snap/0000000000000001-0000000000000001.snap": "its state"})
        (root / "srv/work").mkdir(parents=True)
        return root
    return make


@pytest.fixture
def plan(snapshot, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(f"source: file:{snapshot}\nrole: single\nsurvivors: none\n")
    return path


def merged(root, at, where):
    """The names of a directory as the running system has them: with the overlay mounted."""
    done = subprocess.run(["unshare", "-m", "sh", "-euc", f"mount -t overlay o -o lowerdir={root}{at},upperdir={root}/srv/upper,"
                           f"workdir={root}/srv/work {root}{at}; ls {root}{where}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


SEGMENT = "0000000000000000-0000000000000000.wal"
OLD = "0000000000000007-0000000000000009.wal"


def test_a_log_below_the_overlays_top_hides_the_lower_one(program, apart, plan):
    at, where = "/var/lib/etcd-wal", "/var/lib/etcd-wal/wal"
    root = apart(at)
    write(root, {f"var/lib/etcd-wal/wal/{OLD}": "of long ago", f"srv/upper/wal/{SEGMENT}": "of the lost cluster"})
    before = own_contents(root)
    assert merged(root, at, where) == [SEGMENT, OLD]
    result, said = run(program, root, plan)
    assert result["outcome"] == "restored", said
    assert merged(root, at, where) == [SEGMENT]
    assert (root / "var/lib/etcd-wal/wal" / OLD).exists() and len((root / "srv/upper/wal" / SEGMENT).read_bytes()) > 1000
    assert run(program, root, plan)[0]["outcome"] == "already-restored"
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before and merged(root, at, where) == [SEGMENT, OLD]


def test_a_member_on_an_overlay_hides_the_lower_one(program, apart, plan):
    """As on an HPE Cray: the overlay is over etcd's directory itself."""
    at, where = "/var/lib/etcd", "/var/lib/etcd/member/snap"
    root = apart(at)
    write(root, {"srv/upper/member/snap/db": "of the lost cluster", f"var/lib/etcd-wal/wal/{OLD}": "its log"})
    old = "0000000000000001-0000000000000001.snap"
    assert merged(root, at, where) == [old, "db"]
    before = own_contents(root)
    result, said = run(program, root, plan)
    assert result["outcome"] == "restored", said
    assert "db" in merged(root, at, where) and len(merged(root, at, where)) == 2
    assert (root / "srv/upper/member/snap" / old).stat().st_size != len("its state")
    assert [path.name for path in (root / "var/lib/etcd-wal/wal").iterdir()] == [SEGMENT]
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before and merged(root, at, where) == [old, "db"]


def test_a_log_that_is_an_overlays_own_top_is_refused_where_the_lower_one_would_be_seen(program, apart, plan):
    """Of the top of an upper layer the mark that hides a lower one does not count."""
    at = "/var/lib/etcd-wal/wal"
    root = apart(at)
    write(root, {f"var/lib/etcd-wal/wal/{OLD}": "of long ago", f"srv/upper/{SEGMENT}": "of the lost cluster"})
    before = marks(root)
    for words in (["--dry-run"], []):
        _, said = run(program, root, plan, *words, status=6)
        assert "var/lib/etcd-wal/wal" in said and "is the top of an overlay" in said and marks(root) == before
    (root / "var/lib/etcd-wal/wal" / OLD).unlink()
    before = own_contents(root)
    result, said = run(program, root, plan)
    assert result["outcome"] == "restored", said
    assert merged(root, at, at) == [SEGMENT] and (root / "srv/upper" / SEGMENT).stat().st_size > 1000
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before and merged(root, at, at) == [SEGMENT]


def test_who_joins_on_an_overlay_finds_no_member_of_the_lower_layer(program, tmp_path):
    """An empty one hides it, until the first boot lets etcd make its own there."""
    at = "/var/lib/etcd"
    root, plan = plain_csm(program, tmp_path)
    (root / "srv/work").mkdir(parents=True)
    write(root, {"etc/fstab": "UUID=0 / ext4 defaults 0 1\n" + OVERLAY.format(at=at), f"srv/upper/member/wal/{SEGMENT}": "its log"})
    before = own_contents(root)
    assert merged(root, at, f"{at}/member/wal") == ["0.wal", SEGMENT] and merged(root, at, f"{at}/member/snap") == ["db"]
    result, said = run(program, root, plan)
    assert (result["outcome"], result["role"]) == ("restored", "join"), said
    assert merged(root, at, f"{at}/member") == [] and not starts(root)
    assert run(program, root, plan)[0]["outcome"] == "already-restored"
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before and merged(root, at, f"{at}/member/wal") == ["0.wal", SEGMENT] and starts(root)
