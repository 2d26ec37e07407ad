"""Downloads through a bad network: what comes out is what was put in, or one line says why not."""

import concurrent.futures
import json
import random
import re
import threading
import time
import urllib.parse
from email.utils import formatdate

import pytest

from sources.any_fault import KIB, PART, SIZE, any_plan
from sources.faults import Fault, Proxy
from sources.snapshots import make

STREAMS = 4
SEED = 20261121
AT_ONCE = 16


class Place:
    """A snapshot behind a server, and how it is fetched when something stands between."""

    def __init__(self, name, port, url, env=None, options=(), raw=False):
        self.name, self.port, self.url, self.raw = name, port, url, raw
        self.env, self.options = env or {}, list(options)

    def argv(self, proxy):
        """The words behind `fetch` when that proxy is asked."""
        return [word.replace("{port}", str(proxy.port)) for word in [*self.options, self.url]]


LARGE, LARGE_PART = 6_000_000, 256 * KIB


@pytest.fixture(scope="module")
def places(radosgw, nginx, sshd, work):
    """The same snapshot at each kind of server."""
    data, root = make(SIZE), work("served")
    (root / "snapshot.db").write_bytes(data)
    bucket = radosgw.bucket()
    radosgw.put(bucket, "backup/snapshot.db", data)
    radosgw.put(bucket, "large/snapshot.db", make(LARGE))
    (root / "large").mkdir()
    (root / "large/snapshot.db").write_bytes(make(LARGE))
    plain, secure, ssh = nginx(root), nginx(root, tls=True), sshd()
    ssh.put("snapshot.db", data)
    known = work("known") / "known_hosts"
    tls_port = urllib.parse.urlsplit(radosgw.tls_endpoint).port
    s3 = {name: value for name, value in radosgw.env.items() if name != "AWS_ENDPOINT_URL"}
    object_url = f"s3://{bucket}/backup/snapshot.db"
    places = (
        Place("s3", radosgw.port, object_url, s3, ["--endpoint", "http://localhost:{port}"]),
        Place("s3-tls", tls_port, object_url, s3, ["--endpoint", "https://localhost:{port}", "--ca", str(radosgw.ca)],
              raw=True),
        Place("http", plain.port, "http://localhost:{port}/snapshot.db"),
        Place("https", secure.port, "https://localhost:{port}/snapshot.db", options=["--ca", str(secure.ca)], raw=True),
        Place("sftp", ssh.port, f"sftp://{ssh.user}@{ssh.host}:{{port}}{ssh.path}/snapshot.db",
              options=["--host-key", ssh.fingerprint, "--known-hosts", str(known), "--identity", str(ssh.user_key())],
              raw=True),
        Place("s3-large", radosgw.port, object_url.replace("backup", "large"), s3, ["--endpoint", "http://localhost:{port}"]),
        Place("http-large", plain.port, "http://localhost:{port}/large/snapshot.db"))
    return {place.name: place for place in places}


class Fetched:
    """What one run came to."""

    def __init__(self, done, target):
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.data = target.read_bytes() if target.exists() else None
        self.left = sorted(path.name for path in target.parent.iterdir() if path != target)
        self.events = [json.loads(line) for line in done.stderr.splitlines() + done.stdout.splitlines()
                       if line.startswith("{")]

    @property
    def error(self):
        errors = [event["text"] for event in self.events if event["event"] == "error"]
        assert len(errors) == 1, f"not one line: {self.stderr}"
        return errors[0]


@pytest.fixture(scope="module")
def fetch(program, run):
    """fetch(place, proxy, directory, *options): a Fetched."""
    def call(place, proxy, directory, *options, timeout=120):
        directory.mkdir(parents=True, exist_ok=True)
        done = run(program, "fetch", "--json", "--part-size", PART, "--streams", STREAMS, *options, *place.argv(proxy),
                   "-o", directory / "got.db", env=place.env, timeout=timeout)
        return Fetched(done, directory / "got.db")
    return call


def judge(got, want):
    """Whole and right, or refused in one line that says why, with nothing left behind."""
    assert got.status in (0, 1), f"status {got.status}: {got.stderr[-2000:]}"
    if got.status == 0:
        assert got.data == want, "other bytes were accepted"
    else:
        assert got.data is None, "refused, and yet the file is there"
        assert len(got.error) > 15 and "\n" not in got.error, got.error
    assert got.left == [], f"left behind: {got.left}"


# Interruptions.

