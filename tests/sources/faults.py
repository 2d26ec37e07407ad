"""A proxy of the tests' own that stands before a server and does to its answers what networks and stores do.

    plan(request) -> None, or one Fault, for each request; with raw=True for each connection

It understands HTTP far enough to know where a request and a body begin; raw, it passes bytes (TLS too) and counts from
the first byte of the connection's answers. `at` counts bytes of the body; with whole=True of the head, too.
"""

import contextlib
import fcntl
import socket
import ssl
import struct
import termios
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate

PIECE = 16384
HEAD_MAX = 65536
BYTE_KINDS = ("reset", "cut", "stall", "trickle", "flip")


@dataclass
class Fault:
    """What happens to one answer. Kinds:

    reset       the connection is reset after `at` bytes, all before having arrived
    cut         the connection ends in good order after `at` bytes, whatever was promised
    stall       silence after `at` bytes for `seconds`, then it goes on
    trickle     from `at` on one byte each `seconds`, `count` of them, then it goes on
    flip        one bit of byte `at` is the other one
    extra       `body` after the promised end
    shorter     the body without its end from `at` on, and a length that says so
    status      an answer of its own: `status`, `headers`, `body`; the server is not asked
    header      `headers` in place of the server's; None takes one away
    whole       a range is answered 200 with the whole object
    loop        redirected to where it came from
    """

    kind: str
    at: int = 0
    seconds: float = 0
    count: int = 16
    bit: int = 0
    status: int = 503
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False


@dataclass
class Request:
    """What was asked, and, afterwards, what was done: .status, .sent bytes of the body, .struck: the fault did happen."""

    index: int
    method: str = ""
    target: str = ""
    headers: dict = field(default_factory=dict)
    fault: Fault = None
    status: int = 0
    sent: int = 0
    struck: bool = False

    @property
    def range(self):
        """(first, last or None) of the asked range, or None."""
        value = self.headers.get("range", "")
        if not value.startswith("bytes=") or value.startswith("bytes=-"):
            return None
        first, _, last = value.removeprefix("bytes=").partition("-")
        return int(first), int(last) if last else None


class Closed(Exception):
    """This connection is over."""


class Reset(Closed):
    """It ends without a goodbye."""


class Proxy:
    """.port, .url, .requests in the order they came, .close(). `plan` may be exchanged at any time.

    interrupt_at(totals) resets every connection that is sending whenever so many bytes of bodies have been sent in all.
    """

    def __init__(self, host, port, plan=None, raw=False, certificate=None):
        self.plan, self.requests, self._upstream, self._raw = plan or (lambda request: None), [], (host, port), raw
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._lock, self._open, self.closing = threading.Lock(), set(), threading.Event()
        self._totals, self._total, self.interruptions, self._busy = [], 0, 0, 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://localhost:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            left = list(self._open)
        for sock in left:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def settle(self, patience=5):
        """Waits until nothing is under way: who has an answer is ahead of who counts what was sent."""
        deadline = time.monotonic() + patience
        while self._busy and time.monotonic() < deadline:
            time.sleep(0.001)

    @property
    def struck(self):
        """The faults that did happen."""
        self.settle()
        return [request.fault for request in self.requests if request.struck]

    @property
    def sent(self):
        """Bytes of bodies that went to the client, of all requests."""
        self.settle()
        return sum(request.sent for request in self.requests)

    def interrupt_at(self, totals):
        self._totals = sorted(totals, reverse=True)

    def count(self, number):
        """So many bytes more went to a client."""
        with self._lock:
            self._total += number
            while self._totals and self._total >= self._totals[-1]:
                self._totals.pop()
                self.interruptions += 1

    def _accept(self):
        while not self.closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _new_request(self, **known):
        with self._lock:
            request = Request(len(self.requests), **known)
            self.requests.append(request)
            self._busy += 1
        request.fault = self.plan(request)
        request.struck = bool(request.fault) and request.fault.kind not in BYTE_KINDS
        return request

    def _serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(client)
        try:
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            if self._raw:
                self._pass(client)
            else:
                reader = client.makefile("rb")
                while self._exchange(client, reader):
                    pass
        except Reset:
            reset(client)
        except (OSError, Closed, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(client)
            with contextlib.suppress(OSError):
                client.close()

    # One exchange of HTTP.

    def _exchange(self, client, reader):
        head = read_head(reader)
        if not head:
            return False
        method, target, _ = head[0].split(" ", 2)
        headers = dict_of(head[1:])
        request = self._new_request(method=method, target=target, headers=headers)
        try:
            return self._answer(client, reader, request, head)
        finally:
            self._done()

    def _done(self):
        with self._lock:
            self._busy -= 1

    def _answer(self, client, reader, request, head):
        body = reader.read(int(request.headers.get("content-length", 0)))
        fault = request.fault or Fault("none")
        if fault.kind == "loop":
            fault = Fault("status", status=fault.status if fault.status != 503 else 307,
                          headers={"Location": f"{self.url}{request.target}"})
        if fault.kind == "status":
            request.status = fault.status
            return say(client, request, fault)
        asked = head[1:]
        if fault.kind == "whole":
            asked = [line for line in asked if not line.lower().startswith("range:")]
        with socket.create_connection(self._upstream, 60) as server:
            lines = [line for line in asked if not line.lower().startswith("connection:")]
            server.sendall("\r\n".join([head[0], *lines, "Connection: close", "", ""]).encode("latin-1") + body)
            return self._relay(client, server.makefile("rb"), request, fault)

    def _relay(self, client, answer, request, fault):
        head = read_head(answer)
        if not head:
            raise Closed
        request.status = int(head[0].split(" ")[1])
        headers = dict_of(head[1:])
        length = None if request.method == "HEAD" else int(headers["content-length"]) if "content-length" in headers else None
        lines = [line for line in head[1:] if not line.lower().startswith(("connection:", "keep-alive:"))]
        changed = dict(fault.headers) if fault.kind == "header" else {}
        if fault.kind == "shorter" and length is not None:
            length = min(length, fault.at)
            changed["Content-Length"] = length
        # A wrong length ends with the connection, as it would with a server: else the client could only wait.
        lies = fault.kind == "header" and any(name.lower() in ("content-length", "transfer-encoding") for name in changed)
        for name, value in changed.items():
            lines = [line for line in lines if not line.lower().startswith(name.lower() + ":")]
            lines += [] if value is None else [f"{name}: {value}"]
        ends = request.method != "HEAD" and length is None and request.status not in (204, 304)
        lines.append("Connection: close" if ends else "Connection: keep-alive")
        text = "\r\n".join([head[0], *lines, "", ""]).encode("latin-1")
        sender, before = Sender(client, fault, self, request), len(text) if fault.whole else 0
        try:
            sender.send(text, counted=fault.whole)
            left = 0 if request.method == "HEAD" else length
            while left is None or left > 0:
                piece = answer.read1(PIECE if left is None else min(PIECE, left))
                if not piece:
                    break
                left = None if left is None else left - len(piece)
                sender.send(piece)
            if fault.kind == "extra":
                client.sendall(fault.body)
            # What was promised and did not come from the server shall not be waited for.
            return not ends and not left and not lies and fault.kind != "extra"
        finally:
            request.sent = max(0, sender.passed - before)

    # Bytes, whatever they mean.

    def _pass(self, client):
        request = self._new_request()
        with socket.create_connection(self._upstream, 60) as server:
            upward = threading.Thread(target=pump, args=(client, server), daemon=True)
            upward.start()
            sender = Sender(client, request.fault or Fault("none"), self, request)
            try:
                while piece := server.recv(PIECE):
                    sender.send(piece)
                client.shutdown(socket.SHUT_WR)
            finally:
                request.sent = sender.passed
                # Wakes the other thread: a socket that somebody reads from would stay open.
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RD)
                upward.join()
                self._done()


