"""Backups as people really pack them, made by the real programs, and archives made to harm."""

import gzip
import json
import os
import random
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

import requirement
from sources import snapshots
from sources.memory import peak
from sources.packing import entry, tar, through, zipped

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DBS = [(GOLDEN / f"etcd-{version}/snapshot.db").read_bytes() for version in ("3.5", "3.4", "3.6")]
DB = DBS[0]
STAMP = "2020-03-18_220218"


class Fetch:
    """fetch(name, bytes, *options) puts the bytes into a file of that name and fetches it."""

    def __init__(self, run, program, work):
        self.run, self.program, self.work, self.n = run, program, work, 0

    def call(self, name, data, *options, whole=False, timeout=60):
        self.n += 1
        place = self.work / f"in-{self.n}" / name
        self.to = self.work / f"out-{self.n}"
        place.parent.mkdir()
        place.write_bytes(data)
        if whole:
            self.to.mkdir()
        done = self.run(self.program, "fetch", "--json", place, "-o", self.to, *options, timeout=timeout)
        place.unlink()
        self.events = [json.loads(line) for line in done.stderr.splitlines()]
        self.warnings = [event["text"] for event in self.events if event["event"] == "warning"]
        return done

    def __call__(self, name, data, *options, **more):
        done = self.call(name, data, *options, **more)
        assert done.returncode == 0, done.stderr
        self.result = json.loads(done.stdout)
        return Path(self.result["file"]).read_bytes()

    def files(self, name, data, *options):
        """Everything that was put into the directory, by name below it."""
        self(name, data, *options, whole=True)
        return {str(path.relative_to(self.to)): path.read_bytes() for path in self.to.rglob("*") if path.is_file()}

    def fails(self, name, data, *options, **more):
        done = self.call(name, data, *options, **more)
        errors = [event["text"] for event in self.events if event["event"] == "error"]
        assert done.returncode not in (0, 128) and done.returncode < 128 and not done.stdout, done.stderr
        assert len(errors) == 1 and "\n" not in errors[0], done.stderr
        left = [path for path in self.to.parent.glob(self.to.name + "*") if path.is_file() or any(path.iterdir())]
        assert not left, f"{errors} left {left}"
        return errors[0]


@pytest.fixture
def fetch(run, program, tmp_path):
    return Fetch(run, program, tmp_path)


PACKERS = {
    "gzip": ["gzip"], "zstd": ["zstd", "-T1"], "xz": ["xz", "-6"], "xz-8": ["xz", "-8", "-T1"],
    "bzip2": ["bzip2"], "lz4": ["lz4", "-c"], "lz4-linked": ["lz4", "-c", "-BD", "-9"], "zstd-check": ["zstd", "--check"],
    "xz-threads": ["xz", "-T2", "--block-size=8KiB"],
    # The window of xz -8 in less than half its time.
    "xz-window": ["xz", "--lzma2=preset=0,dict=32MiB,mf=hc3,nice=2,depth=1", "-T1"],
}


@pytest.mark.parametrize("packer", PACKERS)
def test_what_each_program_packs(fetch, packer):
    packed = through(*PACKERS[packer], data=DB)
    assert fetch("snapshot.db", packed) == DB  # whatever the name says
    assert fetch("snapshot.db.gz", packed) == DB


