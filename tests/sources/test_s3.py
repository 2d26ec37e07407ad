"""s3:// against real servers, and against fronts that say what servers say that nobody has at hand."""

import base64
import datetime
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest

from net import authority
from sources import snapshots
from sources.answering import proxy_that_refuses
from sources.s3_front import Front, Skewed, error
from sources.s3_rescue import Rescue, content, fill

KEYS = ["plain.db", "a b.db", "p+q.db", "100%.db", "%41.db", "h#sh.db", "q?x.db", "a&b=c.db", "ü/naïve €.db", "x/y.db",
        "quote'\"<>.db", "til~de*(1)!.db", "tab\tkey.db", "@at:colon;,$.db", "back\\slash.db"]
# What a server over a directory cannot have.
ODD_KEYS = ["/lead.db", "dir//double.db", "dots/../up.db", "./here.db", "x"]
CANARY = "CANARYcanary0/secret+0CANARY"


@pytest.fixture
def rescue(run, program, tmp_path):
    return lambda server, **defaults: Rescue(run, program, tmp_path, server, **defaults)


def test_every_name_is_listed_and_read(s3, rescue):
    keys = KEYS + (ODD_KEYS if s3.name == "radosgw" else [])
    bucket, program = fill(s3, keys), rescue(s3)
    found = program.list(f"s3://{bucket}")
    assert sorted(one["name"] for one in found) == sorted(keys)
    for one in found:
        assert program.fetch(one["url"]) == content(one["name"])
        assert one["size"] == len(content(one["name"])) and -5 <= one["age"] < 300


def test_a_name_typed_as_it_is_shown_is_found(s3, rescue):
    bucket, program = fill(s3, ["a b+c=ü.db"]), rescue(s3)
    assert program.fetch(f"s3://{bucket}/a b+c=ü.db") == content("a b+c=ü.db")


def test_an_object_and_what_lies_below_its_name(radosgw, rescue):
    bucket, program = fill(radosgw, ["x", "x/y.db", "x/z/w.db", "xy.db"]), rescue(radosgw)
    assert program.names(f"s3://{bucket}/x") == ["x"]
    assert "there are 2 more below 'x/'" in program.said
    assert program.names(f"s3://{bucket}/x/") == ["y.db", "z/w.db"]
    assert program.names(f"s3://{bucket}/x/z") == ["z/w.db"]
    assert program.names(f"s3://{bucket}/xy") == ["xy.db"]


def test_a_folder_of_a_console_is_no_backup(radosgw, rescue):
    bucket = fill(radosgw, ["dir/", "dir/a.db", "dir/sub/"])
    assert rescue(radosgw).names(f"s3://{bucket}/dir/") == ["a.db"]


def test_more_than_one_page(s3, rescue):
    keys = [f"day+1/{n:04}.db" for n in range(1002)] + ["day+1/zz last.db"]
    bucket = fill(s3, keys)
    assert rescue(s3).names(f"s3://{bucket}/day+1/") == [key.removeprefix("day+1/") for key in keys]


def test_an_empty_object(s3, rescue):
    bucket, program = s3.bucket(), rescue(s3)
    s3.put(bucket, "empty.db", b"")
    assert program.list(f"s3://{bucket}/")[0]["size"] == 0
    assert program.list(f"s3://{bucket}/empty.db")[0]["size"] == 0


def test_several_parts_at_once(s3, rescue):
    large, bucket = snapshots.make(5_000_000, 7), s3.bucket()
    s3.put(bucket, "large.db", large)
    assert digest(rescue(s3).fetch(f"s3://{bucket}/large.db", part_size="64K", streams=7)) == digest(large)


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("addressing", ["path", "host"])
def test_both_ways_to_name_the_bucket(radosgw, rescue, addressing):
    bucket, program = fill(radosgw, ["a b.db"]), rescue(radosgw, addressing=addressing)
    with Front(radosgw) as front:
        assert program.fetch(f"s3://{bucket}/", endpoint=front.endpoint) == content("a b.db")
        hosts = {asked.headers["host"].partition(":")[0] for asked in front.asked}
    assert hosts == {"localhost" if addressing == "path" else f"{bucket}.localhost"}


