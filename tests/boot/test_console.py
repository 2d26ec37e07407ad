"""Keyboards and serial ports as servers have them: a BMC's USB keyboard and no other, no UART, a UART nobody reads."""

import re
import time

import pytest

from machine import firmware
from machine.screen import Font
from machine.vm import BOOT

NO_PS2 = "q35,i8042=off"


@pytest.fixture(scope="module")
def bare(fleet, image_file):
    """BIOS, the ISO, a USB keyboard and a screen; no PS/2 controller, no UART, no network card, 192 MB."""
    vm = fleet.start("bare", memory=192, machine=NO_PS2, cdrom=image_file("etcd-rescue.iso"), usb_keyboard=True,
                     serial=())
    with vm:
        press_enter_until_a_shell_answers(vm, vm.text_screen)
        yield vm


def press_enter_until_a_shell_answers(vm, read):
    """As a person does it: the keyboard works only once its driver is loaded, and the screen says nothing of that."""
    deadline = time.monotonic() + BOOT
    vm.wait_for_text("ress Enter for a shell", BOOT, read)
    while not re.search(r"rescue:\S*#", read()):
        assert time.monotonic() < deadline, "no shell on the screen:\n" + "\n".join(filter(str.strip, read().split("\n")))
        vm.type("\n")
        time.sleep(3)
    # `boot` may still be writing; its last words come before the first question.
    vm.wait_for_text(r"\bnext\b.*\n", BOOT, read)


def answer_on_screen(vm, command, seconds=120, read=None):
    """Type a command on the keyboard and read what it printed off the screen. One word of letters and digits."""
    mark = "".join(c for c in command if c.isalnum())[-8:]
    vm.type(f"echo '<'{mark}'<'$({command})'>'\n")
    return vm.wait_for_text(f"<{mark}<([^>']*)>", seconds, read)[1]


def test_usb_keyboard_and_screen_alone_are_enough(bare):
    assert answer_on_screen(bare, "echo $((6*7))") == "42"
    assert answer_on_screen(bare, "etcd-rescue --version | cut -c 1-11") == "etcd-rescue"
    # The keys really came over USB: there is no other input device.
    assert answer_on_screen(bare, "ls /sys/bus/serio/devices | wc -l") == "0"
    assert int(answer_on_screen(bare, "grep -c usb- /proc/bus/input/devices")) >= 1


def test_every_character_of_the_keyboard_arrives(bare):
    typed = "~`!@#$%^&*()_+-={}[]|;:,./?AZaz09"
    bare.type(f"echo '<{typed}>' | tr A-Za-z N-ZA-Mn-za-m\n")
    turned = typed.translate(str.maketrans("AZaz", "NMnm"))
    bare.wait_for_text(re.escape(f"<{turned}>"), 120)


def test_machine_without_a_uart_boots(bare):
    assert answer_on_screen(bare, "cat /run/consoles") == "tty1"
    assert answer_on_screen(bare, "grep -c ttyS /etc/inittab") == "0"


def test_machine_without_a_network_card_boots(bare):
    assert answer_on_screen(bare, "ls /sys/class/net") == "lo"
    assert answer_on_screen(bare, "etcd-rescue boot --dry-run --json >/dev/null; echo exit$?", 180) == "exit0"


def test_uart_that_nobody_reads_slows_nothing(fleet, image_file):
    """ttyS0 takes a few hundred bytes and then never drains; the other port and the screen must not notice."""
    with fleet.start("stuck", memory=192, cdrom=image_file("etcd-rescue.iso"), serial=("stuck", "read")) as vm:
        vm.console.wake(BOOT)
        assert vm.console.run("cat /run/consoles").text.split() == ["tty1", "ttyS0", "ttyS1"]
        # Fill the dead port from the shell, then see that it is dead and that boot's own writing does not care.
        vm.console.run("(while :; do echo 0123456789012345678901234567890123456789; done >/dev/ttyS0) & sleep 3; "
                       "grep '^0:' /proc/tty/driver/serial >/tmp/one; sleep 2; "
                       "grep '^0:' /proc/tty/driver/serial >/tmp/two", 60)
        assert vm.console.run("cmp /tmp/one /tmp/two").status == 0, "the port still drains; the test proves nothing"
        answer = vm.console.run("kill -9 $!; time etcd-rescue boot --dry-run >/dev/null", 120)
        assert answer.status == 0, answer.text
        vm.type("\n\necho $((6*7))-by-hand\n")
        vm.wait_for_text("42-by-hand", 120)
        assert vm.console.run("dmesg | grep -c 'blocked for more'").text == "0"


@pytest.mark.long
def test_uefi_screen_alone_is_enough(fleet, image_file):
    """The same under UEFI, where the screen is pixels: its font is learnt first from a machine with a serial line."""
    iso, font = image_file("etcd-rescue.iso"), Font()
    with fleet.start("uefi-teacher", memory=256, machine="q35", firmware=firmware.plain(), cdrom=iso) as vm:
        vm.console.wake(BOOT)
        every = "".join(chr(c) for c in range(33, 127) if chr(c) not in "'\\")
        vm.console.run(f"printf '\\033[2J\\033[H%s\\n' '{every}' >/dev/tty1; sleep 1")
        size = vm.console.run("hexdump -n 2 -e '1/1 \"%u \"' /dev/vcsa1").text.split()
        text = vm.console.run("cat /dev/vcs1").text
        columns = int(size[1])
        font.learn(vm.picture(), [text[i:i + columns] for i in range(0, len(text), columns)])
    with fleet.start("uefi-bare", memory=256, machine=NO_PS2, firmware=firmware.plain(), cdrom=iso,
                     usb_keyboard=True, serial=()) as vm:
        def read():
            return "\n".join(font.read(vm.picture()))
        press_enter_until_a_shell_answers(vm, read)
        assert answer_on_screen(vm, "echo $((6*7))", read=read) == "42"
        assert answer_on_screen(vm, "cat /run/consoles", read=read) == "tty1"
        assert answer_on_screen(vm, "ls /sys/bus/serio/devices | wc -l", read=read) == "0"
