"""Disks with arrays, containers and volume groups, made by the image's own tools inside a machine.

Hosts often have no device mapper and no md; so disks are attached empty, beside images of file systems that were made on
the host, and filled from these.
"""

import json
import subprocess

MIB = 1 << 20
FORMAT = "--batch-mode --pbkdf-force-iterations 4 --pbkdf-parallel 1 --key-file /tmp/key"


def blank(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def file_system(path, label, tree, size, mke2fs):
    """ext4 with what lies below `tree`; made without root."""
    blank(path, size)
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-L", label, "-d", str(tree), "-E", "root_owner=0:0", str(path)],
                   check=True)
    return path


def attach(name, path):
    return ["-drive", f"if=none,id={name},format=raw,file={path}", "-device", f"virtio-blk-pci,drive={name},serial={name}"]


def as_on_a_cray(s, root, etcd, size=168, memory=32768):
    """The disks mirror0, mirror1 and etcd of an HPE Cray master: the root on a mirror, etcd in a volume of that many MiB in a
    container whose key (/tmp/key) lies on the root. root, etcd: disks to be copied there, 48 MiB and as large as that.
    memory: in KiB, that who opens it needs."""
    s.sh("modprobe md-mod")
    s.sh(f"mdadm --create /dev/md9 --run --level=1 --raid-devices=2 --homehost=any --name=0 --assume-clean "
         f"{s.of('mirror0')} {s.of('mirror1')}")
    s.sh(f"dd if={s.of(root)} of=/dev/md9 bs=1M && sync && mdadm --stop /dev/md9")
    disk = s.of("etcd")
    s.sh(f"cryptsetup luksFormat {FORMAT} --type luks2 --label ETCDLVM --pbkdf argon2id --pbkdf-memory {memory} {disk}")
    s.sh(f"cryptsetup open --key-file /tmp/key {disk} ETCDLVM")
    s.sh("lvm pvcreate /dev/mapper/ETCDLVM && lvm vgcreate etcdvg0 /dev/mapper/ETCDLVM && "
         f"lvm lvcreate -y -L {size}M -n ETCDK8S etcdvg0")
    s.sh(f"dd if={s.of(etcd)} of=/dev/etcdvg0/ETCDK8S bs=1M && sync && lvm vgchange -an && cryptsetup close ETCDLVM")


class Storage:
    """The disks of a machine, by the serial numbers they were attached with."""

    def __init__(self, vm, names):
        self.vm, self.names, self.hidden = vm, names, {}

    def sh(self, command, status=0, seconds=240):
        answer = self.vm.console.run(command, seconds)
        assert status is None or answer.status == status, f"{command}: {answer.status}\n{answer.text}"
        return answer.text.strip()

    def of(self, name):
        """/dev/vdX; the letters change when disks come back."""
        return "/dev/" + self.sh(f"for d in /sys/block/vd*; do [ \"$(cat $d/serial)\" = {name} ] && echo ${{d##*/}}; done; true")

    def hide(self, *names):
        for name in names:
            disk = self.of(name)[len("/dev/"):]
            self.hidden[name] = self.sh(f"basename $(readlink -f /sys/block/{disk}/device)")
            self.sh(f"echo {self.hidden[name]} >/sys/bus/virtio/drivers/virtio_blk/unbind")

    def show(self, *names):
        """These, and no others."""
        for name in names:
            if name in self.hidden:
                self.sh(f"echo {self.hidden.pop(name)} >/sys/bus/virtio/drivers/virtio_blk/bind")
        self.hide(*(n for n in self.names if n not in names and n not in self.hidden))
        self.sh("for i in 1 2 3 4 5 6 7 8 9; do [ $(ls -d /sys/block/vd* | wc -l) = %d ] && break; sleep 1; done" % len(names))

    def digest(self, *names):
        """Of what is on the disks, past the caches."""
        return self.sh("sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum " + " ".join(self.of(n) for n in names) +
                       " | cut -d' ' -f1")

    def target(self, *options, status=0):
        """etcd-rescue target --json as an object; with another status what it said as text."""
        text = self.sh("etcd-rescue target --json " + " ".join(options) + (" 2>/dev/null" if not status else " 2>&1"), status)
        return json.loads(text) if not status else text

    def opened(self):
        """What is mapped or assembled now."""
        return self.sh("ls /dev/mapper | grep -v control; ls -d /sys/block/md* 2>/dev/null; true").split()
