"""Which accelerator QEMU can really use here.

/dev/kvm proves nothing: there are hosts where it opens, where even SeaBIOS runs in it, and where Linux dies with an
internal error of KVM. So the kernel that is to be tested is booted in it, without an initramfs, up to the panic that it
must end in; anything else means TCG.
"""

import os
import selectors
import subprocess
import time

REACHED = b"Kernel panic - not syncing: VFS: Unable to mount root fs"
BROKEN = b"KVM internal error"


def kvm_boots(qemu, kernel, seconds=10):
    """True when this kernel runs under KVM here; a working one needs two seconds."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    argv = [str(qemu), "-accel", "kvm", "-cpu", "qemu64", "-m", "256", "-nodefaults", "-no-reboot", "-display", "none",
            "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    deadline = time.monotonic() + seconds
    said = b""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process, \
            selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        # QEMU only pauses the machine on an internal error, so its end is not what to wait for.
        while REACHED not in said and BROKEN not in said and ready.select(max(0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                break
            said += piece
        process.kill()
    return REACHED in said


def choose(qemu, kernel):
    """"kvm" or "tcg". ETCD_RESCUE_ACCEL overrides, for a machine whose owner knows better."""
    forced = os.environ.get("ETCD_RESCUE_ACCEL")
    if forced:
        return forced
    return "kvm" if kvm_boots(qemu, kernel) else "tcg"
