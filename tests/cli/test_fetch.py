"""etcd-rescue fetch, as an operator calls it: where the file goes, what stays on failure, what is said and to whom."""

import fcntl
import json
import os
import pty
import re
import resource
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sources.trees import golden, put, tar

NAME = "etcd-2026-10-01T01:00:00Z.db"
CANARY = "CANARY-5f1c-do-not-show"


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def here(tmp_path):
    path = tmp_path / "here"
    path.mkdir()
    return path


@pytest.fixture
def store(tmp_path):
    put(tmp_path / "store", NAME, golden())
    return tmp_path / "store"


@pytest.fixture
def run(program, here):
    def call(*args, status=0, env=None, **options):
        done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, cwd=here, timeout=60,
                              env={"PATH": os.environ["PATH"], "HOME": str(here), **(env or {})}, **options)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        return done
    return call


def names(path):
    return sorted(p.name for p in path.iterdir())


class Slow(BaseHTTPRequestHandler):
    """Gives a snapshot and then hangs."""
    def do_GET(self):
        if "2026" not in self.path:
            self.send_error(403)
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000000")
        self.end_headers()
        self.wfile.write(golden() * 20)
        self.wfile.flush()
        self.server.sent.set()
        self.server.waits.wait(60)

    def do_HEAD(self):
        if "2026" not in self.path:
            self.send_error(403)
            return
        self.send_response(200)
        self.send_header("Content-Length", "100000000")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def slow():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    server.waits, server.sent = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.waits.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_one_line_says_what_came(run, store, here):
    done = run("fetch", f"file:{store}", "-o", "out.db")
    assert done.stdout == (
        "out.db: revision 22, 25 entries, 49 kB, "
        "sha256 224010faa5971fd2f12b403c0049d886f100aac49ddb5fad61ce243c47f8d514, "
        f"from file:{store}/{NAME}\n")
    assert (here / "out.db").stat().st_mode & 0o777 == 0o600
    assert done.stderr.splitlines() == [f"    choose: {NAME}: the only usable one",
                                        "    fetch: received, proved and in place"]
    assert run("fetch", "-q", f"file:{store}", "-o", "quiet.db").stderr == ""


@pytest.mark.parametrize("where, want", [
    ([], NAME), (["-o", "x.db"], "x.db"), (["--output", "sub/"], f"sub/{NAME}"), (["-o", "there"], f"there/{NAME}"),
    (["-o", "there/x"], "there/x"), (["-o", "{here}/there/y.db"], "there/y.db")])
def test_where_it_goes(run, store, here, where, want):
    (here / "there").mkdir()
    run("fetch", f"file:{store}", *(w.format(here=here) for w in where))
    assert (here / want).read_bytes() == golden()


def test_addresses_of_paths_are_a_persons(run, store, here):
    for address in (f"{store}", f"file:{store}/{NAME}", "../store", f"../store/{NAME}", "file:../store"):
        run("fetch", "--force", address, "-o", "out.db")
        assert (here / "out.db").read_bytes() == golden()
        (here / "out.db").unlink()


def test_a_file_that_is_there_stays(run, store, here):
    (here / "out.db").write_bytes(b"mine")
    done = run("fetch", f"file:{store}", "-o", "out.db", status=6)
    assert done.stderr.splitlines()[-1] == "etcd-rescue: out.db: is there already; --force replaces it"
    assert (here / "out.db").read_bytes() == b"mine" and names(here) == ["out.db"]
    run("fetch", "--force", f"file:{store}", "-o", "out.db")
    assert (here / "out.db").read_bytes() == golden() and names(here) == ["out.db"]


