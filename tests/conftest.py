"""The whole suite's options, markers and rules: what is long, what may be skipped, where the image is."""

import fnmatch
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import requirement

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
ARTEFACTS = TOP / "build" / "test-artefacts"

FAILED = pytest.StashKey[bool]()
REQUIRED = pytest.StashKey[dict]()
SKIPPED = pytest.StashKey[list]()
LONG = pytest.StashKey[int]()

sys.dont_write_bytecode = True
pytest_plugins = ["said"]


def pytest_addoption(parser):
    group = parser.getgroup("etcd-rescue")
    group.addoption("--long", action="store_true", help="also run what is marked long")
    group.addoption("--image", metavar="DIR",
            help="the finished image to test (default: out)")


def read_required():
    """{pattern: what it takes to be required} of required.txt, whose head says how its lines are made."""
    lines = [line.split("#")[0].split() for line in (HERE / "required.txt").read_text().splitlines()]
    lines = [words for words in lines if words]
    for words in lines:
        if len(words) > 1 and (words[1] != "when" or len(words) == 2):
            raise pytest.UsageError(f"required.txt: PATTERN or PATTERN when NAME..., not: {' '.join(words)}")
    return {words[0]: words[2:] for words in lines}


def is_there(name):
    """Does this machine have what a line of required.txt names?"""
    return os.geteuid() == 0 if name == "root" else requirement.find(name) is not None


def name_of(item):
    """A node id relative to tests/, whatever directory pytest was started in."""
    return item.nodeid.removeprefix("tests/")


def matches(name, pattern):
    # Brackets are part of a parametrised test's name here, not a character class.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def pytest_configure(config):
    # A shell starts what it puts into the background with SIGINT ignored, and that is inherited: lanes of
    # run.sh could not be stopped, and programs that are interrupted here would not notice.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[REQUIRED] = read_required()
    config.stash[SKIPPED] = []
    config.stash[LONG] = 0


def is_whole_run(config):
    """True when nothing on the command line narrows the selection, so that a required name must exist."""
    narrowed = config.option.keyword or config.option.markexpr or config.getoption("deselect", None) or \
        config.getoption("ignore", None) or config.getoption("ignore_glob", None)
    return not narrowed and all(Path(arg).resolve() in (HERE, TOP) for arg in config.args)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    names = [name_of(item) for item in items]
    patterns = config.stash[REQUIRED]
    if is_whole_run(config):
        gone = [p for p in patterns if not any(matches(n, p) for n in names)]
        if gone:
            raise pytest.UsageError("required.txt names tests that do not exist: " + ", ".join(gone))
    patterns = [p for p, names in patterns.items() if all(map(is_there, names))]
    for item in items:
        if any(matches(name_of(item), p) for p in patterns):
            item.add_marker("must")
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.stash[LONG] = len(long)
        if long:
            items[:] = [item for item in items if item not in set(long)]
            config.hook.pytest_deselected(items=long)


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        requirement.need(*mark.args)


def clear_away(path):
    """What a test that passed has left behind: disks and databases, more than 50 GB for all of them."""
    if path:
        subprocess.run(["rm", "-rf", "--one-file-system", path], stderr=subprocess.DEVNULL)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A skip of a test that must run is a failure, so that pytest's own last line counts it as one."""
    report = (yield).get_result()
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    if report.when == "teardown" and not item.stash[FAILED]:
        clear_away(item.funcargs.get("tmp_path"))
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if item.get_closest_marker("must"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run and was skipped: {reason}"
    else:
        item.config.stash[SKIPPED].append((item.nodeid, reason))


def pytest_terminal_summary(terminalreporter, config):
    skipped = config.stash[SKIPPED]
    if skipped:
        terminalreporter.section("skipped, by name")
        for name, reason in skipped:
            terminalreporter.line(f"{name}: {reason}")
    if config.stash[LONG]:
        terminalreporter.line(f"{config.stash[LONG]} more with --long")


@pytest.fixture(scope="session")
def top():
    """The project's root."""
    return TOP


@pytest.fixture(scope="session")
def artefacts():
    """Where logs and pictures of a run are left for a person to look at."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def image(pytestconfig):
    """Directory of the finished image; a test that uses it names the files it wants with image_file()."""
    return Path(pytestconfig.getoption("--image") or TOP / "out").resolve()


@pytest.fixture(scope="session")
def image_file(image):
    """image_file("vmlinuz") is that file of the image, or a skip that says how to make it."""
    def get(name):
        path = image / name
        if not path.is_file():
            pytest.skip(f"needs {path}; ./build.sh image makes it")
        return path
    return get
