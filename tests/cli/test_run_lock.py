"""Two programs on one state directory: the second is refused, and the first's end lets it in."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.test_run import call, marks, plan, program, run, snapshot, tree  # noqa: F401

STATE = "var/lib/etcd-rescue"


@pytest.fixture
def hold(tree):
    """Another program's lock on the state directory."""
    held = []

    def take():
        (tree / STATE).mkdir(parents=True, exist_ok=True)
        held.append(os.open(tree / STATE, os.O_RDONLY))
        fcntl.flock(held[0], fcntl.LOCK_EX)
    yield take
    for fd in held:
        os.close(fd)


def test_a_second_program_is_refused_and_writes_nothing(program, tree, plan, hold):
    hold()
    before = marks(tree)
    result, said = run(program, tree, plan, status=1)
    assert result["outcome"] == "untouched" and "another etcd-rescue is at work" in said
    assert marks(tree) == before


@pytest.mark.parametrize("command", [["commit"], ["rollback"], ["forget", "--yes"]])
def test_nothing_that_writes_goes_past_it(program, tree, plan, hold, command):
    run(program, tree, plan, *(["--until", "rewrite"] if command == ["commit"] else []))
    hold()
    before = marks(tree)
    said = call(program, *command, "--root", tree, status=1).stderr
    assert "another etcd-rescue is at work" in said and marks(tree) == before
    call(program, *command, "--root", tree, "--dry-run")


def is_stopped(child):
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def stopped_while_it_stages(program, tree, plan):
    """Which a busy machine may miss: then once more, on a tree that is as it was."""
    spare = tree.with_name("spare")
    subprocess.run(["cp", "-a", tree, spare], check=True)
    for _ in range(50):
        child = subprocess.Popen([program, "run", "--root", tree, "--file", plan, "--yes"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        while not (tree / STATE / "intent").exists() and child.poll() is None:
            time.sleep(0.001)
        child.send_signal(signal.SIGSTOP)
        while child.poll() is None and not is_stopped(child):
            time.sleep(0.001)
        if child.poll() is None and not (tree / STATE / "journal").exists():
            return child
        child.kill()
        child.wait(60)
        shutil.rmtree(tree)
        subprocess.run(["cp", "-a", spare, tree], check=True)
    raise AssertionError("it was never seen between its intent and its commit")


def test_it_goes_with_the_program_that_held_it(program, tree, plan):
    """Stopped while it stages, it holds the disk; killed, it does not."""
    first = stopped_while_it_stages(program, tree, plan)
    try:
        _, said = run(program, tree, plan, status=1)
        assert "another etcd-rescue is at work" in said
    finally:
        first.kill()
        first.wait(60)
    assert run(program, tree, plan)[0]["outcome"] == "restored"
