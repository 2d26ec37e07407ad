"""The servers themselves: that each is what the tests take it for."""

import ssl
import urllib.request

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
