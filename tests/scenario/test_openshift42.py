"""OpenShift 4.2 after two of three masters are lost: the survivor restored as a single member out of the nested backup on a
web server; the two that were installed anew join it.

The survivor is a machine. What the image does on the others is shown on their trees; that their first boot then joins a real
cluster is shown in interop/test_join.py.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import requirement
from machine import pki
from machine.openshift import DEPLOYMENT, VAR
from machine.openshift42 import CERTIFICATES, CONFIG, MANIFEST, TOKEN, Openshift42Cluster
from scenario.story import Etcd, cluster_id, ids, reference, rolled_back, run_on, snakes
from scenario.sums import below, contents, digests, kept, of_tree
from sources.nginx import Nginx
from sources.servers import Certificates

OTHER = Path(__file__).resolve().parents[1] / "golden/etcd-3.4/snapshot.db"
PLAN = """generation: 1
source: {url}/backup_2019_09_22_131749.snapshots.tgz
recovery-host: etcd-member-ocp-master1
cluster:
  members:
    - {{name: etcd-member-ocp-master0, peer: "https://etcd-0.ocp.example.org:2380"}}
    - {{name: etcd-member-ocp-master1, peer: "https://etcd-1.ocp.example.org:2380"}}
    - {{name: etcd-member-ocp-master2, peer: "https://etcd-2.ocp.example.org:2380"}}
