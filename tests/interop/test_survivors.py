"""Who of the old cluster still answers: `etcd-rescue survivors` asking real etcd servers over TLS and without."""

import json
import socket
import subprocess
import threading
import time

import pytest

import requirement
from interop.server import free_ports
from sources.servers import Process

VERSIONS = ["3.3", "3.4", "3.5", "3.6", "3.7"]


def openssl(*args, cwd):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=cwd)


class Authority:
    """A CA of etcd's peers, with a peer certificate for the loopback: .ca .cert .key"""

    def __init__(self, place, name):
        self.ca, self.cert, self.key = place / f"{name}-ca.crt", place / f"{name}.crt", place / f"{name}.key"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *curve, "-subj", f"/CN={name}", "-days", "30", "-keyout", f"{name}-ca.key", "-out",
            self.ca, cwd=place)
        openssl("req", *curve, "-subj", "/CN=m1", "-keyout", self.key, "-out", f"{name}.csr", cwd=place)
        (place / f"{name}.ext").write_text(
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", self.ca, "-CAkey", f"{name}-ca.key", "-CAcreateserial",
            "-days", "30", "-extfile", f"{name}.ext", "-out", self.cert, cwd=place)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"), "peers")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def etcd(tmp_path):
    """etcd(version, port, token, authority=None, cluster=None, name="m2"): a member, started, which may have no quorum."""
    running = []

    def start(version, port, token, authority=None, cluster=None, name="m2"):
        program = requirement.need(f"etcd-{version}")
        scheme, (client,) = "https" if authority else "http", free_ports(1)
        url = f"{scheme}://127.0.0.1:{port}"
        tls = ["--peer-client-cert-auth", "--peer-trusted-ca-file", authority.ca, "--peer-cert-file", authority.cert,
               "--peer-key-file", authority.key] if authority else []
        server = Process([program, "--name", name, "--data-dir", tmp_path / f"{name}-{port}", "--listen-peer-urls", url,
            "--initial-advertise-peer-urls", url, "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}", "--initial-cluster", cluster or f"{name}={url}",
            "--initial-cluster-token", token, *tls], tmp_path / f"{name}-{port}.log")
        running.append(server)
        return server.wait_for_port(port)
    yield start
    for server in running:
        server.close()


@pytest.fixture
def survivors(image_file):
    """survivors(ports, *more, token="new", scheme="https"): (exit status, {name: answer}, what it says)"""
    def ask(ports, *more, token="new", scheme="https"):
        members = ",".join(f"m{n}={scheme}://127.0.0.1:{port}" for n, port in enumerate(ports, 1))
        done = subprocess.run([image_file("etcd-rescue"), "survivors", "--json", "--name", "m1", "--initial-cluster",
            members, "--initial-cluster-token", token, *map(str, more)], capture_output=True, text=True, timeout=120,
            check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return done.returncode, {a["name"]: a for a in lines if a.get("event") == "survivors"}, done.stderr
    return ask


def tls(authority):
    return ["--cacert", authority.ca, "--cert", authority.cert, "--key", authority.key]


@pytest.mark.parametrize("version", VERSIONS)
def test_survivor_answers_over_tls(version, authority, etcd, survivors):
    """A member of the old cluster without a leader is found by the peers' certificates, the others are nobody."""
    ports = free_ports(3)
    old = ",".join(f"m{n}=https://127.0.0.1:{port}" for n, port in enumerate(ports, 1))
    etcd(version, ports[1], "old", authority, old)
    status, answers, said = survivors(ports, *tls(authority))
    assert status == 6, said
    assert {name: a["kind"] for name, a in answers.items()} == {"m2": "survivor", "m3": "nobody"}
    assert int(answers["m2"]["cluster"], 16)
    assert "m2 answers at https://127.0.0.1" in said and "survivors: proceed" in said


@pytest.mark.parametrize("version", VERSIONS)
def test_restored_peer_is_none(version, authority, etcd, survivors):
    """Who has the id that we are about to have, of the same members and token, is restored and stops nobody."""
    ports = free_ports(2)
    new = ",".join(f"m{n}=https://127.0.0.1:{port}" for n, port in enumerate(ports, 1))
    etcd(version, ports[1], "new-0123456789ab", authority, new)
    status, answers, said = survivors(ports, *tls(authority), token="new-0123456789ab")
    assert (status, answers["m2"]["kind"]) == (0, "restored"), said


def test_policy(etcd, survivors):
    """none refuses a survivor too, proceed only warns."""
    ports = free_ports(2)
    etcd("3.5", ports[1], "old")
    assert survivors(ports, "--survivors", "none", scheme="http")[0] == 6
    status, answers, said = survivors(ports, "--survivors", "proceed", scheme="http")
    assert (status, answers["m2"]["kind"]) == (0, "survivor")
    assert "restoring beside it, as the plan says" in said


def test_same_token_cannot_be_told_apart(etcd, survivors):
    """With the old id stop and proceed refuse before they ask; none asks, and refuses whoever answers."""
    ports = free_ports(2)
    cluster = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(ports, 1))
    server = etcd("3.5", ports[1], "tkn", cluster=cluster)
    _, answers, _ = survivors(ports, token="tkn", scheme="http")
    same = ["--old-id", answers["m2"]["cluster"]]
    for policy in ("stop", "proceed"):
        status, answers, said = survivors(ports, *same, "--survivors", policy, token="tkn", scheme="http")
        assert (status, answers) == (6, {}) and "leave cluster.token out" in said, said
    status, answers, said = survivors(ports, *same, "--survivors", "none", token="tkn", scheme="http")
    assert (status, answers["m2"]["kind"]) == (6, "survivor") and "nobody can tell" in said
    status, answers, said = survivors(ports, *same, "--survivors", "none", "--committed", "m2", token="tkn", scheme="http")
    assert (status, answers["m2"]["kind"]) == (0, "restored"), said
    server.close()
    status, answers, said = survivors(ports, *same, "--survivors", "none", token="tkn", scheme="http")
    assert (status, answers["m2"]["kind"]) == (0, "nobody"), said


