"""HPE Cray CSM: three masters, etcd as a systemd service, back from the archive that a job left in Ceph's object gateway.

The newest archive is a broken one, which is passed over. The token is the plain `tkn` that the plan says, so the members'
ids are those of the published procedure.
"""

import json
import re
from datetime import datetime, timezone

import pytest

import requirement
from interop.finished import stamp
from interop.server import b64
from machine import csm, foreign, pki
from machine.console import COLOUR
from scenario import story as stories, sums
from scenario.api import api_host, items, left_behind, let_go, served_before, spared, start, stored, until_ready
from scenario.story import Etcd
from sources.radosgw import Radosgw
from sources.servers import Certificates

BUCKET = "etcd-backup"
GOOD, BROKEN = "etcd-backup-2026-11-21-04-00-00", "etcd-backup-2026-11-21-04-10-00"
FOLDERS = ["etc/kubernetes", "etc/systemd", "var/lib/etcd"]
MEMBER = "var/lib/etcd/member"
PLAN = """generation: 1
source: s3://etcd-backup/bare-metal/
s3: {{endpoint: "{endpoint}", addressing: path, credentials: file}}
cluster: {{token: tkn}}
survivors: none
gate: s3://etcd-backup/gate
finish: {{deadline: 4m}}
auto: yes
"""
MEMBERS = {name: [f"https://10.252.1.{number}:2380"] for name, number in zip(csm.NAMES, (7, 8, 9))}
IDS = {"ncn-m001": "448a8d056377359a", "ncn-m002": "986f6ff2a30b01cb", "ncn-m003": "d5a8e497e2788510"}
DAMAGE = {"ncn-m001": "db", "ncn-m002": "missing", "ncn-m003": "wal"}
TEMPLATE = {"containers": [{"name": "c", "image": "i"}]}
JOBS = ("kube-etcdbackup", "suspended", "yearly")
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "o", "uid": "0", "controller": True}


def hourly():
    """A schedule of which nothing is due while this runs: nobody is here who would run it."""
    return f"{(datetime.now(timezone.utc).minute + 40) % 60} * * * *"


def cronjob(server, name, schedule, **more):
    """It has run last when more than 100 of its hours ago, so that its controller has given up on it."""
    template = {"spec": {"template": {"spec": {**TEMPLATE, "restartPolicy": "Never"}}}}
    stored(server, "cronjobs", "CronJob", "batch/v1", name, "services", {"lastScheduleTime": stamp(-5 * 86400)},
           {"schedule": schedule, "concurrencyPolicy": "Allow", "jobTemplate": template, **more})


def pod(server, name, phase, owners):
    stored(server, "pods", "Pod", "v1", name, "services", {"phase": phase}, {**TEMPLATE, "nodeName": "ncn-w002"},
           ownerReferences=owners)


def of_this_cluster(cas, api):
    """Puts into etcd what the golden cluster lacks: this one's CA, jobs of which one has given up, pods of which one hangs. Its
    own pods go: nothing runs them, so that every one looks as if it hung."""
    def edit(server):
        served_before(api, server)
        server.put(foreign.KEY, foreign.root_ca((cas / "ca.crt").read_bytes()))
        server.call("/kv/deleterange", {"key": b64("/registry/pods/"), "range_end": b64("/registry/pods0")})
        stored(server, "namespaces", "Namespace", "v1", "services", status={"phase": "Active"})
        cronjob(server, "kube-etcdbackup", hourly())
        cronjob(server, "suspended", hourly(), suspend=True)
        cronjob(server, "yearly", "0 0 1 1 *")
        pod(server, "stuck", "Pending", [OWNER])
        pod(server, "by-hand", "Pending", [])
        pod(server, "running", "Running", [OWNER])
    return edit


