"""A master whose init is Debian's systemd; otherwise as in master.py, the stand-in of the kubelet is a unit.

	cluster = SystemdCluster(work, ["master-1"])
	disk = cluster["master-1"].disk(path, size=SIZE, words=WORDS)

There is no udev and no message bus: the drivers come with the initrd, and systemctl talks to systemd itself. So what waits
for a device by its name, or for the bus, is masked.
"""

import shutil
import subprocess
from pathlib import Path

import requirement

from . import loader
from .master import Cluster, Master

UNITS = Path(__file__).with_name("units")
SIZE = 1000         # MiB
# The root file system is mounted by the initrd for good; fstab names it by what only udev knows.
WORDS = loader.WORDS + " rw fstab=no"
STARTED = {"multi-user.target": ("kubelet.service", "shell.service"), "network-online.target": ("network.service",)}
MASKED = ("systemd-logind.service", "systemd-hostnamed.socket", "getty.target", "proc-sys-fs-binfmt_misc.automount",
          "systemd-binfmt.service", "ldconfig.service")


class SystemdMaster(Master):
    def tree(self, *arguments, **options):
        root = super().tree(*arguments, **options)
        self._systemd(root)
        return root

    def _systemd(self, root):
        requirement.need("systemctl-257")
        peer = requirement.PEERS.parent / "systemd-257" / "root"
        # Over BusyBox's names.
        subprocess.run(["cp", "-R", "--no-dereference", "--preserve=mode", "--remove-destination", peer / "usr", root],
                       check=True)
        for name in ("lib", "lib64"):
            if not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        (root / "etc/inittab").unlink()
        shutil.rmtree(root / "etc/init.d")
        for name, goal in {"init": "../lib/systemd/systemd", "reboot": "../bin/systemctl", "poweroff": "../bin/systemctl",
                           "halt": "../bin/systemctl"}.items():
            (root / "usr/sbin" / name).unlink()
            (root / "usr/sbin" / name).symlink_to(goal)
        system = root / "etc/systemd/system"
        system.mkdir(parents=True, exist_ok=True)
        for unit in UNITS.glob("*.service"):
            shutil.copy(unit, system)
        shutil.copy(UNITS / "network", root / "usr/local/bin")
        (system / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")
        for target, units in STARTED.items():
            (system / f"{target}.wants").mkdir()
            for unit in units:
                (system / f"{target}.wants" / unit).symlink_to(f"../{unit}")
        for unit in MASKED:
            (system / unit).symlink_to("/dev/null")


class SystemdCluster(Cluster):
    kind = SystemdMaster
