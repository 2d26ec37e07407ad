"""etcd-rescue verify and dump on stopped members of a real cluster, one of which was away and got a snapshot."""

import json
import subprocess
import threading
import time

import pytest

import requirement
from interop.server import GatewayError, Server, free_ports

PUTS = 5600  # raft keeps 5000 entries for members that are behind (etcdserver: SnapshotCatchUpEntries)


def many_puts(server, count):
    def work(n):
        for i in range(n):
            server.put(f"key {i % 50}", "v" * 100)
    threads = [threading.Thread(target=work, args=(count // 8,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def join(first, others, new):
    """Add a member and start it; etcd wants the others to have been there for a while."""
    for _ in range(600):
        try:
            first.call("/cluster/member/add", {"peerURLs": [new.peer_url]})
            break
        except GatewayError:
            time.sleep(0.2)
    names = ",".join(f"{s.name}={s.peer_url}" for s in [first, *others, new])
    new.extra += [f"--initial-cluster={names}", "--initial-cluster-state=existing"]
    new.start().wait(60)


@pytest.fixture
def members(tmp_path):
    """Three stopped data directories; the third was away while more was written than raft keeps."""
    requirement.need("etcd-3.5")
    servers = [Server("3.5", name, tmp_path / name, free_ports(2), ["--snapshot-count=100"]) for name in "abc"]
    a, b, c = servers
    try:
        a.extra.append(f"--initial-cluster=a={a.peer_url}")
        a.start().wait()
        join(a, [], b)
        join(a, [b], c)
        for i in range(20):
            c.put("early", str(i))
        c.stop()
        many_puts(a, PUTS)
        c.start().wait(60)
        for i in range(30):
            c.put("after", str(i))
    finally:
        for server in reversed(servers):
            server.stop()
    return [server.data_dir for server in servers]


def test_members_that_were_stopped_well_are_good(image_file, members):
    program = image_file("etcd-rescue")
    for directory in members:
        done = subprocess.run([program, "verify", directory], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    # The third has a snapshot in the middle of its log, and no entries before it.
    done = subprocess.run([program, "dump", "wal", "-w", "json", members[2]], capture_output=True, text=True,
                          check=True, timeout=60)
    indexes = [(r["type"], r["index"]) for r in map(json.loads, done.stdout.splitlines())
               if r["type"] in ("entry", "snapshot")]
    jumps = [i for i in range(1, len(indexes)) if indexes[i][1] > indexes[i - 1][1] + 1]
    assert jumps and all(indexes[i][0] == "snapshot" for i in jumps)
