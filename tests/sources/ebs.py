"""An instance whose volumes are disks of a machine made of files, and the program in it."""

import hashlib
import subprocess
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MAIN, EVENTS = (GOLDEN / f"etcd-{v}/snapshot.db" for v in ("3.5", "3.6"))
NAME, VALUE = "kubernetes.io/created-for/pvc/name", "kube-etcd-snapshot-pvc"
TAG = {NAME: VALUE}
MIB = 1 << 20


class Site:
    """An instance with its cloud: what is there before must be there after, and nothing else."""

    def __init__(self, program, imds, endpoint, disks, out):
        self.program, self.disks, self.out = program, disks, out
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **imds.environment,
                    "AWS_ENDPOINT_URL_EC2": endpoint}

    def argv(self, *words):
        return [*self.disks.wrapper, str(self.program), *map(str, words)]

    def __call__(self, *words, timeout=120):
        return subprocess.run(self.argv(*words), env=self.env, capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)

    def start(self, *words):
        return subprocess.Popen(self.argv(*words), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL)

    def fetch(self, url="ebs:", *words):
        return self(*self.fetching(url, *words))

    def fetching(self, url="ebs:", *words):
        return ["fetch", "--ebs-tag", f"{NAME}={VALUE}", "--force", "-o", f"{self.out}/", *words, url]

    def arrived(self):
        """The bytes that were fetched, by what they are."""
        known = {hashlib.sha256(f.read_bytes()).digest(): f for f in (MAIN, EVENTS)}
        return {known.get(hashlib.sha256(f.read_bytes()).digest()) for f in self.out.rglob("*") if f.is_file()}


def nothing_is_left(site, ec2):
    assert set(ec2.volumes) == ec2.kept
    assert not site.disks.loops and not site.disks.busy
