"""What `customise` puts into a finished image is there when it boots, by every loader that reads it."""

import subprocess

import pytest

import requirement
from machine import firmware
from machine.cpio import append
from machine.vm import BOOT

PLAN = "source: s3://etcd-backup/bare-metal/\ncluster: {token: tkn}\n"
KNOWN_HOSTS = "backup.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS\n"
NETWORK = "nameserver=192.0.2.53\n"
PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def settings(ways, work):
    """Arguments of customise, and what each file must hold in the image."""
    folder = work / "settings"
    folder.mkdir()
    _, ca, _ = ways.throw_away_key("ca")
    owner, _, _ = ways.throw_away_key("plans")
    openssl = requirement.need("openssl")
    public = folder / "plans.pem"
    subprocess.run([openssl, "pkey", "-in", owner, "-pubout", "-out", public], check=True)
    texts = {"plan.yaml": PLAN, "known_hosts": KNOWN_HOSTS, "network": NETWORK}
    for name, text in texts.items():
        (folder / name).write_text(text)
    signature = folder / "plan.yaml.sig"
    subprocess.run([openssl, "dgst", "-sha256", "-sign", owner, "-out", signature, folder / "plan.yaml"], check=True)
    arguments = ["--plan", folder / "plan.yaml", "--known-hosts", folder / "known_hosts",
                 "--network", folder / "network", "--ca", ca]
    yield arguments, texts
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def check_settings(vm, texts):
    vm.console.wake(BOOT)
    vm.settle()
    for name, text in texts.items():
        assert vm.console.run(f"cat /etc/etcd-rescue/{name}").text == text.rstrip("\n")
    assert "BEGIN CERTIFICATE" in vm.console.run("cat /etc/etcd-rescue/ca/*.pem").text


@pytest.fixture(scope="module")
def iso(ways, work, settings, image_file):
    path = work / "custom.iso"
    ways.customise("--iso", image_file("etcd-rescue.iso"), "--output", path, *settings[0],
                   "--cmdline", "console=tty0 console=ttyS0,115200 rescue.test=1")
    yield path
    path.unlink()


# Secure Boot reads the same menu by the same loader as plain UEFI.
@pytest.mark.parametrize("loader", ["bios", pytest.param("uefi", marks=pytest.mark.long), "secure-boot"])
def test_customised_iso_boots_with_its_settings(loader, fleet, iso, settings):
    options = {"bios": lambda: dict(memory=192),
               "uefi": lambda: dict(memory=256, machine="q35", firmware=firmware.plain()),
               "secure-boot": lambda: dict(memory=256, machine="q35,smm=on", firmware=firmware.microsoft())}[loader]()
    with fleet.start(f"custom-{loader}", cdrom=iso, **options) as vm:
        check_settings(vm, settings[1])
        assert "rescue.test=1" in vm.console.run("cat /proc/cmdline").text.split()


def test_additional_initrd_carries_the_settings(fleet, ways, work, settings, image_file):
    extra, both = work / "custom-initrd.img", work / "both.img"
    ways.customise("--initrd", "--output", extra, *settings[0])
    both.write_bytes(append(image_file("initramfs.img").read_bytes(), extra.read_bytes()))
    with fleet.start("custom-initrd", memory=192, kernel=image_file("vmlinuz"), initrd=both,
                     append="console=ttyS0 panic=-1") as vm:
        check_settings(vm, settings[1])
    both.unlink()


def test_signed_uki_carries_the_settings(fleet, ways, work, settings, image_file):
    uki = work / "custom.efi"
    key, certificate, der = ways.throw_away_key("custom")
    ways.customise("--uki", image_file("etcd-rescue.efi"), "--output", uki, *settings[0], "--sign", key, certificate)
    with fleet.start("custom-uki", memory=256, machine="q35,smm=on", firmware=firmware.own_key(der),
                     efi_app=uki) as vm:
        check_settings(vm, settings[1])
    uki.unlink()


def test_shell_asks_for_the_password(fleet, ways, work, image_file):
    openssl = requirement.need("openssl")
    hashed = subprocess.run([openssl, "passwd", "-6", "-stdin"], input=PASSWORD, text=True, capture_output=True,
                            check=True).stdout.strip()
    extra, both = work / "locked-initrd.img", work / "locked.img"
    ways.customise("--initrd", "--output", extra, "--shell-password", hashed)
    both.write_bytes(append(image_file("initramfs.img").read_bytes(), extra.read_bytes()))
    with fleet.start("locked", memory=192, kernel=image_file("vmlinuz"), initrd=both,
                     append="console=ttyS0 panic=-1") as vm:
        # A shell there is, for those who know the word; the prompt in front of it is a password's.
        vm.console.expect("ress Enter for a shell", BOOT)
        vm.console.send("\n")
        vm.console.expect("[Pp]assword: ?", 60, stop_at=r"rescue:\S*# ")
        vm.console.send("wrong\n")
        vm.console.expect("incorrect", 60, stop_at=r"rescue:\S*# ")
        vm.console.expect("[Pp]assword: ?|login: ?", 60)
        if "login" in vm.console.text.rstrip().splitlines()[-1]:
            vm.console.send("root\n")
            vm.console.expect("[Pp]assword: ?", 60)
        vm.console.send(PASSWORD + "\n")
        vm.console.expect(r"rescue:\S*# ", 60)
        assert vm.console.run("id -u").text == "0"
    both.unlink()
