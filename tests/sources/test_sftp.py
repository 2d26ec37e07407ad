"""sftp:// against OpenSSH's own server: who it is, who we are, and what becomes of a file when the line is cut."""

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import time

import pytest

import requirement

from sources import snapshots
from sources.faults import Fault
from sources.memory import peak
from sources.servers import free_port
from sources.sftp_rescue import Rescue
from sources.sshd import fingerprint

HOST_KEYS = ["ed25519", "ecdsa", "ecdsa-384", "ecdsa-521", "rsa"]
USER_KEYS = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-3072"]
CANARY = "CANARY/secret+0%41 CANARY"
PASSWORDS = ["simple", "two words", " blank first and last ", "p@ss:w/rd?#[]&=%41%", "quote'\"\\$(`)!", "ünïcödé €", "-o", "x" * 100]
WINDOW = 2 << 20
DB = snapshots.make(600_000)


@pytest.fixture(scope="module")
def server(sshd):
    """One server with a key of each type, a snapshot, and an accepted key of the user."""
    made = sshd(host_key=["ed25519", "ecdsa", "rsa"], password=CANARY)
    made.put("snapshot.db", DB)
    return made


@pytest.fixture
def at(run, program, tmp_path):
    """at(server, ...): the program at that server, which it knows, with a key that is let in."""
    def make(server, **defaults):
        known = {"known_hosts": server.known_hosts, "identity": server.user_key()}
        return Rescue(run, program, tmp_path, server, **{**known, **defaults})
    return make


# Is it the right server?

@pytest.mark.parametrize("kind", HOST_KEYS)
def test_each_type_of_host_key(sshd, at, kind):
    server = sshd(host_key=kind)
    server.put("snapshot.db", DB)
    assert at(server).fetch() == DB
    assert at(server, known_hosts=None, host_key=server.fingerprint).fetch() == DB
    server.close()


def test_any_key_of_a_server_can_be_pinned(server, at):
    for pin in server.fingerprints:
        assert at(server, known_hosts=None, host_key=pin).fetch() == DB
        assert at(server, known_hosts=None, host_key=pin + "=").fetch() == DB


def test_only_one_of_its_keys_is_known(server, at, tmp_path):
    for number, public in enumerate(server.public_keys):
        known = tmp_path / f"known-{number}"
        known.write_text(f"[{server.host}]:{server.port} {' '.join(public.split()[:2])}\n")
        assert at(server, known_hosts=known).fetch() == DB


def test_hashed_names_in_known_hosts(server, at, tmp_path):
    known = shutil.copy(server.known_hosts, tmp_path / "hashed")
    subprocess.run([requirement.need("ssh-keygen-10.0"), "-H", "-f", known], check=True, capture_output=True)
    assert server.host not in known.read_text()
    assert at(server, known_hosts=known).fetch() == DB