def test_host_addressing_where_it_is_not_known(versitygw, rescue):
    bucket = fill(versitygw, ["a.db"])
    assert "set --addressing path" in rescue(versitygw).fails(f"s3://{bucket}/", addressing="host")
    with_ip = versitygw.endpoint.replace("localhost", "127.0.0.1")
    assert "can only be by path" in rescue(versitygw).fails(f"s3://{bucket}/", addressing="host", endpoint=with_ip)


def test_versions(s3, rescue):
    bucket, program = s3.bucket(), rescue(s3)
    s3.keep_versions(bucket)
    ids = [s3.put(bucket, "dir/a.db", body).headers["x-amz-version-id"] for body in map(content, (1, 2))]
    s3.put(bucket, "dir/b.db", content(3))
    s3.delete(bucket, "dir/b.db")
    assert program.names(f"s3://{bucket}/dir/") == ["a.db"]
    assert program.fetch(f"s3://{bucket}/dir/a.db") == content(2)
    assert program.fetch(f"s3://{bucket}/dir/a.db?versionId={urllib.parse.quote(ids[0])}") == content(1)
    assert program.fetch(f"s3://{bucket}/dir/a.db", snapshot=f"version:{ids[0]}") == content(1)
    found = program.list(f"s3://{bucket}/dir/?versions")
    assert {(one["name"], one["version"]) for one in found if one["name"] == "a.db"} == {("a.db", one) for one in ids}
    assert [one["name"] for one in found] == ["a.db", "a.db", "b.db"]
    assert program.fails(f"s3://{bucket}/dir/a.db?versionId=nosuchversion").startswith("'dir/a.db' has no version")


@pytest.mark.parametrize("form", ["plain", "base64", "hex"])
def test_an_object_encrypted_with_a_key_of_our_own(radosgw, rescue, tmp_path, form):
    key, bucket = os.urandom(32), radosgw.bucket()
    headers = {"x-amz-server-side-encryption-customer-algorithm": "AES256",
               "x-amz-server-side-encryption-customer-key": base64.b64encode(key).decode(),
               "x-amz-server-side-encryption-customer-key-MD5": base64.b64encode(hashlib.md5(key).digest()).decode()}
    radosgw.put(bucket, "secret.db", content(1), headers=headers)
    file = tmp_path / "key"
    file.write_bytes({"plain": key, "base64": base64.b64encode(key) + b"\n", "hex": key.hex().encode()}[form])
    program = rescue(radosgw, endpoint=radosgw.tls_endpoint, ca=radosgw.ca)
    url = f"s3://{bucket}/secret.db"
    assert program.fetch(url, sse_key=file) == content(1)
    assert "name its file with --sse-key" in program.fails(url, "fetch")
    assert "in the clear" in program.fails(url, sse_key=file, endpoint=radosgw.endpoint)
    other = tmp_path / "other"
    other.write_bytes(os.urandom(32))
    assert program.fails(url, "fetch", sse_key=other)
    other.write_bytes(b"short")
    assert "no key of 32 bytes" in program.fails(url, sse_key=other)


def policy(server, bucket):
    """Everybody may read what they can name, nobody may list."""
    words = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                     "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    answer = server.request("PUT", f"/{bucket}", {"policy": ""}, json.dumps(words).encode())
    assert answer.status in (200, 204), answer.body


def test_an_object_that_may_be_read_but_not_listed(s3, rescue):
    bucket, program = fill(s3, ["dir/a.db"]), rescue(s3, credentials="none")
    policy(s3, bucket)
    assert program.names(f"s3://{bucket}/dir/a.db") == ["a.db"]
    assert program.fetch(f"s3://{bucket}/dir/a.db") == content("dir/a.db")
    line = program.fails(f"s3://{bucket}/dir/")
    assert "may not be listed without credentials" in line and f"name one object exactly if reading is allowed: s3://{bucket}/NAME" in line


def test_wrong_key_secret_bucket_and_prefix(s3, rescue):
    bucket, program = fill(s3, ["bare-metal/a.db", "logs/b"]), rescue(s3)
    url = f"s3://{bucket}/bare-metal/"
    assert "does not know the access key ...0001 from the environment" in program.fails(url, AWS_ACCESS_KEY_ID="AKIAWRONGWRONGWR0001")
    line = program.fails(url, AWS_SECRET_ACCESS_KEY=CANARY)
    assert "the secret key from the environment does not belong to its access key" in line
    assert program.fails("s3://nosuchbucket/x/") == f"there is no bucket 'nosuchbucket' at {s3.endpoint}"
    line = program.fails(f"s3://{bucket}/bare-metl/")
    assert line == f"nothing in bucket '{bucket}' begins with 'bare-metl/'; there is bare-metal/, logs/"
    assert program.fails(f"s3://{s3.bucket()}/").endswith("is empty")


