"""OpenShift 4.6 after its cron job's backups by sftp: the recovery host alone, on ostree; the others stand aside.

On the server lie three backups: a pair, a newer one whose halves are not of the same second, and one taken while operators
were at work. The recovery host is a machine; what the other masters do is shown on their trees. The operators' redeployments
and the certificates of kubelets are shown against a real API server in interop/test_finish_openshift.py; here only that the
first boot sets out to do them.
"""

import hashlib
import json
import re
import shutil
import subprocess

import pytest

import requirement
from cli.test_run_resources import archive
from machine.disk import MIB
from machine.master import MANIFESTS
from machine.openshift import BACKUP, DEPLOYMENT, KUBECONFIG, RESOURCES, VAR, OpenshiftCluster, label, resources
from scenario.story import (Etcd, below, cluster_id, contents, digests, ids, kept, of_tree, reference, rolled_back, run_on, snakes)
from sources.sshd import Sshd, keygen, fingerprint

STAMP, MIXED, DIRTY = "2026-11-20_060200", "2026-11-20_180200", "2026-11-21_060200__POSSIBLY_DIRTY__"
PLAN = """generation: 1
source: {source}
sftp: {{host-key: "{host_key}", identity: file:{identity}}}
recovery-host: master-1
auto: yes
"""
IN_THE_IMAGE = "/run/etcd-rescue/identity"
FOLDERS = ["/etc/kubernetes", "/var/lib/etcd"]
ROOT = 101 * MIB        # where the file system with the deployment begins
DROPPED = (b"/registry/masterleases/", b"/registry/leases/kube-system/kube-")
TOKEN = re.compile(r"openshift-etcd-[0-9a-f]{12}")


def fill(server, cluster):
    """What the cron job has left."""
    good = archive({name: text.encode() for name, text in resources(BACKUP).items()})
    snapshot = cluster.snapshot().read_bytes()
    for name, body in ((f"snapshot_{STAMP}.db", snapshot), (f"static_kuberesources_{STAMP}.tar.gz", good),
                       (f"snapshot_{MIXED}.db", snapshot), (f"static_kuberesources_{MIXED[:-2]}01.tar.gz", good),
                       (f"snapshot_{DIRTY}.db", snapshot), (f"static_kuberesources_{DIRTY}.tar.gz", good)):
        server.put(f"backup/{name}", body)


def sums(files):
    """{path: SHA-256} of what resources() says."""
    return {f"etc/kubernetes/{name}": hashlib.sha256(text.encode()).hexdigest()
            for name, text in files.items()}


class Scene:
    def __init__(self, tell, work):
        requirement.need("etcd-3.4", "etcdctl-3.4", "etcdutl-3.6")
        self.cluster = OpenshiftCluster(work / "cluster")
        self.host = self.cluster["master-1"]
        self.server = Sshd(work / "sshd")
        fill(self.server, self.cluster)
        self.key = self.server.user_key()
        self.story = story = tell("openshift-4.6", [self.host])
        story.closing(self.server.close)
        self.disk = self.host.disk(work / "master-1.img", damage="db")
        etc, var = contents(self.disk, [f"{DEPLOYMENT}/etc/kubernetes"]), contents(self.disk, [f"{VAR}/lib/etcd"])
        self.before = {**{path.removeprefix(f"{DEPLOYMENT}/"): sha for path, sha in etc.items()},
                       **{path.replace(VAR, "var", 1): sha for path, sha in var.items()}}

    def plan(self, host=None, identity=IN_THE_IMAGE, host_key=None):
        source = f"sftp://{self.server.user}@{host or self.server.host}:{self.server.port}{self.server.path}/backup/"
        return PLAN.format(source=source, host_key=host_key or self.server.fingerprint, identity=identity)

    def etcd(self):
        return Etcd(self.story.work, [f"https://127.0.0.1:{self.story.port(self.host)}"], cas=self.cluster.cas, version="3.4")


@pytest.fixture(scope="module")
def scene(tell, tmp_path_factory):
    scene = Scene(tell, tmp_path_factory.mktemp("openshift"))
    story = scene.story
    stick = story.stick(scene.plan(host=story.switch.router), identity=scene.key)
    story.power_on(scene.host, scene.disk, stick=stick)
    story.until_on_their_disks()
    story.shell(scene.host)
    story.until_healthy(scene.etcd())
    return scene


def test_recovery_host_serves_the_snapshot_alone(scene):
    etcd = scene.etcd()
    said = scene.story.shell(scene.host).console.run("cat /var/lib/etcd-rescue/journal", 60).text
    token = TOKEN.search(said)[0]
    alone = {"master-1": [scene.host.peer]}
    assert etcd.members() == ids(alone, token)
    assert etcd.cluster_id() == cluster_id(alone, token)
    keys, wanted = etcd.keys(), reference(scene.cluster.snapshot(), scene.story.work)
    assert snakes(keys) == list(range(8, 27))
    assert all(key.startswith(DROPPED) for key in set(wanted) - set(keys))
    assert set(keys) <= set(wanted) and all(keys[key] == wanted[key] for key in keys)


def test_pair_of_one_second_was_taken_and_the_others_were_passed_over_aloud(scene):
    said = scene.story.vms[scene.host.name].console.text
    assert re.search(rf"snapshot: \S*snapshot_{STAMP}\.db", said)
    for name in (MIXED, DIRTY):
        assert re.search(rf"passed over \S*snapshot_{re.escape(name)}", said), name


