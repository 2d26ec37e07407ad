"""A master of tests/machine/master.py that has started its own disk: does its etcd serve, and which cluster is it?"""

import json
import re
from typing import NamedTuple

from .vm import BOOT

NETWORK = "10.252.1"
# QEMU's own network with the addresses that the masters have; the host is its router.
NIC = f"net={NETWORK}.0/24,host={NETWORK}.1,dhcpstart={NETWORK}.100"
HOST = f"{NETWORK}.1"
# etcd wants more than the oldest; SHA-256 by its own instructions is many times slower in emulation than without them.
CPU = "max,sha-ni=off"
SERVES = 240        # seconds; several times what a busy machine takes
NOT_ON_THE_DISK = r"FAILED|HAS NOT STARTED|Kernel panic - not"
SNAKES = "/registry/configmaps/default/snake-"


class Served(NamedTuple):
    cluster: str        # in hexadecimal, as the program says it
    revision: int
    snakes: list        # the ConfigMaps of the golden snapshot


def on_the_disk(vm, name, seconds=BOOT):
    """A shell of the disk's own system; its kernel line."""
    vm.console.expect(f"{name}: started from its own disk", seconds, stop_at=NOT_ON_THE_DISK)
    vm.console.wake(BOOT)
    return vm.console.run("cat /proc/cmdline").text


def served(vm, seconds=SERVES):
    """Waits until etcd is healthy, and asks it."""
    healthy = vm.console.run(f"n=0; until etcdctl --command-timeout=5s endpoint health 2>/dev/null; do [ $n -lt {seconds} ] || "
                             f"break; n=$((n+3)); sleep 2; done; [ $n -lt {seconds} ]", 3 * seconds)
    assert healthy.status == 0, healthy.text + vm.console.run("tail -n 5 /var/log/pods/etcd.log /var/log/kubelet.log").text
    status = vm.console.run("etcdctl endpoint status -w json", 60).text
    header = json.loads(re.search(r"\[.*\]", status)[0])[0]["Status"]["header"]
    keys = vm.console.run(f"etcdctl get --prefix --keys-only {SNAKES}", 60).text
    return Served(f"{header['cluster_id']:x}", header["revision"],
                  sorted(int(number) for number in re.findall(re.escape(SNAKES) + r"(\d+)", keys)))


def stop_serving(vm):
    """etcd ends and the kubelet does not start it again, not even at the next start; nothing writes to its data any more."""
    kubelet = "/usr/local/bin/kubelet"
    done = vm.console.run(f"printf '#!/bin/sh\\nexec sleep 86400\\n' >{kubelet}.off; chmod 755 {kubelet}.off; "
                          f"mv {kubelet}.off {kubelet}; kill $(cat /run/kubelet.pid); sleep 1; kill $(pidof etcd); "
                          "n=0; while pidof etcd && [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done; ! pidof etcd", 120)
    assert done.status == 0, done.text


def note_that_it_ran(vm):
    """As a login does, and what the image knows by that the disk has run."""
    assert vm.console.run("touch /var/log/wtmp").status == 0
