"""Snapshots that are broken: named golden files, every byte flipped, every cut. Refused with the reason, or harmless.

Harmless means: what is restored equals, byte for byte, what the good snapshot gives. With --long every byte is
flipped, else a sample that is the same every time.
"""

import collections
import gzip
import hashlib
import importlib.util
import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import requirement

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BROKEN = GOLDEN / "broken"
EXPECT = json.loads((BROKEN / "expect.json").read_text())
SNAPSHOT = GOLDEN / "etcd-3.6" / "snapshot.db"
SAMPLE = 500


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def run(program, tmp_path):
    def call(*args):
        return subprocess.run([program, *map(str, args)], capture_output=True, cwd=tmp_path, timeout=60)
    return call


def names():
    found = {path.name.removesuffix(".db.gz") for path in BROKEN.glob("*.db.gz")}
    assert found == set(EXPECT)
    return sorted(found)


def content(name):
    return gzip.decompress((BROKEN / f"{name}.db.gz").read_bytes())


def test_the_files_are_what_their_maker_makes():
    spec = importlib.util.spec_from_file_location("broken", BROKEN / "make.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    made = maker.make()
    assert {name.removesuffix(".db.gz") for name in made} == set(EXPECT)
    # The compressor may differ, what is in it may not.
    for name, data in made.items():
        assert gzip.decompress(data) == gzip.decompress((BROKEN / name).read_bytes()), name


@pytest.mark.parametrize("name", names())
def test_a_broken_snapshot_is_refused_with_the_reason(run, tmp_path, name):
    want, file = EXPECT[name], tmp_path / "in.db"
    file.write_bytes(content(name))
    file.chmod(0o400)

    def nothing_else():
        return [p.name for p in tmp_path.iterdir()] == ["in.db"] and file.read_bytes() == content(name)

    for more in ([], ["--dry-run"], ["--all-members", "--initial-cluster=a=http://a:1,b=http://b:1"]):
        done = run("snapshot", "restore", "in.db", "--data-dir", "made/of/parts", *more)
        assert done.returncode == 1 and not done.stdout, (more, done)
        lines = [line for line in done.stderr.decode().splitlines() if line.startswith("etcd-rescue: ")]
        # What is cut, a dry run looks at as a database first.
        reason = "cut short" if more == ["--dry-run"] and name.startswith("cut-") else want["says"]
        assert len(lines) == 1 and reason in lines[0], (more, done.stderr)
        # What a server saved so is so wherever it was copied to.
        if more != ["--dry-run"] and (name.startswith("sealed-") or name == "cut-and-sealed"):
            assert "take one of another time or member" in lines[0], done.stderr
        assert nothing_else(), more
    for command in (["snapshot", "status"], ["verify"]):
        done = run(*command, "in.db")
        assert done.returncode == want.get("status", 1), (command, done)
        if name.startswith("sealed-"):
            assert want["says"] in done.stderr.decode(), (command, done.stderr)
    done = run("snapshot", "restore", "in.db", "--data-dir", "d", "--skip-hash-check")
    assert (done.returncode == 0) == want.get("skipping", False), done.stderr
    assert want.get("skipping", False) or nothing_else()


def tree(directory):
    """Every file's content, but for the WAL's zeros."""
    return {str(p.relative_to(directory)): hashlib.sha256(head(p)).digest() for p in directory.rglob("*") if p.is_file()}


def head(path):
    with path.open("rb") as file:
        return file.read(1 << 20)


class Trial:
    """Many restores in one place: what each left, and how it ended."""

    def __init__(self, program, place):
        self.program, self.place = program, place
        self.out, self.file = place / "out", place / "in.db"
        self.out.mkdir()
        self.ended = collections.Counter()
        self.good = None

    def restore(self, data, *more):
        self.file.write_bytes(data)
        done = subprocess.run([self.program, "snapshot", "restore", "--quiet", self.file, "--data-dir", self.out / "d", *more],
                              capture_output=True, timeout=60)
        left = tree(self.out)
        said = done.stderr.decode(errors="replace")
        assert done.returncode in (0, 1), f"ended with {done.returncode}: {said}"
        if done.returncode:
            assert not list(self.out.iterdir()), f"left {left}"
            assert said.startswith("etcd-rescue: ") and len(said) > 20, said
        return done.returncode, left

    def clean(self):
        shutil.rmtree(self.out / "d", ignore_errors=True)

    def start(self, data):
        status, self.good = self.restore(data)
        assert status == 0 and len(self.good) == 3
        self.clean()

    def harmless(self, what, data, *more):
        """Refused, or the same as without the damage."""
        status, left = self.restore(data, *more)
        assert status or left == self.good, f"{what}: restored, but not as the good one is"
        self.ended["refused" if status else "harmless"] += 1
        self.clean()


@pytest.fixture
def trial(program, tmp_path):
    return Trial(program, tmp_path)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]


