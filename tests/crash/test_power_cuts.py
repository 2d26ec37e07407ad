"""Power cuts at block level (L1): whatever the disk had written back, what is left is all old, fenced, or all new.

How to read a result, one line a job in build/test-artefacts/power-cuts.txt:

    entries, flushes    of the log of the recorded run
    cuts                disks tried, each different; first/fenced/last/bad: what they held (states.py)
    trees               how many different trees those were; resumed: on how many of them it was run again and had to
                        end complete; second: how many of those took two runs, the most that is allowed
    why, examples       of the bad ones: cut N of the log, with this seed

The two negative controls, "unsynced" and "deleted", must be found bad: else the harness sees nothing, and the good
results mean nothing.  A cut keeps or loses whole blocks of 4 KiB, the sector size that the device told.
Without --long some hundred cuts of each file system; with it 10,000 and more.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import requirement
from crash import blocklog, role, workload

KINDS = ["ext4", "xfs", "btrfs"]
TESTS = Path(__file__).resolve().parent.parent
SEED = 20261121
# workload: cuts to try on each file system, without and with --long
CUTS = {"run": (200, 3500), "rollback": (100, 3000), "again": (0, 3000), "large": (0, 1500)}
ROUNDS = 4


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    reason = blocklog.impossible()
    if reason:
        pytest.skip(reason)
    return blocklog.compile_tool(tmp_path_factory.mktemp("blockdev"))


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """Where the disks are: in memory when there is enough of it."""
    shared = Path("/dev/shm")
    if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 << 30:
        blocklog.sweep(shared, "power-cuts")
        return shared
    return tmp_path_factory.mktemp("disks")


@pytest.fixture(scope="module")
def play(tool, memory, artefacts):
    """play(kind, workload, cuts, ...) -> a future of the result; two at a time."""
    def job(asked):
        done = subprocess.run(["nice", "-n5", sys.executable, "-B", "-m", "crash.replay", json.dumps(asked)], cwd=TESTS,
                              capture_output=True, text=True, timeout=4 * 3600)
        assert done.returncode == 0, done.stderr[-3000:]
        result = json.loads(done.stdout)
        with open(artefacts / "power-cuts.txt", "a") as log:
            log.write(f"{asked['kind']} {asked['workload']}: {json.dumps(result)}\n")
        return result

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield lambda kind, workload, cuts, resume=1, **more: pool.submit(job, {
            "tool": str(tool), "memory": str(memory), "kind": kind, "workload": workload, "cuts": cuts,
            "resume": resume, **{"seed": SEED, **more}})


@pytest.fixture
def kinds():
    """The file systems that can be made and mounted here."""
    modprobe = requirement.find("modprobe")
    if modprobe:  # what is a module is in the list only once it is loaded
        subprocess.run([modprobe, "-aq", *KINDS], check=False)
    known = Path("/proc/filesystems").read_text().split()
    missing = [kind for kind in KINDS if kind not in known]
    if missing:
        pytest.skip(f"this kernel has no {', '.join(missing)}")
    return KINDS


@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_the_harness_finds_torn_files(play, kinds):
    jobs = {kind: play(kind, "unsynced", 100, 0) for kind in kinds}
    for kind, job in jobs.items():
        result = job.result()
        torn = sum(n for why, n in result["why"].items() if "content of neither end" in why)
        assert torn or kind != "ext4", result  # the others may be lucky


@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_the_harness_finds_a_missing_member(play, kinds):
    jobs = {kind: play(kind, "deleted", 100, 0) for kind in kinds}
    for kind, job in jobs.items():
        result = job.result()
        assert sum(n for why, n in result["why"].items() if "member is missing" in why), (kind, result)


@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_the_harness_finds_nothing_where_all_is_synced(play, kinds):
    jobs = {kind: play(kind, "staged", 100) for kind in kinds}
    for kind, job in jobs.items():
        result = job.result()
        assert not result["bad"] and result["first"] and result["last"] and result["resumed"], (kind, result)


@pytest.fixture(scope="module")
def real(play, image_file, tmp_path_factory):
    """The same with the program: real(kind, workload, cuts)."""
    program = str(image_file("etcd-rescue"))
    plans = workload.write_plans(tmp_path_factory.mktemp("plans"))
    role.write_plans(plans, program)
    return lambda kind, name, cuts, seed=SEED: play(kind, name, cuts, program=program, plans=str(plans), seed=seed)


def judge(jobs, between=True):
    """No job has found anything bad, and all have seen both ends and what lies between."""
    for (kind, name), job in jobs.items():
        result = job.result()
        assert not result["bad"], f"{kind}, {name}: {result['bad']} bad: " + "\n".join(result["examples"])
        assert result["first"] and result["last"] and bool(result["fenced"]) == between, (kind, name, result)
        assert result["resumed"] == result["trees"], (kind, name, result)


@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_power_cuts(real, kinds):
    judge({(kind, name): real(kind, name, few) for kind in kinds for name, (few, _) in CUTS.items() if few})


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_power_cuts_with_etcd_on_its_own_partition(real, kinds, count):
    """One disk, so a flush of one file system is one of the other, too."""
    pairs = [f"{root}+{data}" for root, data in zip(kinds, kinds[1:] + kinds[:1])]
    judge({(kind, name): real(kind, name, count) for kind in pairs for name in ("run", "rollback")})


@pytest.mark.parametrize("kind, count", [
    ("ext4", 60), *(pytest.param(kind, 1500, marks=pytest.mark.long) for kind in KINDS)])
@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_power_cuts_with_what_the_first_boot_needs(real, kinds, kind, count):
    """Of a restored node, and of one that joins, whose member goes away."""
    judge({(kind, name): real(kind, name, count) for name in ("installed", "joined")})


@pytest.mark.parametrize("kind, count", [
    ("ext4+ext4", 24), *(pytest.param(kind, 700, marks=pytest.mark.long) for kind in ("ext4+ext4", "xfs+xfs", "xfs+ext4"))])
@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_power_cuts_where_two_members_do_not_fit(real, kinds, kind, count):
    """For a while there is no member where etcd looks, and it must be fenced then."""
    names = ("moved", "moved-back") if count > 100 else ("moved",)
    judge({(kind, name): real(kind, name, count) for name in names})


@pytest.mark.parametrize("kind, every", [
    ("ext4", False), *(pytest.param(kind, True, marks=pytest.mark.long) for kind in KINDS)])
@pytest.mark.parametrize("name, few, many", [("fresh", 12, 400), ("stand-aside", 50, 1500), ("purge-only", 50, 1500)])
@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_power_cuts_where_no_snapshot_is_restored(real, kinds, name, few, many, kind, every):
    """A disk that was never a master's joins; a master stands aside; a node is purged of its pods, by one rename."""
    names = (name, f"{name}-back") if every else (name,)
    judge({(kind, name): real(kind, name, many if every else few) for name in names}, between=name != "purge-only")


@pytest.mark.long
@pytest.mark.needs("gcc", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs")
def test_ten_thousand_power_cuts_of_each_file_system(real, kinds):
    """Recorded anew in each round: no two logs are alike, and one has only so many disks in it."""
    total = dict.fromkeys(kinds, 0)
    for turn in range(ROUNDS):
        jobs = {(kind, name): real(kind, name, many, SEED + turn) for name, (_, many) in CUTS.items() for kind in kinds
                if total[kind] < 10000}
        judge(jobs)
        for (kind, _), job in jobs.items():
            total[kind] += job.result()["cuts"]
    assert min(total.values()) >= 10000, total
