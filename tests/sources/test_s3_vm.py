"""The rescue image at an object store with a clock that is wrong: it is put right by the store's own, and said."""

import shlex
import time

import pytest

import requirement

from machine import accelerator, cpio
from machine.vm import BOOT, Vm
from net import authority
from sources import snapshots
from sources.s3_front import Front

PROGRAM = "/opt/etcd-rescue"
# An emulator on a busy machine is too slow for the check of the timer.
KERNEL_LINE = "console=tty0 console=ttyS0,115200 panic=-1 no_timer_check ip=eth0:dhcp"


class Guest:
    """.run(words): the console's answer; .list(endpoint, *options) of the bucket that holds one snapshot"""

    def __init__(self, vm, bucket):
        self.vm, self.bucket = vm, bucket

    def run(self, command, seconds=60):
        return self.vm.console.run(command, seconds)

    def list(self, endpoint, *options):
        words = [PROGRAM, "list", "--endpoint", endpoint, *options, f"s3://{self.bucket}/"]
        return self.run(shlex.join(words) + " 2>&1")

    def off(self):
        """How far its clock is from ours, in seconds."""
        return int(self.run("date +%s").text) - time.time()


@pytest.fixture(scope="module")
def guest(image_file, program, radosgw, tmp_path_factory):
    qemu, work = requirement.need("qemu-system-x86_64"), tmp_path_factory.mktemp("s3-vm")
    bucket = radosgw.bucket()
    radosgw.put(bucket, "etcd.db", snapshots.make(1))
    (work / "initramfs.img").write_bytes(cpio.append(
        image_file("initramfs.img").read_bytes(), cpio.archive({PROGRAM[1:]: program.read_bytes()}, 0o100755)))
    with Vm("s3", work / "vm", accelerator.choose(qemu, image_file("vmlinuz")), memory=320, kernel=image_file("vmlinuz"),
            initrd=work / "initramfs.img", append=KERNEL_LINE, nic="") as vm:
        vm.console.wake(BOOT)
        vm.settle()
        keys = f"umask 077; echo {radosgw.access}:{radosgw.secret} > /run/etcd-rescue/credentials"
        assert vm.console.run(keys).status == 0
        yield Guest(vm, bucket)


@pytest.mark.parametrize("step, words", [
    (3600, "1 h 0 min ahead of"), (-5400, "1 h 30 min behind"), (None, "days behind")], ids=["ahead", "behind", "1970"])
def test_a_wrong_clock_is_set_and_said(guest, radosgw, step, words):
    endpoint = f"http://10.0.2.2:{radosgw.port}"
    guest.run(f"date -s @{int(time.time()) + step}" if step else "date -s 1970-01-02")
    answer = guest.list(endpoint)
    assert answer.status == 0 and "etcd.db" in answer.text, answer.text
    near = [words, words.replace("1 h 0 min", "59 min"), words.replace("1 h 30", "1 h 29"), words.replace("1 h 0", "1 h 1")]
    assert any(one in answer.text for one in near) and f"that of {endpoint} and is set to it" in answer.text, answer.text
    assert abs(guest.off()) < 20
    assert "is set to it" not in guest.list(endpoint).text


def test_a_clock_that_is_good_enough_and_a_wrong_key_move_nothing(guest, radosgw):
    endpoint = f"http://10.0.2.2:{radosgw.port}"
    guest.run(f"date -s @{int(time.time()) + 300}")
    guest.run("echo NOBODY:nothing > /run/nobody")
    answer = guest.list(endpoint, "--credentials", "file:/run/nobody")
    assert answer.status == 1 and "does not know the access key" in answer.text, answer.text
    assert guest.list(endpoint).status == 0
    assert abs(guest.off() - 300) < 20


def test_a_certificate_in_1970_names_the_clock(guest, radosgw, tmp_path):
    authority.make(tmp_path, "own", "IP:10.0.2.2")
    with Front(radosgw, certificate=tmp_path / "own-server.pem") as front:
        endpoint = front.endpoint.replace("localhost", "10.0.2.2")
        lines = " ".join(map(shlex.quote, (tmp_path / "own.pem").read_text().splitlines()))
        guest.run(f"mkdir -p /etc/etcd-rescue/ca; printf '%s\\n' {lines} > /etc/etcd-rescue/ca/own.pem")
        guest.run("date -s 1970-01-02")
        answer = guest.list(endpoint)
        assert answer.status == 1 and "not valid at this machine's time (1970" in answer.text, answer.text
        assert guest.run(f"{PROGRAM} clock --url {endpoint}/ 2>&1", 120).status == 0
        answer = guest.list(endpoint)
        assert answer.status == 0 and "etcd.db" in answer.text, answer.text
