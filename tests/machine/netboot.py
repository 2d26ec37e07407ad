"""What a network boot needs on the other side: a web server, and the offer that sends a firmware to it.

DHCP and TFTP are QEMU's own (-netdev user).

The guest reaches our loopback as 10.0.2.2, so nothing listens on a real interface.
"""

import contextlib
import functools
import http.server
import socket
import struct
import sys
import threading

HOST_SEEN_BY_GUEST = "10.0.2.2"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"       # firmware wants a Content-Length and keeps the connection
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".efi": "application/efi"}

    def log_message(self, *_):
        pass

    def log_request(self, code="-", size="-"):
        self.server.requests.append((self.command, self.path, int(code)))


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Who has seen enough of a file hangs up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def running(server):
    """It answers in a thread of its own, until the end."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def web_server(directory, port=0):
    """Serves a directory on loopback; .url is how the guest names it, .requests what was asked for. port: 0 for any."""
    server = _Server(("127.0.0.1", port), functools.partial(_Handler, directory=str(directory)))
    server.requests = []
    server.url = f"http://{HOST_SEEN_BY_GUEST}:{server.server_port}"
    with running(server):
        yield server


class HttpBootOffer:
    """Answers a firmware's request for HTTP boot with a URL, as a DHCP proxy beside QEMU's own DHCP does.

    It hears the guest's Ethernet frames through a datagram socket and sends frames of its own; addresses still come
    from QEMU. Source: UEFI specification 2.10, 24.7.2 (the vendor class HTTPClient); RFC 2131, RFC 2132.
    """

    COOKIE = b"\x63\x82\x53\x63"
    MAC, ADDRESS = bytes.fromhex("525400aa0001"), bytes([10, 0, 2, 4])

    def __init__(self, url):
        self._url = url.encode()
        self.offers = 0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock, self.fd = ours, theirs.detach()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._sock.close()

    def _serve(self):
        while True:
            try:
                frame = self._sock.recv(65536)
            except OSError:
                return
            if not frame:
                return
            reply = self._answer(frame)
            if reply:
                self.offers += 1
                self._sock.send(reply)

    def _answer(self, frame):
        # IPv4, UDP, to port 67, BOOTREQUEST
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or len(frame) < 282:
            return None
        udp = frame[14 + (frame[14] & 15) * 4:]
        request = udp[8:]
        if udp[2:4] != b"\x00\x43" or request[0] != 1 or request[236:240] != self.COOKIE:
            return None
        options = self._options(request[240:])
        if options.get(53) != b"\x01" or not options.get(60, b"").startswith(b"HTTPClient"):
            return None
        return self._offer(request)

    @staticmethod
    def _options(data):
        found, at = {}, 0
        while at < len(data) and data[at] != 255:
            if data[at] == 0:
                at += 1
                continue
            size = data[at + 1]
            found[data[at]] = data[at + 2:at + 2 + size]
            at += 2 + size
        return found

    def _offer(self, request):
        def option(code, value):
            return bytes([code, len(value)]) + value
        body = b"\x02" + request[1:3] + b"\0" + request[4:8] + b"\0\0" + request[10:12] + bytes(8) + self.ADDRESS + \
            bytes(4) + request[28:44] + bytes(192) + self.COOKIE + option(53, b"\x02") + option(54, self.ADDRESS) + \
            option(60, b"HTTPClient") + option(67, self._url) + b"\xff"
        udp = struct.pack(">HHHH", 67, 68, 8 + len(body), 0) + body     # no checksum, which IPv4 allows
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, self.ADDRESS, b"\xff" * 4)
        total = sum(struct.unpack(">10H", ip))
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + struct.pack(">H", ~total & 0xffff) + ip[12:]
        return b"\xff" * 6 + self.MAC + b"\x08\x00" + ip + udp
