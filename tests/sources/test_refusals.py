"""What goes wrong most at 3 AM, each said in one clear line that says what to change."""

import socket

import pytest

from net import authority
from sources.nginx import Nginx
from sources.s3 import S3
from sources.servers import Certificates, free_port
from sources.snapshots import make

SNAPSHOT = make(60_000)


class Case:
    def __init__(self, args, env=None, words=(), never=()):
        self.args, self.env, self.words, self.never = args, env or {}, words, never


@pytest.fixture(scope="module")
def store(s3):
    """Each S3 server, with .bucket_name that holds backup/a.db."""
    name = s3.bucket()
    s3.put(name, "backup/a.db", SNAPSHOT)
    s3.bucket_name = name
    return s3


@pytest.fixture
def refused(program, run, tmp_path):
    """refused(case): list and fetch both end with 1 and the same kind of line, which has the words."""
    def call(case, commands=("list", "fetch"), status=1):
        for command in commands:
            output = ["-o", tmp_path / "got.db"] if command == "fetch" else []
            done = run(program, command, "--quiet", *case.args, *output, env=case.env)
            assert done.returncode == status, (command, done)
            assert done.stdout == "" and not (tmp_path / "got.db").exists()
            # What is tried again is told as a warning before.
            lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
            # One line, and at most one of advice that goes with the kind of error.
            assert lines[0].startswith("etcd-rescue: ") and len(lines[0]) < 500, done.stderr
            assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  ")), done.stderr
            for word in case.words:
                assert word in done.stderr, f"{command}: nothing about {word}: {done.stderr}"
            for word in case.never:
                assert word not in done.stderr, done.stderr
    return call


def s3_case(store, words, url=None, args=(), endpoint=None, **env):
    env = {"AWS_" + name.upper(): value for name, value in env.items()}
    kept = {name: value for name, value in store.env.items() if name != "AWS_ENDPOINT_URL"}
    return Case(["--endpoint", endpoint or store.endpoint, *args, url or f"s3://{store.bucket_name}/backup/"],
                {**kept, **env}, words)


def test_a_wrong_secret_key(refused, store):
    refused(s3_case(store, ["secret key", "does not belong"], secret_access_key="wrong"))


def test_an_unknown_access_key(refused, store):
    refused(s3_case(store, ["access key"], access_key_id="AKIANOBODY"))


def test_no_keys_at_all(refused, store):
    case = s3_case(store, ["AWS_ACCESS_KEY_ID", "--credentials"])
    case.env = {"AWS_EC2_METADATA_DISABLED": "true"}
    refused(case)


def test_keys_that_may_not(refused, store):
    case = s3_case(store, [store.bucket_name], args=["--credentials", "none"])
    refused(case)


def test_a_missing_bucket(refused, store):
    refused(s3_case(store, ["no-such-bucket", "bucket"], "s3://no-such-bucket/backup/"))


def test_an_empty_prefix(refused, store):
    refused(s3_case(store, [store.bucket_name, "elsewhere/", "backup/"], f"s3://{store.bucket_name}/elsewhere/"))


def test_a_bucket_that_is_empty(refused, store):
    refused(s3_case(store, ["empty"], f"s3://{store.bucket()}/"))


def test_a_missing_object(refused, store):
    refused(s3_case(store, ["backup/none.db"], f"s3://{store.bucket_name}/backup/none.db"))


def test_a_wrong_region_is_healed_or_named(program, run, versitygw):
    """This server knows one region only and names it in its refusal."""
    bucket = versitygw.bucket()
    versitygw.put(bucket, "backup/a.db", SNAPSHOT)
    env = {**versitygw.env, "AWS_REGION": "us-east-1"}
    done = run(program, "list", "--endpoint", versitygw.endpoint, f"s3://{bucket}/backup/", env=env)
    if done.returncode == 0:
        assert "eu-test-1" in done.stderr, "another region was taken without a word"
    else:
        assert "region" in done.stderr and "eu-test-1" in done.stderr, done.stderr


def test_a_wrong_region_that_is_not_healed(refused, moto):
    """AWS itself: a bucket elsewhere, in a region that this endpoint does not speak for."""
    def answer(handler):
        authority.say(handler, b"<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be "
                               b"addressed using the specified endpoint.</Message></Error>", 301,
                      x_amz_bucket_region="eu-west-3", Content_Type="application/xml")
    server = authority.Server(answer)
    try:
        store = S3("elsewhere", f"http://localhost:{server.port}", moto.access, moto.secret, "us-east-1")
        store.bucket_name = "elsewhere"
        refused(s3_case(store, ["region", "eu-west-3"]))
    finally:
        server.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    (root / "a.db").write_bytes(SNAPSHOT)
    return root