def test_resources_of_the_backup_are_unpacked(scene):
    now = digests(scene.story.shell(scene.host), f"/{RESOURCES} /{MANIFESTS}")
    backup = sums(resources(BACKUP))
    assert {path: now[path] for path in backup} == backup
    assert now[f"{MANIFESTS}/kube-apiserver-pod.yaml"] == backup[f"{RESOURCES}/kube-apiserver-pod-7/kube-apiserver-pod.yaml"]
    newer = {path: sha for path, sha in scene.before.items() if "kube-apiserver-pod-8/" in path}
    assert newer and {path: now[path] for path in newer} == newer


def test_first_boot_sets_out_to_redeploy_and_knows_the_nodes(scene):
    vm = scene.story.shell(scene.host)
    record = json.loads(vm.console.run("cat /var/lib/etcd-rescue/finish.json", 60).text)
    assert record["layout"] == "openshift-4.6" and record["role"] == "single"
    assert record["redeploy"] and record["csr"] and record["known"]
    assert record["kubeconfigs"][0] == str(KUBECONFIG)
    assert "finish" in vm.console.run("ps | grep 'etcd-rescue finis[h]'", 60).text


def test_old_data_is_kept(scene):
    assert kept(scene.story.shell(scene.host), "/var/lib/etcd/member.before-*") == below(scene.before, "var/lib/etcd/member")


def test_second_boot_of_the_image_changes_nothing(scene):
    assert scene.story.boot_image_again(scene.host, FOLDERS) == []


def test_labels_are_those_of_what_was_there(scene):
    """After a clean start: what the file system has of them."""
    etc, var = f"{DEPLOYMENT}/etc/kubernetes", f"{VAR}/lib/etcd"
    assert scene.story.shell(scene.host).console.run("sync").status == 0
    for path, kind in ((f"{etc}/manifests/etcd-pod.yaml", "kubernetes_file_t"),
                       (f"{etc}/manifests/kube-apiserver-pod.yaml", "kubernetes_file_t"),
                       (f"{var}/member", "container_var_lib_t"), (f"{var}/member/snap/db", "container_var_lib_t"),
                       (f"{var}/member/wal", "container_var_lib_t")):
        assert label(scene.disk, ROOT, path) == f"system_u:object_r:{kind}:s0", path


def test_rollback_brings_every_byte_back(scene):
    vm = scene.story.shell(scene.host)
    rolled_back(vm)
    now = digests(vm, " ".join(FOLDERS))
    assert {path: sha for path, sha in now.items() if ".rolled-back-" not in path} == scene.before


# Without a machine: its tree


@pytest.fixture
def tree_of(scene, tmp_path):
    """A master's tree at a place of its own."""
    def make(name, **options):
        root = scene.cluster[name].tree(programs=False, **options)
        return shutil.copytree(root, tmp_path / name, symlinks=True)
    return make


def test_server_with_another_key_gets_nothing_and_the_disk_stays(scene, tree_of, tmp_path):
    stranger = fingerprint(keygen(tmp_path / "stranger", "ed25519").with_suffix(".pub").read_text())
    plan = tmp_path / "plan.yaml"
    plan.write_text(scene.plan(identity=scene.key, host_key=stranger))
    root = tree_of("master-1", damage="none")
    before = of_tree(root)
    status, outcome, said = run_on(scene.story.lab.program, root, plan)
    assert (status, outcome) == (1, "untouched") and "SHOWS ANOTHER KEY" in said, said
    assert {path: sha for path, sha in of_tree(root).items() if "etcd-rescue" not in path} == before


@pytest.mark.parametrize("name", ["master-0", "master-2"])
def test_other_masters_stand_aside_and_come_back(scene, tree_of, tmp_path, name):
    """The same plan: neither etcd nor the API server starts there, the old data is kept, and all of it can be undone."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(scene.plan(identity=scene.key))
    root = tree_of(name, damage="none")
    before = of_tree(root)
    status, outcome, said = run_on(scene.story.lab.program, root, plan)
    assert (status, outcome) == (0, "restored"), said
    after = of_tree(root)
    gone = [f"{MANIFESTS}/{pod}-pod.yaml" for pod in ("etcd", "kube-apiserver")]
    assert all(path in before and path not in after for path in gone)
    assert below(before, "var/lib/etcd/member") and not below(after, "var/lib/etcd/member")
    aside = [path for path in (root / "var/lib/etcd").iterdir() if path.name.startswith("member.before-")]
    assert [of_tree(path) for path in aside] == [below(before, "var/lib/etcd/member")]
    kept_as_it_is = {path: sha for path, sha in before.items() if path not in gone and not path.startswith("var/lib/etcd/member/")}
    assert {path: after[path] for path in kept_as_it_is} == kept_as_it_is
    status, outcome, said = run_on(scene.story.lab.program, root, plan)
    assert (status, outcome) == (0, "already-restored"), said
    assert of_tree(root) == after
    back = subprocess.run([scene.story.lab.program, "rollback", "--root", root], capture_output=True, text=True, check=False)
    assert back.returncode == 0, back.stderr
    assert {path: sha for path, sha in of_tree(root).items() if "etcd-rescue" not in path} == before
