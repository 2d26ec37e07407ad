"""etcd-rescue list, as an operator calls it: the table, the words, --json, exit status, and one set of options for all."""

import json
import os
import re
import subprocess
import time

import pytest

from sources.trees import golden, put


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def run(program, tmp_path):
    def call(*args, status=0):
        done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, cwd=tmp_path, timeout=60,
                              env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        return done
    return call


def test_table_for_people(run, store):
    now = int(time.time())
    put(store, f"etcd-snapshot-m1-{now - 86400}", golden())
    put(store, f"etcd-snapshot-m2-{now - 3 * 3600}", golden())
    put(store, f"etcd-snapshot-m2-{now - 60}", b"")
    put(store, "notes.txt", b"x")
    done = run("list", f"file:{store}")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"TIME +AGE +SIZE +KIND +NAME", lines[0])
    assert re.fullmatch(r"\S+Z +3 hours +49 kB +k3s +etcd-snapshot-m2-\d+ +"
                        r"<- the newest of 2, by the time in its name", lines[1])
    assert re.fullmatch(r"\S+Z +24 hours +49 kB +k3s +etcd-snapshot-m1-\d+", lines[2])
    assert re.fullmatch(r"\S+Z +6\d seconds +0 B +k3s +etcd-snapshot-m2-\d+ +no: it is empty: 0 bytes", lines[3])
    assert lines[4:] == ["1 other things lie there; --all shows them"]
    assert done.stderr == f"warning: choose: passed over etcd-snapshot-m2-{now - 60}: it is empty: 0 bytes\n"
    assert "notes.txt" in run("list", "--all", f"file:{store}").stdout


def test_every_field_of_json(run, store):
    put(store, "b/snapshot_2026-10-01_001000.db", golden(), 1_790_000_000)
    put(store, "b/static_kuberesources_2026-10-01_001000.tar.gz", b"x")
    put(store, "b/snapshot_2026-10-01_001000.db.sha256", b"x")
    rows = [json.loads(line) for line in run("list", "--json", "--all", f"file:{store}").stdout.splitlines()]
    one = rows[0]
    assert one.pop("age") == pytest.approx(time.time() - 1_790_813_400, abs=60)
    assert one == {
        "event": "object", "name": "b/snapshot_2026-10-01_001000.db", "role": "snapshot", "kind": "openshift",
        "url": f"file:{store}/b/snapshot_2026-10-01_001000.db", "size": len(golden()), "time": "2026-10-01T00:10:00Z",
        "timeFrom": "name", "node": None, "folder": "b", "rank": 1, "why": "the only usable one", "doubt": None,
        "partner": "b/static_kuberesources_2026-10-01_001000.tar.gz", "events": None,
        "sha256": "b/snapshot_2026-10-01_001000.db.sha256", "version": None, "note": None}
    assert {r["role"] for r in rows} == {"snapshot", "companion", "sha256"}
    assert all(set(r) - {"age"} == set(one) for r in rows)


def test_status_says_whether_there_is_one_to_take(run, store):
    store.mkdir()
    assert run("list", f"file:{store}", status=1).stderr.startswith(f"etcd-rescue: file:{store}: nothing is there\n")
    put(store, "etcd-2026-10-01.db", b"")
    done = run("list", f"file:{store}", status=1)
    assert "none of 1 snapshots can be taken; the newest, etcd-2026-10-01.db: it is empty" in done.stderr
    assert "no: it is empty" in done.stdout
    put(store, "a/etcd-2026-10-02.db", golden())
    put(store, "b/etcd-2026-10-02.db", golden())
    assert "say --folder NAME" in run("list", f"file:{store}", status=6).stderr


def test_names_cannot_steer_a_terminal(run, store):
    put(store, "etcd-2026-10-01\x1b[2J\x07.db", golden())
    done = run("list", f"file:{store}")
    assert "\x1b" not in done.stdout + done.stderr and "etcd-2026-10-01?[2J?.db" in done.stdout


def test_a_thousand_are_shown_and_the_rest_counted(run, store):
    for number in range(1005):
        put(store, f"etcd-{1_790_000_000 + 60 * number}.db", b"x" * 4096)
    done = run("list", f"file:{store}")
    assert len(done.stdout.splitlines()) == 1002 and done.stdout.endswith("and 5 more; --all shows them\n")
    assert len(run("list", "--all", f"file:{store}").stdout.splitlines()) == 1006


def test_list_fetch_and_restore_have_the_same_options(run):
    def options(*command):
        return dict(re.findall(r"--([a-z0-9-]+)(.*)", run(*command, "--help").stdout))
    ours = options("list")
    del ours["all"]
    for command in (["fetch"], ["snapshot", "restore"]):
        assert {k: v for k, v in options(*command).items() if k in ours} == ours
