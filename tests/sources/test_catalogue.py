"""Which of many backups is taken, and why not the others: every layout, pairs, what is suspicious, what turns out bad."""

import hashlib
import json
import time

import pytest

from sources import trees
from sources.trees import golden, put, tar

DIRTY = "__POSSIBLY_DIRTY__"


@pytest.fixture
def tool(program, run, tmp_path):
    """tool(*args, status=0): the finished process, started in a directory of its own."""
    def call(*args, status=0, **options):
        done = run(program, *args, cwd=tmp_path, **options)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        return done
    return call


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    return path


def listed(tool, store, *args, status=0):
    done = tool("list", "--json", *args, f"file:{store}", status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def first(tool, store, *args):
    return listed(tool, store, *args)[0]["name"]


def fetched(tool, store, *args, to="out.db"):
    return json.loads(tool("fetch", "--json", *args, f"file:{store}", "-o", to).stdout)


@pytest.mark.parametrize("layout", trees.LAYOUTS.values(), ids=trees.LAYOUTS)
def test_each_layout_is_listed_fetched_and_restored(tool, store, tmp_path, layout):
    want = layout(store, golden())
    rows = listed(tool, store)
    assert rows[0]["name"] == want and rows[0]["rank"] == 1 and rows[0]["role"] == "snapshot"

    said = fetched(tool, store)
    assert (tmp_path / "out.db").read_bytes() == golden()
    assert said["sha256"] == hashlib.sha256(golden()).hexdigest() and said["verified"] is True
    assert said["name"] == want and said["from"].endswith(want) and said["revision"] == 22 and said["tries"] == 1

    tool("snapshot", "restore", f"file:{store}", "--data-dir", "made", "--name", "m",
         "--initial-cluster", "m=http://127.0.0.1:2380")
    tool("verify", "made")


def test_a_directory_takes_all_that_belongs_to_it(tool, store, tmp_path):
    trees.openshift(store, golden())
    said = fetched(tool, store, to="all/")
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == [
        "snapshot_2026-10-01_002000.db", "static_kuberesources_2026-10-01_002000.tar.gz"]
    assert said["others"] == ["all/static_kuberesources_2026-10-01_002000.tar.gz"]
    name = "static_kuberesources_2026-10-01_002000.tar.gz"
    assert (tmp_path / "all" / name).read_bytes() == (store / name).read_bytes()


def test_both_databases_of_kube_up_are_proved(tool, store, tmp_path):
    trees.kube_up(store, golden())
    said = fetched(tool, store, to="all/")
    assert (tmp_path / "all/snapshot.db").read_bytes() == golden()
    assert (tmp_path / "all/snapshot-events.db").read_bytes() == golden("3.4")
    assert said["events"]["verified"] is True and said["events"]["file"] == "all/snapshot-events.db"

    damaged = bytearray(golden("3.4"))
    damaged[-40] ^= 1
    (store / "snapshot-events.db").write_bytes(damaged)
    done = tool("fetch", f"file:{store}", "-o", "again/", status=1)
    assert "snapshot-events.db: the trailer says sha256" in done.stderr and not (tmp_path / "again").exists()


def test_companions_in_an_archive_come_along(tool, store, tmp_path):
    files = {"m1/assets/backup/snapshot.db": golden(), "m1/assets/backup/etcd-member.yaml": b"kind: Pod\n",
             "m1/assets/backup/etcd-client.key": b"key\n"}
    put(store, "backup_2020_03_16_101112.tar.gz", tar(files))
    fetched(tool, store, to="all/")
    assert (tmp_path / "all/m1/assets/backup/etcd-member.yaml").read_bytes() == b"kind: Pod\n"
    assert (tmp_path / "all/backup_2020_03_16_101112.db").read_bytes() == golden()


def test_a_named_node_of_an_archive(tool, store, tmp_path):
    put(store, "backup_2020_03_16_101112.snapshots.tgz",
        tar({"m1/assets/backup/snapshot.db": golden("3.4"), "m2/assets/backup/snapshot.db": golden("3.5")}))
    done = tool("fetch", f"file:{store}/backup_2020_03_16_101112.snapshots.tgz", "-o", "out.db", status=6)
    assert "m1" in done.stderr and "m2" in done.stderr and not (tmp_path / "out.db").exists()
    tool("fetch", "--node", "m2", f"file:{store}/backup_2020_03_16_101112.snapshots.tgz", "-o", "out.db")
    assert (tmp_path / "out.db").read_bytes() == golden("3.5")


def test_suspicious_ones_are_passed_over_aloud(tool, store):
    for hour in range(1, 5):
        put(store, f"etcd-2026-10-01T0{hour}:00:00Z.db", golden())
    put(store, "etcd-2026-10-01T05:00:00Z.db", golden()[:10000])
    put(store, "etcd-2026-10-01T06:00:00Z.db", b"")
    put(store, "etcd-2026-10-01T07:00:00Z.db.part", golden())
    put(store, "etcd-2026-10-01T08:00:00Z.db.gpg", golden())
    put(store, "etcd-2099-10-01T08:00:00Z.db", golden())
    put(store, "README.txt", b"x")
    rows = listed(tool, store)
    assert [r["name"] for r in rows if r["rank"]] == [f"etcd-2026-10-01T0{n}:00:00Z.db" for n in (4, 3, 2, 1)]
    why = {r["name"]: r["why"] for r in rows if not r["rank"]}
    assert why["etcd-2026-10-01T05:00:00Z.db"].startswith("much smaller than those before it: 10000 bytes")
    assert why["etcd-2026-10-01T06:00:00Z.db"] == "it is empty: 0 bytes"
    assert "unfinished" in why["etcd-2026-10-01T07:00:00Z.db.part"]
    assert "encrypted" in why["etcd-2026-10-01T08:00:00Z.db.gpg"]
    assert "in the future" in why["etcd-2099-10-01T08:00:00Z.db"]
    assert "README.txt" not in [r["name"] for r in rows]
    assert "README.txt" in [r["name"] for r in listed(tool, store, "--all")]
    told = tool("fetch", f"file:{store}", "-o", "out.db").stderr
    for name in why:
        assert f"warning: choose: passed over {name}: {why[name]}\n" in told


def test_backups_that_stopped_are_warned_of(tool, store):
    now = int(time.time())
    for age in (7, 6, 5, 4):
        put(store, f"etcd-{now - age * 86400}.db", golden())
    told = tool("list", f"file:{store}").stderr
    assert "backups seem to have stopped: they came every 24 hours, the newest is 4 days old" in told
    put(store, f"etcd-{now - 86400}.db", golden())
    assert "stopped" not in tool("list", f"file:{store}").stderr


def test_what_turns_out_bad_makes_room_for_the_next(tool, store, tmp_path):
    good, flipped = golden(), bytearray(golden())
    flipped[20000] ^= 4
    put(store, "etcd-2026-10-01T01:00:00Z.db", good)
    put(store, "etcd-2026-10-01T02:00:00Z.db", good[:45000])
    put(store, "etcd-2026-10-01T03:00:00Z.db", bytes(flipped))
    put(store, "etcd-2026-10-01T04:00:00Z.tar.gz", tar({"etcd-dump.bin": good})[:-40])
    put(store, "etcd-2026-10-01T05:00:00Z.db", b"<html>no such page</html>" * 1800)
    said = fetched(tool, store)
    assert said["name"] == "etcd-2026-10-01T01:00:00Z.db" and said["tries"] == 5
    assert (tmp_path / "out.db").read_bytes() == good
    done = tool("snapshot", "restore", f"file:{store}", "--data-dir", "made")
    for hour, text in ((5, "HTML"), (4, ""), (3, "the trailer says sha256"), (2, "cut short")):
        line = next(x for x in done.stderr.splitlines() if x.startswith(f"warning: choose: etcd-2026-10-01T0{hour}"))
        assert text in line and "; trying the next one, etcd-2026-10-01T0" in line
    tool("verify", "made")


def test_one_that_was_named_has_no_next(tool, store, tmp_path):
    put(store, "etcd-2026-10-01T01:00:00Z.db", golden())
    put(store, "etcd-2026-10-01T02:00:00Z.db", golden()[:45000])
    name = "etcd-2026-10-01T02:00:00Z.db"
    for address in ([f"file:{store}", "--snapshot", name], [f"file:{store}/{name}"]):
        done = tool("fetch", *address, "-o", "out.db", status=1)
        assert "cut short" in done.stderr and done.stderr.count("\n") <= 4
        assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]
        done = tool("snapshot", "restore", *address, "--data-dir", "made", status=1)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


