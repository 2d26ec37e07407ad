"""A machine that starts from the network first and whose disk sends it back there: the image leaves a flag at the report
address, and the script that ships, run by a real iPXE, starts the disk from then on.

Power on, iPXE, image, restore, disk by kexec, back to iPXE and the image, flag, iPXE, disk by its own boot loader.
"""

import contextlib
import functools
import http.server
import re
import shutil

import pytest

import requirement
from machine import cpio, image as images, loader
from machine.master import Cluster
from machine.netboot import running
from machine.serving import HOST, NIC, NOT_ON_THE_DISK, on_the_disk
from machine.vm import BOOT

NAME, CARD = "master-1", "52-54-00-12-34-56"
WORDS = f"{loader.WORDS} no_timer_check"
# An emulator on a busy machine is too slow for the check of the timer.
ADDED = "console=tty0 console=ttyS0,115200 panic=-1 rescue.wait=2 no_timer_check"
RESTORE = 420       # an emulated iPXE fetches the image, too
PLAN = """source: {url}/snapshot.db
cluster: {{members: [{{name: master-1, peer: "https://10.252.1.7:2380"}}]}}
report: {url}/rescue
auto: yes
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, and what is put below /rescue/done/ is given back; reports are taken and dropped."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _say(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _take(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.said.append((self.command, self.path))
        if self.path.startswith("/rescue/done/"):
            self.server.flags[self.path] = body
        self._say(200)

    do_PUT = do_POST = _take

    def do_GET(self):
        self.server.said.append((self.command, self.path))
        if not self.path.startswith("/rescue/"):
            super().do_GET()
        elif self.path in self.server.flags:
            self._say(200, self.server.flags[self.path])
        else:
            self._say(404)


@contextlib.contextmanager
def boot_server(directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
    server.said, server.flags, server.url = [], {}, f"http://{HOST}:{server.server_port}"
    with running(server):
        yield server


def edited(path, target, what, to):
    """A script that ships, with the one thing in it that its comment tells to change."""
    text = path.read_text()
    assert text.count(what) == 1, f"{path.name} has no {what!r} to change"
    target.write_text(text.replace(what, to))


@pytest.fixture
def served(image_file, tmp_path):
    requirement.need("/usr/lib/ipxe/qemu/efi-virtio.rom", "./build/peers/grub-2.12", "etcdutl-3.6")
    folder = tmp_path / "served"
    folder.mkdir()
    cluster = Cluster(tmp_path / "cluster", [NAME])
    shutil.copy(cluster.snapshot(), folder / "snapshot.db")
    shutil.copy(image_file("vmlinuz"), folder / "vmlinuz")
    with boot_server(folder) as server:
        server.disk = cluster[NAME].disk(tmp_path / "disk.img", firmware="bios", damage="missing", programs=False, words=WORDS)
        initramfs = images.with_program(image_file("initramfs.img"), image_file("etcd-rescue"), tmp_path)
        plan = cpio.archive({"etc/etcd-rescue/plan.yaml": PLAN.format(url=server.url).encode()})
        (folder / "initramfs.img").write_bytes(cpio.append(initramfs.read_bytes(), plan))
        edited(image_file("done.ipxe"), folder / "done.ipxe", "http://boot.example.com/rescue", f"{server.url}/rescue")
        edited(image_file("boot.ipxe"), folder / "boot.ipxe", "\nkernel vmlinuz initrd=initramfs.img quiet",
               f"\nkernel vmlinuz initrd=initramfs.img {ADDED}")
        yield server


@pytest.mark.long
def test_the_flag_leads_to_the_disk(fleet, served):
    flag = f"/rescue/done/{CARD}"
    with fleet.start("handoff-flag", memory=512, nic=f"{NIC},bootfile={served.url}/done.ipxe", disks=[served.disk],
                     reboot=True) as vm:
        vm.console.expect("commit: restored", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
        assert "BOOT_IMAGE" not in on_the_disk(vm, NAME, RESTORE), "the first way is kexec"
        assert ("GET", flag) in served.said and not served.flags
        # Back at once, and nothing on the disk says that it ran: kexec is a way that leads back.
        vm.console.send("reboot\n")
        vm.console.expect("this plan (is|was) restored here", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
        line = on_the_disk(vm, NAME, BOOT + RESTORE)
        assert re.search(r"BOOT_IMAGE=\S*vmlinuz", line), "not by the disk's own boot loader"
        assert served.flags == {flag: b"done\n"}
        put = served.said.index(("PUT", flag))
        after = served.said[put + 1:]
        # Asked for again by the image, then by iPXE, which fetches no image any more.
        assert after.count(("GET", flag)) >= 2 and ("GET", "/vmlinuz") not in after, after
        assert served.said[:put].count(("GET", "/vmlinuz")) == 2


def test_a_machine_with_a_flag_fetches_no_image(fleet, served):
    served.flags[f"/rescue/done/{CARD}"] = b"done\n"
    with fleet.start("handoff-flagged", memory=512, nic=f"{NIC},bootfile={served.url}/done.ipxe", disks=[served.disk]) as vm:
        assert "BOOT_IMAGE" in on_the_disk(vm, NAME, BOOT)
        assert [path for _, path in served.said] == ["/done.ipxe", f"/rescue/done/{CARD}"]