class Scene:
    """The masters, the gateway with two archives of theirs, and what the operator writes."""

    def __init__(self, story, cluster):
        self.story, self.cluster = story, cluster
        self.api = api_host(story, cluster)
        self.snapshot = stories.snapshot_of(
            cluster.snapshot(), story.work, story.work / "etcd-dump.bin",
            of_this_cluster(cluster.cas, self.api), MEMBERS, csm.TOKEN)
        work, router = story.work / "rgw", story.switch.router
        work.mkdir()
        certificates = Certificates(work / "tls", "site-ca", f"IP:127.0.0.1,DNS:localhost,IP:{router}")
        self.ca = certificates.ca
        self.store = Radosgw(work, certificates)
        story.closing(self.store.close)
        self.store.bucket(BUCKET)
        packed = csm.archive(GOOD, self.snapshot)
        self.store.put(BUCKET, f"bare-metal/{GOOD}.tar.gz", packed)
        self.store.put(BUCKET, f"bare-metal/{BROKEN}.tar.gz", b"")
        self.plan = PLAN.format(endpoint=self.store.tls_endpoint.replace("localhost", router))
        self.credentials = f"{self.store.access}:{self.store.secret}\n"


@pytest.fixture(scope="module")
def scene(tell, tmp_path_factory):
    requirement.need("etcd-3.6", "etcdutl-3.6", "./build/peers/grub-2.12", "debugfs", "radosgw-18.2")
    cluster = csm.CsmCluster(tmp_path_factory.mktemp("csm"))
    cluster["ncn-m003"].form = "list"
    story = tell("csm", cluster.masters)
    scene = Scene(story, cluster)
    image = story.image("--ca", scene.ca)
    stick = story.stick(scene.plan, scene.credentials)
    scene.disks = {master.name: master.disk(story.work / f"{master.name}.img", damage=DAMAGE[master.name])
                   for master in cluster}
    scene.before = {name: sums.contents(disk, FOLDERS) for name, disk in scene.disks.items()}
    for master in cluster:
        story.power_on(master, scene.disks[master.name], image, stick)
    story.until_on_their_disks()
    scene.etcd = Etcd(story.work, [f"https://127.0.0.1:{story.port(master)}" for master in cluster], cluster.cas)
    story.until_healthy(scene.etcd)
    # As it was restored: from here on an API server writes, and `finish`, while the tests look at all else.
    scene.served, scene.revision = scene.etcd.keys(), scene.etcd.revision()
    if requirement.find("kube-apiserver-1.34"):
        start(scene.api, story.port(cluster["ncn-m001"]))
    return scene


def test_it_serves_what_the_archive_holds(scene):
    expected, served = stories.reference(scene.snapshot, scene.story.work), scene.served
    gone = {key.decode() for key in set(expected) - set(served)}
    assert gone <= {"/registry/leases/kube-system/kube-scheduler", "/registry/leases/kube-system/kube-controller-manager"}
    assert {key: value for key, value in expected.items() if key.decode() not in gone} == served
    assert stories.snakes(served) == list(range(8, 27))
    assert scene.revision > 1_000_000_000


def test_the_ids_are_those_of_the_published_procedure(scene):
    assert scene.etcd.members() == {name: (IDS[name], MEMBERS[name]) for name in IDS} == stories.ids(MEMBERS, csm.TOKEN)
    assert scene.etcd.cluster_id() == stories.cluster_id(MEMBERS, csm.TOKEN)


def test_the_broken_archive_was_passed_over_aloud(scene):
    for vm in scene.story.vms.values():
        text = COLOUR.sub("", vm.console.text)
        assert re.search(rf"{BROKEN}.*(empty|zero|no bytes|0 bytes)", text) and f"{GOOD}.tar.gz" in text, text[-4000:]


def test_the_service_starts_by_its_own_unit(scene):
    """Unit and configuration, as a map or as a list, are what they were: nobody has moved; nothing fences etcd any more."""
    for master in scene.cluster:
        vm = scene.story.shell(master)
        after, before = sums.digests(vm, f"/{csm.UNIT} /{csm.CONFIG}"), scene.before[master.name]
        assert after == {str(path): before[str(path)] for path in (csm.UNIT, csm.CONFIG)}
        assert vm.console.run("cat /etc/systemd/system/etcd.service.d/* 2>/dev/null").text == ""


