"""A snapshot of 2 GiB restored by a machine with 256 MB of RAM, from S3 over TLS. The machine watches its own memory."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest

import requirement
from machine import cpio, image as images
from machine.master import Cluster
from machine.serving import HOST, NIC
from machine.vm import BOOT
from sources.go_s3 import GoS3
from sources.servers import Certificates

NAME = "master-1"
LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.auto=no"
BUCKET, SIZE = "etcd-backup", 2 << 30
MEMORY = 256
LIMIT_KB = 64 << 10     # of the program, whatever the size of the snapshot
HOURS = 2 * 3600        # an emulator hashes slowly
PLAN = """source: s3://{bucket}/bare-metal/
s3: {{endpoint: "{endpoint}", region: {region}, addressing: path, credentials: file:/root/keys}}
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
"""
# The least memory that was free and the most that the program had, once a second while it runs.
MEASURE = """#!/bin/sh
etcd-rescue run --file /root/plan.yaml --unattended --json >/tmp/result 2>/tmp/said &
pid=$! least=999999999 most=0
while kill -0 $pid 2>/dev/null; do
	free=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	peak=$(awk '/^VmHWM/ { print $2 }' /proc/$pid/status 2>/dev/null)
	[ "$free" -lt $least ] && least=$free
	[ "${peak:-0}" -gt $most ] && most=$peak
	sleep 1
done
wait $pid
echo "status $? least $least most $most"
"""


@pytest.fixture(scope="module")
def snapshot(top, tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "snapshot.db"
    subprocess.run([sys.executable, top / "tests" / "bench" / "large.py", path, "--gigabytes", str(SIZE / 1e9)], check=True)
    assert path.stat().st_size >= SIZE
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def store(tmp_path_factory, snapshot):
    work = tmp_path_factory.mktemp("store")
    server = GoS3(work, Certificates(tmp_path_factory.mktemp("tls"), addresses=f"IP:127.0.0.1,DNS:localhost,IP:{HOST}"))
    try:
        server.bucket(BUCKET)
        server.put(BUCKET, "bare-metal/etcd-2026-11-21T04-00-00Z.db", snapshot)
        yield server
    finally:
        server.close()
        shutil.rmtree(work)


@pytest.fixture(scope="module")
def most(fleet, image_file, snapshot, store, artefacts, tmp_path_factory):
    """The most that the program had, in kB, of a restore that succeeded."""
    tmp_path = tmp_path_factory.mktemp("memory")
    requirement.need("./build/peers/grub-2.12")
    disk = Cluster(tmp_path / "cluster", [NAME])[NAME].disk(tmp_path / "disk.img", etcd_partition=True, etcd_size=3000,
                                                            programs=False)
    endpoint = store.tls_endpoint.replace("localhost", HOST).replace("127.0.0.1", HOST)
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path)
    extra = cpio.archive({
        "etc/etcd-rescue/ca/store.pem": store.ca.read_bytes(), "root/keys": f"{store.access}:{store.secret}\n".encode(),
        "root/plan.yaml": PLAN.format(bucket=BUCKET, endpoint=endpoint, region=store.region).encode(),
        "root/measure": MEASURE.encode()}, 0o100700)
    both = tmp_path / "both.img"
    both.write_bytes(cpio.append(initramfs.read_bytes(), extra))
    with open(snapshot, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with fleet.start("memory", memory=MEMORY, cpu="max", kernel=image_file("vmlinuz"), initrd=both, append=LINE,
                     disks=[disk], nic=NIC) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        total = vm.console.run("awk '/^MemTotal|^MemAvailable/ { print $2 }' /proc/meminfo").text.split()
        answer = vm.console.run("sh /root/measure", HOURS)
        words = answer.text.split()
        said = vm.console.run("tail -n 3 /tmp/said").text
        assert words[:2] == ["status", "0"], answer.text + said
        result = json.loads(vm.console.run("tail -n 1 /tmp/result").text)
        assert (result["outcome"], result["phase"]) == ("restored", "committed"), result
        assert result["clusters"][0]["sha256"] == digest and result["clusters"][0]["size"] == snapshot.stat().st_size
        least, most = int(words[3]), int(words[5])
        lines = [f"memory      {MEMORY} MB, {total[0]} kB after the kernel, {total[1]} kB available before",
                 f"least       {least} kB available", f"most        {most} kB of the program",
                 *(f"{name:12}{ms / 1000:.1f} s" for name, ms in result["took_ms"].items())]
        (artefacts / "memory-256.txt").write_text("\n".join(lines) + "\n")
        print("", *lines, sep="\n")
        assert vm.console.run("dmesg | grep -ciE 'out of memory|oom-kill'").text == "0"
        # What lies on the disk is whole, by another look at all of it.
        look = vm.console.run("mkdir -p /tmp/etcd && mount -o ro /dev/vda3 /tmp/etcd && etcd-rescue verify /tmp/etcd 2>&1", HOURS)
        assert look.status == 0, look.text
    return most


@pytest.mark.long
def test_two_gigabytes_over_tls_with_256_mb_of_memory(most):
    assert 0 < most < MEMORY << 10


@pytest.mark.long
def test_no_more_than_the_mark(most):
    assert most <= LIMIT_KB
