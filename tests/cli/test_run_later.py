"""What happens to a restored master later: people change it, restore again, and its disk is locked by flags."""

import gzip
import os
import re
import subprocess

import pytest

import requirement
from cli import test_run_layouts
from cli.test_run import DATA, MANIFEST, call, contents, marks, plan, program, run, snapshot, tree  # noqa: F401
from cli.tree import own_contents


def serve(tree):
    """As etcd does: another byte in the log of the member."""
    segment = next((tree / DATA / "member" / "wal").iterdir())
    with open(segment, "r+b") as f:
        f.seek(4096)
        f.write(b"etcd was here")


def test_the_same_snapshot_again_is_the_same_cluster_and_says_so(program, tree, plan):
    first, _ = run(program, tree, plan)
    second, said = run(program, tree, plan, "--again", status=6)
    assert second["outcome"] == "refused" and "token that the plan names" not in said and "generation: 2" in said
    file = tree.parent / "alone.yaml"
    file.write_text(plan.read_text() + "survivors: none\n")
    second, _ = run(program, tree, file, "--again")
    assert (second["outcome"], second["clusters"][0]["token"]) == ("restored", first["clusters"][0]["token"])


def test_a_file_that_changed_once_etcd_ran_is_life(program, tree, plan):
    run(program, tree, plan)
    (tree / MANIFEST).write_text((tree / MANIFEST).read_text() + "# by a person\n")
    result, said = run(program, tree, plan, status=1)
    assert "etcd.yaml" in said
    serve(tree)
    before = marks(tree)
    result, said = run(program, tree, plan)
    assert (result["outcome"], result["served"]) == ("already-restored", True) and "etcd.yaml" in said
    assert marks(tree) == before


def test_a_member_that_came_anew_is_life(program, tree, plan):
    run(program, tree, plan)
    data = tree / DATA
    subprocess.run(["cp", "-a", data / "member", data / "other"], check=True)
    subprocess.run(["rm", "-r", data / "member"], check=True)
    assert run(program, tree, plan, status=1)[0]["outcome"] == "untouched"
    os.rename(data / "other", data / "member")
    assert run(program, tree, plan)[0]["served"] is False
    serve(tree)
    result, _ = run(program, tree, plan)
    assert (result["outcome"], result["served"]) == ("already-restored", True)


def with_wal(tree, wal):
    path = tree / MANIFEST
    path.write_text(path.read_text().replace("    - --data-dir=", f"    - --wal-dir={wal}\n    - --data-dir="))
    assert f"--wal-dir={wal}\n" in path.read_text()


@pytest.mark.parametrize("role", ["restore", "join"])
def test_a_log_that_is_told_where_it_is_anyway_goes_with_its_member(program, tree, plan, role):
    """It has no predecessor of its own that could be put back."""
    with_wal(tree, "/var/lib/etcd//member/wal/")
    plan.write_text(plan.read_text() + f"role: {role}\n")
    before = own_contents(tree)
    result, _ = run(program, tree, plan)
    assert result["outcome"] == "restored" and (tree / DATA / f"member.before-{result['plan_id'][:8]}/wal").is_dir()
    assert (tree / DATA / "member/wal").is_dir() == (role == "restore")
    assert role == "join" or not subprocess.run([program, "verify", tree / DATA], check=False).returncode
    call(program, "rollback", "--root", tree)
    assert own_contents(tree) == before


@pytest.mark.parametrize("wal", ["/var/lib/etcd/member/log", "/var/lib/etcd/member", "/var/lib/etcd/", "/var/lib/etcd/member/wal/x"])
def test_a_log_and_a_member_in_each_other_are_refused(program, tree, plan, wal):
    """The one would go away with the other in the middle of the commit, and neither could be put back."""
    with_wal(tree, wal)
    before = marks(tree)
    result, said = run(program, tree, plan, status=1)
    assert "lie in each other" in said and "leave --wal-dir out" in said
    assert result["outcome"] == "untouched" and marks(tree) == before


def test_a_log_whose_place_is_written_by_a_way_back_is_refused(program, tree, plan):
    with_wal(tree, "/var/lib/etcd/x/../member/log")
    before = marks(tree)
    result, said = run(program, tree, plan, status=1)
    assert "write the path out" in said and result["outcome"] == "untouched" and marks(tree) == before


@pytest.fixture
def disk(tree, tmp_path):
    """The tree on a file system that has flags."""
    if os.geteuid():
        pytest.skip("mounting takes root")
    image, at = tmp_path / "disk", tmp_path / "mnt"
    with open(image, "wb") as f:
        f.truncate(512 << 20)
    subprocess.run([requirement.need("mkfs.ext4"), "-q", "-F", image], check=True)
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        subprocess.run(["cp", "-a", f"{tree}/.", at], check=True)
        yield at
    finally:
        subprocess.run(["chattr", "-R", "-i", at / DATA], capture_output=True)
        subprocess.run(["umount", at], check=True)


