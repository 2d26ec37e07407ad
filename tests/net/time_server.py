"""An NTP server that tells this machine's time, on loopback; port 123, since clients know no other."""

import socket
import struct
import threading
import time

SINCE_1900 = 2208988800


def stamp(seconds):
    return struct.pack("!II", int(seconds) + SINCE_1900, int(seconds % 1 * 2 ** 32))


class TimeServer:
    """Raises OSError when the port is taken or not ours to take."""

    def __init__(self):
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", 123))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(0.2)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while not self._end.is_set():
            try:
                packet, sender = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            now = time.time()
            self.asked += 1
            reply = struct.pack("!BBbbII4s", 0x24, 1, packet[2], -20, 0, 0, b"TEST")
            self._socket.sendto(reply + stamp(now) + packet[40:48] + stamp(now) + stamp(time.time()), sender)

    def close(self):
        self._end.set()
        self._thread.join()
        self._socket.close()
