"""snapshot status, restore, hashkv, inspect, keys and verify, as an operator calls them, on files of real etcd."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from interop.boltdb import BoltDB

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VERSIONS = ["3.4", "3.5", "3.6"]


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def run(program, tmp_path):
    def call(*args, status=0):
        done = subprocess.run([program, *map(str, args)], capture_output=True, cwd=tmp_path, timeout=60)
        assert done.returncode == status, (args, done.returncode, done.stderr.decode())
        return done
    return call


def golden(version):
    return GOLDEN / f"etcd-{version}" / "snapshot.db"


def expect(version):
    return json.loads((GOLDEN / f"etcd-{version}" / "expect.json").read_text())


def seal(body):
    """A snapshot with this content and a trailer that fits it."""
    return body + hashlib.sha256(body).digest()


def members(count):
    return ",".join(f"m{i}=http://127.0.0.1:239{i - 1}1" for i in range(1, count + 1))


@pytest.mark.parametrize("version", VERSIONS)
def test_status_says_what_etcdutl_says(run, version):
    said, want = json.loads(run("snapshot", "status", golden(version), "-w", "json").stdout), expect(version)
    assert said["hash"] == want["status"]["hash"]
    assert said["revision"] == want["status"]["revision"]
    assert said["totalSize"] == want["status"]["totalSize"]
    assert said["totalKey"] == len(want["range"]["kvs"])
    assert said["version"] == want["status"].get("version", "")
    assert said["leases"] == len(want["leases"]["leases"]) and said["users"] == 1 and said["roles"] == 1
    assert said["trailer"] == "good" and not said["alarms"] and not said["authEnabled"]


def test_status_formats_are_etcdutls(run):
    want = expect("3.6")["status"]
    code, size = format(want["hash"], "x"), "45 kB"
    file = golden("3.6")
    assert run("snapshot", "status", file).stdout.decode() == f"{code}, 22, 13, {size}, 3.6.0\n"
    assert run("snapshot", "status", "-w", "fields", file).stdout.decode() == (
        f'"Hash" : {want["hash"]}\n"Revision" : 22\n"Keys" : 13\n"Size" : 45056\n"Version" : 3.6.0\n')
    table = run("snapshot", "status", file, "--write-out=table").stdout.decode().splitlines()
    assert table[1].split("|")[1:-1] == [f"{'HASH':^10}", " REVISION ", " TOTAL KEYS ", " TOTAL SIZE ", " VERSION "]
    assert table[3] == f"| {code:<8} | {22:>8} | {13:>10} | {size:>10} | {'3.6.0':>7} |"


@pytest.mark.parametrize("version", VERSIONS)
def test_hashkv_is_what_the_source_cluster_said(run, version):
    want = expect(version)["hashkv"][0]["HashKV"]
    said = json.loads(run("snapshot", "hashkv", golden(version), "-w", "json").stdout)
    assert (said["hash"], said["compactRevision"]) == (want["hash"], want["compact_revision"])


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("version", ["3.5", "3.6"])
def test_restore_writes_what_etcdutl_writes(run, tmp_path, version, count):
    run("snapshot", "restore", golden(version), "--data-dir", "d", "--name=m1", "--initial-cluster", members(count),
        "--initial-cluster-token=tok", "--initial-advertise-peer-urls=http://127.0.0.1:23901")
    ours, theirs = tmp_path / "d/member", GOLDEN / f"etcd-{version}" / str(count)
    wal = (ours / "wal/0000000000000000-0000000000000000.wal").read_bytes()
    assert len(wal) == 64_000_000
    want = (theirs / "member.wal").read_bytes()
    assert wal[:len(want)] == want and not any(wal[len(want):len(want) + 4096])
    if version == "3.5":  # 3.6 writes the nodes in random order
        assert (ours / f"snap/0000000000000001-{count:016x}.snap").read_bytes() == (theirs / "member.snap").read_bytes()
    if count == 1:
        made, wanted = BoltDB(ours / "snap/db").buckets(), BoltDB(theirs / "db").buckets()
        assert json.loads(made["meta"].pop(b"confState"))["voters"]
        wanted["meta"].pop(b"confState", None)
        assert made == wanted
    modes = {p.relative_to(tmp_path).as_posix(): p.stat().st_mode & 0o7777 for p in (tmp_path / "d").rglob("*")}
    assert modes["d/member"] == 0o700 and modes["d/member/snap/db"] == 0o600
    assert run("verify", "d").stdout


def test_all_members_and_owner_in_one_run(run, tmp_path):
    run("snapshot", "restore", golden("3.5"), "--data-dir", "all", "--all-members", "--initial-cluster", members(3),
        "--initial-cluster-token=tok", "--owner", f"{os.getuid()}:{os.getgid()}")
    dirs = [tmp_path / "all" / f"m{i}" / "member" for i in (1, 2, 3)]
    assert len({(d / "snap/db").read_bytes() for d in dirs}) == 1
    assert len({(d / "wal/0000000000000000-0000000000000000.wal").read_bytes() for d in dirs}) == 3
    want = (GOLDEN / "etcd-3.5/3/member.wal").read_bytes()
    assert (dirs[0] / "wal/0000000000000000-0000000000000000.wal").read_bytes()[:len(want)] == want


def test_a_mount_point_with_lost_and_found_and_a_wal_dir_elsewhere(run, tmp_path):
    (tmp_path / "volume/lost+found").mkdir(parents=True)
    run("snapshot", "restore", golden("3.5"), "--data-dir", "volume", "--wal-dir", "log")
    assert (tmp_path / "volume/member/snap/db").exists() and list((tmp_path / "log").glob("*.wal"))
    assert run("verify", "volume", "--wal-dir", "log").stdout


def test_edits_are_in_the_database(run, tmp_path):
    run("snapshot", "restore", golden("3.6"), "--data-dir", "d", "--bump-revision=1000", "--mark-compacted",
        "--drop-prefix", "/txn/", "--drop-key", "/large", "--drop-key", "/never-there", "--drop-leases",
        "--fix-version-markers", "--clear-alarms", "--initial-cluster-token=new")
    source, made = (BoltDB(p).buckets() for p in (golden("3.6"), tmp_path / "d/member/snap/db"))

    def revision(main, sub, end=b""):
        return main.to_bytes(8, "big") + b"_" + sub.to_bytes(8, "big") + end

    new = {k: v for k, v in made["key"].items() if k not in source["key"]}
    names = sorted([b"/large", b"/txn/a", b"/txn/b", b"/txn/c"])
    assert new == {**{revision(23, i, b"t"): b"\x0a" + bytes([len(n)]) + n for i, n in enumerate(names)},
                   revision(1023, 0): b""}
    assert all(made["key"][k] == v for k, v in source["key"].items())
    assert made["meta"][b"scheduledCompactRev"] == revision(1023, 0)
    assert made["meta"][b"finishedCompactRev"] == source["meta"][b"finishedCompactRev"]
    assert made["lease"] == {} and source["lease"]
    assert b"storageVersion" not in made["meta"] and made["cluster"] == {}
    keys = run("keys", "d").stdout.decode().splitlines()
    assert "/txn/a" not in keys and "/registry/configmaps/default/c3" in keys


def test_the_same_edits_give_the_same_digest_and_bytes(run, tmp_path):
    said = []
    for name in ("a", "b"):
        said.append(json.loads(run("snapshot", "restore", golden("3.5"), "--data-dir", name, "--drop-prefix=/registry/",
                                   "--bump-revision=7", "--mark-compacted", "-w", "json").stdout))
    assert said[0]["edits"] == said[1]["edits"] and said[0]["droppedKeys"] > 0
    assert (tmp_path / "a/member/snap/db").read_bytes() == (tmp_path / "b/member/snap/db").read_bytes()
    other = json.loads(run("snapshot", "restore", golden("3.5"), "--data-dir", "c", "-w", "json").stdout)
    assert other["edits"] != said[0]["edits"]


def test_members_from_the_snapshot(run):
    done = run("snapshot", "restore", golden("3.5"), "--data-dir", "d", "--members-from-snapshot", "-w", "json")
    said = json.loads(done.stdout)
    assert [m["name"] for m in said["members"]] == ["source"]
    said = run("snapshot", "restore", golden("3.5"), "--data-dir", "e", "--members-from-snapshot",
               "--initial-cluster", "a=http://b:1", status=128)
    assert b"exclude each other" in said.stderr


def test_the_ids_of_the_old_cluster_are_warned_of(run):
    """The source ran with the default token, so the same URL and token give its ids again."""
    done = run("snapshot", "restore", golden("3.5"), "--data-dir", "d", "--name=source",
               "--initial-cluster=source=http://127.0.0.1:23901", "-w", "json")
    assert json.loads(done.stdout)["sameIDs"] and b"--initial-cluster-token" in done.stderr


ARGUMENTS = [
    (["snapshot", "status", "FILE", "--bogus"], 1, "unknown option --bogus"),
    (["snapshot", "restore", "FILE", "--bump-revision", "x"], 1, "--bump-revision: 'x' is no number"),
    (["snapshot", "status"], 128, "requires exactly one argument"),
    (["snapshot", "status", "a", "b"], 128, "requires exactly one argument"),
    (["snapshot", "status", "FILE", "-w", "xml"], 4, "unsupported output format"),
    (["snapshot", "hashkv", "FILE", "-w", "xml"], 4, "unsupported output format"),
    (["snapshot", "restore", "FILE", "-w", "xml"], 4, "unsupported output format"),
    (["snapshot", "status", "-w", "xml"], 128, "requires exactly one argument"),
    (["keys", "FILE", "-w", "xml"], 2, "unsupported output format"),
    (["verify", "FILE", "-w", "xml"], 2, "unsupported output format"),
    (["dump", "bolt", "FILE", "-w", "xml"], 2, "unsupported output format"),
    (["snapshot", "status", "missing"], 1, "missing: No such file"),
    (["snapshot", "restore"], 128, "requires exactly one argument"),
    (["snapshot", "restore", "FILE", "--bump-revision", "5"], 128, "--mark-compacted required if --revision-bump > 0"),
    (["snapshot", "restore", "FILE", "--mark-compacted"], 128, "--mark-compacted required if --revision-bump > 0"),
    (["snapshot", "restore", "FILE", "--name", "x"], 1,
     'couldn\'t find local name "x" in the initial cluster configuration'),
    (["snapshot", "restore", "FILE", "--initial-cluster", "default=ftp://h:1"], 1,
     "URL scheme must be http, https, unix, or unixs: ftp://h:1"),
    (["snapshot", "restore", "FILE", "--initial-cluster", "default=http://h"], 1,
     'URL address does not have the form "host:port": http://h'),
    (["snapshot", "restore", "FILE", "--initial-cluster", "default=http://h:1/"], 1, "URL must not contain a path"),
    (["snapshot", "restore", "FILE", "--initial-cluster", "default=http://h:1,b=http://h:1"], 1, "duplicate"),
    (["snapshot", "restore", "FILE", "--initial-advertise-peer-urls", "http://other:1"], 1,
     "missing from --initial-advertise-peer-urls"),
    (["snapshot", "restore", "FILE", "--data-dir", "full"], 1, 'data-dir "full" not empty or could not be read'),
    (["snapshot", "restore", "FILE", "--wal-dir", "full"], 1, 'wal-dir "full" exists'),
    (["snapshot", "restore", "missing"], 1, "missing: No such file"),
    (["snapshot", "restore", "FILE", "--owner", "no-such-user"], 128, "no such user"),
    (["keys", "FILE", "--rev", "3"], 2, "has been compacted"),
    (["keys", "FILE", "--rev", "999"], 2, "is not there yet"),
    (["keys", "get", "FILE", "/none"], 1, "there is no key '/none'"),
]


@pytest.mark.parametrize("args, status, text", ARGUMENTS, ids=[" ".join(a[0]) for a in ARGUMENTS])
def test_wrong_arguments(run, tmp_path, args, status, text):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    done = run(*[golden("3.5") if a == "FILE" else a for a in args], status=status)
    assert text in done.stderr.decode()
    assert [p.name for p in tmp_path.iterdir()] == ["full"]


def test_one_bad_meta_page_is_survived(run, tmp_path):
    body = golden("3.5").read_bytes()[:-32]
    for at in (0, 8, 20, 4096, 4096 + 8, 4096 + 20):
        (tmp_path / "in.db").write_bytes(seal(body[:at] + b"\xff" + body[at + 1:]))
        shutil.rmtree(tmp_path / "d", ignore_errors=True)
        for command in (["snapshot", "status"], ["verify"]):
            done = run(*command, "-w", "json", "in.db")
            assert json.loads(done.stdout)["metaFallback"] and b"one of the two meta pages is damaged" in done.stderr
        done = run("snapshot", "restore", "in.db", "--data-dir", "d")
        assert b"one of the two meta pages is damaged" in done.stderr
        made = BoltDB(tmp_path / "d/member/snap/db")
        for page in (0, 1):
            assert made.read_meta(page * 4096) and made.data[page * 4096:page * 4096 + 9] == bytes([page, *bytes(7), 4])
        assert run("verify", "d").stdout


def test_a_copied_database_needs_the_flag_and_may_be_longer(run, tmp_path):
    (tmp_path / "in.db").write_bytes(golden("3.5").read_bytes()[:-32] + bytes(65536))
    run("snapshot", "restore", "in.db", "--data-dir", "d", status=1)
    run("snapshot", "restore", "in.db", "--data-dir", "d", "--skip-hash-check")
    wanted = BoltDB(GOLDEN / "etcd-3.5/1/db").buckets()
    made = BoltDB(tmp_path / "d/member/snap/db").buckets()
    assert made["key"] == wanted["key"] and made["lease"] == wanted["lease"]


def test_dry_run_writes_nothing(run, tmp_path):
    run("snapshot", "restore", golden("3.5"), "--data-dir", "d", "--dry-run")
    assert not list(tmp_path.iterdir())


def test_dry_run_finds_what_a_restore_finds(run, tmp_path):
    same = ("--name=source", "--initial-cluster=source=http://127.0.0.1:23901", "--data-dir=d", "-w", "json")
    done = run("snapshot", "restore", golden("3.5"), *same, "--dry-run")
    assert json.loads(done.stdout)["sameIDs"] and b"--initial-cluster-token" in done.stderr
    body = golden("3.5").read_bytes()[:-32]
    bad = body.replace(b'{"id":', b'["id":')
    assert bad != body
    (tmp_path / "in.db").write_bytes(seal(bad))
    for more in ([], ["--dry-run"]):
        assert b"member 8425f172696c3d59" in run("snapshot", "restore", "in.db", *same, *more, status=1).stderr


def test_a_directory_is_no_snapshot(run, tmp_path):
    run("snapshot", "restore", golden("3.5"), "--data-dir", "d")
    for more in ([], ["--dry-run"]):
        done = run("snapshot", "restore", "d", "--data-dir", "new", "--skip-hash-check", *more, status=1)
        assert b"d is a directory; the database of a stopped member is member/snap/db in it" in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_signal_ends_a_restore_and_leaves_nothing(program, tmp_path):
    with subprocess.Popen([program, "snapshot", "restore", "/dev/stdin", "--data-dir", "d"], cwd=tmp_path,
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as restore:
        # More than one block, so that by the end of this the program reads, and has staged.
        restore.stdin.write(bytes(5 << 20))
        assert [p.name[:13] for p in tmp_path.iterdir()] == [".etcd-rescue-"]
        restore.send_signal(signal.SIGTERM)
        # Wakes one that goes on reading; one that ended at once has closed its end.
        with contextlib.suppress(BrokenPipeError):
            restore.stdin.write(bytes(1 << 20))
        said = restore.stderr.read().decode()
        assert restore.wait(30) == 128 + signal.SIGTERM and "stopped by signal 15" in said
    assert not list(tmp_path.iterdir())


def test_names_do_not_steer_the_terminal(run, tmp_path):
    body = golden("3.5").read_bytes()[:-32]
    body = body.replace(b'"name":"source"', b'"name":"\\u001b"').replace(b"/registry/configmaps", b"/registry\x1bconfigmaps")
    (tmp_path / "in.db").write_bytes(seal(body))
    for command in ("status", "inspect"):
        done = run("snapshot", command, "in.db")
        assert b"\x1b" not in done.stdout + done.stderr and b"8425f172696c3d59 ? http" in done.stdout + done.stderr


def test_keys_and_values_at_each_revision(run):
    want = {b64decode(kv["key"]).decode(): kv for kv in expect("3.6")["range"]["kvs"]}
    listed = [json.loads(line) for line in run("keys", golden("3.6"), "-w", "json").stdout.splitlines()]
    assert [k["key"] for k in listed] == sorted(want)
    for key in listed:
        kv = want[key["key"]]
        assert (key["createRevision"], key["modRevision"], key["version"]) == (
            kv["create_revision"], kv["mod_revision"], kv["version"])
        assert run("keys", "get", golden("3.6"), key["key"]).stdout == b64decode(kv.get("value", ""))
    c3 = "/registry/configmaps/default/c3"
    assert run("keys", "get", golden("3.6"), c3).stdout == b"after the compaction"
    assert run("keys", "get", golden("3.6"), c3, "--rev", "20").stdout == b"changed twice"
    assert run("keys", golden("3.6"), "--prefix", "/txn/").stdout == b"/txn/a\n/txn/b\n/txn/c\n"


def test_inspect_knows_kubernetes_keys(run):
    said = json.loads(run("snapshot", "inspect", golden("3.6"), "-w", "json").stdout)
    assert said["kubernetes"] and {r["resource"]: r["objects"] for r in said["resources"]}["configmaps"] > 0
