"""What holds for every command: names, exit status, what is said when something cannot be done."""

import fcntl
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import requirement


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def run(program):
    def call(*args, **kwargs):
        return subprocess.run([program, *map(str, args)], stderr=subprocess.PIPE, text=True, timeout=60,
                              **{"stdout": subprocess.PIPE, **kwargs})
    return call


@pytest.mark.parametrize("words, said", [
    (["snapshot"], "'snapshot' is no command; there is 'snapshot "),
    (["snapshot", "statu"], "'snapshot statu' is no command; there is 'snapshot "),
    (["bootx"], "unknown command 'bootx', did you mean 'boot'?"),
    ([], "which command?"),
])
def test_unknown_command_is_said_with_the_nearest(run, words, said):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"etcd-rescue: {said}")
    assert re.search(r"\n  see: etcd-rescue --help\n$", done.stderr)


def test_closed_output_is_an_error_without_advice_about_disks(run):
    done = run("plan", "--keys", stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == 1
    assert "Bad file descriptor" in done.stderr and "dmesg" not in done.stderr


def test_link_that_leads_round_is_no_fault_of_the_disk(run, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    done = run("plan", "--check", tmp_path / "loop")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 2
    assert "symbolic links" in done.stderr and "dmesg" not in done.stderr


def test_ignored_end_of_children_is_not_inherited(program):
    """Who ignores SIGCHLD never learns how a child ended; a caller may have set it so."""
    ours, theirs = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, 4096)
    # Its output does not fit, so it stands still and can be looked at.
    process = subprocess.Popen([program, "plan", "--keys"], stdout=theirs,
                               preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    os.close(theirs)
    try:
        deadline = time.monotonic() + 20
        while "pipe" not in Path(f"/proc/{process.pid}/wchan").read_text() and time.monotonic() < deadline:
            if Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "S":
                break
            time.sleep(0.02)
        status = Path(f"/proc/{process.pid}/status").read_text()
        ignored = int(re.search(r"SigIgn:\t(\w+)", status)[1], 16)
        assert not ignored >> (signal.SIGCHLD - 1) & 1
    finally:
        with os.fdopen(ours, "rb") as out:
            assert out.read()
        assert process.wait(20) == 0


def test_commands_of_the_greeting_exist(run, top):
    """Who logs in reads etc/motd first; a name that is not there would be the first thing to fail."""
    busybox = requirement.need("./build/x86_64/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    commands = {line.split()[0] for line in run("--help").stdout.split("Commands:\n")[1].splitlines()
                if line.startswith("  ")}
    named = [re.split(" {3,}", line.strip()) for line in (top / "rootfs/etc/motd").read_text().splitlines()
             if line.startswith("    ")]
    assert len(named) >= 6
    for *calls, _ in named:
        assert calls
        for call in calls:
            words = re.split(r" \| ", call)
            for name, *more in (word.split() for word in words):
                if name == "etcd-rescue":
                    assert more[0] in commands | {"--help"}, call
                else:
                    assert name in applets, call
