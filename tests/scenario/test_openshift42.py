"""OpenShift 4.2 after two of three masters are lost: all three boot the same image with the same plan. The survivor is restored
as a single member out of the nested backup on a web server; ocp-master0, which was installed anew, and ocp-master2, which lost
its etcd alone, join it by themselves.
"""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import requirement
from interop.finished import stamp
from machine import pki
from machine.console import COLOUR
from machine.openshift import DEPLOYMENT, VAR
from machine.openshift42 import CERTIFICATES, CONFIG, MANIFEST, TOKEN, Openshift42Cluster
from machine.serving import NOT_ON_THE_DISK, stop_serving
from machine.vm import BOOT
from scenario.api import api_host, items, node, serve, served_before
from scenario.story import RESTORE, Etcd, cluster_id, ids, reference, rolled_back, run_on, snakes
from scenario.sums import below, contents, digests, kept, of_tree
from sources.faults import Fault, Proxy
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
PREFIX = "/kubernetes.io"   # of all that OpenShift's API server stores
# Whom the controllers have heard of last: nobody's kubelet runs on the one that was lost as a whole.
NODES = {"ocp-master0": "Unknown", "ocp-master1": "True", "ocp-master2": "True"}
AWAY = 2        # seconds, for which the store is down
GROW = 300      # seconds; several times what a busy machine takes


class Store:
    """A server whose keys lie as OpenShift's."""

    def __init__(self, server):
        self.server = server

    def put(self, key, value):
        self.server.put(key.replace("/registry", PREFIX, 1), value)


def of_this_cluster(api):
    """Puts into etcd what its API server has stored there."""
    def edit(server):
        served_before(api, server, f"--etcd-prefix={PREFIX}")
        for name, ready in NODES.items():
            node(Store(server), name, ready)
        node(Store(server), "ocp-worker0", "Unknown", master=False)
    return edit


class Scene:
    def __init__(self, tell, work):
        requirement.need("etcd-3.4", "etcdctl-3.4", "etcdutl-3.6")
        self.cluster = Openshift42Cluster(work / "cluster")
        self.new, self.host, self.lost = self.cluster
        self.story = story = tell("openshift-4.2", self.cluster.masters)
        self.api = api_host(story, self.cluster)
        self.cluster.also = of_this_cluster(self.api)
        served = work / "served"
        served.mkdir()
        (served / "backup_2019_09_22_131749.snapshots.tgz").write_bytes(self.cluster.backup(OTHER.read_bytes()))
        self.certificates = Certificates(work / "tls", addresses=f"IP:127.0.0.1,DNS:localhost,IP:{story.switch.router}")
        server = Nginx(served, work / "nginx")
        story.closing(server.close)
        self.server = Proxy("localhost", server.port, self.down_once, certificate=self.certificates.server)
        story.closing(self.server.close)
        self.back, self.refused = None, 0
        self.disks = {self.new: self.new.disk(work / "new.img", fresh=True),
                      self.host: self.host.disk(work / "survivor.img", damage="db"),
                      self.lost: self.lost.disk(work / "lost.img", damage="wal")}
        self.before = {master.name: files(disk) for master, disk in self.disks.items()}

    def down_once(self, request):
        """In the middle of the first download the store goes down. What asks for no range only looks what it is."""
        if not self.back and request.range:
            self.back = time.monotonic() + AWAY
            return Fault("reset", at=100000)
        if self.back and time.monotonic() < self.back:
            self.refused += 1
            return Fault("reset", whole=True)
        return None

    def plan(self, host="127.0.0.1", more=""):
        return PLAN.format(url=f"https://{host}:{self.server.port}") + more

    def etcd(self, *masters):
        """The survivor's, or these masters'."""
        endpoints = [f"https://127.0.0.1:{self.story.port(master)}" for master in masters or [self.host]]
        return Etcd(self.story.work, endpoints, cas=self.cluster.cas, version="3.4")

    def until_three_members(self):
        """By what the survivor says: all have started, and all vote."""
        etcd, end = self.etcd(), time.monotonic() + GROW
        while True:
            said = etcd.ask("member", "list", "-w", "json", check=False)
            members = json.loads(said.stdout)["members"] if not said.returncode else []
            if len(members) == 3 and all(member.get("clientURLs") and not member.get("isLearner") for member in members):
                break
            assert time.monotonic() < end, f"{said.stdout}{said.stderr}\n{self.story.complaints()}"
            time.sleep(1)
        self.story.until("three members")


def files(disk):
    """As a running system has them."""
    etc = contents(disk, [f"{DEPLOYMENT}/etc/kubernetes", f"{DEPLOYMENT}/etc/etcd"])
    var = contents(disk, [f"{VAR}/lib/etcd"])
    return {**{path.removeprefix(f"{DEPLOYMENT}/"): sha for path, sha in etc.items()},
            **{path.replace(VAR, "var", 1): sha for path, sha in var.items()}}