class Sender:
    """Sends bytes on and does at the fault's place what it says."""

    def __init__(self, client, fault, proxy, request):
        self._client, self._fault, self._proxy, self._request = client, fault, proxy, request
        self._interruptions, self._at, self.passed = proxy.interruptions, 0, 0

    def send(self, data, counted=True):
        if not counted:
            self._client.sendall(data)
            return
        here = self._fault.at - self._at
        # At the very end of a piece it is still this piece's: there may be no other.
        if self._fault.kind in BYTE_KINDS and not self._request.struck and 0 <= here <= len(data) and \
                (self._fault.kind != "flip" or here < len(data)):
            self._request.struck = True
            data = self._strike(data, here)
        self._send(data)

    def _send(self, data):
        self._client.sendall(data)
        self._at += len(data)
        self.passed += len(data)
        self._proxy.count(len(data))
        if self._proxy.interruptions != self._interruptions:
            arrived(self._client)
            raise Reset

    def _strike(self, data, here):
        fault = self._fault
        if fault.kind == "flip":
            return data[:here] + bytes([data[here] ^ 1 << fault.bit]) + data[here + 1:]
        self._send(data[:here])
        if fault.kind in ("reset", "cut"):
            arrived(self._client)
            raise Reset if fault.kind == "reset" else Closed
        if fault.kind == "stall":
            self._proxy.closing.wait(fault.seconds)
            return data[here:]
        for at in range(here, min(here + fault.count, len(data))):
            self._send(data[at:at + 1])
            self._proxy.closing.wait(fault.seconds)
        return data[min(here + fault.count, len(data)):]


def say(client, request, fault):
    """An answer that is the fault's own."""
    headers = {"Content-Length": len(fault.body), "Date": formatdate(usegmt=True), **fault.headers}
    lines = [f"HTTP/1.1 {fault.status} Fault", *(f"{n}: {v}" for n, v in headers.items() if v is not None), "", ""]
    client.sendall("\r\n".join(lines).encode("latin-1") + (b"" if request.method == "HEAD" else fault.body))
    return True


def pump(source, sink):
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    # Also when the client went without a goodbye: the server must not wait for it.
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def arrived(sock, patience=2):
    """Waits until the other side's kernel has all that was sent, so that what was delivered is known."""
    deadline = time.monotonic() + patience
    left = struct.pack("i", 0)
    while time.monotonic() < deadline:
        if struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, left))[0] == 0:
            return
        time.sleep(0.001)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # A TLS socket would say goodbye, and a file made of this socket would keep it open: both must not be.
    with contextlib.suppress(OSError):
        socket.socket(fileno=sock.detach()).close()


def read_head(reader):
    lines, size = [], 0
    while True:
        line = reader.readline(HEAD_MAX)
        size += len(line)
        if not line or size > HEAD_MAX:
            return []
        if line == b"\r\n":
            return lines
        lines.append(line.rstrip(b"\r\n").decode("latin-1"))


def dict_of(lines):
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
