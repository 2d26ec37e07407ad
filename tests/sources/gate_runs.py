"""Clusters that meet at a gate, by dice: real processes that come late, die, come back with other bytes, lose the store.

run(program, place, seed) plays one and returns what it came to; it raises AssertionError when the gate let somebody
through against the rule. As a program: gate_runs.py PROGRAM PLACE FIRST COUNT [THREADS] plays many and prints the sums.
"""

import collections
import concurrent.futures
import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sources.gate_store import Store

EVERY, WAIT = 0.1, 600  # seconds: between two rounds of a node, and until it gives up, which it does not live to see
FRESH = 12 * EVERY
# Of each node, after the last change there was: what has not come by then never does. A note is fresh for less.
STILL_ROUNDS = 40
HOLDING = 5
# A note that was written now may have been read at the beginning of a round that ends later, on a slow machine.
SLACK, SLACK_LAGS = 1.5, 20
# With more than that, a note of somebody long dead would pass for fresh: such a run is played again.
VAGUE, TRIES = 4, 3
PLAN = """source: file:/none
generation: {generation}
gate: s3://bucket/gate
s3: {{endpoint: "http://127.0.0.1:{port}", region: us-east-1, addressing: path, credentials: none}}
missing: {missing}
"""

Release = collections.namedtuple("Release", "time name bytes")