def test_a_session_token_that_nobody_gave(versitygw, rescue):
    bucket = fill(versitygw, ["a.db"])
    line = rescue(versitygw).fails(f"s3://{bucket}/", AWS_SESSION_TOKEN=CANARY)
    assert "refuses the session token from the environment" in line and CANARY not in line


def test_the_server_names_the_region(versitygw, rescue):
    bucket, program = fill(versitygw, ["a.db"]), rescue(versitygw)
    assert program.names(f"s3://{bucket}/", AWS_REGION="ap-south-9") == ["a.db"]
    assert f"bucket '{bucket}' is in region {versitygw.region}, not ap-south-9; asking there" in program.said
    assert program.fetch(f"s3://{bucket}/a.db", AWS_REGION=None) == content("a.db")


@pytest.mark.parametrize("status, code, more, headers", [
    (301, "PermanentRedirect", "<Endpoint>bucket.s3.elsewhere.amazonaws.com</Endpoint>", {"x-amz-bucket-region": "far-east-7"}),
    (400, "AuthorizationHeaderMalformed", "<Region>far-east-7</Region>", {}),
    (400, "IllegalLocationConstraintException", "", {"x-amz-bucket-region": "far-east-7"}),
])
def test_each_way_to_name_a_region(moto, rescue, status, code, more, headers):
    bucket = fill(moto, ["a.db"])
    refusal = (status, code, more, headers)
    with Front(moto, lambda asked: None if asked.region == "far-east-7" else refusal) as front:
        program = rescue(moto, endpoint=front.endpoint)
        assert program.names(f"s3://{bucket}/") == ["a.db"]
        assert [asked.region for asked in front.asked] == ["us-east-1", "far-east-7"]
        front.decide = lambda asked: refusal
        del front.asked[:]
        assert f"'{bucket}'" in (line := program.fails(f"s3://{bucket}/")) or code in line
        assert len(front.asked) == 2


@pytest.fixture(scope="module")
def two_pages(moto):
    """A bucket and the keys in it."""
    keys = [f"a b+ü/{n:04}.db" for n in range(1005)]
    return fill(moto, keys), keys


@pytest.mark.parametrize("how", ["not implemented", "bad argument", "passed over"])
def test_a_server_with_the_first_version_of_listing(moto, two_pages, rescue, how):
    bucket, keys = two_pages

    def decide(asked):
        if "list-type" not in asked.query or how == "passed over":
            return None
        return (501, "NotImplemented") if how == "not implemented" else (400, "InvalidArgument")

    with Front(moto, decide) as front:
        front.target = lambda asked: asked.target.replace("list-type=2&", "")
        program = rescue(moto, endpoint=front.endpoint)
        assert program.names(f"s3://{bucket}/a b+ü/") == [key.split("/")[1] for key in keys]
        assert "knows only the first version of listing" in program.said
        assert "marker" in front.asked[-1].query


def test_a_listing_that_goes_in_circles(moto, rescue):
    page = b"<ListBucketResult><IsTruncated>true</IsTruncated>%s<Contents><Key>a.db</Key><Size>1</Size></Contents></ListBucketResult>"
    for token in (b"", b"<NextContinuationToken>again</NextContinuationToken>"):
        with Front(moto, lambda asked, token=token: page % token) as front:
            line = rescue(moto, endpoint=front.endpoint).fails("s3://bucket/")
            assert line == f"the listing of {front.endpoint} goes in circles"
            assert len(front.asked) < 5


def test_of_too_many_the_newest_are_kept(moto, rescue):
    """Names and times go opposite ways: the newest lie on the first pages."""
    pages, each = 23, 1000

    def decide(asked):
        page = int(asked.query.get("continuation-token", "0"))
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
        rows = [(page * each + n, start - datetime.timedelta(minutes=page * each + n)) for n in range(each)]
        more = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if page + 1 < pages else ""
        return (f"<ListBucketResult><IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}" + "".join(
            f"<Contents><Key>etcd-{n:06}.db</Key><Size>99999</Size><LastModified>{t:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
            for n, t in rows) + "</ListBucketResult>").encode()
    with Front(moto, decide) as front:
        program = rescue(moto, endpoint=front.endpoint)
        names = program.names("s3://bucket/")
    assert "more than 20000 objects" in program.said
    assert names == [f"etcd-{n:06}.db" for n in range(10000)]


