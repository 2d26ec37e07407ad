"""A restore in which a system call fails, or at which the machine stops: all of the member is there, or nothing."""

import re
import subprocess
from pathlib import Path

import pytest

import requirement

SNAPSHOT = Path(__file__).resolve().parent.parent / "golden" / "etcd-3.5" / "snapshot.db"
MEMBERS = ",".join(f"m{i}=http://10.0.0.{i}:2380" for i in (1, 2, 3))
# Every call that makes, fills, looks at or names a file; what only cleans up is not here.
CALLS = ["openat", "mkdirat", "read", "pread64", "write", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync",
         "renameat2", "newfstatat", "fstat", "faccessat", "faccessat2", "copy_file_range"]
STAGED = re.compile(r"\.etcd-rescue-[0-9a-f]{8}$")


def tree(directory):
    """All files with their content, without what a stopped run has staged."""
    return {str(p.relative_to(directory)): p.read_bytes() if p.is_file() else None
            for p in sorted(directory.rglob("*"))
            if not any(STAGED.match(part) for part in p.relative_to(directory).parts)}


@pytest.fixture
def restore(image_file, tmp_path):
    """restore(directory, options, inject): the run under strace, and whether something was injected."""
    strace = requirement.need("strace")
    program = image_file("etcd-rescue")

    def restore(directory, options, inject):
        directory.mkdir()
        log = tmp_path / "strace.log"
        done = subprocess.run([strace, "-f", "-qq", "-o", log, f"--inject={inject}", f"--trace={inject.split(':')[0]}",
                               program, "snapshot", "restore", SNAPSHOT, f"--data-dir={directory}/a/data",
                               f"--initial-cluster={MEMBERS}", *(o.format(directory) for o in options)],
                              capture_output=True, text=True, timeout=120)
        text = log.read_text()
        return done, any(word in text for word in ("(INJECTED)", "--- SIGTERM", "+++ killed by"))
    return restore


@pytest.fixture
def whole(image_file, tmp_path):
    """The result of a run that nothing disturbs."""
    def whole(options):
        directory = tmp_path / "whole"
        directory.mkdir()
        subprocess.run([image_file("etcd-rescue"), "snapshot", "restore", SNAPSHOT, f"--data-dir={directory}/a/data",
                        f"--initial-cluster={MEMBERS}", *(o.format(directory) for o in options)],
                       check=True, capture_output=True, timeout=120)
        return tree(directory)
    return whole


def each_time(restore, tmp_path, options, call, how):
    """Let the first call fail, then the second, ... until a run has no such call left."""
    for n in range(1, 500):
        directory = tmp_path / f"{call}-{n}"
        done, injected = restore(directory, options, f"{call}:{how}:when={n}")
        if not injected:
            assert done.returncode == 0, done.stderr
            return
        yield n, done, directory
    pytest.fail(f"{call} is called more than 500 times")


# The program reads its own machine before main (read of /proc, fstat of stdout), so some failures are not its own.
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.needs("strace")
def test_a_call_that_fails_leaves_nothing(restore, whole, tmp_path, call, error):
    options = ["--name=m1"]
    good = whole(options)
    for n, done, directory in each_time(restore, tmp_path, options, call, f"error={error}"):
        if done.returncode == 0:
            assert tree(directory) == good, f"{call} {n} failed and was not noticed"
            continue
        assert done.returncode == 1, f"{call} {n}: {done.stderr}"
        assert list(directory.iterdir()) == [], f"{call} {n} left something: {done.stderr}"
        assert len(re.findall("^etcd-rescue: .", done.stderr, re.M)) == 1, done.stderr


@pytest.mark.parametrize("call", ["mkdirat", "pwrite64", "write", "ftruncate", "fallocate", "fsync", "renameat2"])
@pytest.mark.needs("strace")
def test_a_machine_that_stops_leaves_all_or_nothing(restore, whole, tmp_path, call):
    options = ["--name=m1"]
    good = whole(options)
    for n, done, directory in each_time(restore, tmp_path, options, call, "signal=SIGKILL"):
        assert done.returncode != 0
        left = tree(directory)
        assert left == good or left in ({}, {"a": None}), f"{call} {n}: {sorted(left)}"


@pytest.mark.parametrize("call", ["mkdirat", "openat", "pread64", "pwrite64", "write", "ftruncate", "fallocate", "fsync",
                                  "copy_file_range", "renameat2"])
@pytest.mark.parametrize("options", [["--all-members"], ["--name=m1"]], ids=["all members", "one"])
@pytest.mark.needs("strace")
def test_a_signal_at_any_time_leaves_all_or_nothing(restore, whole, tmp_path, options, call):
    """And takes away what it had staged: at the next phase, or it finishes when the names are being given."""
    good, stopped = whole(options), 0
    for n, done, directory in each_time(restore, tmp_path, options, call, "signal=SIGTERM"):
        if done.returncode == 0:
            assert tree(directory) == good, f"{call} {n}"
        else:
            assert done.returncode in (128 + 15, -15), f"{call} {n}: {done.stderr}"
            stopped += 1
            assert list(directory.iterdir()) == [], f"{call} {n} left something: {done.stderr}"
        if (directory / "a").exists():
            assert not any(STAGED.match(p.name) for p in directory.rglob("*")), f"{call} {n} left its stage"
    # The single member's names are given last, and there is no second one to copy.
    assert stopped or call in ("renameat2", "copy_file_range")


@pytest.mark.parametrize("options", [["--all-members"], ["--name=m1", "--wal-dir={}/b/wal"]],
                         ids=["all members", "WAL elsewhere"])
@pytest.mark.parametrize("call", ["renameat2", "fsync", "mkdirat", "fallocate"])
@pytest.mark.needs("strace")
def test_several_directories_are_all_there_or_none(restore, whole, tmp_path, call, options):
    good = whole(options)
    for n, done, directory in each_time(restore, tmp_path, options, call, "error=EIO"):
        if done.returncode == 0:
            assert tree(directory) == good, f"{call} {n} failed and was not noticed"
        else:
            assert list(directory.iterdir()) == [], f"{call} {n} left something: {done.stderr}"
