"""Restore and status beside etcdutl and a plain copy, alternating in one run: median, spread, memory, bytes written.

    restore.py SNAPSHOT [--program PATH] [--etcdutl PATH] [--runs N] [--warm] [--memory MIB] [--skip-etcdutl]

The marks are printed with each figure; the exit status is 1 when one is missed. Make a snapshot with fill.py. Cold
means that the snapshot is not in the page cache; what lies below (a virtual disk's own cache) is beyond our reach.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MIB = 1 << 20


def evict(path):
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def load(path):
    with path.open("rb", buffering=0) as file:
        while file.read(4 * MIB):
            pass


class Group:
    """A memory cgroup of its own, version 1 or 2, for as long as the bench runs."""

    def __init__(self, mebibytes):
        self.path = None
        for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            path = Path(root) / f"etcd-rescue-bench-{os.getpid()}"
            try:
                path.mkdir()
                if (path / limit).exists():
                    (path / limit).write_text(str(mebibytes * MIB))
                    self.path = path
                    return
                path.rmdir()
            except OSError:
                continue

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        if self.path:
            self.path.rmdir()


def measure(command, group=None, limit=600):
    """Wall time, processor time, peak memory and bytes sent to the disk of one command and its children."""
    begin = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             preexec_fn=group.enter if group else None)
    ended = None
    while ended is None:
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None and time.monotonic() - begin > limit:
            child.kill()
        time.sleep(0.002)
    wall = time.monotonic() - begin
    io = dict(line.split(": ") for line in Path(f"/proc/{child.pid}/io").read_text().splitlines())
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        said = child.stderr.read().decode(errors="replace")[-300:]
        if wall > limit:
            return {"wall": float("inf"), "cpu": 0, "rss": 0, "written": 0}
        sys.exit(f"restore.py: {command[0]} {command[1]}: status {status}: {said}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024,
            "written": int(io["write_bytes"])}


def bench(cases, runs, prepare, clean, group=None):
    """Alternating, so that what else happens on the machine hits all alike."""
    results = {name: [] for name in cases}
    for _ in range(runs):
        for name, command in cases.items():
            prepare()
            results[name].append(measure(command, group))
            clean()
    for name, runs_of in results.items():
        walls = sorted(run["wall"] for run in runs_of)
        print(f"  {name:18} {statistics.median(walls):7.2f} s ({walls[0]:.2f}-{walls[-1]:.2f})  "
              f"cpu {statistics.median(run['cpu'] for run in runs_of):6.2f} s  "
              f"rss {max(run['rss'] for run in runs_of) / MIB:7.1f} MiB  "
              f"written {statistics.median(run['written'] for run in runs_of) / MIB:8.1f} MiB", flush=True)
    return {name: {key: statistics.median(run[key] for run in runs_of) if key != "rss" else
                   max(run["rss"] for run in runs_of) for key in runs_of[0]} for name, runs_of in results.items()}


class Marks:
    def __init__(self):
        self.missed = 0

    def check(self, what, value, limit, unit=""):
        good = value <= limit
        self.missed += not good
        print(f"  {'met   ' if good else 'MISSED'} {what}: {value:.2f}{unit} (mark {limit}{unit})", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--program", type=Path, default=TOP / "out" / "etcd-rescue")
    parser.add_argument("--etcdutl", type=Path, default=TOP / "build" / "peers" / "bin" / "etcdutl-3.6")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--memory", type=int, metavar="MIB", help="also run ours inside a cgroup of this size")
    parser.add_argument("--skip-etcdutl", action="store_true")
    options = parser.parse_args()
    snapshot, marks = options.snapshot.resolve(), Marks()
    size = snapshot.stat().st_size
    work = Path(tempfile.mkdtemp(prefix="bench.", dir=snapshot.parent))
    out = work / "out"

    def prepare():
        load(snapshot) if options.warm else evict(snapshot)

    def clean():
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True) if out.is_file() else None

    try:
        ours = [options.program, "snapshot", "restore", "--quiet", snapshot, "--data-dir", out]
        cases = {"etcd-rescue": ours, "cp and sync": ["sh", "-c", 'cp "$0" "$1" && sync "$1"', snapshot, out]}
        if not options.skip_etcdutl:
            cases["etcdutl"] = [options.etcdutl, "snapshot", "restore", snapshot, "--data-dir", out]
        print(f"restore of {size / 1e6:.0f} MB, {'warm' if options.warm else 'cold'}, median of {options.runs} (range)")
        got = bench(cases, options.runs, prepare, clean)
        mine = got["etcd-rescue"]
        if "etcdutl" in got:
            marks.check("wall time beside etcdutl", mine["wall"] / got["etcdutl"]["wall"], 0.4, "x")
        marks.check("wall time beside cp and sync", mine["wall"] / got["cp and sync"]["wall"],
                    1.3 if options.warm else 1.15, "x")
        marks.check("peak memory", mine["rss"] / MIB, 32, " MiB")
        # The WAL is preallocated, not written, but for its first page.
        marks.check("bytes written beside the snapshot's", mine["written"] / size, 1.01, "x")

        if options.memory:
            group = Group(options.memory)
            if not group.path:
                print("  skipped: no memory cgroup can be made here")
            else:
                print(f"restore inside {options.memory} MiB")
                inside = bench({"etcd-rescue": ours}, options.runs, prepare, clean, group)
                marks.check("wall time beside without", inside["etcd-rescue"]["wall"] / mine["wall"], 1.3, "x")
                group.remove()

        print("status")
        cases = {"etcd-rescue": [options.program, "snapshot", "status", "--quiet", snapshot]}
        if not options.skip_etcdutl:
            cases["etcdutl"] = [options.etcdutl, "snapshot", "status", snapshot]
        got = bench(cases, options.runs if options.warm else min(options.runs, 3), prepare, clean)
        if "etcdutl" in got:
            marks.check("wall time beside etcdutl", got["etcd-rescue"]["wall"] / got["etcdutl"]["wall"],
                        0.5 if options.warm else 0.1, "x")
        marks.check("peak memory", got["etcd-rescue"]["rss"] / MIB, 64, " MiB")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if marks.missed else 0)


if __name__ == "__main__":
    main()
