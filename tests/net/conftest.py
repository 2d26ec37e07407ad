"""A client and its peers, made for one test and gone after it."""

import os
import shutil
import tempfile

import pytest

import requirement
from net.namespaces import Site


@pytest.fixture
def site(top, image_file):
    requirement.need("unshare", "nsenter", "setpriv", "ip", "./build/x86_64/busybox")
    if os.geteuid() != 0:
        pytest.skip("needs root, for network namespaces and chroot")
    work = tempfile.mkdtemp(prefix="net-", dir=top / "build")
    made = Site(work, image_file("etcd-rescue"), top / "build/x86_64/busybox")
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(work)