def test_choice_by_name_time_and_node(tool, store):
    for node, when in (("m1", 1_790_000_000), ("m2", 1_790_000_600), ("m1", 1_790_001_200)):
        put(store, f"etcd-snapshot-{node}-{when}", golden())
    assert first(tool, store) == "etcd-snapshot-m1-1790001200"
    assert first(tool, store, "--node", "m2") == "etcd-snapshot-m2-1790000600"
    assert first(tool, store, "--snapshot", "before:2026-09-21T14:23:21Z") == "etcd-snapshot-m2-1790000600"
    assert first(tool, store, "--snapshot", "etcd-snapshot-m1-1790000000") == "etcd-snapshot-m1-1790000000"
    done = tool("fetch", f"file:{store}", "--snapshot", "etcd-snapshot-m3-1790000000", "-o", "x.db", status=1)
    assert "no 'etcd-snapshot-m3-1790000000' is there; the newest is etcd-snapshot-m1-1790001200" in done.stderr
    done = tool("fetch", f"file:{store}", "--node", "m9", "-o", "x.db", status=1)
    assert "of another node" in done.stderr


@pytest.mark.parametrize("of", ["file", "database", "packed"])
def test_choice_by_sha256(tool, store, tmp_path, of):
    put(store, "etcd-2026-10-01T01:00:00Z.db", golden("3.4"))
    put(store, "etcd-2026-10-01T02:00:00Z.tar.gz", tar({"etcd.db": golden("3.5")}))
    put(store, "etcd-2026-10-01T03:00:00Z.db", golden("3.6"))
    wanted = {"file": golden("3.5"), "database": golden("3.5")[:-32],
              "packed": (store / "etcd-2026-10-01T02:00:00Z.tar.gz").read_bytes()}[of]
    sum_ = hashlib.sha256(wanted).hexdigest()
    said = fetched(tool, store, "--snapshot", f"sha256:{sum_.upper()}")
    assert said["name"] == "etcd-2026-10-01T02:00:00Z.tar.gz" and (tmp_path / "out.db").read_bytes() == golden("3.5")
    done = tool("fetch", f"file:{store}", "--snapshot", f"sha256:{'0' * 64}", "-o", "x.db", status=1)
    assert "which is not the one that was asked for" in done.stderr and not (tmp_path / "x.db").exists()