def test_answers_that_are_none_of_s3(moto, rescue):
    console = b"<!DOCTYPE html>\n<html><head><title>MinIO Console</title></head></html>"
    for verdict in (console, (403, console), (404, console)):
        with Front(moto, lambda asked, verdict=verdict: verdict) as front:
            line = rescue(moto, endpoint=front.endpoint).fails("s3://bucket/x/")
            assert line.startswith(f"{front.endpoint} answers with a web page")
            assert "console often has another port" in line
    for body, words in ((b"{}", "the listing is no XML"), (b"<Other/>", "the answer is a Other, not a listing"),
                        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "a document type"), (b"", "no element found")):
        with Front(moto, lambda asked, body=body: body) as front:
            assert words in rescue(moto, endpoint=front.endpoint).fails("s3://bucket/x/")


def test_an_archived_object_says_so(moto, rescue):
    with Front(moto, lambda asked: (403, "InvalidObjectState") if not asked.lists else None) as front:
        bucket = fill(moto, ["a.db"])
        assert "lies in an archive (Glacier)" in rescue(moto, endpoint=front.endpoint).fails(f"s3://{bucket}/a.db", "fetch")


@pytest.mark.parametrize("ahead, words", [
    (3600, "1 h 0 min behind"), (-3600, "1 h 0 min ahead of"), (1200, "20 min 0 s behind"), (86400 * 400, "400 days behind"),
    (86400 * 20000, "20000 days behind")])
def test_a_wrong_clock_is_measured(s3, rescue, ahead, words):
    bucket = fill(s3, ["a.db"])
    with Skewed(s3, ahead) as front:
        line = rescue(s3, endpoint=front.endpoint).fails(f"s3://{bucket}/")
    # Seconds may pass between the two looks at the clock.
    near = words.replace("1 h 0 min", r"(1 h 0 min|59 min [345]\d s)").replace("20 min 0 s", r"(20 min 0 s|19 min [345]\d s)")
    near = near.replace("400 days", "(400|399) days").replace("20000 days", "(20000|19999) days")
    assert re.search(f"this machine's clock is {near} that of {front.endpoint}", line), line
    assert "date -u -s '" in line and len(front.asked) == 1


@pytest.mark.needs("strace")
def test_the_image_sets_its_clock_and_goes_on(radosgw, rescue, program, tmp_path):
    """The kernel is told to say yes and do nothing: the clock of this machine is not ours to set."""
    root = tmp_path / "root"
    (root / "etc/etcd-rescue").mkdir(parents=True)
    (root / "etc/etcd-rescue/manifest").write_text("")
    (root / "run/etcd-rescue").mkdir(parents=True)
    (root / "run/etcd-rescue/credentials").write_text(f"{radosgw.access}:{radosgw.secret}")
    shutil.copy(program, root / "etcd-rescue")
    wrap = ["strace", "-f", "-o", tmp_path / "calls", "-e", "trace=clock_settime", "-e", "inject=clock_settime:retval=0", "chroot",
            root]
    bucket = fill(radosgw, ["a.db"])
    with Skewed(radosgw, 3600) as front:
        image = rescue(radosgw, endpoint=front.endpoint.replace("localhost", "127.0.0.1"), wrap=wrap)
        image.program = "/etcd-rescue"
        assert image.names(f"s3://{bucket}/") == ["a.db"]
        assert re.search(r"the clock was (1 h 0 min|59 min [345]\d s) behind", image.said), image.said
        assert len(front.asked) == 2 and {asked.access for asked in front.asked} == {radosgw.access}
    assert "(INJECTED)" in (tmp_path / "calls").read_text()


