"""What etcdutl does with the broken snapshots of tests/golden/broken: for people who come from there."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

import requirement

BROKEN = Path(__file__).resolve().parents[1] / "golden" / "broken"
EXPECT = json.loads((BROKEN / "expect.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECT))
@pytest.mark.needs("etcdutl-3.6")
def test_what_etcdutl_does_with_it(tmp_path, name):
    """Its exit status for status and restore, 2 being a panic, and the directory that it leaves behind."""
    etcdutl = requirement.need("etcdutl-3.6")
    (tmp_path / "in.db").write_bytes(gzip.decompress((BROKEN / f"{name}.db.gz").read_bytes()))
    said = [subprocess.run([etcdutl, "snapshot", *words], capture_output=True, cwd=tmp_path, timeout=60).returncode
            for words in (["status", "in.db"], ["restore", "in.db", "--data-dir", "d"])]
    assert said == EXPECT[name]["etcdutl"]
    assert (tmp_path / "d").exists() == (name != "empty")