@pytest.mark.parametrize("packer", ["gzip", "zstd", "xz", "bzip2", "lz4"])
def test_tar_in_each_compression(fetch, packer):
    name = "etcd-backup-2020-02-04-18-50-03"
    packed = through(*PACKERS[packer], data=tar((f"{name}/etcd-dump.bin", DB)))
    assert fetch(f"{name}.tar.gz", packed) == DB
    assert fetch.result["inside"] == f"{name}/etcd-dump.bin"


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7", "oldgnu"])
def test_each_form_of_tar(fetch, tmp_path, form):
    tree = tmp_path / "tree/backup"
    tree.mkdir(parents=True)
    (tree / "snapshot.db").write_bytes(DB)
    packed = through("tar", "-c", f"--format={form}", "-C", tmp_path / "tree", "-f", "-", "backup", data=b"")
    assert fetch("backup.tar", packed) == DB


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_database_with_holes(fetch, tmp_path, form):
    data = bytearray(snapshots.make(3_000_000))
    tree = tmp_path / "tree"
    tree.mkdir()
    path = tree / "snapshot.db"
    # Holes where the snapshot has pages of zeros, which tar -S leaves out.
    with open(path, "wb") as file:
        for at in range(0, len(data), 4096):
            piece = data[at:at + 4096]
            if any(piece):
                file.seek(at)
                file.write(piece)
        file.truncate(len(data))
    packed = through("tar", "-cS", f"--format={form}", "-C", tree, "-f", "-", "snapshot.db", data=b"")
    assert fetch("b.tar", packed) == bytes(data)


def test_zip_of_files(fetch, tmp_path):
    (tmp_path / "etcd-snapshot-m1-1580835600").write_bytes(DB)
    subprocess.run([requirement.need("zip"), "-q", "a.zip", "etcd-snapshot-m1-1580835600"], cwd=tmp_path, check=True)
    assert fetch("etcd-snapshot-m1-1580835600.zip", (tmp_path / "a.zip").read_bytes()) == DB


