"""Directories that stand for a machine: its /proc and /sys, and the manifest of an image that runs there."""

import hashlib


class Machine:
    """A fake root directory for --root."""

    def __init__(self, path):
        self.path = path
        self.put("proc/cmdline", "quiet\n")
        card = "sys/class/net/eth0"
        for name, text in {"address": "52:54:00:aa:bb:cc", "type": "1", "carrier": "1", "operstate": "up",
                           "flags": "0x1003", "mtu": "1500", "ifindex": "2"}.items():
            self.put(f"{card}/{name}", text + "\n")
        (path / card / "device").mkdir()

    def put(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def machine_of(path, line="", **dmi):
    """A running machine of one card, with that kernel line and those texts of its firmware."""
    machine = Machine(path)
    machine.put("proc/cmdline", f"quiet {line}\n")
    for name, text in dmi.items():
        machine.put(f"sys/class/dmi/id/{name}", text + "\n")
    return path


def add_manifest(tree, files):
    lines = []
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  /{name}\n")
    manifest = tree / "etc" / "etcd-rescue" / "manifest"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("".join(lines))
