"""A virtual machine: how to ask for one, its consoles, keyboard and screen, and its certain end.

	with Vm("bios-cd", work, accel, cdrom=iso, memory=256) as vm:
	    vm.console.wake(BOOT)
	    assert vm.console.run("etcd-rescue --version").status == 0

The process is started by us, talked to over socket pairs (no port, no path) and ended by its id. Deadlines are three to
five times what the slowest path took on a busy machine of two cores; they cost time only when something is broken.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .console import Console
from .keyboard import keys_for
from .qmp import Qmp, QmpError
from .screen import Picture, TEXT_BYTES, TEXT_MEMORY, decode_text_memory

BOOT = 240          # start of the machine to a shell
KEY_PAUSE = 0.06    # between key strokes: QEMU's USB keyboard holds 16 events
# Once in some hundred boots the emulator comes back from a cmpxchg16b with flags that are none, and the kernel
# dies of a double fault in its first second; it does without that instruction where there is none.
WITHOUT = {"tcg": ",cx16=off"}


class Vm:
    def __init__(self, name, work, accel, *, memory=512, machine="pc", cpu="qemu64", firmware=None, kernel=None,
                 initrd=None, append=None, cdrom=None, usb_disk=None, efi_app=None,
                 nic=None, http_boot=None, serial=("read",), usb_keyboard=False,
                 disks=(), flushed=False, disk_first=False, wires=(), reboot=False, extra=(), qemu="qemu-system-x86_64"):
        """
        work: directory for this machine's files, emptied at the end but for the transcript.
        firmware: None for SeaBIOS, or a Firmware whose variables are copied for this machine.
        cdrom, usb_disk: images, never written to. nic: None, or options of -netdev user ("" for plain).
        serial: one entry a UART: "read" has a reader, "stuck" has one that never reads.
        disks: images that are written to, as virtio disks; the firmware tries them after whatever else boots, or with
        disk_first before. flushed: what the machine flushes is, which a test of power cuts counts on; else it is left in this
        host's memory, where it outlives a machine that is killed. wires: (socket, MAC) of each card at
        a Switch (switch.py). reboot: a reset starts the machine again instead of ending it.
        """
        self.name, self.memory = name, memory
        self.work = Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self._fds, self._threads, self.qmp, self.process = [], [], None, None
        self._stderr = open(self.work / "qemu.err", "w+b")
        argv = [str(qemu), "-name", name, "-machine", machine, "-accel", accel, "-cpu", cpu + WITHOUT.get(accel, ""),
                "-m", str(memory), "-smp", "1", "-nodefaults", "-display", "none", "-vga", "std", "-rtc", "base=utc",
                *([] if reboot else ["-no-reboot"])]
        if firmware:
            argv += firmware.arguments(self.work)
        for option, value in (("-kernel", kernel), ("-initrd", initrd), ("-append", append)):
            if value is not None:
                argv += [option, str(value)]
        if usb_disk or usb_keyboard:
            argv += ["-device", "qemu-xhci,id=usb"]
        if usb_keyboard:
            argv += ["-device", "usb-kbd,bus=usb.0"]
        if usb_disk:
            argv += ["-drive", f"if=none,id=stick,format=raw,readonly=on,file={usb_disk}",
                     "-device", "usb-storage,bus=usb.0,drive=stick,removable=on,bootindex=1"]
        if cdrom:
            bus = "ide.2" if machine.startswith("q35") else "ide.1"
            argv += ["-drive", f"if=none,id=cd,media=cdrom,format=raw,readonly=on,file={cdrom}",
                     "-device", f"ide-cd,bus={bus},drive=cd,bootindex=1"]
        if efi_app:
            boot = self.work / "esp" / "EFI" / "BOOT"
            boot.mkdir(parents=True)
            shutil.copyfile(efi_app, boot / "BOOTX64.EFI")
            argv += ["-drive", f"if=none,id=esp,format=raw,readonly=on,file=fat:{self.work / 'esp'}",
                     "-device", "virtio-blk-pci,drive=esp,bootindex=1"]
        if nic is not None:
            argv += ["-netdev", "user,id=net0" + ("," + nic if nic else ""),
                     "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,bootindex=2"]
        if http_boot:
            argv += self._http_boot(http_boot)
        for number, path in enumerate(disks):
            turn = 0 if disk_first and number == 0 else number + 5
            cache = "writeback" if flushed else "unsafe"
            argv += ["-drive", f"if=none,id=disk{number},format=raw,cache={cache},file={path}",
                     "-device", f"virtio-blk-pci,drive=disk{number},serial=DISK-{number},bootindex={turn}"]
        for number, (sock, mac) in enumerate(wires):
            argv += ["-netdev", f"dgram,id=wire{number},local.type=fd,local.str={self._inherit(sock)}",
                     "-device", f"virtio-net-pci,netdev=wire{number},mac={mac},romfile="]
        uarts = [self._line(argv, f"serial{i}") for i in range(len(serial))]
        for i in range(len(serial)):
            argv += ["-device", f"isa-serial,chardev=serial{i}"]
        monitor = self._line(argv, "monitor")
        argv += ["-mon", "chardev=monitor,mode=control"]
        argv += list(extra)
        self.argv = argv
        self.started = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._stderr,
                                        pass_fds=self._fds)
        for fd in self._fds:
            os.close(fd)
        try:
            self.qmp = Qmp(monitor)
        except QmpError as error:
            monitor.close()
            self.close()
            raise QmpError(f"{error}: {self.errors()}") from None
        self.consoles = [Console(sock, self.work / f"serial{i}.log") if kind == "read" else sock
                         for i, (kind, sock) in enumerate(zip(serial, uarts))]

    def _line(self, argv, name):
        """A socket pair: QEMU gets one end as chardev `name`, we keep the other."""
        ours, theirs = socket.socketpair()
        argv += ["-chardev", f"socket,id={name},fd={self._inherit(theirs)}"]
        theirs.close()
        return ours

    def _inherit(self, sock):
        """The number under which QEMU finds this socket (or number of one)."""
        self._fds.append(os.dup(sock if isinstance(sock, int) else sock.fileno()))
        os.set_inheritable(self._fds[-1], True)
        return self._fds[-1]

    def _http_boot(self, offer):
        """A card on a hub with QEMU's network and the one who makes the offer; no ROM and no PXE come before it."""
        return ["-netdev", "user,id=user0", "-netdev", f"dgram,id=offer,local.type=fd,local.str={self._inherit(offer.fd)}",
                "-netdev", "hubport,id=net0,hubid=0", "-netdev", "hubport,id=hub1,hubid=0,netdev=user0",
                "-netdev", "hubport,id=hub2,hubid=0,netdev=offer",
                "-device", "virtio-net-pci,netdev=net0,mac=52:54:00:12:34:56,romfile=,bootindex=1",
                "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n",
                "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]

    @property
    def console(self):
        """The first UART that has a reader."""
        return next(c for c in self.consoles if isinstance(c, Console))

    def errors(self):
        """What QEMU itself complained of."""
        return (self.work / "qemu.err").read_text(errors="replace").strip()

    def settle(self, seconds=200):
        """Wait until `etcd-rescue boot`, which the image starts by itself, has said all it says at start, to the prompt
        of the menu where it comes to that: in the middle of an answer that would spoil it."""
        log = "/run/etcd-rescue/boot.log"
        answer = self.console.run(f"n=0; until grep -q ^next {log} || [ $n -ge {seconds} ]; do "
                                  f"sleep 1; n=$((n+1)); done; [ $n -lt {seconds} ]", seconds + 60)
        assert answer.status == 0, f"etcd-rescue boot was still busy after {seconds} s"
        self.console.run(f"n=0; until grep -q 'then Enter' {log} || [ $n -ge 15 ]; do sleep 1; n=$((n+1)); done", 120)

    # Keyboard and screen

    def type(self, text):
        """Press the keys for this text on whatever keyboard the machine has."""
        for character in text:
            self.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys_for(character)], **{"hold-time": 20})
            time.sleep(KEY_PAUSE)

    def picture(self):
        path = self.work / "screen.ppm"
        self.qmp("screendump", filename=str(path))
        ppm = path.read_bytes()
        path.unlink()
        return Picture(ppm)

    def text_screen(self):
        """The text of a screen in VGA text mode, with what has scrolled off and is still in the card's memory."""
        path = self.work / "vga.mem"
        self.qmp("pmemsave", val=TEXT_MEMORY, size=TEXT_BYTES, filename=str(path))
        memory = path.read_bytes()
        path.unlink()
        return decode_text_memory(memory)

    def wait_for_text(self, pattern, seconds, read=None):
        """Wait until the screen shows pattern (a regular expression); returns the match."""
        read = read or self.text_screen
        deadline = time.monotonic() + seconds
        while True:
            text = read()
            found = re.search(pattern, text)
            if found:
                return found
            if time.monotonic() > deadline:
                shown = "\n".join(line for line in text.splitlines() if line.strip())
                raise AssertionError(f"{seconds} s passed before the screen showed {pattern!r}:\n{shown[-2500:]}")
            if self.process.poll() is not None:
                raise AssertionError(f"the machine ended before the screen showed {pattern!r}: {self.errors()}")
            time.sleep(1)

    # The end

    def wait_for_end(self, seconds):
        """QEMU's exit status once the guest has switched itself off."""
        return self.process.wait(seconds)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        for console in getattr(self, "consoles", []):
            console.close()
        if self.qmp:
            self.qmp.close()
        self._stderr.close()
        for path in self.work.iterdir():
            if path.suffix not in (".log", ".png", ".err"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
