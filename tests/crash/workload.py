"""What is cut short: `etcd-rescue run` and `rollback` on a kubeadm master; before them a stand-in that does right, and
two that do wrong (a harness that does not see those sees nothing).

A workload fills a fresh disk with populate(), does its work once with go(), and does it again with resume(), which
returns None or one line on what went wrong.
"""

import ctypes
import gzip
import os
import shutil
import subprocess
from pathlib import Path

from crash import blocklog, states

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def durable(path):
    """fsync of a file or a directory."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def exchange(one, other):
    blocklog.check(blocklog.libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other),
                                           ctypes.c_uint(RENAME_EXCHANGE)), "renameat2")


class Staged:
    """Stage, fsync everything, exchange, fsync the parent: as it should be done, six files of 200 kB."""

    fence, member, made = None, states.MEMBER, None
    moved = False

    def __init__(self, _asked):
        pass

    def fill(self, directory, letter):
        (directory / "wal").mkdir(parents=True)
        for n in range(6):
            (directory / "wal" / f"{n}").write_bytes((letter * 40 + f"{n}\n").encode() * 4900)

    def sync_all(self, directory):
        for path, _, names in os.walk(directory, topdown=False):
            for name in names:
                durable(os.path.join(path, name))
            durable(path)

    def populate(self, top):
        self.fill(top / states.MEMBER, "old ")

    def go(self, top):
        stage = top / states.DATA / "member.next-00"
        self.fill(stage, "new ")
        self.sync_all(stage)
        durable(stage.parent)
        exchange(stage, top / states.MEMBER)
        durable(stage.parent)

    def resume(self, top):
        """Begin again, when the old one is still there."""
        stage = top / states.DATA / "member.next-00"
        if (top / states.MEMBER / "wal" / "0").read_bytes()[:3] == b"old":
            shutil.rmtree(stage, ignore_errors=True)
            self.go(top)


class Unsynced(Staged):
    """The same without any fsync, while another program syncs a file of its own: torn files under a good name."""

    def sync_all(self, directory):
        pass

    def go(self, top):
        stage = top / states.DATA / "member.next-00"
        self.fill(stage, "new ")
        exchange(stage, top / states.MEMBER)
        (top / "other").write_text("of another program\n")
        durable(top / "other")


class Deleted(Staged):
    """Delete the old one, sync, move the new one in, as runbooks have it: for a while there is none."""

    def go(self, top):
        stage = top / states.DATA / "member.next-00"
        self.fill(stage, "new ")
        shutil.rmtree(top / states.MEMBER)
        os.sync()
        stage.rename(top / states.MEMBER)


GOLDEN = Path(__file__).resolve().parent.parent / "golden"
# Addresses where nobody answers, and says so at once. What the first boot needs is left out of all but `installed`: the
# program would be most of what is written.
RENAMED = """generation: {generation}
source: file:{snapshot}
survivors: none
finish: {{install: no}}
replace:
  - {{from: 127.0.10.12, to: 127.0.10.22}}
  - {{from: master-2, to: master-4}}
cluster:
  members:
    - {{name: master-1, peer: "https://127.0.10.11:2380"}}
    - {{name: master-3, peer: "https://127.0.10.13:2380"}}
    - {{name: master-4, peer: "https://127.0.10.22:2380"}}
"""
SPARE = f"old: move:/{states.ASIDE}\n"
SAME = """generation: {generation}
source: file:{snapshot}
survivors: none
finish: {{install: no}}
cluster:
  members:
    - {{name: master-1, peer: "https://127.0.10.11:2380"}}
    - {{name: master-2, peer: "https://127.0.10.12:2380"}}
    - {{name: master-3, peer: "https://127.0.10.13:2380"}}