def test_sums_that_lie_beside_are_held_against_it(tool, store, tmp_path):
    for hour, version in ((1, "3.4"), (2, "3.5"), (3, "3.6")):
        name = f"etcd-2026-10-01T0{hour}:00:00Z.db"
        put(store, name, golden(version))
        put(store, f"{name}.sha256", f"{hashlib.sha256(golden(version)).hexdigest()}  {name}\n".encode())
    said = fetched(tool, store, "--snapshot", f"sha256:{hashlib.sha256(golden('3.4')).hexdigest()}")
    assert said["name"] == "etcd-2026-10-01T01:00:00Z.db" and said["tries"] == 1
    put(store, "etcd-2026-10-01T03:00:00Z.db.sha256", b"0" * 64)
    (tmp_path / "out.db").unlink()
    assert fetched(tool, store)["name"] == "etcd-2026-10-01T02:00:00Z.db"


def test_increments_that_are_lost_are_said(tool, store):
    trees.gardener(store, golden())
    put(store, "v2/Incr-00000050-00000099-1789999000.gz", b"x")
    told = tool("fetch", f"file:{store}", "-o", "out.db").stderr
    assert ("warning: choose: 1 increments came after v2/Full-00000000-00000100-1790000000.gz and cannot be applied: "
            "what changed since is not in it\n") in told


