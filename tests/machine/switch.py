"""A network between machines, with a way out to this one's loopback; no root, no interface and no port of the host.

	with Switch(3, work, forward={12379: "10.252.1.7:2379"}) as switch:
	    vm = Vm(..., wires=[(switch.wires[0], "52:54:00:fc:01:07")])

It is a QEMU without a machine: a hub of one wire a machine, and its user-mode network as the router NETWORK.1, which is
this host's 127.0.0.1, gives addresses by DHCP from .100 on and forwards ports of ours to machines. A wire outlives the machine at
its end, so that one can be switched off and another be started there.
"""

import os
import socket
import subprocess
from pathlib import Path


class Switch:
    def __init__(self, wires, work, network="10.252.1", forward=None, qemu="qemu-system-x86_64"):
        """forward: port on our loopback -> "ADDRESS:PORT" of a machine."""
        self.router, self.wires, theirs = f"{network}.1", [], []
        work = Path(work)
        work.mkdir(parents=True, exist_ok=True)
        rules = "".join(f",hostfwd=tcp:127.0.0.1:{port}-{goal}" for port, goal in (forward or {}).items())
        argv = [qemu, "-machine", "none", "-nodefaults", "-display", "none", "-netdev",
                f"user,id=router,net={network}.0/24,host={network}.1,dns={network}.2,dhcpstart={network}.100{rules}",
                "-netdev", "hubport,id=hub0,hubid=1,netdev=router"]
        for number in range(1, wires + 1):
            ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            os.set_inheritable(other.fileno(), True)
            argv += ["-netdev", f"dgram,id=wire{number},local.type=fd,local.str={other.fileno()}",
                     "-netdev", f"hubport,id=hub{number},hubid=1,netdev=wire{number}"]
            self.wires.append(ours)
            theirs.append(other)
        with open(work / "switch.err", "wb") as complaints:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
                                            pass_fds=[sock.fileno() for sock in theirs])
        for sock in theirs:
            sock.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        for sock in self.wires:
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
