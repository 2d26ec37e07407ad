"""Machines booted from the image. A path boots once and answers all questions of its tests; see machine/fleet.py."""

import os
import shutil

import pytest

import requirement
from machine import accelerator
from machine.fleet import Fleet
from machine.vm import BOOT
from machine.ways import Ways


def sweep(build):
    """Remove what a session that was killed has left; two sessions at once keep out of each other's way."""
    for left in build.glob("boot.*"):
        if left.suffix[1:].isdigit() and not os.path.exists(f"/proc/{left.suffix[1:]}"):
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def work(top, artefacts):
    """Files of the machines and keys. At the end the transcripts become test artefacts, the rest goes."""
    sweep(top / "build")
    path = top / "build" / f"boot.{os.getpid()}"
    path.mkdir()
    yield path
    kept = artefacts / "boot"
    for file in [*path.rglob("*.log"), *path.rglob("*.txt")]:
        target = kept / file.relative_to(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def ways(top, image, work, image_file):
    ways = Ways(top, image, work, image_file)
    yield ways
    ways.close()


@pytest.fixture(scope="session")
def fleet(request, ways, work):
    qemu = requirement.need("qemu-system-x86_64")
    order = []
    for item in request.session.items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("booted")
        if name and name not in order:
            order.append(name)
    fleet = Fleet(ways, work, accelerator.choose(qemu, ways.file("vmlinuz")), order)
    yield fleet
    fleet.close()


def note_times(name, vm, path):
    """How long the path took, for people; a busy machine makes it no test."""
    # Whoever typed Enter before is not told to.
    kernel, shell = vm.console.when("Linux version"), vm.console.when("[Pp]ress Enter|awake-1[0-9]{3}")
    with open(path, "a", encoding="utf-8") as times:
        times.write(f"{name}: {vm.memory} MB, shell {shell - vm.started:.1f} s after power on" +
                    (f", {shell - kernel:.1f} s after the kernel's first line\n" if kernel else "\n"))


@pytest.fixture(scope="module")
def booted(request, fleet, work):
    """A machine that came up by the path named by the parameter, with a shell waiting on its serial line."""
    vm = fleet.get(request.param)
    try:
        vm.console.wake(BOOT)
        vm.settle()
        note_times(request.param, vm, work / "times.txt")
        yield vm
    finally:
        fleet.done(request.param)
