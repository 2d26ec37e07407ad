"""Who a disk's machine is, when the machine is an instance of EC2: asked only where its maker says so."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[1] / "golden/layouts/kubeadm/before"


@pytest.fixture
def look(image_file, imds, tmp_path):
    """look(dmi={..}): the identity of a disk in a machine with these texts of its maker."""
    def look(dmi, **environment):
        machine = tmp_path / "machine"
        shutil.rmtree(machine, ignore_errors=True)
        for name, text in dmi.items():
            path = machine / "sys/class/dmi/id" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        machine.mkdir(exist_ok=True)
        done = subprocess.run([image_file("etcd-rescue"), "plan", "--root", TREE, "--machine", machine, "--json"],
            capture_output=True, text=True, timeout=30, env=os.environ | imds.environment | environment)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)
    return look


NITRO = {"sys_vendor": "Amazon EC2", "bios_vendor": "Amazon EC2"}
XEN = {"sys_vendor": "Xen", "product_uuid": "EC2F1A2B-3C4D-5E6F-7081-92A3B4C5D6E7", "bios_version": "4.11.amazon"}


@pytest.mark.parametrize("dmi", [NITRO, XEN], ids=["nitro", "xen"])
def test_instance_is_asked_for_its_name_and_address(look, imds, dmi):
    imds.pages["/latest/meta-data/local-hostname"] = "master-2.eu-central-1.compute.internal"
    imds.pages["/latest/meta-data/local-ipv4"] = "10.0.0.5"
    found = look(dmi)
    assert [(c["what"], c["value"], c["won"], c["disagrees"]) for c in found["identity"] if c["rank"] == "the cloud"] == \
        [("name", "master-2.eu-central-1.compute.internal", False, False), ("address", "10.0.0.5", False, False)]
    assert "etcd advertises 10.0.0.12; this instance has 10.0.0.5" in found["warnings"]


def test_other_machines_are_not_asked(look, imds):
    for dmi in ({"sys_vendor": "Dell Inc."}, {"sys_vendor": "Xen", "product_uuid": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}, {}):
        found = look(dmi)
        assert all(c["rank"] != "the cloud" for c in found["identity"])
    assert imds.requests == []


def test_what_makes_no_sense_or_never_comes_says_nothing(look, imds):
    imds.pages["/latest/meta-data/local-hostname"] = "<html>not found</html>"
    imds.pages["/latest/meta-data/local-ipv4"] = ""
    assert all(c["rank"] != "the cloud" for c in look(NITRO)["identity"])
    assert [path for _, path, _ in imds.requests].count("/latest/meta-data/local-hostname") == 1
    imds.silent = 30
    start = time.monotonic()
    assert all(c["rank"] != "the cloud" for c in look(NITRO)["identity"])
    assert time.monotonic() - start < 20
