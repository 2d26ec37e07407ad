"""OpenSSH's server on a free port, with users, passwords and keys of its own.

It runs in a mount namespace where /etc/passwd, /etc/shadow and /run are the tests': real logins with real
passwords, and nothing of this machine's users is touched or can be used.
"""

import base64
import hashlib
import os
import shlex
import subprocess

import pytest

import requirement

from sources.servers import Process, free_port

USER, UID = "rescuer", 4242
KINDS = {"ed25519": ["-t", "ed25519"], "ecdsa": ["-t", "ecdsa", "-b", "256"], "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
         "ecdsa-384": ["-t", "ecdsa", "-b", "384"], "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
         "rsa": ["-t", "rsa", "-b", "3072"], "rsa-3072": ["-t", "rsa", "-b", "3072"]}

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
{host_keys}
PidFile none
AuthorizedKeysFile /run/sshd/authorized_keys
StrictModes no
SshdSessionPath {session}
SshdAuthPath {auth}
UsePAM {pam}
PasswordAuthentication {password}
KbdInteractiveAuthentication {questions}
PubkeyAuthentication yes
MaxStartups 500
MaxSessions 500
PerSourcePenalties no
LogLevel VERBOSE
{conf}
Subsystem sftp {subsystem}
"""

# A namespace of mounts for the server alone; sshd insists on an own directory below /run and on its own user.
SETUP = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/home/{user}
mount --bind {work}/home /run/home/{user}
touch /run/sshd/authorized_keys
mount --bind {work}/authorized_keys /run/sshd/authorized_keys
mount --bind {work}/passwd /etc/passwd
mount --bind {work}/group /etc/group
mount --bind {work}/shadow /etc/shadow
mount --bind {work}/pam.d /etc/pam.d
exec {sshd} -D -e -f {work}/sshd_config
"""

PAM = "auth required {0}/pam_unix.so\naccount required {0}/pam_permit.so\nsession required {0}/pam_permit.so\n"


def keygen(path, kind, passphrase="", form=()):
    """A new key pair at `path`; form=("-m", "PEM") for the older format."""
    if not path.exists():
        subprocess.run([requirement.need("ssh-keygen-10.0"), "-q", *KINDS[kind], "-N", passphrase, "-C", "tests", *form,
                        "-f", path], check=True, stdin=subprocess.DEVNULL)
    return path


def fingerprint(public):
    """SHA256:..., from a line "type base64 comment"."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class Sshd:
    """.host .port .user .password .home .path .fingerprint .fingerprints .known_hosts .user_key() .log() .close()

    .home is the user's home directory as the tests see it, .path the same as the server calls it. `host_key` is one
    kind or several; `questions` lets the password in as the answer to a question alone; `conf` is more of sshd_config.
    """

    def __init__(self, work, host_key="ed25519", password="correct horse", questions=False, conf="",
                 subsystem="internal-sftp"):
        sshd, session, auth = requirement.need("sshd-10.0", "sshd-session-10.0", "sshd-auth-10.0")
        requirement.need("ssh-keygen-10.0", "unshare", "openssl")
        if os.geteuid() != 0:
            pytest.skip("needs root, for users of its own in a mount namespace")
        work.mkdir(parents=True, exist_ok=True)
        self.work, self.host, self.port = work, "127.0.0.1", free_port()
        self.user, self.password = USER, password
        self.home, self.path = work / "home", f"/run/home/{USER}"
        self.home.mkdir()
        os.chown(self.home, UID, UID)
        self.authorized_keys = work / "authorized_keys"
        self.authorized_keys.touch()
        self._write_users(password, sshd.resolve().parent / "root/usr/lib/x86_64-linux-gnu/security")
        kinds = [host_key] if isinstance(host_key, str) else list(host_key)
        keys = [keygen(work / f"host_{kind}", kind) for kind in kinds]
        self.public_keys = [key.with_suffix(".pub").read_text() for key in keys]
        self.fingerprints = [fingerprint(public) for public in self.public_keys]
        self.fingerprint = self.fingerprints[0]
        self.known_hosts = work / "known_hosts"
        self.known_hosts.write_text("".join(
            f"[{self.host}]:{self.port} {' '.join(public.split()[:2])}\n" for public in self.public_keys))
        (work / "sshd_config").write_text(CONFIG.format(
            port=self.port, work=work, conf=conf, subsystem=subsystem, session=session, auth=auth,
            host_keys="\n".join(f"HostKey {key}" for key in keys), pam="yes" if questions else "no",
            password="no" if questions else "yes", questions="yes" if questions else "no"))
        (work / "setup").write_text(SETUP.format(work=shlex.quote(str(work)), user=USER, sshd=sshd))
        self._log = work / "sshd.log"
        self._process = Process(["unshare", "--mount", "--propagation", "private", "sh", work / "setup"], self._log)
        self.pid = self._process.pid
        self._process.wait_for_port(self.port)

    def _write_users(self, password, modules):
        (self.work / "pam.d").mkdir()
        for name in ("sshd", "other"):
            (self.work / "pam.d" / name).write_text(PAM.format(modules))
        (self.work / "passwd").write_text(
            f"root:x:0:0::/root:/usr/sbin/nologin\nsshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n"
            f"{USER}:x:{UID}:{UID}::/run/home/{USER}:/bin/sh\n")
        (self.work / "group").write_text(f"root:x:0:\nnogroup:x:65534:\n{USER}:x:{UID}:\n")
        crypted = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password + "\n", capture_output=True,
                                 text=True, check=True).stdout.strip()
        (self.work / "shadow").write_text(f"root:*:19000::::::\nsshd:*:19000::::::\n{USER}:{crypted}:19000::::::\n")
        (self.work / "shadow").chmod(0o600)

    @property
    def url(self):
        """Up to and with the home directory, without a slash behind it."""
        return f"sftp://{self.user}@{self.host}:{self.port}{self.path}"

    def user_key(self, kind="ed25519", passphrase="", form=(), accepted=True):
        """The private key's file; the server lets it in unless told not to."""
        name = f"user_{kind}{'_locked' if passphrase else ''}{'_'.join(form)}{'' if accepted else '_stranger'}"
        key = keygen(self.work / name, kind, passphrase, form)
        if accepted:
            public = key.with_name(key.name + ".pub").read_text()
            if public not in self.authorized_keys.read_text():
                with open(self.authorized_keys, "a", encoding="ascii") as file:
                    file.write(public)
        return key

    def put(self, name, data):
        """A file below the home directory, owned by the user."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.chown(path, UID, UID)
        return path

    def log(self):
        return self._log.read_text(errors="replace")

    def close(self):
        self._process.close()
