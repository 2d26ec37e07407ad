"""The golden files of real etcd are the ones that were made: nobody has edited them."""

import hashlib
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


@pytest.mark.parametrize("version", ["3.4", "3.5", "3.6"])
def test_files_are_as_they_were_made(version):
    directory = GOLDEN / f"etcd-{version}"
    sums = dict(reversed(line.split(maxsplit=1)) for line in (directory / "SHA256SUMS").read_text().splitlines())
    present = {f"./{path.relative_to(directory)}" for path in directory.rglob("*") if path.is_file()}
    assert present - {"./SHA256SUMS"} == set(sums)
    for name, wanted in sums.items():
        assert hashlib.sha256((directory / name).read_bytes()).hexdigest() == wanted, name
