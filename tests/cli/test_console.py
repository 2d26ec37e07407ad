"""etcd-rescue console on a terminal of its own: what a person sees and types, and what reaches the boot process."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time

import pytest

import requirement

SHELL = 9
WAITING = "state waiting offers={offers} seconds=0 who=\nplan      is here\n"
SECRET = "CANARYsecret+0/key"
PASSPHRASE = "CANARY disk words"


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


class Boot:
    """The boot process's end."""
    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.listener.settimeout(20)
        self.peer = None

    def meet(self, state):
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(20)
        self.say(state)

    def say(self, state):
        self.peer.send(state.encode())

    def hear(self):
        return self.peer.recv(4096).decode()

    def silent(self, seconds=0.5):
        return not select.select([self.peer], [], [], seconds)[0]

    def close(self):
        for s in (self.peer, self.listener):
            if s:
                s.close()


class Person:
    """In front of a terminal."""
    def __init__(self, argv, env=None):
        self.master, slave = pty.openpty()
        self.slave, self.before = slave, termios.tcgetattr(slave)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env={**os.environ, **(env or {})})
        self.text, self.mark = "", 0

    def _read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                pass

    def sees(self, pattern, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            found = re.compile(pattern, re.S).search(self.text, self.mark)
            if found:
                self.mark = found.end()
                return found
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{self.text[-1500:]}"
            self._read(0.2)

    def types(self, text):
        os.write(self.master, text.encode())

    def ends(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text[-1500:]
            self._read(0.1)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def run(tmp_path):
    """The directory of the boot process."""
    path = tmp_path / "run"
    path.mkdir()
    return path


@pytest.fixture
def boot(run):
    boot = Boot(run / "menu")
    yield boot
    boot.close()


@pytest.fixture
def sit(program, run):
    """sit(...) puts somebody in front of a console."""
    people = []

    def begin(*args, env=None):
        people.append(Person([str(program), "console", "--socket", str(run / "menu"), *map(str, args)], env))
        return people[-1]
    yield begin
    for person in people:
        person.close()


def test_without_a_boot_process_enter_is_a_shell(sit):
    person = sit()
    person.sees("Press Enter for a shell")
    person.types("\n")
    assert person.ends() == SHELL


def test_boot_process_that_comes_later_is_found(sit, run):
    person = sit()
    person.sees("Press Enter for a shell")
    late = Boot(run / "menu")
    try:
        late.meet(WAITING.format(offers="s"))
        person.types("?\n")
        person.sees("no such choice")
    finally:
        late.close()


def test_menu_is_shown_and_enter_is_a_shell(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="rpecbls"))
    person.sees("plan      is here.*r   restore now.*s   a shell on this console")
    person.types("\n")
    assert person.ends() == SHELL
    assert boot.hear().startswith("ask shell ")


def test_shell_gets_what_was_typed_ahead(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="s"))
    person.sees("s   a shell")
    person.types("\necho typed-ahead\n")
    assert person.ends() == SHELL
    assert os.read(person.slave, 100) == b"echo typed-ahead\n"


def test_restore_wants_a_yes(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="rs"))
    for answer in ("", "y", "no", "\x03"):
        person.sees("then Enter")
        person.types("r\n")
        person.sees("This replaces etcd")
        person.types(answer + "\n")
        person.sees("Nothing is done")
    assert boot.silent()
    person.types("r\n")
    person.sees("This replaces etcd")
    person.types("yes\n")
    assert boot.hear().split()[:2] == ["ask", "restore"]


def test_choice_that_is_not_offered_is_none(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="bs"))
    person.sees("then Enter")
    person.types("r\nrestore\n")
    person.sees("no such choice.*no such choice")
    assert boot.silent()


def test_whoever_is_late_is_told_who_was_faster(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="rs"))
    person.sees("then Enter")
    person.types("r\n")
    person.sees("This replaces etcd")
    boot.say("state busy offers= seconds=0 who=tty1\nrestore")
    person.types("yes\n")
    person.sees("Too late: restore on tty1")
    assert boot.silent()


