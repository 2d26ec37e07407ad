"""etcd-rescue run from a compressed snapshot, whose size is known at its end alone: the disk is never filled to the brim."""

import gzip
import os
import re
import shutil
import subprocess

import pytest

import requirement
from cli.test_run import (DATA, GOLDEN, MANIFEST, MEMBERS, below, call, contents, old_member, program,  # noqa: F401
                          run, tree)

MIB = 1 << 20
PACKED = GOLDEN / "kubernetes" / "snapshot.db.gz"
UNPACKED = len(gzip.decompress(PACKED.read_bytes()))


@pytest.fixture(params=["gz", "zst"])
def packed(request, tmp_path):
    path = tmp_path / f"snapshot_2026-11-20_180000.db.{request.param}"
    if request.param == "gz":
        shutil.copy(PACKED, path)
    else:
        subprocess.run([requirement.need("zstd"), "-q", "-o", path], input=gzip.decompress(PACKED.read_bytes()), check=True)
    assert path.stat().st_size < UNPACKED - 2 * MIB
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{path}\n{MEMBERS}survivors: none\nfinish: {{install: no}}\n")
    return plan


@pytest.fixture
def small(program, tree):
    """small(bytes) is the tree, with etcd on a file system of its own that has so much room."""
    if os.geteuid():
        pytest.skip("mounting takes root")
    subprocess.run(["rm", "-r", tree / "mnt/fast/etcd"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "none", tree / "mnt/fast"], check=True)

    def shrink(room):
        old_member(program, tree / DATA)
        used = os.statvfs(tree / "mnt/fast")
        size = (used.f_blocks - used.f_bfree) * used.f_frsize + room
        subprocess.run(["mount", "-o", f"remount,size={size}", tree / "mnt/fast"], check=True)
        return tree
    try:
        yield shrink
    finally:
        subprocess.run(["umount", tree / "mnt/fast"], check=True)


def test_too_little_for_what_is_in_it_is_told_to_the_byte_and_nothing_is_left(program, small, packed):
    room = 80 * MIB + UNPACKED - 2 * MIB
    root = small(room)
    before = contents(root)
    result, said = run(program, root, packed, status=1)
    found = re.search(r"(\d+) bytes are missing: unpacked the snapshot has (\d+), (\d+) are for what else is written, and "
                      r"(\d+) are free; the choices: `old: move:", said)
    assert found, said
    missing, size, other, free = map(int, found.groups())
    assert size == UNPACKED and missing == size + other - free and abs(room - free) < 65536, said
    assert result["outcome"] == "untouched"
    after = contents(root)
    assert below(after, f"{DATA}/member") == below(before, f"{DATA}/member") and after[MANIFEST] == before[MANIFEST]
    assert os.listdir(root / DATA) == ["member"]
    left = os.statvfs(root / "mnt/fast")
    assert abs(room - left.f_bavail * left.f_frsize) < 65536


def test_what_was_missing_is_enough(program, small, packed):
    root = small(80 * MIB + UNPACKED)
    assert run(program, root, packed)[0]["outcome"] == "restored"
    call(program, "verify", root / DATA)
