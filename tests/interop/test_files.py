"""What a restore writes beside the database, byte for byte against etcdutl 3.5, and what it refuses like etcdutl."""

import subprocess
from pathlib import Path

import pytest

import requirement

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SNAPSHOT = GOLDEN / "etcd-3.5" / "snapshot.db"
WAL = "0" * 16 + "-" + "0" * 16 + ".wal"

# name of the member, initial cluster, advertised URLs, token
CLUSTERS = {
    "one": ("m1", "m1=http://127.0.0.1:23901", "http://127.0.0.1:23901", "tok"),
    "three": ("b", "a=https://a.example:2380,b=https://b.example:2380,c=https://c.example:2380",
              "https://b.example:2380", "etcd-cluster-2"),
    "five": ("m5", ",".join(f"m{i}=http://10.0.0.{i}:2380" for i in range(1, 6)), "http://10.0.0.5:2380", "t4"),
    "nine": ("m5", ",".join(f"m{i}=http://10.0.0.{i}:2380" for i in range(1, 10)), "http://10.0.0.5:2380", "t4"),
    "several URLs": ("a", "a=http://b:2,a=http://a:1,b=http://c:3,,a=HTTP://A:1", "http://A:1,http://a:1,http://b:2",
                     ""),
    "IPv6 and a zone": ("v6", "v6=http://[::1]:2380,v7=http://[fe80::1%25eth0]:2380", "http://[::1]:2380", "tok"),
    "escapes": ("ä&<\"\\>", "ä&<\"\\>=http://u:p@h:1?x=<y>&z#f^,b=unix:///a b", "http://u:p@h:1?x=<y>&z#f^", "täk"),
}

# what is wrong: options, and a part of what both have to say
WRONG = {
    "scheme": (["--initial-cluster=default=ftp://localhost:2380"],
               "URL scheme must be http, https, unix, or unixs: ftp://localhost:2380"),
    "no port": (["--initial-cluster=default=http://localhost"],
                'URL address does not have the form "host:port": http://localhost'),
    "path": (["--initial-cluster=default=http://localhost:2380/"],
             "URL must not contain a path: http://localhost:2380/"),
    "no scheme": (["--initial-advertise-peer-urls=127.0.0.1:1"],
                  'parse "127.0.0.1:1": first path segment in URL cannot contain colon'),
    "empty": (["--initial-advertise-peer-urls="], "URL scheme must be http, https, unix, or unixs: "),
    "own name": (["--name=x"], 'couldn\'t find local name "x" in the initial cluster configuration'),
    # Left out, ours takes the URLs from --initial-cluster.
    "not advertised": (["--initial-cluster=default=http://localhost:2380,default=http://localhost:2381",
                        "--initial-advertise-peer-urls=http://localhost:2380"],
                       "--initial-cluster has default=http://localhost:2381 but missing from "
                       "--initial-advertise-peer-urls=http://localhost:2380"),
    "not in the cluster": (["--initial-advertise-peer-urls=http://localhost:2380,http://localhost:2381"],
                           "--initial-advertise-peer-urls has http://localhost:2381 but missing from "
                           "--initial-cluster=default=http://localhost:2380"),
    "twice": (["--initial-cluster=default=http://localhost:2380,b=http://localhost:2380"], "has duplicate url"),
}


@pytest.fixture
def etcdutl():
    """etcdutl("snapshot", ...) of etcd 3.5."""
    path = requirement.need("etcdutl-3.5")
    return lambda *args: subprocess.run([path, *map(str, args)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def ours(image_file):
    path = image_file("etcd-rescue")
    return lambda *args: subprocess.run([path, *map(str, args)], capture_output=True, text=True, timeout=120)


def restore(tool, directory, name, members, advertise, token, *more):
    return tool("snapshot", "restore", SNAPSHOT, f"--data-dir={directory}", f"--name={name}",
            f"--initial-cluster={members}", f"--initial-advertise-peer-urls={advertise}",
            f"--initial-cluster-token={token}", *more)


def listing(directory):
    """Every path below it with kind and mode, but for the mode of the .snap, which etcdutl leaves to the umask."""
    return {(str(p.relative_to(directory)), p.is_dir(), 0 if p.suffix == ".snap" else p.stat().st_mode)
            for p in directory.rglob("*")}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_wal_and_snap_are_the_same_bytes(ours, etcdutl, tmp_path, cluster):
    done = restore(etcdutl, tmp_path / "theirs", *CLUSTERS[cluster])
    assert done.returncode == 0, done.stderr
    done = restore(ours, tmp_path / "ours", *CLUSTERS[cluster])
    assert done.returncode == 0, done.stderr
    assert listing(tmp_path / "ours") == listing(tmp_path / "theirs")
    theirs, mine = (tmp_path / side / "member" for side in ("theirs", "ours"))
    assert (mine / "wal" / WAL).read_bytes() == (theirs / "wal" / WAL).read_bytes()
    (snap,) = (path.name for path in (theirs / "snap").glob("*.snap"))
    assert (mine / "snap" / snap).read_bytes() == (theirs / "snap" / snap).read_bytes()


def test_wal_in_a_directory_of_its_own(ours, etcdutl, tmp_path):
    for tool, name in ((etcdutl, "theirs"), (ours, "ours")):
        done = restore(tool, tmp_path / name / "data", *CLUSTERS["three"], f"--wal-dir={tmp_path / name / 'log' / 'wal'}")
        assert done.returncode == 0, done.stderr
    assert listing(tmp_path / "ours") == listing(tmp_path / "theirs")
    assert (tmp_path / "ours/log/wal" / WAL).read_bytes() == (tmp_path / "theirs/log/wal" / WAL).read_bytes()


@pytest.mark.parametrize("mistake", WRONG)
def test_arguments_are_refused_in_the_same_words(ours, etcdutl, tmp_path, mistake):
    options, text = WRONG[mistake]
    for tool, name in ((etcdutl, "theirs"), (ours, "ours")):
        done = tool("snapshot", "restore", SNAPSHOT, f"--data-dir={tmp_path / name}", *options)
        assert done.returncode != 0
        assert text in done.stderr.replace("\\\"", "\"")
    # etcdutl leaves half a directory behind.
    assert not (tmp_path / "ours").exists()


def test_target_that_holds_something_is_refused(ours, etcdutl, tmp_path):
    (tmp_path / "full" / "x").mkdir(parents=True)
    for tool in (etcdutl, ours):
        done = restore(tool, tmp_path / "full", *CLUSTERS["one"])
        assert done.returncode == 1 or tool is ours and done.returncode == 2
        assert f'data-dir "{tmp_path}/full" not empty or could not be read' in done.stderr.replace("\\\"", "\"")
        done = restore(tool, tmp_path / "new", *CLUSTERS["one"], f"--wal-dir={tmp_path / 'full'}")
        assert f'wal-dir "{tmp_path}/full" exists' in done.stderr.replace("\\\"", "\"")
    assert sorted(path.name for path in tmp_path.iterdir()) in (["full"], ["full", "new"])
