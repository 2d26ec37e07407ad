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


def the_kernels():
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return range(int(first), int(last) + 1)
    except OSError:
        return range(32768, 61000)


def is_free(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """One that nobody has, and that nobody in this process was ever given."""
    kernels = the_kernels()
    least, most = (LOWEST, kernels.start) if kernels.start >= LOWEST + 5000 else (max(LOWEST, kernels.stop), 65536)
    # Where all are the kernel's there is no choice.
    if most - least < 1000:
        least, most, kernels = LOWEST, 65536, ()
    while True:
        port = DICE.randrange(least, most)
        if port not in GIVEN and port not in kernels and is_free(port):
            GIVEN.add(port)
            return port


def free_ports(count):
    return [free_port() for _ in range(count)]
