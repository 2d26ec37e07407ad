"""Parallel downloads from nginx: memory, ciphers, objects that change meanwhile. Faults are in test_faults.py."""

import io
import os
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

DB = Path(__file__).resolve().parents[1].joinpath("golden/etcd-3.5/snapshot.db").read_bytes()
FILLER = 160 << 20
# What our side offers, down to what servers of ten years ago have; the server's key is an elliptic one.
CIPHERS = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
           "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"]
SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def pack(path, filler):
    """The snapshot behind so many other bytes."""
    with tarfile.open(path, "w") as tar, open("/dev/zero", "rb") as zeros:
        for name, size, content in (("filler.bin", filler, zeros), ("snapshot.db", len(DB), io.BytesIO(DB))):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, content)


@pytest.fixture(scope="module")
def root(work):
    """snapshot.db, and large.tar in which it lies behind much else."""
    root = work("downloads")
    (root / "snapshot.db").write_bytes(DB)
    pack(root / "large.tar", FILLER)
    return root


def peak(argv):
    """Largest resident memory of a program that ends well, in MiB; measured from its own, small parent."""
    meter = "import os, resource, subprocess, sys; done = subprocess.run(sys.argv[1:]).returncode; " \
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done)"
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C"}
    done = subprocess.run(["/usr/bin/python3", "-c", meter, *map(str, argv)], capture_output=True, text=True, check=False,
                          env=environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) / 1024


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_memory_is_bounded(program, nginx, root, tmp_path, tls):
    with_tls = nginx(root, tls=tls)
    ca = ["--ca", with_tls.ca] if tls else []
    used = peak([program, "fetch", "--quiet", *ca, "-o", tmp_path / "got.db", f"{with_tls.url}/large.tar"])
    assert (tmp_path / "got.db").read_bytes() == DB
    # Below this no more than one part would have been under way.
    assert 24 < used <= 64
    ranges = [line for line in with_tls.requests() if '" 206 ' in line]
    assert len(ranges) >= FILLER // (8 << 20)
    with_tls.close()


@pytest.mark.parametrize("conf", [f"ssl_protocols TLSv1.2; ssl_ciphers {name};" for name in CIPHERS] +
                         [f"ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {name};" for name in SUITES],
                         ids=CIPHERS + SUITES)
def test_each_cipher_a_server_may_insist_on(program, run, nginx, root, tmp_path, conf):
    server = nginx(root, tls=True, conf=conf)
    done = run(program, "fetch", "--quiet", "--ca", server.ca, "-o", tmp_path / "got.db",
               f"{server.url}/snapshot.db")
    server.close()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got.db").read_bytes() == DB


def test_the_quickest_cipher_is_asked_for_first(program, run, nginx, root, tmp_path):
    if "pclmulqdq" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("needs a processor with AES and PCLMULQDQ")
    # nginx takes what the client names first.
    for protocol, cipher in (("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("TLSv1.3", "TLS_AES_128_GCM_SHA256")):
        server = nginx(root, tls=True, conf=f"ssl_protocols {protocol}; access_log {tmp_path}/ciphers.log ciphers;",
                       http="log_format ciphers $ssl_cipher;")
        done = run(program, "fetch", "--quiet", "--ca", server.ca, "-o", tmp_path / f"{protocol}.db",
                   f"{server.url}/snapshot.db")
        server.close()
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "ciphers.log").read_text().split()[-1] == cipher


def test_an_object_that_is_replaced_meanwhile_is_refused(program, run, nginx, work, tmp_path):
    root = work("replaced")
    pack(root / "backup.tar", 1 << 20)
    # A request gets what may come in a second at once; each of these takes two.
    server = nginx(root, conf="limit_rate 60k;")

    def replace():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any('" 206 ' in line for line in server.requests()):
            time.sleep(0.02)
        (root / "next").write_bytes((root / "backup.tar").read_bytes())
        # nginx tells versions apart by time and size.
        os.utime(root / "next", (0, 0))
        (root / "next").rename(root / "backup.tar")
    thread = threading.Thread(target=replace)
    thread.start()
    done = run(program, "fetch", "--quiet", "--streams", 2, "--part-size", 131072, "-o", tmp_path / "got.db",
               f"{server.url}/backup.tar")
    thread.join()
    server.close()
    assert done.returncode == 1
    # Whatever it holds: an object of another time is another one.
    assert "the object changed since it was begun" in done.stderr
    assert not (tmp_path / "got.db").exists()
