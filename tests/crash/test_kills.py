"""The machine itself killed in the middle of an unattended restore (L2): its disk starts old, fenced or new, and the
image goes on to the end.

One line a kill is in build/test-artefacts/kills.txt: when it came, how many requests the disk had got, what the disk
held; `disk` and `image` say what became of the machine that was started from there.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import requirement
from crash import blocklog

TESTS = Path(__file__).resolve().parent.parent
SEED = 20261121


@pytest.fixture
def kills(image, image_file, artefacts, tmp_path):
    """kills(count, disk_every, image_every) -> one result a kill."""
    reason = blocklog.impossible()
    if reason:
        pytest.skip(reason)
    requirement.need("etcdutl-3.6", "etcd-3.6", "etcdctl-3.6", "./build/peers/grub-2.12")
    tool = blocklog.compile_tool(tmp_path)

    def kills(count, disk_every, image_every):
        asked = {"tool": str(tool), "image": str(image if (image / "vmlinuz").exists() else TESTS.parent / "out"),
                 "program": str(image_file("etcd-rescue")), "memory": str(tmp_path), "kills": count, "seed": SEED,
                 "disk_every": disk_every, "image_every": image_every, "transcripts": str(artefacts)}
        done = subprocess.run(["nice", "-n5", sys.executable, "-B", "-m", "crash.kills", json.dumps(asked)], cwd=TESTS,
                              capture_output=True, text=True, timeout=4 * 3600)
        (artefacts / "kills.txt").write_text(done.stdout)
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]
    return kills


def judge(results):
    wrong = [r for r in results if "wrong" in r or r.get("disk", "good") != "good" or r.get("image", "good") != "good"]
    assert not wrong, f"{len(wrong)} of {len(results)}: {wrong[:5]}"
    assert all(r["state"] in ("first", "fenced", "last") for r in results)


@pytest.mark.needs("gcc", "qemu-system-x86_64", "mke2fs", "partx", "strip")
def test_a_machine_killed_in_the_middle(kills):
    results = kills(3, 3, 3)
    judge(results)
    assert len(results) == 3 and {"disk", "image"} <= results[0].keys()


@pytest.mark.long
@pytest.mark.needs("gcc", "qemu-system-x86_64", "mke2fs", "partx", "strip")
def test_fifty_kills(kills):
    results = kills(60, 1, 1)
    judge(results)
    assert len(results) >= 50
