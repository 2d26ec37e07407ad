"""The image's machine killed in the middle of an unattended restore (L2), then started from its disk and from the image.

Run as a program of its own, since it has a mount namespace of its own:

    cd tests && python3 -m crash.kills '{"tool": .., "image": .., "program": .., "kills": 50, ...}'    ->  JSON lines

One machine is started from the image and stopped when its countdown has begun; its whole state is kept.  Each kill begins
there, on the disk as it was then, so that no boot is paid for twice.  Its disk is blockdev.c's: QEMU is killed at a
random time behind a random line of the restore, and of what was written behind the last flush a random part is lost,
as a cache would lose it.  Then

    mounted    what the disk holds (states.py)
    disk       the machine starts from it: etcd serves the old or the new data, or, fenced, is not started
    image      the same disk again: the restore goes on by itself, and all is new
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import contents
from crash import blocklog, states
from machine import accelerator, cpio
from machine.console import Silence
from machine.master import Cluster
from machine.vm import BOOT, Vm

NAME = "solo"
LINE = "console=tty0 console=ttyS0,115200 panic=-1"
PLAN = """source: file:/etc/etcd-rescue/snapshot.db
survivors: none
auto: yes
handoff: stay
cluster:
  members:
    - {name: solo, peer: "https://10.252.1.7:2380"}
