"""https:// and http://: real servers' objects and index pages, their refusals, and proxies."""

import base64
import datetime
import subprocess
import urllib.parse
from pathlib import Path

import pytest

import requirement
from sources.answering import answering, proxy
from sources.servers import free_port
from sources.web_rescue import CANARY, Web

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DB = (GOLDEN / "etcd-3.5/snapshot.db").read_bytes()
OLD = (GOLDEN / "etcd-3.4/snapshot.db").read_bytes()
ODD = ["etcd backup & co #1 100% 2026-11-01.db", "größe <odd> 'q' 2026-11-02.db", "query?x=1;a:b+c 2026-11-03.db"]


@pytest.fixture
def web(run, program, tmp_path):
    return Web(run, program, tmp_path)


@pytest.fixture(scope="session")
def root(work):
    """What the servers show: dated snapshots, odd names, a folder."""
    top = work("web") / "root"
    folder = top / "backups"
    (folder / "2026-10").mkdir(parents=True)
    for name, data in {"etcd-2026-11-20.db": DB, "etcd-2026-11-19.db": OLD, **dict.fromkeys(ODD, OLD)}.items():
        (folder / name).write_bytes(data)
    (folder / "notes.txt").write_text("no snapshot")
    (top / "empty").mkdir()
    (top / "sign-in.html").write_text("<!DOCTYPE html><html><body>Sign in")
    return top


AUTOINDEX = "location / { autoindex on; %s }"
PAGES = {
    "nginx": ("nginx", AUTOINDEX % ""), "nginx-short": ("nginx", AUTOINDEX % "autoindex_exact_size off;"),
    "nginx-json": ("nginx", AUTOINDEX % "autoindex_format json;"), "apache": ("apache", ""),
    "apache-fancy": ("apache", "IndexOptions FancyIndexing"),
    "apache-table": ("apache", "IndexOptions FancyIndexing HTMLTable NameWidth=*"),
}


@pytest.mark.parametrize("page", PAGES)
def test_index_pages(web, root, page, request):
    kind, conf = PAGES[page]
    server = request.getfixturevalue(kind)(root, conf=conf)
    try:
        found = web.list(server.url + "/backups/", "--folder", "any")
        assert {"etcd-2026-11-20.db", "etcd-2026-11-19.db", *ODD} <= set(found), sorted(found)
        # Exact whatever the page shows: those that matter were asked for.
        assert found["etcd-2026-11-20.db"]["size"] == len(DB) and found["etcd-2026-11-20.db"]["rank"] == 1
        assert found["etcd-2026-11-20.db"]["url"] == server.url + "/backups/etcd-2026-11-20.db"
        assert found[ODD[0]]["size"] == len(OLD)
        assert all(one["url"].startswith(server.url + "/backups/") for one in found.values())
        assert web.fetch(server.url + "/backups/") == DB
        for name in ODD:
            assert web.fetch(server.url + "/backups/" + urllib.parse.quote(name)) == OLD
        assert web.fetch(server.url + "/backups/", "--snapshot", ODD[1]) == OLD
    finally:
        server.close()


@pytest.fixture(scope="session")
def plain(nginx, root):
    return nginx(root, conf=AUTOINDEX % "")


@pytest.fixture(scope="session")
def secure(nginx, root):
    return nginx(root, tls=True, conf=AUTOINDEX % "")


def test_one_object(web, plain, secure):
    found = web.list(plain.url + "/backups/etcd-2026-11-20.db")
    assert [one["size"] for one in found.values()] == [len(DB)]
    assert web.fetch(plain.url + "/backups/etcd-2026-11-20.db") == DB
    assert web.fetch(secure.url + "/backups/etcd-2026-11-19.db", "--ca", secure.ca) == OLD
    assert web.fetch(plain.url + "/backups/etcd-2026-11-20.db", "--part-size", "64K", "--streams", "3") == DB
    assert any(" 206 " in line for line in plain.requests())


def test_what_is_not_there(web, plain):
    assert "there is no such thing (status 404)" in web.fails(plain.url + "/backups/none.db")
    assert "there is no such thing (status 404)" in web.fails(plain.url + "/none/")
    assert "no links to files" in web.fails(plain.url + "/empty/")
    line = web.fails(plain.url + "/sign-in.html", verb="fetch")
    assert "a page of HTML" in line and "end the address with '/'" in line
    # A directory without its slash: the server sends us on to the page.
    assert "a page of HTML" in web.fails(plain.url + "/backups", verb="fetch")


