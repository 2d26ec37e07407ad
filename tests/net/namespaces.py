"""Two network namespaces with cables between them: the image's programs on one side, a server on the other.

Nothing of the machine's own network is touched: the cards are made inside the namespaces and die with them. The client's
side is a root directory of its own with BusyBox, etcd-rescue and the image's scripts, as small as the image's.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MOUNT = "mount -t sysfs sys {0}/sys && mount -t proc proc {0}/proc && mount -t tmpfs run {0}/run && " \
        "mount --bind /dev {0}/dev"


class Namespace:
    """A process that does nothing but keep the namespaces it was born into."""

    def __init__(self, *kinds):
        self.pid = None
        argv = ["unshare", "--fork", "--kill-child", *kinds, "sleep", "infinity"]
        self.outer = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        while not (pids := children.read_text().split() if children.exists() else []):
            if self.outer.poll() is not None or time.monotonic() > deadline:
                self.outer.kill()
                reason = self.outer.communicate()[1].strip() or "no answer"
                pytest.skip(f"needs network namespaces, which this machine does not permit: {reason}")
            time.sleep(0.02)
        self.pid = int(pids[0])

    def enter(self, *kinds):
        return ["nsenter", "--target", str(self.pid), *kinds]

    def close(self):
        # unshare itself heeds no polite signal; the first process of the namespaces takes all others with it.
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.outer.wait(10)
        self.outer.stderr.close()


class Site:
    """client: namespace and root directory of the rescue image's side. peer: the namespace of everything else."""

    def __init__(self, work, program, busybox):
        self.tree = Path(work)
        self._make_tree(program, busybox)
        self.client = Namespace("--net", "--mount", "--pid")
        self.peers, self.servers = [], []
        try:
            run(self.client.enter("--mount", "--pid", "--net") + ["sh", "-c", MOUNT.format(self.tree)])
            self.shell("ip link set lo up")
        except BaseException:
            self.client.close()
            raise

    def _make_tree(self, program, busybox):
        for name in ("bin", "proc", "sys", "run", "dev", "tmp", "etc/etcd-rescue/ca"):
            (self.tree / name).mkdir(parents=True)
        shutil.copy(busybox, self.tree / "bin/busybox")
        for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                (self.tree / "bin" / applet).symlink_to("busybox")
        shutil.copy(program, self.tree / "bin/etcd-rescue")
        for name in ("udhcpc", "udhcpc6"):
            shutil.copytree(TOP / "rootfs/etc" / name, self.tree / "etc" / name)
        (self.tree / "etc/etcd-rescue/manifest").touch()

    def cable(self, name, mac=None, peer=None, up=True):
        """A card `name` of the client, its other end in a peer's namespace under the same name. `up`: carrier."""
        if peer is None:
            peer = self.peer()
        run(self.client.enter("--net") + ["ip", "link", "add", name, *(["address", mac] if mac else []), "type", "veth",
                                          "peer", "name", name, "netns", str(peer.pid)])
        if up:
            self.carrier(peer, name)
        return peer

    def peer(self):
        peer = Namespace("--net")
        self.peers.append(peer)
        return peer

    def carrier(self, peer, name, on=True):
        run(peer.enter("--net") + ["ip", "link", "set", name, "up" if on else "down"])

    def address(self, peer, name, *addresses):
        for address in addresses:
            run(peer.enter("--net") + ["ip", "address", "add", address, "dev", name,
                                       *(["nodad"] if ":" in address else [])])

    def serve(self, peer, script, *args):
        """Run one of the servers of this directory until the end; back when it says that it is ready."""
        process = subprocess.Popen(peer.enter("--net") + [sys.executable, str(HERE / script), *map(str, args)],
                                   stdout=subprocess.PIPE, text=True)
        self.servers.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def argv(self, *argv):
        # Without the right to set the clock: time has no namespace, and this machine's is not ours to change.
        return self.client.enter("--net", "--mount", "--pid") + \
            ["setpriv", "--bounding-set", "-sys_time", "/usr/sbin/chroot", str(self.tree), "/bin/env", "-i", "PATH=/bin", *argv]

    def shell(self, command, check=True):
        return run(self.argv("/bin/sh", "-c", command), check)

    def network(self, *words, timeout=60):
        """etcd-rescue network; the result, and what it told on the way."""
        began = time.monotonic()
        done = subprocess.run(self.argv("/bin/etcd-rescue", "network", "--json", *words), capture_output=True, text=True,
                              timeout=timeout)
        events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        return Result(done, events, time.monotonic() - began)

    def read(self, name):
        """A file of the client's root, /run included."""
        return self.shell(f"cat {name}").stdout

    def close(self):
        for process in self.servers:
            process.terminate()
            process.wait(10)
            process.stdout.close()
        for namespace in [*self.peers, self.client]:
            namespace.close()


class Result:
    def __init__(self, done, events, seconds):
        self.status, self.stdout, self.stderr, self.seconds = done.returncode, done.stdout, done.stderr, seconds
        self.events = events
        self.json = json.loads(done.stdout) if done.stdout.startswith("{") else None
        self.warnings = [e["text"] for e in events if e["event"] == "warning"]


def run(argv, check=True):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, f"{' '.join(map(str, argv))}: {done.stderr}"
    return done