def every_byte_flipped(trial, places):
    good = SNAPSHOT.read_bytes()
    trial.start(good)
    for at in places:
        trial.harmless(f"byte {at}", flipped(good, at))
    return trial.ended


def sealed(body):
    return body + hashlib.sha256(body).digest()


def every_byte_flipped_and_sealed(trial, places):
    """Behind a trailer that fits: refused, or a database in which a real bbolt, where there is one, finds no fault."""
    bbolt = requirement.find("bbolt-3.6")
    body = SNAPSHOT.read_bytes()[:-32]
    for at in places:
        status, _ = trial.restore(sealed(flipped(body, at)))
        if not status and bbolt:
            done = subprocess.run([bbolt, "check", trial.out / "d/member/snap/db"], capture_output=True, timeout=60)
            assert done.returncode == 0, f"byte {at}: {done.stderr}"
        trial.ended["refused" if status else "restored"] += 1
        trial.clean()
    return trial.ended


def sample(size):
    return sorted(random.Random(size).sample(range(size), SAMPLE))


def test_flipped_bytes_are_refused(trial):
    size = SNAPSHOT.stat().st_size
    ended = every_byte_flipped(trial, sample(size))
    assert ended == {"refused": SAMPLE}


@pytest.mark.long
def test_every_flipped_byte_is_refused(trial):
    size = SNAPSHOT.stat().st_size
    ended = every_byte_flipped(trial, range(size))
    print(dict(ended))
    assert ended == {"refused": size}


def test_flipped_bytes_behind_a_right_trailer_never_crash_it(trial):
    """Most of a page is free space, or values: so most are restored."""
    ended = every_byte_flipped_and_sealed(trial, sample(SNAPSHOT.stat().st_size - 32)[::3])
    assert ended["refused"] > 2 and ended["restored"] > 50, ended


@pytest.mark.long
def test_many_flipped_bytes_behind_a_right_trailer_never_crash_it(trial):
    ended = every_byte_flipped_and_sealed(trial, range(0, SNAPSHOT.stat().st_size - 32, 7))
    print(dict(ended))
    assert ended["refused"] > 100 and ended["restored"] > 1000, ended


@pytest.mark.parametrize("version", ["3.4", "3.5", "3.6"])
def test_cut_at_every_page(trial, version):
    """At each 4 KiB, and a trailer's length behind it, with and without the check of the trailer."""
    good = (GOLDEN / f"etcd-{version}" / "snapshot.db").read_bytes()
    trial.start(good)
    for at in range(0, len(good), 4096):
        for more in ([], ["--skip-hash-check"]):
            trial.harmless(f"cut at {at} {more}", good[:at], *more)
            if at + 32 < len(good):
                trial.harmless(f"cut at {at + 32} {more}", good[:at + 32], *more)
    # Cut at its end the trailer alone is gone, and with the flag the database is whole.
    assert trial.ended == {"refused": 2 * len(range(0, len(good), 4096)) + 2 * len(range(0, len(good) - 32, 4096)) - 1,
                           "harmless": 1}, trial.ended
