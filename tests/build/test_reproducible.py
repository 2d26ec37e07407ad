"""The image again, in another folder, at another time, under other habits: the same bytes come out.

The first build is the image under test. The second one compiles the program and BusyBox anew from a copy of this
tree; the libraries are taken over from the first (with --long they are built anew, too) and so is the download cache.
"""

import hashlib
import os
import shutil
import subprocess
import time

import pytest

# What a build must not depend on, set to something else than usual.
HABITS = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "CFLAGS": "-O0 -DHABIT", "CDPATH": "/", "HOME": "/nonexistent",
          "LANGUAGE": "de", "ETCD_RESCUE_NO_INSTALL": "yes", "XZ_OPT": "-1", "ZSTD_CLEVEL": "1"}


def copy_tree(top, to):
    """Everything that belongs to the project, committed or not."""
    names = subprocess.run(["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           capture_output=True, check=True).stdout.decode().split("\0")
    # The other way round, so that folders list their files in another order.
    for name in sorted(filter(None, names), reverse=True):
        if (top / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(top / name, to / name)


def take_over(top, to, but):
    """Libraries, their stamps and what was fetched; links, since nothing writes into them in place."""
    for folder in ("src", "inputs", "x86_64/sysroot", "x86_64/stamps"):
        shutil.copytree(top / "build" / folder, to / "build" / folder, copy_function=os.link, symlinks=True)
    for name in but:
        (to / "build/x86_64/stamps" / name).unlink()


def build_again(top, to, env):
    log = to / "build.log"
    started = time.time()
    with open(log, "wb") as out:
        status = subprocess.run(["/bin/sh", "-c", "umask 077; exec ./build.sh --offline image"], cwd=to, env=env,
                                stdout=out, stderr=subprocess.STDOUT, timeout=3600).returncode
    assert status == 0, log.read_text()[-3000:]
    return started


def differing(one, two):
    """Names whose contents differ, with the first place where they do."""
    found = []
    for path in sorted(one.iterdir()):
        if path.is_dir():
            continue
        ours, theirs = path.read_bytes(), (two / path.name).read_bytes()
        if hashlib.sha256(ours).digest() != hashlib.sha256(theirs).digest():
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            found.append(f"{path.name}: byte {at} of {len(ours)} and {len(theirs)}")
    return found


@pytest.fixture
def second(top):
    """A folder with a longer name and another depth, removed afterwards."""
    whole = top / "build" / "test-reproducible"
    shutil.rmtree(whole, ignore_errors=True)
    path = whole / "another-place" / "deeper-down" / "tree"
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(whole, ignore_errors=True)


@pytest.fixture
def environment(top):
    env = {"PATH": os.environ["PATH"], **HABITS}
    env["ETCD_RESCUE_CACHE"] = os.environ.get("ETCD_RESCUE_CACHE", str(top / "build" / "cache"))
    return env


def compare(image, second):
    names = {path.name for path in image.iterdir() if path.is_file()}
    assert names == {path.name for path in (second / "out").iterdir() if path.is_file()}
    assert "SHA256SUMS" in names and "etcd-rescue.iso" in names
    assert not differing(image, second / "out"), "different bytes from the same sources (or out/ is older than they are)"


def test_same_bytes_in_another_place_and_time(top, image, image_file, second, environment):
    made = image_file("SHA256SUMS").stat().st_ctime
    copy_tree(top, second)
    take_over(top, second, but=["busybox", "cryptsetup", "e2fsprogs", "lvm2", "mdadm"])
    started = build_again(top, second, environment)
    assert started - made > 1, "the two builds were at the same time"
    # It was compiled here, not copied.
    assert (second / "build/x86_64/busybox").stat().st_mtime >= int(started)
    assert (second / "build/log/x86_64-busybox.log").is_file()
    assert any((second / "build/x86_64-release").rglob("*.o"))
    compare(image, second)


@pytest.mark.long
def test_same_bytes_with_libraries_built_anew(top, image, image_file, second, environment):
    image_file("SHA256SUMS")
    copy_tree(top, second)
    build_again(top, second, environment)
    assert len(list((second / "build/x86_64/stamps").iterdir())) > 10
    compare(image, second)
