"""What an installed machine starts with: kernel, initrd and boot loader on its own disk, as Debian lays them out.

	boot = installed(tree, root="UUID=...", words="console=ttyS0")      # /boot of a tree: kernel, initrd, grub.cfg
	disk.add(BIOS_BOOT, 1, bios_core(3))                                 # GRUB's core, /boot in partition 3
	disk.add(ESP, 16, vfat(esp_tree(work, uuid)), "EFI System Partition")
	disk.write(); boot_sector(disk)                                      # last: GRUB's first sector, for BIOS

The kernel is the image's own, the initrd a small one of ours: BusyBox and the modules that find the disk and the network.
For BIOS a core of GRUB is made of Debian's modules, for UEFI Debian's signed shim and GRUB are taken as they are.
Source: GRUB 2.12, grub-core/boot/i386/pc/boot.S and diskboot.S (where the places of the core are noted).
"""

import functools
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from . import cpio
from .disk import BIOS_BOOT, SECTOR, DiskError, run

TOP = Path(__file__).resolve().parents[2]
PEER = TOP / "build" / "peers" / "grub-2.12"
MODULES = PEER / "root" / "usr" / "lib" / "grub" / "i386-pc"
BUSYBOX = TOP / "build" / "x86_64" / "busybox"
INITRD = Path(__file__).with_name("initrd")
# An emulator on a busy machine is too slow for the kernel's check of the timer.
WORDS = "console=tty0 console=ttyS0,115200 net.ifnames=0 no_timer_check panic=20"

# In the initrd with all they need; by the kernel's names. The checksum comes first: others ask for it by
# an alias. Large ones, for which an emulated processor takes seconds, are loaded where they are needed only.
DRIVERS = ("crc32c_generic", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "ahci", "ata_piix", "nvme", "ext4", "vfat",
           "nls_ascii", "nls_cp437", "efivarfs", "af_packet", "ipv6", "rtc_cmos")
ON_DEMAND = ("e1000", "e1000e", "xfs", "btrfs")
IN_CORE = ("biosdisk", "part_gpt", "part_msdos", "ext2", "xfs", "btrfs", "normal", "configfile", "linux", "search",
           "search_fs_uuid", "search_label", "serial", "terminal", "echo", "ls", "test", "sleep", "reboot", "halt", "loadenv")
# Offsets in GRUB's first sector and in the first sector of its core.
CORE_PLACE, DRIVE_CHECK, CODE_BYTES, BLOCK_LIST = 0x5c, 0x66, 440, SECTOR - 12


def packaged(name, pattern):
    """The one file of a Debian package that the image is built from."""
    for line in (TOP / "build" / "inputs" / name).read_text().splitlines():
        if line.startswith("file "):
            cache = Path(os.environ.get("ETCD_RESCUE_CACHE") or TOP / "build" / "cache")
            tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", cache / "sha256" / line.split()[1]], check=True,
                                 capture_output=True).stdout
            return subprocess.run(["tar", "-xOf", "-", "--wildcards", f"*/{pattern}"], input=tar, check=True,
                                  capture_output=True).stdout
    raise DiskError(f"build/inputs/{name} is not there; ./build.sh image makes it")


@functools.lru_cache(maxsize=None)
def kernel_tree():
    return Path(run("sh", TOP / "initramfs" / "mkmodules.sh", "--tree").strip())


@functools.lru_cache(maxsize=None)
def kernel():
    """(path, version) of the kernel."""
    path = next((kernel_tree() / "boot").glob("vmlinuz-*"))
    return path, path.name.removeprefix("vmlinuz-")


@functools.lru_cache(maxsize=None)
def modules():
    """[(name, bytes)] of DRIVERS and what they need, in an order in which they can be loaded. Built in ones are left out. A
    driver of ON_DEMAND, and what it needs beside those, is in a folder of its name."""
    folder = kernel_tree() / "lib" / "modules" / kernel()[1]
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    name_of = {Path(path).name.split(".")[0].replace("-", "_"): path for path in needs}
    soft = [line.split() for line in (folder / "modules.softdep").read_text().splitlines() if line.startswith("softdep ")]
    before = {words[1]: [w for w in words[words.index("pre:") + 1:] if not w.endswith(":")] for words in soft if "pre:" in words}

    def add(order, path):
        if path in order:
            return
        for other in before.get(Path(path).name.split(".")[0].replace("-", "_"), []):
            if other.replace("-", "_") in name_of:
                add(order, name_of[other.replace("-", "_")])
        for other in needs[path]:
            add(order, other)
        if path not in order:
            order.append(path)

    always = []
    for driver in DRIVERS:
        if driver in name_of:
            add(always, name_of[driver])
    found = [("", path) for path in always]
    for driver in ON_DEMAND:
        order = list(always)
        add(order, name_of[driver])
        found += [(f"{driver}/", path) for path in order[len(always):]]
    # Unpacked here, where it costs nothing: an emulated processor takes seconds for it.
    return [(f"{place}{number:03d}-{Path(path).name.removesuffix('.xz')}", lzma.decompress((folder / path).read_bytes()))
            for number, (place, path) in enumerate(found)]


