#!/usr/bin/python3
"""Kernel start to the first line of `etcd-rescue boot`, against the same kernel with an init that only prints.

	tests/bench/boot_time.py [--image out] [--runs 5] [--memory 256]

Three initramfs take turns, so that a busy machine slows all of them alike; medians are compared.

	print only      nothing but that init: the kernel alone
	whole, print    the image's own initramfs with /init replaced: the kernel, and unpacking what the image carries
	image           the image as it is

The mark is image <= 1.2 x print only. The figure in between tells where the difference is spent: before /init, which
size decides, or after it. Time runs from the kernel's first line to the line that is waited for, both as they arrive
on the serial port. Exit status: 0 within the mark, 1 not, 2 could not measure.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests"))

from machine import accelerator, cpio          # noqa: E402 (the path above finds them)
from machine.console import Silence             # noqa: E402
from machine.vm import Vm                       # noqa: E402

MARK = 1.2
KERNEL_STARTS = "Linux version"
BASELINE_LINE = "an init that only prints"
PROGRAM_LINE = r"etcd-rescue \S+ looks at this machine"
# Early, so that the first line is not held back until the port has a driver; notices only, so that the port's own speed
# is not what is measured.
KERNEL_LINE = "earlyprintk=ttyS0,115200 console=ttyS0,115200 loglevel=6 panic=-1"
INIT = """
#include <unistd.h>

int main(void)
{
	static const char line[] = "\\nan init that only prints\\n";

	(void)!write(1, line, sizeof line - 1);
	for (;;)
		pause();
}
"""


def compile_init(work):
    """The init that only prints, as static as the program it is compared with."""
    own = TOP / "build" / "x86_64" / "sysroot" / "bin" / "musl-gcc"
    source, binary = work / "init.c", work / "init"
    source.write_text(INIT)
    subprocess.run([own if own.exists() else "gcc", "-static", "-Os", "-s", "-o", binary, source], check=True)
    return binary.read_bytes()


def seconds(qemu, accel, kernel, initrd, line, memory, work):
    """One boot: from the kernel's first line to the one waited for."""
    with Vm("bench", work / "vm", accel, memory=memory, kernel=kernel, initrd=initrd, append=KERNEL_LINE,
            qemu=qemu) as vm:
        vm.console.expect(KERNEL_STARTS, 60)
        vm.console.expect(line, 240, stop_at="Kernel panic")
        return vm.console.when(line) - vm.console.when(KERNEL_STARTS)


def measure(image, runs, memory):
    """Medians by name of initramfs."""
    qemu = shutil.which("qemu-system-x86_64")
    kernel, initramfs = image / "vmlinuz", image / "initramfs.img"
    accel = accelerator.choose(qemu, kernel)
    with tempfile.TemporaryDirectory(dir=TOP / "build", prefix="bench-") as folder:
        work = Path(folder)
        init = cpio.archive({"init": compile_init(work)}, mode=0o100755)
        (work / "print.img").write_bytes(init)
        (work / "whole.img").write_bytes(cpio.append(initramfs.read_bytes(), init))
        contenders = {
            "print only": (work / "print.img", BASELINE_LINE),
            "whole, print": (work / "whole.img", BASELINE_LINE),
            "image": (initramfs, PROGRAM_LINE),
        }
        took = {name: [] for name in contenders}
        for turn in range(runs):
            for name, (initrd, line) in contenders.items():
                took[name].append(seconds(qemu, accel, kernel, initrd, line, memory, work))
                print(f"run {turn + 1}  {name:14s} {took[name][-1]:6.2f} s", flush=True)
    return accel, {name: statistics.median(values) for name, values in took.items()}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--image", type=Path, default=TOP / "out")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--memory", type=int, default=256)
    options = options.parse_args()
    for name in ("vmlinuz", "initramfs.img"):
        if not (options.image / name).is_file():
            print(f"boot_time: {options.image / name} is not there; ./build.sh image makes it", file=sys.stderr)
            return 2
    try:
        accel, median = measure(options.image, options.runs, options.memory)
    except Silence as error:
        print(f"boot_time: {error}", file=sys.stderr)
        return 2
    ratio = median["image"] / median["print only"]
    for name, value in median.items():
        print(f"{name:14s} {value:6.2f} s  {value / median['print only']:5.2f} x")
    print(f"mark {MARK} x: {'reached' if ratio <= MARK else 'missed'} at {ratio:.2f} x "
          f"(median of {options.runs}, {accel}, {options.memory} MB)")
    return 0 if ratio <= MARK else 1


if __name__ == "__main__":
    sys.exit(main())
