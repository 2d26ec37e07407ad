"""Masters that meet at a gate: over real object stores and web servers, and by dice."""

import json
import subprocess
import time

import pytest

from sources import gate_runs
from sources.gate_store import Store

GOOD, OTHER = "d" * 64, "e" * 64
HOLDING, REFUSED = 5, 6


class Gate:
    """Masters at one place: .stand("m1", ...) starts one, .look() is what a person sees."""

    def __init__(self, program, work, place, keys="", env=None, names=("m1", "m2", "m3")):
        self.program, self.work, self.place, self.keys, self.env, self.names = program, work, place, keys, env or {}, names
        self.children = []

    def command(self, name, *more, missing="proceed", generation=1, keys=None):
        file = self.work / f"plan-{len(self.children)}-{name}.yaml"
        file.write_text(f"source: file:/none\ngate: {self.place}\nmissing: {missing}\ngeneration: {generation}\n"
                        f"{self.keys if keys is None else keys}\n")
        members = [f"--member={n}" for n in self.names]
        return [str(self.program), "gate", "--json", "--verbose", "--file", str(file), *members, *map(str, more)]

    def stand(self, name, digest=GOOD, wait=90, every=200, plan=None, hardware=None, snapshot=None, **plan_keys):
        command = self.command(name, "--name", name, "--digest", digest, "--plan-id", plan or "a" * 64, "--wait", wait,
                               "--every", every, "--hardware", hardware or f"board of {name}", "--snapshot",
                               snapshot or digest, "--token", f"tkn-{digest[:12]}", **plan_keys)
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 env={"PATH": "/usr/bin", "HOME": "/nonexistent", **self.env})
        self.children.append(child)
        return child

    def end(self, child, timeout=120):
        """(exit status, all that it said)"""
        said, _ = child.communicate(timeout=timeout)
        return child.returncode, said

    def call(self, name, *more, **plan_keys):
        return subprocess.run(self.command(name, *more, **plan_keys), capture_output=True, text=True, check=False, timeout=60,
                              env={"PATH": "/usr/bin", "HOME": "/nonexistent", **self.env})

    def tell(self, name, phase, digest=GOOD):
        done = self.call(name, "--name", name, "--digest", digest, "--plan-id", "a" * 64, "--tell", phase)
        assert done.returncode == 0, done.stderr

    def look(self):
        done = self.call("look")
        assert done.returncode == 0, done.stderr
        return {m["name"]: m for m in map(json.loads, done.stdout.splitlines()) if m.get("event") == "member"}

    def wait_for(self, name, seconds=30):
        """Until the place holds a note of this master."""
        end = time.monotonic() + seconds
        while not self.look()[name]["there"]:
            assert time.monotonic() < end, f"{name} said nothing in {seconds} s"

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.communicate()


