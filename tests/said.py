"""What the programs of a failed test said goes into its report: a failure that comes once must be understood from it."""

import pytest

LINES, WIDTH = 60, 400
NAMES = ("*.log", "log", "*.jsonl")


def ends_of_logs(folder):
    """(path, the last lines) of each log below, the latest one last."""
    found = {path for name in NAMES for path in folder.rglob(name) if path.is_file() and not path.is_symlink()}
    for path in sorted(found, key=lambda path: path.stat().st_mtime):
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - LINES * WIDTH))
            lines = log.read().decode(errors="replace").splitlines()[-LINES:]
        yield path.relative_to(folder), "\n".join(line[:WIDTH] for line in lines)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder and folder.is_dir():
        report.sections += [(f"end of {path}", text) for path, text in ends_of_logs(folder) if text]
