"""One system call of a run fails, or is the last one: strace's injection into the static program.

    calls_of(command)                    how often an undisturbed run makes each call
    Sweep(work, frame, base, ...).one(call, how, n)
                                         a fresh copy of the tree, one disturbed run, the verdict, runs again until it
                                         is done; returns an Outcome, whose `wrong` is None or one line

The exit status has to tell the truth about the tree: 0 all new; 1, 2, 3, 5, 6 all old; 4 anything that is allowed.
"""

import collections
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crash import states

# What changes a disk, or makes it durable; a program that is killed elsewhere leaves what it leaves at the next of these.
CHANGES = ["openat", "mkdirat", "write", "pwrite64", "pwritev", "writev", "copy_file_range", "sendfile", "ftruncate",
           "fallocate", "fchown", "fchownat", "fchmod", "fchmodat", "fchmodat2", "fsetxattr", "setxattr", "fremovexattr",
           "utimensat", "linkat", "symlinkat", "renameat", "renameat2", "unlinkat", "rmdir", "unlink", "rename", "mkdir",
           "fsync", "fdatasync", "syncfs", "sync_file_range"]
# What only looks, and may fail as well.
LOOKS = ["read", "pread64", "fstat", "newfstatat", "statx", "faccessat", "faccessat2", "getdents64", "readlinkat", "lseek",
         "fgetxattr", "flistxattr", "getxattr", "listxattr", "openat2", "fstatfs", "statfs", "fcntl", "posix_fadvise",
         "fadvise64", "readv", "close", "ioctl", "flock"]
ERRORS = {"EIO": CHANGES + LOOKS, "ENOSPC": CHANGES,
          "EINTR": ["openat", "openat2", "write", "pwrite64", "read", "pread64", "fallocate", "ftruncate", "copy_file_range",
                    "flock", "fsync", "fdatasync"]}
SWEEPS = {"killed": CHANGES, **ERRORS}
UNTOUCHED = (1, 2, 3, 5, 6)


@dataclass
class Outcome:
    call: str
    how: str
    n: int
    status: object = None
    state: str = ""
    runs: int = 0
    wrong: str = None

    def __str__(self):
        return f"{self.call} {self.n} {self.how}: exit {self.status}, {self.state}, {self.runs} more: {self.wrong}"


def calls_of(strace, command, names):
    """{call: how often}."""
    with tempfile.NamedTemporaryFile("r") as log:
        # Names that this machine's strace or kernel does not have are no fault.
        known = "/^(" + "|".join(names) + ")$"
        subprocess.run([strace, "-f", "-qq", "-o", log.name, f"--trace={known}", *command], check=True, timeout=120,
                       capture_output=True, stdin=subprocess.DEVNULL)
        found = re.findall(r"^\d+ +(?:\[.*?\] )?(\w+)\(", log.read(), re.M)
    return collections.Counter(found)


def last(done):
    """What was said last."""
    return " | ".join(line.strip() for line in done.stderr.strip().splitlines()[-2:])


class Sweep:
    def __init__(self, strace, work, base, frame, directory, work_again=None):
        self.strace, self.work, self.base, self.frame = strace, work, base, frame
        self.directory, self.again = Path(directory), work_again or work

    def disturbed(self, top, call, how, n):
        inject = f"{call}:signal=SIGKILL:when={n}" if how == "killed" else f"{call}:error={how}:when={n}"
        log = top.parent / "strace.log"
        # Signals are not injected into what the kernel's filter has picked out (strace 6.1).
        fast = [] if how == "killed" else ["--seccomp-bpf"]
        done = self.work.call(self.work.command(top), [self.strace, "-f", "-qq", "-o", log, *fast, f"--trace={call}",
                                                       f"--inject={inject}"])
        happened = re.search(r"\(INJECTED\)|\+\+\+ killed by", log.read_text(errors="replace"))
        return done, happened

    def one(self, call, how, n):
        outcome = Outcome(call, how, n)
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="fault-") as directory:
            top = Path(directory) / "top"
            subprocess.run(["cp", "-a", "--sparse=always", self.base, top], check=True)
            self.work.prepare(top)
            done, happened = self.disturbed(top, call, how, n)
            if not happened:
                outcome.wrong = None if done.returncode == 0 else f"not reached, and exit {done.returncode}"
                outcome.state = "not reached"
                return outcome
            outcome.status = done.returncode
            try:
                outcome.state = self.frame.where(states.look(top))
            except states.Mixed as mixed:
                outcome.state, outcome.wrong = "mixed", str(mixed)
                return outcome
            outcome.wrong = self.untrue(outcome, done)
            if not outcome.wrong:
                outcome.wrong = self.converge(top, outcome)
        return outcome

    def untrue(self, outcome, done):
        """What the exit status says that is not so."""
        if outcome.how == "killed":
            return None
        if done.returncode == 0 and outcome.state != "last":
            return f"exit 0, and the tree is {outcome.state}: {last(done)}"
        if done.returncode in UNTOUCHED and outcome.state != "first":
            return f"exit {done.returncode}, and the tree is {outcome.state}: {last(done)}"
        if done.returncode not in (0, 4, *UNTOUCHED):
            return f"exit {done.returncode}: {last(done)}"
        if done.returncode and not done.stderr.strip():
            return f"exit {done.returncode}, and no word about it"
        return None

    def converge(self, top, outcome):
        why = "never run"
        for _ in range(2):
            outcome.runs += 1
            why = self.again.resume(top)
            if not why:
                break
        if why:
            return f"run again: {why}"
        try:
            state = self.frame.where(states.look(top))
        except states.Mixed as mixed:
            return f"run again: {mixed}"
        return None if state == "last" else f"run again, it is {state}"