@pytest.mark.parametrize("name", ["s3-large", "http-large"])
def test_after_a_hundred_interruptions_at_most_one_part_was_fetched_twice(fetch, places, tmp_path, name):
    dice, want, place, lock = random.Random(SEED), make(LARGE), places[name], threading.Lock()
    points = [sorted(dice.randrange(1, LARGE) for _ in range(10)) for _ in range(5)]
    twice, interruptions = [], []

    def download(number):
        proxy = Proxy("127.0.0.1", place.port)
        proxy.interrupt_at(points[number])
        try:
            got = fetch(place, proxy, tmp_path / str(number), "--part-size", LARGE_PART)
            judge(got, want)
            assert got.status == 0, got.error
            with lock:
                # A first look, which asks for no range, may be left in the middle: that is no part.
                proxy.settle()
                twice.append(sum(request.sent for request in proxy.requests if request.range) - len(want))
                interruptions.append(proxy.interruptions)
        finally:
            proxy.close()

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(download, range(len(points))))
    print(f"{name}: {sum(interruptions)} interruptions; fetched twice: {twice} bytes")
    assert sum(interruptions) == 50
    assert max(twice) <= LARGE_PART


# What servers say when they cannot or will not.

@pytest.fixture
def through(fetch, places, tmp_path):
    """through(name, plan, *options): (Fetched, Proxy) of the snapshot there, with that plan of faults."""
    proxies = []

    def call(name, plan, *options, **more):
        proxies.append(Proxy("127.0.0.1", places[name].port, plan, places[name].raw))
        call.proxy = proxies[-1]
        got = fetch(places[name], proxies[-1], tmp_path / str(len(proxies)), *options, **more)
        judge(got, make(SIZE))
        return got, proxies[-1]
    yield call
    for proxy in proxies:
        proxy.close()


def first(count, fault, which=lambda request: request.range):
    """That fault for the first `count` requests that are ones."""
    left, lock = [count], threading.Lock()

    def plan(request):
        with lock:
            if left[0] > 0 and which(request):
                left[0] -= 1
                return fault
        return None
    return plan


def until_struck(fault, through):
    """That fault for every request or connection, until one of them was long enough for it."""
    return lambda request: None if any(r.struck for r in through.proxy.requests) else fault


