"""A network between machines, with a way out to this one's loopback; no root, no interface and no port of the host.

	with Switch(3, work, forward={12379: "10.252.1.7:2379"}) as switch:
	    vm = Vm(..., wires=[(switch.wires[0], "52:54:00:fc:01:07")])
	    switch.unplug(0); ...; switch.plug(0)

A thread of ours carries the frames, by the addresses it has learned. The router is a QEMU without a machine: its user-mode
network has the address NETWORK.1, which is this host's 127.0.0.1, gives addresses by DHCP from .100 on and forwards ports
of ours to machines. It answers for every address it hears of, so it hears only what is meant for it. A wire outlives the
machine at its end: that one can be switched off and another be started there.
"""

import collections
import os
import selectors
import socket
import subprocess
import threading
from pathlib import Path

LONGEST_QUEUE = 2000    # frames for a machine that does not take them; the rest is lost, as on a real wire
ROUTER = 0              # its port; machine n is at port n + 1


class Switch:
    def __init__(self, wires, work, network="10.252.1", forward=None, qemu="qemu-system-x86_64"):
        """forward: port on our loopback -> "ADDRESS:PORT" of a machine."""
        self.router = f"{network}.1"
        work = Path(work)
        work.mkdir(parents=True, exist_ok=True)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(wires + 1)]
        self._ports = [ours for ours, _ in pairs]
        self.wires = [theirs for _, theirs in pairs[1:]]
        self._queues = [collections.deque() for _ in pairs]
        self._place, self._out, self._ended = {}, set(), False
        router = pairs[0][1]
        os.set_inheritable(router.fileno(), True)
        rules = "".join(f",hostfwd=tcp:127.0.0.1:{port}-{goal}" for port, goal in (forward or {}).items())
        with open(work / "switch.err", "wb") as complaints:
            self.process = subprocess.Popen(
                [qemu, "-machine", "none", "-nodefaults", "-display", "none", "-netdev",
                 f"user,id=router,net={network}.0/24,host={network}.1,dns={network}.2,dhcpstart={network}.100{rules}", "-netdev",
                 "hubport,id=hub0,hubid=1,netdev=router", "-netdev", f"dgram,id=wire,local.type=fd,local.str={router.fileno()}",
                 "-netdev", "hubport,id=hub1,hubid=1,netdev=wire"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=complaints, pass_fds=[router.fileno()])
        router.close()
        self._wake, other = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(other, selectors.EVENT_READ, None)
        for number, port in enumerate(self._ports):
            port.setblocking(False)
            self._selector.register(port, selectors.EVENT_READ, number)
        self._thread = threading.Thread(target=self._carry, args=(other,), daemon=True)
        self._thread.start()

    def unplug(self, wire):
        self._out.add(wire + 1)

    def plug(self, wire):
        self._out.discard(wire + 1)

    def _carry(self, wake):
        while not self._ended:
            for key, events in self._selector.select():
                if key.data is None:
                    continue
                if events & selectors.EVENT_WRITE:
                    self._drain(key.data)
                if events & selectors.EVENT_READ:
                    for _ in range(64):
                        try:
                            frame = self._ports[key.data].recv(65536)
                        except OSError:
                            break
                        self._pass_on(frame, key.data)
        wake.close()

    def _pass_on(self, frame, source):
        if source in self._out or len(frame) < 14:
            return
        goal, group = frame[:6], frame[0] & 1
        self._place[frame[6:12]] = source
        known = None if group else self._place.get(goal)
        for port in range(len(self._ports)) if known is None else (known,):
            if port == source or port in self._out or (port == ROUTER and known is None and not group):
                continue
            if len(self._queues[port]) < LONGEST_QUEUE:
                self._queues[port].append(frame)
                self._drain(port)

    def _drain(self, port):
        queue = self._queues[port]
        while queue:
            try:
                self._ports[port].send(queue[0])
            except BlockingIOError:
                break
            except OSError:
                pass        # nobody is at the other end: lost
            queue.popleft()
        self._selector.modify(self._ports[port], selectors.EVENT_READ | (selectors.EVENT_WRITE if queue else 0), port)

    def close(self):
        self._ended = True
        self._wake.send(b"x")
        self._thread.join(10)
        self.process.kill()
        self.process.wait()
        self._selector.close()
        for sock in (*self._ports, *self.wires, self._wake):
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
