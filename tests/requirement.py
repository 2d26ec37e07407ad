"""What a test needs from the machine it runs on, and the words for it when it is not there.

A test says `@pytest.mark.needs("qemu-system-x86_64", "etcd-3.5")`, or calls need() when it only finds out
on the way. A name is one of

    /absolute/path		a file that must exist
    ./relative/path		a file of this project, made by an earlier step (out/..., build/...)
    anything else		a program: a peer under build/peers/bin first, then on PATH

What is missing skips the test by name with one line that says what to do. A test that is listed in required.txt,
or marked `must`, fails instead: conftest.py turns its skip into a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PEERS = TOP / "build" / "peers" / "bin"

def find(name):
    """Path of a requirement, or None."""
    if name.startswith("/") or name.startswith("./"):
        path = TOP / name
        return path if path.exists() else None
    peer = PEERS / name
    if os.access(peer, os.X_OK):
        return peer
    # A plain user's PATH lacks sbin on Debian, and the mkfs programs live there.
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    return Path(path) if path else None


def package_of(name):
    """The Debian package that config/host says a program or a file comes in, or None."""
    for line in (TOP / "config" / "host").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            package, probes = line.split()[:2]
            for probe in probes.split("|"):
                # Of the files of one directory the list names one that stands for all.
                if name == probe or (name.startswith("/") and os.path.dirname(name) == os.path.dirname(probe)):
                    return package
    return None


def advice(name):
    """One line: what is missing and what brings it."""
    if name.startswith("./"):
        return f"{name[2:]} is not there; ./build.sh image makes it"
    package = package_of(name)
    if package:
        return f"{name} is not there; Debian package {package}"
    if name.startswith("/"):
        return f"{name} is not there"
    return f"{name} is neither a peer under build/peers/bin nor on PATH; tests/peers.sh or a Debian package brings it"


def need(*names):
    """The paths of what is asked for (one path for one name); skips the running test when one is missing."""
    paths = []
    for name in names:
        path = find(name)
        if path is None:
            pytest.skip("needs " + advice(name))
        paths.append(path)
    return paths[0] if len(paths) == 1 else paths