@pytest.mark.parametrize("name", ["s3", "http"])
@pytest.mark.parametrize("status, code", [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_a_busy_server_is_asked_again(through, name, status, code):
    body = f"<Error><Code>{code}</Code></Error>".encode()
    got, proxy = through(name, first(3, Fault("status", status=status, body=body)))
    assert got.status == 0, got.error
    assert len(proxy.struck) == 3


@pytest.mark.parametrize("name", ["s3", "http"])
def test_a_server_that_says_when_is_asked_then_and_not_before(through, name):
    asked, struck = [], []

    def plan(request):
        asked.append(time.monotonic())
        if request.range and not struck:
            struck.append(time.monotonic())
            return Fault("status", status=503, headers={"Retry-After": "3"})
        return None
    got, proxy = through(name, plan, "--streams", 1)
    assert got.status == 0, got.error
    assert len(proxy.struck) == 1
    assert 2.9 <= min(when for when in asked if when > struck[0]) - struck[0] < 20


OTHER_RANGE = Fault("header", headers={"Content-Range": f"bytes 1-{PART}/{SIZE}"})


@pytest.mark.parametrize("name", ["s3", "http"])
def test_other_ranges_than_asked_for_are_not_taken(through, name):
    got, proxy = through(name, first(2, OTHER_RANGE, lambda request: request.range and request.range[0] > 0))
    assert got.status == 0, got.error
    assert len(proxy.struck) == 2


@pytest.mark.long
@pytest.mark.parametrize("name", ["s3", "http"])
def test_a_server_that_always_sends_other_ranges_is_given_up(through, name):
    got, _ = through(name, lambda request: OTHER_RANGE if request.range else None, timeout=200)
    assert got.status == 1 and "range" in got.error


@pytest.mark.parametrize("name", ["s3", "http"])
def test_a_loop_of_redirects_ends(through, name):
    got, proxy = through(name, lambda request: Fault("loop", status=307))
    assert got.status == 1 and "redirect" in got.error
    assert len(proxy.requests) < 40


@pytest.mark.parametrize("name", ["s3", "http"])
def test_a_flipped_bit_is_noticed(through, name):
    got, _ = through(name, first(1, Fault("flip", at=1000), lambda r: r.range and r.range[0] >= PART))
    assert got.status == 1 and "sha256" in got.error


@pytest.mark.parametrize("name", ["s3-tls", "https", "sftp"])
def test_a_flipped_bit_below_the_encryption_costs_a_try_and_no_more(through, name):
    got, proxy = through(name, until_struck(Fault("flip", at=60_000), through))
    assert proxy.struck
    assert got.status == 0, got.error


@pytest.mark.parametrize("name", ["s3", "http", "https", "sftp"])
def test_a_slow_trickle_in_between_is_waited_for(through, name):
    got, proxy = through(name, until_struck(Fault("trickle", at=60_000, seconds=0.05, count=40), through))
    assert got.status == 0, got.error
    assert proxy.struck


@pytest.mark.long
@pytest.mark.parametrize("name", ["s3", "http", "https", "sftp"])
def test_a_connection_that_falls_silent_is_given_up_for_another(through, name):
    got, proxy = through(name, until_struck(Fault("stall", at=60_000, seconds=300), through), timeout=200)
    assert got.status == 0, got.error
    assert proxy.struck


def skewed(seconds):
    """A store whose clock is so many seconds ahead of ours; it says so as S3 does."""
    body = b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"

    def plan(_):
        date = formatdate(time.time() + seconds, usegmt=True)
        return Fault("status", status=403, headers={"Date": date, "Content-Type": "application/xml"}, body=body)
    return plan


# As if our own clock began in 1970.
YEARS = 1_795_000_000


@pytest.mark.parametrize("seconds, words", [(3600, "1 h"), (-3600, "1 h"), (YEARS, "days behind")])
def test_a_wrong_clock_is_measured_and_named(through, seconds, words):
    got, proxy = through("s3", skewed(seconds))
    assert got.status == 1 and "clock" in got.error and words in got.error
    assert len(proxy.requests) < 5, "asked again and again with the same clock"


def test_role_credentials_that_expire_on_the_way_are_renewed(fetch, moto, imds, tmp_path):
    data, bucket, lock = make(SIZE), moto.bucket(), threading.Lock()
    moto.put(bucket, "snapshot.db", data)
    old = imds.role_credentials()
    answered, renewed = [], []

    def plan(request):
        with lock:
            if request.headers.get("x-amz-security-token") != old[2]:
                return None
            answered.append(request)
            if len(answered) <= 6:
                return None
            if not renewed:
                renewed.append(imds.role_credentials())
        return Fault("status", status=400, headers={"Content-Type": "application/xml"},
                     body=b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>")
    proxy = Proxy("127.0.0.1", moto.port, plan)
    place = Place("moto", moto.port, f"s3://{bucket}/snapshot.db", {**imds.environment, "AWS_REGION": "us-east-1"},
                  ["--endpoint", "http://localhost:{port}", "--credentials", "imds"])
    try:
        got = fetch(place, proxy, tmp_path)
        judge(got, data)
        assert got.status == 0, got.error
        tokens = {request.headers.get("x-amz-security-token") for request in proxy.requests}
        assert tokens == {old[2], renewed[0][2]}
    finally:
        proxy.close()


# Any fault at all.

def sweep(fetch, places, work, wanted):
    """Runs until so many faults have struck; counts (faults, runs, refused runs, reasons)."""
    want, names = make(SIZE), ["s3", "s3", "http", "http", "s3-tls", "https", "sftp"]
    state = {"faults": 0, "runs": 0, "refused": 0, "slowest": [], "reasons": {}}
    lock, base = threading.Lock(), work("sweep")

    def worker():
        while True:
            with lock:
                if state["faults"] >= wanted:
                    return
                number = state["runs"]
                state["runs"] += 1
            place = places[names[number % len(names)]]
            proxy = Proxy("127.0.0.1", place.port, any_plan(SEED + number, place.raw), place.raw)
            began = time.monotonic()
            try:
                # One that meets many silences has patience with each.
                got = fetch(place, proxy, base / str(number), timeout=1200)
                struck = proxy.struck
            finally:
                proxy.close()
            try:
                judge(got, want)
            except AssertionError as failure:
                told = "\n".join(map(str, struck))[:3000]
                raise AssertionError(f"run {number} ({place.name}): {failure}\nafter:\n{told}") from failure
            (base / str(number) / "got.db").unlink(missing_ok=True)
            with lock:
                state["faults"] += len(struck)
                state["slowest"] = sorted(state["slowest"] + [(round(time.monotonic() - began, 1), number, place.name)])[-9:]
                if got.status:
                    state["refused"] += 1
                    reason = re.sub(r"[0-9a-f]{64}|\d{2,}", "N", got.error)
                    state["reasons"][reason] = state["reasons"].get(reason, 0) + 1

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for one in [pool.submit(worker) for _ in range(AT_ONCE)]:
            one.result()
    return state


def tell(state, artefacts, name):
    (artefacts / name).write_text(json.dumps(state, indent=1))
    print(f"{state['faults']} faults in {state['runs']} runs, {state['refused']} refused, "
          f"{len(state['reasons'])} different reasons: {artefacts / name}")


def test_no_wrong_byte_is_accepted_after_any_fault(fetch, places, work, artefacts):
    state = sweep(fetch, places, work, 150)
    tell(state, artefacts, "faults-sample.json")
    # It would prove nothing if everything were refused, or nothing.
    assert 0 < state["refused"] < state["runs"]


@pytest.mark.long
def test_no_wrong_byte_is_accepted_after_ten_thousand_faults(fetch, places, work, artefacts):
    tell(sweep(fetch, places, work, 10_000), artefacts, "faults-10000.json")
