"""Whom the image believes: certificates of its own authority, of a stranger, of another name, and of another time."""

import pytest

import requirement
from net import authority


@pytest.fixture
def client(site, tmp_path):
    """client(certificate of the server, authority in the image or None) asks for the time; its answer."""
    requirement.need("openssl")

    def ask(certificate, known, scheme="https"):
        if known:
            (site.tree / "etc/etcd-rescue/ca/site.pem").write_bytes(known)
        peer = site.cable("eth0")
        site.address(peer, "eth0", "192.0.2.1/24")
        site.serve(peer, "web_server.py", 8443, *([certificate] if certificate else []))
        assert site.network("ip=192.0.2.9::192.0.2.1:24::eth0:none").status == 0
        return site.shell(f"etcd-rescue clock --url {scheme}://192.0.2.1:8443/plan?token=secret 2>&1", check=False)
    return ask


def test_a_certificate_of_the_sites_own_authority_is_believed(client, tmp_path):
    own = authority.make(tmp_path, "own", "IP:192.0.2.1")
    done = client(tmp_path / "own-server.pem", own)
    assert done.returncode == 0 and "right within 2 s by https://192.0.2.1:8443/plan?..." in done.stdout, done.stdout
    assert "secret" not in done.stdout


def test_a_certificate_of_a_stranger_is_refused(client, tmp_path):
    own = authority.make(tmp_path, "own", "IP:192.0.2.1")
    authority.make(tmp_path, "stranger", "IP:192.0.2.1")
    done = client(tmp_path / "stranger-server.pem", own)
    assert done.returncode == 1 and "no certificate authority known here signed" in done.stdout


def test_without_any_authority_nobody_is_believed(client, tmp_path):
    authority.make(tmp_path, "own", "IP:192.0.2.1")
    done = client(tmp_path / "own-server.pem", None)
    assert done.returncode == 1 and "no certificate authority known here signed" in done.stdout


def test_a_certificate_for_another_name_is_refused(client, tmp_path):
    own = authority.make(tmp_path, "own", "DNS:plans.example")
    done = client(tmp_path / "own-server.pem", own)
    assert done.returncode == 1 and "the server's certificate is for another name" in done.stdout


def test_plain_http_tells_the_time_too(client):
    done = client(None, None, "http")
    assert done.returncode == 0 and "right within 2 s" in done.stdout


def test_an_authority_that_is_none_is_named(client, tmp_path):
    authority.make(tmp_path, "own", "IP:192.0.2.1")
    done = client(tmp_path / "own-server.pem", b"-----BEGIN RUBBISH-----\n")
    assert done.returncode == 1
    assert "/etc/etcd-rescue/ca/site.pem: holds no certificate in PEM form" in done.stdout
