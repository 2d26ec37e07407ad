"""Restored masters, and the program that finishes their restore."""

import json
import subprocess

import pytest

from interop.finished import Master
from machine import pki
from said import pytest_runtest_makereport # noqa: F401


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    return pki.authorities(tmp_path_factory.mktemp("pki") / "cas")


@pytest.fixture
def master(tmp_path, authorities):
    made = []

    def make(version="3.5"):
        made.append(Master(tmp_path / f"tree{len(made)}", authorities, version))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def finish(image_file):
    """finish(master, *more): (exit status, what it did, what it said)"""
    def run(master, *more):
        done = subprocess.run([image_file("etcd-rescue"), "finish", "--root", master.root, "--json", *map(str, more)],
            capture_output=True, text=True, timeout=300, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        did = [line for line in lines if line.get("event") == "finish" and "outcome" in line]
        print(done.stdout + done.stderr, end="")
        return done.returncode, did[-1] if did else None, done.stdout + done.stderr
    return run