@pytest.mark.parametrize("where", [DATA, f"{DATA}/member", MANIFEST, "etc/kubernetes/manifests"])
def test_what_is_immutable_is_so_again_and_a_second_restore_works(program, disk, plan, where):
    chattr = requirement.need("chattr")
    subprocess.run([chattr, "+i", disk / where], check=True)
    _, said = run(program, disk, plan, status=6)
    assert "immutable" in said
    plan.write_text(plan.read_text() + "storage: {clear-immutable: yes}\n")

    def locked():
        return "i" in subprocess.run(["lsattr", "-d", disk / where], capture_output=True, text=True).stdout.split()[0]
    assert locked()
    run(program, disk, plan, "--until", "rewrite")
    plan.write_text(plan.read_text() + "generation: 2\n")
    _, said = run(program, disk, plan)
    assert locked() or where.endswith("member")
    assert not [n for n in os.listdir(disk / DATA) if n == ".etcd-rescue"], said
    plan.write_text(plan.read_text().replace("generation: 2", "generation: 3"))
    run(program, disk, plan)
    call(program, "verify", disk / DATA)
    call(program, "rollback", "--root", disk)
    call(program, "verify", disk / DATA)


def test_what_a_bad_candidate_said_is_forgotten(program, tmp_path):
    """Two clusters: the newest pair has a broken database of the events, and the one before is taken, as if first."""
    tree, place = tmp_path / "salt", tmp_path / "place"
    subprocess.run(["cp", "-a", test_run_layouts.GOLDEN / "layouts" / "salt" / "before", tree], check=True)
    for path in (p for p in tree.rglob("*") if p.is_file()):
        path.write_bytes(test_run_layouts.NETWORKS.sub(rb"127.1.2.", path.read_bytes()))
    good = gzip.decompress((test_run_layouts.GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes())
    events = (test_run_layouts.GOLDEN / "etcd-3.6" / "snapshot.db").read_bytes()
    for day, second in (("20", events[:-5000] + bytes(5000)), ("19", events)):
        folder = place / f"2026-11-{day}_180000"
        folder.mkdir(parents=True)
        (folder / "snapshot.db").write_bytes(good)
        (folder / "snapshot-events.db").write_bytes(second)
    file = tmp_path / "plan.yaml"
    file.write_text(f"source: file:{place}/\nrole: single\n")
    result, said = run(program, tree, file)
    assert "trying the next one" in said
    assert [c["snapshot"].split("/")[-2] for c in result["clusters"]] == ["2026-11-19_180000"] * 2


@pytest.mark.parametrize("command", ["run", "rollback"])
def test_half_way_is_told_also_by_who_changed_nothing(program, tree, plan, command):
    """Cut between fence and exchange, then somebody puts another manifest there: neither can go on."""
    strace = requirement.need("strace")
    subprocess.run([strace, "-f", "-qq", "-o", tree.parent / "log", "--trace=renameat2",
                    "--inject=renameat2:error=EIO:when=3", program, "run", "--root", tree, "--file", plan, "--yes"],
                   capture_output=True, timeout=120)
    assert not (tree / MANIFEST).exists()
    (tree / MANIFEST).write_text("somebody's\n")
    if command == "run":
        result, said = run(program, tree, plan, status=4)
        assert result["outcome"] == "unfinished"
    else:
        said = call(program, "rollback", "--root", tree, status=4).stderr
    assert "etcd.yaml is neither" in said
    (tree / MANIFEST).unlink()
    other = tree.parent / "other.yaml"
    other.write_text(plan.read_text() + "generation: 2\n")
    result, said = run(program, tree, plan if command == "rollback" else other)
    assert result["outcome"] == "restored" and ("another plan" in said) == (command == "run")


def test_a_journal_that_cannot_be_read_is_named_where_nothing_else_tells(program, tree, plan):
    """A fence is up, and nobody knows any more what of: "no control plane" alone would lead astray."""
    strace = requirement.need("strace")
    subprocess.run([strace, "-f", "-qq", "-o", tree.parent / "log", "--trace=renameat2",
                    "--inject=renameat2:error=EIO:when=3", program, "run", "--root", tree, "--file", plan, "--yes"],
                   capture_output=True, timeout=120)
    assert not (tree / MANIFEST).exists()
    journal = tree / "var/lib/etcd-rescue/journal"
    journal.write_bytes(journal.read_bytes().replace(b'"committing"', b'"committinG"'))
    before = marks(tree)
    _, said = run(program, tree, plan, status=1)
    assert "journal" in said and "control plane" in said and marks(tree) == before


def test_the_way_back_from_a_changed_file_is_the_one_that_is_told(program, tree, plan):
    before = contents(tree)
    run(program, tree, plan)
    (tree / MANIFEST).write_text("somebody's\n")
    said = call(program, "rollback", "--root", tree, status=6).stderr
    kept = re.search(r"once kept as /([^)]+)\)", said)[1]
    subprocess.run(["cp", "-a", tree / kept, tree / MANIFEST], check=True)
    call(program, "rollback", "--root", tree)
    assert {name: contents(tree)[name] for name in before} == before


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def test_a_rollback_that_run_ends_is_no_restore(program, tree, plan):
    """The journal as it is when the power goes right after a rollback has begun."""
    before = contents(tree)
    run(program, tree, plan)
    journal = tree / "var/lib/etcd-rescue/journal"
    text = journal.read_bytes().rpartition(b"crc32c ")[0].replace(b'"phase":"committed"', b'"phase":"rolling-back"')
    journal.write_bytes(text + b"crc32c %08x\n" % crc32c(text))
    result, said = run(program, tree, plan, status=3)
    assert result["outcome"] == "rolled-back" and "nothing was restored" in said and "generation: 2" in said
    after = contents(tree)
    assert {name: after[name] for name in before} == before
