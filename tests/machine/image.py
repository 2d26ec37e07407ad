"""The finished image with the program that lies beside it, which may be newer than what is in the image.

	initramfs = with_program(folder / "initramfs.img", folder / "etcd-rescue", work)
	iso = iso_of(folder / "vmlinuz", initramfs, work / "new.iso")

The image checks its own files at start and restores nothing when one is not what was built; so the list of them comes too.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

import requirement

from . import cpio

TOP = Path(__file__).resolve().parents[2]
PROGRAM, MANIFEST = "bin/etcd-rescue", "etc/etcd-rescue/manifest"


def manifest_of(initramfs):
    """The list of files that an initramfs was built with."""
    zstd, unpack = requirement.need("zstd", "cpio")
    plain = subprocess.run([zstd, "-qdc", initramfs], check=True, capture_output=True).stdout
    text = subprocess.run([unpack, "-i", "--quiet", "--to-stdout", MANIFEST], input=plain, check=True,
                          capture_output=True).stdout.decode()
    assert f"/{PROGRAM}\n" in text, "the image's list of files does not name its program"
    return text


def with_program(initramfs, program, work):
    """Path of an initramfs with this program; the one given when that has it."""
    manifest = manifest_of(initramfs)
    before = next(line for line in manifest.splitlines() if line.endswith(f"/{PROGRAM}"))
    if before.split()[0] == hashlib.sha256(program.read_bytes()).hexdigest():
        return initramfs
    stripped = work / "etcd-rescue"
    shutil.copy(program, stripped)
    subprocess.run([requirement.need("strip"), stripped], check=True)
    body = stripped.read_bytes()
    manifest = manifest.replace(before, f"{hashlib.sha256(body).hexdigest()}  /{PROGRAM}")
    path = work / "initramfs.img"
    path.write_bytes(cpio.append(cpio.append(initramfs.read_bytes(), cpio.archive({PROGRAM: body}, 0o100755)),
                                 cpio.archive({MANIFEST: manifest.encode()})))
    return path


def _made(*argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return argv[-1]


def iso_of(kernel, initramfs, path):
    return _made("sh", TOP / "initramfs" / "mkiso.sh", "--kernel", kernel, "--initramfs", initramfs, "--output", path)


def customised(iso, path, *wishes):
    """The ISO with a plan and more in it, by the command that a person would use."""
    return _made(TOP / "build.sh", "customise", "--iso", iso, *wishes, "--output", path)