def need(n):
    return max(n - (n // 2 + 1) + 1, n // 2 + 1)


class Node(threading.Thread):
    """One master: its lives one after the other, as the dice of its own say."""

    def __init__(self, world, index):
        super().__init__(daemon=True)
        self.world, self.index, self.name_ = world, index, f"m{index + 1}"
        self.dice = random.Random(f"{world.seed} {index}")
        self.exits, self.error, self.committed, self.last_bytes = [], None, None, None
        self.waits, self.ended = False, False  # in its last life; after all of them
        self.lives = self.dice.choices([0, 1, 2, 3], [2, 10, 4, 2] if world.n > 1 else [0, 1, 1, 1])[0]

    def bytes(self):
        """(digest, plan id) of this life: the same for all, but for some."""
        if self.world.diverging and self.dice.random() < 0.25:
            return ("e" * 64, self.dice.choice(["a", "b"]) * 64)
        return ("d" * 64, "a" * 64)

    def command(self, what, *more):
        file = self.world.place / f"{self.name_}.yaml"
        file.write_text(PLAN.format(generation=1, port=self.world.store.doors[self.index], missing=self.world.missing))
        members = [f"--member=m{n + 1}" for n in range(self.world.n)]
        return [str(self.world.program), "gate", "--json", "--file", str(file), *members, "--name", self.name_,
                "--digest", what[0], "--plan-id", what[1], "--hardware", f"board {self.index}",
                "--every", str(int(EVERY * 1000)), *more]

    def live(self, last):
        """Stand at the gate; a life that is not the last one is cut short. True: released."""
        what = self.last_bytes = self.bytes()
        with open(self.world.place / f"{self.name_}.log", "ab") as log:
            child = subprocess.Popen(self.command(what, "--wait", str(WAIT)), stdout=subprocess.DEVNULL, stderr=log)
        try:
            if last:
                self.to_the_end(child)
            else:
                child.communicate(timeout=self.dice.uniform(0.1, 2.5))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            # It may have been let through in the very moment; a killed one commits nothing.
            self.exits.append("killed")
            return False
        if child.returncode == 0:
            self.world.releases.append(Release(time.monotonic(), self.name_, what))
        self.exits.append(HOLDING if child.returncode == -signal.SIGKILL else child.returncode)
        return child.returncode == 0

    def to_the_end(self, child):
        """Until it ends; who is left holding is ended."""
        self.waits = True
        self.world.changed()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=0.2)
                return
            if self.world.is_still():
                child.kill()

    def commit(self):
        """From here on its disk is the new one, whatever the store gets to know of it."""
        what = self.last_bytes
        time.sleep(self.dice.uniform(0, 0.6))
        self.committed = what[0]
        for _ in range(20):
            if not subprocess.run(self.command(what, "--tell", "committed"), capture_output=True, check=False,
                                  timeout=60).returncode:
                return
            time.sleep(0.2)

    def run(self):
        try:
            time.sleep(self.dice.uniform(0, 1.5))
            for life in range(self.lives):
                if self.live(life == self.lives - 1):
                    if life < self.lives - 1 and self.dice.random() < 0.4:
                        time.sleep(self.dice.uniform(0, 0.5))
                        self.exits.append("died before its commit")
                    else:
                        self.commit()
                        return
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self.ended = True
            self.world.changed()


class World:
    def __init__(self, program, place, seed):
        dice = random.Random(seed)
        self.program, self.place, self.seed, self.releases = program, Path(place), seed, []
        self.n = [1, 3, 5, 7][seed % 4]
        self.missing = dice.choice(["wait", "proceed", "proceed"])
        self.diverging = dice.random() < 0.35
        self.faults = dice.choice([0, 0.01, 0.03])
        self.cuts = [(dice.randrange(self.n), dice.uniform(0, 3), dice.uniform(0.3, 2.5))
                     for _ in range(dice.randrange(self.n))]
        self.store = Store(self.n, dice.random() < 0.5, self.faults, seed)
        self.nodes, self.calm, self.still, self.lag = [], False, False, 0.0
        self.lock, self.since = threading.Lock(), None

    def changed(self):
        """From here the rounds count anew."""
        with self.lock:
            self.since = list(self.store.requests)

    def is_still(self):
        """Nobody comes, goes or is cut off any more, and those who wait have looked often enough since."""
        with self.lock:
            done = [now - then for now, then in zip(self.store.requests, self.since)]
            self.still = self.still or self.calm and all(node.ended or node.waits and done[node.index] >= STILL_ROUNDS * self.n
                                                         for node in self.nodes)
            return self.still

    def watch(self):
        """How late this machine is with what was to be done by now."""
        while not self.still and not all(node.ended for node in self.nodes):
            before = time.monotonic()
            time.sleep(0.02)
            self.lag = max(self.lag, time.monotonic() - before - 0.02)

    def play(self):
        began = time.monotonic()
        nodes = self.nodes = [Node(self, i) for i in range(self.n)]
        self.changed()
        for node in nodes:
            node.start()
        watcher = threading.Thread(target=self.watch, daemon=True)
        watcher.start()
        events = sorted([(at, True, i) for i, at, _ in self.cuts] + [(at + long, False, i) for i, at, long in self.cuts])
        for at, shut, i in events:
            time.sleep(max(0, began + at - time.monotonic()))
            (self.store.shut.add if shut else self.store.shut.discard)(i)
        self.changed()
        self.calm = True
        for node in nodes:
            node.join(400)
            assert not node.is_alive(), f"seed {self.seed}: {node.name_} does not end"
            if node.error:
                raise node.error
        watcher.join()
        return nodes

    def said(self, name, what, since, until):
        """Did this master say in that time that it has these bytes, or before that it has them for good?"""
        for at, path, note in self.store.history:
            if path.endswith(f"/ready/{name}") and (note["ready"], note["plan"]) == what and at <= until:
                if note["phase"] == "committed" or (note["phase"] in ("ready", "released") and at >= since):
                    return True
        return False

    def slack(self):
        return SLACK + SLACK_LAGS * self.lag

    def check(self, nodes):
        slack = self.slack()
        names = [f"m{n + 1}" for n in range(self.n)]
        committed = {node.name_: node.committed for node in nodes if node.committed}
        assert len(set(committed.values())) <= 1, f"seed {self.seed}: two clusters: {committed}"
        for release in self.releases if self.n > 1 else []:
            opened = any(note["phase"] == "committed" and (note["ready"], note["plan"]) == release.bytes
                         and at <= release.time for at, _, note in self.store.history)
            there = [n for n in names if self.said(n, release.bytes, release.time - FRESH - slack, release.time)]
            wanted = self.n if self.missing == "wait" else need(self.n)
            assert opened or len(there) >= wanted, f"seed {self.seed}: {release} with only {there}"
        self.check_openers(slack)
        for node in nodes:
            kinds = set(e for e in node.exits if isinstance(e, int))
            assert kinds <= {0, HOLDING, 6}, f"seed {self.seed}: {node.name_} ended with {kinds}"
            assert self.diverging or 6 not in kinds, f"seed {self.seed}: {node.name_} was stopped by nobody's bytes"
        if self.n == 1:
            assert not any(self.store.requests), "one master needs no gate"

    def check_openers(self, slack):
        """The first `released` of the same bytes is by the rule, with nothing to lean on but who is there."""
        first = {}
        for at, path, note in self.store.history:
            if note["phase"] == "released":
                first.setdefault((note["ready"], note["plan"]), (at, path))
        for what, (at, path) in first.items():
            there = [f"m{n + 1}" for n in range(self.n) if self.said(f"m{n + 1}", what, at - FRESH - slack, at)]
            wanted = self.n if self.missing == "wait" else need(self.n)
            assert len(there) >= wanted, f"seed {self.seed}: {path} opened with only {there}"

    def must_open(self, nodes):
        """Nobody diverges, and enough stand there to the end: then nobody who stands there is left holding."""
        up = [node for node in nodes if node.lives]
        return not self.diverging and len(up) >= (self.n if self.missing == "wait" else need(self.n))


def run(program, place, seed):
    """One cluster. Returns its facts."""
    world = World(program, place, seed)
    try:
        nodes = world.play()
        world.check(nodes)
    finally:
        world.store.close()
    last = [node.exits[-1] for node in nodes if node.exits]
    return {"seed": seed, "n": world.n, "missing": world.missing, "diverging": world.diverging,
            "vague": world.slack() > VAGUE, "cuts": len(world.cuts), "must": world.must_open(nodes), "committed": sum(bool(n.committed) for n in nodes),
            "up": sum(bool(n.lives) for n in nodes), "released": len(world.releases),
            "stopped": sum(e == 6 for n in nodes for e in n.exits), "holding": sum(e == HOLDING for e in last),
            "killed": sum(e == "killed" for n in nodes for e in n.exits),
            "died": sum(e == "died before its commit" for n in nodes for e in n.exits)}


def play(program, place, seeds, threads=3):
    """Many, some at a time."""
    def one(seed):
        for attempt in range(TRIES):
            there = Path(place) / f"seed-{seed}-{attempt}"
            there.mkdir(parents=True)
            facts = run(program, there, seed)
            if not facts["vague"]:
                break
        return facts
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, seeds))


def sums(facts):
    """What many came to, in numbers."""
    total = collections.Counter()
    for fact in facts:
        total.update({key: value for key, value in fact.items() if key not in ("seed", "n", "missing")})
        total["runs"] += 1
        total[f"n={fact['n']}"] += 1
        total["left holding though it must open"] += fact["must"] and fact["holding"] > 0
    return dict(total)


def main():
    program, place, first, count, *threads = sys.argv[1:]
    facts = play(program, place, range(int(first), int(first) + int(count)), int(threads[0]) if threads else 3)
    for fact in facts:
        if fact["must"] and fact["holding"]:
            print("holding:", fact)
    print(sums(facts))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
