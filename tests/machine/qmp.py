"""QEMU's machine protocol: one JSON object a line, answers in order, events in between."""

import json


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, sock, seconds=120):
        sock.settimeout(seconds)
        self._file = sock.makefile("rwb", buffering=0)
        self._sock = sock
        self.events = []
        self._receive()         # the greeting
        self("qmp_capabilities")

    def _receive(self):
        line = self._file.readline()
        if not line:
            raise QmpError("QEMU closed its control line")
        return json.loads(line)

    def __call__(self, command, **arguments):
        """Run a command, return its result; events that come meanwhile are kept."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._receive()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise QmpError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def close(self):
        self._file.close()
        self._sock.close()
