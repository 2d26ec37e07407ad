"""etcd-rescue boot --dry-run: what it sees of a machine, in trees of machines and on the one that runs the tests."""

import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

import requirement

from cli.fake_machine import add_manifest

TOP = Path(__file__).resolve().parent.parent.parent
TREES = TOP / "tests" / "trees"
QUIET = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
KEYS = ["event", "version", "dry_run", "image", "drivers", "missing_firmware", "without_driver", "dmi", "firmware",
        "kernel", "cpu", "memory", "consoles", "nics", "disks", "network", "clock", "plan", "next"]


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def boot(program):
    """boot("--dry-run", ...) is the finished process."""
    def run(*args, **kwargs):
        return subprocess.run([program, "boot", *map(str, args)], env=QUIET, capture_output=True, text=True,
                              timeout=120, **kwargs)
    return run


@pytest.fixture
def see(boot):
    """see(tree) is the report of that tree as an object, and what was said beside it."""
    def run(tree, status=0):
        done = boot("--dry-run", "--json", "--root", tree)
        lines = done.stdout.splitlines()
        assert len(lines) == 1, done.stderr
        report = json.loads(lines[0])
        # The line of dell-r610 has a source with a password in it, which no plan may have.
        assert done.returncode == (1 if report["plan"]["trouble"] else status), done.stderr
        said = [json.loads(line) for line in done.stderr.splitlines()]
        return report, said
    return run


@pytest.fixture
def copied(tmp_path):
    """copied(name) is a tree of ours that a test may change."""
    def copy(name):
        return Path(shutil.copytree(TREES / name, tmp_path / name, symlinks=True))
    return copy


def named(things, name):
    return next(thing for thing in things if thing["name"] == name)


def warnings(said):
    return [line["text"] for line in said if line["event"] == "warning"]


def test_report_has_the_keys_that_were_promised(see):
    for tree in sorted(TREES.iterdir()):
        report, _ = see(tree)
        assert list(report) == KEYS, tree.name
        assert report["event"] == "machine" and report["dry_run"] is True


def test_server_with_missing_firmware(see):
    report, said = see(TREES / "dell-r610")
    assert report["dmi"]["vendor"] == "Dell Inc." and report["dmi"]["serial"] == "7ABC123"
    assert report["dmi"]["uuid"] == "4c4c4544-0041-4210-8043-b7c04f313233"
    assert report["dmi"]["chassis"] == "rack mount" and report["dmi"]["bios_date"] == "05/22/2018"
    assert report["dmi"]["asset"] is None
    assert report["firmware"] == {"type": "bios", "secure_boot": None, "setup_mode": None}
    assert report["cpu"]["count"] == 2
    assert report["memory"]["total"] == 12288000 * 1024 and report["memory"]["enough"] is True
    card = named(report["nics"], "eth0")
    assert (card["mac"], card["driver"], card["carrier"]) == ("00:26:b9:5a:01:02", "bnx2", False)
    assert report["missing_firmware"][0] == {"file": "bnx2/bnx2-mips-09-6.2.1b.fw", "driver": "bnx2",
                                             "device": "0000:01:00.0"}
    assert [lost["address"] for lost in report["without_driver"]] == ["0000:01:00.1"]
    text = "\n".join(line["text"] for line in said)
    assert "bnx2 at 0000:01:00.0 did not find its firmware bnx2/bnx2-mips-09-6.2.1b.fw" in text
    assert "etcd-rescue-firmware.iso" in text and "firmware.img" in text
    assert "network card at 0000:01:00.1 (PCI 14e4:1639) has no driver" in text


def test_consoles_that_are_not_there_are_known(see):
    report, _ = see(TREES / "dell-r610")
    answers = {console["name"]: console["answers"] for console in report["consoles"]}
    assert answers == {"tty1": True, "ttyS0": True, "ttyS1": True, "ttyS2": False, "ttyS3": False}
    report, _ = see(TREES / "uefi-san")
    answers = {console["name"]: console["answers"] for console in report["consoles"]}
    assert answers == {"tty1": False, "ttyS0": False, "ttyS1": True, "hvc0": True}


def test_secure_boot_multipath_and_the_network_of_the_kernel_line(see):
    report, _ = see(TREES / "uefi-san")
    assert report["firmware"] == {"type": "uefi", "secure_boot": True, "setup_mode": False}
    assert report["kernel"]["lockdown"] == "integrity"
    assert [disk["paths"] for disk in report["disks"]] == [1, 2, 2]
    assert [part["name"] for part in report["disks"][0]["partitions"]] == ["nvme0n1p1", "nvme0n1p2", "nvme0n1p10"]
    assert named(report["nics"], "eth0")["speed_mbps"] == 25000
    assert report["network"]["from"] == "kernel-line"
    assert any("192.0.2.7/24" in line for line in report["network"]["would_do"])
    assert report["plan"]["found"] is False and report["next"] == "give-a-plan"