@pytest.mark.parametrize("args, status, text", [
    (["-o", "gone/out.db"], 1, "gone: No such file or directory"),
    (["-o", ""], 2, "--output: the name is empty"),
    (["--addressing", "diagonal"], 2, "--addressing diagonal: there are auto, path and host"),
    (["--snapshot", "before:yesterday"], 2, "give the time as 2026-11-20T18:00Z"),
    (["--snapshot", "sha256:12"], 2, "a SHA-256 has 64 hex digits"),
    (["--ebs-tag", "name"], 2, "--ebs-tag name: NAME=TEXT is wanted"),
    (["--host-key", "MD5:00"], 2, "--host-key MD5:00: give it as ssh-keygen -lf shows it, SHA256:..."),
    (["--client-key", "k.pem"], 2, "--client-key goes with --client-cert"),
    (["--part-size", "1"], 2, "--part-size: between 64K and 64M"),
    (["--proxy", "http://me:secret@proxy:3128"], 2, "--proxy: take user and password out of the address"),
    (["--streams", "33"], 2, "--streams: more than 32 at a time"),
    (["--ca", "gone.pem"], 1, "gone.pem: No such file or directory"),
    (["--plan", "gone.yaml"], 1, "gone.yaml: there is no such file"),
    (["--snapshot", "other.db"], 1, "no 'other.db' is there; the newest is"),
])
def test_wrong_usage_is_one_line_and_leaves_nothing(run, store, here, args, status, text):
    done = run("fetch", f"file:{store}", *args, status=status)
    assert text in done.stderr and done.stdout == "" and names(here) == []
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize("address, status, text", [
    ("s4://bucket/", 2, "'s4:' is no kind of source, did you mean 's3:'?"),
    ("gopher://x/", 2, "'gopher:' is no kind of source; there are s3, https, http, sftp, file, dev, label and ebs"),
    ("file:/nonexistent/x", 1, "/nonexistent/x"), ("", 2, "the address of the source is empty"),
    (f"https://user:{CANARY}@host/x", 2, "take the user and password out of the address"),
    (f"sftp://user:{CANARY}@host/x", 2, "take the password out of the address"),
    (f"s3://{CANARY}:{CANARY}@bucket/x", 2, "--credentials file:PATH"),
])
def test_addresses_that_make_no_sense(run, here, address, status, text):
    for json_ in ([], ["--json"]):
        done = run("fetch", *json_, address, "-o", "x.db", status=status)
        assert text in done.stderr and CANARY not in done.stderr + done.stdout and names(here) == []


def test_without_an_address_it_says_what_is_missing(run):
    assert "where? give an address, or a plan with --plan" in run("fetch", status=2).stderr


def test_a_plan_says_all_of_it_and_options_say_more(run, store, here):
    put(store, "etcd-2026-10-01T02:00:00Z.db", golden("3.6"))
    (here / "plan.yaml").write_text(f"source: file:{store}\nsnapshot: {NAME}\n")
    assert json.loads(run("fetch", "--json", "--plan", "plan.yaml", "-o", "a.db").stdout)["name"] == NAME
    said = json.loads(run("fetch", "--json", "--plan", "plan.yaml", "--snapshot", "latest", "-o", "b.db").stdout)
    assert said["name"] == "etcd-2026-10-01T02:00:00Z.db"
    (here / "plan.yaml").write_text(f"source: file:{store}\nsnapshot: {{before: 2026-10-01T01:30:00Z}}\n")
    assert json.loads(run("fetch", "--json", "--plan", "plan.yaml", "-o", "c.db").stdout)["name"] == NAME


def test_json_is_one_object_a_line(run, store):
    put(store, "etcd-2026-10-01T03:00:00Z.db", golden()[:40000])
    done = run("fetch", "--json", f"file:{store}", "-o", "out.db")
    said = json.loads(done.stdout)
    assert set(said) == {"event", "file", "size", "revision", "entries", "sha256", "verified", "from", "name", "inside",
                         "wrapping", "time", "received", "tries", "events", "others"}
    assert said["event"] == "fetched" and said["time"] == "2026-10-01T01:00:00Z" and said["tries"] == 2
    assert said["size"] == said["received"] == len(golden()) and said["inside"] is None and said["wrapping"] == ""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"warning", "info", "done"} <= {e["event"] for e in events}
    done = run("fetch", "--json", f"file:{store}", "-o", "out.db", status=6)
    assert json.loads(done.stderr.splitlines()[-1])["code"] == "declined"


def test_inside_of_an_archive_is_named(run, tmp_path):
    put(tmp_path / "csm", "etcd-backup-2026-10-01-01-00-00.tar.gz", tar({"etcd-backup-x/etcd-dump.bin": golden()}))
    done = run("fetch", f"file:{tmp_path}/csm")
    assert done.stdout.startswith("etcd-backup-2026-10-01-01-00-00.db: revision 22")
    assert done.stdout.endswith(".tar.gz etcd-backup-x/etcd-dump.bin\n")
    said = json.loads(run("fetch", "--json", "--force", f"file:{tmp_path}/csm").stdout)
    assert (said["inside"], said["wrapping"]) == ("etcd-backup-x/etcd-dump.bin", "gzip, tar")


