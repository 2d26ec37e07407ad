"""Wrong arguments end as they do with etcdutl, so that what calls it can call us."""

import subprocess
from pathlib import Path

import pytest

import requirement

SNAPSHOT = Path(__file__).resolve().parents[1] / "golden" / "etcd-3.6" / "snapshot.db"
ARGUMENTS = [
    "status", "status a b", "status -w BAD", "status -w BAD FILE", "status -w BAD missing-operand more", "status missing",
    "status --bogus FILE", "restore", "restore a b", "restore missing", "restore --bogus FILE",
    "restore FILE --bump-revision x", "restore FILE --bump-revision 5", "restore FILE --mark-compacted",
    "restore FILE --name other", "restore FILE --initial-cluster default=ftp://h:1",
    "restore FILE --initial-advertise-peer-urls http://127.0.0.9:1", "restore FILE --data-dir full",
    "restore FILE --wal-dir full", "status FILE", "restore FILE", "restore FILE --skip-hash-check",
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.needs("etcdutl-3.6")
def test_ends_as_etcdutl_does(image_file, tmp_path, arguments):
    ended = []
    for place, program in (("ours", image_file("etcd-rescue")), ("theirs", requirement.need("etcdutl-3.6"))):
        (tmp_path / place / "full").mkdir(parents=True)
        (tmp_path / place / "full/file").write_text("x")
        words = [str(SNAPSHOT) if word == "FILE" else word for word in arguments.split()]
        ended.append(subprocess.run([program, "snapshot", *words], capture_output=True, cwd=tmp_path / place,
                                    timeout=60).returncode)
    assert ended[0] == ended[1]
