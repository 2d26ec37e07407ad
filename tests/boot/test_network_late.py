"""Nobody is at the keyboard, and neither network nor object store is there yet: both are waited for. One machine."""

import http.server
import json
import threading
import time

import pytest

import requirement
from machine import image as images
from machine.master import Cluster
from machine.netboot import web_server
from machine.serving import HOST, NIC
from machine.vm import BOOT
from sources.servers import free_port

NAME = "master-1"
LINE = "console=tty0 console=ttyS0,115200 panic=-1 rescue.wait=2"
NO_CARRIER = 90     # seconds
STEP = 300
AGAIN = r"RESTORE BEGINS in 30 seconds"
PLAN = """source: http://{host}:{port}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
handoff: stay
auto: yes
"""


class Busy(http.server.BaseHTTPRequestHandler):
    """What a gateway says while the store behind it is still starting."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class BusyServer:
    def __init__(self, port):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Busy)
        self.server.asked = []
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_cable_after_90_s_and_a_store_that_is_down_then_busy_then_up(fleet, image_file, tmp_path):
    requirement.need("etcdutl-3.6", "./build/peers/grub-2.12")
    cluster = Cluster(tmp_path / "cluster", [NAME])
    disk = cluster[NAME].disk(tmp_path / "disk.img", size=400, programs=False)
    initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path)
    port = free_port()
    (tmp_path / "plan.yaml").write_text(PLAN.format(host=HOST, port=port))
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "snapshot.db").write_bytes(cluster.snapshot().read_bytes())
    with fleet.start("network-late", memory=512, cpu="max", kernel=image_file("vmlinuz"), initrd=initramfs, append=LINE,
                     disks=[disk], nic=NIC,
                     extra=["-fw_cfg", f"name=opt/etcd-rescue/plan,file={tmp_path / 'plan.yaml'}"]) as vm:
        vm.qmp("set_link", name="net0", up=False)
        vm.console.expect("network: nothing is said about it", BOOT)
        waits = time.monotonic()
        # It says what it waits for, and neither gives up nor goes on without.
        vm.console.expect("eth0.*(carrier|cable|link)", 60, stop_at="RESTORE BEGINS")
        while (left := waits + NO_CARRIER - time.monotonic()) > 0:
            time.sleep(min(left, 5))
        assert "RESTORE BEGINS" not in vm.console.text and "network: eth0 has" not in vm.console.text
        vm.qmp("set_link", name="net0", up=True)
        vm.console.expect(r"eth0 has 10\.252\.1\.", 120)
        # Nobody listens at the store's port: told as a failure that changed nothing, and tried again unasked.
        vm.console.expect("RESTORE BEGINS in 2 seconds", 120)
        vm.console.expect(r"FAILED in the step.*nothing was changed", STEP, stop_at="commit: restored")
        vm.console.expect(AGAIN, 120)
        busy = BusyServer(port)
        try:
            vm.console.expect(r"FAILED in the step.*nothing was changed", STEP, stop_at="commit: restored")
            assert busy.server.asked
            vm.console.expect(AGAIN, 120)
        finally:
            busy.close()
        with web_server(folder, port) as server:
            vm.console.expect("commit: restored", STEP, stop_at="FAILED|Kernel panic - not")
            vm.console.expect(r"what shall be done\?", 120)
            assert ("GET", "/snapshot.db", 206) in server.requests or ("GET", "/snapshot.db", 200) in server.requests
        vm.console.send("\n")
        vm.console.wake(60)
        look = vm.console.run("mkdir -p /tmp/disk && mount -o ro /dev/vda2 /tmp/disk && etcd-rescue verify --json "
                              "/tmp/disk/var/lib/etcd 2>/dev/null", STEP)
        assert look.status == 0 and json.loads(look.text)["clusterID"], look.text
