"""Two programs on one state directory: the second is refused, and the first's end lets it in."""

import fcntl
import os
import signal
import subprocess
import time

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


def test_it_goes_with_the_program_that_held_it(program, tree, plan):
    """Stopped while it stages, it holds the disk; killed, it does not."""
    first = subprocess.Popen([program, "run", "--root", tree, "--file", plan, "--yes"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tree / STATE / "intent").exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        first.send_signal(signal.SIGSTOP)
        assert not (tree / STATE / "journal").exists()
        _, said = run(program, tree, plan, status=1)
        assert "another etcd-rescue is at work" in said
    finally:
        first.kill()
        first.wait(60)
    assert run(program, tree, plan)[0]["outcome"] == "restored"