"""
# Free on a file system that is too small for a second member, which takes 80 MB and more, but not for this one alone.
LEFT = 40 << 20
LABELS = {"etc": b"system_u:object_r:etc_t:s0", "etc/kubernetes": b"system_u:object_r:kubernetes_file_t:s0",
          "var/lib/etcd": b"system_u:object_r:container_file_t:s0"}


def write_plans(directory):
    """Plans and snapshots, outside of the disk: `renamed` changes four files and has a snapshot of 48 KiB, `large`
    changes one and has 6 MB; `later` is renamed's next generation; `moved` is renamed where two members do not fit side by
    side; `installed` leaves what the first boot needs; `joined` has no snapshot, the member goes away and etcd waits."""
    small, large = directory / "small.db", directory / "large.db"
    shutil.copy(GOLDEN / "etcd-3.5" / "snapshot.db", small)
    large.write_bytes(gzip.decompress((GOLDEN / "kubernetes" / "snapshot.db.gz").read_bytes()))
    plans = {"renamed": RENAMED.format(generation=1, snapshot=small), "large": SAME.format(generation=1, snapshot=large),
             "later": RENAMED.format(generation=2, snapshot=large),
             "moved": RENAMED.format(generation=1, snapshot=small) + SPARE,
             "joined": RENAMED.format(generation=1, snapshot="/nowhere").replace("finish: {install: no}\n", "role: join\n"),
             "installed": RENAMED.format(generation=1, snapshot=small).replace("finish: {install: no}\n", "")}
    for name, text in plans.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def make_master(program, top):
    """A kubeadm master that joined others, with a member of before, owners and labels."""
    subprocess.run(["cp", "-a", f"{GOLDEN}/layouts/kubeadm/before/.", top], check=True)
    (top / "var/log").mkdir()
    manifest = top / states.FENCE
    for path in (p for p in top.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("10.0.0.", "127.0.10."))
    manifest.write_text(manifest.read_text().replace("/mnt/fast/etcd", "/var/lib/etcd"))
    manifest.chmod(0o600)
    for name in ("kube-apiserver", "kube-scheduler"):
        (manifest.parent / f"{name}.yaml").write_text(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n")
    # The data directory may be a mount's top.
    made = top / "made"
    subprocess.run([program, "snapshot", "restore", GOLDEN / "etcd-3.5" / "snapshot.db", "--data-dir", made,
                    "--name", "master-2", "--initial-cluster", "master-2=https://127.0.10.12:2380"],
                   check=True, capture_output=True)
    (top / states.DATA).mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--sparse=always", made / "member", top / states.MEMBER], check=True)
    shutil.rmtree(made)
    for path in sorted((top / states.DATA).rglob("*")):
        os.chown(path, 997, 996)
    set_labels(top)


def set_labels(top):
    for folder, label in LABELS.items():
        for path in [top / folder, *(top / folder).rglob("*")]:
            os.setxattr(path, "security.selinux", label)


def labels_wrong(last):
    """What in the new state has not the owner or label that its like had: one line, or None."""
    for path, thing in last.items():
        want = [label for folder, label in LABELS.items() if (path + "/").startswith(folder + "/")][-1:]
        if want and not states.OWN.match(path) and ("security.selinux", want[0]) not in thing.attributes:
            return f"{path} has not the label {want[0].decode()}"
        if path.startswith(states.MEMBER) and thing.owner != (997, 996):
            return f"{path} is owned by {thing.owner}"
    return None


class Run:
    """`run`, with a snapshot in a file, on a master that other etcds know under another name and address."""

    fence, member, made = states.FENCE, states.MEMBER, None
    moved = False
    plan = "renamed"

    def __init__(self, asked):
        self.asked = asked
        self.program = asked["program"]

    def command(self, top):
        # The snapshots are of other clusters than the master's.
        return [self.program, "run", "--root", top, "--file", f"{self.asked['plans']}/{self.plan}.yaml", "--yes", "--force"]

    def populate(self, top):
        make_master(self.program, top)
        self.prepare(top)

    def prepare(self, top):
        """On a copy of the master: directories are told apart by their inodes, so what a run left is not copied."""

    def call(self, command, prefix=()):
        return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)

    def go(self, top):
        done = self.call(self.command(top))
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, self.command(top)))}: {done.returncode}: {done.stderr}")

    def resume(self, top):
        done = self.call(self.command(top))
        return f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}" if done.returncode else None


class Large(Run):
    """The same with megabytes, and the node as it was."""

    plan = "large"


class Again(Run):
    """A higher generation on a disk that has been restored."""

    plan = "later"

    def prepare(self, top):
        Run(self.asked).go(top)


class Installed(Run):
    """With what the first boot needs: the program, units, and static pods that wait."""

    plan = "installed"


class Joined(Run):
    """A node that joins a cluster that is there: a directory that goes away, and nothing takes its place."""

    plan = "joined"


class Moved(Run):
    """Where etcd's file system is too small for two members; both are laid down on the other one. For two file systems."""

    moved = True
    plan = "moved"

    def prepare(self, top):
        (top / states.ASIDE).mkdir(parents=True)
        # As etcd makes it: the segment has all its blocks.
        for path in (top / states.MEMBER / "wal").iterdir():
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        os.sync()
        room = os.statvfs(top / states.DATA)
        with open(top / states.DATA / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - LEFT)


class MovedBack(Moved):
    """`rollback` of that."""

    def command(self, top):
        return Rollback.command(self, top)

    def prepare(self, top):
        super().prepare(top)
        Moved(self.asked).go(top)


class Rollback(Run):
    """`rollback` of what `run` did."""

    def command(self, top):
        return [self.program, "rollback", "--root", top]

    def prepare(self, top):
        Run(self.asked).go(top)


WORKLOADS = {"staged": Staged, "unsynced": Unsynced, "deleted": Deleted, "run": Run, "large": Large, "again": Again,
             "rollback": Rollback, "installed": Installed, "joined": Joined, "moved": Moved, "moved-back": MovedBack}
