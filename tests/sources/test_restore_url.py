"""snapshot restore URL: from each kind of server straight into a member directory, past what is bad, leaving nothing else."""

import os

import pytest

from sources.trees import golden, put, tar

STAMPS = ("2026-10-01-00-10-00", "2026-10-01-00-20-00")
TARGET = ["--name", "m1", "--initial-cluster", "m1=http://127.0.0.1:2380", "--data-dir", "made"]


def archive(stamp):
    return tar({f"etcd-backup-{stamp}/etcd-dump.bin": golden()})


def things():
    """Two good archives, and a newer one that was cut."""
    found = {f"bare-metal/etcd-backup-{stamp}.tar.gz": archive(stamp) for stamp in STAMPS}
    found["bare-metal/etcd-backup-2026-10-01-00-30-00.tar.gz"] = archive("x")[:-200]
    return found


@pytest.fixture(params=["s3", "https", "sftp", "file"])
def place(request, tmp_path, work):
    """(address, options, environment) of a place that holds these things."""
    if request.param == "s3":
        server = request.getfixturevalue("radosgw")
        bucket = server.bucket()
        for name, data in things().items():
            server.put(bucket, name, data)
        return f"s3://{bucket}/bare-metal/", ["--endpoint", server.endpoint, "--region", server.region], {
            "AWS_ACCESS_KEY_ID": server.access, "AWS_SECRET_ACCESS_KEY": server.secret, "AWS_EC2_METADATA_DISABLED": "true"}
    if request.param == "sftp":
        server = request.getfixturevalue("sshd")()
        for name, data in things().items():
            server.put(name, data)
        key = server.user_key()
        return f"{server.url}/bare-metal", ["--host-key", server.fingerprint, "--identity", key], {}
    root = work("web")
    for name, data in things().items():
        put(root, name, data)
    if request.param == "file":
        return f"file:{root}", [], {}
    os.chmod(root, 0o755)
    server = request.getfixturevalue("nginx")(root, tls=True, conf="autoindex on;")
    return f"{server.url}/bare-metal/", ["--ca", server.ca], {}


def test_newest_good_one_becomes_a_member(program, run, place, tmp_path):
    address, options, env = place
    done = run(program, "snapshot", "restore", *options, address, *TARGET, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "etcd-backup-2026-10-01-00-30-00.tar.gz" in done.stderr and "trying the next one" in done.stderr
    assert run(program, "verify", tmp_path / "made").returncode == 0

    put(tmp_path, "golden.db", golden())
    again = run(program, "snapshot", "restore", "golden.db", *TARGET[:-1], "by-hand", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    status = [run(program, "snapshot", "status", tmp_path / d / "member/snap/db", "-w", "json").stdout
              for d in ("made", "by-hand")]
    assert status[0] == status[1] and status[0]


def test_a_named_bad_one_leaves_nothing(program, run, place, tmp_path):
    address, options, env = place
    before = sorted(tmp_path.iterdir())
    done = run(program, "snapshot", "restore", *options, "--snapshot", "etcd-backup-2026-10-01-00-30-00.tar.gz", address,
               *TARGET, cwd=tmp_path, env=env)
    assert done.returncode == 1 and "etcd-backup-2026-10-01-00-30-00.tar.gz" in done.stderr.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before
