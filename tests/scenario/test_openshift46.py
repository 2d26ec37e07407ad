"""OpenShift 4.6 after its cron job's backups by sftp: the recovery host alone, on ostree; the others stand aside.

On the server lie three backups: a pair, a newer one whose halves are not of the same second, and one taken while operators
were at work. The recovery host and one of the others are machines that boot the same image; what another one does again, and
what is refused, is shown on trees. While the recovery host commits, its power goes, and comes back. Once etcd is healthy a
real API server runs over it, the operators' definitions out of the snapshot in it, and `finish` on the recovery host does the
rest.
"""

import hashlib
import json
import re
import shutil
import subprocess

import pytest

import requirement
from cli.test_run_resources import archive
from interop import operators
from interop.kubelets import BOOTSTRAP, CLIENT, LABELS, SERVING, Requests, kubelet, request
from interop.operators import GROUP, KINDS, REVISIONS, Operators
from machine.disk import MIB
from machine.master import MANIFESTS
from machine.openshift import BACKUP, DEPLOYMENT, KUBECONFIG, ON_DISK, RESOURCES, VAR, OpenshiftCluster, label, resources
from scenario.api import SINCE, api_host, serve, stored
from scenario.power import cut_while_it_commits, goes_on
from scenario.story import PROGRAM, Etcd, cluster_id, ids, reference, rolled_back, run_on, snakes, snapshot_of
from scenario.sums import below, contents, digests, kept, of_tree
from sources.sshd import Sshd, keygen, fingerprint

STAMP, MIXED, DIRTY = "2026-11-20_060200", "2026-11-20_180200", "2026-11-21_060200__POSSIBLY_DIRTY__"
PLAN = """generation: 1
source: {source}
sftp: {{host-key: "{host_key}", identity: file:{identity}}}
recovery-host: master-1
finish: {{deadline: 5m}}
auto: yes
"""
IN_THE_IMAGE = "/run/etcd-rescue/identity"
FOLDERS = ["/etc/kubernetes", "/var/lib/etcd"]
ROOT = 101 * MIB        # where the file system with the deployment begins
MASTERS, WORKER = ("master-0", "master-1", "master-2"), "worker-0"
PODS = [f"{MANIFESTS}/{pod}-pod.yaml" for pod in ("etcd", "kube-apiserver")]
DROPPED = (b"/registry/masterleases/", b"/registry/leases/kube-system/kube-")
TOKEN = re.compile(r"openshift-etcd-[0-9a-f]{12}")


def put_definition(server, plural, kind):
    """As an API server stores it, which serves it at once."""
    body = operators.definition(plural, kind)
    conditions = [{"type": name, "status": "True", "reason": "x", "message": "x", "lastTransitionTime": SINCE}
                  for name in ("NamesAccepted", "Established")]
    stored(server, "apiextensions.k8s.io/customresourcedefinitions", "CustomResourceDefinition", "apiextensions.k8s.io/v1",
           body["metadata"]["name"], spec={**body["spec"], "conversion": {"strategy": "None"}},
           status={"acceptedNames": body["spec"]["names"], "conditions": conditions, "storedVersions": ["v1"]})