def test_unknown_server_is_refused_with_what_to_put_into_the_plan(server, at, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for known in (empty, None):
        said = at(server, known_hosts=known).fails()
        assert "is not known" in said and "ssh-ed25519" in said
        assert f"--host-key {server.fingerprint} (sftp.host-key in a plan)" in said
    assert "Accepted" not in server.log().splitlines()[-1]


def test_changed_key_is_refused_loudly(sshd, server, at, tmp_path):
    other = sshd()
    known = tmp_path / "changed"
    known.write_text(f"# first\n[{server.host}]:{server.port} {' '.join(other.public_keys[0].split()[:2])}\n")
    said = at(server, known_hosts=known).fails()
    assert f"THE KEY OF {server.host} HAS CHANGED" in said and server.fingerprint in said and "line 2" in said
    said = at(server, known_hosts=None, host_key=other.fingerprint).fails()
    assert "SHOWS ANOTHER KEY" in said and other.fingerprint in said
    other.close()


def test_revoked_key_is_refused(server, at, tmp_path):
    known = tmp_path / "revoked"
    known.write_text(server.known_hosts.read_text() + f"@revoked * {' '.join(server.public_keys[0].split()[:2])}\n")
    assert "revoked" in at(server, known_hosts=known).fails()


def test_md5_fingerprint_is_refused_with_a_hint(server, at):
    done = at(server, known_hosts=None).call(
        "list", server.url, host_key="MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48")
    assert done.returncode and "SHA256:" in done.stderr


def test_named_known_hosts_must_be_there(server, at, tmp_path):
    assert "known_hosts" in at(server, known_hosts=tmp_path / "none").fails()


# Are we let in?

@pytest.mark.parametrize("passphrase", ["", CANARY], ids=["open", "locked"])
@pytest.mark.parametrize("kind", USER_KEYS)
def test_each_type_of_user_key(server, at, kind, passphrase):
    key = server.user_key(kind, passphrase)
    assert key.read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert at(server, identity=key).fetch(secret=passphrase or None) == DB


@pytest.mark.parametrize("passphrase", ["", CANARY], ids=["open", "locked"])
@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("kind", ["ecdsa-256", "rsa-3072"])
def test_older_formats_of_keys(server, at, kind, form, passphrase):
    key = server.user_key(kind, passphrase, ("-m", form))
    assert "OPENSSH" not in key.read_text()
    assert at(server, identity=key).fetch(secret=passphrase or None) == DB


def test_key_as_the_plan_writes_it(server, at):
    assert at(server, identity=f"file:{server.user_key()}").fetch() == DB


def test_rsa_key_signs_with_sha2(server, at):
    at(server, identity=server.user_key("rsa-3072")).fetch()
    assert "ssh-rsa SHA1" not in server.log()


def test_locked_key_without_or_with_the_wrong_passphrase(server, at):
    key = server.user_key("ed25519", CANARY)
    assert "locked with a passphrase, and none was given" in at(server, identity=key).fails()
    assert "does not open with the passphrase" in at(server, identity=key).fails(secret="wrong")


def test_key_that_is_not_accepted(server, at):
    key = server.user_key("ed25519", accepted=False)
    said = at(server, identity=key).fails()
    assert "refuses the key SHA256:" in said and "authorized_keys" in said
    assert fingerprint(key.with_name(key.name + ".pub").read_text()) in said


def test_file_that_is_no_key(server, at, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not a key\n")
    wrong.chmod(0o600)
    assert "no private key of a kind known here" in at(server, identity=wrong).fails()
    assert str(tmp_path / "none") in at(server, identity=tmp_path / "none").fails()


def test_open_mode_of_a_key_is_warned_of(server, at, tmp_path):
    key = tmp_path / "open"
    shutil.copy(server.user_key(), key)
    for mode, warned in ((0o600, False), (0o640, True), (0o644, True)):
        key.chmod(mode)
        rescue = at(server, identity=key)
        rescue.fetch()
        assert ("chmod 600" in rescue.said) == warned


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_with_any_character(sshd, at, password):
    server = sshd(password=password)
    server.put("snapshot.db", DB)
    assert at(server, identity=None).fetch(secret=password) == DB
    server.close()


def test_password_as_the_answer_to_a_question(sshd, at):
    server = sshd(password=CANARY, questions=True)
    server.put("snapshot.db", DB)
    assert at(server, identity=None).fetch(secret=CANARY) == DB
    assert "refuses the password" in at(server, identity=None).fails(secret="wrong")
    server.close()


def test_wrong_password(server, at):
    assert "refuses the password of rescuer" in at(server, identity=None).fails(secret="wrong CANARY")


def test_nothing_to_log_in_with(server, at):
    said = at(server, identity=None).fails()
    assert "a key, a password" in said and "--identity" in said and "sftp.secret" in said


def test_passphrase_is_never_sent_to_the_server(sshd, at):
    server = sshd(password=CANARY)
    key = server.user_key("ed25519", CANARY, accepted=False)
    assert "refuses the key" in at(server, identity=key).fails(secret=CANARY)
    assert "password" not in server.log().split("Server listening", 1)[1]
    server.close()


def test_key_and_password_one_after_the_other(sshd, at):
    server = sshd(password=CANARY, conf="AuthenticationMethods publickey,password")
    server.put("snapshot.db", DB)
    assert at(server).fetch(secret=CANARY) == DB
    said = at(server).fails()
    assert "password" in said
    server.close()


def test_keys_of_the_home_directory(server, at, tmp_path, run, program):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(server.user_key("ecdsa-256"), home / ".ssh" / "id_ecdsa")
    shutil.copy(server.known_hosts, home / ".ssh" / "known_hosts")
    done = run(program, "list", f"{server.url}/snapshot.db", env={"HOME": home})
    assert done.returncode == 0 and "snapshot.db" in done.stdout, done.stderr


# What lies there?

def test_listing_of_a_directory(sshd, at):
    server = sshd()
    for name in ("one.db", "a b%20ü#.db", "node1/two.db", "deep/er/st/three.db", ".hidden.db", ".git/x.db"):
        server.put(name, DB)
    os.symlink("one.db", server.home / "latest.db")
    os.symlink("nowhere", server.home / "broken.db")
    os.symlink("/", server.home / "root")
    os.mkfifo(server.home / "pipe.db")
    os.utime(server.home / "one.db", (1_700_000_000, 1_700_000_000))
    found = at(server).list()
    assert set(found) == {"one.db", "a b%20ü#.db", "node1/two.db", "deep/er/st/three.db", "latest.db"}
    assert found["one.db"]["size"] == len(DB)
    assert "2023-11-14" in json.dumps(found["one.db"])
    for path in ("a%20b%2520%C3%BC%23.db", "node1/two.db", "latest.db"):
        assert at(server).fetch(path) == DB
    assert "neither a file nor a directory" in at(server).fails("pipe.db")
    server.close()


def test_home_directory_and_paths_from_it(server, at):
    host = f"sftp://{server.user}@{server.host}:{server.port}"
    for url in (f"{host}/~/snapshot.db", f"{host}/~/", f"{host}/~", host, f"{host}{server.path}/"):
        assert at(server).fetch(url) == DB


def test_directory_with_many_entries(sshd, at):
    server = sshd()
    (server.home / "many").mkdir()
    for number in range(5000):
        (server.home / "many" / f"snapshot-{number:05}.db").touch()
    found = at(server).list("many")
    assert set(found) == {f"snapshot-{number:05}.db" for number in range(5000)}
    server.close()


def test_missing_and_forbidden_paths(server, at):
    said = at(server).fails("none.db")
    assert f"{server.path}/none.db: there is no such file or directory" in said
    path = server.put("forbidden.db", DB)
    os.chown(path, 0, 0)
    path.chmod(0o600)
    assert "may not read it" in at(server).fails("forbidden.db")
    path.unlink()


def test_server_without_sftp(sshd, at):
    server = sshd(conf="ForceCommand /bin/false")
    assert "has no SFTP" in at(server).fails()
    server.close()


def test_nobody_listens(server, at):
    said = at(server).fails(f"sftp://{server.user}@{server.host}:{free_port()}/x")
    assert "Connection refused" in said


# And when the line is bad?

def cut_often(sshd, faults, at, size, cuts, seed):
    big = snapshots.make(size)
    server = sshd()
    server.put("snapshot.db", big)
    proxy = faults(server.host, server.port, raw=True)
    dice = random.Random(seed)
    proxy.interrupt_at([dice.randrange(10_000, size) for _ in range(cuts)])
    rescue = at(server, known_hosts=None, host_key=server.fingerprint)
    got = rescue.fetch(f"sftp://{server.user}@localhost:{proxy.port}{server.path}/snapshot.db")
    assert got == big
    assert proxy.interruptions == cuts
    # Each loss costs one window of requests at most, and a login.
    assert proxy.sent <= size + (cuts + 1) * (WINDOW + 64 * 1024)
    resumed = rescue.said.count("resumed at byte")
    proxy.close()
    server.close()
    return resumed


def test_cut_at_random_points(sshd, faults, at):
    assert cut_often(sshd, faults, at, 8 << 20, 10, 1) >= 5


@pytest.mark.long
def test_cut_at_a_hundred_random_points(sshd, faults, at):
    assert cut_often(sshd, faults, at, 24 << 20, 100, 2) >= 50


def test_keys_are_exchanged_anew_in_between(sshd, at):
    server = sshd(conf="RekeyLimit 1M")
    big = snapshots.make(12 << 20)
    server.put("snapshot.db", big)
    assert at(server).fetch() == big
    server.close()


def test_file_that_changes_between_two_connections(sshd, faults, at):
    big = snapshots.make(6 << 20)
    server = sshd()
    server.put("snapshot.db", big)

    def change(request):
        if request.index == 1:
            time.sleep(1.1)  # a time of SFTP is a whole second
            server.put("snapshot.db", snapshots.make(6 << 20, seed=2))
        return Fault("reset", at=2_000_000) if request.index == 0 else None
    proxy = faults(server.host, server.port, change, raw=True)
    said = at(server, known_hosts=None, host_key=server.fingerprint).fails(
        f"sftp://{server.user}@localhost:{proxy.port}{server.path}/snapshot.db")
    assert "changed on the server after" in said
    proxy.close()
    server.close()


def test_flipped_bits_are_not_taken(sshd, faults, at):
    """SSH sees them by itself; what comes in the end is right."""
    big = snapshots.make(4 << 20)
    server = sshd()
    server.put("snapshot.db", big)
    dice = random.Random(3)
    proxy = faults(server.host, server.port, raw=True, plan=lambda request: Fault(
        "flip", at=dice.randrange(20_000, 500_000), bit=request.index % 8) if request.index < 5 else None)
    rescue = at(server, known_hosts=None, host_key=server.fingerprint)
    assert rescue.fetch(f"sftp://{server.user}@localhost:{proxy.port}{server.path}/snapshot.db") == big
    assert len(proxy.struck) == 5
    proxy.close()
    server.close()


@pytest.mark.long
def test_stalled_line_is_given_up_and_resumed(sshd, faults, at):
    big = snapshots.make(4 << 20)
    server = sshd()
    server.put("snapshot.db", big)
    proxy = faults(server.host, server.port, raw=True, plan=lambda request: Fault(
        "stall", at=1_000_000, seconds=300) if request.index == 0 else None)
    rescue, begun = at(server, known_hosts=None, host_key=server.fingerprint), time.monotonic()
    assert rescue.fetch(f"sftp://{server.user}@localhost:{proxy.port}{server.path}/snapshot.db") == big
    assert 15 < time.monotonic() - begun < 60
    assert "resumed at byte" in rescue.said
    proxy.close()
    server.close()


def test_memory_is_bounded(sshd, at, tmp_path):
    server = sshd()
    with tarfile.open(server.put("backup.tar", b""), "w") as tar:
        for name, size in (("filler.bin", 160 << 20), ("snapshot.db", len(DB))):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(DB) if name == "snapshot.db" else open("/dev/zero", "rb"))
    words = [str(at(server).program), "fetch", "--quiet", f"--known-hosts={server.known_hosts}",
             f"--identity={server.user_key()}", "-o", str(tmp_path / "out"), f"{server.url}/backup.tar"]
    assert peak(words) < 64
    assert (tmp_path / "out").read_bytes() == DB
    server.close()