def echoes(person, wanted, seconds=20):
    """Until the terminal echoes what is typed, or does not: then the console has heard what boot said."""
    end = time.monotonic() + seconds
    while bool(termios.tcgetattr(person.slave)[3] & termios.ECHO) != wanted:
        assert time.monotonic() < end, "the terminal's mode does not change"
        time.sleep(0.02)


def test_any_key_stops_the_countdown_and_is_not_seen(boot, sit):
    person = sit()
    boot.meet("state countdown offers= seconds=9 who=\n")
    echoes(person, False)
    before = person.text
    person.types("x")
    assert boot.hear().split()[:2] == ["ask", "key"]
    person._read(0.3)
    assert person.text == before
    # The next lines are lines again.
    boot.say(WAITING.format(offers="s"))
    echoes(person, True)
    person.types("nonsense\n")
    person.sees("no such choice")


def test_what_was_typed_before_the_countdown_does_not_stop_it(boot, sit):
    person = sit()
    person.types("abc")
    boot.meet("state countdown offers= seconds=9 who=\n")
    assert boot.silent(1)
    person.types("d")
    assert "key" in boot.hear()


def test_hang_up_is_an_end_and_no_shell(boot, sit):
    person = sit()
    boot.meet(WAITING.format(offers="s"))
    person.sees("then Enter")
    person.types("\x04")
    assert person.ends() == 0


def test_terminal_is_given_back_as_it_was(boot, sit):
    person = sit()
    boot.meet("state countdown offers= seconds=9 who=\n")
    echoes(person, False)
    boot.say(WAITING.format(offers="s"))
    echoes(person, True)
    person.types("s\n")
    assert person.ends() == SHELL
    after = termios.tcgetattr(person.slave)
    assert person.before[:4] == after[:4]


def test_plan_comes_page_by_page(boot, sit, program):
    person = sit(env={"HOME": "/"})
    boot.meet(WAITING.format(offers="ps"))
    person.sees("then Enter")
    person.types("p\n")
    # On a machine without a plan the command says so; with one it is longer than a page.
    person.sees("no plan|-- more")


# Locked images

@pytest.fixture
def locked(tmp_path):
    """locked(text) is a root whose shells are locked by it."""
    def make(text):
        etc = tmp_path / "root" / "etc" / "etcd-rescue"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "shell-password").write_text(text)
        return tmp_path / "root"
    return make


def test_password_guards_what_writes(boot, sit, locked):
    openssl = requirement.need("openssl")
    hashed = subprocess.run([openssl, "passwd", "-6", "-stdin"], input="horse", text=True, capture_output=True,
                            check=True).stdout
    person = sit("--root", locked(hashed))
    boot.meet(WAITING.format(offers="recs"))
    person.sees("then Enter")
    for choice in "rec":
        person.types(choice + "\n")
        person.sees("Password")
        person.types("wrong\n")
        person.sees("not the password")
    assert boot.silent()
    person.types("r\n")
    person.sees("Password")
    person.types("horse\n")
    person.sees("This replaces etcd")
    person.types("yes\n")
    assert "restore" in boot.hear()
    assert "horse" not in person.text


@pytest.mark.parametrize("text", ["off\n", "", "not a hash\n"])
def test_image_that_is_locked_for_good_offers_no_shell_and_no_restore(boot, sit, locked, text):
    person = sit("--root", locked(text))
    boot.meet(WAITING.format(offers="rpecbls"))
    person.sees("p   show the plan.*b   boot this machine")
    assert not re.search("r   restore|s   a shell|e   enter|c   choose", person.text)
    for choice in ("", "s", "r", "e", "c", "l"):
        person.types(choice + "\n")
        person.sees("no such choice")
    assert boot.silent()
    boot.say("state busy offers= seconds=0 who=\n")
    person.types("\n")
    assert boot.silent() and person.process.poll() is None


# Sources and snapshots

