"""What the programs of a failed test said goes into its report: a failure that comes once must be understood from it."""

import contextlib
import fnmatch
import os
from pathlib import Path

import pytest

LINES, WIDTH = 60, 400
NAMES = ("*.log", "log", "*.jsonl")


def logs(folder):
    """(when it was written last, path) of each log below, the latest one last; servers still write and remove some."""
    found = []
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in NAMES)):
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    found.append((path.stat().st_mtime, path))
    return sorted(found)


def ends_of_logs(folder):
    """(path, the last lines) of each of them."""
    for _, path in logs(folder):
        with contextlib.suppress(OSError), path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - LINES * WIDTH))
            lines = log.read().decode(errors="replace").splitlines()[-LINES:]
            yield path.relative_to(folder), "\n".join(line[:WIDTH] for line in lines)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder and folder.is_dir():
        report.sections += [(f"end of {path}", text) for path, text in ends_of_logs(folder) if text]
