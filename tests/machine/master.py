"""A small installed master, dead in the way that is asked for, on a disk that boots by itself under BIOS or UEFI.

	cluster = Cluster(work, ["master-1", "master-2", "master-3"])
	path = cluster["master-1"].disk(work / "m1.img", damage="missing", firmware="bios")

What is on it: Debian's kernel, boot loader layout and /etc; BusyBox as init; a stand-in for the kubelet
(system/usr/local/bin/kubelet) that runs the static pods; a real etcd and etcdctl; kubeadm's /etc/kubernetes with keys that
are real and a static etcd pod of three members; with apiserver= a kube-apiserver. Nothing is mounted, root is not needed.

damage  "none"     a healthy member directory, restored from the golden snapshot by etcdutl (the old cluster, token OLD_TOKEN)
        "missing"  /var/lib/etcd is there, its member directory is not
        "empty"    the data directory is there with all its directories, and every file in it has no bytes
        "db"       the database lost its second half, and both meta pages
        "wal"      a flipped byte in the middle of the WAL's records
fresh   True: no /etc/kubernetes and no data at all, as a newly installed machine
member  a directory to be taken as var/lib/etcd/member instead (damage is then done to it)

The serial console says `NAME: started from its own disk` when the disk has booted, `kubelet: etcd started` when the pod
runs, and has a shell after Enter. On the running machine `etcdctl` is a script that knows the certificates.
"""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import requirement

from . import disk as disks, loader, pki, pods

TOP = Path(__file__).resolve().parents[2]
SYSTEM = Path(__file__).with_name("system")
SNAPSHOT = TOP / "tests" / "golden" / "kubernetes" / "snapshot.db.gz"
OLD_TOKEN = "etcd-cluster"      # etcd's own default, which kubeadm leaves as it is
MANIFESTS = Path("etc/kubernetes/manifests")
DATA = Path("var/lib/etcd")
DAMAGES = ("none", "missing", "empty", "db", "wal")


class Cluster:
    """Masters of one cluster: names, addresses NETWORK.7 and up, one PKI. `work` is a new or an empty directory."""

    kind = None     # of its masters; None: Master

    endpoint = None     # "ADDRESS:PORT" that kubeconfigs name, as of a load balancer; None: each master's own

    def __init__(self, work, names=("master-1", "master-2", "master-3"), network="10.252.1", first=7, etcd="3.6"):
        self.work = Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.network, self.etcd = network, etcd
        self.cas = pki.authorities(self.work / "pki")
        self.masters = [(self.kind or Master)(self, name, f"{network}.{first + number}", number) for number, name in enumerate(names)]

    def __getitem__(self, name):
        return next(master for master in self.masters if master.name == name)

    def __iter__(self):
        return iter(self.masters)

    @property
    def initial_cluster(self):
        return ",".join(f"{master.name}={master.peer}" for master in self.masters)

    def snapshot(self):
        """The golden snapshot, unpacked."""
        path = self.work / "snapshot.db"
        if not path.exists():
            path.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
        return path


