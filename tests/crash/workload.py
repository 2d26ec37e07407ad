"""What is cut short: a stand-in that does right, two that do wrong (a harness that does not see those sees nothing).

A workload fills a fresh disk with populate(), does its work once with go(), and does it again with resume(), which
returns None or one line on what went wrong.
"""

import ctypes
import os
import shutil

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

    fence = None

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


WORKLOADS = {"staged": Staged, "unsynced": Unsynced, "deleted": Deleted}
