"""Machines booted from the image. A path boots once and answers all questions of its tests; see machine/fleet.py."""

import shutil

import pytest

import requirement
from machine import accelerator
from machine.fleet import Fleet
from machine.vm import BOOT
from machine.ways import Ways


@pytest.fixture(scope="session")
def work(top):
    """Files of the machines; removed at the end but for the logs, which are test artefacts."""
    path = top / "build" / "test-artefacts" / "boot"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    yield path
    for secret in path.glob("*.*"):
        if secret.suffix not in (".log", ".png", ".txt"):
            secret.unlink()


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
    kernel, shell = vm.console.when("Linux version"), vm.console.when("[Pp]ress Enter")
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