def test_unknown_authority_and_no_tls_at_all(web, plain, secure):
    assert "no certificate authority known here signed the server's certificate" in web.fails(secure.url + "/backups/")
    assert "speaks no TLS on this port" in web.fails(plain.url.replace("http:", "https:") + "/backups/")


@pytest.fixture(scope="session")
def openssl():
    return requirement.need("openssl")


class Authority:
    """Certificates of a life and kind of their own, by openssl."""

    def __init__(self, openssl, work):
        self.openssl, self.work = openssl, work
        self("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out",
             "ca.pem", "-subj", "/CN=web tests", "-days", "3650")
        self.ca = work / "ca.pem"

    def __call__(self, *words):
        subprocess.run([self.openssl, *words], cwd=self.work, check=True, capture_output=True)

    def issue(self, name, first="20250101000000Z", last="20390101000000Z", use="serverAuth", host="localhost"):
        (self.work / "ext").write_text(f"subjectAltName=DNS:{host}\nextendedKeyUsage={use}\n")
        self("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
             f"{name}.csr", "-subj", f"/CN={name}")
        (self.work / "index.txt").write_text("")
        (self.work / "ca.cnf").write_text(
            "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        self("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out",
             f"{name}.pem", "-startdate", first, "-enddate", last, "-extfile", "ext", "-notext")
        return self.work / f"{name}.pem", self.work / f"{name}.key"


@pytest.fixture(scope="session")
def own(openssl, work):
    return Authority(openssl, work("web-authority"))


class Own:
    """In place of conftest's certificates."""

    def __init__(self, ca, certificate, key):
        self.ca, self.certificate, self.key = ca, certificate, key


@pytest.fixture(scope="session")
def tls_server(root, work, opened, own):
    """An nginx with this certificate of the own authority."""
    from sources.nginx import Nginx

    def start(pair, conf=""):
        opened.append(Nginx(root, work("nginx"), Own(own.ca, *pair), AUTOINDEX % "" + conf))
        return opened[-1]
    return start


def test_expired_certificate(web, own, tls_server):
    server = tls_server(own.issue("expired", "20200101000000Z", "20210101000000Z"))
    line = web.fails(server.url + "/backups/", "--ca", own.ca)
    assert "the server's certificate" in line and "expired" in line and "clock" in line
    server = tls_server(own.issue("future", "20380101000000Z", "20390101000000Z"))
    line = web.fails(server.url + "/backups/", "--ca", own.ca)
    assert "the server's certificate" in line and "set the clock" in line


def test_certificate_for_another_name(web, own, tls_server):
    server = tls_server(own.issue("other", host="elsewhere.example"))
    assert "certificate is for another name" in web.fails(server.url + "/backups/", "--ca", own.ca)


def test_client_certificate(web, own, tls_server):
    server = tls_server(own.issue("server"), f"ssl_verify_client on; ssl_client_certificate {own.ca};")
    url = server.url + "/backups/etcd-2026-11-20.db"
    for verb in ("list", "fetch"):
        line = web.fails(url, "--ca", own.ca, verb=verb)
        assert "the server wants a client certificate" in line and "client-cert" in line
    certificate, key = own.issue("client", use="clientAuth")
    mine = ["--ca", own.ca, "--client-cert", certificate, "--client-key", key]
    assert web.fetch(url, *mine) == DB
    assert "etcd-2026-11-20.db" in web.list(server.url + "/backups/", *mine)
    certificate, key = own.issue("late", "20200101000000Z", "20210101000000Z", use="clientAuth")
    line = web.fails(url, "--ca", own.ca, "--client-cert", certificate, "--client-key", key)
    assert "does not accept our client certificate" in line


def test_a_handshake_that_ends_for_want_of_a_certificate(web, own):
    """Servers that refuse in the handshake, not with a page."""
    with answering(lambda _: (200, {}, DB), own.issue("strict"), own.ca) as server:
        line = web.fails(server.url + "/etcd.db", "--ca", own.ca)
        assert "it may want a client certificate (https.client-cert)" in line
        # With one it is another matter.
        certificate, key = own.issue("strict-client", use="clientAuth")
        assert web.fetch(server.url + "/etcd.db", "--ca", own.ca, "--client-cert", certificate, "--client-key", key) == DB


