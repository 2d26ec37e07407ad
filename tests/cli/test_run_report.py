"""What a run tells those who are not there: on the disk, to a syslog server, to an address; and that it waits for none."""

import contextlib
import http.server
import json
import socket
import threading
import time

import pytest

from cli.test_run import MEMBERS, call, contents, plan, program, run, snapshot, tree  # noqa: F401

LOGS = "var/log/etcd-rescue"


@pytest.fixture
def web():
    """A server that takes reports; `refuses` are the methods it does not know."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def take(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = self.command in self.server.refuses
            if not refused:
                self.server.bodies.append((self.command, json.loads(body)))
            self.send_response(405 if refused else 204)
            self.end_headers()

        do_PUT = do_POST = take

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.bodies, server.refuses = [], ()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def logs(root):
    return sorted((root / LOGS).iterdir())


def test_restore_leaves_its_story_on_the_disk(program, tree, plan):  # noqa: F811
    result, _ = run(program, tree, plan)
    log, = logs(tree)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert log.stat().st_mode & 0o777 == 0o600 and log.parent.stat().st_mode & 0o777 == 0o700
    steps = [event["step"] for event in events if event["event"] == "step"]
    # Also what was said before the disk could be written.
    assert steps[0] == "identify" and "commit" in steps and steps.index("fetch") < steps.index("commit")
    final = events[-1]
    assert (final["event"], final["result"], final["status"], final["reason"]) == ("report", "done", 0, None)
    assert final["plan"] == result["plan_id"] and final["node"] == "master-2"
    assert final["snapshot"] == result["clusters"][0]["sha256"]
    assert [phase["name"] for phase in final["phases"]][0] == "identify"
    assert sum(phase["ms"] for phase in final["phases"]) <= final["total_ms"] + 1
    assert all(event["time"].endswith("Z") for event in events)


def test_second_run_writes_no_log(program, tree, plan):  # noqa: F811
    run(program, tree, plan)
    before = contents(tree)
    result, _ = run(program, tree, plan)
    assert result["outcome"] == "already-restored" and contents(tree) == before


def test_dry_run_tells_nobody(program, tree, plan, web):  # noqa: F811
    plan.write_text(plan.read_text() + f"report: http://127.0.0.1:{web.server_port}/x\n")
    call(program, "run", "--root", tree, "--file", plan, "--dry-run")
    assert web.bodies == [] and not (tree / LOGS).exists()


@pytest.mark.parametrize("refuses, method", [((), "PUT"), (("PUT",), "POST")])
def test_address_gets_phases_and_the_end(program, tree, plan, web, refuses, method):  # noqa: F811
    web.refuses = refuses
    plan.write_text(plan.read_text() + f"report: http://127.0.0.1:{web.server_port}/x?token=CANARY\n")
    result, _ = run(program, tree, plan)
    assert {m for m, _ in web.bodies} == {method}
    last = web.bodies[-1][1]
    assert (last["event"], last["result"], last["plan"]) == ("report", "done", result["plan_id"])
    assert all(body["event"] == "phase" for _, body in web.bodies[:-1])
    assert "CANARY" not in logs(tree)[0].read_text()


def test_failure_is_reported_with_its_reason(program, tree, plan, snapshot, web, tmp_path):  # noqa: F811
    broken = tmp_path / "snapshot_2026-11-21_180000.db"
    data = bytearray(snapshot.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    plan.write_text(f"source: file:{broken}\n{MEMBERS}report: http://127.0.0.1:{web.server_port}/x\n")
    run(program, tree, plan, status=1)
    last = web.bodies[-1][1]
    assert (last["result"], last["status"]) == ("failed", 1) and last["reason"]
    assert json.loads(logs(tree)[0].read_text().splitlines()[-1])["reason"] == last["reason"]


def test_syslog_server_hears_the_steps(program, tree, plan):  # noqa: F811
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        plan.write_text(plan.read_text() + f"syslog: 127.0.0.1:{server.getsockname()[1]}\n")
        run(program, tree, plan)
        server.settimeout(0.2)
        lines = []
        try:
            while True:
                lines.append(server.recv(4096).decode())
        except TimeoutError:
            pass
    assert all(line.startswith("<") and " etcd-rescue " in line for line in lines)
    assert any("step - identify: " in line for line in lines) and any("step - commit: " in line for line in lines)


def test_silent_servers_hold_up_nothing(program, tree, plan):  # noqa: F811
    """One takes the connection and never answers, at the other port nobody is: ten seconds at the end, no more."""
    with socket.socket() as silent, socket.socket() as gone:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        gone.bind(("127.0.0.1", 0))
        plan.write_text(plan.read_text() + f"report: http://127.0.0.1:{silent.getsockname()[1]}/x\n"
                        f"syslog: tcp://127.0.0.1:{gone.getsockname()[1]}\n")
        begin = time.monotonic()
        result, said = run(program, tree, plan)
        assert time.monotonic() - begin < 60
    assert result["outcome"] == "restored"
    assert "report URL did not take everything" in said and "syslog server did not take everything" in said


def test_log_directory_that_is_a_link_is_not_followed(program, tree, plan, tmp_path):  # noqa: F811
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "var").mkdir(exist_ok=True)
    (tree / "var" / "log").symlink_to(outside)
    result, said = run(program, tree, plan)
    assert result["outcome"] == "restored" and "log on the target" in said
    assert list(outside.iterdir()) == []


def test_what_a_signed_address_keeps_secret_is_told_to_nobody(program, tree, plan, snapshot, web):  # noqa: F811
    class Store(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = snapshot.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who looks at the first bytes only
                self.wfile.write(data)

        def log_message(self, *args):
            pass

    store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=store.serve_forever)
    thread.start()
    try:
        plan.write_text(f"source: http://127.0.0.1:{store.server_port}/a/snapshot.db?X-Amz-Signature=hush01\n"
                        f"report: http://127.0.0.1:{web.server_port}/\n{MEMBERS}")
        run(program, tree, plan)
    finally:
        store.shutdown()
        thread.join()
        store.server_close()
    told = [json.dumps(body) for _, body in web.bodies] + [p.read_text() for p in (tree / LOGS).iterdir()] + \
        [p.read_text() for p in (tree / "var/lib/etcd-rescue").iterdir() if p.is_file()]
    assert any("/a/snapshot.db" in text for text in told)
    assert not [text for text in told if "hush01" in text]
