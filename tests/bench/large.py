"""A snapshot of any size in a minute, page by page, where a real etcd would take hours: for memory and large files.

    large.py OUT --gigabytes N [--value BYTES]

Bucket `key` holds revisions of keys of one size; the pages lie in the order of the keys, which is the one thing that
no server would leave so.
"""

import argparse
import hashlib
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from interop.boltwrite import leaf, meta  # noqa: E402

PAGE = 4096
FAN = 90  # children of a branch: what fits with keys of 17 bytes, less a few


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def key_value(key, revision, value):
    number = varint(revision)
    return (b"\x0a" + varint(len(key)) + key + b"\x10" + number + b"\x18" + number + b"\x20\x01\x2a" +
            varint(len(value)) + value)


def branch(number, children):
    heads, data = b"", b""
    for i, (key, child) in enumerate(children):
        heads += struct.pack("<IIQ", 16 * (len(children) - i) + len(data), len(key), child)
        data += key
    return (struct.pack("<QHHI", number, 1, len(children), 0) + heads + data).ljust(PAGE, b"\0")


class Writer:
    """Pages in order, hashed on the way; the first two are written last."""

    def __init__(self, path):
        self.file = path.open("wb+")
        self.file.write(bytes(2 * PAGE))
        self.next = 2

    def add(self, page):
        self.file.write(page)
        self.next += len(page) // PAGE

    def tree(self, level):
        """Branches over (first key, page) pairs, up to a root."""
        while len(level) > 1:
            above = []
            for at in range(0, len(level), FAN):
                above.append((level[at][0], self.next))
                self.add(branch(self.next, level[at:at + FAN]))
            level = above
        return level[0][1]

    def finish(self, root):
        for number in (0, 1):
            self.file.seek(number * PAGE)
            self.file.write(meta(number, PAGE, root, 2**64 - 1, self.next, 8 - number))
        self.file.seek(0)
        sha = hashlib.sha256()
        while block := self.file.read(1 << 20):
            sha.update(block)
        self.file.write(sha.digest())
        self.file.close()


def make(out, size, value):
    writer = Writer(out)
    noise = bytes(range(1, 252)) * (value // 251 + 2)
    room = max(1, (PAGE - 16) // (16 + 17 + len(key_value(b"/registry/x/00000000", 1 << 40, noise[:value]))))
    level, revision = [], 2
    while writer.next * PAGE < size:
        rows = []
        for _ in range(room):
            name = struct.pack(">Q", revision) + b"_" + bytes(8)
            at = revision % 251
            rows.append((0, name, key_value(b"/registry/x/%08d" % revision, revision, noise[at:at + value])))
            revision += 1
        level.append((rows[0][1], writer.next))
        writer.add(leaf(writer.next, rows, PAGE))
    number = writer.tree(level)
    top = [(1, name, struct.pack("<QQ", number, 0) if name == b"key" else struct.pack("<QQ", 0, 0) + leaf(0, [], PAGE, True))
           for name in (b"alarm", b"auth", b"cluster", b"key", b"lease", b"members", b"members_removed", b"meta")]
    root = writer.next
    writer.add(leaf(root, top, PAGE))
    writer.finish(root)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--gigabytes", type=float, required=True)
    parser.add_argument("--value", type=int, default=1200)
    options = parser.parse_args()
    make(options.out, int(options.gigabytes * 1e9), options.value)


if __name__ == "__main__":
    main()