auto: yes
"""
FOLDERS = ["/etc/kubernetes", "/etc/etcd", "/var/lib/etcd"]
DROPPED = (b"/registry/masterleases/", b"/registry/leases/kube-system/kube-")


class Scene:
    def __init__(self, tell, work):
        requirement.need("etcd-3.4", "etcdctl-3.4", "etcdutl-3.6")
        self.cluster = Openshift42Cluster(work / "cluster")
        self.host = self.cluster["ocp-master1"]
        self.story = story = tell("openshift-4.2", [self.host])
        served = work / "served"
        served.mkdir()
        (served / "backup_2019_09_22_131749.snapshots.tgz").write_bytes(self.cluster.backup(OTHER.read_bytes()))
        self.certificates = Certificates(work / "tls", addresses=f"IP:127.0.0.1,DNS:localhost,IP:{story.switch.router}")
        self.server = Nginx(served, work / "nginx", self.certificates)
        story.closing(self.server.close)
        self.disk = self.host.disk(work / "survivor.img", damage="db")
        etc = contents(self.disk, [f"{DEPLOYMENT}/etc/kubernetes", f"{DEPLOYMENT}/etc/etcd"])
        var = contents(self.disk, [f"{VAR}/lib/etcd"])
        self.before = {**{path.removeprefix(f"{DEPLOYMENT}/"): sha for path, sha in etc.items()},
                       **{path.replace(VAR, "var", 1): sha for path, sha in var.items()}}

    def plan(self, host="127.0.0.1", more=""):
        return PLAN.format(url=f"https://{host}:{self.server.port}") + more

    def etcd(self):
        return Etcd(self.story.work, [f"https://127.0.0.1:{self.story.port(self.host)}"], cas=self.cluster.cas, version="3.4")


@pytest.fixture(scope="module")
def scene(tell, tmp_path_factory):
    scene = Scene(tell, tmp_path_factory.mktemp("openshift42"))
    story = scene.story
    image = story.image("--ca", scene.certificates.ca, plan=scene.plan(host=story.switch.router))
    story.power_on(scene.host, scene.disk, image)
    story.until_on_their_disks()
    story.shell(scene.host)
    story.until_healthy(scene.etcd())
    return scene


def test_survivor_serves_its_own_snapshot_alone(scene):
    etcd = scene.etcd()
    said = scene.story.shell(scene.host).console.run("cat /var/lib/etcd-rescue/journal", 60).text
    token = re.search(rf"{TOKEN}-[0-9a-f]{{12}}", said)[0]
    alone = {scene.host.member: [scene.host.peer]}
    assert etcd.members() == ids(alone, token)
    assert etcd.cluster_id() == cluster_id(alone, token)
    keys, wanted = etcd.keys(), reference(scene.cluster.snapshot(), scene.story.work)
    assert snakes(keys) == list(range(8, 27))
    assert all(key.startswith(DROPPED) for key in set(wanted) - set(keys))
    assert set(keys) <= set(wanted) and all(keys[key] == wanted[key] for key in keys)


def test_old_data_is_kept(scene):
    assert kept(scene.story.shell(scene.host), "/var/lib/etcd/member.before-*") == below(scene.before, "var/lib/etcd/member")


@pytest.mark.long
def test_second_boot_of_the_image_changes_nothing(scene):
    assert scene.story.boot_image_again(scene.host, FOLDERS) == []


def test_rollback_brings_every_byte_back(scene):
    vm = scene.story.shell(scene.host)
    rolled_back(vm)
    now = digests(vm, " ".join(FOLDERS))
    assert {path: sha for path, sha in now.items() if ".rolled-back-" not in path} == scene.before


# Without a machine: trees


@pytest.fixture
def run_here(scene, tmp_path):
    """run_here(tree, more=lines of the plan): (tree's copy, exit status, outcome, what it said)."""
    def run(tree, more=""):
        root = tmp_path / tree.name
        if not root.exists():
            shutil.copytree(tree, root, symlinks=True)
        plan = tmp_path / "plan.yaml"
        plan.write_text(scene.plan(more=f"https: {{ca: {scene.certificates.ca}}}\n{more}"))
        return root, *run_on(scene.story.lab.program, root, plan)
    return run


def test_master_with_its_certificates_is_made_to_join(scene, run_here):
    """What of it was lost is its etcd alone: the old member goes aside, and the first boot is told whom to ask."""
    lost = scene.cluster["ocp-master2"]
    tree = lost.tree(damage="none", programs=False)
    before = of_tree(tree)
    root, status, outcome, said = run_here(tree)
    assert (status, outcome) == (0, "restored"), said
    joins(root, lost)
    aside, = (path for path in (root / "var/lib/etcd").iterdir() if path.name.startswith("member.before-"))
    assert of_tree(aside) == below(before, "var/lib/etcd/member")
    assert run_here(tree)[1:3] == (0, "already-restored")
    subprocess.run([scene.story.lab.program, "rollback", "--root", root], check=True, capture_output=True)
    assert {path: sha for path, sha in of_tree(root).items() if "etcd-rescue" not in path} == before


def test_master_installed_anew_gets_its_certificates_from_the_snapshot(scene, run_here):
    """No pod signs them anywhere: what that would sign with is a Secret."""
    new = scene.cluster["ocp-master0"]
    root, status, outcome, said = run_here(new.rebuilt())
    assert (status, outcome) == (0, "restored"), said
    joins(root, new)
    for kind, ca in (("server", "etcd/ca"), ("peer", "etcd/ca"), ("metric", "front-proxy-ca")):
        path = root / CERTIFICATES / f"system:etcd-{kind}:{new.dns}"
        pki.openssl("verify", "-CAfile", scene.cluster.cas / f"{ca}.crt", "-purpose", "sslserver", f"{path}.crt")
        pki.openssl("verify", "-CAfile", scene.cluster.cas / f"{ca}.crt", "-purpose", "sslclient", f"{path}.crt")
        said = pki.openssl("x509", "-in", f"{path}.crt", "-noout", "-subject", "-ext", "subjectAltName")
        assert f"O = system:etcd-{kind}s, CN = system:etcd-{kind}:{new.dns}" in said, said
        for name in (f"DNS:{new.dns}", "DNS:localhost", f"IP Address:{new.address}", "IP Address:127.0.0.1"):
            assert name in said, said
        assert (root / CERTIFICATES / f"system:etcd-{kind}:{new.dns}.key").stat().st_mode & 0o777 == 0o600
    assert (root / CERTIFICATES / "ca.crt").read_bytes() == (scene.cluster.cas / "etcd/ca.crt").read_bytes()


def joins(root, master):
    """The pod waits, etcd.conf tells it that it comes into a cluster, and the first boot knows who lets it in."""
    record = json.loads((root / "var/lib/etcd-rescue/finish.json").read_text())
    assert record["role"] == "join" and [held["path"] for held in record["held"]] == [str(MANIFEST)]
    assert not (root / MANIFEST).exists() and not (root / "var/lib/etcd/member").exists()
    cluster, = record["clusters"]
    assert cluster["urls"] == [master.peer] and "https://etcd-1.ocp.example.org:2379" in cluster["seeds"]
    assert (cluster["cert"], cluster["key"]) == tuple(f"{CERTIFICATES}/system:etcd-peer:{master.dns}.{end}" for end in ("crt", "key"))
    text = (root / CONFIG).read_text()
    assert 'ETCD_INITIAL_CLUSTER_STATE="existing"' in text and f'ETCD_NAME="{master.member}"' in text


def test_master_that_is_none_of_the_backup_takes_nobody_elses(scene, run_here, tmp_path):
    """The wrong folder of the archive would be another node's database: the disk stays as it was."""
    stranger = Openshift42Cluster(tmp_path / "other")["ocp-master1"].tree(damage="none", programs=False)
    (stranger / "etc/hostname").write_text("ocp-master7\n")
    before = of_tree(stranger)
    root, status, outcome, said = run_here(stranger, "layout: openshift-4.2\nrole: single\n")
    assert (status, outcome) == (1, "untouched"), said
    assert {path: sha for path, sha in of_tree(root).items() if "etcd-rescue" not in path} == before
