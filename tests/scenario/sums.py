"""Files of disks, trees and running machines: {path: SHA-256}."""

import fnmatch
import hashlib
import re
import struct
import tempfile
from pathlib import Path

from machine import disk as disks


def of_tree(root, folders=("",)):
    """Of a directory on this machine."""
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in folders for path in sorted((Path(root) / folder).rglob("*")) if path.is_file() and not path.is_symlink()}


def contents(disk, folders, partition="root"):
    """Of a disk of ext4 that no machine runs on, by debugfs."""
    with tempfile.TemporaryDirectory(prefix="disk-", dir=Path(disk).parent) as place:
        for folder in folders:
            (Path(place) / folder).parent.mkdir(parents=True, exist_ok=True)
            disks.run("debugfs", "-R", f'rdump "/{folder}" "{(Path(place) / folder).parent}"',
                      f"{disk}?offset={_start(disk, partition)}")
        return of_tree(place)


def _start(disk, name):
    with open(disk, "rb") as image:
        image.seek(2 * disks.SECTOR)
        for _ in range(disks.ENTRIES):
            entry = image.read(disks.ENTRY_BYTES)
            if entry[56:].decode("utf-16-le").rstrip("\0") == name:
                return struct.unpack_from("<Q", entry, 32)[0] * disks.SECTOR
    raise AssertionError(f"{disk} has no partition {name}")


def digests(vm, where, seconds=300):
    """Of what the shell finds at `where` on a running machine, paths without the first slash."""
    said = vm.console.run(f"find {where} -type f -exec sha256sum {{}} +", seconds)
    assert said.status == 0, said.text
    # The kubelet's own lines may come in between.
    return {path: digest for digest, path in re.findall(r"^([0-9a-f]{64})  /(.*)$", said.text, re.M)}


def below(files, folder):
    """Those below a folder, by their paths from there."""
    folder = folder.strip("/") + "/"
    return {path.removeprefix(folder): digest for path, digest in files.items() if path.startswith(folder)}


def kept(vm, pattern):
    """What lies in the one directory that the pattern of the shell matches, as below() of it."""
    # The kubelet's own lines may come in between.
    found = fnmatch.filter(vm.console.run(f"ls -d {pattern}").text.split(), pattern)
    assert len(found) == 1, f"not one directory: {found}"
    return below(digests(vm, found[0]), found[0])