@pytest.fixture(scope="module")
def scene(tell, tmp_path_factory):
    scene = Scene(tell, tmp_path_factory.mktemp("openshift42"))
    story = scene.story
    image = story.image("--ca", scene.certificates.ca, plan=scene.plan(host=story.switch.router))
    # The first download is the survivor's: the cable of the other one that needs the backup is not in yet.
    wire = story.machines.index(scene.new)
    story.switch.unplug(wire)
    for master, disk in scene.disks.items():
        story.power_on(master, disk, image)
    story.vms[scene.host.name].console.expect("trying again from byte", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
    story.switch.plug(wire)
    story.until_on_their_disks(scene.host)
    story.until_healthy(scene.etcd())
    story.until_on_their_disks(scene.new, scene.lost)
    scene.until_three_members()
    for master in (scene.new, scene.lost):
        story.until_finished(master)
    return scene


def test_one_was_restored_and_two_have_joined_it(scene):
    """The survivor's own id, and the cluster's, are those of a cluster that has it alone."""
    etcd = scene.etcd()
    said = scene.story.shell(scene.host).console.run("cat /var/lib/etcd-rescue/journal", 60).text
    token = re.search(rf"{TOKEN}-[0-9a-f]{{12}}", said)[0]
    alone = {scene.host.member: [scene.host.peer]}
    members = etcd.members()
    assert {name: urls for name, (_, urls) in members.items()} == {master.member: [master.peer] for master in scene.cluster}
    assert members[scene.host.member] == ids(alone, token)[scene.host.member]
    assert etcd.cluster_id() == cluster_id(alone, token)
    three = scene.etcd(*scene.cluster)
    said = three.ask("endpoint", "health")
    assert (said.stdout + said.stderr).count("is healthy") == 3


def test_the_store_went_down_in_the_middle_and_was_waited_for(scene):
    """And who looks at the console then knows what it is waiting for."""
    said = COLOUR.sub("", scene.story.vms[scene.host.name].console.text)
    url = re.escape(f"https://{scene.story.switch.router}:{scene.server.port}/backup_2019_09_22_131749.snapshots.tgz")
    why = "(.*reset by peer|the connection ended in the middle)"
    told = re.search(rf"fetch: {url}: {why}; trying again from byte \d+ in", said)
    assert scene.refused and told, said
    whole = re.compile("fetch: etcd: .* whole and as its trailer says")
    assert whole.search(said, told.end()) and not whole.search(said, 0, told.start())


def test_all_serve_the_survivors_snapshot(scene):
    keys, wanted = scene.etcd().keys(), reference(scene.cluster.snapshot(), scene.story.work)
    assert snakes(keys) == list(range(8, 27))
    assert all(key.startswith(DROPPED) for key in set(wanted) - set(keys))
    assert set(keys) <= set(wanted) and all(keys[key] == wanted[key] for key in keys)
    for master in (scene.new, scene.lost):
        assert scene.etcd(master).keys() == keys


def test_old_data_is_kept(scene):
    for master in (scene.host, scene.lost):
        old = below(scene.before[master.name], "var/lib/etcd/member")
        assert old and kept(scene.story.shell(master), "/var/lib/etcd/member.before-*") == old


@pytest.mark.long
@pytest.mark.needs("kube-apiserver-1.34")
def test_the_lost_masters_node_goes_and_no_other(scene):
    """Of two that are no members at that time one is alive: its kubelet is heard of."""
    serve(scene.api, scene.story.port(scene.host), f"--etcd-prefix={PREFIX}")
    heard = {"type": "Ready", "status": "True", "reason": "x", "message": "x", "lastHeartbeatTime": stamp(0)}
    scene.api.call("PATCH", f"/api/v1/nodes/{scene.lost.name}/status", {"status": {"conditions": [heard]}},
                   type="application/merge-patch+json")
    scene.story.until_finished(scene.host, seconds=900)
    assert set(items(scene.api, "/api/v1/nodes")) == {*NODES, "ocp-worker0"} - {"ocp-master0"}
    scene.api.close()


@pytest.mark.long
@pytest.mark.parametrize("name", ["ocp-master0", "ocp-master1"])
def test_second_boot_of_the_image_changes_nothing(scene, name):
    assert scene.story.boot_image_again(scene.cluster[name], FOLDERS) == []


@pytest.mark.parametrize("name", ["ocp-master0", "ocp-master1", "ocp-master2"])
def test_rollback_brings_every_byte_back(scene, name):
    """Of the one that had no data, what it has got by joining goes aside, too. The survivor's etcd runs meanwhile; an old one
    that the kubelet started again would write to its database before it found its log bad."""
    vm = scene.story.shell(scene.cluster[name])
    if name != scene.host.name:
        stop_serving(vm)
    rolled_back(vm)
    now = digests(vm, " ".join(FOLDERS))
    assert {path: sha for path, sha in now.items() if ".rolled-back-" not in path} == scene.before[name]


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
    assert not (root / MANIFEST).exists() and not any((root / "var/lib/etcd").glob("member/*"))
    cluster, = record["clusters"]
    assert cluster["urls"] == [master.peer] and cluster["seeds"][0] == "https://etcd-1.ocp.example.org:2379"
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
