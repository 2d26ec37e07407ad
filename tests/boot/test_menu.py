"""The menu of the image: on every console at once, the first choice counts, and nothing is written unasked."""

import re
import subprocess

import pytest

import requirement
from machine.cpio import append, archive
from machine.vm import BOOT

LINE = "console=tty0 console=ttyS0 panic=-1"
MENU = r"what shall be done\?.*A letter, then Enter"


@pytest.fixture(scope="module")
def with_files(work, image_file):
    """with_files(name, {path: text}) is an initramfs with these files below /etc/etcd-rescue."""
    made = []

    def make(name, files):
        both = work / f"{name}.img"
        extra = archive({f"etc/etcd-rescue/{path}": text.encode() for path, text in files.items()})
        both.write_bytes(append(image_file("initramfs.img").read_bytes(), extra))
        made.append(both)
        return both
    yield make
    for path in made:
        path.unlink()


@pytest.fixture(scope="module")
def start(fleet, image_file):
    """start(name, ...) is a machine without disks that boots the image directly."""
    def begin(name, initrd=None, append_words="", **options):
        return fleet.start(name, memory=256, kernel=image_file("vmlinuz"),
                           initrd=initrd or image_file("initramfs.img"), append=f"{LINE} {append_words}", **options)
    return begin


def screen_shows(vm, pattern, seconds=60):
    return vm.wait_for_text(pattern, seconds)


@pytest.fixture(scope="module")
def idle(start):
    """No plan; the screen, a serial line with a reader, and one that takes a few hundred bytes and then nothing."""
    with start("menu", serial=("read", "stuck"), usb_keyboard=True) as vm:
        vm.console.expect(MENU, BOOT)
        yield vm


def test_medium_without_a_plan_offers_no_restore_and_waits(idle):
    text = idle.console.text[idle.console.text.rindex("what shall be done?"):]
    assert "there is none" in text
    assert not re.search(r"\br   restore|c   choose", text)
    assert re.search(r"e   enter another.*l   look again.*b   boot this.*s   a shell", text, re.S)


def test_menu_is_on_the_screen_too_and_a_dead_port_held_up_nobody(idle):
    screen_shows(idle, "there is none.*")
    screen_shows(idle, "A letter, then Enter")


def test_letter_that_is_not_offered_does_nothing(idle):
    idle.console.send("r\n")
    idle.console.expect("no such choice", 30)


def test_choice_on_the_screen_is_told_on_the_serial_line(idle):
    idle.type("l\n")
    idle.console.expect(r"look was chosen on tty1", 60)
    idle.console.expect(MENU, 120)


def test_shell_ends_in_the_menu_again(idle):
    idle.console.send("\n")
    idle.console.wake(60)
    assert idle.console.run("id -u").text == "0"
    # The other console still has its menu, and the one that had a shell hears what is chosen there.
    idle.console.send("exit\n")
    idle.console.expect(MENU, 60)
    idle.type("l\n")
    idle.console.expect(r"look was chosen on tty1", 60)
    idle.console.expect(MENU, 120)


def test_killed_program_leaves_the_shells(idle):
    """Whatever becomes of our program, init and a shell are there; and no console spins."""
    idle.console.wake(60)
    assert idle.console.run("mv /bin/etcd-rescue /bin/gone; kill -9 $(pidof etcd-rescue); sleep 3; "
                            "cat /proc/1/comm").text in ("init", "busybox")
    idle.console.send("exit\n")
    idle.console.expect(r"etcd-rescue: not found.*rescue:\S*# ", 60)
    # The screen's own console could not start its menu and has become a shell.
    idle.type("\necho $((6*7))-by-hand\n")
    screen_shows(idle, "42-by-hand")
    assert idle.console.run("mv /bin/gone /bin/etcd-rescue").status == 0


PLAN = "source: https://192.0.2.1/etcd/\nauto: yes\nnetwork: [ip=192.0.2.7::192.0.2.254:24:::none]\n"


def test_key_on_the_screen_stops_the_countdown_and_a_failure_says_what_to_do(start, with_files):
    initrd = with_files("auto", {"plan.yaml": PLAN})
    with start("auto", initrd, "rescue.wait=60", usb_keyboard=True) as vm:
        vm.console.expect(r"RESTORE BEGINS in 60 seconds", BOOT)
        vm.type("x")
        vm.console.expect(r"waits     stopped by a key on tty1.*r   restore now", 60)
        # By hand now: there is no disk, so it fails, touches nothing and says so everywhere.
        vm.console.send("r\n")
        vm.console.expect("This replaces etcd", 30)
        vm.console.send("yes\n")
        vm.console.expect(r"restore was chosen on ttyS0", 30)
        vm.console.expect(r"FAILED.*why .*disk    .*nothing was changed.*next ", 120)
        vm.console.expect(MENU, 120)
        screen_shows(vm, "the restore failed")


def test_unattended_plan_begins_by_itself(start, with_files):
    initrd = with_files("unattended", {"plan.yaml": PLAN})
    with start("unattended", initrd, "rescue.wait=2") as vm:
        vm.console.expect(r"RESTORE BEGINS in 2 seconds", BOOT)
        vm.console.expect(r"FAILED", 120, stop_at=MENU)
        vm.console.expect(MENU, 120)


def test_idle_menu_goes_to_the_disk_only_when_the_kernel_line_says_so(start):
    with start("menu-idle", append_words="rescue.menu=5") as vm:
        vm.console.expect(MENU, BOOT)
        vm.console.expect(r"Nobody chose in rescue.menu=5 seconds", 60)
        # There is no disk: it says so, and asks once more, for ever.
        vm.console.expect("FAILED", 120)
        vm.console.expect(MENU, 60)


def test_locked_image_guards_the_choices_that_write(start, with_files):
    openssl = requirement.need("openssl")
    hashed = subprocess.run([openssl, "passwd", "-6", "-stdin"], input="correct-horse", text=True,
                            capture_output=True, check=True).stdout
    initrd = with_files("menu-locked", {"plan.yaml": PLAN.replace("auto: yes\n", ""), "shell-password": hashed})
    with start("menu-locked", initrd) as vm:
        vm.console.expect(MENU, BOOT)
        vm.console.send("r\n")
        vm.console.expect("Password", 30)
        vm.console.send("wrong\n")
        vm.console.expect("not the password", 30, stop_at="This replaces etcd")
        vm.console.send("s\n")
        vm.console.expect("[Pp]assword: ?|login: ?", 60, stop_at=r"rescue:\S*# ")
