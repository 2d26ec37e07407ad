"""A metadata service with the rules of EC2's version 2: no token, no answer.

	with Imds() as imds:
	    imds.role_credentials("restore", expires_in=3600)
	    run(program, ..., env=imds.environment)

What it enforces is what the user guide says of IMDSv2: PUT for a token with a lifetime of 1 to 21600 s (else 400), the
token in a header of every GET (else 401, also when it has expired), 403 for a PUT that a proxy passed on, 403 for all
when switched off, 405 for other methods.
"""

import datetime
import json
import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST = 21600


def instant(when):
    return datetime.datetime.fromtimestamp(when, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that was killed is what many tests are about."""


class Server6(Server):
    address_family = socket.AF_INET6


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, text="", **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def note(self):
        imds = self.server.imds
        with imds.lock:
            imds.requests.append((self.command, self.path, bool(self.headers.get("X-aws-ec2-metadata-token"))))
        if imds.silent:
            time.sleep(imds.silent)
        return imds

    def do_PUT(self):
        imds = self.note()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not imds.enabled or "X-Forwarded-For" in self.headers:
            return self.answer(403)
        if self.path != "/latest/api/token":
            return self.answer(404)
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not lifetime.isdigit() or not 1 <= int(lifetime) <= LONGEST:
            return self.answer(400)
        token = secrets.token_urlsafe(40) + "=="
        with imds.lock:
            imds.tokens[token] = time.monotonic() + int(lifetime)
        return self.answer(200, token, X_aws_ec2_metadata_token_ttl_seconds=lifetime)

    def do_GET(self):
        imds = self.note()
        if not imds.enabled:
            return self.answer(403)
        until = imds.tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""))
        if until is None or until < time.monotonic():
            return self.answer(401)
        if imds.busy:
            imds.busy -= 1
            return self.answer(503)
        text = imds.page(self.path)
        return self.answer(404) if text is None else self.answer(200, text)

    def do_POST(self):
        self.note()
        self.answer(405)

    do_DELETE = do_POST


class Imds:
    """endpoint, requests [(method, path, had a token)], environment; and what a test may change at any time."""

    def __init__(self, address="127.0.0.1", port=0):
        self.lock = threading.Lock()
        self.requests, self.tokens = [], {}
        self.enabled, self.busy, self.silent = True, 0, 0
        self.identity = {"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-central-1a",
                         "imageId": "ami-0123456789abcdef0", "instanceId": "i-0aaaabbbbccccdddd",
                         "instanceType": "m5.large", "pendingTime": "2026-11-21T00:00:00Z", "privateIp": "10.0.0.5",
                         "region": "eu-central-1", "version": "2017-09-30"}
        self.role, self.credentials = None, None
        self.pages = {}     # any other path, or one of the known ones said otherwise
        self.server = (Server6 if ":" in address else Server)((address, port), Handler)
        self.server.imds = self
        host = f"[{address}]" if ":" in address else address
        self.endpoint = f"http://{host}:{self.server.server_port}"
        self.environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.endpoint}
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def role_credentials(self, role="etcd-rescue", access=None, secret=None, token=None, expires_in=6 * 3600, code="Success"):
        """Give the instance a role, or its role new keys; returns (access, secret, token)."""
        keys = (access or "ASIA" + secrets.token_hex(8).upper(), secret or secrets.token_urlsafe(30),
                token or secrets.token_urlsafe(120))
        now = time.time()
        self.role = role
        self.credentials = {"Code": code, "LastUpdated": instant(now), "Type": "AWS-HMAC", "AccessKeyId": keys[0],
                            "SecretAccessKey": keys[1], "Token": keys[2], "Expiration": instant(now + expires_in)}
        return keys

    def no_role(self):
        self.role = self.credentials = None

    def expire_tokens(self):
        """All tokens given so far are worth nothing from now on."""
        with self.lock:
            self.tokens.clear()

    def page(self, path):
        if path in self.pages:
            return self.pages[path]
        base = "/latest/meta-data/iam/security-credentials"
        if path == "/latest/dynamic/instance-identity/document":
            return json.dumps(self.identity, indent=2)
        if path in (base, base + "/"):
            return self.role
        if self.role and path == f"{base}/{self.role}":
            return json.dumps(self.credentials, indent=2)
        plain = {"instance-id": "instanceId", "placement/region": "region", "instance-type": "instanceType",
                 "placement/availability-zone": "availabilityZone", "local-ipv4": "privateIp"}
        key = plain.get(path.removeprefix("/latest/meta-data/"))
        return self.identity[key] if key else None

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