def basic(request):
    told = request.headers.get("Authorization", "")
    if told not in ("Basic " + base64.b64encode(f"ops:{CANARY}".encode()).decode(), f"Bearer {CANARY}"):
        return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b"no"
    if request.path.endswith("/"):
        return 200, {"Content-Type": "text/html"}, b'<a href="etcd-2026-11-20.db">x</a>'
    return 200, {"Content-Type": "application/octet-stream"}, DB


def test_basic_and_bearer(web):
    with answering(basic) as server:
        url = server.url + "/etcd-2026-11-20.db"
        for verb in ("list", "fetch"):
            line = web.fails(url, verb=verb)
            assert "the server wants a user and password, or a token (status 401)" in line
            line = web.fails(url, "--user", "ops", "--secret-file", web.secret("wrong"), verb=verb)
            assert "does not accept the user and password (status 401)" in line
            line = web.fails(url, "--secret-file", web.secret("wrong"), verb=verb)
            assert "does not accept the token (status 401)" in line
        for who in (["--user", "ops"], []):
            options = [*who, "--secret-file", web.secret()]
            assert web.fetch(url, *options) == DB
            assert any("for all to read: use https" in text for text in web.warnings)
            assert web.fetch(server.url + "/", *options) == DB
    with answering(lambda _: (403, {}, b"")) as server:
        assert "does not let just anybody read this (status 403)" in web.fails(server.url + "/a.db")


def test_credentials_stay_with_their_server(web):
    with answering(lambda _: (200, {}, DB)) as other, \
            answering(lambda _: (302, {"Location": other.url.replace("localhost", "127.0.0.1") + "/x.db"}, b"")) as server:
        assert web.fetch(server.url + "/etcd.db", "--user", "ops", "--secret-file", web.secret()) == DB
        assert all("Authorization" in headers for _, headers in server.seen)
        assert other.seen and not any("Authorization" in headers for _, headers in other.seen)


def test_redirects(web, own):
    with answering(lambda _: (200, {}, DB)) as clear:
        with answering(lambda _: (302, {"Location": clear.url + "/x.db"}, b""), own.issue("away")) as server:
            line = web.fails(server.url + "/etcd.db", "--ca", own.ca)
            assert "from https to http" in line and not clear.seen
        with answering(lambda _: (302, {"Location": "file:///etc/shadow"}, b"")) as server:
            assert "neither http nor https" in web.fails(server.url + "/etcd.db")
    with answering(lambda request: (302, {"Location": request.path + "x"}, b"")) as server:
        assert "more than 5 redirections" in web.fails(server.url + "/etcd.db")


def presigned(url, age=0, life=3600, **more):
    made = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    return url + "?" + urllib.parse.urlencode({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{CANARY}/x",
            "X-Amz-Date": made.strftime("%Y%m%dT%H%M%SZ"), "X-Amz-Expires": life, "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": CANARY, **more})


def xml(code, text=""):
    return b'<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>' % (code.encode(), text.encode())


def test_presigned(web):
    """For GET alone, as signatures are; the query is in no text."""
    def serve(request):
        if request.command != "GET" or CANARY not in request.path:
            return 403, {}, xml("SignatureDoesNotMatch")
        return 200, {}, DB
    with answering(serve) as server:
        url = presigned(server.url + "/bucket/etcd-2026-11-20.db")
        found = web.list(url)
        assert [one["size"] for one in found.values()] == [len(DB)]
        assert [one["url"] for one in found.values()] == [server.url + "/bucket/etcd-2026-11-20.db"]
        assert web.fetch(url) == DB