@pytest.mark.parametrize("streamed", [False, True], ids=["seekable", "streamed"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_zip_as_k3s_has_it(fetch, streamed, method):
    name = "etcd-snapshot-m1-1580835600"
    assert fetch(name + ".zip", zipped((name, DB), streamed=streamed, method=method)) == DB


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_zip_in_other_ways_is_refused_with_its_name(fetch, method):
    assert "deflate is what is read here" in fetch.fails("a.zip", zipped(("snapshot.db", DB), method=method))


def test_wrapping_in_wrapping(fetch):
    inner = through("zstd", data=through("gzip", data=DB))
    assert fetch("backup.tar.xz", through("xz", data=tar(("b/snapshot.db.gz.zst", inner)))) == DB


def test_members_and_padding(fetch):
    half = len(DB) // 2
    members = gzip.compress(DB[:half]) + gzip.compress(b"") + gzip.compress(DB[half:])
    assert fetch("a.db.gz", members + bytes(10240)) == DB
    assert "something else follows its end" in fetch.fails("a.db.gz", gzip.compress(DB) + b"\0\0garbage")
    frames = through("zstd", data=DB[:half]) + b"\x50\x2a\x4d\x18\x04\0\0\0skip" + through("zstd", data=DB[half:])
    assert fetch("a.db.zst", frames) == DB
    streams = through("xz", data=DB[:half]) + bytes(8) + through("xz", data=DB[half:])
    assert fetch("a.db.xz", streams) == DB


# The layouts of the field.

NODES = [(f"ocp-master{number}", db) for number, db in zip((1, 0, 2), DBS)]


def openshift_42(compress=gzip.compress):
    """Each node's folder with all that its backup script keeps."""
    files = []
    for node, db in NODES:
        files += [entry(f"{node}/", tarfile.DIRTYPE), entry(f"{node}/assets/backup/", tarfile.DIRTYPE)]
        files += [(f"{node}/assets/backup/{name}", data) for name, data in (
            ("snapshot.db", db), ("etcd-member.yaml", b"kind: Pod # " + node.encode()), ("etcd-client.key", b"key"),
            ("etcd-client.crt", b"crt"), ("etcd-ca-bundle.crt", b"ca"))]
    return compress(tar(*files))


@pytest.mark.parametrize("node,db", NODES, ids=[node for node, _ in NODES])
def test_openshift_42(fetch, node, db):
    files = fetch.files("backup_2019_09_22_131749.snapshots.tgz", openshift_42(), "--node", node)
    assert db in files.values()
    assert not [other for _, other in NODES if other != db and other in files.values()]
    assert b"kind: Pod # " + node.encode() in files.values()
    assert len(files) == 5, sorted(files)


def test_openshift_42_without_a_node(fetch):
    line = fetch.fails("backup_2019_09_22_131749.snapshots.tgz", openshift_42())
    assert all(f"{node}/assets/backup/snapshot.db" in line for node, _ in NODES) and "node" in line


def test_openshift_42_of_another_node(fetch):
    line = fetch.fails("backup_2019_09_22_131749.snapshots.tgz", openshift_42(), "--node", "ocp-master7")
    assert "no database of node ocp-master7" in line and "ocp-master0/assets/backup/snapshot.db" in line


def test_an_archive_of_each_node_in_one(fetch):
    inner = [(f"backup/{node}.tgz", gzip.compress(tar(("snapshot.db", db), ("etcd-member.yaml", node.encode()))))
             for node, db in NODES]
    assert fetch("all.tar", tar(*inner), "--node", "ocp-master0.ocp.example") == NODES[1][1]
    line = fetch.fails("all.tar", tar(*inner))
    assert "snapshot.db in backup/ocp-master0.tgz" in line


def test_openshift_46_in_one_archive(fetch):
    resources = [("static-pod-resources/etcd-pod-7/etcd-pod.yaml", b"pod"),
                 ("static-pod-resources/etcd-pod-7/secrets/etcd-all-certs/peer.key", b"key"),
                 ("static-pod-resources/kube-apiserver-pod-9/configmaps/config/config.yaml", b"config")]
    files = fetch.files("backup.tar", tar(
        (f"backup/static_kuberesources_{STAMP}.tar.gz", gzip.compress(tar(*resources))),
        (f"backup/snapshot_{STAMP}.db", DB)))
    assert DB in files.values() and {b"pod", b"key", b"config"} <= set(files.values())


def test_kube_up_with_events(fetch):
    files = fetch.files("etcd.tgz", gzip.compress(tar(("./snapshot-events.db", DBS[1]), ("./snapshot.db", DB))))
    assert sorted(files.values()) == sorted(DBS[:2])
    assert fetch("etcd.tgz", gzip.compress(tar(("./snapshot-events.db", DBS[1]), ("./snapshot.db", DB)))) == DB


def test_kops(fetch):
    assert fetch("etcd.backup.gz", gzip.compress(DB)) == DB
    meta = b'{"etcdVersion": "3.5.0", "timestamp": "2020-02-04"}'
    files = fetch.files("kops.tar", tar(("2020-02-04T18:00:10Z-000001/_etcd_backup.meta", meta),
                                        ("2020-02-04T18:00:10Z-000001/etcd.backup.gz", gzip.compress(DB))))
    assert sorted(files.values()) == sorted([DB, meta])


def test_zlib_as_gardener_can_have_it(fetch):
    assert fetch("Full-00000000-00009002-1580835600.zlib", zlib.compress(DB)) == DB


# What is no backup, or none that can be read.

@pytest.mark.parametrize("data,words", [
    (b"", "empty"),
    (b"<!DOCTYPE html>\n<html><head><title>Sign in</title>" + b" " * 5000, "looks like an HTML page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>' + b" " * 5000, "XML answer, code AccessDenied"),
    (bytes(100_000), "nothing but zero bytes"),
    (b"SQLite format 3\0" + bytes(8000), "SQLite"),
    (b"age-encryption.org/v1\n-> X25519 x\n" + bytes(5000), "is encrypted by age: decrypt it first"),
    (b"Salted__" + random.Random(1).randbytes(9000), "is encrypted by openssl enc: decrypt it first"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(5000), "7-Zip"),
], ids=["empty", "html", "xml", "zeros", "sqlite", "age", "openssl", "7z"])
def test_what_it_is_instead(fetch, data, words):
    assert words in fetch.fails("snapshot.db", data)


def test_openssl_and_gpg_themselves(fetch, tmp_path):
    packed = through("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:x", data=DB)
    assert "encrypted by openssl enc" in fetch.fails("snapshot.db", packed)
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    for armor in ([], ["--armor"]):
        packed = through("gpg", "--homedir", home, "--batch", "--passphrase", "x", "--pinentry-mode", "loopback", *armor,
                         "-c", "-o", "-", "-", data=DB, stderr=subprocess.DEVNULL)
        assert "encrypted by gpg" in fetch.fails("snapshot.db.gpg", packed)


def test_windows_that_are_too_large(fetch):
    assert "pack it with xz -8 or less" in fetch.fails("a.db.xz", through("xz", "-9", data=DB))
    long = through("zstd", "--ultra", "-22", "--long=27", data=DB)
    assert "pack it with zstd -19 or less" in fetch.fails("a.db.zst", long)


@pytest.mark.parametrize("pack", ["tgz", "tar", "zip", "zst", "xz", "bz2", "lz4"])
def test_cut_anywhere(fetch, pack):
    archive = tar(("b/ca.crt", b"first"), ("b/snapshot.db", DB), ("b/ca.key", b"last"))
    data = {"tgz": lambda: gzip.compress(archive), "tar": lambda: archive.rstrip(b"\0"),
            "zip": lambda: zipped(("ca.crt", b"f"), ("snapshot.db", DB), ("ca.key", b"l"), streamed=True),
            "zst": lambda: through("zstd", data=DB), "xz": lambda: through("xz", data=DB),
            "bz2": lambda: through("bzip2", data=DB), "lz4": lambda: through("lz4", "-c", data=DB)}[pack]()
    dice = random.Random(pack)
    for cut in [1, 2, 8, 30, len(data) // 2, *(dice.randrange(1, len(data)) for _ in range(12))]:
        fetch.fails("backup", data[:-cut])


@pytest.mark.parametrize("pack", ["gz", "zip", "zst", "xz", "bz2", "lz4"])
def test_a_bit_flipped_in_the_wrapping(fetch, pack):
    """The wrapping's own checksum, or the snapshot's: never a wrong byte in the file that is made."""
    data = {"gz": lambda: gzip.compress(DB), "zip": lambda: zipped(("snapshot.db", DB)),
            "zst": lambda: through("zstd", data=DB), "xz": lambda: through("xz", data=DB),
            "bz2": lambda: through("bzip2", data=DB), "lz4": lambda: through("lz4", "-c", data=DB)}[pack]()
    dice, right = random.Random(pack), 0
    for _ in range(25):
        bad = bytearray(data)
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        done = fetch.call("snapshot.db", bytes(bad))
        if done.returncode == 0:
            assert fetch.to.read_bytes() == DB
            right += 1
    assert right < 10


# Made to harm.

def test_names_that_lead_out(fetch, tmp_path):
    for name in ("../../../escaped.yaml", "a/../../escaped.yaml", "..", "b/.."):
        line = fetch.fails("a.tar", tar(("snapshot.db", DB), (name, b"x")), whole=True)
        assert "leads out of the archive" in line
        assert "leads out of the archive" in fetch.fails("a.zip", zipped(("snapshot.db", DB), (name, b"x")), whole=True)
    assert not list(tmp_path.parent.rglob("escaped*"))


def test_absolute_names_are_passed_over(fetch):
    files = fetch.files("a.tar", tar(("/etc/cron.d/escaped.yaml", b"x"), ("snapshot.db", DB)))
    assert list(files.values()) == [DB]
    assert any("an absolute name: passed over" in text for text in fetch.warnings)
    assert not Path("/etc/cron.d/escaped.yaml").exists()
    assert "an absolute name" in fetch.fails("a.tar", tar(("/root/snapshot.db", DB)))


def test_files_through_links(fetch, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "pod.yaml").write_bytes(b"mine")
    hostile = tar(entry("manifests", tarfile.SYMTYPE, str(outside)), ("manifests/pod.yaml", b"theirs"),
                  entry("pki", tarfile.SYMTYPE, "../" * 20 + str(outside)), ("pki/pod.yaml", b"theirs"),
                  entry("hard.yaml", tarfile.LNKTYPE, str(outside / "pod.yaml")), ("snapshot.db", DB))
    files = fetch.files("a.tar", hostile)
    assert (outside / "pod.yaml").read_bytes() == b"mine"
    assert sorted(path.name for path in outside.iterdir()) == ["pod.yaml"]
    assert not [path for path in fetch.to.rglob("*") if path.is_symlink()]
    assert DB in files.values() and b"mine" not in files.values()
    assert len([text for text in fetch.warnings if "a link: passed over" in text]) == 3


def test_a_database_that_is_a_link(fetch):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        assert "is a link" in fetch.fails("a.tar", tar(entry("snapshot.db", kind, "/etc/shadow")))


def test_devices_and_owners(fetch):
    hostile = tar(entry("disk.yaml", tarfile.BLKTYPE, devmajor=8), entry("tty.yaml", tarfile.CHRTYPE, devmajor=5),
                  entry("pipe.yaml", tarfile.FIFOTYPE), entry("etcd.db", tarfile.BLKTYPE, devmajor=8),
                  entry("setuid.yaml", tarfile.REGTYPE, mode=0o6777, uid=12345, gid=12345), ("snapshot.db", DB))
    fetch.files("a.tar", hostile)
    for path in fetch.to.rglob("*"):
        assert (path.is_file() or path.is_dir()) and not path.stat().st_mode & 0o6000
        assert path.stat().st_uid == os.getuid()
    assert len([text for text in fetch.warnings if "neither file nor directory" in text]) == 4


def test_a_terabyte_of_hole(fetch, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    with open(tree / "snapshot.db", "wb") as file:
        file.write(DB)
        file.truncate(1 << 40)
    for form in ("gnu", "pax"):
        packed = through("tar", "-cS", f"--format={form}", "-C", tree, "-f", "-", "snapshot.db", data=b"")
        assert f"{1 << 40} bytes, longer than the {64 << 30} allowed" in fetch.fails("a.tar", packed)


def test_bombs(fetch):
    """512 MiB of zeros in half a megabyte: not kept, not written, not waited for long."""
    dense = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = b"".join(dense.compress(bytes(1 << 24)) for _ in range(32)) + dense.flush()
    crc = 0
    for _ in range(32):
        crc = zlib.crc32(bytes(1 << 24), crc)
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zeros + crc.to_bytes(4, "little") + (1 << 29).to_bytes(4, "little")
    assert len(bomb) < 600_000
    line = fetch.fails("bomb.db.gz", bomb)
    assert "nothing but zero bytes" in line
    files = fetch.files("a.tar", tar(("bomb.yaml.tar", bomb), ("snapshot.db", DB)))
    assert list(files.values()) == [DB]


def test_a_hundred_thousand_entries(fetch):
    block = tar(("x.yaml", b"")).rstrip(b"\0")
    block += bytes(-len(block) % 512)
    line = fetch.fails("a.tar.gz", gzip.compress(block * 100_000 + bytes(1024)), timeout=120)
    assert "more than 20000 entries" in line or "comes twice" in line
    line = fetch.fails("b.tar.gz", gzip.compress(tar(*((f"{n}.txt", b"") for n in range(25_000)))), timeout=120)
    assert "more than 20000 entries" in line


def test_a_quine_ends(fetch):
    data = DB
    for _ in range(9):
        data = gzip.compress(data)
    assert "packed more than 8 times over" in fetch.fails("a.db.gz", data)


@pytest.mark.parametrize("packer,most", [("gzip", 32), ("bzip2", 36), ("lz4", 36), ("zstd", 40), ("xz-window", 48)])
def test_the_snapshot_is_never_whole_in_memory(program, tmp_path, packer, most):
    """20 MB of it would be seen on top of what a fetch needs anyway, and of the packer's window."""
    data, source, to = snapshots.make(20_000_000), tmp_path / "backup.tar", tmp_path / "out.db"
    source.write_bytes(through(*PACKERS[packer], data=tar(("b/snapshot.db", data))))
    used = peak([program, "fetch", "-q", source, "-o", to])
    assert to.read_bytes() == data
    print(f"{packer}: {used} MiB")
    assert used <= most