"""
# Lines of the restore, and how likely it is that a kill comes behind them.
MARKS = {r"==> snapshot": 1, r"==> fetch": 2, r"==> rewrite": 2, r"==> prepare": 3, r"==> gate": 2, r"==> commit": 6}
RESTORED = r"the new state is in place|restored here already"
FAILED = r"FAILED|Kernel panic"
SERVES = 300


def root_partition(path):
    """Where the last partition begins, in bytes."""
    done = subprocess.run(["partx", "--raw", "--noheadings", "--output", "START", path], check=True, capture_output=True,
                          text=True)
    return int(done.stdout.split()[-1]) * 512


class Killed:
    def __init__(self, asked, work):
        self.asked, self.work = asked, work
        self.tool = asked["tool"]
        self.image = Path(asked["image"])
        self.accel = accelerator.choose("qemu-system-x86_64", self.image / "vmlinuz")
        self.cluster = Cluster(work / "cluster", [NAME])
        self.base = self.cluster[NAME].disk(work / "base.img", damage="none", size=400)
        self.offset = root_partition(self.base)
        self.initrd = self.make_initrd()
        self.state = work / "machine.state"
        self.random = random.Random(asked["seed"])

    def make_initrd(self):
        """The image's, with the plan, its snapshot and the program that is asked for."""
        program = self.work / "etcd-rescue"
        subprocess.run(["strip", "-o", program, self.asked["program"]], check=True)
        old = (self.image / "initramfs.img").read_bytes()
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        manifest = re.sub(rb"(?m)^[0-9a-f]{64}( +\S*bin/etcd-rescue)$", digest.encode() + rb"\1",
                          contents.entries(old)["etc/etcd-rescue/manifest"].data)
        assert digest.encode() in manifest
        files = {"etc/etcd-rescue/plan.yaml": PLAN.encode(), "etc/etcd-rescue/manifest": manifest,
                 "etc/etcd-rescue/snapshot.db": self.cluster.snapshot().read_bytes()}
        extra = cpio.append(cpio.archive(files), cpio.archive({"bin/etcd-rescue": program.read_bytes()}, 0o100755))
        path = self.work / "initramfs.img"
        path.write_bytes(cpio.append(old, extra))
        return path

    def from_image(self, name, disk, **more):
        return Vm(name, self.work / name, self.accel, memory=512, kernel=self.image / "vmlinuz", initrd=self.initrd,
                  append=LINE + " rescue.wait=3", disks=[disk], flushed=True, nic="restrict=on", **more)

    def save(self):
        """The machine as it is when the countdown begins."""
        with self.from_image("kills-save", self.base) as vm:
            vm.console.expect(r"RESTORE BEGINS in", BOOT, stop_at=FAILED)
            vm.qmp("stop")
            vm.qmp("migrate", uri=f"exec:cat >{self.state}")
            deadline = time.monotonic() + 120
            while (status := vm.qmp("query-migrate")["status"]) != "completed":
                assert status in ("setup", "active", "device") and time.monotonic() < deadline, status
                time.sleep(0.2)

    def go_on(self, disk):
        vm = self.from_image("kills-run", disk, extra=("-incoming", f"exec:cat {self.state}"))
        try:
            deadline = time.monotonic() + 120
            while vm.qmp("query-status")["status"] == "inmigrate" and time.monotonic() < deadline:
                time.sleep(0.1)
            vm.qmp("cont")
        except BaseException:
            vm.close()
            raise
        return vm

    def look(self, disk):
        with disk.mounted("ext4", offset=self.offset, sector=512) as top:
            return states.look(top)

    def record(self, directory, act):
        """A restore on a fresh copy of the disk; what `act(vm)` returns, the log and the image as it was before."""
        image, log = directory / "image", directory / "log"
        subprocess.run(["cp", "--sparse=always", self.base, image], check=True)
        with blocklog.Disk(self.tool, directory, "record", image, log) as disk, self.go_on(disk.file) as vm:
            answer = act(vm)
            vm.process.kill()
            vm.process.wait()
        image.unlink()
        return answer, log

    def undisturbed(self, directory):
        """Both ends."""
        began = time.monotonic()
        _, log = self.record(directory, lambda vm: vm.console.expect(RESTORED, SERVES, stop_at=FAILED) and time.sleep(5))
        with blocklog.Disk(self.tool, directory, "replay", self.base, log) as disk:
            first = self.look(disk)
            disk.ask(f"cut {len(blocklog.Log(log))}")
            last = self.look(disk)
        self.seconds = time.monotonic() - began
        return states.Frame(first, last)

    def kill(self, vm):
        mark = self.random.choices(list(MARKS), MARKS.values())[0]
        vm.console.expect(mark, SERVES, stop_at=FAILED)
        # The renames are done in a moment; staging takes longer.
        delay = self.random.uniform(0, self.random.choice((0.1, 0.4, 1.5)))
        time.sleep(delay)
        return f"{delay:.2f} s behind {mark}"

    def start_disk(self, disk, state):
        """None, or what is wrong with the machine that its own disk starts."""
        with Vm("kills-disk", self.work / "kills-disk", self.accel, memory=512, cpu="max", disks=[disk.file], flushed=True) as vm:
            vm.console.expect(f"{NAME}: started from its own disk", BOOT, stop_at="Kernel panic")
            vm.console.wake(BOOT)
            vm.console.run("ip address add 10.252.1.7/24 dev lo")
            if state == "fenced":
                time.sleep(5)
                return None if vm.console.run("pidof etcd").status else "fenced, and etcd was started"
            answer = vm.console.run("n=0; until etcdctl endpoint status -w json 2>/dev/null || [ $n -gt 40 ]; do sleep 3; "
                                    "n=$((n+1)); done", SERVES)
            found = re.search(r'"revision":(\d+)', answer.text)
            if not found:
                return f"etcd does not serve: {vm.console.run('tail -n 3 /var/log/pods/etcd.log').text}"
            new = int(found[1]) > 1000000000
            return None if new == (state == "last") else f"{state}, and etcd is at revision {found[1]}"

    def start_image(self, disk):
        with self.from_image("kills-image", disk.file) as vm:
            vm.console.expect(RESTORED, BOOT + SERVES, stop_at=FAILED)
            time.sleep(5)

    def one(self, frame, directory, number):
        result = {"kill": number}
        result["when"], log = self.record(directory, self.kill)
        entries = len(blocklog.Log(log))
        seed = self.random.randrange(1, 1 << 48)
        result["entries"], result["seed"] = entries, seed
        with blocklog.Disk(self.tool, directory, "replay", self.base, log) as disk:
            try:
                disk.ask(f"lose {entries} {seed}")
                result["state"] = frame.where(self.look(disk))
                if self.asked["disk_every"] and number % self.asked["disk_every"] == 0:
                    disk.ask(f"lose {entries} {seed}")
                    result["disk"] = self.start_disk(disk, result["state"]) or "good"
                if self.asked["image_every"] and number % self.asked["image_every"] == 0:
                    disk.ask(f"lose {entries} {seed}")
                    self.start_image(disk)
                    end = frame.where(self.look(disk))
                    result["image"] = "good" if end == "last" else f"it is {end}"
            except (states.Mixed, Silence, AssertionError, OSError) as error:
                result["wrong"] = str(error)[-1500:]
        return result


def main():
    asked = json.loads(sys.argv[1])
    blocklog.private_mounts()
    work = Path(tempfile.mkdtemp(prefix="kills-", dir=asked["memory"]))
    os.environ["TMPDIR"] = str(work)
    try:
        killed = Killed(asked, work)
        killed.save()
        frame = killed.undisturbed(work)
        for number in range(asked["kills"]):
            print(json.dumps(killed.one(frame, work, number)), flush=True)
    finally:
        for transcript in work.rglob("serial0.log"):
            shutil.copy(transcript, Path(asked["transcripts"]) / f"{transcript.parent.name}.log")
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
