"""A snapshot of a size that suits: what real etcd wrote, with more keys, and a trailer that fits."""

import functools
import random
import struct
from pathlib import Path

from interop.boltdb import BoltDB
from interop.boltwrite import snapshot

GOLDEN = Path(__file__).resolve().parents[1] / "golden/etcd-3.5/snapshot.db"
VALUE = 20_000


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def key_value(key, revision, value):
    """mvccpb.KeyValue"""
    def text(tag, data):
        return bytes([tag]) + varint(len(data)) + data
    return text(0x0A, key) + b"\x10" + varint(revision) + b"\x18" + varint(revision) + b"\x20\x01" + text(0x2A, value)


@functools.cache
def make(size, seed=1):
    """The bytes of a snapshot of about `size`; the same for the same arguments."""
    dice, buckets = random.Random(seed), BoltDB(GOLDEN).buckets()
    keys = buckets["key"]
    last = max(struct.unpack(">Q", key[:8])[0] for key in keys)
    for number in range(max(0, size - GOLDEN.stat().st_size) // VALUE + 1):
        revision = last + 1 + number
        row = key_value(b"/registry/configmaps/tests/%d" % number, revision, dice.randbytes(VALUE))
        keys[struct.pack(">Q", revision) + b"_" + bytes(8)] = row
    return snapshot(buckets, 4096)