def test_the_old_members_are_kept(scene):
    for name in ("ncn-m001", "ncn-m003"):
        old = sums.below(scene.before[name], MEMBER)
        assert old and sums.kept(scene.story.shell(scene.cluster[name]), f"/{MEMBER}.before-*") == old


@pytest.mark.needs("kube-apiserver-1.34")
def test_what_hangs_since_before_is_cleaned_up_and_nothing_else(scene):
    until_ready(scene.api)
    for master in scene.cluster:
        scene.story.until_finished(master)
        assert left_behind(scene.story.shell(master)) == []
    # One of them has done it for all.
    assert let_go(scene.api) == ["stuck-pods", "cronjobs"]
    assert sorted(spared(scene.story.shell(master)) for master in scene.cluster) == [[], *[["stuck-pods", "cronjobs"]] * 2]
    before = {name: json.loads(scene.served[f"/registry/cronjobs/services/{name}".encode()].value) for name in JOBS}
    after = items(scene.api, "/apis/batch/v1/cronjobs")
    assert set(after) == set(JOBS)
    assert {name for name in JOBS if before[name]["metadata"]["uid"] != after[name]["metadata"]["uid"]} == {"kube-etcdbackup"}
    anew, old = after["kube-etcdbackup"], before["kube-etcdbackup"]
    assert anew["spec"]["schedule"] == old["spec"]["schedule"] and "lastScheduleTime" not in anew.get("status", {})
    pods = items(scene.api, "/api/v1/pods")
    # It is on its way: only a kubelet says that it is gone.
    assert set(pods) == {"stuck", "by-hand", "running"}
    assert {name for name, pod in pods.items() if "deletionTimestamp" in pod["metadata"]} == {"stuck"}
    scene.api.close()


def local(scene, text, **words):
    """The plan for a tree on this machine."""
    keys = scene.story.work / "credentials"
    text = text.replace(scene.story.switch.router, "localhost").replace("credentials: file", f"credentials: file:{keys}")
    path = scene.story.work / "local.yaml"
    path.write_text(text + f"https: {{ca: {scene.ca}}}\n" + "".join(f"{key}: {word}\n" for key, word in words.items()))
    return path


def test_another_clusters_archive_is_refused(scene, lab):
    """The wrong snapshot was chosen: nothing of the old state is touched, and the reason is named."""
    other = scene.story.work / "other"
    other.mkdir()
    snapshot = foreign.snapshot(other / "db", (pki.authorities(other / "pki") / "ca.crt").read_bytes(), other)
    scene.store.put(BUCKET, "bare-metal/etcd-backup-2026-11-20-04-00-00.tar.gz",
                    csm.archive("etcd-backup-2026-11-20-04-00-00", snapshot))
    root = scene.cluster["ncn-m001"].tree("db", programs=False)
    # What makes it an ordinary installation, whose etcd lies on the root.
    (root / "etc/fstab").write_text("UUID=4b1e6f8e-93f7-4d5e-9e5a-0d8f3b8d1c11 / ext4 defaults 0 1\n")
    before = sums.of_tree(root, FOLDERS)
    plan = local(scene, scene.plan, snapshot="etcd-backup-2026-11-20-04-00-00.tar.gz")
    status, outcome, said = stories.run_on(lab.program, root, plan)
    assert (status, outcome) == (6, "refused") and "another cluster" in said, said
    assert sums.of_tree(root, FOLDERS) == before


def test_rollback_brings_the_old_bytes_back(scene):
    master = scene.cluster["ncn-m003"]
    vm = scene.story.shell(master)
    assert vm.console.run("systemctl stop etcd", 120).status == 0
    stories.rolled_back(vm)
    scene.story.power_off(master)
    after = sums.contents(scene.disks[master.name], FOLDERS)
    assert {path: digest for path, digest in after.items() if ".rolled-back-" not in path} == scene.before[master.name]


@pytest.mark.long
def test_the_image_once_more_changes_nothing(scene):
    master = scene.cluster["ncn-m001"]
    changed = scene.story.boot_image_again(master, [f"/{folder}" for folder in FOLDERS], csm.stop_serving)
    assert changed == []
