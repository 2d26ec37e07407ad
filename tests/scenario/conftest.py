"""What every scenario starts from: the finished image with the tested program in it, an accelerator, a place for files."""

import os
import shutil

import pytest

import requirement
from machine import accelerator, image as images
from scenario.story import Lab, Story

ACCOUNTS = pytest.StashKey[list]()


def sweep(build):
    """Remove what a session that was killed has left."""
    for left in build.glob("scenario.*"):
        if left.suffix[1:].isdigit() and not os.path.exists(f"/proc/{left.suffix[1:]}"):
            shutil.rmtree(left, ignore_errors=True)


@pytest.fixture(scope="session")
def lab(top, image_file, artefacts, pytestconfig):
    qemu = requirement.need("qemu-system-x86_64")
    sweep(top / "build")
    work = top / "build" / f"scenario.{os.getpid()}"
    work.mkdir()
    kernel, program = image_file("vmlinuz"), image_file("etcd-rescue")
    yield Lab(top, program, kernel, images.with_program(image_file("initramfs.img"), program, work),
              accelerator.choose(qemu, kernel), work, artefacts / "scenario")
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def tell(lab, pytestconfig):
    """tell("kubeadm", machines, ...): a Story (story.py) that is over when the module's tests are."""
    told = []

    def begin(name, machines, **options):
        told.append(Story(lab, name, machines, **options))
        return told[-1]
    yield begin
    for story in reversed(told):
        pytestconfig.stash.setdefault(ACCOUNTS, []).extend(story.account())
        story.close()


def pytest_terminal_summary(terminalreporter, config):
    if ACCOUNTS in config.stash:
        terminalreporter.section("scenarios")
        for line in config.stash[ACCOUNTS]:
            terminalreporter.line(line)
