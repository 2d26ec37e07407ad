#!/usr/bin/python3
"""Print the lines of tests/peers.list for programs of Debian packages, with the libraries they name.

    tests/pin_peers.py NAME PACKAGE... -- PROGRAM-PATH...

For people who move the pins: review the output, paste it. Chosen are the packages named, with a program python3 all
Python packages they depend on, and of all others only what holds a shared library that a program or module asks for. The suite is the one of
initramfs/moved.sh, the index is read below build/apt.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

TOP = Path(__file__).resolve().parent.parent
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph", "usr/lib/x86_64-linux-gnu/systemd")
APT = ["-o", "Dir::State::status=/dev/null", "--no-install-recommends"]


def apt(*argv):
    environment = {**os.environ, "APT_CONFIG": str(TOP / "build/apt/apt.conf"), "LC_ALL": "C"}
    return subprocess.run(["apt-get", *APT, *argv], env=environment, check=True, capture_output=True, text=True).stdout


def fetch(packages, work):
    """{file name: pool directory} of the packages and all they depend on, unpacked below work/root."""
    index = '. "${0%/*}/initramfs/lib.sh"; . "$top/initramfs/moved.sh"; private_apt'
    subprocess.run(["sh", "-c", index, str(TOP / "build.sh")], check=True)
    pools = {}
    for line in apt("-qq", "--print-uris", "install", *packages).splitlines():
        found = re.match(r"'[^']*/pool/([^/]+)/[^/]+/([^/]+)/([^/']+)'", line)
        if found:
            pools[unquote(found[3])] = f"{found[1]}/{found[2]}"
    (work / "partial").mkdir()
    apt("-y", "-d", "-o", f"Dir::Cache::Archives={work}", "install", *packages)
    (work / "root").mkdir()
    for file in work.glob("*.deb"):
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-xf", "-", "-C", work / "root"], input=data, check=True)
        # apt escapes the epoch in file names and the pool leaves it out.
        file.rename(file.with_name(re.sub(r"_\d+%3a", "_", file.name)))
    return pools


def files_of(deb):
    lines = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True).stdout.splitlines()
    return [re.split(r"\s+", line, maxsplit=5)[5].split(" -> ")[0].removeprefix("./") for line in lines]


def needed(path):
    said = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", said)


def main(name, *words):
    packages, programs = words[:words.index("--")], words[words.index("--") + 1:]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        pools = fetch(packages, work)
        root, owner, chosen, queue = work / "root", {}, set(), list(programs)
        interpreted = any("/python3" in path for path in programs)
        for deb in sorted(pools):
            paths = files_of(work / deb)
            owner.update((path, deb) for path in paths)
            if deb.split("_")[0] in packages or (interpreted and re.match(r"(lib)?python3", deb)):
                chosen.add(deb)
                queue += [path for path in paths if path.endswith(".so") and "python3" in path]
        seen = set()
        while queue:
            path = queue.pop()
            if path in seen:
                continue
            seen.add(path)
            chosen.add(owner[path])
            for library in needed(root / path):
                at = next((f"{d}/{library}" for d in LIBRARIES if f"{d}/{library}" in owner), None)
                if at is None:
                    sys.exit(f"{path} needs {library}, which no package of these has")
                queue.append(at)
        for deb in sorted(chosen):
            print(name, "tree", pools[deb], hashlib.sha256((work / deb).read_bytes()).hexdigest(), deb)


main(*sys.argv[1:])
