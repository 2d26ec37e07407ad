"""Ways into the image: one entry a path, and the servers and keys it takes.

Each path has only the memory the image promises to start in: 192 MB on direct, BIOS and PXE boot, 256 MB under UEFI.
"""

import subprocess

import requirement

from . import firmware
from .netboot import HttpBootOffer, web_server

LEAST, LEAST_UEFI = 192, 256
KERNEL_LINE = "console=tty0 console=ttyS0,115200 panic=-1 ip=dhcp"

# A path's own function gives the machine's options; `ways` hands it the image and the servers.
PATHS = {}


def path(name):
    def add(function):
        PATHS[name] = function
        return function
    return add


@path("direct")
def _(ways):
    return dict(memory=LEAST, kernel=ways.file("vmlinuz"), initrd=ways.file("initramfs.img"), append=KERNEL_LINE, nic="")


@path("bios-cd")
def _(ways):
    return dict(memory=LEAST, cdrom=ways.file("etcd-rescue.iso"))


@path("bios-usb")
def _(ways):
    return dict(memory=LEAST, usb_disk=ways.file("etcd-rescue.iso"))


@path("uefi-cd")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), cdrom=ways.file("etcd-rescue.iso"))


@path("uefi-usb")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), usb_disk=ways.file("etcd-rescue.iso"))


@path("pxe-bios-tftp")
def _(ways):
    return dict(memory=LEAST, nic=ways.tftp("boot.ipxe"))


@path("pxe-bios-http")
def _(ways):
    return dict(memory=LEAST, nic=ways.http("boot.ipxe"))


@path("pxe-uefi-tftp")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), nic=ways.tftp("boot.ipxe"))


@path("pxe-uefi-http")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), nic=ways.http("boot.ipxe"))


@path("uefi-http-uki")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), http_boot=ways.http_boot("etcd-rescue.efi"))


@path("secure-boot-cd")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35,smm=on", firmware=firmware.microsoft(),
                cdrom=ways.file("etcd-rescue.iso"))


@path("uki")
def _(ways):
    return dict(memory=LEAST_UEFI, machine="q35", firmware=firmware.plain(), efi_app=ways.file("etcd-rescue.efi"))


@path("uki-own-key")
def _(ways):
    uki, certificate = ways.signed_uki()
    return dict(memory=LEAST_UEFI, machine="q35,smm=on", firmware=firmware.own_key(certificate), efi_app=uki)


class Ways:
    """The image's files, and the servers and keys a path needs; each made when it is first asked for."""

    def __init__(self, top, image, work, file):
        self.file = file
        self._top, self._image, self._work = top, image, work
        self._server, self._leave, self._signed, self._offers = None, None, None, []

    @property
    def server(self):
        """The web server of the network boots: the image's folder, read only."""
        if self._server is None:
            context = web_server(self._image)
            self._server, self._leave = context.__enter__(), context.__exit__
        return self._server

    def tftp(self, name):
        self.file(name)
        requirement.need("/usr/lib/ipxe/qemu/efi-virtio.rom")
        return f"tftp={self._image},bootfile={name}"

    def http(self, name):
        self.file(name)
        requirement.need("/usr/lib/ipxe/qemu/efi-virtio.rom")
        return f"bootfile={self.server.url}/{name}"

    def http_boot(self, name):
        """The firmware's own HTTP client is told to fetch this file; no PXE, no iPXE."""
        self.file(name)
        self._offers.append(HttpBootOffer(f"{self.server.url}/{name}"))
        return self._offers[-1]

    def throw_away_key(self, name):
        """A new key and certificate: paths of both in PEM, and the certificate in DER."""
        openssl = requirement.need("openssl")
        key, certificate = self._work / f"{name}.key", self._work / f"{name}.crt"
        subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", f"/CN=etcd-rescue test, {name}", "-days", "30"], check=True, capture_output=True)
        der = subprocess.run([openssl, "x509", "-in", certificate, "-outform", "DER"], check=True,
                             capture_output=True).stdout
        return key, certificate, der

    def customise(self, *arguments):
        """`./build.sh customise`, which must succeed."""
        done = subprocess.run([self._top / "build.sh", "customise", *arguments], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr

    def signed_uki(self):
        """The UKI as `customise --sign` leaves it, and the certificate that must be enrolled for it."""
        if self._signed is None:
            requirement.need("sbsign")
            key, certificate, der = self.throw_away_key("owner")
            uki = self._work / "signed.efi"
            self.customise("--uki", self.file("etcd-rescue.efi"), "--output", uki, "--sign", key, certificate)
            self._signed = uki, der
        return self._signed

    def close(self):
        for offer in self._offers:
            offer.close()
        if self._leave:
            self._leave(None, None, None)
