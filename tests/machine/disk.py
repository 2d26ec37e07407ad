"""Disks as files: a GUID partition table, and file systems with their contents. Nothing is mounted, root is not needed.

	disk = Disk(path, "master-1")
	disk.add(BIOS_BOOT, 1)                                     # size in MiB
	disk.add(ESP, 64, vfat(tree), "EFI")
	disk.add(LINUX, 900, ext4(tree, uuid=disk.uuid("root")))
	disk.write()

A filler (vfat, ext4, xfs, btrfs, raw) is called with the disk's path and the partition's place in bytes. In the file
systems everything belongs to root, whoever builds them. The same arguments give the same identifiers.
Source: UEFI specification 2.10, 5.3 (the table).
"""

import os
import shutil
import struct
import subprocess
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import NamedTuple

SECTOR, MIB = 512, 1 << 20
BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649")
ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
LVM = uuid.UUID("e6d6d379-f507-44c2-a23c-238f2a3df928")
RAID = uuid.UUID("a19d880f-05fc-4d3b-a006-743f0f84911e")
ENTRIES, ENTRY_BYTES = 128, 128
TABLE_SECTORS = ENTRIES * ENTRY_BYTES // SECTOR     # of entries; a header comes before or after
PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


class DiskError(Exception):
    pass


class Partition(NamedTuple):
    kind: uuid.UUID
    start: int          # bytes
    size: int
    fill: object
    name: str


class Disk:
    def __init__(self, path, name):
        """name: what the identifiers of the disk and its partitions are made of."""
        self.path, self.name, self.partitions = Path(path), name, []

    def uuid(self, purpose):
        return uuid.uuid5(uuid.NAMESPACE_OID, f"etcd-rescue test disk {self.name}: {purpose}")

    def add(self, kind, mebibytes, fill=None, name=""):
        """One more partition at the end; returns it."""
        start = self.partitions[-1].start + self.partitions[-1].size if self.partitions else MIB
        self.partitions.append(Partition(kind, start, mebibytes * MIB, fill, name))
        return self.partitions[-1]

    def write(self):
        """Make the file, sparse; what was at its path is gone."""
        last = self.partitions[-1]
        size = last.start + last.size + MIB
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "wb") as image:
            image.truncate(size)
            self._table(image, size // SECTOR)
        for part in self.partitions:
            if part.fill:
                part.fill(self.path, part.start, part.size)
        return self.path

    def _table(self, image, sectors):
        entries = b"".join(
            part.kind.bytes_le + self.uuid(f"partition {number}").bytes_le +
            struct.pack("<QQQ", part.start // SECTOR, (part.start + part.size) // SECTOR - 1, 0) +
            part.name.encode("utf-16-le").ljust(72, b"\0")
            for number, part in enumerate(self.partitions, 1)).ljust(ENTRIES * ENTRY_BYTES, b"\0")
        first, last = 2 + TABLE_SECTORS, sectors - TABLE_SECTORS - 2

        def header(here, other, table):
            def pack(checksum):
                return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, other, first, last,
                                   self.uuid("disk").bytes_le, table, ENTRIES, ENTRY_BYTES, zlib.crc32(entries))
            return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")

        # The protective entry of the MBR: one partition over everything.
        image.seek(446)
        image.write(struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1, min(sectors - 1, 0xffffffff)))
        image.seek(510)
        image.write(b"\x55\xaa" + header(1, sectors - 1, 2) + entries)
        image.seek((sectors - 1 - TABLE_SECTORS) * SECTOR)
        image.write(entries + header(sectors - 1, 1, sectors - 1 - TABLE_SECTORS))


# Fillers


def ext4(tree, label="", uuid=None, options=()):
    def fill(image, start, size):
        run("mke2fs", "-q", "-F", "-t", "ext4", *identity("-L", label, "-U", uuid), "-d", tree,
            "-E", f"offset={start},root_owner=0:0,assume_storage_prezeroed=1", *options, image, f"{size // 1024}k")
        if os.geteuid() != 0:
            # mke2fs has taken the builder's owner over.
            lines = "".join(f'sif "/{path}" uid 0\nsif "/{path}" gid 0\n' for path in names(tree))
            run("debugfs", "-w", "-f", "-", f"{image}?offset={start}", input=lines)
    return fill