def test_certificates(radosgw, rescue, certificates, tmp_path):
    bucket, program = fill(radosgw, ["a.db"]), rescue(radosgw, endpoint=radosgw.tls_endpoint)
    assert program.names(f"s3://{bucket}/", ca=radosgw.ca) == ["a.db"]
    assert "no certificate authority known here signed" in program.fails(f"s3://{bucket}/")
    authority.make(tmp_path, "past")
    expired = tmp_path / "expired.pem"
    expired.write_bytes(authority_expired(tmp_path))
    with Front(radosgw, certificate=expired) as front:
        line = program.fails(f"s3://{bucket}/", endpoint=front.endpoint, ca=tmp_path / "past.pem")
        assert "not valid at this machine's time" in line
    with Front(radosgw, certificate=certificates.server) as front:
        line = program.fails(f"s3://{bucket}/", endpoint=front.endpoint.replace("localhost", "other.localhost"), ca=certificates.ca)
        assert "the server's certificate is for another name" in line


def authority_expired(work):
    """A certificate of work/past.pem that ended yesterday, with its key."""
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    (work / "db").write_text("")
    (work / "serial").write_text("01\n")
    (work / "ca.conf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/db\nserial={work}/serial\nnew_certs_dir={work}\ndefault_md=sha256\n"
        "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\n")
    subprocess.run(["openssl", "ca", "-batch", "-config", work / "ca.conf", "-cert", work / "past.pem", "-keyfile", work / "past.key",
                    "-in", work / "past.csr", "-out", work / "past-old.pem", "-startdate", "20250101000000Z",
                    "-enddate", yesterday.strftime("%Y%m%d%H%M%SZ")], check=True, capture_output=True)
    return (work / "past-old.pem").read_bytes() + (work / "past-server.key").read_bytes()


def test_schemes_that_do_not_fit_the_port(versitygw, rescue):
    bucket, program = fill(versitygw, ["a.db"]), rescue(versitygw)
    line = program.fails(f"s3://{bucket}/", endpoint=versitygw.tls_endpoint.replace("https", "http"))
    assert "speaks TLS: write https:// in the endpoint" in line
    line = program.fails(f"s3://{bucket}/", endpoint=versitygw.endpoint.replace("http", "https"))
    assert "the server speaks no TLS on this port" in line
    assert "the endpoint begins with https://" in program.fails(f"s3://{bucket}/", endpoint="localhost:9000")


def test_a_busy_store_is_asked_again_and_says_so(moto, rescue):
    bucket, left = fill(moto, ["a.db"]), [503, 500, 503]
    with Front(moto, lambda asked: (left.pop(), "SlowDown") if left else None) as front:
        program = rescue(moto, endpoint=front.endpoint)
        assert program.names(f"s3://{bucket}/") == ["a.db"]
        assert program.said.count("; trying again") == 3


def test_a_store_that_is_not_there(moto, rescue):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    program = rescue(moto, endpoint=nobody)
    line = program.fails("s3://bucket/")
    assert "onnect to" in line and nobody in line and "; trying again" in program.said


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(rescue, moto, scheme):
    with proxy_that_refuses() as proxy:
        line = rescue(moto).fails("s3://bucket/", endpoint=f"{scheme}://store.example", **{f"{scheme}_proxy": proxy})
    assert "the proxy refuses us (status 407)" in line


def test_a_server_that_gives_secrets_back_is_not_repeated(moto, rescue, tmp_path):
    def decide(asked):
        said = " ".join(f"{name}: {value}" for name, value in asked.headers.items() if name.startswith("x-amz-"))
        return 403, error("NoIdea", message=said + " " + CANARY)
    with Front(moto, decide) as front:
        program = rescue(moto, endpoint=front.endpoint, AWS_SECRET_ACCESS_KEY=CANARY, AWS_SESSION_TOKEN="token" + CANARY)
        for verb in ("list", "fetch"):
            assert "refuses with NoIdea (status 403)" in program.fails("s3://bucket/a.db", verb)
            assert CANARY not in program.said


@pytest.mark.parametrize("url, words", [
    ("s3://", "no bucket in the address"), ("s3:///x", "no bucket in the address"), ("s3://b!d/x", "is no name of a bucket"),
    ("s3://key:secret@bucket/x", "out of the address"), ("s3://bucket/x?y=z", "write a '?' of the name as %3F"),
    ("s3://bucket/x#y", "write a '#' of the name as %23"), ("s3://bucket/?versionId=1", "needs the name of an object"),
    ("s3://bucket/x?X-Amz-Signature=1", "a presigned address begins with https://"),
])
def test_addresses_that_are_none(moto, rescue, url, words):
    line = rescue(moto).fails(url)
    assert words in line and "secret" not in line
