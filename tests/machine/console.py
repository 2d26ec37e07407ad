"""A serial console: everything it said, waiting for words, and commands with their answers.

A thread drains the line all the time, so that a guest never waits for a reader, and keeps the transcript with the
second each line came. Markers around a command's answer are built from pieces, so that the echo of what was typed
never looks like an answer, whatever the prompt is. It answers the one question every terminal is asked, how large it is.
"""

import re
import threading
import time
from typing import NamedTuple


LINUX_RUNS = "Linux version|Run /init|[Pp]ress Enter"
CURSOR_QUERY, CURSOR_ANSWER = b"\x1b[6n", b"\x1b[50;200R"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DEAD = "Kernel panic - not syncing|Security Violation|Access Denied|UEFI Interactive Shell|No bootable device"


class Silence(Exception):
    """What was waited for did not come. The message ends with the last lines that did."""


class Answer(NamedTuple):
    status: int
    text: str


class Console:
    def __init__(self, sock, transcript):
        """sock: connected socket of the line. transcript: path the log goes to."""
        self._sock = sock
        self._log = open(transcript, "wb", buffering=0)
        self._data = bytearray()
        self._arrived = []      # (length of the transcript, second it had that length)
        self._news = threading.Condition()
        self._closed = False
        self._serial = 0
        self._answered = 0
        self._mark = 0          # where the next expect() starts
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                piece = self._sock.recv(65536)
            except OSError:
                piece = b""
            with self._news:
                if piece:
                    self._data += piece
                    self._arrived.append((len(self._data), time.monotonic()))
                    self._log.write(piece)
                    # Counted over the whole text: a query can come in two pieces.
                    queries = self._data.count(CURSOR_QUERY)
                    if queries > self._answered:
                        self._answered = queries
                        self._sock.send(CURSOR_ANSWER)
                else:
                    self._closed = True
                self._news.notify_all()
            if not piece:
                return

    def close(self):
        self._sock.close()
        self._reader.join(5)
        self._log.close()

    @property
    def text(self):
        """Everything the line said so far."""
        with self._news:
            return self._data.decode("utf-8", "replace")

    def when(self, pattern):
        """The second (time.monotonic) at which the first match of pattern was complete, or None."""
        with self._news:
            found = re.search(pattern.encode(), self._data)
            if not found:
                return None
            return next(second for length, second in self._arrived if length >= found.end())

    def seen(self, pattern, seconds):
        """Wait until pattern is anywhere in what the line has said; the first match, and expect() goes on where it was."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = re.search(pattern.encode(), self._data)
                if found:
                    return found
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    raise Silence(f"{pattern!r} did not come; last lines:\n{self._tail_unlocked()}")
                self._news.wait(left)

    def expect(self, pattern, seconds, stop_at=None):
        """Wait for pattern after what was last expected; returns the match. A match of stop_at ends the wait in error."""
        wanted = re.compile(pattern.encode(), re.S)
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = wanted.search(self._data, self._mark)
                if found:
                    self._mark = found.end()
                    return found
                bad = stop_at and re.search(stop_at.encode(), self._data[self._mark:])
                if bad:
                    raise Silence(f"{bad[0].decode()!r} came instead of {pattern!r}\n{self._tail_unlocked()}")
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    what = "the machine ended" if self._closed else f"{seconds} s passed"
                    raise Silence(f"{what} before {pattern!r} came; last lines:\n{self._tail_unlocked()}")
                self._news.wait(min(left, 1))

    def _tail_unlocked(self):
        return "\n".join(self._data.decode("utf-8", "replace").replace("\r", "").splitlines()[-25:])

    def send(self, text):
        self._sock.sendall(text.encode())

    def wake(self, seconds):
        """Wait for Linux, then press Enter until a shell answers, whatever its prompt is and however slow the boot."""
        deadline = time.monotonic() + seconds
        # Not before: what is typed into a boot loader's menu edits its entries.
        self.expect(LINUX_RUNS, seconds, stop_at=DEAD)
        while True:
            self._serial += 1
            self.send(f"\necho awake-$(({self._serial}+1000))\n")
            try:
                self.expect("awake-1[0-9]{3}\r?\n", min(3, max(0.5, deadline - time.monotonic())), stop_at=DEAD)
                break
            except Silence:
                if self._closed or re.search(DEAD, self.text) or time.monotonic() >= deadline:
                    raise
        # Lines of the kernel in the middle of an answer would spoil it, and so would a line folded at column 80.
        self.run("dmesg -n 1; stty cols 400", 60)

    def run(self, command, seconds=60):
        """Type a command, wait for it to end, return its exit status and what it printed."""
        self._serial += 1
        tag = f"{self._serial:04d}"
        self.send(f"printf '<%s>\\n' begin{tag}; {command}; printf '\\n<%s:%d>\\n' end{tag} $?\n")
        self.expect(f"<begin{tag}>\r?\n", seconds)
        start = self._mark
        found = self.expect(f"\n<end{tag}:([0-9]+)>", seconds)
        body = bytes(self._data[start:found.start()]).decode("utf-8", "replace").replace("\r", "")
        return Answer(int(found[1]), COLOUR.sub("", body).rstrip("\n"))
