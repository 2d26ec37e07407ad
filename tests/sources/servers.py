"""What every server of these tests needs: a free port, a process that is surely gone afterwards, and certificates."""

import contextlib
import ctypes
import signal
import socket
import subprocess
import time
import urllib.request

from net import authority
from ports import free_port # noqa: F401 (of every server of this kind)

PATIENCE = 120
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with_parent(how):
    """Tests that are killed close nothing: their servers are to end all the same."""
    return lambda: LIBC.prctl(PR_SET_PDEATHSIG, how)


def accepts(port, host="127.0.0.1"):
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def fetch(url, data=None, method=None, headers=None):
    """The body of an answer, straight from the server whatever proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data, headers or {}, method=method)
    with opener.open(request, timeout=PATIENCE) as answer:
        return answer.read()


class Process:
    """A server as a child of the tests, its words in a log. Use close(), or as a context.

    `last` is the signal it gets when the tests end without closing anything.
    """

    def __init__(self, argv, log, last=signal.SIGTERM, **options):
        self.log = log
        with open(log, "ab") as output:
            self.child = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=output, preexec_fn=end_with_parent(last), **options)
        self.pid = self.child.pid

    def wait_until(self, ready, patience=PATIENCE):
        """Returns when ready() is true; tells the log when the process ends or takes too long."""
        deadline = time.monotonic() + patience
        while not ready():
            ended = self.child.poll() is not None
            if ended or time.monotonic() > deadline:
                words = self.log.read_text(errors="replace")[-2000:]
                self.close()
                raise AssertionError(f"{self.child.args[0]} {'ended' if ended else 'is not ready'}: {words}")
            time.sleep(0.02)
        return self

    def wait_for_port(self, port):
        return self.wait_until(lambda: accepts(port))

    def close(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


AUTHORITY = """[ca]
default_ca = own
[own]
database = {0}.index
serial = {0}.serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = optional
"""


class Certificates:
    """A private authority below `work`: .ca is its certificate, .server a key with certificate for the loopback."""

    def __init__(self, work, name="tests", addresses="IP:127.0.0.1,DNS:localhost"):
        work.mkdir(parents=True, exist_ok=True)
        authority.make(work, name, addresses)
        self.work, self.name = work, name
        self.ca, self.server = work / f"{name}.pem", work / f"{name}-server.pem"
        self.key, self.certificate = work / f"{name}-server.key", self.server

    def expire(self):
        """The same again with a certificate of 2020."""
        # Only this command of OpenSSL takes dates in every version.
        (self.work / "ca.conf").write_text(AUTHORITY.format(self.name))
        (self.work / f"{self.name}.index").touch()
        (self.work / f"{self.name}.serial").write_text("77\n")
        subprocess.run(
            ["openssl", "ca", "-batch", "-notext", "-config", "ca.conf", "-in", f"{self.name}.csr", "-cert", self.ca,
             "-keyfile", f"{self.name}.key", "-extfile", f"{self.name}.ext", "-startdate", "20200101000000Z", "-enddate",
             "20200201000000Z", "-out", self.certificate], cwd=self.work, check=True, capture_output=True)
        self.server.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        return self