class Master:
    mount = DATA    # what lies on a partition of its own when one is asked for

    def __init__(self, cluster, name, address, number):
        self.cluster, self.name, self.address, self.number = cluster, name, address, number
        self.peer, self.client = f"https://{address}:2380", f"https://{address}:2379"
        self.mac = f"52:54:00:fc:01:{int(address.rsplit('.', 1)[1]):02x}"

    # Trees

    def tree(self, damage="missing", fresh=False, member=None, dhcp=False, apiserver=None, programs=True):
        """The root file system as a directory below the cluster's; /boot is not in it yet."""
        root = self.cluster.work / f"{self.name}.tree"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(SYSTEM, root, symlinks=True)
        self._base(root, dhcp)
        if programs:
            self._programs(root, apiserver)
        if not fresh:
            self._kubernetes(root, apiserver)
            self._data(root, damage, member)
        return root

    def _base(self, root, dhcp):
        for folder in ("dev", "proc", "sys", "run", "boot", "mnt", "home", "opt", "usr/bin", "var/log", "var/tmp", "var/lib",
                       "etc/network", "etc/systemd/system"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for folder, mode in (("root", 0o700), ("tmp", 0o1777)):
            (root / folder).mkdir()
            (root / folder).chmod(mode)
        for name in ("bin", "sbin"):
            (root / "usr" / name).mkdir(exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")
        shutil.copy(loader.BUSYBOX, root / "usr/bin/busybox")
        for applet in subprocess.run([loader.BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                (root / "usr/bin" / applet).symlink_to("busybox")
        for name in ("init", "reboot", "poweroff", "halt"):
            (root / "usr/sbin" / name).symlink_to("../bin/busybox")
        lines = [f"{master.address}\t{master.name}" for master in self.cluster]
        address = "dhcp\n" if dhcp else f"static\n\taddress {self.address}/24\n\tgateway {self.cluster.network}.1\n"
        for name, text in {
                "hostname": f"{self.name}\n",
                "hosts": "127.0.0.1\tlocalhost\n" + "\n".join(lines) + "\n",
                "os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n',
                "debian_version": "13.2\n",
                "machine-id": loader_id(self.name),
                "passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n",
                "network/interfaces": f"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet {address}",
                "resolv.conf": f"nameserver {self.cluster.network}.1\n"}.items():
            (root / "etc" / name).write_text(text)

    def _programs(self, root, apiserver):
        server, client = requirement.need(f"etcd-{self.cluster.etcd}", f"etcdctl-{self.cluster.etcd}")
        local = root / "usr/local/bin"
        shutil.copy(server, local / "etcd")
        shutil.copy(client, local / "etcdctl.bin")
        libraries(root, server, client)
        (local / "etcdctl").write_text(ETCDCTL)
        if apiserver:
            shutil.copy(apiserver, local / "kube-apiserver")
        for path in local.iterdir():
            path.chmod(0o755)

    def _kubernetes(self, root, apiserver):
        kubernetes = root / "etc/kubernetes"
        kubernetes.mkdir()
        pki.issue(self.cluster.cas, kubernetes, self.name, self.address, endpoint=self.cluster.endpoint)
        (kubernetes / "manifests").mkdir()
        manifests = {"etcd": pods.etcd(self)}
        if apiserver:
            manifests["kube-apiserver"] = pods.apiserver(self.address)
        for name, text in manifests.items():
            path = root / MANIFESTS / f"{name}.yaml"
            path.write_text(text)
            path.chmod(0o600)
        kubelet = root / "var/lib/kubelet"
        kubelet.mkdir()
        (kubelet / "config.yaml").write_text("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
                                             "staticPodPath: /etc/kubernetes/manifests\n")
        (kubelet / "kubeadm-flags.env").write_text(f'KUBELET_KUBEADM_ARGS="--node-ip={self.address}"\n')

    def _data(self, root, damage, member):
        if damage not in DAMAGES:
            raise ValueError(f"damage is one of {', '.join(DAMAGES)}, not {damage}")
        data = root / DATA
        data.mkdir(mode=0o700)
        if member is None and damage not in ("missing",):
            member = self.restored()
        if member is not None and damage != "missing":
            copy_tree(member, data / "member")
            spoil(data / "member", damage)

    def restored(self, token=OLD_TOKEN):
        """A member directory of this master, made by etcdutl of the golden snapshot: the old cluster as it was."""
        out = self.cluster.work / f"{self.name}.{token}"
        if not out.exists():
            etcdutl = requirement.need("etcdutl-3.6")
            subprocess.run([etcdutl, "snapshot", "restore", self.cluster.snapshot(), "--name", self.name, "--data-dir", out,
                            "--initial-cluster", self.cluster.initial_cluster, "--initial-cluster-token", token,
                            "--initial-advertise-peer-urls", self.peer], check=True, capture_output=True)
        return out / "member"

    # Disks

    def disk(self, path, *, damage="missing", fresh=False, fs="ext4", firmware="bios", etcd_partition=False, size=900,
             etcd_size=400, member=None, dhcp=False, apiserver=None, programs=True, words=loader.WORDS):
        """Write the disk; returns its path.

        firmware: "bios", "uefi" or "both". fs: ext4, xfs or btrfs, of the root and of etcd's own partition (labelled
        `etcd`, in fstab by its UUID). size, etcd_size: of the file systems, in MiB. apiserver: path of a kube-apiserver to
        put on it. programs=False leaves etcd and etcdctl out, for disks that are only looked at. words: of the kernel line.
        """
        disk = disks.Disk(path, f"{self.name} {Path(path).name}")
        root_id, etcd_id = disk.uuid("root"), disk.uuid("etcd")
        root = self.tree(damage, fresh, member, dhcp, apiserver, programs)
        fstab = [f"UUID={root_id} / {fs} defaults 0 1"]
        if fs == "xfs":
            size, etcd_size = max(size, 320), max(etcd_size, 320)       # mkfs.xfs makes no smaller one
        make = disks.FILLERS[fs]
        # The number of the partition with /boot is noted in GRUB's core.
        number = (firmware in ("bios", "both")) + (firmware in ("uefi", "both")) + 1
        if firmware in ("bios", "both"):
            disk.add(disks.BIOS_BOOT, 1, loader.bios_core(number))
        if firmware in ("uefi", "both"):
            esp = loader.esp_tree(self.cluster.work / f"{self.name}.esp", root_id)
            serial = disk.uuid("esp").hex[:8]
            disk.add(disks.ESP, 16, disks.vfat(esp, "EFI", serial), "EFI System Partition")
            fstab.append(f"UUID={serial[:4]}-{serial[4:]}".upper() + " /boot/efi vfat umask=0077 0 1")
            (root / "boot/efi").mkdir()
        disk.add(disks.LINUX, size, make(root, "root", root_id), "root")
        if etcd_partition:
            fstab.append(f"UUID={etcd_id} /{self.mount} {fs} defaults 0 2")
            data = self.cluster.work / f"{self.name}.data"
            shutil.rmtree(data, ignore_errors=True)
            if (root / self.mount).exists():
                (root / self.mount).rename(data)
            (root / self.mount).mkdir(mode=0o700)
            data.mkdir(mode=0o700, exist_ok=True)
            disk.add(disks.LINUX, etcd_size, make(data, "etcd", etcd_id), "etcd")
        (root / "etc/fstab").write_text("# <file system> <mount point> <type> <options> <dump> <pass>\n" + "\n".join(fstab) + "\n")
        loader.installed(root, f"UUID={root_id}", words)
        disk.write()
        if firmware in ("bios", "both"):
            loader.boot_sector(disk)
        shutil.rmtree(root)
        return disk.path


def libraries(root, *programs):
    """What they are linked with here, into the tree: Debian's older etcds are not static."""
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        for path in re.findall(r"(/\S+) \(0x", listed):
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def copy_tree(source, target):
    """Like cp --sparse=always: a WAL file is mostly a hole."""
    subprocess.run(["cp", "-R", "--sparse=always", source, target], check=True)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def spoil(member, damage):
    """Damage a member directory in place."""
    wal = sorted((member / "wal").glob("*.wal"))[0]
    if damage == "empty":
        for path in member.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
    elif damage == "db":
        database = member / "snap" / "db"
        with open(database, "r+b") as file:
            file.write(b"\0" * 8192)
            file.truncate(database.stat().st_size // 2)
    elif damage == "wal":
        with open(wal, "r+b") as file:
            file.seek(200)
            byte = file.read(1)
            file.seek(200)
            file.write(bytes((byte[0] ^ 0x40,)))


def loader_id(name):
    return disks.uuid.uuid5(disks.uuid.NAMESPACE_DNS, name).hex + "\n"


ETCDCTL = """#!/bin/sh
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
exec /usr/local/bin/etcdctl.bin "$@"
"""
