"""kubeadm: a stacked control plane of three, all dead; two come back on their disks, the third on a new machine.

master-3 at .9 is lost with its disk. master-4 at .10 takes its place: an installed system with a kubelet and nothing of a
cluster. Snapshot, the archive that `etcd-rescue collect` made in better times, and the gate lie in one bucket.
"""

import subprocess

import pytest

import requirement
from interop.test_token import plan_token
from machine import foreign, pods
from machine.console import COLOUR
from machine.master import MANIFESTS, Cluster
from machine.serving import stop_serving
from scenario import story as stories, sums
from scenario.api import api_host, items, left_behind, let_go, node, served_before, spared, start, stored, until_ready
from scenario.story import Etcd
from sources.faults import Fault, Proxy
from sources.go_s3 import GoS3
from sources.servers import Certificates

BUCKET = "etcd-backup"
FOLDERS = ["etc/kubernetes", "var/lib/etcd"]
MEMBER = "var/lib/etcd/member"
PLAN = """generation: 1
source: s3://etcd-backup/kubeadm/
s3: {{endpoint: "{endpoint}", region: {region}, addressing: path, credentials: file}}
pki: s3://etcd-backup/pki/master.tar.zst
cluster:
  members:
    - {{name: master-1, peer: "https://10.252.1.7:2380"}}
    - {{name: master-2, peer: "https://10.252.1.8:2380"}}
    - {{name: master-4, peer: "https://10.252.1.10:2380", match: {{mac: "{mac}"}}}}
replace:
  - {{from: master-3, to: master-4}}
  - {{from: 10.252.1.9, to: 10.252.1.10}}
gate: s3://etcd-backup/gate
finish: {{deadline: 4m}}
other-cluster: proceed
auto: yes
"""
# Of what the machines here do not run, its place is enough.
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: pod, namespace: kube-system}\nspec: {containers: []}\n"
OLD = {f"master-{number}": [f"https://10.252.1.{number + 6}:2380"] for number in (1, 2, 3)}
NEW = {name: OLD.get(name) or ["https://10.252.1.10:2380"] for name in ("master-1", "master-2", "master-4")}
# What the API server and the masters wrote last: who served, who led, who was alive.
LEASES = [f"/registry/masterleases/10.252.1.{number}" for number in (7, 8, 9)]
BEATS = {name: f"/registry/leases/kube-node-lease/{name}" for name in OLD}
DROPPED = sorted([*LEASES, BEATS["master-3"], "/registry/leases/kube-system/kube-scheduler",
                  "/registry/leases/kube-system/kube-controller-manager"])


def of_this_cluster(cas, api):
    """Puts into etcd what the golden cluster lacks: this one's CA, its masters as nodes, and their leases."""
    def edit(server):
        served_before(api, server)
        server.put(foreign.KEY, foreign.root_ca((cas / "ca.crt").read_bytes()))
        for name in OLD:
            node(server, name, "Unknown" if name == "master-3" else "True")
            stored(server, "leases", "Lease", "coordination.k8s.io/v1", name, "kube-node-lease")
        for lease in LEASES:
            stored(server, "masterleases", "Endpoints", "v1", lease.rsplit("/", 1)[1])
    return edit


class Scene:
    """The cluster, its snapshot and archive, and the object store behind a network that can fail."""

    def __init__(self, story, lab, cluster):
        self.story, self.cluster = story, cluster
        self.first, self.second, _, self.new = cluster
        self.api = api_host(story, cluster)
        self.snapshot = stories.snapshot_of(cluster.snapshot(), story.work, story.work / "etcd.db",
                                            of_this_cluster(cluster.cas, self.api), OLD)
        root = self.first.tree("none", programs=False)
        for name, text in {"kube-apiserver": pods.apiserver(self.first.address),
                           "kube-controller-manager": POD, "kube-scheduler": POD}.items():
            (root / MANIFESTS / f"{name}.yaml").write_text(text)
        (story.work / "pki").mkdir()
        self.archive = story.work / "pki" / "master.tar.zst"
        subprocess.run([lab.program, "collect", "--root", root, "-o", self.archive], check=True, capture_output=True)
        work, router = story.work / "s3", story.switch.router
        (work / "store").mkdir(parents=True)
        certificates = Certificates(work / "tls", addresses=f"IP:127.0.0.1,DNS:localhost,IP:{router}")
        self.store = GoS3(work / "store", certificates)
        story.closing(self.store.close)
        self.store.bucket(BUCKET)
        self.store.put(BUCKET, "kubeadm/etcd-2026-11-21T04-00-00Z.db", self.snapshot)
        self.store.put(BUCKET, "pki/master.tar.zst", self.archive)
        self.proxy = Proxy("localhost", self.store.port, self.down_once, certificate=certificates.server)
        story.closing(self.proxy.close)
        self.refused, self.struck = 0, False
        self.plan = PLAN.format(endpoint=f"https://{router}:{self.proxy.port}", region=self.store.region, mac=self.new.mac)
        self.ca = certificates.ca
        self.image = story.image("--ca", self.ca)
        self.stick = story.stick(self.plan, f"{self.store.access}:{self.store.secret}\n")

    def down_once(self, request):
        """In the middle of the first download of the snapshot the store goes down, for its next two answers."""
        if not self.struck and request.method == "GET" and "/kubeadm/etcd-" in request.target:
            self.struck, self.refused = True, 2
            return Fault("reset", at=100000)
        if self.refused:
            self.refused -= 1
            return Fault("status", status=503)
        return None


