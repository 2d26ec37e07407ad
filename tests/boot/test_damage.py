"""An image that arrived damaged says which file, in words, and still gives a shell."""

import hashlib

from machine.cpio import append, archive
from machine.vm import BOOT


def test_changed_file_is_named_on_the_console(fleet, image_file, work):
    damaged = work / "damaged.img"
    motd = b"not what was built\n"
    damaged.write_bytes(append(image_file("initramfs.img").read_bytes(), archive({"etc/motd": motd})))
    with fleet.start("damaged", memory=192, kernel=image_file("vmlinuz"), initrd=damaged,
                     append="console=tty0 console=ttyS0 panic=-1") as vm:
        vm.console.wake(BOOT)
        vm.settle()
        assert hashlib.sha256(motd).hexdigest() in vm.console.run("sha256sum /etc/motd").text
        said = [line for line in vm.console.text.splitlines() if "etc/motd" in line and "sha256sum" not in line]
        assert said, f"nothing was said of etc/motd:\n{vm.console.text[-3000:]}"