@functools.lru_cache(maxsize=None)
def initrd():
    """Bytes of the initrd."""
    if not BUSYBOX.exists():
        raise DiskError("build/x86_64/busybox is not there; ./build.sh image makes it")
    programs = {"bin/busybox": BUSYBOX.read_bytes(), "init": (INITRD / "init").read_bytes()}
    files = {f"modules/{name}": data for name, data in modules()}
    return cpio.append(cpio.archive(programs, 0o100755), cpio.archive(files))


def installed(tree, root, words=WORDS, title="Debian GNU/Linux"):
    """Put kernel, initrd and grub.cfg below tree/boot. root: the word of the kernel line, UUID=... or a device."""
    boot = Path(tree) / "boot"
    (boot / "grub").mkdir(parents=True, exist_ok=True)
    source, version = kernel()
    shutil.copyfile(source, boot / source.name)
    (boot / f"initrd.img-{version}").write_bytes(initrd())
    (boot / f"config-{version}").write_text("CONFIG_X86_64=y\n")
    (boot / "grub" / "grub.cfg").write_text(CONFIG.format(title=title, version=version, root=root, words=words))
    return boot


# The form of what Debian's grub-mkconfig writes, without its conveniences.
CONFIG = """#
# DO NOT EDIT THIS FILE
#
# It is automatically generated by grub-mkconfig using templates
# from /etc/grub.d and settings from /etc/default/grub
#

### BEGIN /etc/grub.d/00_header ###
set default="0"
serial --unit=0 --speed=115200
terminal_output console serial
set timeout=0
### END /etc/grub.d/00_header ###

### BEGIN /etc/grub.d/10_linux ###
menuentry '{title}' --class debian --class gnu-linux --class gnu --class os {{
	insmod part_gpt
	insmod ext2
	echo	'Loading Linux {version} ...'
	linux	/boot/vmlinuz-{version} root={root} ro {words}
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd.img-{version}
}}
### END /etc/grub.d/10_linux ###
"""


# UEFI


def esp_tree(work, root_uuid):
    """A tree for the EFI system partition: Debian's directory, and the fallback that a firmware without entries takes."""
    tree = Path(work)
    shim = packaged("shim-signed", "shimx64.efi.signed")
    grub = packaged("grub-efi-amd64-signed", "grubx64.efi.signed")
    config = f"search.fs_uuid {root_uuid} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"
    for name, data in (("debian/shimx64.efi", shim), ("debian/grubx64.efi", grub), ("debian/grub.cfg", config.encode()),
                       ("debian/BOOTX64.CSV", "shimx64.efi,debian,,This is the boot entry for debian\n".encode("utf-16")),
                       ("BOOT/BOOTX64.EFI", shim), ("BOOT/grubx64.efi", grub)):
        path = tree / "EFI" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tree


# BIOS


@functools.lru_cache(maxsize=None)
def core(prefix):
    """GRUB's core with every module that a disk of ours needs, since it looks for none on the disk."""
    if not MODULES.is_dir():
        raise DiskError("GRUB for BIOS is not there; tests/peers.sh grub-2.12 brings it")
    with tempfile.NamedTemporaryFile(prefix="grub-core-") as out:
        run(PEER / "grub-mkimage", "-d", MODULES, "-O", "i386-pc", "-p", prefix, "-o", out.name, *IN_CORE)
        return Path(out.name).read_bytes()


def bios_core(boot_partition, folder="/boot/grub"):
    """Filler of the BIOS boot partition. grub.cfg is in `folder` of partition number boot_partition of the same disk."""
    def fill(image, start, size):
        data = bytearray(core(f"(,gpt{boot_partition}){folder}"))
        data += b"\0" * (-len(data) % SECTOR)
        if len(data) > size:
            raise DiskError(f"GRUB's core has {len(data)} bytes, its partition {size}")
        # Its first sector loads the rest: from where, how many sectors.
        struct.pack_into("<QH", data, BLOCK_LIST, start // SECTOR + 1, len(data) // SECTOR - 1)
        with open(image, "r+b") as file:
            file.seek(start)
            file.write(data)
    return fill


def boot_sector(disk):
    """GRUB's code in front of the partition table of a written disk."""
    start = next(part.start for part in disk.partitions if part.kind == BIOS_BOOT)
    code = bytearray((MODULES / "boot.img").read_bytes()[:CODE_BYTES])
    struct.pack_into("<Q", code, CORE_PLACE, start // SECTOR)
    # The check whether the BIOS named a floppy is for floppies.
    code[DRIVE_CHECK:DRIVE_CHECK + 2] = b"\x90\x90"
    with open(disk.path, "r+b") as file:
        file.write(code)
