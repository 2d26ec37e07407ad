"""One workload on one file system: recorded once, then cut short everywhere, each cut mounted, judged and gone on from.

Run as a program of its own, since it has a mount namespace of its own:

    cd tests && python3 -m crash.replay '{"kind": "ext4", "workload": "staged", "cuts": 1000, ...}'    ->  one JSON object

    cuts        how many power cuts to try: each entry of the log as a prefix, the rest at random with a fixed seed.
                Those that leave the same disk (same entries, same blocks) are tried and counted once.
    resume      after how many of those that leave a tree of their own the workload is run again (1: each, 5: each
                fifth, 0: none).  Two disks with the same tree (names, owners, labels, content, inodes of directories)
                are the same to it.  second: how many needed two runs (a file system may take its time to give the
                room back that an interrupted stage had).

Before any verdict counts, all of the log replayed must give the disk as the recording left it.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from crash import blocklog, role, states, workload


def record(tool, directory, kind, work):
    """Image before, log, frame; raises when a full replay of the log is not the final image."""
    image, base, log = directory / "image", directory / "base", directory / "log"
    blocklog.make_image(image, kind)
    with blocklog.Disk(tool, directory, "record", image, log) as disk, disk.mounted(kind) as top:
        work.populate(top)
    shutil.copy(image, base)
    with blocklog.Disk(tool, directory, "record", image, log) as disk:
        with disk.mounted(kind) as top:
            first = states.look(top)
            work.go(top)
            last = states.look(top)
        final = disk.sum()
    image.unlink()
    entries = blocklog.Log(log)
    with blocklog.Disk(tool, directory, "replay", base, log) as disk:
        start = disk.sum()
        disk.ask(f"cut {len(entries)}")
        if disk.sum() != final:
            raise SystemExit("the log is wrong: all of it replayed is not the disk that was recorded")
        if start == final:
            raise SystemExit("the log is wrong: nothing happened")
    return base, log, entries, states.Frame(first, last, work.fence, work.moved, work.member, work.made)


def cuts(entries, count, seed):
    """(n, seed) in the order of n; seed 0: all of the first n entries are done.

    Where few blocks may be lost, about every choice of them is drawn; where many may, the rest of `count`.  Both ends
    are always among them.
    """
    source = random.Random(seed)
    few, many, pending = [], [], 0
    for n in range(len(entries) + 1):
        if 0 < pending <= 6:
            few += [n] * (2 << pending)
        elif pending:
            many.append(n)
        if n < len(entries):
            pending = 0 if entries.kinds[n] == "f" else pending + max(1, entries.blocks[n])
    chosen = [(n, 0) for n in range(len(entries) + 1)] + [(n, source.randrange(1, 1 << 48)) for n in few]
    if len(chosen) > count:
        chosen = [(0, 0), (len(entries), 0)] + source.sample(chosen, count - 2)
    chosen += [(n, source.randrange(1, 1 << 48)) for n in source.choices(many, k=count - len(chosen) if many else 0)]
    return sorted(chosen)


def replay(tool, directory, kind, work, wanted, resume, seed):
    base, log, entries, frame = record(tool, directory, kind, work)
    result = {"entries": len(entries), "flushes": entries.kinds.count("f"), "cuts": 0, "first": 0, "fenced": 0, "last": 0,
              "bad": 0, "trees": 0, "resumed": 0, "second": 0, "why": {}, "examples": []}
    seen, trees = set(), set()

    def bad(n, chance, why):
        result["bad"] += 1
        result["why"][why[:60]] = result["why"].get(why[:60], 0) + 1
        if len(result["examples"]) < 5:
            result["examples"].append(f"cut {n} of {len(entries)}, seed {chance}: {why}")

    with blocklog.Disk(tool, directory, "replay", base, log) as disk:
        for n, chance in cuts(entries, wanted, seed):
            disk_is = disk.ask(f"lose {n} {chance}" if chance else f"cut {n}")
            if disk_is in seen:
                continue
            seen.add(disk_is)
            result["cuts"] += 1
            try:
                with disk.mounted(kind) as top:
                    inodes = {}
                    now = states.look(top, inodes)
                    try:
                        result[frame.where(now)] += 1
                    except states.Mixed as mixed:
                        bad(n, chance, str(mixed))
                        continue
                    tree = states.fingerprint(now, inodes)
                    if tree in trees:
                        continue
                    trees.add(tree)
                    if not resume or len(trees) % resume:
                        continue
                    result["resumed"] += 1
                    why = work.resume(top)
                    if why:
                        result["second"] += 1
                        why = work.resume(top)
                    if not why:
                        try:
                            end = frame.where(states.look(top), again=True)
                            why = None if end == "last" else f"run again, it is {end}"
                        except states.Mixed as mixed:
                            why = f"run again: {mixed}"
                    if why:
                        bad(n, chance, why)
            except OSError as error:
                bad(n, chance, str(error))
    result["trees"] = len(trees)
    return result


def main():
    asked = json.loads(sys.argv[1])
    blocklog.private_mounts()
    directory = Path(tempfile.mkdtemp(prefix=f"power-cuts-{os.getpid()}-", dir=asked["memory"]))
    began = time.monotonic()
    try:
        work = {**workload.WORKLOADS, **role.WORKLOADS}[asked["workload"]](asked)
        result = replay(asked["tool"], directory, asked["kind"], work, asked["cuts"], asked["resume"], asked["seed"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