def put_node(server, name, ready, address):
    stored(server, "minions", "Node", "v1", name, status={
        "conditions": [{"type": "Ready", "status": ready, "reason": "x", "message": "x", "lastHeartbeatTime": SINCE}],
        "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]})


def of_this_cluster(cluster, work):
    """Puts into etcd what the golden cluster lacks: operators with all at rest, its nodes, and a request of long ago."""
    def edit(server):
        for plural, kind in KINDS.items():
            put_definition(server, plural, kind)
            stored(server, f"{GROUP}/{plural}", kind, f"{GROUP}/v1", "cluster", spec=operators.operator(kind)["spec"],
                   status=operators.status(REVISIONS[plural], MASTERS, [REVISIONS[plural]] * 3), generation=1)
        for master in cluster:
            put_node(server, master.name, "True" if master.name == "master-1" else "Unknown", master.address)
        put_node(server, WORKER, "Unknown", "192.168.126.20")
        user, groups = BOOTSTRAP
        stored(server, "certificatesigningrequests", "CertificateSigningRequest", "certificates.k8s.io/v1", "of-before", spec={
            "request": request(work, "of-before", "/O=system:nodes/CN=system:node:master-2"), "signerName": CLIENT,
            "usages": ["digital signature", "client auth"], "username": user, "groups": groups}, labels=LABELS)
    return edit


def fill(server, taken):
    """What the cron job has left."""
    good = archive({name: text.encode() for name, text in resources(BACKUP).items()})
    snapshot = taken.read_bytes()
    for name, body in ((f"snapshot_{STAMP}.db", snapshot), (f"static_kuberesources_{STAMP}.tar.gz", good),
                       (f"snapshot_{MIXED}.db", snapshot), (f"static_kuberesources_{MIXED[:-2]}01.tar.gz", good),
                       (f"snapshot_{DIRTY}.db", snapshot), (f"static_kuberesources_{DIRTY}.tar.gz", good)):
        server.put(f"backup/{name}", body)


def sums(files):
    """{path: SHA-256} of what resources() says."""
    return {f"etc/kubernetes/{name}": hashlib.sha256(text.encode()).hexdigest()
            for name, text in files.items()}


def found_on(disk):
    """What lies on an ostree disk, by its paths in the running system."""
    etc, var = contents(disk, [f"{DEPLOYMENT}/etc/kubernetes"]), contents(disk, [f"{VAR}/lib/etcd"])
    return {**{path.removeprefix(f"{DEPLOYMENT}/"): sha for path, sha in etc.items()},
            **{path.replace(VAR, "var", 1): sha for path, sha in var.items()}}


class Scene:
    def __init__(self, tell, work):
        requirement.need("etcd-3.4", "etcdctl-3.4", "etcdutl-3.6")
        self.cluster = cluster = OpenshiftCluster(work / "cluster")
        self.host, self.aside = cluster["master-1"], cluster["master-0"]
        self.story = story = tell("openshift-4.6", [self.host, self.aside])
        self.api = api_host(story, cluster)
        self.snapshot = snapshot_of(cluster.snapshot(), work, work / "snapshot.db", of_this_cluster(cluster, work),
                                    {master.name: [master.peer] for master in cluster}, version="3.4")
        self.server = Sshd(work / "sshd")
        fill(self.server, self.snapshot)
        self.key = self.server.user_key()
        story.closing(self.server.close)
        self.disks = {"master-1": self.host.disk(work / "1.img", damage="db"),
                      "master-0": self.aside.disk(work / "0.img", damage="none")}
        self.before = {name: found_on(disk) for name, disk in self.disks.items()}

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
    options = {"stick": stick, "flushed": True}
    story.power_on(scene.host, scene.disks[scene.host.name], **options)
    story.power_on(scene.aside, scene.disks[scene.aside.name], stick=stick)
    scene.seen = cut_while_it_commits(story, scene.host, scene.disks[scene.host.name], **options)
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
    keys, wanted = etcd.keys(), reference(scene.snapshot, scene.story.work)
    assert snakes(keys) == list(range(8, 27))
    assert all(key.startswith(DROPPED) for key in set(wanted) - set(keys))
    assert set(keys) <= set(wanted) and all(keys[key] == wanted[key] for key in keys)


def test_the_power_went_in_the_middle_of_its_commit(scene):
    """And what is shown here is what the next boot of the image has made of that."""
    goes_on(scene.story, scene.host, scene.seen)


def test_pair_of_one_second_was_taken_and_the_others_were_passed_over_aloud(scene):
    said = scene.seen
    assert re.search(rf"snapshot: \S*snapshot_{STAMP}\.db", said)
    for name in (MIXED, DIRTY):
        assert re.search(rf"passed over \S*snapshot_{re.escape(name)}", said), name


def test_resources_of_the_backup_are_unpacked(scene):
    now = digests(scene.story.shell(scene.host), f"/{RESOURCES} /{MANIFESTS}")
    backup = sums(resources(BACKUP))
    assert {path: now[path] for path in backup} == backup
    assert now[f"{MANIFESTS}/kube-apiserver-pod.yaml"] == backup[f"{RESOURCES}/kube-apiserver-pod-7/kube-apiserver-pod.yaml"]
    newer = {path: sha for path, sha in scene.before["master-1"].items() if "kube-apiserver-pod-8/" in path}
    assert newer and {path: now[path] for path in newer} == newer


def test_first_boot_sets_out_to_redeploy_and_knows_the_nodes(scene):
    vm = scene.story.shell(scene.host)
    record = json.loads(vm.console.run("cat /var/lib/etcd-rescue/finish.json", 60).text)
    assert record["layout"] == "openshift-4.6" and record["role"] == "single"
    assert record["redeploy"] and record["csr"] and record["known"]
    assert record["kubeconfigs"][0] == str(KUBECONFIG)
    assert {*MASTERS, WORKER} <= set(record["known"])
    assert "finish" in vm.console.run("ps | grep 'etcd-rescue finis[h]'", 60).text


def test_old_data_is_kept(scene):
    old = below(scene.before["master-1"], "var/lib/etcd/member")
    assert old and kept(scene.story.shell(scene.host), "/var/lib/etcd/member.before-*") == old


def test_on_the_master_aside_neither_etcd_nor_the_api_server_starts(scene):
    said = scene.story.shell(scene.aside).console.run("cat /var/log/kubelet.log; pidof etcd", 60)
    started = set(re.findall(r"kubelet: (\S+)-pod started", said.text))
    assert started == set(ON_DISK) - {"etcd", "kube-apiserver"} and said.status == 1, said.text


@pytest.fixture(scope="module")
def finished(scene):
    """`finish` on the recovery host, with an API server, operators, and kubelets that ask for certificates."""
    story, api = scene.story, scene.api
    serve(api, story.port(scene.host))
    story.until("API server")
    asks = Requests(api)
    asks.node("master-0-client", BOOTSTRAP, "master-0")
    asks.node("worker-0-serving", kubelet(WORKER), WORKER, names=f"DNS:{WORKER},IP:192.168.126.20", signer=SERVING)
    asks.node("master-0-second", BOOTSTRAP, "master-0")
    asks.node("of-a-stranger", BOOTSTRAP, "stranger")
    asks.node("for-another-node", kubelet(WORKER), "master-2")
    asks.node("extra-name", kubelet(WORKER), WORKER, names=f"DNS:{WORKER},DNS:api.example.org", signer=SERVING)
    asks.make("an-administrator", BOOTSTRAP, "/O=system:masters/CN=system:admin")
    scene.work = Operators(api, nodes=MASTERS, made=True)
    scene.work.start()
    story.until_finished(scene.host, seconds=900)
    scene.approved = asks.approved()
    scene.work.close()
    api.close()
    return scene


@pytest.mark.needs("kube-apiserver-1.34")
def test_operators_redeploy_one_after_the_other(finished):
    log = finished.work.log
    assert [(plural, what) for plural, what, _ in log] == [(plural, what) for plural in KINDS for what in ("asked", "done")]
    assert {reason.rsplit(" ", 1)[1] for _, what, reason in log if what == "asked"} == {str(n) for n in REVISIONS.values()}


@pytest.mark.needs("kube-apiserver-1.34")
def test_kubelets_of_the_snapshot_get_certificates_and_nobody_else(finished):
    assert finished.approved == {"master-0-client", "worker-0-serving"}
    log = finished.story.shell(finished.host).console.run("cat /var/log/wanted.log", 60).text
    for name, why in (("of-before", "it was made before the restore"), ("of-a-stranger", "the snapshot knows no such node"),
                      ("for-another-node", "it is asked for by somebody else"), ("an-administrator", "it is for no node"),
                      ("extra-name", "it asks for a name that its node does not have"),
                      ("master-0-second", "its node has got a certificate for another key just now")):
        assert f"request {name} for a certificate is left alone: {why}" in log, log


@pytest.mark.needs("kube-apiserver-1.34")
def test_finish_has_removed_itself(finished):
    """But for the program, which rollback needs."""
    left = finished.story.shell(finished.host).console.run(
        "find /etc/systemd /var/lib/etcd-rescue -type f '(' -name '*finish*' -o -name '50-etcd-*' -o -path '*/bin/*' ')'", 60)
    assert (left.status, left.text.split()) == (0, [PROGRAM]), left.text


def test_master_aside_keeps_all_but_those_pods_and_is_not_disturbed(scene):
    """At the end, as its disk has it."""
    scene.story.power_off(scene.aside)
    old, now = scene.before["master-0"], found_on(scene.disks["master-0"])
    member = {path: sha for path, sha in old.items() if path.startswith("var/lib/etcd/member/")}
    aside = {re.sub("^var/lib/etcd/member[.]before-[^/]*", "var/lib/etcd/member", path): sha
             for path, sha in now.items() if path.startswith("var/lib/etcd/")}
    assert member and aside == member and not below(now, "var/lib/etcd/member")
    assert {path for path in old if path not in now and path not in member} == set(PODS)
    assert {path: sha for path, sha in now.items() if path.startswith("etc/")} == {
        path: sha for path, sha in old.items() if path.startswith("etc/") and path not in PODS}


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
        assert label(scene.disks["master-1"], ROOT, path) == f"system_u:object_r:{kind}:s0", path


def test_rollback_brings_every_byte_back(scene):
    vm = scene.story.shell(scene.host)
    rolled_back(vm)
    now = digests(vm, " ".join(FOLDERS))
    assert {path: sha for path, sha in now.items() if ".rolled-back-" not in path} == scene.before["master-1"]


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


def test_third_master_stands_aside_and_comes_back(scene, tree_of, tmp_path):
    """The same plan: neither etcd nor the API server starts there, the old data is kept, and all of it can be undone."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(scene.plan(identity=scene.key))
    root = tree_of("master-2", damage="none")
    before = of_tree(root)
    status, outcome, said = run_on(scene.story.lab.program, root, plan)
    assert (status, outcome) == (0, "restored"), said
    after = of_tree(root)
    assert all(path in before and path not in after for path in PODS)
    assert below(before, "var/lib/etcd/member") and not below(after, "var/lib/etcd/member")
    aside = [path for path in (root / "var/lib/etcd").iterdir() if path.name.startswith("member.before-")]
    assert [of_tree(path) for path in aside] == [below(before, "var/lib/etcd/member")]
    same = {path: sha for path, sha in before.items() if path not in PODS and not path.startswith("var/lib/etcd/member/")}
    assert {path: after[path] for path in same} == same
    status, outcome, said = run_on(scene.story.lab.program, root, plan)
    assert (status, outcome) == (0, "already-restored"), said
    assert of_tree(root) == after
    back = subprocess.run([scene.story.lab.program, "rollback", "--root", root], capture_output=True, text=True, check=False)
    assert back.returncode == 0, back.stderr
    assert {path: sha for path, sha in of_tree(root).items() if "etcd-rescue" not in path} == before
