"""A DHCPv4 server of one address: CARD ADDRESS [OPTION=HEX]... [deaf=SECONDS] [lease=SECONDS]

deaf: silent for so long after the first question, as a switch port is while spanning tree thinks.
"""

import socket
import struct
import sys
import time

DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5
COOKIE = b"\x63\x82\x53\x63"


def options_of(packet):
    found, at = {}, 240
    while at + 1 < len(packet) and packet[at] != 255:
        if packet[at] == 0:
            at += 1
            continue
        found[packet[at]] = packet[at + 2:at + 2 + packet[at + 1]]
        at += 2 + packet[at + 1]
    return found


def main(card, address, *more):
    words = dict(word.split("=", 1) for word in more)
    deaf, lease = float(words.pop("deaf", 0)), int(words.pop("lease", 600))
    server = socket.inet_aton(address.rsplit(".", 1)[0] + ".1")
    extra = b"".join(bytes([int(code), len(bytes.fromhex(value))]) + bytes.fromhex(value) for code, value in words.items())

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, card.encode() + b"\0")
    sock.bind(("", 67))
    print("ready", flush=True)
    first = None
    while True:
        packet = sock.recv(2048)
        first = first or time.monotonic()
        options = options_of(packet)
        kind = options.get(53, b"\0")[0]
        if kind not in (DISCOVER, REQUEST) or time.monotonic() - first < deaf:
            continue
        answer = OFFER if kind == DISCOVER else ACK
        reply = struct.pack("!BBBBIHH", 2, 1, 6, 0, struct.unpack("!I", packet[4:8])[0], 0, 0x8000)
        reply += bytes(4) + socket.inet_aton(address) + server + bytes(4) + packet[28:44] + bytes(192) + COOKIE
        reply += bytes([53, 1, answer, 54, 4]) + server + bytes([51, 4]) + struct.pack("!I", lease)
        reply += bytes([1, 4, 255, 255, 255, 0]) + extra + b"\xff"
        sock.sendto(reply, ("255.255.255.255", 68))


main(*sys.argv[1:])
