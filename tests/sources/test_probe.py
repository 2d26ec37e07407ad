"""What the S3 servers of these tests do with what we ask of them, so that a test that passes says something."""

import os

import pytest

BODY = os.urandom(300_000)


@pytest.fixture(scope="module")
def bucket(s3):
    """A bucket with dir/a.db, dir/b.db and dir/c.db."""
    name = s3.bucket()
    for key in ("dir/a.db", "dir/b.db", "dir/c.db"):
        s3.put(name, key, BODY)
    return name


def refusal(answer):
    return answer.status, answer.code


def test_what_was_put_is_got_with_its_headers(s3, bucket):
    answer = s3.request("GET", f"/{bucket}/dir/a.db")
    assert answer.status == 200 and answer.body == BODY
    head = s3.request("HEAD", f"/{bucket}/dir/a.db")
    assert head.headers["content-length"] == str(len(BODY)) and head.headers["etag"] == answer.headers["etag"]
    assert s3.request("PUT", f"/{bucket}/unsigned", body=BODY, payload="UNSIGNED-PAYLOAD").status == 200


@pytest.mark.parametrize("asked, first, last", [("bytes=100-199", 100, 199), ("bytes=-32", 299_968, 299_999),
                                                ("bytes=299990-", 299_990, 299_999),
                                                ("bytes=299990-999999", 299_990, 299_999)])
def test_ranges(s3, bucket, asked, first, last):
    answer = s3.request("GET", f"/{bucket}/dir/a.db", headers={"Range": asked})
    assert answer.status == 206 and answer.body == BODY[first:last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"


def test_a_range_past_the_end(s3, bucket):
    answer = s3.request("GET", f"/{bucket}/dir/a.db", headers={"Range": "bytes=300000-300001"})
    assert refusal(answer) == (416, "InvalidRange")


def test_if_match_of_another_version(s3, bucket):
    answer = s3.request("GET", f"/{bucket}/dir/a.db", headers={"If-Match": '"deadbeef"'})
    assert answer.status == 412


def keys(answer):
    return [part.split(b"<")[0].decode() for part in answer.body.split(b"<Key>")[1:]]


def test_listing_by_pages_prefix_and_delimiter(s3, bucket):
    page = s3.request("GET", f"/{bucket}", {"list-type": "2", "max-keys": "2", "prefix": "dir/"})
    assert keys(page) == ["dir/a.db", "dir/b.db"] and b"<IsTruncated>true" in page.body
    token = page.body.split(b"<NextContinuationToken>")[1].split(b"<")[0].decode()
    page = s3.request("GET", f"/{bucket}", {"list-type": "2", "prefix": "dir/", "continuation-token": token})
    assert keys(page) == ["dir/c.db"] and b"<IsTruncated>false" in page.body
    page = s3.request("GET", f"/{bucket}", {"list-type": "2", "delimiter": "/"})
    assert b"<CommonPrefixes><Prefix>dir/</Prefix>" in page.body
    page = s3.request("GET", f"/{bucket}", {"list-type": "2", "start-after": "dir/b.db", "prefix": "dir/"})
    assert keys(page) == ["dir/c.db"]


def test_signatures_are_verified(s3, bucket):
    path = f"/{bucket}/dir/a.db"
    assert refusal(s3.request("GET", path, secret="wrong")) == (403, "SignatureDoesNotMatch")
    assert s3.plain("GET", path).status == 403
    assert refusal(s3.request("GET", path, skew=-3600)) == (403, "RequestTimeTooSkewed")
    wrong = s3.request("PUT", f"/{bucket}/wrong", body=BODY, payload="0" * 64)
    assert refusal(wrong) == (400, "XAmzContentSHA256Mismatch")


def test_what_is_missing_is_named(s3, bucket):
    assert refusal(s3.request("GET", f"/{bucket}/none")) == (404, "NoSuchKey")
    assert refusal(s3.request("GET", "/no-such-bucket/none")) == (404, "NoSuchBucket")


def test_multipart(s3, bucket):
    path, big = f"/{bucket}/multi", os.urandom(5 << 20)
    begun = s3.request("POST", path, {"uploads": ""})
    upload = begun.body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    tags = [s3.request("PUT", path, {"partNumber": str(n), "uploadId": upload}, big).headers["etag"] for n in (1, 2)]
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
    done = s3.request("POST", path, {"uploadId": upload},
                      f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode())
    assert done.status == 200, done.body
    head = s3.request("HEAD", path)
    assert head.headers["content-length"] == str(2 * len(big)) and head.headers["etag"].endswith('-2"')


def test_presigned_addresses(s3, bucket):
    def get(headers=None, **options):
        return s3.plain("GET", s3.presign(bucket, "dir/a.db", **options).removeprefix(s3.endpoint), headers=headers)
    assert get().body == BODY
    answer = get({"Range": "bytes=0-9"})
    assert (answer.status, answer.body) == (206, BODY[:10])
    assert get(secret="wrong").status == 403
    assert get(expires=60, skew=-600).status == 403


def test_versions(s3):
    bucket = s3.bucket()
    s3.keep_versions(bucket)
    versions = [s3.put(bucket, "a.db", body).headers["x-amz-version-id"] for body in (b"old", b"new")]
    assert len(set(versions)) == 2
    for version, body in zip(versions, (b"old", b"new")):
        assert s3.request("GET", f"/{bucket}/a.db", {"versionId": version}).body == body


def test_moto_takes_any_signature(moto):
    """It does: what is to be refused is tested with the others."""
    moto.put(moto.bucket("moto-bucket"), "a.db", b"x")
    assert moto.request("GET", "/moto-bucket/a.db", secret="wrong").status == 200