def test_old_member_that_is_none_of_the_new(etcd, survivors):
    """One master restores alone: the others of the old cluster are asked where they were."""
    ports, (own,) = free_ports(2), free_ports(1)
    old = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(ports, 2))
    etcd("3.5", ports[1], "old", name="m3", cluster=f"m3=http://127.0.0.1:{ports[1]}")
    status, answers, said = survivors([own], "--old-cluster", f"{old},m1=http://127.0.0.1:{own}", scheme="http")
    assert status == 6 and {n: a["kind"] for n, a in answers.items()} == {"m2": "nobody", "m3": "survivor"}, said


def test_without_our_certificate_it_cannot_be_told(authority, stranger, etcd, survivors):
    """A server that wants certificates refuses us without one, or with another CA's: that is somebody."""
    ports = free_ports(2)
    etcd("3.5", ports[1], "old", authority)
    for more in (["--cacert", authority.ca], tls(stranger), []):
        status, answers, said = survivors(ports, *more)
        assert (status, answers["m2"]["kind"]) == (6, "unknown"), said
        assert "cannot be told from a survivor" in said
    status, _, said = survivors(ports, *tls(stranger), "--survivors", "proceed")
    assert status == 0 and "restoring beside it" in said


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
                                    b"HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: none\r\nContent-Length: 2\r\n\r\n[]",
                                    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
                         ids=["silence", "no header", "no id", "redirect"])
def test_somebody_else_on_the_port(answer, survivors):
    """What takes connections and is no etcd cannot be told either; it does not hold us for long."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            held = []
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                held.append(client)
                if answer:
                    client.recv(4096)
                    client.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        status, answers, said = survivors([free_ports(1)[0], server.getsockname()[1]], scheme="http")
        assert (status, answers["m2"]["kind"]) == (6, "unknown"), said
        assert time.monotonic() - began < 20
        server.shutdown(socket.SHUT_RDWR)


def test_nobody_is_quick(survivors):
    """Refused, and an address that is not there: nobody, within the deadlines."""
    began = time.monotonic()
    status, answers, said = survivors([*free_ports(2)], "--old-cluster", "x=https://192.0.2.1:2380,y=https://no.such.invalid:2380")
    assert status == 0 and {a["kind"] for a in answers.values()} == {"nobody"} and len(answers) == 3, said
    assert time.monotonic() - began < 30
