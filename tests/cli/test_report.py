"""etcd-rescue report: the archive somebody gets who was not there, and what must never be in it."""

import json
import os
import subprocess
import tarfile
from io import BytesIO

import pytest

import requirement

CANARY = "CANARYreport0/secret+0CANARY"
PASSPHRASE = "CANARY disk words"


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def machine(tmp_path):
    """What a failed restore leaves: events and typed secrets in memory, journal and logs on the disk."""
    run, disk = tmp_path / "run", tmp_path / "disk"
    (run / "entered").mkdir(parents=True)
    (run / "entered" / "ttyS0-credentials").write_text(
        f"[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {CANARY}\n")
    (run / "entered" / "ttyS0-luks").write_text(PASSPHRASE)
    (run / "entered" / "ttyS0-plan.yaml").write_text('{"source": "s3://bucket/prefix"}\n')
    (run / "events.jsonl").write_text(
        json.dumps({"event": "failed", "step": "fetch", "text": f"the server says {CANARY} is no key"}) + "\n" +
        json.dumps({"event": "info", "step": "fetch", "text": f"https://op:{CANARY}@h/x?X-Amz-Signature={CANARY}"}) + "\n")
    (run / "boot.log").write_text(f"password: {CANARY}2\nunlocking with {PASSPHRASE}\nplain words\n")
    state = disk / "var" / "lib" / "etcd-rescue"
    state.mkdir(parents=True)
    (state / "journal").write_text('{"phase":"prepared"}\n')
    logs = disk / "var" / "log" / "etcd-rescue"
    logs.mkdir(parents=True)
    for i in range(12):
        (logs / f"20261121T1800{i:02d}Z-01234567.jsonl").write_text('{"event":"step","step":"identify"}\n')
    (logs / "20261121T190000Z-01234567.jsonl").symlink_to("/etc/shadow")
    return run, disk


@pytest.fixture
def pack(program, machine, tmp_path):
    """pack(...) is the finished process; the archive is at tmp_path/out.tar.zst."""
    def run(*args, **kwargs):
        return subprocess.run([program, "report", "--run", machine[0], "--root", machine[1], "-o", tmp_path / "out.tar.zst",
                               *args], capture_output=True, text=True, timeout=180, **kwargs)
    return run


def unpacked(path):
    zstd = requirement.need("zstd")
    tar = subprocess.run([zstd, "-dcq", path], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(tar)) as archive:
        assert all(member.isfile() and member.mode == 0o600 for member in archive)
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_bundle_holds_what_happened(pack, tmp_path):
    done = pack("--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    files = unpacked(tmp_path / "out.tar.zst")
    assert said["event"] == "report-bundle" and said["files"] == len(files)
    assert {"events.jsonl", "boot.log", "machine.jsonl", "journal.json", "plan.yaml", "proc/mounts"} <= set(files)
    assert b"plain words" in files["boot.log"] and b"prepared" in files["journal.json"]
    machine = [json.loads(line) for line in files["machine.jsonl"].splitlines() if line.startswith(b'{"event":"machine"')]
    assert machine and "disks" in machine[0] and "nics" in machine[0]
    assert (tmp_path / "out.tar.zst").stat().st_mode & 0o777 == 0o600


def test_newest_logs_of_the_disk_are_in_and_links_are_not(pack, tmp_path):
    assert pack().returncode == 0
    logs = sorted(name for name in unpacked(tmp_path / "out.tar.zst") if name.startswith("log/"))
    assert logs[0] == "log/20261121T180005Z-01234567.jsonl" and logs[-1] == "log/20261121T180011Z-01234567.jsonl"


def test_no_secret_is_in_the_bundle(pack, tmp_path):
    hot = "CANARYenv0CANARYenv"
    done = pack(env={**os.environ, "AWS_SECRET_ACCESS_KEY": hot})
    assert done.returncode == 0
    files = unpacked(tmp_path / "out.tar.zst")
    for name, text in {**files, "stdout": done.stdout.encode(), "stderr": done.stderr.encode()}.items():
        assert b"CANARY" not in text, name
    # Hidden, not gone: what was said around it is there.
    assert b"is no key" in files["events.jsonl"] and b"(hidden)" in files["boot.log"]


def test_file_that_is_there_is_kept(pack, tmp_path):
    (tmp_path / "out.tar.zst").write_text("mine")
    done = pack()
    assert done.returncode == 6 and "--force" in done.stderr
    assert (tmp_path / "out.tar.zst").read_text() == "mine"
    assert pack("--force").returncode == 0
    assert len(unpacked(tmp_path / "out.tar.zst")) > 5
    assert not (tmp_path / "out.tar.zst.part").exists()


def test_place_that_cannot_be_written_is_named(program, machine, tmp_path):
    done = subprocess.run([program, "report", "--run", machine[0], "-o", tmp_path / "no" / "x"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and "no/x" in done.stderr


@pytest.mark.parametrize("server, good", [("logs:514", True), ("tcp://logs.example:6514", True), ("udp://[2001:db8::1]:514", True),
                                          ("tcp://logs", False), ("ftp://logs:514", False), ("tcp://tcp://logs:1", False)])
def test_syslog_server_of_a_plan(program, tmp_path, server, good):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f'source: s3://b/\nsyslog: "{server}"\n')
    done = subprocess.run([program, "plan", "--check", plan], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) is good, done.stderr
    assert good or "logs:514" in done.stderr
