"""A disk whose every write is logged, and the log: which requests, in which order, with which flushes between them.

    with Disk.record(directory, "base.img", "writes.log") as disk:
        with disk.mounted("ext4") as top:
            ...                                     # the workload, on a real file system of this kernel
    Log("writes.log").kinds                         # one letter an entry: w(rite) z(ero) f(lush)

blockdev.c serves the file over FUSE, one request at a time; a loop device with 4 KiB sectors and direct I/O makes a
block device of it.  All of it lives in a mount namespace of its own (private_mounts()), and the loop devices clear
themselves, so that whoever is killed leaves nothing behind.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECTOR = 4096
ENTRY = struct.Struct("<QQQ")
LOOP_CONFIGURE, LOOP_CTL_GET_FREE = 0x4C0A, 0x4C82
AUTOCLEAR, DIRECT_IO = 4, 16
EBUSY = 16
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
MKFS = {
    # Small logs and no discard: what is written is what the workload does, not what the tools prepare.
    "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096"],
    "btrfs": ["mkfs.btrfs", "-q", "-f", "-K"],
}
MIB = 1 << 20
# Room for three members, each with a log of 64 MB allocated ahead.
SIZE = {"ext4": 384 * MIB, "xfs": 448 * MIB, "btrfs": 448 * MIB}

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source, target, kind, flags=0, options=""):
    check(libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()),
          f"mount of {kind} at {target}")


def unmount(target):
    check(libc.umount2(os.fsencode(target), 0), f"unmount of {target}")


def private_mounts():
    """What this process and its children mount from here on is seen by nobody else, and ends with them."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "mount of / as private")


def impossible():
    """Why there can be no such disks here, or None."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(path, os.R_OK | os.W_OK):
            return f"{path} is not there or not to be opened"
    return None


def sweep(directory, prefix):
    """Remove PREFIX-PID and PREFIX-PID-* of processes that are no more: what lies in memory is nobody's to clear."""
    for left in Path(directory).glob(f"{prefix}-*"):
        process = left.name[len(prefix) + 1:].split("-")[0]
        if process.isdigit() and not os.path.exists(f"/proc/{process}"):
            shutil.rmtree(left, ignore_errors=True)


def compile_tool(directory):
    """blockdev, made by the host's compiler."""
    program = Path(directory) / "blockdev"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, HERE / "blockdev.c"], check=True)
    return program


def make_image(path, kind):
    """An empty file system on a sparse file; "ext4+xfs": two on the partitions of one disk, the second for etcd."""
    root, _, data = kind.partition("+")
    for name, file_system in ((path, root), (Path(f"{path}.data"), data)):
        if file_system:
            with open(name, "wb") as file:
                file.truncate(SIZE[file_system])
            subprocess.run(MKFS[file_system] + [str(name)], check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, PATH=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"))
    if data:
        subprocess.run(["dd", f"if={path}.data", f"of={path}", "bs=1M", f"seek={SIZE[root] // MIB}", "conv=sparse,notrunc",
                        "status=none"], check=True)
        os.truncate(path, SIZE[root] + SIZE[data])
        os.unlink(f"{path}.data")


def loop_device(file, offset=0, sector=SECTOR):
    """An open descriptor and the path of a loop device on `file`, which goes when its last user does."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        backing = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            for _ in range(100):
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
                path = f"/dev/loop{number}"
                if not os.path.exists(path):
                    os.mknod(path, 0o600 | 0o060000, os.makedev(7, number))
                device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                info = struct.pack("<QQQQQIIII64s64s32sQQ", 0, 0, 0, offset, 0, 0, 0, 0, AUTOCLEAR | DIRECT_IO, b"crash test",
                                   b"", b"", 0, 0)
                try:
                    fcntl.ioctl(device, LOOP_CONFIGURE, struct.pack("<II", backing, sector) + info + bytes(64))
                    return device, path
                except OSError as error:
                    os.close(device)
                    if error.errno != EBUSY:
                        raise
                    time.sleep(0.01)  # somebody else took this number
            raise OSError(EBUSY, "no free loop device")
        finally:
            os.close(backing)
    finally:
        os.close(control)


class Disk:
    """A file served by blockdev, and what is mounted from it."""

    def __init__(self, tool, directory, mode, image, log):
        self.directory = Path(directory)
        self.file = self.directory / "disk"
        self.top = self.directory / "top"
        self.file.touch()
        self.top.mkdir(exist_ok=True)
        self.start(tool, mode, self.file, image, log)

    def start(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not self.process.stdout.readline().startswith(("ready", "ok")):
            raise OSError("blockdev did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        code = self.process.wait(timeout=30)
        libc.umount2(os.fsencode(self.file), 2)
        if code:
            raise OSError(f"blockdev ended with {code}")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if answer[:1] != ["ok"]:
            raise OSError(f"blockdev answers {answer} to {line}")
        return answer[1]

    def mount(self, kind, top, offset, sector):
        device, path = loop_device(self.file, offset, sector)
        try:
            mount(path, top, kind)
        finally:
            os.close(device)

    @contextlib.contextmanager
    def mounted(self, kind, offset=0, sector=SECTOR):
        """The file system, of a partition at `offset`; "ext4+xfs": and the other one at var/lib/etcd."""
        root, _, data = kind.partition("+")
        inner = self.top / "var/lib/etcd"
        self.mount(root, self.top, offset, sector)
        try:
            if data:
                inner.mkdir(parents=True, exist_ok=True)
                self.mount(data, inner, SIZE[root], sector)
            try:
                yield self.top
            finally:
                if data:
                    unmount(inner)
        finally:
            unmount(self.top)

    def sum(self):
        """Of the whole disk as it is served."""
        return self.ask("sum")


class Log:
    """What kind each entry is, and how many blocks each writes."""

    def __init__(self, path):
        kinds, blocks = [], []
        with open(path, "rb") as file:
            while head := file.read(ENTRY.size):
                kind, _, length = ENTRY.unpack(head)
                if kind == 1:
                    file.seek(length, os.SEEK_CUR)
                kinds.append("?wzf"[kind])
                blocks.append(length // SECTOR)
        self.kinds, self.blocks = "".join(kinds), blocks

    def __len__(self):
        return len(self.kinds)
