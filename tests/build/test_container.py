"""The Dockerfile's very steps, run in a container root made from the machine's own Debian mirror."""

import os
import shlex
import shutil
import subprocess
import time

import pytest

import requirement

PREPARE = "mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc && cp /etc/resolv.conf {root}/etc/"


def mirror():
    """The site of the machine's Debian archive, from its own apt configuration."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(ORIGIN)|$(CODENAME)", "Created-By: Packages"],
        capture_output=True, text=True, check=True).stdout
    for line in targets.splitlines():
        site, origin, codename = line.split("|")
        if origin == "Debian" and "-" not in codename:
            return site
    pytest.skip("needs a Debian archive in the machine's apt configuration")


def steps(dockerfile):
    """(instruction, text) up to the second FROM."""
    found = []
    for line in dockerfile.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM" and found:
            break
        if word.isupper():
            found.append((word, rest))
    return found


def tracked(top):
    """What COPY . . sees of a fresh clone."""
    names = subprocess.run(["git", "-C", top, "ls-files", "-z"], capture_output=True, check=True).stdout
    return [os.fsdecode(name) for name in names.split(b"\0") if name]


def in_root(root, workdir, command, log):
    script = PREPARE.format(root=shlex.quote(str(root))) + \
        f" && exec chroot {shlex.quote(str(root))} /bin/sh -c {shlex.quote(f'cd {workdir} && {command}')}"
    with open(log, "ab") as out:
        return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}).returncode


@pytest.mark.long
@pytest.mark.needs("mmdebstrap", "unshare", "chroot")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_dockerfile_builds_the_image_on_a_fresh_debian(top, artefacts, suite):
    if os.geteuid():
        pytest.skip("needs root for chroot")
    requirement.need("apt-get")
    root = top / "build" / f"container-{suite}"
    log = artefacts / f"container-{suite}.log"
    log.unlink(missing_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    try:
        subprocess.run(["mmdebstrap", "--variant=minbase", suite, str(root), mirror()], check=True,
                capture_output=True)
        workdir, began = "/", time.monotonic()
        for word, rest in steps(top / "Dockerfile"):
            if word == "WORKDIR":
                workdir = rest
                (root / rest.lstrip("/")).mkdir(parents=True)
            elif word == "COPY":
                assert rest == ". ."
                for name in tracked(top):
                    target = root / workdir.lstrip("/") / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(top / name, target, follow_symlinks=False)
            elif word == "RUN":
                assert in_root(root, workdir, rest, log) == 0, log.read_text(errors="replace")[-2000:]
            else:
                assert word == "FROM"
        out = root / workdir.lstrip("/") / "out"
        print(f"{suite}: cold build in {time.monotonic() - began:.0f} s")
        assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out).returncode == 0
    finally:
        shutil.rmtree(root, ignore_errors=True)
