"""Volumes of EBS snapshots while the program is killed, interrupted, or its requests go wrong: none stays.

The cloud and the disks are those of test_ebs.py.
"""

import os
import signal
import threading

import pytest

from sources.ebs import EVENTS, MAIN, MIB, nothing_is_left
from sources.snapshots import make


@pytest.fixture(scope="module")
def requests_of_a_run():
    """What a fetch by id asks, as the tests below found it; see test_the_requests_are_known."""
    return ["DescribeSnapshots", "DescribeVolumes", "CreateVolume", "DescribeVolumes", "DescribeVolumes", "DescribeVolumes",
            "AttachVolume", "DescribeVolumes", "DescribeVolumes", "DescribeVolumes", "DetachVolume", "DescribeVolumes",
            "DescribeVolumes", "DeleteVolume"]


REQUESTS = 14
SHORT = (3, 7, 11, 14)


def test_the_requests_are_known(site, ec2, requests_of_a_run):
    one = ec2.snapshot()
    assert site.fetch(f"ebs:{one}").returncode == 0
    assert ec2.actions() == requests_of_a_run and len(requests_of_a_run) == REQUESTS


@pytest.mark.parametrize("delay", [pytest.param(d, marks=() if d == 0.2 else pytest.mark.long)
                                   for d in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6)])
def test_run_killed_while_it_reads_leaves_nothing_mounted(site, ec2, images, delay):
    """Between the disk's coming and its going: while it is looked for, mounted, read."""
    site.disks.image = images("ext4", False, snapshot__db=make(4 * MIB))
    one = ec2.snapshot()
    plug, process = ec2.plug, []

    def strike(volume):
        plug(volume)
        threading.Timer(delay, process[0].kill).start()
    ec2.plug = strike
    with ec2.lock:
        process.append(site.start(*site.fetching(f"ebs:{one}")))
    process[0].communicate(timeout=120)
    assert process[0].returncode in (-signal.SIGKILL, 0)
    for device in [d for devices, _, _ in site.disks.loops.values() for d in devices]:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    ec2.plug = plug
    done = site.fetch(f"ebs:{one}")
    assert done.returncode == 0, done.stderr
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [pytest.param(n, marks=() if n in SHORT else pytest.mark.long)
                                    for n in range(1, REQUESTS + 1)])
def test_what_a_killed_run_leaves_the_next_one_takes_away(site, ec2, number, when):
    """kill -9 at each request, before EC2 has carried it out and after."""
    one = ec2.snapshot()
    process = []

    def strike(n, _):
        if n == number:
            process[0].send_signal(signal.SIGKILL)
    with ec2.lock:
        if when == "before":
            ec2.faults[number] = "lost"
        ec2.on_request = strike
        process.append(site.start(*site.fetching(f"ebs:{one}")))
    process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL and len(ec2.requests) == number
    ec2.on_request = None
    done = site.fetch(f"ebs:{one}")
    assert done.returncode == 0, done.stderr
    assert site.arrived() == {MAIN, EVENTS}
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("fault", ["unheard", "lost", ("InternalError", 500), ("UnauthorizedOperation", 403)],
                         ids=["unheard", "lost", "internal", "denied"])
@pytest.mark.parametrize("number", [pytest.param(n, marks=() if n in SHORT else pytest.mark.long)
                                    for n in range(1, REQUESTS + 1)])
def test_fault_of_any_request_costs_no_volume(site, ec2, number, fault):
    one = ec2.snapshot()
    ec2.faults[number] = fault
    done = site.fetch(f"ebs:{one}")
    denied = isinstance(fault, tuple) and fault[1] == 403
    if not denied:
        assert done.returncode == 0, done.stderr
    elif done.returncode:
        assert "add the right" in done.stderr
    if set(ec2.volumes) != ec2.kept:
        assert denied and "the volume is still there" in done.stderr
        assert site.fetch(f"ebs:{one}").returncode == 0
    assert site.arrived() == {MAIN, EVENTS} or done.returncode
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["fetch", "list"])
def test_signal_takes_the_volume_away_at_once(site, ec2, command, number):
    one = ec2.snapshot()
    process = []
    plug = ec2.plug

    def strike(volume):
        plug(volume)
        process[0].send_signal(number)
    ec2.plug = strike
    with ec2.lock:
        process.append(site.start(*(site.fetching(f"ebs:{one}") if command == "fetch" else ["list", f"ebs:{one}"])))
    process[0].communicate(timeout=120)
    assert process[0].returncode == 128 + number
    nothing_is_left(site, ec2)
