"""etcd-rescue run --root on a tree of each layout: members laid down where that layout has them, and all of it taken back."""

import gzip
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from cli.tree import call, marks, own_contents as contents

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# The etcd of HPE Cray's masters lies on a volume of its own, which a mere tree does not have: tests/boot has the disk.
LAYOUTS = sorted(p for p in (GOLDEN / "layouts").iterdir() if p.is_dir() and not p.name.startswith("csm"))
# Where each layout's trees have their masters; here all are at home, where nobody answers and at once.
NETWORKS = re.compile(rb"\b(10\.252\.1|192\.168\.70|10\.0\.0|172\.16\.0|192\.168\.5|10\.15\.155|192\.168\.126|10\.20\.0|10\.240\.0)\.")


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A database, and the one of the events beside it."""
    folder = tmp_path_factory.mktemp("place")
    data = gzip.decompress((GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes())
    (folder / "snapshot.db").write_bytes(data)
    (folder / "snapshot-events.db").write_bytes((GOLDEN / "etcd-3.6" / "snapshot.db").read_bytes())
    return folder


def last(program, *args):
    return json.loads(call(program, *args, "--json").stdout.splitlines()[-1])


def directories(program, tree):
    """Data and WAL directories of each etcd, as the running system sees them."""
    found = last(program, "plan", "--root", tree)
    return [(c["data_dir"].lstrip("/"), (c["wal_dir"] or "").lstrip("/")) for c in found.get("clusters", [found])]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda p: p.name)
def test_each_layout_is_restored_and_taken_back(program, layout, place, tmp_path):
    tree = tmp_path / "root"
    subprocess.run(["cp", "-a", layout / "before", tree], check=True)
    for path in (p for p in tree.rglob("*") if p.is_file()):
        path.write_bytes(NETWORKS.sub(rb"127.1.2.", path.read_bytes()).replace(b"fd00:10::1", b"::1:10:1"))
    where = directories(program, tree)
    for data, wal in where:
        old = tree / data
        call(program, "snapshot", "restore", GOLDEN / "etcd-3.5" / "snapshot.db", "--data-dir", old,
             *(["--wal-dir", tree / wal] if wal else []))
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{place}/\nrole: single\n")
    before = contents(tree)

    result = last(program, "run", "--root", tree, "--file", plan, "--yes")
    assert (result["outcome"], len(result["clusters"])) == ("restored", len(where))
    for (data, wal), cluster in zip(where, result["clusters"]):
        call(program, "verify", tree / data, *(["--wal-dir", tree / wal] if wal else []))
        # One member; of one that has a name in the DNS and an address there are two URLs.
        assert {entry.split("=")[0] for entry in cluster["initial_cluster"].split(",")} == {cluster["name"]}
    after = contents(tree)
    assert {c["sha256"] for c in result["clusters"]} == \
        {hashlib.sha256((place / name).read_bytes()).hexdigest() for name in ("snapshot.db", "snapshot-events.db")[:len(where)]}
    kept = {name: text for name, text in before.items() if not any(name.startswith(f"{d}/") for d, _ in where)
            and not any(w and name.startswith(f"{w}/") for _, w in where)}
    # With this layout the other pods wait until etcd serves.
    waiting = {f"etc/cfc/pods/{p.name}" for p in (tree / "var/lib/etcd-rescue/held").glob("*")}
    assert waiting == ({"etc/cfc/pods/master.json"} if layout.name.startswith("icp") else set())
    assert set(kept) - waiting <= set(after), "a file of the configuration is gone"
    assert not waiting & set(after)

    still = marks(tree)
    assert last(program, "run", "--root", tree, "--file", plan, "--yes")["outcome"] == "already-restored"
    assert marks(tree) == still

    call(program, "rollback", "--root", tree)
    assert contents(tree) == before
