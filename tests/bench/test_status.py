"""`snapshot status` of millions of keys: as many as etcdutl counts, in bounded memory."""

import json
import os
import subprocess
import sys

import pytest

import requirement
from interop.server import free_ports

KEYS, MIB = 2_300_000, 1 << 20


def peak(command, out):
    """Standard output, and peak memory in bytes, which of all children only wait4 tells of this one."""
    with out.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return json.loads(out.read_text()), usage.ru_maxrss * 1024


@pytest.mark.long
@pytest.mark.needs("etcd-3.5", "etcdctl-3.5", "etcdutl-3.6")
def test_status_of_millions_of_keys(top, image_file, tmp_path):
    """A real etcd is filled with small keys, which takes five minutes; 1 in 97 is deleted again."""
    program, snapshot = image_file("etcd-rescue"), tmp_path / "keys.db"
    etcd, etcdctl, etcdutl = requirement.need("etcd-3.5", "etcdctl-3.5", "etcdutl-3.6")
    port, = free_ports(1)
    subprocess.run([sys.executable, top / "tests/bench/fill.py", etcd, etcdctl, snapshot, "--keys", str(KEYS), "--value",
                    "8", "--rounds", "1"], check=True, timeout=3600, env={**os.environ, "FILL_PORT": str(port)})
    ours, memory = peak([program, "snapshot", "status", "-w", "json", snapshot], tmp_path / "ours")
    theirs, _ = peak([etcdutl, "snapshot", "status", "-w", "json", snapshot], tmp_path / "theirs")
    assert {key: ours[key] for key in theirs} == theirs
    assert ours["totalKey"] == KEYS - len(range(0, KEYS, 97))
    assert memory <= 64 * MIB, f"{memory / MIB:.1f} MiB"
    print(f"{memory / MIB:.1f} MiB")