def test_an_expired_certificate(refused, site, work):
    old = Certificates(work("expired"), "expired").expire()
    server = Nginx(site, work("nginx"), old)
    try:
        refused(Case(["--ca", old.ca, server.url + "/a.db"], words=["certificate", "expired"]))
    finally:
        server.close()


def test_a_certificate_of_an_unknown_authority(refused, nginx, site):
    server = nginx(site, tls=True)
    refused(Case([server.url + "/a.db"], words=["certificate", "--ca"]))
    server.close()


def test_a_certificate_for_another_name(refused, site, work):
    other = Certificates(work("other"), "other", "DNS:other.example")
    server = Nginx(site, work("nginx"), other)
    try:
        refused(Case(["--ca", other.ca, server.url + "/a.db"], words=["certificate", "localhost"]))
    finally:
        server.close()


def test_an_expired_certificate_of_an_object_store(refused, radosgw, work):
    old = Certificates(work("expired"), "expired").expire()
    front = Nginx(work("front"), work("nginx"), old, f"location / {{ proxy_pass {radosgw.endpoint}; }}")
    radosgw.bucket_name = "any"
    try:
        refused(s3_case(radosgw, ["certificate", "expired"], args=["--ca", str(old.ca)], endpoint=front.url))
    finally:
        front.close()


def test_an_unknown_host_key(refused, sshd, tmp_path):
    server = sshd()
    server.put("a.db", SNAPSHOT)
    empty = tmp_path / "known_hosts"
    empty.touch()
    refused(Case(["--known-hosts", empty, "--identity", server.user_key(), server.url + "/a.db"],
                 words=["is not known", server.fingerprint, "host-key"]))
    refused(Case(["--host-key", "SHA256:" + "A" * 43, "--identity", server.user_key(), server.url + "/a.db"],
                 words=[server.fingerprint, "host-key"]))
    refused(Case(["--known-hosts", server.known_hosts, "--identity", server.user_key(accepted=False), server.url + "/a.db"],
                 words=[server.user]))
    refused(Case(["--known-hosts", server.known_hosts, "--identity", server.user_key(), server.url + "/none.db"],
                 words=["none.db"]))
    server.close()


@pytest.mark.parametrize("status, words", [(403, ["proxy", "no_proxy"]), (407, ["proxy", "password"])])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(refused, certificates, scheme, status, words):
    server = authority.Server(lambda handler: authority.say(handler, b"<html>denied</html>", status, Via="1.1 proxy",
                                                            Proxy_Authenticate='Basic realm="x"'))
    try:
        refused(Case(["--ca", certificates.ca, "--proxy", f"http://127.0.0.1:{server.port}", f"{scheme}://store.example/a.db"],
                     words=words if scheme == "https" or status == 407 else ["403"]))
    finally:
        server.close()


def test_a_proxy_that_is_not_there(refused, certificates):
    refused(Case(["--ca", certificates.ca, "--proxy", f"http://127.0.0.1:{free_port()}", "https://store.example/a.db"],
                 words=["proxy"]))


def test_tls_where_there_is_none(refused, nginx, site, certificates):
    server = nginx(site)
    refused(Case(["--ca", certificates.ca, server.url.replace("http:", "https:") + "/a.db"], words=["TLS"]))
    server.close()


def test_a_name_that_nobody_knows(refused):
    refused(Case(["--host-key", "SHA256:" + "A" * 43, "sftp://user@no-such-host.invalid/a.db"], words=["no-such-host.invalid"]))
    refused(Case(["http://no-such-host.invalid/a.db"], words=["no-such-host.invalid"]))


def test_a_presigned_address_that_has_expired(refused, store):
    address = store.presign(store.bucket_name, "backup/a.db", expires=60, skew=-3600)
    refused(Case([address], words=["expired"], never=["X-Amz-Signature"]), commands=["fetch"])


def test_a_web_server_that_wants_a_password(refused, nginx, site, tmp_path):
    users = tmp_path / "users"
    users.write_text("user:{PLAIN}right\n")
    wrong = tmp_path / "secret"
    wrong.write_text("wrong")
    server = nginx(site, conf=f'auth_basic "here"; auth_basic_user_file {users};')
    refused(Case([server.url + "/a.db"], words=["password", "https.user"]))
    refused(Case(["--user", "user", "--secret-file", wrong, server.url + "/a.db"], words=["user"]))
    server.close()


def test_a_port_where_nobody_listens(refused):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused(Case(["--host-key", "SHA256:" + "A" * 43, f"sftp://user@127.0.0.1:{port}/a.db"], words=[str(port)]))
