"""Ports for servers that are started later, at a number they are told.

None of those that the kernel gives to whoever connects somewhere: a port that was free when it was chosen would be some
client's by the time its server starts, now and then, where several lanes of tests run at once.
"""

import random
import socket
from pathlib import Path

LOWEST = 12000
GIVEN = set()
DICE = random.SystemRandom()


def first_of_the_kernels():
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768


def is_free(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """One that nobody has, and that nobody in this process was ever given."""
    most = max(first_of_the_kernels(), LOWEST + 5000)
    while True:
        port = DICE.randrange(LOWEST, most)
        if port not in GIVEN and is_free(port):
            GIVEN.add(port)
            return port


def free_ports(count):
    return [free_port() for _ in range(count)]
