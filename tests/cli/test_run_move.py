"""etcd-rescue run where old and new do not fit side by side: the choices of `old:`, and the way back."""

import os
import re
import subprocess

import pytest

import requirement
from cli.test_run import (DATA, MANIFEST, MEMBERS, below, call, contents, marks, old_member, plan,  # noqa: F401
                          program, run, snapshot, tree)

ASIDE = "srv/spare/etcd"
STATE = "var/lib/etcd-rescue"


@pytest.fixture
def full(program, tree):
    """etcd's own file system, too small for two members."""
    if os.geteuid():
        pytest.skip("mounting takes root")
    subprocess.run(["rm", "-r", tree / "mnt/fast/etcd"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=110m,mode=755", "none", tree / "mnt/fast"], check=True)
    try:
        old_member(program, tree / DATA)
        (tree / "srv/spare").mkdir(parents=True)
        yield tree
    finally:
        subprocess.run(["umount", tree / "mnt/fast"], check=True)


@pytest.fixture
def move(plan):
    plan.write_text(plan.read_text() + "survivors: none\nold: move:/srv/spare\n")
    return plan


def is_old(before, after):
    return below(after, f"{DATA}/member") == below(before, f"{DATA}/member") and after[MANIFEST] == before[MANIFEST]


@pytest.mark.parametrize("old, hint", [("keep", "old: move:/PATH"), ("move:/mnt/fast/aside", "very file system"), ("move:/srv/none", "no such directory")])
def test_choices_are_told_with_the_bytes_short(program, full, plan, old, hint):
    plan.write_text(plan.read_text() + f"survivors: none\nold: {old}\n")
    (full / "mnt/fast/aside").mkdir()
    before = contents(full)
    result, said = run(program, full, plan, status=2 if "fast" in old else 1)
    assert hint in said and result["outcome"] == "untouched", said
    assert "very" in hint or "none" in old or int(re.search(r"(\d+) bytes are missing", said)[1]) > 1 << 20
    assert is_old(before, contents(full))
    assert sorted(os.listdir(full / DATA)) == ["member"]


def test_old_member_goes_to_the_other_file_system(program, full, move):
    before = contents(full)
    result, _ = run(program, full, move)
    assert result["outcome"] == "restored"
    call(program, "verify", full / DATA)
    assert os.listdir(full / DATA) == ["member"]
    keep = f"member.before-{result['plan_id'][:8]}"
    assert os.listdir(full / ASIDE) == [keep]
    after = contents(full)
    assert below(after, f"{ASIDE}/{keep}") == below(before, f"{DATA}/member")
    assert "master-3=https://127.0.10.13:2380" in (full / MANIFEST).read_text()
    seen = marks(full)
    assert run(program, full, move)[0]["outcome"] == "already-restored" and marks(full) == seen


def test_rollback_copies_it_back_and_keeps_the_new(program, full, move):
    before = contents(full)
    result, _ = run(program, full, move)
    new = below(contents(full), f"{DATA}/member")
    call(program, "rollback", "--root", full)
    after = contents(full)
    assert is_old(before, after) and os.listdir(full / DATA) == ["member"]
    aside = f"member.rolled-back-{result['plan_id'][:8]}"
    assert os.listdir(full / ASIDE) == [aside] and below(after, f"{ASIDE}/{aside}") == new
    assert run(program, full, move, "--again")[0]["outcome"] == "restored"


def test_forget_deletes_it_there_and_tells_how_much(program, full, move):
    run(program, full, move)
    said = call(program, "forget", "--root", full, "--yes", "--json").stdout
    assert os.listdir(full / ASIDE) == []
    freed = int(re.search(r'"bytes":\s*(\d+)', said)[1])
    assert freed > 60 << 20
    call(program, "verify", full / DATA)


def test_what_fits_stays_beside(program, tree, move):
    (tree / "srv/spare").mkdir(parents=True)
    result, _ = run(program, tree, move)
    assert sorted(os.listdir(tree / DATA)) == ["member", f"member.before-{result['plan_id'][:8]}"]
    assert os.listdir(tree / "srv/spare") == []


@pytest.mark.parametrize("how", ["run", "rollback"])
def test_killed_in_the_middle_it_goes_on_or_back(program, full, move, how):
    """At each rename behind the fence the program is killed: the disk is old, fenced or new, and what comes next ends it."""
    strace = requirement.need("strace")
    before, states = contents(full), []
    for n in range(1 if how == "run" else 2, 20, 2):
        done = subprocess.run([strace, "-f", "-qq", "-o", full.parent / "log", "--trace=renameat2",
                               f"--inject=renameat2:signal=KILL:when={n}", program, "run", "--root", full, "--file", move,
                               "--yes", "--again"], capture_output=True, text=True, timeout=120)
        now = contents(full)
        is_fenced = MANIFEST not in now
        states.append("fenced" if is_fenced else "old" if is_old(before, now) else "new")
        if not is_fenced and states[-1] == "new":
            call(program, "verify", full / DATA)
        if how == "run" and is_fenced:
            assert run(program, full, move)[0]["outcome"] == "restored"
            call(program, "verify", full / DATA)
        call(program, "rollback", "--root", full)
        assert is_old(before, contents(full)) and os.listdir(full / DATA) == ["member"]
        subprocess.run(["rm", "-rf", full / ASIDE], check=True)
        if done.returncode == 0:
            break
    assert done.returncode == 0 and states.count("fenced") >= 2, states


def test_source_that_fails_leaves_the_old_member_in_place(program, full, move, snapshot, tmp_path):
    broken = tmp_path / "snapshot_2026-11-21_180000.db"
    data = bytearray(snapshot.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    move.write_text(move.read_text().replace(str(snapshot), str(broken)))
    before = contents(full)
    run(program, full, move, status=1)
    assert is_old(before, contents(full)) and os.listdir(full / ASIDE) == []
