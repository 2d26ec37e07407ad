"""Every way into the image ends at the same shell, and is asked the same questions there."""

import json
import re
import subprocess

import pytest

from machine.ways import KERNEL_LINE, PATHS

NIC = "52:54:00:12:34:56"
TROUBLE = re.compile(
    r"Call Trace|BUG:|Oops|segfault|Out of memory|oom-kill|Unknown symbol|rcu.*stall|not syncing")

SECURE = ("secure-boot-cd", "uki-own-key")


def is_uefi(name):
    return "uefi" in name or "uki" in name or name in SECURE


def has_network(name):
    return name.startswith("pxe") or name in ("direct", "uefi-http-uki")


# Neither says what another path does not: the script of one, the loader of the other boot elsewhere too.
LONG = ("pxe-uefi-tftp", "uki")

pytestmark = pytest.mark.parametrize(
    "booted", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in PATHS], indirect=True)


@pytest.fixture
def name(request):
    return request.node.callspec.params["booted"]


@pytest.fixture
def ask(booted):
    """ask(command) is what the shell printed; the command must succeed."""
    def run(command, seconds=60):
        answer = booted.console.run(command, seconds)
        assert answer.status == 0, f"{command}: exit {answer.status}: {answer.text}"
        return answer.text
    return run


def test_program_is_the_one_that_was_built(ask, image_file):
    built = image_file("etcd-rescue")
    said = subprocess.run([built, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert ask("etcd-rescue --version").strip() == said
    theirs = ask("sha256sum /bin/etcd-rescue").split()[0]
    ours = subprocess.run(["sha256sum", built], capture_output=True, text=True, check=True).stdout.split()[0]
    assert theirs == ours


def test_whole_initramfs_arrived(booted, ask):
    """A cut or damaged archive boots all the same; the manifest made at build time tells."""
    assert int(ask("grep -c . /etc/etcd-rescue/manifest")) > 100
    # These two are rewritten when the image runs.
    changed = booted.console.run("cd / && sha256sum -c /etc/etcd-rescue/manifest 2>&1 | "
                                 "grep -v -e ': OK$' -e '^etc/shadow:' -e '^etc/resolv.conf:' -e 'WARNING: '", 120)
    assert changed.text == ""


def test_kernel_line_is_the_one_this_path_gives(name, ask):
    line = ask("cat /proc/cmdline")
    if name == "direct":
        assert line.strip() == KERNEL_LINE
    elif name.endswith(("-cd", "-usb")):
        assert re.search(r"BOOT_IMAGE=\S*/boot/vmlinuz", line), line


def test_firmware_is_the_one_that_was_meant(name, ask):
    assert ask("[ -d /sys/firmware/efi ] && echo efi || echo bios") == ("efi" if is_uefi(name) else "bios")


def test_secure_boot_is_as_the_firmware_says(name, booted, ask):
    secure = name in SECURE
    if is_uefi(name):
        variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        value = ask(f"hexdump -v -e '1/1 \"%u \"' {variable}").split()[-1]
        assert value == ("1" if secure else "0")
    assert booted.console.run("dmesg | grep -q 'Kernel is locked down from EFI Secure Boot'").status == (not secure)


def test_busybox_init_is_the_first_process(ask):
    assert ask("tr '\\0' ' ' </proc/1/cmdline").split()[0] == "/bin/busybox"
    assert ask("readlink /proc/1/exe") == "/bin/busybox"


def test_a_shell_waits_on_every_console(ask):
    assert ask("cat /run/consoles").split() == ["tty1", "ttyS0"]
    # The screen's shell waits for Enter: a process of init's that has the screen open.
    assert ask("for p in /proc/[0-9]*; do [ \"$(readlink $p/fd/0)\" = /dev/tty1 ] && cat $p/comm; done; true").strip()


def test_modules_load(ask):
    """Drivers for what this machine has are in, and what a file system asks the kernel for comes by itself."""
    assert ask("cat /proc/sys/kernel/modprobe") == "/bin/modprobe"
    assert ask("[ ! -e /sbin/modprobe ] && echo absent") == "absent"
    ask("modprobe ext4 && modprobe xfs && modprobe btrfs", 120)
    kinds = ask("cat /proc/filesystems").split()
    assert {"ext4", "xfs", "btrfs"} <= set(kinds)


def test_nothing_went_wrong_in_the_kernel(ask):
    log = ask("dmesg")
    assert not TROUBLE.search(log), "\n".join(line for line in log.splitlines() if TROUBLE.search(line))


def test_memory_is_what_was_promised_to_be_enough(booted, ask):
    total = int(ask("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
    assert total < booted.memory * 1024
    left = int(ask("sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
    assert left > 32 * 1024, f"{left} kB left for a restore, which needs 32 MiB"


def test_boot_says_what_it_sees(name, ask):
    events = [json.loads(line) for line in ask("etcd-rescue boot --dry-run --json", 120).splitlines()]
    seen = next(event for event in events if event["event"] == "machine")
    assert seen["image"]["state"] == "complete"
    assert seen["memory"]["enough"]
    assert seen["kernel"]["cmdline"] == ask("cat /proc/cmdline").strip()
    assert seen["firmware"]["secure_boot"] == (True if name in SECURE else False if is_uefi(name) else None)
    assert {"tty1", "ttyS0"} <= {console["name"] for console in seen["consoles"]}
    cards = {card["mac"]: card["driver"] for card in seen["nics"]}
    assert cards == ({NIC: "virtio_net"} if has_network(name) else {})
    disks = {disk["name"]: disk for disk in seen["disks"]}
    if name.endswith("-cd"):
        assert disks["sr0"]["optical"] and disks["sr0"]["content"] == "iso9660"
    if name.endswith("-usb"):
        assert disks["sda"]["transport"] == "usb" and disks["sda"]["removable"]
    assert seen["missing_firmware"] == []


def test_network_is_the_one_there_is(name, ask):
    if has_network(name):
        assert re.search(r"inet 10\.0\.2\.15/24", ask("ip -4 addr"))
        assert "10.0.2.2" in ask("ip route show default")
        assert "10.0.2.3" in ask("head /etc/resolv.conf /run/etcd-rescue/net/*.*")
    else:
        assert ask("ls /sys/class/net") == "lo"


def test_screen_is_kept_for_people(name, booted, artefacts):
    picture = booted.picture()
    assert len(set(picture.pixels)) > 1, "the screen is one colour"
    (artefacts / f"screen-{name}.png").write_bytes(picture.png())
