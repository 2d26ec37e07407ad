"""Fill a real etcd through its JSON gateway, as a control plane of years would have, and save a snapshot.

    fill.py ETCD ETCDCTL OUT [--keys N] [--value BYTES] [--rounds R]

Every key is written R times, some are deleted, older revisions are compacted: the pages of the result lie in the
order in which a server left them, not in the order of the keys.
"""

import argparse
import base64
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PORT = int(os.environ.get("FILL_PORT", "23790"))


def call(connection, path, body):
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"fill.py: {path}: {answer.status} {text[:200]!r}")
    return json.loads(text)


def b64(data):
    return base64.b64encode(data).decode()


def start(etcd, data):
    url, peer = f"http://127.0.0.1:{PORT}", f"http://127.0.0.1:{PORT + 1}"
    server = subprocess.Popen(
        [etcd, "--name", "bench", "--data-dir", data, "--listen-client-urls", url, "--advertise-client-urls", url,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"bench={peer}",
         "--quota-backend-bytes", str(32 << 30), "--unsafe-no-fsync", "--log-level", "error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
            call(connection, "/v3/maintenance/status", {})
            return server, connection
        except (OSError, SystemExit):
            time.sleep(0.1)
    server.kill()
    sys.exit("fill.py: etcd did not start")


def fill(connection, keys, value, rounds):
    order = random.Random(7)
    noise = order.randbytes(value + 4096)
    revision = 0
    for number in range(rounds):
        batch = []
        for key in range(keys):
            name = f"/registry/pods/namespace-{key % 200:03d}/workload-{key:08d}".encode()
            at = order.randrange(4096)
            batch.append({"requestPut": {"key": b64(name), "value": b64(noise[at:at + value])}})
            if len(batch) == 100 or key + 1 == keys:
                answer = call(connection, "/v3/kv/txn", {"success": batch})
                revision = int(answer["header"]["revision"])
                batch = []
        if number + 1 < rounds:
            call(connection, "/v3/kv/compaction", {"revision": str(revision), "physical": True})
    for key in range(0, keys, 97):
        name = f"/registry/pods/namespace-{key % 200:03d}/workload-{key:08d}".encode()
        call(connection, "/v3/kv/deleterange", {"key": b64(name)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("etcd")
    parser.add_argument("etcdctl")
    parser.add_argument("out", type=Path)
    parser.add_argument("--keys", type=int, default=100000)
    parser.add_argument("--value", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="fill.", dir=options.out.parent)
    server, connection = start(options.etcd, f"{work}/data")
    try:
        fill(connection, options.keys, options.value, options.rounds)
        subprocess.run([options.etcdctl, f"--endpoints=127.0.0.1:{PORT}", "snapshot", "save", options.out],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={"ETCDCTL_API": "3", "PATH": os.environ["PATH"], "HOME": work})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
