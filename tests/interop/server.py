"""Real etcd servers on loopback, and their JSON gateway."""

import base64
import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from ports import free_ports # noqa: F401 (of every server of this kind)

PATIENCE = 120 # seconds, for what a machine does in one that has nothing else to do
PEERS = Path(__file__).resolve().parents[2] / "build" / "peers" / "bin"


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


class GatewayError(Exception):
    pass


class Server:
    """One member: `version` "3.5", the directory it starts on, and its own ports."""

    def __init__(self, version, name, data_dir, ports, extra=()):
        self.version, self.name, self.data_dir = version, name, Path(data_dir)
        self.client_port, self.peer_port = ports
        self.extra = list(extra)
        self.process = None
        self.log = self.data_dir.with_name(self.data_dir.name + ".log")

    @property
    def peer_url(self):
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self):
        client = f"http://127.0.0.1:{self.client_port}"
        command = [PEERS / f"etcd-{self.version}", "--name", self.name, "--data-dir", self.data_dir,
                   "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls",
                   self.peer_url, "--initial-advertise-peer-urls", self.peer_url, *self.extra]
        if self.version >= "3.5":
            command.append("--unsafe-no-fsync")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            env={**os.environ, "ETCD_UNSUPPORTED_ARCH": ""})
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def call(self, path, body, timeout=PATIENCE):
        prefix = "/v3beta" if self.version == "3.3" else "/v3"
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=timeout)
        try:
            connection.request("POST", prefix + path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise GatewayError(f"{path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)

    def wait(self, seconds=PATIENCE):
        """Until it has a leader and answers a linearizable read."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.call("/kv/range", {"key": b64("x")}, 5)
            except (OSError, GatewayError, http.client.HTTPException) as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise AssertionError(f"etcd {self.version} {self.name} does not serve: {error}\n{tail}") from None
                time.sleep(0.05)

    def keys(self):
        """{key: (create, mod, version, lease, value)} of everything it serves."""
        answer = self.call("/kv/range", {"key": b64(b"\0"), "range_end": b64(b"\0")}, 30)
        return {base64.b64decode(kv["key"]): (kv["create_revision"], kv["mod_revision"], kv["version"],
                                              kv.get("lease", "0"), kv.get("value", ""))
                for kv in answer.get("kvs", [])}

    def put(self, key, value, lease=None):
        body = {"key": b64(key), "value": b64(value)}
        if lease:
            body["lease"] = lease
        return int(self.call("/kv/put", body)["header"]["revision"])

    def hashkv(self):
        """By etcdctl: under the gateway of 3.4 the path of HashKV leads to another RPC, Hash."""
        done = subprocess.run([PEERS / f"etcdctl-{self.version}", f"--endpoints=127.0.0.1:{self.client_port}", "endpoint",
                               "hashkv", "-w", "json"], check=True, capture_output=True, timeout=PATIENCE,
                              env={**os.environ, "ETCDCTL_API": "3"})
        return json.loads(done.stdout)[0]["HashKV"]["hash"]

    def watch_from(self, key, revision):
        """The first thing a watch says about changes since a revision."""
        prefix = "/v3beta" if self.version == "3.3" else "/v3"
        connection = http.client.HTTPConnection("127.0.0.1", self.client_port, timeout=PATIENCE)
        try:
            connection.request("POST", prefix + "/watch", json.dumps(
                {"create_request": {"key": b64(key), "start_revision": str(revision)}}))
            answer = connection.getresponse()
            for _ in range(3):
                said = json.loads(answer.readline())["result"]
                if not said.get("created") or said.get("canceled"):
                    return said
        finally:
            connection.close()
        return None


def start_all(servers):
    for server in servers:
        server.start()
    for server in servers:
        server.wait()
    return servers


def stop_all(servers):
    for server in servers:
        server.stop()


@contextlib.contextmanager
def kept_in(place):
    """An etcd 3.5 to fill, and save(name), which keeps what it holds by then as a snapshot in `place`."""
    server = Server("3.5", "source", place / "data", free_ports(2))
    server.extra = ["--initial-cluster", f"source={server.peer_url}"]

    def save(name):
        subprocess.run([PEERS / "etcdctl-3.5", f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save", place / name],
                       check=True, capture_output=True, timeout=60)
    try:
        server.start().wait()
        yield server, save
    finally:
        server.stop()