def xfs(tree, label="", uuid=None, options=()):
    def fill(image, start, size):
        with apart(image, start, size) as (part, work):
            prototype = work / "prototype"
            prototype.write_text("\n".join(["-", "0 0", *prototype_of(Path(tree)), "$", ""]))
            run("mkfs.xfs", "-q", *identity("-L", label, "-m", uuid and f"uuid={uuid}"), "-p", prototype, *options, part)
    return fill


def btrfs(tree, label="", uuid=None, options=()):
    def fill(image, start, size):
        with apart(image, start, size) as (part, _):
            # It knows no owner but the file's; in a user namespace of one's own that is root.
            run(*([] if os.geteuid() == 0 else ["unshare", "--map-root-user"]), "mkfs.btrfs", "-q",
                *identity("-L", label, "-U", uuid), "--rootdir", tree, *options, part)
    return fill


def vfat(tree, label="EFI", serial="1234abcd"):
    """FAT16; serial: its id, in eight hexadecimal digits."""
    def fill(image, start, size):
        # Told everything, since it would judge by the size of the whole disk.
        run("mkfs.vfat", "--invariant", "-F", 16, "-s", 4, "-n", label, "-i", serial, "--offset", start // SECTOR, image,
            size // 1024)
        run("mcopy", "-s", "-m", "-Q", "-i", f"{image}@@{start}", *sorted(Path(tree).iterdir()), "::/")
    return fill


def raw(content, at=0):
    """content: bytes, or the path of a file, to lie `at` bytes into the partition."""
    def fill(image, start, size):
        data = content if isinstance(content, bytes) else Path(content).read_bytes()
        if at + len(data) > size:
            raise DiskError(f"{len(data)} bytes do not fit into a partition of {size}")
        with open(image, "r+b") as file:
            file.seek(start + at)
            file.write(data)
    return fill


FILLERS = {"ext4": ext4, "xfs": xfs, "btrfs": btrfs}


# What they share


def run(*argv, **options):
    """A tool that must succeed; its complaint is the error."""
    program = shutil.which(argv[0], path=PATH)
    if not program:
        raise DiskError(f"{argv[0]} is not there; see config/host for its package")
    done = subprocess.run([program, *map(str, argv[1:])], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise DiskError(f"{argv[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def identity(label_option, label, uuid_option, uuid_value):
    return [*([label_option, label] if label else []), *([uuid_option, str(uuid_value)] if uuid_value else [])]


def names(tree):
    """Paths below a tree, relative to it, the tree itself as ""."""
    for folder, folders, files in os.walk(tree):
        where = os.path.relpath(folder, tree)
        where = "" if where == "." else where + "/"
        yield where
        yield from (where + name for name in files)
        yield from (where + name for name in folders if os.path.islink(os.path.join(folder, name)))


def prototype_of(path, name=""):
    """The lines of an mkfs.xfs prototype for what is at path: mode, owner, and what is in it."""
    found = path.lstat()
    mode = f"{found.st_mode & 0o777:03o} 0 0"
    if path.is_symlink():
        return [f"{name} l--{mode} {os.readlink(path)}"]
    if not path.is_dir():
        return [f"{name} ---{mode} {path}"]
    inside = [line for child in sorted(path.iterdir()) for line in prototype_of(child, child.name)]
    return [f"{name} d--{mode}".lstrip(), *inside] + (["$"] if name else [])


class apart:
    """A file of the partition's size, for tools that know no offset; what they wrote goes into the disk."""

    def __init__(self, image, start, size):
        self.image, self.start, self.size = image, start, size

    def __enter__(self):
        self.work = Path(tempfile.mkdtemp(prefix=".part-", dir=Path(self.image).parent))
        self.part = self.work / "part"
        with open(self.part, "wb") as file:
            file.truncate(self.size)
        return self.part, self.work

    def __exit__(self, kind, *_):
        if kind is None:
            run("dd", f"if={self.part}", f"of={self.image}", "bs=1M", f"seek={self.start // MIB}", "conv=notrunc,sparse",
                "status=none")
        shutil.rmtree(self.work)
