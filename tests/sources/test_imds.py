"""Who an instance is and what it may do, asked of the metadata service: version 2 or nothing."""

import http.server
import json
import threading
import time

import pytest

import requirement

from sources.ec2 import Ec2
from sources.imds import Imds

TAG = {"backup": "etcd"}


@pytest.fixture
def imds():
    with Imds() as service:
        yield service


@pytest.fixture
def ec2(imds):
    # An address of its own, so that a proxy can be meant for one of the two alone.
    with Ec2(imds.role_credentials(), address="127.0.0.2") as service:
        service.snapshot(tags=TAG)
        yield service


@pytest.fixture
def listed(program, run, imds, ec2):
    def call(**env):
        return run(program, "list", "--json", "--ebs-tag", "backup=etcd", "ebs:",
                   env={**imds.environment, "AWS_ENDPOINT_URL_EC2": ec2.endpoint, **env})
    return call


def names(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["name"] for line in done.stdout.splitlines()]


def test_every_answer_was_asked_for_with_a_token(listed, imds, ec2):
    assert names(listed()) == list(ec2.snapshots)
    assert imds.requests[0] == ("PUT", "/latest/api/token", False)
    assert {path for _, path, _ in imds.requests[1:]} >= {"/latest/dynamic/instance-identity/document",
                                                         "/latest/meta-data/iam/security-credentials/",
                                                         "/latest/meta-data/iam/security-credentials/etcd-rescue"}
    assert all(token for method, _, token in imds.requests if method == "GET")


def test_token_that_has_expired_is_replaced(listed, imds, ec2):
    gets = []
    page = imds.page

    def forget(path):
        gets.append(path)
        imds.expire_tokens()
        return page(path)
    imds.page = forget
    assert names(listed()) == list(ec2.snapshots)
    assert len(gets) >= 3 and [m for m, _, _ in imds.requests].count("PUT") >= 3


def test_service_that_is_busy_is_asked_again(listed, imds, ec2):
    imds.busy = 2
    assert names(listed()) == list(ec2.snapshots)


def test_new_keys_are_taken_when_the_old_ones_expire(listed, imds, ec2):
    """In the middle of a listing, from one page to the next."""
    for _ in range(5):
        ec2.snapshot(tags=TAG)
    ec2.page = 2

    def renew(number, _):
        if number == 3:
            ec2.keys = imds.role_credentials(access="ASIARENEWED")
    ec2.on_request = renew
    assert len(names(listed())) == 6
    assert len(ec2.requests) > 4


def test_service_may_stand_at_an_address_of_ipv6(listed, ec2):
    with Imds(address="::1") as other:
        ec2.keys = other.role_credentials()
        assert names(listed(**other.environment)) == list(ec2.snapshots)
        assert other.requests


def test_role_is_missing(listed, imds):
    imds.no_role()
    done = listed()
    assert done.returncode == 1 and "no role" in done.stderr and "instance profile" in done.stderr


def test_role_without_credentials(listed, imds):
    imds.role_credentials(code="AssumeRoleUnauthorizedAccess")
    done = listed()
    assert done.returncode == 1 and "AssumeRoleUnauthorizedAccess; look at its trust policy" in done.stderr


def test_service_is_switched_off(listed, imds):
    imds.enabled = False
    done = listed()
    assert done.returncode == 1 and "is switched off for this instance" in done.stderr
    assert [method for method, _, _ in imds.requests] == ["PUT"]


class Version1(http.server.BaseHTTPRequestHandler):
    """Answers any GET and gives no tokens: version 1, or another cloud's."""

    def do_GET(self):
        self.server.gets.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"etcd-rescue")

    def log_message(self, *_):
        pass


def test_version_1_is_never_used(listed):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Version1) as server:
        server.gets = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = listed(AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 1 and "only version 2 of EC2's is used" in done.stderr
    assert not server.gets


def test_no_proxy_sees_the_keys(listed, imds, ec2):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Version1) as proxy:
        proxy.gets = []
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.server_port}"
        done = listed(http_proxy=address, all_proxy=address, no_proxy="127.0.0.2")
        proxy.shutdown()
    assert names(done) == list(ec2.snapshots)
    assert not proxy.gets


def test_no_key_appears_anywhere(listed, imds, ec2):
    secrets = ec2.keys[1:]
    done = listed()
    ec2.faults["DescribeSnapshots"] = "UnauthorizedOperation"
    refused = listed()
    ec2.keys = ("other", "other", "other")
    stale = listed()
    assert (done.returncode, refused.returncode, stale.returncode) == (0, 1, 1)
    for text in (p.stdout + p.stderr for p in (done, refused, stale)):
        assert not any(secret in text for secret in (*secrets, *imds.tokens))


def test_machine_outside_of_aws_loses_two_seconds(program, run, tmp_path):
    """A network that swallows everything: no answer, no refusal."""
    requirement.need("ip")
    begun = tmp_path / "begun"
    quiet = "ip link add v0 type veth peer name v1 && ip addr add 10.9.9.1/24 dev v0 && ip link set v0 up && " \
            "ip link set v1 up && ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:09 dev v0 && " \
            "ip route add default via 10.9.9.2 && ip -6 neigh add fe80::9 lladdr 02:00:00:00:00:09 dev v0 && " \
            f"ip -6 route add default via fe80::9 dev v0 && touch {begun} && exec \"$@\""
    took = []
    # The best of some counts: 2 s of waiting, and what a busy machine takes for itself.
    while len(took) < 3 and (not took or min(took) >= 3):
        done = run("unshare", "-n", "sh", "-c", quiet, "sh", program, "list", "--credentials", "imds", "--ebs-tag", "a=b", "ebs:")
        took.append(time.time() - begun.stat().st_mtime)
        assert done.returncode == 1 and "this is no EC2 instance" in done.stderr, done.stderr
    assert min(took) < 4, took