def test_a_full_disk_leaves_nothing(program, store, here):
    done = subprocess.run([program, "fetch", f"file:{store}", "-o", "out.db"], capture_output=True, text=True, cwd=here,
                          preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                              resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))))
    assert done.returncode == 1 and "File too large" in done.stderr and names(here) == []


def test_a_signal_leaves_nothing(program, slow, here):
    process = subprocess.Popen([program, "fetch", f"{slow.url}/etcd-2026-10-01.db", "-o", "deep/"], cwd=here, stderr=subprocess.PIPE, text=True)
    assert slow.sent.wait(60)
    deadline = time.monotonic() + 60
    while not (here / "deep").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    slow.waits.set()
    try:
        process.wait(40)
    finally:
        process.kill()
    assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert "stopped by signal 15; nothing is left behind" in process.stderr.read() and names(here) == []


def test_a_kill_leaves_no_file(program, slow, here):
    process = subprocess.Popen([program, "fetch", f"{slow.url}/etcd-2026-10-01.db", "-o", "out.db"], cwd=here, stderr=subprocess.DEVNULL)
    try:
        assert slow.sent.wait(60)
        time.sleep(0.5)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert names(here) == []


def test_progress_is_shown_on_a_terminal_alone(program, run, store, here):
    big = store.parent / "big"
    big.mkdir()
    with open(big / "etcd-2026-10-01.db", "wb") as file:
        file.write(golden())
        file.truncate(1_200_000_000)
    done = run("fetch", f"file:{big}", "-o", "out.db", status=1)
    assert "B/s" not in done.stderr
    ours, theirs = pty.openpty()
    seen = b""
    process = subprocess.Popen([program, "fetch", f"file:{big}", "-o", "out.db"], cwd=here, stderr=theirs)
    os.close(theirs)
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert process.wait(60) == 1
    text = seen.decode()
    assert "\r\x1b[K  fetch: " in text and " of 1.2 GB (" in text and re.search("[MG]B/s", text)
    assert "etcd-rescue: " in text.splitlines()[-1] or "etcd-rescue: " in text.splitlines()[-2]
    assert all("etcd-rescue: " not in line or line.startswith("etcd-rescue: ") for line in text.splitlines())


@pytest.mark.parametrize("way", ["secret-file", "credentials", "sse-key", "environment", "client-key", "presigned"])
def test_a_secret_is_never_shown(run, slow, here, way):
    (here / "secret").write_text(CANARY + "\n")
    (here / "keys").write_text(f"[default]\naws_access_key_id = {CANARY}\naws_secret_access_key = {CANARY}x\n")
    (here / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    refuses = f"{slow.url}/x/"
    args, env = {
        "secret-file": ([refuses, "--user", "me", "--secret-file", "secret"], {}),
        "credentials": (["s3://bucket/x", "--endpoint", refuses, "--credentials", "file:keys"], {}),
        "sse-key": (["s3://bucket/x", "--endpoint", refuses, "--credentials", "file:keys", "--sse-key", "secret"], {}),
        "environment": (["s3://bucket/x", "--endpoint", refuses, "--credentials", "env"],
                        {"AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": CANARY}),
        "client-key": ([f"https{refuses[4:]}", "--client-cert", "cert.pem", "--client-key", "secret"], {}),
        "presigned": ([f"{refuses}x.db?X-Amz-Signature={CANARY}&X-Amz-Credential={CANARY}"], {}),
    }[way]
    for more in ([], ["--json"], ["--verbose"]):
        for command in (["fetch", "-o", "out.db"], ["list"]):
            done = run(*command, *more, *args, env=env, status=2 if way == "sse-key" else 1)
            assert CANARY not in done.stdout + done.stderr and done.stderr
    assert "out.db" not in names(here)


def test_credentials_given_in_place_of_their_file_are_not_repeated(run):
    done = run("fetch", "s3://bucket/x", "--credentials", CANARY, status=2)
    assert CANARY not in done.stderr and "there are auto, imds, file, file:PATH, env and none" in done.stderr


def test_a_locked_part_file_belongs_to_somebody_else(run, store, here):
    """Only where files cannot be nameless; there the name is taken by a lock."""
    part = here / ".out.db.part"
    with open(part, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run("fetch", f"file:{store}", "-o", "out.db")
    assert (here / "out.db").read_bytes() == golden()
