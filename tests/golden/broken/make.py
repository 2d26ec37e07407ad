#!/usr/bin/python3
"""tests/golden/broken/make.py - one file a defect, out of a good snapshot of a real etcd 3.6

Every NAME.db.gz is ../etcd-3.6/snapshot.db with one thing wrong, named for it; where the damage lies in the pages,
the trailer is made to fit again, as if a server had saved what its disk made of them. What is said of each file is in
expect.json, which people write. The same source gives the same bytes: the test runs this and compares.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = 4096
ROOT = 7                   # of the newer meta page: a leaf with all buckets
BRANCH = 8                 # the root of bucket `key`
LEAVES = (3, 5, 2)         # its children, in the order of their keys; 5 has an overflow page


def seal(body):
    return body + hashlib.sha256(body).digest()


def put(body, at, data):
    return body[:at] + data + body[at + len(data):]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def metas(body, at, data):
    """A field of both meta pages, with their checksums."""
    for page in (0, PAGE):
        body = put(body, page + 16 + at, data)
        body = put(body, page + 72, struct.pack("<Q", fnv1a(body[page + 16:page + 72])))
    return body


def swap(body, one, two):
    a, b = body[one * PAGE:(one + 1) * PAGE], body[two * PAGE:(two + 1) * PAGE]
    body = put(body, one * PAGE, struct.pack("<Q", one) + b[8:])
    return put(body, two * PAGE, struct.pack("<Q", two) + a[8:])


def element(page, index):
    return page * PAGE + 16 + 16 * index


def key_of(body, page, index):
    """Where the key of a leaf's element stands."""
    at = element(page, index)
    return at + struct.unpack_from("<I", body, at + 4)[0]


def broken(good):
    """NAME, bytes."""
    body = good[:-32]
    first, _, last = LEAVES
    n_last = struct.unpack_from("<H", body, last * PAGE + 10)[0]

    yield "trailer-missing", body
    yield "trailer-wrong", body + bytes([good[-32] ^ 1]) + good[-31:]
    yield "trailer-zero", body + bytes(32)
    yield "payload-flipped-bit", put(good, 5 * PAGE + 3000, bytes([good[5 * PAGE + 3000] ^ 1]))
    yield "cut-in-a-page", good[:20100]
    yield "cut-at-a-page", good[:5 * PAGE]
    yield "cut-behind-a-page", good[:5 * PAGE + 32]
    yield "cut-and-sealed", seal(body[:5 * PAGE])
    yield "empty", b""
    yield "error-page.html", b"<!DOCTYPE html><html><body>Not found</body></html>"
    yield "error-of-a-store.xml", b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'
    yield "still-compressed", gzip.compress(good, 9, mtime=0)
    # From here on the trailer is right.
    yield "sealed-metas-bad", seal(put(put(body, 20, b"\xff"), PAGE + 20, b"\xff"))
    yield "sealed-root-beyond-the-end", seal(metas(body, 16, struct.pack("<Q", 10**6)))
    yield "sealed-page-size-odd", seal(metas(body, 8, struct.pack("<I", 4097)))
    yield "sealed-root-zeroed", seal(put(body, ROOT * PAGE, bytes(PAGE)))
    yield "sealed-root-absurd-count", seal(put(body, ROOT * PAGE + 10, b"\xf0\xf0"))
    yield "sealed-leaf-zeroed", seal(put(body, first * PAGE, bytes(PAGE)))
    yield "sealed-leaf-absurd-count", seal(put(body, first * PAGE + 10, b"\xf0\xf0"))
    yield "sealed-leaf-absurd-offset", seal(put(body, element(first, 0) + 4, b"\xff\xff\xff\x7f"))
    yield "sealed-leaf-absurd-overflow", seal(put(body, first * PAGE + 12, b"\xff\xff\xff\x7f"))
    yield "sealed-leaf-kind-unknown", seal(put(body, first * PAGE + 8, b"\x20"))
    yield "sealed-leaf-keys-out-of-order", seal(put(body, key_of(body, first, 1) + 7, b"\0"))
    yield "sealed-leaves-swapped", seal(swap(body, first, last))
    yield "sealed-leaf-key-before-its-bounds", seal(put(body, key_of(body, last, 0) + 7, b"\1"))
    yield "sealed-leaf-key-behind-its-bounds", seal(put(body, key_of(body, first, 17) + 6, b"\1"))
    yield "sealed-leaf-twice", seal(put(body, element(BRANCH, 2) + 8, struct.pack("<Q", first)))
    yield "sealed-branch-in-a-circle", seal(put(body, element(BRANCH, 2) + 8, struct.pack("<Q", BRANCH)))
    yield "sealed-child-beyond-the-end", seal(put(body, element(BRANCH, 1) + 8, struct.pack("<Q", 10**6)))
    yield "sealed-child-is-a-meta-page", seal(put(body, element(BRANCH, 1) + 8, struct.pack("<Q", 1)))
    yield "sealed-value-no-protobuf", seal(put(body, key_of(body, last, n_last - 1) + 17, b"\xff\xff\xff"))
    yield "sealed-bucket-is-an-entry", seal(put(body, element(ROOT, 5), b"\0"))


def make():
    """{file name: bytes}"""
    good = (HERE.parent / "etcd-3.6" / "snapshot.db").read_bytes()
    return {f"{name}.db.gz": gzip.compress(data, 9, mtime=0) for name, data in broken(good)}


if __name__ == "__main__":
    for path in HERE.glob("*.gz"):
        path.unlink()
    for name, data in make().items():
        (HERE / name).write_bytes(data)
    sys.exit(0)
