"""etcd-rescue dump: WAL records, .snap files and bolt pages of golden files, and what it says of damage."""

import json
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


@pytest.fixture
def dump(image_file):
    def dump(*args):
        return subprocess.run([image_file("etcd-rescue"), "dump", *map(str, args)], capture_output=True,
                text=True, timeout=60)
    return dump


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_wal_of_a_restore_record_by_record(dump):
    done = dump("wal", "-w", "json", GOLDEN / "etcd-3.5/3/member.wal")
    records = objects(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert [r["type"] for r in records] == ["crc", "metadata", "snapshot", "entry", "entry", "entry", "state",
                                            "snapshot"]
    assert [r["at"] for r in records] == [0, 16, 56, 80, 200, 320, 440, 472]
    assert records[1]["member"] == "e5e059ccc61ab4b1" and records[1]["cluster"] == "c5b8be4817a47354"
    assert [json.loads(r["key"])["name"] for r in records[3:6]] == ["m2", "m3", "m1"]
    assert records[6]["commit"] == 3
    assert records[7]["voters"] == ["38f8b33513e59589", "bde49bf9b08296f0", "e5e059ccc61ab4b1"]


@pytest.mark.parametrize("version", ["3.4", "3.5", "3.6"])
def test_wal_of_a_server_tells_what_it_was_asked(dump, version):
    done = dump("wal", GOLDEN / f"etcd-{version}/source/wal")
    assert (done.returncode, done.stderr) == (0, "")
    for what in ('"what":"put","key":"/registry/configmaps/default/c12"', '"what":"delete"', '"what":"transaction"',
                 '"what":"compaction"', '"what":"lease grant"', '"what":"role add"', '"what":"user add"'):
        assert what in done.stdout


def test_wal_directory_in_each_place_it_may_be(dump, tmp_path):
    wal = tmp_path / "data" / "member" / "wal"
    wal.mkdir(parents=True)
    (wal / "0.tmp").write_bytes(b"")
    (wal / ("0" * 16 + "-" + "0" * 16 + ".wal")).write_bytes((GOLDEN / "etcd-3.5/1/member.wal").read_bytes())
    outputs = {dump("wal", place).stdout for place in (tmp_path / "data", tmp_path / "data" / "member", wal)}
    assert len(outputs) == 1 and outputs.pop().count("\n") == 7


def test_wal_damaged_shows_what_is_before(dump, tmp_path):
    damaged = bytearray((GOLDEN / "etcd-3.5/3/member.wal").read_bytes())
    damaged[250] ^= 4
    (tmp_path / "wal").write_bytes(damaged)
    done = dump("wal", "-w", "json", tmp_path / "wal")
    assert done.returncode == 1
    assert len(objects(done.stdout)) == 4
    assert "record at byte 200: checksum says" in done.stderr


def test_wal_torn_at_its_end_is_said_and_no_error(dump, tmp_path):
    (tmp_path / "wal").write_bytes((GOLDEN / "etcd-3.5/3/member.wal").read_bytes()[:-9])
    done = dump("wal", tmp_path / "wal")
    assert done.returncode == 0
    assert "the last record, at byte 472, is torn" in done.stderr


def test_snap(dump):
    path = GOLDEN / "etcd-3.5/3/member.snap"
    told = json.loads(dump("snap", "--json", path).stdout)
    assert (told["index"], told["term"], len(told["voters"]), told["learners"]) == (3, 1, 3, [])
    store = json.loads(dump("snap", "--data", path).stdout)
    assert sorted(store["Root"]["Children"]["0"]["Children"]["members"]["Children"]) == told["voters"]
    assert "38f8b33513e59589" in dump("snap", path).stdout


def test_snap_damaged(dump, tmp_path):
    damaged = bytearray((GOLDEN / "etcd-3.5/1/member.snap").read_bytes())
    damaged[1000] ^= 1
    (tmp_path / "x.snap").write_bytes(damaged)
    done = dump("snap", tmp_path / "x.snap")
    assert (done.returncode, done.stdout) == (1, "")
    assert "x.snap: checksum says" in done.stderr


def test_bolt_pages_lead_from_the_root_to_a_revision(dump):
    path = GOLDEN / "etcd-3.5/snapshot.db"
    meta, root = objects(dump("bolt", "-w", "json", path).stdout)
    assert meta["pageSize"] == 4096 and meta["trailer"] and root["id"] == meta["root"]
    page = {item["key"]: item for item in root["items"]}["key"]["root"]
    while True:
        (told,) = objects(dump("bolt", "-w", "json", "--page", page, path).stdout)
        if told["kind"] == "leaf":
            break
        page = told["items"][-1]["page"]
    assert told["items"][-1]["key"] == "22_0"


def test_bolt_refuses_what_is_no_page(dump):
    path = GOLDEN / "etcd-3.5/snapshot.db"
    assert dump("bolt", "--page", "1", path).returncode == 2
    assert dump("bolt", "--page", "x", path).returncode == 2
    done = dump("bolt", "--page", "99999", path)
    assert done.returncode == 1 and "page 99999" in done.stderr
