"""The servers themselves: that each is what the tests take it for."""

import ssl
import subprocess
import urllib.request

import pytest

import requirement

from sources.servers import fetch


def test_nginx_serves_ranges_over_tls_of_a_private_authority(nginx, tmp_path):
    (tmp_path / "a.db").write_bytes(bytes(range(256)))
    server = nginx(tmp_path, tls=True)
    context = ssl.create_default_context(cafile=server.ca)
    request = urllib.request.Request(f"{server.url}/a.db", headers={"Range": "bytes=16-31"})
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        assert (answer.status, answer.read()) == (206, bytes(range(16, 32)))
    server.close()
    assert any("GET /a.db" in line for line in server.requests())


def test_nginx_and_apache_show_index_pages(nginx, apache, tmp_path):
    (tmp_path / "snapshot_2026-01-02.db").write_bytes(b"x")
    for server in (nginx(tmp_path, conf="autoindex on;"), apache(tmp_path)):
        assert b'href="snapshot_2026-01-02.db"' in fetch(server.url + "/")
        server.close()


def test_an_s3_server_keeps_what_it_is_given(s3):
    bucket = s3.bucket()
    s3.put(bucket, "dir/a b+c.db", b"first")
    assert s3.get(bucket, "dir/a b+c.db") == b"first"
    assert s3.plain("GET", s3.presign(bucket, "dir/a b+c.db").removeprefix(s3.endpoint)).body == b"first"


@pytest.mark.parametrize("subsystem", ["internal-sftp", "sftp-server"])
def test_sshd_lets_in_a_key_it_knows_and_no_other(sshd, subsystem, tmp_path):
    client, ssh, external = requirement.need("sftp-10.0", "ssh-10.0", "sftp-server-10.0")
    server = sshd(subsystem=str(external) if subsystem == "sftp-server" else subsystem)
    server.put("a.db", b"snapshot")
    for accepted, status in ((True, 0), (False, 255)):
        key = server.user_key(accepted=accepted)
        done = subprocess.run(
            [client, "-q", "-S", ssh, "-F", "none", "-i", key, "-o", f"UserKnownHostsFile={server.known_hosts}", "-o",
             "BatchMode=yes", "-o", "IdentitiesOnly=yes", f"sftp://{server.user}@{server.host}:{server.port}/a.db", tmp_path / str(accepted)],
            capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stderr + server.log()
    assert (tmp_path / "True").read_bytes() == b"snapshot" and not (tmp_path / "False").exists()
    server.close()
