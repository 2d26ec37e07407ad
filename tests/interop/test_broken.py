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
    """Its exit status for status and restore, 2 being a panic, and the directory that it leaves behind.

    The check of status runs beside the command: what it finds first may be told (1) before its panic ends the program (2).
    """
    etcdutl = requirement.need("etcdutl-3.6")
    (tmp_path / "in.db").write_bytes(gzip.decompress((BROKEN / f"{name}.db.gz").read_bytes()))
    said = [subprocess.run([etcdutl, "snapshot", *words], capture_output=True, cwd=tmp_path, timeout=60).returncode
            for words in (["status", "in.db"], ["restore", "in.db", "--data-dir", "d"])]
    status, restore = EXPECT[name]["etcdutl"]
    assert said[0] in ((1, 2) if status == 2 else (status,))
    assert said[1] == restore
    assert (tmp_path / "d").exists() == (name != "empty")
