"""Files, shares and disks of this machine through the program itself; the disks are loop devices under names of a fake tree."""

import os
import subprocess

import pytest

import requirement

from sources import snapshots
from sources.disks import Disks, frozen_copy, loop, loops_in, sh

DB = snapshots.make(600_000)
OTHER = snapshots.make(600_000, seed=2)


class Machine(Disks):
    """A fake tree with disks made of files; .disk_of(name, image) adds one."""

    def __init__(self, work):
        super().__init__(work, None)
        self.devices = []

    def disk_of(self, name, image):
        device = loop(image)
        self.devices.append(device)
        self.disk(name, None, device, os.path.getsize(image))

    def close(self):
        for device in self.devices:
            sh("losetup", "-d", device)


@pytest.fixture
def machine(tmp_path):
    requirement.need("unshare", "losetup", "mkfs.ext4")
    if os.geteuid() != 0:
        pytest.skip("needs root, for loop devices")
    made = Machine(tmp_path / "machine")
    yield made
    made.close()
    assert not loops_in(tmp_path)


@pytest.fixture
def fetch(run, program, tmp_path):
    """fetch(url, wrapper=()): the bytes of the one snapshot there."""
    def call(url, wrapper=(), **options):
        target = tmp_path / "fetched"
        target.unlink(missing_ok=True)
        done = run(*wrapper, program, "fetch", "--verbose", "-o", target, url, **options)
        assert done.returncode == 0, done.stderr
        return target.read_bytes()
    return call


@pytest.fixture
def fails(run, program, tmp_path):
    """fails(url, wrapper=()): the line of the error."""
    def call(url, wrapper=(), **options):
        done = run(*wrapper, program, "fetch", "-q", "-o", tmp_path / "never", url, **options)
        assert done.returncode not in (0, 2) and not (tmp_path / "never").exists()
        return done.stderr.splitlines()[0]
    return call


def image(work, kind, label, files):
    """A file system with these files at /etcd, made without mounting anything."""
    content, made = work / "content", work / f"image-{kind}-{label}"
    (content / "etcd").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (content / "etcd" / name).write_bytes(data)
    with open(made, "wb") as file:
        file.truncate(64 << 20)
    if kind == "ext4":
        sh("mkfs.ext4", "-q", "-F", "-L", label, "-d", content, made)
    elif kind == "vfat":
        sh("mkfs.vfat", "-n", label, made)
        sh("mcopy", "-s", "-i", made, content / "etcd", "::")
    else:
        made.unlink()
        sh("xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", label, "-o", made, content)
    return made


def kernel_knows(kind):
    # As a module it is loaded when something of it is mounted.
    subprocess.run(["modprobe", kind], check=False, capture_output=True)
    with open("/proc/filesystems", encoding="ascii") as file:
        return kind in file.read().split()


@pytest.mark.parametrize("url", ["{0}/b/snapshot.db", "file:{0}/b/snapshot.db", "file://{0}/b/", "file:{0}/b"])
def test_files_and_directories(fetch, tmp_path, url):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "snapshot.db").write_bytes(DB)
    assert fetch(url.format(tmp_path)) == DB


def test_path_from_where_we_stand(fetch, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a b%20.db").write_bytes(DB)
    assert fetch("b/a b%20.db", cwd=tmp_path) == DB


def test_what_is_no_file(fails, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is a device, a pipe or a socket" in fails(tmp_path / "pipe", timeout=20)
    assert "is a device, a pipe or a socket" in fails("/dev/zero", timeout=20)
    assert f"{tmp_path}/none" in fails(tmp_path / "none")


def test_share_by_its_host_is_no_path(run, program):
    done = run(program, "list", "file://nas/share/x.db")
    assert done.returncode and "mount the share" in done.stderr


def test_share_whose_server_is_gone(fails, tmp_path):
    """A FUSE mount that nobody serves hangs like a dead NFS server does."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK):
        pytest.skip("needs root and /dev/fuse")
    point = tmp_path / "share"
    point.mkdir()
    hang = os.open("/dev/fuse", os.O_RDWR)
    try:
        subprocess.run(["mount", "-i", "-t", "fuse", "-o", f"fd={hang},rootmode=40000,user_id=0,group_id=0", "dead", point],
                       check=True, pass_fds=[hang])
        assert "does not answer within 20 s" in fails(f"{point}/snapshot.db", timeout=60)
    finally:
        os.close(hang)
        subprocess.run(["umount", "-l", point], check=False)


@pytest.mark.parametrize("kind", ["ext4", "vfat", "iso9660"])
def test_disk_by_device_and_by_label(fetch, machine, tmp_path, kind):
    if not kernel_knows(kind):
        pytest.skip(f"the kernel has no {kind}")
    machine.disk_of("sda", image(tmp_path, "ext4", "ROOT", {"other.db": OTHER}))
    (tmp_path / "content" / "etcd" / "other.db").unlink()
    machine.disk_of("sr1" if kind == "iso9660" else "sdb", image(tmp_path, kind, "BACKUP", {"snapshot.db": DB}))
    device = "/dev/sr1" if kind == "iso9660" else "/dev/sdb"
    for url in (f"dev:{device}", f"dev:{device}:/etcd", f"dev:{device}:/etcd/snapshot.db", "label:BACKUP",
                "label:BACKUP:/etcd/snapshot.db"):
        assert fetch(url, machine.wrapper) == DB


def test_journal_is_not_replayed(fails, machine, tmp_path):
    """A disk that was pulled out while it was written to: what is on it stays as it is, byte for byte."""
    dirty = frozen_copy(tmp_path / "dirty", {"snapshot.db": DB})
    before = dirty.read_bytes()
    machine.disk_of("sda", dirty)
    fails("dev:/dev/sda:/none", machine.wrapper)
    assert dirty.read_bytes() == before


def test_label_of_two_disks_and_of_none(fails, fetch, machine, tmp_path):
    machine.disk_of("sda", image(tmp_path / "one", "ext4", "BACKUP", {"snapshot.db": DB}))
    machine.disk_of("sdb", image(tmp_path / "two", "ext4", "BACKUP", {"snapshot.db": OTHER}))
    assert "/dev/sda and /dev/sdb both have the label 'BACKUP'" in fails("label:BACKUP", machine.wrapper)
    assert fetch("dev:/dev/sdb", machine.wrapper) == OTHER
    said = fails("label:OTHER", machine.wrapper)
    assert "no file system labelled 'OTHER'" in said and "sda (ext4 'BACKUP')" in said


def test_nothing_stays_mounted_whatever_happens(fails, machine, tmp_path):
    machine.disk_of("sda", image(tmp_path, "ext4", "BACKUP", {"snapshot.db": b"no snapshot"}))
    fails("dev:/dev/sda:/etcd/snapshot.db", machine.wrapper)
    fails("dev:/dev/sda:/none", machine.wrapper)
    # Somebody who still had it mounted would hold it for himself.
    os.close(os.open(machine.devices[0], os.O_RDONLY | os.O_EXCL))


def test_plain_user_is_told_what_is_missing(machine, program, run, tmp_path):
    requirement.need("setpriv")
    machine.disk_of("sda", image(tmp_path, "ext4", "BACKUP", {"snapshot.db": DB}))
    words = [*machine.wrapper, "setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    for url in ("dev:/dev/sda", "label:BACKUP"):
        done = run(*words, program, "list", url)
        assert done.returncode and "run as root" in done.stderr, done.stderr
