"""A scratch tree and the mirror it fetches from, for each test its own."""

import pytest

from scratch import Index, Mirror, Tree


@pytest.fixture
def mirror():
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def tree(tmp_path, mirror):
    return Tree(tmp_path, mirror)


@pytest.fixture
def index(tmp_path, mirror, tree):
    """A signed index on the mirror, trusted by the scratch tree in place of Debian's."""
    signed = Index(tmp_path / "gpg", mirror)
    script = tree.path / "initramfs" / "moved.sh"
    text = script.read_text()
    assert text.count("keyring=/usr/share/keyrings/debian-archive-keyring.gpg") == 1
    script.write_text(text.replace("/usr/share/keyrings/debian-archive-keyring.gpg", str(signed.keyring)))
    yield signed
    signed.close()