def test_machine_with_nothing_in_it_is_said_in_words(see):
    report, said = see(TREES / "bare")
    assert report["nics"] == [] and report["disks"] == []
    assert report["network"]["from"] == "image"
    assert report["memory"]["enough"] is False
    text = "\n".join(warnings(said))
    assert "no network card was found" in text
    assert "no disk was found" in text
    assert "only 40 MB of 196 MB are free and a restore takes 64 MB" in text


def test_empty_root_is_no_reason_to_fail(see, boot, tmp_path):
    report, _ = see(tmp_path)
    assert report["kernel"] == {"release": None, "cmdline": None, "lockdown": None}
    assert report["firmware"]["type"] is None and report["consoles"] == []
    done = boot("--dry-run", "--root", tmp_path)
    assert done.returncode == 0
    assert "maker not known" in done.stdout and "disks     none" in done.stdout


def test_secrets_of_the_kernel_line_are_not_shown(boot):
    for form in ([], ["--json"]):
        done = boot("--dry-run", "--root", TREES / "dell-r610", *form)
        assert "backup.example" in done.stdout
        for secret in ("hunter2", "Signature=abc", "operator"):
            assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("word, shown", [
    ("proxy=joe:hunter2@10.0.0.9:3128", "proxy=...@10.0.0.9:3128"),
    ("rescue.proxy=joe:hun@ter2@10.0.0.9:3128", "rescue.proxy=...@10.0.0.9:3128"),
    ("joe:hunter2@10.0.0.9", "...@10.0.0.9"),
    ("netroot=iscsi:joe:hunter2@10.0.0.9::::iqn.a", "netroot=...@10.0.0.9::::iqn.a"),
    ("mail=joe@10.0.0.9", "mail=joe@10.0.0.9"),
    ("ip=10.0.0.2::10.0.0.1:24:n1:eth0:none", "ip=10.0.0.2::10.0.0.1:24:n1:eth0:none"),
])
def test_password_before_a_host_without_a_scheme_is_not_shown(boot, copied, word, shown):
    tree = copied("bare")
    (tree / "proc" / "cmdline").write_text(f"quiet {word} ro\n")
    done = boot("--dry-run", "--root", tree)
    assert f"quiet {shown} ro\n" in done.stdout
    assert "hun" not in done.stdout
    assert f"quiet {shown} ro" in json.loads(boot("--dry-run", "--json", "--root", tree).stdout)["kernel"]["cmdline"]


def test_kernel_line_that_is_not_understood_is_said(see, copied):
    tree = copied("bare")
    (tree / "proc" / "cmdline").write_text("console=ttyS0 ip=eth0:dchp\n")
    _, said = see(tree)
    assert any(text.startswith("kernel line: ip=eth0:dchp: ") for text in warnings(said))


def test_slip_in_the_network_of_the_image_does_not_lose_the_rest(see, copied):
    tree = copied("dell-r610")
    (tree / "proc" / "cmdline").write_text("quiet\n")
    (tree / "etc" / "etcd-rescue").mkdir(parents=True, exist_ok=True)
    (tree / "etc" / "etcd-rescue" / "network").write_text(
        "# rack 7\nbridge=br0:eth0\nip=192.0.2.7::192.0.2.1:24:n1:eth0:none\n")
    report, said = see(tree)
    assert report["network"]["from"] == "image"
    assert any("192.0.2.7/24" in line for line in report["network"]["would_do"])
    assert [text for text in warnings(said) if "bridge=br0:eth0" in text]


@pytest.mark.parametrize("shell", ["off", "{password-hash: $6$salt$" + 86 * "x" + "}"])
def test_plan_that_would_close_the_shell_is_told_that_it_does_not(see, tmp_path, shell):
    etc = tmp_path / "etc" / "etcd-rescue"
    etc.mkdir(parents=True)
    (etc / "plan.yaml").write_text(f"source: s3://b/\nshell: {shell}\n")
    told = "customise --shell-password does"
    _, said = see(tmp_path)
    assert [text for text in warnings(said) if told in text]
    (etc / "shell-password").write_text("off\n")
    _, said = see(tmp_path)
    assert not [text for text in warnings(said) if told in text]
    (etc / "shell-password").unlink()
    (etc / "plan.yaml").write_text("source: s3://b/\n")
    _, said = see(tmp_path)
    assert not [text for text in warnings(said) if told in text]


