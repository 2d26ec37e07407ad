"""What is inside a finished image: entries of an initrd, files of an ISO, sections of an EFI program.

Read with code of its own, not with the programs that wrote it.
Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst; Microsoft, "PE Format".
"""

import lzma
import struct
import subprocess
from dataclasses import dataclass

ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass
class Entry:
    mode: int
    uid: int
    gid: int
    mtime: int
    data: bytes
    major: int
    minor: int

    @property
    def is_file(self):
        return self.mode & 0o170000 == 0o100000

    @property
    def is_link(self):
        return self.mode & 0o170000 == 0o120000

    @property
    def is_folder(self):
        return self.mode & 0o170000 == 0o040000


def unpacked(data):
    """The frame at the start of DATA. The padding behind a customised archive is zeros and not zstd's, but the frame's
    own last bytes (a checksum) may be zeros too: one at a time is given back until the frame is whole."""
    bare = len(data.rstrip(b"\0"))
    for end in range(bare, min(len(data), bare + 8) + 1):
        done = subprocess.run(["zstd", "-dcq"], input=data[:end], capture_output=True)
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(done.stderr.decode())


def entries(data):
    """name -> Entry of one newc archive, compressed or not; whatever follows it must be zeros."""
    if data[:4] == ZSTD:
        data = unpacked(data)
    found, at = {}, 0
    while True:
        assert data[at:at + 6] == b"070701", f"no newc header at byte {at}"
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        (_, mode, uid, gid, links, mtime, size, _, _, major, minor, length, _) = fields
        name = data[at + 110:at + 110 + length - 1].decode()
        start = -(-(at + 110 + length) // 4) * 4
        if name == "TRAILER!!!":
            assert not data[start:].strip(b"\0"), "something follows the archive"
            return found
        assert name not in found, f"{name} is in the archive twice"
        assert links == 1 or mode & 0o170000 == 0o040000, f"{name} has hard links"
        found[name] = Entry(mode, uid, gid, mtime, data[start:start + size], major, minor)
        at = -(-(start + size) // 4) * 4


def module_bytes(entry):
    return lzma.decompress(entry.data)


def iso_places(iso):
    """path -> (offset, size) of every file of an ISO."""
    text = subprocess.run(["xorriso", "-no_rc", "-indev", iso, "-find", "/", "-type", "f", "-exec", "report_lba"],
                          capture_output=True, text=True, check=True).stdout
    places = {}
    for line in text.splitlines():
        if line.startswith("File data lba:"):
            _, lba, _, size, path = line.split(":", 1)[1].split(",", 4)
            places[path.strip().strip("'")] = (int(lba) * 2048, int(size))
    return places


def iso_file(iso, path):
    offset, size = iso_places(iso)[path]
    with open(iso, "rb") as disc:
        disc.seek(offset)
        return disc.read(size)


def pe_sections(data):
    """name -> (virtual address, bytes), in the order of the file; and whether there is a signature."""
    head = struct.unpack_from("<I", data, 60)[0]
    assert data[:2] == b"MZ" and data[head:head + 4] == b"PE\0\0"
    count, optional = struct.unpack_from("<H", data, head + 6)[0], struct.unpack_from("<H", data, head + 20)[0]
    sections = {}
    for i in range(count):
        at = head + 24 + optional + 40 * i
        name = data[at:at + 8].rstrip(b"\0").decode()
        size, address, raw, pointer = struct.unpack_from("<IIII", data, at + 8)
        sections[name] = (address, data[pointer:pointer + min(size, raw)])
    signature = struct.unpack_from("<I", data, head + 24 + 112 + 4 * 8 + 4)[0]
    return sections, signature > 0
