#!/usr/bin/python3
"""Kernel start to the first line of `etcd-rescue boot`, against the same kernel with an init that only prints.

	tests/bench/boot_time.py [--image out] [--runs 5] [--memory 256] [--instructions-only]

Three initramfs take turns, so that a busy machine slows all of them alike; medians are compared.

	print only      nothing but that init: the kernel alone
	whole, print    the image's own initramfs with /init replaced: the kernel, and unpacking what the image carries
	image           the image as it is

The mark is image <= 1.2 x print only. The figure in between tells where the difference is spent: before /init, which
size decides, or after it. Time is the kernel's own, from its start to the line in its log. Beside it stands what
processor time QEMU took from the kernel's first words to that line, since a busy host stretches time; and one more boot
of each counts instructions (QEMU's -icount, two nanoseconds each), which no other load on the host disturbs at all.
Exit status: 0 within the mark, 1 not, 2 could not measure.
"""

import argparse
import os
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
LINE = r"\[ *(\d+\.\d+)\] [^\n]*(?:an init that only prints|etcd-rescue \S+ looks at this machine)"
# Both say their line in the kernel's log, at a level that this shows on the port.
KERNEL_LINE = "console=ttyS0,115200 loglevel=7 panic=-1"
COUNTED = ("-icount", "shift=1,sleep=off")
INIT = """
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int main(void)
{
	static const char line[] = "<5>an init that only prints\\n";

	mknod("/kmsg", S_IFCHR | 0600, makedev(1, 11));
	(void)!write(open("/kmsg", O_WRONLY), line, sizeof line - 1);
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


def processor_time(vm):
    """Seconds of user and system time of the machine's process so far."""
    fields = Path(f"/proc/{vm.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds(machine, initrd, work, extra=()):
    """One boot: the kernel's clock at the line that is waited for, and the processor time up to it."""
    with Vm("bench", work / "vm", initrd=initrd, append=KERNEL_LINE, extra=extra, **machine) as vm:
        vm.console.expect("Linux version", 240)
        before = processor_time(vm)
        clock = float(vm.console.expect(LINE, 240, stop_at="Kernel panic")[1])
        return clock, processor_time(vm) - before


def measure(image, runs, memory):
    """Seconds by name of initramfs: medians by the clock and by processor time, and by counted instructions."""
    qemu = shutil.which("qemu-system-x86_64")
    kernel, initramfs = image / "vmlinuz", image / "initramfs.img"
    machine = dict(accel="tcg", memory=memory, kernel=kernel, qemu=qemu)
    with tempfile.TemporaryDirectory(dir=TOP / "build", prefix="bench-") as folder:
        work = Path(folder)
        init = cpio.archive({"init": compile_init(work)}, mode=0o100755)
        (work / "print.img").write_bytes(init)
        (work / "whole.img").write_bytes(cpio.append(initramfs.read_bytes(), init))
        contenders = {"print only": work / "print.img", "whole, print": work / "whole.img", "image": initramfs}
        counted = {name: seconds(machine, initrd, work, COUNTED)[0] for name, initrd in contenders.items()}
        if runs:
            machine["accel"] = accelerator.choose(qemu, kernel)
        took = {name: [] for name in contenders}
        for turn in range(runs):
            for name, initrd in contenders.items():
                took[name].append(seconds(machine, initrd, work))
                print(f"run {turn + 1}  {name:14s} {took[name][-1][0]:6.2f} s, {took[name][-1][1]:6.2f} s of processor",
                      flush=True)
    clock, processor = ({name: statistics.median(pair[i] for pair in pairs) for name, pairs in took.items() if pairs}
                        for i in (0, 1))
    return clock, processor, counted


def judge(what, values):
    ratio = values["image"] / values["print only"]
    for name, value in values.items():
        print(f"{name:14s} {value:6.2f} s  {value / values['print only']:5.2f} x")
    print(f"{what}: mark {MARK} x {'reached' if ratio <= MARK else 'missed'} at {ratio:.2f} x")
    return ratio <= MARK


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--image", type=Path, default=TOP / "out")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--memory", type=int, default=256)
    options.add_argument("--instructions-only", action="store_true", help="leave the clock out")
    options = options.parse_args()
    for name in ("vmlinuz", "initramfs.img"):
        if not (options.image / name).is_file():
            print(f"boot_time: {options.image / name} is not there; ./build.sh image makes it", file=sys.stderr)
            return 2
    try:
        clock, processor, counted = measure(options.image, 0 if options.instructions_only else options.runs, options.memory)
    except Silence as error:
        print(f"boot_time: {error}", file=sys.stderr)
        return 2
    reached = judge("by counted instructions", counted)
    if clock:
        judge("by processor time", processor)
        reached = judge(f"by the clock, median of {options.runs}", clock)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
