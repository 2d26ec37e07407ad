"""An S3 client for the tests' own use, signing with version 4: what the servers of these tests have in common."""

import datetime
import hashlib
import hmac
import http.client
import itertools
import os
import re
import urllib.parse
from pathlib import Path

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
NAMES = itertools.count(1)


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def chain(secret, *words):
    key = ("AWS4" + secret).encode()
    for word in words:
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


class Answer:
    def __init__(self, answer):
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        code = re.search(rb"<Code>([^<]*)", self.body)
        self.code = code.group(1).decode() if code else ""


class S3:
    """A server, and a key that may do everything on it. .tls_endpoint and .ca are None without TLS."""

    def __init__(self, name, endpoint, access, secret, region, tls_endpoint=None, ca=None):
        self.name, self.endpoint, self.access, self.secret, self.region = name, endpoint, access, secret, region
        self.tls_endpoint, self.ca = tls_endpoint, ca
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.port = urllib.parse.urlsplit(endpoint).port

    def __repr__(self):
        return self.name

    @property
    def env(self):
        """The environment that a client needs to use it."""
        return {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": self.region,
                "AWS_ENDPOINT_URL": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}

    def _now(self, skew):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        return now.strftime("%Y%m%dT%H%M%SZ")

    def _sign(self, method, path, query, headers, payload, secret, stamp):
        scope = (stamp[:8], self.region, "s3", "aws4_request")
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, quote(path, "/"), query,
                               "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)), names, payload])
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(chain(secret or self.secret, *scope), text.encode(), hashlib.sha256).hexdigest()
        return signature, names, "/".join(scope)

    @staticmethod
    def _query(query):
        return "&".join(f"{quote(name)}={quote(value)}" for name, value in sorted(query.items()))

    def request(self, method, path, query=None, body=b"", headers=None, secret=None, payload=None, skew=0):
        """One signed request; `body` bytes or an open file of which nothing is signed."""
        stamp, query = self._now(skew), self._query(query or {})
        payload = payload or (hashlib.sha256(body).hexdigest() if isinstance(body, bytes) else UNSIGNED)
        signed = {"host": self.host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        signed.update((name.lower(), value) for name, value in (headers or {}).items() if name.lower().startswith("x-amz-"))
        signature, names, scope = self._sign(method, path, query, signed, payload, secret, stamp)
        sent = {**(headers or {}), **signed, "Authorization":
                f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, Signature={signature}"}
        if not isinstance(body, bytes):
            sent["Content-Length"] = str(os.fstat(body.fileno()).st_size)
        return self.plain(method, quote(path, "/") + ("?" + query if query else ""), body, sent)

    def plain(self, method, target, body=b"", headers=None):
        """One request as it is."""
        connection = http.client.HTTPConnection(self.host, timeout=120)
        connection.request(method, target, body or None, headers or {})
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def presign(self, bucket, key, expires=300, skew=0, secret=None):
        """The address of an object, for whoever has it."""
        path, stamp = f"/{bucket}/{key}", self._now(skew)
        query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": stamp, "X-Amz-Expires": str(expires),
                 "X-Amz-SignedHeaders": "host",
                 "X-Amz-Credential": f"{self.access}/{stamp[:8]}/{self.region}/s3/aws4_request"}
        query = self._query(query)
        signature, _, _ = self._sign("GET", path, query, {"host": self.host}, UNSIGNED, secret, stamp)
        return f"{self.endpoint}{quote(path, '/')}?{query}&X-Amz-Signature={signature}"

    def _done(self, answer):
        assert answer.status in (200, 204), f"{self.name}: {answer.status} {answer.body[:400]!r}"
        return answer

    def bucket(self, name=None):
        """A fresh bucket."""
        name = name or f"bucket-{os.getpid()}-{next(NAMES)}"
        self._done(self.request("PUT", f"/{name}"))
        return name

    def put(self, bucket, key, content, headers=None):
        """`content`: bytes, or the path of a file. The answer has the entity tag and the version in its headers."""
        if isinstance(content, bytes):
            return self._done(self.request("PUT", f"/{bucket}/{key}", body=content, headers=headers))
        with open(Path(content), "rb") as body:
            return self._done(self.request("PUT", f"/{bucket}/{key}", body=body, headers=headers))

    def get(self, bucket, key, headers=None):
        return self._done(self.request("GET", f"/{bucket}/{key}", headers=headers)).body

    def delete(self, bucket, key):
        return self._done(self.request("DELETE", f"/{bucket}/{key}"))

    def keep_versions(self, bucket):
        """From now on a put makes a new version."""
        body = b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' \
               b"<Status>Enabled</Status></VersioningConfiguration>"
        self._done(self.request("PUT", f"/{bucket}", {"versioning": ""}, body))
