"""A second reader of bbolt files, which shares nothing with ours: what two restores wrote is compared with it."""

import struct


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


class BoltDB:
    def __init__(self, path):
        self.data = path.read_bytes()
        self.meta = max((m for m in map(self.read_meta, self.meta_offsets()) if m), key=lambda m: m["txid"])
        self.page_size = self.meta["page_size"]

    def meta_offsets(self):
        first = self.read_meta(0)
        return [0, first["page_size"]] if first else [1024 << i for i in range(15)]

    def read_meta(self, at):
        raw = self.data[at + 16:at + 80]
        if len(raw) < 64:
            return None
        magic, version, page_size, _, root, _, freelist, pgid, txid, checksum = struct.unpack("<IIIIQQQQQQ", raw)
        if magic != 0xED0CDAED or version != 2 or checksum != fnv1a(raw[:56]):
            return None
        return {"page_size": page_size, "root": root, "freelist": freelist, "pgid": pgid, "txid": txid}

    def page(self, number):
        at = number * self.page_size
        return self.data[at:at + self.page_size * (1 + struct.unpack_from("<I", self.data, at + 12)[0])]

    def entries(self, page):
        """(flags, key, value) below a page, in order."""
        flags, count = struct.unpack_from("<HH", page, 8)
        for i in range(count):
            at = 16 + 16 * i
            if flags & 1:
                yield from self.entries(self.page(struct.unpack_from("<Q", page, at + 8)[0]))
                continue
            kind, pos, key, value = struct.unpack_from("<IIII", page, at)
            start = at + pos
            yield kind, page[start:start + key], page[start + key:start + key + value]

    def buckets(self):
        """{name: {key: value}}, keys in the order of the file."""
        found = {}
        for kind, name, value in self.entries(self.page(self.meta["root"])):
            assert kind == 1, f"{name} is no bucket"
            root = struct.unpack_from("<Q", value)[0]
            page = self.page(root) if root else value[16:]
            found[name.decode()] = {k: v for _, k, v in self.entries(page)}
        return found
