"""Router advertisements for a prefix, with a name server: CARD PREFIX SERVER; with SERVER "dhcp6:ADDRESS" hosts are told
to ask DHCPv6 instead, and are answered with that address."""

import select
import socket
import struct
import sys

ALL_NODES, DHCP_SERVERS = "ff02::1", "ff02::1:2"
SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, DNS = 1, 2, 3, 5, 23


def advertisement(prefix, server):
    managed = server.startswith("dhcp6:")
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x80 if managed else 0, 1800, 0, 0)
    if not managed:
        message += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
        message += struct.pack("!BBHI", 25, 3, 0, 1200) + socket.inet_pton(socket.AF_INET6, server)
    return message


def options_of(packet):
    at, found = 4, {}
    while at + 4 <= len(packet):
        code, length = struct.unpack("!HH", packet[at:at + 4])
        found[code] = packet[at + 4:at + 4 + length]
        at += 4 + length
    return found


def option(code, value):
    return struct.pack("!HH", code, len(value)) + value


def answer(packet, address):
    asked = options_of(packet)
    if packet[0] not in (SOLICIT, REQUEST) or IA_NA not in asked:
        return None
    lease = option(IA_ADDRESS, socket.inet_pton(socket.AF_INET6, address) + struct.pack("!II", 600, 600))
    return bytes([ADVERTISE if packet[0] == SOLICIT else REPLY]) + packet[1:4] + option(CLIENT_ID, asked[CLIENT_ID]) + \
        option(SERVER_ID, b"\0\3\0\1\2\0\0\0\0\1") + option(IA_NA, asked[IA_NA][:12] + lease) + \
        option(DNS, socket.inet_pton(socket.AF_INET6, "2001:db8::53"))


def main(card, prefix, server):
    index = socket.if_nametoindex(card)
    router = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    dhcp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    dhcp.bind(("::", 547))
    group = socket.inet_pton(socket.AF_INET6, DHCP_SERVERS) + struct.pack("@I", index)
    dhcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    print("ready", flush=True)
    while True:
        try:
            router.sendto(advertisement(prefix, server), (ALL_NODES, 0, 0, index))
        except OSError:
            pass  # the card's own address is still being checked, or there is no carrier
        readable, _, _ = select.select([dhcp], [], [], 1)
        if readable:
            packet, sender = dhcp.recvfrom(2048)
            reply = answer(packet, server.removeprefix("dhcp6:")) if server.startswith("dhcp6:") else None
            if not reply:
                continue
            try:
                dhcp.sendto(reply, sender)
            except OSError:
                pass  # as above; the client asks again


main(*sys.argv[1:])