def test_exit_status_of_a_look_tells_whether_the_plan_is_good(see, tmp_path):
    """0 when there is nothing in the way, a machine without a plan included; 1 when there is."""
    etc = tmp_path / "etc" / "etcd-rescue"
    etc.mkdir(parents=True)
    assert see(tmp_path)[0]["next"] == "give-a-plan"
    (etc / "plan.yaml").write_text("source: s3://b/\n")
    assert see(tmp_path)[0]["next"] == "check-the-plan"
    (etc / "plan.yaml").write_text("source: s3://b/\nrole: chief\n")
    report, said = see(tmp_path, status=1)
    assert report["next"] == "correct-the-plan" and "chief" in report["plan"]["trouble"]
    assert (said[-1]["event"], said[-1]["command"]) == ("error", "boot")
    assert said[-1]["text"].startswith("the plan cannot be used")


def test_plan_behind_an_address_waits_for_the_network(see, tmp_path):
    """Not asked for before the network is there: on a real machine that would be a minute lost."""
    asked = []

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Nothing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            raw = tmp_path / "sys" / "firmware" / "dmi" / "entries" / "11-0" / "raw"
            raw.parent.mkdir(parents=True)
            url = f"http://127.0.0.1:{server.server_port}/plan.yaml"
            raw.write_bytes(b"\x0b\x05\x00\x0b\x01etcd-rescue.plan=" + url.encode() + b"\0\0")
            report, _ = see(tmp_path, status=1)
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/plan.yaml"]
    assert report["plan"]["trouble"] == f"SMBIOS string: {url}: there is no such thing (status 404)"
    assert report["next"] == "correct-the-plan"


def test_names_from_hardware_cannot_drive_the_terminal(boot, copied):
    tree = copied("dell-r610")
    (tree / "sys" / "class" / "dmi" / "id" / "product_name").write_bytes(b"Power\x1b[2JEdge\n")
    done = boot("--dry-run", "--root", tree)
    assert "Power?[2JEdge" in done.stdout and "\x1b" not in done.stdout


@pytest.mark.parametrize("kind, make", [
    ("ext4", ["mkfs.ext4", "-q", "-F", "-L", "LABEL"]),
    ("xfs", ["mkfs.xfs", "-q", "-L", "LABEL"]),
    ("btrfs", ["mkfs.btrfs", "-q", "-L", "LABEL"]),
    ("vfat", ["mkfs.vfat", "-n", "LABEL"]),
    ("swap", ["mkswap", "-L", "LABEL"]),
])
def test_content_of_a_disk_is_what_its_own_tool_made(see, copied, kind, make):
    tool = requirement.need(make[0])
    tree = copied("dell-r610")
    device = tree / "dev" / "sda1"
    with open(device, "wb") as disk:
        disk.truncate(320 << 20)
    # The partition is as large as this file, so that the end of it can be looked at too.
    (tree / "sys" / "block" / "sda" / "sda1" / "size").write_text(f"{(320 << 20) // 512}\n")
    subprocess.run([tool, *make[1:], device], check=True, capture_output=True)
    report, _ = see(tree)
    part = named(named(report["disks"], "sda")["partitions"], "sda1")
    assert (part["content"], part["label"], part["trouble"]) == (kind, "LABEL", None)
    assert part["uuid"]
    blkid = requirement.find("blkid")
    if blkid:
        theirs = subprocess.run([blkid, "-p", "-o", "value", "-s", "UUID", device], capture_output=True, text=True)
        assert part["uuid"] == theirs.stdout.strip()


def test_disk_that_cannot_be_read_does_not_hide_the_others(see, copied):
    tree = copied("dell-r610")
    (tree / "dev" / "sdb").write_bytes(b"LUKS\xba\xbe\0\2".ljust(4096, b"\0"))
    (tree / "sys" / "block" / "sdb" / "size").write_text("8\n")
    report, _ = see(tree)
    assert named(report["disks"], "sda")["trouble"].startswith("cannot be read: dev/sda: ")
    stick = named(report["disks"], "sdb")
    assert (stick["content"], stick["transport"], stick["serial"]) == ("luks2", "usb", "4C530001230815112233")


def test_stick_without_a_serial_does_not_get_that_of_its_hub(see, copied):
    tree = copied("dell-r610")
    hub = tree / "sys" / "devices" / "pci0000:00" / "0000:00:1d.7" / "usb1"
    (hub / "serial").write_text("0000:00:1d.7\n")
    (hub / "1-3" / "idVendor").write_text("0781\n")
    (hub / "1-3" / "serial").unlink()
    report, _ = see(tree)
    stick = named(report["disks"], "sdb")
    assert (stick["transport"], stick["serial"]) == ("usb", None)


