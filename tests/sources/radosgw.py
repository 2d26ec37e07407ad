"""Ceph's object gateway with the smallest cluster that carries it: one monitor, one store in memory, no manager.

The store is put into the monitor's first map, so none of Ceph's own tools of Python is needed.
"""

import json
import re
import signal
import subprocess
import urllib.parse

import requirement

from sources.s3 import S3
from sources.servers import Process, accepts, free_port

FSID = "5a0d5b1e-0c55-4c8e-9d1c-2f1f3b6e7a10"
ACCESS, SECRET = "RGWTESTACCESSKEY", "rgw/test+secret=key"

SETTINGS = """
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon}]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
paxos propose interval = 0.05
run dir = {work}
crash dir = {work}
log file = {work}/$name.log
admin socket = {work}/$name.asok
mon data = {work}/mon
osd data = {work}/osd
keyring = {work}/keyring
plugin dir = {plugins}/ceph
erasure code dir = {plugins}/ceph/erasure-code
[osd]
osd class dir = {plugins}/rados-classes
osd objectstore = memstore
memstore device bytes = 6442450944
[client.rgw.a]
rgw data = {work}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} ssl_certificate={certificate}
rgw dns name = localhost
rgw crypt require ssl = false
[client.rgw.sts]
rgw data = {work}/rgw
rgw dns name = localhost
rgw s3 auth use sts = true
rgw sts key = sixteen-letters.
"""

KEYS = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *"],
    "client.rgw.a": ["mon", "allow rw", "osd", "allow rwx"],
    "client.rgw.sts": ["mon", "allow rw", "osd", "allow rwx"],
    "osd.0": ["mon", "allow profile osd", "osd", "allow *"],
}


class Radosgw(S3):
    """The server of class S3, and .close()."""

    PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "osdmaptool", "radosgw", "radosgw-admin")

    def __init__(self, work, certificates):
        paths = requirement.need(*(f"{name}-18.2" for name in self.PROGRAMS))
        self._programs, self._work, self._children = dict(zip(self.PROGRAMS, paths)), work, []
        port, tls_port, mon, self._sts_port = free_port(), free_port(), free_port(), None
        super().__init__("radosgw", f"http://localhost:{port}", ACCESS, SECRET, "us-east-1",
                         f"https://localhost:{tls_port}", certificates.ca)
        plugins = paths[0].resolve().parent / "root/usr/lib/x86_64-linux-gnu"
        (work / "ceph.conf").write_text(SETTINGS.format(
            fsid=FSID, work=work, mon=mon, port=port, tls_port=tls_port, plugins=plugins, certificate=certificates.server))
        try:
            self._make_cluster(mon)
            self._start("ceph-mon", "-i", "a")
            self._tool("ceph-osd", "-i", "0", "--mkfs")
            self._start("ceph-osd", "-i", "0")
            self._start("radosgw", "-n", "client.rgw.a").wait_until(lambda: accepts(port))
            self._tool("radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests", f"--access-key={ACCESS}",
                       f"--secret-key={SECRET}")
        except BaseException:
            self.close()
            raise

    def _argv(self, name, *words):
        return [self._programs[name], "-c", self._work / "ceph.conf", *words]

    def _tool(self, name, *words, settings=True):
        argv = self._argv(name, *words) if settings else [self._programs[name], *words]
        done = subprocess.run(argv, cwd=self._work, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name} {' '.join(map(str, words))}: {done.stdout} {done.stderr}"

    def _make_cluster(self, mon):
        for name in ("osd", "rgw"):
            (self._work / name).mkdir()
        for index, (name, caps) in enumerate(KEYS.items()):
            pairs = [word for kind, what in zip(caps[::2], caps[1::2]) for word in ("--cap", kind, what)]
            self._tool("ceph-authtool", "keyring", *([] if index else ["--create-keyring"]), "--gen-key", "-n", name, *pairs,
                       settings=False)
        self._tool("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{mon}]", "--fsid", FSID, "monmap",
                   settings=False)
        self._tool("osdmaptool", "--createsimple", "1", "osdmap", settings=False)
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--osdmap", "osdmap", "--keyring", "keyring")

    def _start(self, name, *words, log=None):
        # A monitor that is alone does not end when it is asked to.
        child = Process(self._argv(name, *words, "-f"), self._work / f"{log or name}.out", last=signal.SIGKILL,
                        cwd=self._work)
        self._children.append(child)
        return child

    def sts(self):
        """(endpoint, access key, secret key, session token) of a quarter of an hour, as STS gives them to the tests' user.

        A gateway of its own over the same store: with STS, it no longer says that a signature was wrong.
        """
        if not self._sts_port:
            self._sts_port = free_port()
            self._start("radosgw", "-n", "client.rgw.sts", f"--rgw_frontends=beast endpoint=127.0.0.1:{self._sts_port}",
                        log="sts").wait_until(lambda: accepts(self._sts_port))
        gate = S3("sts", f"http://localhost:{self._sts_port}", self.access, self.secret, self.region)

        def ask(**words):
            answer = gate.request("POST", "/", body=urllib.parse.urlencode(words).encode(),
                                  headers={"Content-Type": "application/x-www-form-urlencoded"})
            assert answer.status == 200, answer.body
            return answer.body.decode()
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sts:*", "s3:*"], "Resource": "*"}]}
        self._tool("radosgw-admin", "caps", "add", "--uid=tests", "--caps=user-policy=*")
        ask(Action="PutUserPolicy", PolicyName="tests", UserName="tests", PolicyDocument=json.dumps(allowed))
        text = ask(Action="GetSessionToken", Version="2011-06-15", DurationSeconds=900)
        return gate.endpoint, *(re.search(f"<{name}>([^<]+)", text).group(1)
                                for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))

    def close(self):
        for child in reversed(self._children):
            child.close()