@pytest.mark.parametrize("verb", ["list", "fetch"])
def test_presigned_and_refused(web, verb):
    with answering(lambda _: (403, {}, xml("AccessDenied", "Request has expired"))) as server:
        line = web.fails(presigned(server.url + "/a.db", age=7200), verb=verb)
        assert "was good until 20" in line and "has expired: make a new one" in line
        assert "has expired: make a new one" in web.fails(server.url + f"/a.db?sig={CANARY}", verb=verb)
    with answering(lambda _: (403, {}, xml("SignatureDoesNotMatch", CANARY))) as server:
        line = web.fails(presigned(server.url + "/a.db"), verb=verb)
        assert "not as it was signed: it was cut or changed" in line
    with answering(lambda _: (403, {}, xml("AccessDenied", CANARY))) as server:
        assert "refuses the presigned address (status 403)" in web.fails(presigned(server.url + "/a.db"), verb=verb)


def test_presigned_by_a_real_store(web, radosgw):
    bucket = radosgw.bucket()
    radosgw.put(bucket, "etcd-2026-11-20.db", DB)
    url = radosgw.presign(bucket, "etcd-2026-11-20.db")
    assert web.fetch(url) == DB
    line = web.fails(url[:-5] + "00000")
    assert "not as it was signed" in line or "refuses the presigned address" in line
    assert urllib.parse.urlsplit(url).query not in line


def test_an_index_that_points_away(web):
    """Only what lies below the address is listed, whatever a page says."""
    with answering(lambda _: (200, {}, OLD)) as other:
        page = (f'<a href="{other.url}/etcd-2026-11-29.db">a</a><a href="../etcd-2026-11-28.db">b</a>'
                '<a href="/etc/etcd-2026-11-27.db">c</a><a href="etcd-2026-11-20.db">d</a>'
                '<a href="..%2fetcd-2026-11-26.db">e</a>').encode()
        with answering(lambda request: (200, {}, page if request.path.endswith("/") else DB)) as server:
            assert list(web.list(server.url + "/b/")) == ["etcd-2026-11-20.db"]
            assert web.fetch(server.url + "/b/") == DB
        assert not other.seen


def test_through_a_proxy(web, plain, secure):
    with proxy() as (address, asked):
        assert web.fetch(plain.url + "/backups/etcd-2026-11-20.db", "--proxy", address) == DB
        assert all(line.startswith("GET http://localhost:") for line in asked) and asked
        asked.clear()
        assert web.fetch(secure.url + "/backups/", "--proxy", address, "--ca", secure.ca) == DB
        assert all(line.startswith(f"CONNECT localhost:{secure.port}") for line in asked) and asked
        asked.clear()
        env = {"https_proxy": address, "http_proxy": address}
        assert web.fetch(secure.url + "/backups/", "--ca", secure.ca, env=env) == DB and asked
        asked.clear()
        for exempt in ("localhost", "*", "example.org,localhost"):
            assert web.fetch(secure.url + "/backups/", "--ca", secure.ca, env={**env, "no_proxy": exempt}) == DB
        assert not asked


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(web, plain, secure, scheme):
    url = {"http": plain, "https": secure}[scheme].url + "/backups/"
    for status, words in ((407, "it wants a user and password; set https_proxy"), (403, None), (502, None)):
        with proxy(b"HTTP/1.1 %d No\r\n" % status) as (address, _):
            secret = address.replace("http://", f"http://me:{CANARY}@")
            # One object: of a page a failure like 502 is repeated for a minute.
            line = web.fails(url + "etcd-2026-11-20.db", "--ca", secure.ca, env={f"{scheme}_proxy": secret})
            assert f"status {status}" in line
            if status < 500:
                assert web.fails(url, "--ca", secure.ca, env={f"{scheme}_proxy": secret}).startswith(url + ": ")
            if words:
                assert words in line
            if scheme == "https" and status == 403:
                assert "the proxy refuses us" in line and "no_proxy" in line
    line = web.fails(url + "etcd-2026-11-20.db", "--ca", secure.ca, env={f"{scheme}_proxy": f"http://127.0.0.1:{(nobody := free_port())}"})
    assert f"127.0.0.1 port {nobody}" in line


def test_a_place_below(web, plain, root):
    place = root / "backups/2026-10/etcd-2026-10-31.db"
    place.write_bytes(OLD)
    try:
        assert web.fetch(plain.url + "/backups/2026-10/") == OLD
    finally:
        place.unlink()


def test_addresses_that_make_no_sense(web):
    assert "no host" in web.fails("https:///x.db")
    assert "user and password out of the address" in web.fails(f"https://me:{CANARY}@localhost/x.db")
