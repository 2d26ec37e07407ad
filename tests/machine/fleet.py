"""Machines by path, at most two at a time: while one is questioned the next one is already starting."""

import pytest

from .vm import Vm
from .ways import PATHS


class Fleet:
    def __init__(self, ways, work, accel, order):
        self._ways, self._work, self._accel, self._order = ways, work, accel, order
        self._running = {}

    def start(self, name, **options):
        """A machine of one's own; the caller closes it."""
        return Vm(name, self._work / name, self._accel, **options)

    def get(self, name):
        """The path's machine, started now if it was not already, while the next one starts behind it."""
        if name not in self._running:
            self._running[name] = self.start(name, **PATHS[name](self._ways))
        later = self._order[self._order.index(name) + 1:] if name in self._order else []
        if later and len(self._running) < 2 and later[0] not in self._running:
            try:
                self._running[later[0]] = self.start(later[0], **PATHS[later[0]](self._ways))
            except (Exception, pytest.skip.Exception):
                pass        # said again, and heard, when its own turn comes
        return self._running[name]

    def done(self, name):
        vm = self._running.pop(name, None)
        if vm:
            vm.close()

    def close(self):
        for name in list(self._running):
            self.done(name)