@pytest.fixture(scope="module")
def scene(tell, lab, tmp_path_factory):
    requirement.need("etcd-3.6", "etcdutl-3.6", "./build/peers/grub-2.12", "debugfs", "versitygw-1.8")
    cluster = Cluster(tmp_path_factory.mktemp("kubeadm"), ["master-1", "master-2", "master-3", "master-4"])
    story = tell("kubeadm", cluster.masters)
    scene = Scene(story, lab, cluster)
    work = story.work
    # As kubeadm left them: master-4 has not joined this cluster.
    cluster.masters = cluster.masters[:3]
    scene.disks = {"master-1": scene.first.disk(work / "1.img", damage="db"),
                   "master-2": scene.second.disk(work / "2.img", damage="missing"),
                   "master-4": scene.new.disk(work / "4.img", fresh=True)}
    scene.before = {name: sums.contents(disk, FOLDERS) for name, disk in scene.disks.items() if name != "master-4"}
    # Two of three are there: nobody commits before the third is, whose cable is not in yet.
    wire = story.machines.index(scene.new)
    story.switch.unplug(wire)
    for master in (scene.first, scene.second, scene.new):
        story.power_on(master, scene.disks[master.name], scene.image, scene.stick)
    for master in (scene.first, scene.second):
        story.vms[master.name].console.expect("2 of 3 ready.*missing master-4: ", stories.BOOT + stories.RESTORE,
                                              stop_at=stories.NOT_ON_THE_DISK)
    scene.held = {master.name: COLOUR.sub("", story.vms[master.name].console.text) for master in (scene.first, scene.second)}
    story.switch.plug(wire)
    story.until_on_their_disks()
    scene.etcd = Etcd(work, [f"https://127.0.0.1:{story.port(master)}" for master in (scene.first, scene.second, scene.new)],
                      cluster.cas)
    story.until_healthy(scene.etcd)
    # As it was restored: from here on an API server writes, and `finish`, while the tests look at all else.
    scene.served, scene.revision = scene.etcd.keys(), scene.etcd.revision()
    if requirement.find("kube-apiserver-1.34"):
        start(scene.api, story.port(scene.first))
    return scene


@pytest.fixture(scope="module")
def again(scene):
    """The new machine boots the image once more, while another is looked at."""
    scene.api.close()
    return scene.story.image_again(scene.new, [f"/{folder}" for folder in FOLDERS])


def test_the_new_cluster_serves_what_the_snapshot_holds(scene):
    expected, served = stories.reference(scene.snapshot, scene.story.work), scene.served
    assert all(key.encode() in expected for key in DROPPED)
    assert {key: value for key, value in expected.items() if key.decode() not in DROPPED} == served
    assert stories.snakes(served) == list(range(8, 27))
    assert scene.revision > 1_000_000_000


def test_the_members_are_the_two_old_and_the_new_one(scene):
    token = plan_token("etcd-cluster", scene.snapshot, *(f"drop-key {len(key)}:{key}" for key in DROPPED),
                       "bump-revision 1000000000", "mark-compacted", "clear-alarms", "fix-version-markers")
    assert scene.etcd.members() == stories.ids(NEW, token)
    assert scene.etcd.cluster_id() == stories.cluster_id(NEW, token)


def test_the_store_that_was_down_was_waited_for(scene):
    assert scene.struck and scene.refused == 0


def test_nobody_committed_before_the_third_was_there(scene):
    for text in scene.held.values():
        assert "missing master-4" in text and "==> commit" not in text


def test_the_old_member_is_kept(scene):
    vm = scene.story.shell(scene.first)
    old = sums.below(scene.before["master-1"], MEMBER)
    assert old and sums.kept(vm, f"/{MEMBER}.before-*") == old


def test_one_master_alone_holds_with_the_old_state(scene, lab):
    """The same plan with nobody else: the gate's own exit status, and not a byte of the old one is another."""
    root = scene.first.tree("db", programs=False)
    before = sums.of_tree(root, FOLDERS)
    keys, plan = scene.story.work / "credentials", scene.story.work / "alone.yaml"
    plan.write_text(scene.plan.replace(scene.story.switch.router, "localhost").replace("file}", f"file:{keys}}}")
                    .replace("s3://etcd-backup/gate", "s3://etcd-backup/alone") + f"https: {{ca: {scene.ca}}}\n")
    status, outcome, said = stories.run_on(lab.program, root, plan, "--hold", "3")
    assert (status, outcome) == (5, "holding") and "missing master-2" in said and "the old state is intact" in said, said
    after = sums.of_tree(root, FOLDERS)
    assert {path: digest for path, digest in after.items() if "/.etcd-rescue/" not in path} == before


@pytest.mark.needs("kube-apiserver-1.34")
def test_the_lost_masters_node_goes_and_no_other(scene):
    until_ready(scene.api)
    masters = scene.first, scene.second, scene.new
    for master in masters:
        scene.story.until_finished(master)
        assert left_behind(scene.story.shell(master)) == []
    # One of them has done it for all.
    assert let_go(scene.api) == ["nodes"]
    assert sorted(spared(scene.story.shell(master)) for master in masters) == [[], ["nodes"], ["nodes"]]
    before = {key.decode().rpartition("/")[2] for key in scene.served if key.startswith(b"/registry/minions/")}
    assert before - set(items(scene.api, "/api/v1/nodes")) == {"master-3"}


def test_rollback_brings_the_old_bytes_back(scene, again):
    vm = scene.story.shell(scene.first)
    stories.rolled_back(vm)
    # Else the kubelet would try the old etcd again and again while we look.
    stop_serving(vm)
    scene.story.power_off(scene.first)
    after = sums.contents(scene.disks["master-1"], FOLDERS)
    assert {path: digest for path, digest in after.items() if ".rolled-back-" not in path} == scene.before["master-1"]


def test_the_image_once_more_changes_nothing_on_the_new_machine(again):
    assert again() == []