@pytest.fixture
def snapshots(tmp_path):
    """Three things that look like snapshots from outside."""
    place = tmp_path / "backup"
    place.mkdir()
    for i, name in enumerate(("etcd-2026-11-20.db", "etcd-2026-11-19.db", "etcd-2026-11-18.db")):
        path = place / name
        path.write_bytes(os.urandom(4096) * 20)
        os.utime(path, (1795000000 - i * 86400,) * 2)
    return place


def test_source_is_typed_in_and_its_secrets_are_kept_in_files_of_root(boot, sit, run, program):
    person = sit()
    boot.meet(WAITING.format(offers="es"))
    person.sees("then Enter")
    person.types("e\n")
    answers = [("Address", "nonsense"), ("Address", "s3://bucket/prefix/"), ("Endpoint", "https://127.0.0.1:1"),
               ("Region", "here"), ("Access key", "AKIDEXAMPLE"), ("Secret key", SECRET), ("Session token", ""),
               ("Snapshot", ""), ("Passphrase", PASSPHRASE), ("Network", "")]
    for question, answer in answers:
        person.sees(question + "[^\n]*: ")
        person.types(answer + "\n")
    # Nobody answers at that address, which is said; whether to go on is the person's choice.
    person.sees("127.0.0.1.*yes, or Enter for no", 150)
    files = {path.name.split("-")[-1]: path for path in (run / "entered").iterdir()}
    assert sorted(files) == ["credentials", "luks", "plan.yaml"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
    assert (run / "entered").stat().st_mode & 0o777 == 0o700
    assert SECRET in files["credentials"].read_text() and files["luks"].read_text() == PASSPHRASE
    assert "CANARY" not in files["plan.yaml"].read_text() and "CANARY" not in person.text
    assert subprocess.run([program, "plan", "--check", files["plan.yaml"]]).returncode == 0
    person.types("yes\n")
    asked = boot.hear().split()
    assert asked[:2] == ["ask", "restore"] and asked[3] == str(files["plan.yaml"])


def test_source_that_is_given_up_leaves_nothing(boot, sit, run, snapshots):
    person = sit()
    boot.meet(WAITING.format(offers="es"))
    person.sees("then Enter")
    person.types("e\n")
    for question, answer in (("Address", str(snapshots)), ("Snapshot", ""), ("Passphrase", PASSPHRASE), ("Network", "")):
        person.sees(question + "[^\n]*: ")
        person.types(answer + "\n")
    person.sees("etcd-2026-11-20.db.*yes, or Enter for no", 60)
    person.types("\n")
    person.sees("given up")
    assert not (run / "entered").exists()
    assert boot.silent()


def test_ctrl_c_in_a_secret_gives_up(boot, sit, run, snapshots):
    person = sit()
    boot.meet(WAITING.format(offers="es"))
    person.sees("then Enter")
    person.types(f"e\n{snapshots}\n\n")
    person.sees("Passphrase[^\n]*: ")
    person.types(PASSPHRASE + "\x03\n")
    person.sees("given up.*then Enter")
    assert not (run / "entered").exists() and "CANARY" not in person.text


def test_another_snapshot_becomes_a_plan_of_its_own(boot, sit, run, program, snapshots):
    given = run / "given.yaml"
    given.write_text(f"source: file:{snapshots}\ngeneration: 7\ncluster: {{token: tkn}}\n")
    shown = subprocess.run([program, "plan", "--file", given], capture_output=True, text=True, check=True).stdout
    (run / "found.yaml").write_text(shown)
    person = sit()
    boot.meet(WAITING.format(offers="cs"))
    person.sees("then Enter")
    person.types("c\n")
    person.sees("1 .*etcd-2026-11-20.*2 .*etcd-2026-11-19.*3 .*etcd-2026-11-18.*Number", 60)
    person.types("2\n")
    person.sees("etcd-2026-11-19.db.*yes, or Enter for no")
    person.types("yes\n")
    asked = boot.hear().split()
    assert asked[:2] == ["ask", "restore"]
    text = open(asked[3]).read()
    assert re.search("etcd-2026-11-19.db", text) and re.search("generation: 7", text) and "tkn" in text
    assert subprocess.run([program, "plan", "--check", asked[3]]).returncode == 0