def test_whole_image_is_said_to_be_whole(see, copied):
    tree = copied("uefi-san")
    add_manifest(tree, {"bin/busybox": b"x" * 200000, "etc/shadow": b"root:*:\n"})
    # /init puts the password there; that is no damage.
    (tree / "etc" / "shadow").write_text("root:$6$..:\n")
    report, said = see(tree)
    image = report["image"]
    assert (image["state"], image["files"], image["missing"], image["changed"]) == ("complete", 2, 0, 0)
    assert any(line["event"] == "done" and line["text"].startswith("complete: 2 files") for line in said)


def test_truncated_image_is_said_in_words(see, boot, copied):
    tree = copied("uefi-san")
    add_manifest(tree, {f"lib/modules/{i}.ko": b"%d" % i for i in range(9)})
    for i in (5, 6, 7):
        (tree / "lib" / "modules" / f"{i}.ko").unlink()
    (tree / "lib" / "modules" / "4.ko").write_bytes(b"")
    report, said = see(tree, status=1)
    image = report["image"]
    assert (image["state"], image["missing"], image["changed"]) == ("incomplete", 3, 1)
    assert report["next"] == "boot-again"
    text = "\n".join(line["text"] for line in said)
    assert "this image arrived incomplete: 3 of 9 files are missing, first /lib/modules/5.ko" in text
    assert "this image arrived damaged: 1 of 9 files are not what was built, first /lib/modules/4.ko" in text
    assert "SHA256SUMS" in text
    # With little memory the kernel drops what does not fit, and another medium would not help.
    (tree / "proc" / "meminfo").write_text("MemTotal: 229376 kB\nMemAvailable: 90000 kB\n")
    assert "the machine has 224 MB of memory" in boot("--dry-run", "--root", tree).stderr


def test_manifest_that_is_no_manifest_is_refused_by_line(see, copied):
    tree = copied("bare")
    (tree / "etc" / "etcd-rescue" / "manifest").write_text("0123  bin/busybox\n")
    report, said = see(tree)
    assert report["image"]["state"] == "unknown"
    assert any("line 1 is no checksum and path" in line["text"] for line in said)


def test_looking_changes_nothing(boot, copied):
    tree = copied("dell-r610")
    (tree / "dev" / "sda").write_bytes(b"XFSB".ljust(1 << 20, b"\0"))

    def state():
        return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in tree.rglob("*")}
    before = state()
    assert "XFS" in boot("--dry-run", "--root", tree).stdout.upper()
    assert state() == before


def test_this_machine_is_seen_as_the_kernel_shows_it(boot):
    done = boot("--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kernel"]["release"] == os.uname().release
    assert report["cpu"]["count"] == len([line for line in Path("/proc/cpuinfo").read_text().splitlines()
                                          if line.startswith("processor")])
    assert report["memory"]["total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024 * 1024
    cards = {path.name: (path / "address").read_text().strip() for path in Path("/sys/class/net").iterdir()
             if (path / "address").exists() and path.name != "lo"}
    ours = {card["name"]: card["mac"] for card in report["nics"] if card["mac"]}
    assert ours.items() <= cards.items()
    assert set(cards) == {card["name"] for card in report["nics"]}
    for disk in report["disks"]:
        assert disk["size"] == int((Path("/sys/block") / disk["name"] / "size").read_text()) * 512


def test_anybody_may_look(program):
    """Without root's rights disks cannot be read and serial numbers not be seen, and that is no error."""
    identity = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    # pytest's own directories are closed to others, and so may be the one the program was built in.
    with tempfile.TemporaryDirectory(prefix="etcd-rescue-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        mine = shutil.copy(program, folder)
        done = subprocess.run([mine, "boot", "--dry-run", "--json"], env=QUIET, cwd="/", capture_output=True,
                              text=True, timeout=120, **identity)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)) == KEYS


def test_host_is_left_alone(boot):
    """Loading drivers and asking DHCP are for the image; on a host they would be an accident."""
    before = Path("/run/etcd-rescue").exists()
    done = boot()
    assert done.returncode == 6
    assert done.stdout == ""
    assert "--dry-run only looks" in done.stderr
    assert Path("/run/etcd-rescue").exists() == before


def test_another_root_is_only_looked_at(boot, tmp_path):
    done = boot("--root", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "etcd-rescue: --root goes with --dry-run only"
    done = boot("--dry-run", "--root", tmp_path / "nowhere")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"etcd-rescue: {tmp_path}/nowhere: No such file or directory"
