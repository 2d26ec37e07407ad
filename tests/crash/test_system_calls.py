"""Every system call of a restore and of a rollback killed once and failed once (L0): the tree stays whole, the exit
status tells the truth about it, and the next run ends what was begun.

Results, one line a sweep, are in build/test-artefacts/system-calls.txt: how many calls were disturbed, what the trees
held, what the exit statuses were, how many runs it took.  Without --long a few of each call, with it all.
"""

import collections
import concurrent.futures
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import requirement
from crash import blocklog, injection, states, workload

SEED = 20261121
EACH = {"killed": 2, "EIO": 1, "ENOSPC": 1, "EINTR": 1}  # of every call, without --long


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    shared = Path("/dev/shm")
    if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 << 30:
        blocklog.sweep(shared, "system-calls")
        directory = shared / f"system-calls-{os.getpid()}"
        directory.mkdir()
    else:
        directory = tmp_path_factory.mktemp("system-calls")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def sweep(image_file, memory, artefacts):
    """sweep("run") -> the Sweep and how often each call is made."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for owners and labels")
    strace = requirement.need("strace")
    plans = workload.write_plans(memory)
    made = {}

    def make(name):
        if name in made:
            return made[name]
        work = workload.WORKLOADS[name]({"program": str(image_file("etcd-rescue")), "plans": str(plans)})
        base, last = memory / f"base-{name}", memory / f"last-{name}"
        base.mkdir()
        workload.make_master(work.program, base)
        subprocess.run(["cp", "-a", "--sparse=always", base, last], check=True)
        work.prepare(last)
        before = states.look(last)
        calls = injection.calls_of(strace, work.command(last), injection.CHANGES + injection.LOOKS)
        after = states.look(last)
        assert workload.labels_wrong(after) is None
        shutil.rmtree(last)
        frame = states.Frame(before, after)
        made[name] = injection.Sweep(strace, work, base, frame, memory), calls
        return made[name]
    return make


def places(calls, how, every):
    """(call, how, n) of all calls of a sweep, or of some with a fixed seed."""
    choice = random.Random(SEED)
    for call in injection.SWEEPS[how]:
        numbers = range(1, calls[call] + 1)
        if not every:
            numbers = sorted(choice.sample(numbers, min(EACH[how], len(numbers))))
        yield from ((call, how, n) for n in numbers)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "all"])
@pytest.mark.parametrize("how", injection.SWEEPS)
@pytest.mark.parametrize("name", ["run", "rollback", *(pytest.param(name, marks=pytest.mark.long)
                                                      for name in ("again", "installed", "joined"))])
@pytest.mark.needs("strace")
def test_a_call_that_fails_or_is_the_last(sweep, artefacts, name, how, every):
    machine, calls = sweep(name)
    assert calls["fsync"] and calls["renameat2"] and calls["openat"], calls
    todo = list(places(calls, how, every))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = [o for o in pool.map(lambda place: machine.one(*place), todo) if o.state != "not reached" or o.wrong]
    count = {field: dict(collections.Counter(str(getattr(o, field)) for o in outcomes))
             for field in ("state", "status", "runs")}
    wrong = [str(o) for o in outcomes if o.wrong]
    with open(artefacts / "system-calls.txt", "a") as log:
        log.write(json.dumps({"workload": name, "how": how, "all": every, "disturbed": len(outcomes),
                              "calls": len({o.call for o in outcomes}), **count, "wrong": len(wrong)}) + "\n")
        log.writelines(line + "\n" for line in wrong)
    assert outcomes and not wrong, f"{len(wrong)} of {len(outcomes)}: " + "\n".join(wrong[:20])