@pytest.fixture
def gate_at(program, tmp_path):
    """gate_at(place, keys="", env=None, names=...): a Gate, whose masters end with the test."""
    gates = []

    def make(*args, **options):
        gates.append(Gate(program, tmp_path, *args, **options))
        return gates[-1]
    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def store():
    """store(**options): a store without any rules, with three doors."""
    made = []

    def make(**options):
        made.append(Store(3, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


def local(store, door=0):
    return (f's3: {{endpoint: "http://127.0.0.1:{store.doors[door]}", region: us-east-1, addressing: path, '
            f'credentials: none}}')


@pytest.fixture
def at_store(store, gate_at):
    """A gate at a store without any rules."""
    return gate_at("s3://bucket/gate", keys=local(store()))


@pytest.fixture
def at_s3(s3, gate_at):
    keys = f"s3: {{endpoint: \"{s3.endpoint}\", region: {s3.region}, addressing: path, credentials: env}}"
    env = {"AWS_ACCESS_KEY_ID": s3.access, "AWS_SECRET_ACCESS_KEY": s3.secret}
    return gate_at(f"s3://{s3.bucket()}/a/gate", keys=keys, env=env)


@pytest.fixture
def at_web(nginx, work, gate_at):
    root = work("dav")
    server = nginx(root, tls=True, conf="location / { dav_methods PUT; create_full_put_path on; }")
    return gate_at(f"{server.url}/gate/", keys=f"https: {{ca: {server.ca}}}")


def one_dead_one_late(gate):
    """m3 is dead, m2 is late: two of three are enough, and m3 goes on when it comes at last."""
    first = gate.stand("m1")
    gate.wait_for("m1")
    assert first.poll() is None, gate.end(first)
    assert {n: m["there"] for n, m in gate.look().items()} == {"m1": True, "m2": False, "m3": False}
    second = gate.stand("m2")
    for child in (first, second):
        status, said = gate.end(child)
        assert status == 0, said
    gate.tell("m1", "committed")
    status, said = gate.end(gate.stand("m3", missing="wait"))
    assert status == 0 and "m1 has committed the same" in said, said
    assert gate.look()["m1"]["phase"] == "committed"


def one_differs(gate):
    """m3 has another snapshot: all three stop, those that waited too, and say who differs in what."""
    waiting = [gate.stand(n, missing="wait") for n in ("m1", "m2")]
    time.sleep(1.0)
    assert all(child.poll() is None for child in waiting)
    other = gate.stand("m3", digest=OTHER, missing="wait")
    for child in (*waiting, other):
        status, said = gate.end(child)
        assert status == REFUSED, said
        assert "differs in the snapshot" in said and "nobody commits" in said, said
    assert {m["phase"] for m in gate.look().values()} == {"stopped"}


def test_s3(at_s3, s3):
    one_dead_one_late(at_s3)
    # Both say that they know conditional writes; what counts is what was found afterwards.
    assert "conditional writes" in at_s3.end(at_s3.stand("m2"))[1]


def test_s3_one_differs(at_s3):
    one_differs(at_s3)


def test_web(at_web):
    one_dead_one_late(at_web)


def test_web_one_differs(at_web):
    one_differs(at_web)


@pytest.mark.parametrize("conditional", [True, False])
def test_conditional_writes_are_probed(conditional, store, gate_at):
    gate = gate_at("s3://bucket/gate", keys=local(store(conditional=conditional)), names=("m1", "m2"))
    children = [gate.stand("m1"), gate.stand("m2")]
    for child in children:
        status, said = gate.end(child)
        assert status == 0, said
        assert f"s3://bucket/gate {'honours' if conditional else 'does not honour'} conditional writes" in said


def test_one_master_needs_no_gate(store, gate_at):
    place = store()
    gate = gate_at("s3://bucket/gate", keys=local(place), names=("m1",))
    assert gate.end(gate.stand("m1"))[0] == 0
    assert not any(place.requests)


def test_whoever_was_ready_and_died_does_not_count(at_store):
    """Its note is still there when m2 comes, but nobody knows what its disk does now."""
    first = at_store.stand("m1")
    at_store.wait_for("m1")
    first.kill()
    first.wait()
    status, said = at_store.end(at_store.stand("m2", wait=5))
    assert status == HOLDING, said
    assert "m1: no sign of life yet" in said
    assert at_store.look()["m1"]["phase"] == "ready"
    # Whoever gives up says so: it does not count either, at once.
    assert at_store.look()["m2"]["phase"] == "stopped"


def test_wait_is_for_all(at_store):
    children = [at_store.stand(n, missing="wait", wait=4) for n in ("m1", "m2")]
    for child in children:
        status, said = at_store.end(child)
        assert status == HOLDING, said
        assert "missing m3: not there yet" in said


def test_aside_elects_nobody(at_store):
    """Two masters out of the way keep the old cluster from going on, but the third one alone is no new one."""
    at_store.tell("m2", "aside")
    at_store.tell("m3", "aside")
    status, said = at_store.end(at_store.stand("m1", wait=3))
    assert status == HOLDING and "3 of 3 ready" in said, said


def test_generations(at_store):
    """What an older plan left there is ignored, and an older plan is refused where a newer one was."""
    at_store.tell("m1", "committed")
    at_store.tell("m2", "committed")
    children = [at_store.stand(n, generation=2, plan="b" * 64, digest=OTHER) for n in ("m1", "m2")]
    for child in children:
        status, said = at_store.end(child)
        assert status == 0 and "has committed the same" not in said, said
    status, said = at_store.end(at_store.stand("m3", generation=1))
    assert status == REFUSED and "has a plan of generation 2 and this one is of generation 1" in said


def test_two_plans_of_one_generation(at_store):
    """Each master has found another newest snapshot, so that their resolved plans differ."""
    children = [at_store.stand("m1", plan="a" * 64, digest=GOOD), at_store.stand("m2", plan="b" * 64, digest=OTHER)]
    for child in children:
        status, said = at_store.end(child)
        assert status == REFUSED and "differs in the snapshot" in said, said


def test_two_machines_with_one_name(at_store):
    children = [at_store.stand("m1", hardware=f"board {n}") for n in (1, 2)]
    ended = [at_store.end(child) for child in children]
    assert all(status == REFUSED and "another machine calls itself m1" in said for status, said in ended), ended


def test_lost_place(store, gate_at):
    """Whoever cannot reach the place holds and tries again; it decides nothing by what it knew."""
    place = store()
    gate = gate_at("s3://bucket/gate")
    first = gate.stand("m1", keys=local(place, 0))
    time.sleep(1.0)
    place.shut.add(0)
    second = gate.stand("m2", keys=local(place, 1))
    time.sleep(4.0)
    assert first.poll() is None and second.poll() is None
    place.shut.discard(0)
    said = []
    for child in (first, second):
        status, text = gate.end(child)
        assert status == 0, text
        said.append(text)
    assert "trying again" in said[0] and "trying again" not in said[1]


def test_rubbish_at_the_place(store, gate_at):
    """What is no note holds everybody, and names the object; our own name is ours to write."""
    place = store()
    gate = gate_at("s3://bucket/gate", keys=local(place), names=("m1", "m2"))
    place.objects["/bucket/gate/ready/m1"] = b"hello"
    place.objects["/bucket/gate/ready/m2"] = b'{"gate":1,"plan":"x"}'
    status, said = gate.end(gate.stand("m1", wait=3))
    assert status == HOLDING and "ready/m2: 'plan' of the note makes no sense" in said, said
    assert "overwriting it" in said
    place.objects["/bucket/gate/ready/m2"] = b'{"gate":2}'
    status, said = gate.end(gate.stand("m1", wait=3))
    assert status != 0 and "boot the same image on all masters" in said, said


def test_no_bucket_and_no_right(s3, gate_at):
    keys = f"s3: {{endpoint: \"{s3.endpoint}\", region: {s3.region}, addressing: path, credentials: env}}"
    env = {"AWS_ACCESS_KEY_ID": s3.access, "AWS_SECRET_ACCESS_KEY": s3.secret}
    status, said = (gate := gate_at("s3://no-such-bucket-here/gate", keys=keys, env=env)).end(
        gate.stand("m1", wait=2))
    assert status == HOLDING and "no-such-bucket-here" in said, said
    status, said = (gate := gate_at(f"s3://{s3.bucket()}/gate", keys=keys, env={**env, "AWS_SECRET_ACCESS_KEY": "x" * 40})
                    ).end(gate.stand("m1", wait=2))
    assert status == HOLDING and "holding, the old state is intact" in said and "x" * 8 not in said, said


def test_server_without_put(nginx, work, gate_at):
    server = nginx(work("plain"), tls=True)
    gate = gate_at(f"{server.url}/gate/", keys=f"https: {{ca: {server.ca}}}")
    status, said = gate.end(gate.stand("m1"))
    assert status == 1 and "takes no PUT" in said, said


def test_interrupted(at_store):
    """Ctrl-C ends the waiting, and the others know at once."""
    child = at_store.stand("m1")
    at_store.wait_for("m1")
    began = time.monotonic()
    child.terminate()
    status, said = at_store.end(child)
    assert status == REFUSED and "stopped by signal" in said, said
    assert time.monotonic() - began < 45, "it waited to its end"
    assert at_store.look()["m1"]["phase"] == "stopped"


def check(facts):
    sums = gate_runs.sums(facts)
    print(sums)
    assert sums["released"] and sums["killed"] and sums["stopped"], "these dice show nothing"
    assert not sums["left holding though it must open"], [f for f in facts if f["must"] and f["holding"]]


def test_runs_by_dice(program, tmp_path):
    """Twenty clusters of 1, 3, 5 and 7 masters that are late, die, diverge and lose the store, by fixed dice."""
    check(gate_runs.play(program, tmp_path, range(1, 21), threads=4))


@pytest.mark.long
def test_many_runs_by_dice(program, tmp_path):
    check(gate_runs.play(program, tmp_path, range(1000, 1200), threads=4))