def test_halves_of_pairs_and_dirty_ones_want_to_be_allowed(tool, store, tmp_path):
    put(store, f"snapshot_2026-10-01_002000{DIRTY}.db", golden())
    put(store, f"static_kuberesources_2026-10-01_002000{DIRTY}.tar.gz", tar({}))
    done = tool("fetch", f"file:{store}", "-o", "out.db", status=6)
    assert DIRTY in done.stderr and "--allow-dirty" in done.stderr and not (tmp_path / "out.db").exists()
    tool("list", f"file:{store}", status=6)
    tool("fetch", "--allow-dirty", f"file:{store}", "-o", "out.db")

    mixed = tmp_path / "mixed"
    put(mixed, "snapshot_2026-10-01_002000.db", golden())
    put(mixed, "static_kuberesources_2026-10-01_001000.tar.gz", tar({}))
    done = tool("snapshot", "restore", f"file:{mixed}", "--data-dir", "made", status=1)
    assert "a mixed pair" in done.stderr and not (tmp_path / "made").exists()
    done = tool("snapshot", "restore", "--allow-dirty", f"file:{mixed}", "--data-dir", "made")
    assert "warning: choose: snapshot_2026-10-01_002000.db: a mixed pair" in done.stderr

    half = tmp_path / "half"
    trees.openshift(half, golden())
    put(half, "snapshot_2026-10-01_003000.db", golden())
    assert first(tool, half) == "snapshot_2026-10-01_002000.db"
    assert first(tool, half, "--allow-dirty") == "snapshot_2026-10-01_003000.db"


def test_several_folders_want_one_to_be_said(tool, store):
    put(store, "prod/etcd-2026-10-01.db", golden())
    put(store, "test/etcd-2026-10-02.db", golden())
    for command in (["list"], ["fetch", "-o", "x.db"]):
        done = tool(*command, f"file:{store}", status=6)
        assert "snapshots lie in several folders, perhaps of different clusters: test, prod" in done.stderr
    assert first(tool, store, "--folder", "prod") == "prod/etcd-2026-10-01.db"
    assert first(tool, store, "--folder", "any") == "test/etcd-2026-10-02.db"


def test_a_copied_database_wants_to_be_allowed(tool, store, tmp_path):
    put(store, "member/snap/db", golden()[:-32])
    done = tool("fetch", f"file:{store}", "-o", "out.db", status=1)
    assert "--skip-hash-check" in done.stderr and not (tmp_path / "out.db").exists()
    said = json.loads(tool("fetch", "--json", "--skip-hash-check", f"file:{store}", "-o", "out.db").stdout)
    assert said["verified"] is False and (tmp_path / "out.db").read_bytes() == golden()[:-32]


def test_rehearsal_and_members_of_the_snapshot_itself(tool, store, tmp_path):
    put(store, "etcd-2026-10-01T01:00:00Z.tar.gz", tar({"etcd-dump.bin": golden()}))
    put(store, "etcd-2026-10-01T02:00:00Z.db", golden()[:45000])
    before = sorted(p.name for p in tmp_path.iterdir())
    said = json.loads(tool("snapshot", "restore", "--json", "--dry-run", f"file:{store}", "--data-dir", "new/made").stdout)
    assert said["event"] == "restorable" and said["verified"] is True
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    done = tool("snapshot", "restore", f"file:{store}", "--members-from-snapshot", "--data-dir", "new/made")
    assert "restore: initial cluster " in done.stderr
    tool("verify", "new/made")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "new"])
