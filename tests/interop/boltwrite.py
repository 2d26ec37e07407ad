"""bbolt files as other machines make them: any page size, a stored freelist, a large leaf with overflow pages."""

import hashlib
import struct

from interop.boltdb import fnv1a


def leaf(number, entries, page_size, inline=False):
    """A leaf page of (flags, key, value), with as many overflow pages as it takes."""
    # Joined at the end: bytes that grow are copied each time.
    data, heads, pos = [], [], 16 * len(entries)
    for i, (flags, key, value) in enumerate(entries):
        heads.append(struct.pack("<IIII", flags, pos - 16 * i, len(key), len(value)))
        data += (key, value)
        pos += len(key) + len(value)
    heads, data = b"".join(heads), b"".join(data)
    size = 16 + len(heads) + len(data)
    pages = 1 if inline else -(-size // page_size)
    page = struct.pack("<QHHI", number, 2, len(entries), pages - 1) + heads + data
    return page if inline else page.ljust(pages * page_size, b"\0")


def meta(number, page_size, root, freelist, high, txid):
    body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, page_size, 0, root, 0, freelist, high, txid)
    return (struct.pack("<QHHI", number, 4, 0, 0) + body + struct.pack("<Q", fnv1a(body))).ljust(page_size, b"\0")


def snapshot(buckets, page_size, freelist="none"):
    """A snapshot with trailer. freelist: "none", "short" (count in the header) or "long" (count behind it)."""
    body, top = b"", []
    next_page = 3
    free = next_page  # one page that is free
    body += bytes(page_size)
    next_page += 1
    for name, entries in sorted(buckets.items()):
        rows = [(0, k, v) for k, v in sorted(entries.items())]
        small = leaf(0, rows, page_size, inline=True)
        if len(small) <= page_size // 4:
            top.append((1, name.encode(), struct.pack("<QQ", 0, 0) + small))
            continue
        page = leaf(next_page, rows, page_size)
        top.append((1, name.encode(), struct.pack("<QQ", next_page, 0)))
        body += page
        next_page += len(page) // page_size
    root = leaf(next_page, top, page_size)
    root_page, high = next_page, next_page + len(root) // page_size
    ids = struct.pack("<Q", free)
    listing = struct.pack("<QHHI", 2, 0x10, 1, 0) + ids
    if freelist == "long":
        listing = struct.pack("<QHHIQ", 2, 0x10, 0xFFFF, 0, 1) + ids
    place = 2 if freelist != "none" else 2**64 - 1
    whole = (meta(0, page_size, root_page, place, high, 8) + meta(1, page_size, root_page, place, high, 7) +
             listing.ljust(page_size, b"\0") + body + root)
    assert len(whole) == high * page_size
    return whole + hashlib.sha256(whole).digest()
