"""A cpio archive (newc) of a few files, to append to an initramfs; the kernel unpacks one after the other.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""


def _entry(number, name, mode, data=b""):
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


def archive(files, mode=0o100644):
    """files: path without leading slash -> bytes. Folders on the way are made, existing ones keep what they hold."""
    out, number, made = b"", 1, set()
    for path, data in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in made:
                made.add(folder)
                out += _entry(number, folder, 0o040755)
                number += 1
        out += _entry(number, path, mode, data)
        number += 1
    out += _entry(0, "TRAILER!!!", 0)
    return out + b"\0" * (-len(out) % 512)


def append(initramfs, extra):
    """Both archives in one file. The kernel looks for an uncompressed one at multiples of four only."""
    return initramfs + b"\0" * (-len(initramfs) % 4) + extra
