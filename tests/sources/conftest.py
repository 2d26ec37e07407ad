"""The real servers that sources are tested with. Each is started when a test first asks for it, and ended by its id."""

import contextlib
import os
import subprocess

import pytest

import requirement

from sources.disks import Disks, frozen_copy, loops_in
from sources.ebs import EVENTS, MAIN, MIB, Site
from sources.ec2 import Ec2
from sources.faults import Proxy
from sources.go_s3 import GoS3
from sources.imds import Imds
from sources.moto_server import Moto
from sources.nginx import Apache, Nginx
from sources.radosgw import Radosgw
from sources.servers import Certificates
from sources.sshd import Sshd


@pytest.fixture(scope="session")
def program(pytestconfig, top, image):
    """The program under test: the image's with --image, else the newest build of the sources as they are."""
    path = top / "build/x86_64-debug/etcd-rescue"
    if pytestconfig.getoption("--image") or not path.is_file():
        path = image / "etcd-rescue"
    if not path.is_file():
        pytest.skip(f"needs {path}; ./build.sh bin makes it")
    return path


@pytest.fixture(scope="session")
def run():
    """run(program, *args, env=, ...): the finished process. Nothing of this machine's own credentials or proxies shows."""
    def call(program, *args, env=None, timeout=60, **options):
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C", **(env or {})}
        return subprocess.run([str(program), *map(str, args)], env={k: str(v) for k, v in environment.items()},
                              capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL, **options)
    return call


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """work("name"): a fresh directory that no other test has."""
    return tmp_path_factory.mktemp


@pytest.fixture(scope="session")
def certificates(work):
    """A private authority and a certificate of it for the loopback."""
    return Certificates(work("authority"))


@pytest.fixture(scope="session")
def opened():
    """Servers to close at the end of the session, should nobody have done it before."""
    servers = []
    yield servers
    # All of them, also when one of them complains.
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.close)


@pytest.fixture(scope="session")
def nginx(work, certificates, opened):
    """nginx(root, tls=False, conf="", http="", workers=0): a server of that directory; .url .ca .requests() .close()"""
    def start(root, tls=False, conf="", http="", workers=0):
        server = Nginx(root, work("nginx"), certificates if tls else None, conf, http, workers)
        opened.append(server)
        return server
    return start


@pytest.fixture(scope="session")
def apache(work, opened):
    """apache(root, conf=""): .url .close()"""
    def start(root, conf=""):
        server = Apache(root, work("apache"), conf)
        opened.append(server)
        return server
    return start


@pytest.fixture(scope="session")
def radosgw(work, certificates, opened):
    """Ceph's gateway: a server of class S3."""
    opened.append(Radosgw(work("radosgw"), certificates))
    return opened[-1]


@pytest.fixture(scope="session")
def versitygw(work, certificates, opened):
    """The S3 server in Go: a server of class S3."""
    opened.append(GoS3(work("versitygw"), certificates))
    return opened[-1]


@pytest.fixture(scope="session")
def moto(work, opened):
    """EC2, EBS direct and S3 by moto: .endpoint .access .secret .region .reset()"""
    opened.append(Moto(work("moto")))
    return opened[-1]


@pytest.fixture(scope="session", params=["radosgw", "versitygw"])
def s3(request):
    """Each S3 server that verifies signatures: .name .endpoint .access .secret .region .tls_endpoint .ca .env
    .bucket() .put(bucket, key, bytes or path) .get() .delete() .presign(bucket, key) .keep_versions(bucket)"""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def sshd(work, opened):
    """sshd(host_key="ed25519", password=..., ...): .host .port .user .home .url .fingerprint .known_hosts .user_key() .put()"""
    def start(*args, **options):
        opened.append(Sshd(work("sshd"), *args, **options))
        return opened[-1]
    return start


@pytest.fixture(scope="session")
def faults(opened):
    """faults(host, port, plan=None, raw=False, certificate=None): a proxy before that server; see sources/faults.py"""
    def start(host, port, plan=None, raw=False, certificate=None):
        opened.append(Proxy(host, port, plan, raw, certificate))
        return opened[-1]
    return start


@pytest.fixture
def imds():
    """A metadata service for one test: .endpoint .environment .role_credentials() .requests, and more in sources/imds.py"""
    with Imds() as service:
        yield service


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """images("ext4", partition): that file system with both databases, frozen in use; made once."""
    made = {}

    def image(kind="ext4", partition=False, **files):
        for tool in ("losetup", f"mkfs.{kind}", "unshare"):
            requirement.need(tool)
        key = (kind, partition, *sorted(files))
        if key not in made:
            content = {k.replace("__", "."): v for k, v in files.items()} or \
                {"snapshot.db": MAIN.read_bytes(), "snapshot-events.db": EVENTS.read_bytes()}
            made[key] = frozen_copy(tmp_path_factory.mktemp("image"), content, kind, (320 if kind == "xfs" else 64) * MIB,
                                    partition)
        return made[key]
    return image


@pytest.fixture
def ec2(imds):
    """A cloud with states, faults and signatures that knows the keys of the instance's role; see sources/ec2.py"""
    with Ec2(imds.role_credentials()) as service:
        yield service


@pytest.fixture
def site(program, imds, ec2, images, tmp_path):
    """An instance of that cloud: site(verb, ...), .fetch(url), .disks, and more in sources/ebs.py"""
    disks = Disks(tmp_path / "machine", images())
    ec2.plug, ec2.unplug = disks.plug, disks.unplug
    ec2.kept = {ec2.volume(attached=(ec2.instance, "/dev/sda1")), ec2.volume(tags={"etcd-rescue": "i-0another"}),
                ec2.volume(tags={"Name": "etcd-rescue"})}
    (tmp_path / "out").mkdir()
    yield Site(program, imds, ec2.endpoint, disks, tmp_path / "out")
    disks.close()
    assert not loops_in(tmp_path)
