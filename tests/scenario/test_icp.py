"""IBM Cloud Private: three dead masters with JSON pods, one of them half-way through a recovery by hand, and a management node.

The same image with the same plan of two lines goes into all four. Of etcd0 half of the database is lost, of etcd1 the log is damaged, and etcd2's pods lie in podbackup; that one's system has
no systemd. While etcd1's master commits, its power goes; it comes back with the image still attached.
"""

import json
import re
import subprocess
import time

import pytest

import requirement
from machine.console import COLOUR
from machine.icp import BACKUP, DATA, HYPERKUBE, PODS, VOLUMES, WAL, IcpCluster
from machine.netboot import web_server
from scenario import story as stories, sums
from scenario.power import cut_while_it_commits, goes_on
from scenario.story import Etcd

FOLDERS = ["etc/cfc", "var/lib/etcd", "var/lib/etcd-wal", "var/lib/kubelet"]
SNAPSHOT = "etcd.2018.12.19-04.00.00.db"
STATE = "/var/lib/etcd-rescue"
# What the first boot of the restored system is started by, and gone when that is done.
STARTERS = ("/etc/systemd/system/etcd-rescue-finish.service", "/etc/systemd/system/kubelet.service.d",
            "/etc/local.d/etcd-rescue-finish.start")
PLAN = """source: http://{router}:{port}/{snapshot}
auto: yes
"""
# Keys of who led and who was alive, which the restore drops.
LIVES = re.compile(r"/registry/(masterleases/|leases/kube-system/kube-(scheduler|controller-manager)$)")


class Scene:
    def __init__(self, story, cluster, server):
        self.story, self.cluster, self.server = story, cluster, server
        self.first, self.second, self.third = cluster
        self.plan = PLAN.format(router=story.switch.router, port=server.server_port, snapshot=SNAPSHOT)
        self.etcd = Etcd(story.work, [f"https://127.0.0.1:{story.port(master, 4001)}" for master in cluster], cluster.cas,
                         version="3.3")

    def until_finished(self, master):
        """The first boot's part is done: with systemd and without the record goes last."""
        vm = self.story.shell(master)
        done = vm.console.run(f"n=0; while [ -e {STATE}/finish.json ] && [ $n -lt 120 ]; do sleep 2; n=$((n+2)); done; "
                              f"[ ! -e {STATE}/finish.json ]", 300)
        assert done.status == 0, vm.console.run("cat /var/log/etcd-rescue/*.jsonl | tail -n 20; cat /var/log/wanted.log").text
        return vm


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    requirement.need("etcd-3.3", "etcdctl-3.3", "etcdutl-3.6", "etcd-3.6", "./build/peers/grub-2.12", "debugfs")
    cluster = IcpCluster(tmp_path_factory.mktemp("icp"))
    cluster["icp-master-3"].half_done, cluster["icp-master-3"].init = True, "openrc"
    return cluster


def served_folder(story, cluster):
    folder = story.work / "served"
    folder.mkdir()
    (folder / SNAPSHOT).write_bytes(cluster.snapshot().read_bytes())
    return folder


@pytest.fixture(scope="module")
def scene(tell, cluster):
    story = tell("icp", [*cluster, cluster.management], ports=(4001,))
    work = story.work
    with web_server(served_folder(story, cluster)) as server:
        scene = Scene(story, cluster, server)
        disks = {master.name: master.disk(work / f"{master.member}.img", damage=damage)
                 for master, damage in zip(cluster, ("db", "wal", "none"))}
        scene.before = {name: sums.contents(disk, FOLDERS) for name, disk in disks.items()}
        management = cluster.management.disk(work / "management.img")
        scene.before[cluster.management.name] = sums.contents(management, ["etc/cfc", "var/lib/kubelet"])
        disks[cluster.management.name] = management
        stick = story.stick(scene.plan)
        for machine in story.machines:
            story.power_on(machine, disks[machine.name], stick=stick)
        scene.seen = cut_while_it_commits(story, scene.second, disks[scene.second.name], stick=stick)
        story.until_on_their_disks()
        story.until_healthy(scene.etcd)
        for master in cluster:
            scene.until_finished(master)
        story.seconds["finished"] = round(time.monotonic() - story._power, 1)
        yield scene


def test_the_new_cluster_serves_what_the_snapshot_holds(scene):
    expected, served = stories.reference(scene.cluster.snapshot(), scene.story.work), scene.etcd.keys()
    gone = set(expected) - set(served)
    assert all(LIVES.match(key.decode()) for key in gone), gone
    assert {key: value for key, value in expected.items() if key not in gone} == served
    assert stories.snakes(served) == list(range(8, 27))
    assert scene.etcd.revision() > 1_000_000_000


def test_the_members_are_the_three_of_before_with_new_ids(scene):
    pod = json.loads(scene.story.shell(scene.third).console.run(f"cat /{PODS}/etcd.json").text)
    words = pod["spec"]["containers"][0]["command"]
    token = next(word.split("=", 1)[1] for word in words if word.startswith("--initial-cluster-token="))
    assert re.fullmatch("etcd-cluster-1-[0-9a-f]{12}", token)
    assert scene.etcd.members() == stories.ids(scene.cluster.members, token)
    assert scene.etcd.cluster_id() == stories.cluster_id(scene.cluster.members, token)


def test_etcd_is_started_first_and_the_others_once_it_serves(scene):
    for master in scene.cluster:
        vm = scene.story.shell(master)
        started = re.findall(r"kubelet: (\S+) started \(\d+\), second (\d+)", vm.console.run("cat /var/log/kubelet.log").text)
        said = vm.console.run("cat /var/log/etcd-rescue/*.jsonl").text
        serves = said.find("etcd serves: the restored cluster")
        placed = [said.find(f"/{name}.json is in place") for name in HYPERKUBE]
        assert 0 < serves < min(placed), said[-2000:]
        assert [name for name, _ in started][0] == "etcd" and {name for name, _ in started} == {"etcd", *HYPERKUBE}
        said = vm.console.run("cat " + " ".join(f"/var/log/pods/{name}.log" for name in HYPERKUBE)).text
        assert sorted(said.split("\n")) == ["controller-manager: etcd serves", "proxy: etcd serves"]
        scene.story.say(f"{master.name}: " + ", ".join(f"{name} at second {second}" for name, second in started))


def test_the_power_went_in_the_middle_of_a_commit(scene):
    goes_on(scene.story, scene.second, scene.seen)


def test_old_data_old_log_and_what_pods_had_mounted_are_kept(scene):
    for master in (scene.second, scene.third):
        vm, old = scene.story.shell(master), scene.before[master.name]
        assert vm.console.run(f"ls -d /{VOLUMES}").status != 0
        for place in (DATA / "member", WAL, VOLUMES):
            assert sums.below(old, str(place)) and sums.kept(vm, f"/{place}.before-*") == sums.below(old, str(place))


def test_the_pods_are_all_in_place_and_nothing_of_the_first_boot_is_left(scene):
    for master in scene.cluster:
        vm = scene.story.shell(master)
        assert sorted(vm.console.run(f"ls /{PODS}").text.split()) == sorted(master.pods())
        left = vm.console.run(f"ls -d {' '.join(STARTERS)} {STATE}/held* {STATE}/finish* 2>/dev/null").text
        assert left == "", left


def test_the_management_node_finds_out_what_it_is_and_is_only_purged(scene):
    """Nobody said so: the kubelet starts without the pods of before, and all else is as it was."""
    node, before = scene.cluster.management, scene.before[scene.cluster.management.name]
    said = COLOUR.sub("", scene.story.vms[node.name].console.text)
    assert "role purge-only: a node of the layout icp without an etcd: etc/cfc/pods is there" in said
    assert "==> fetch" not in said and "commit: done; its role is in place" in said
    vm, old = scene.story.shell(node), sums.below(before, str(VOLUMES))
    assert old and sums.kept(vm, f"/{VOLUMES}.before-*") == old
    assert vm.console.run(f"ls -d /{VOLUMES} /{DATA}").status != 0
    assert sums.below(sums.digests(vm, "/etc/cfc"), "etc/cfc") == sums.below(before, "etc/cfc")
    assert "kubelet: proxy started" in vm.console.run("cat /var/log/kubelet.log").text
    assert not vm.console.run(f"ls -d {' '.join(STARTERS)} {STATE}/finish* 2>/dev/null").text
    # The others need the processors.
    scene.story.vms.pop(node.name).close()


def test_the_image_started_again_changes_nothing(scene):
    folders = [f"/{folder}" for folder in ("etc/cfc", DATA, WAL, "var/lib/kubelet")]
    assert scene.story.boot_image_again(scene.first, folders) == []


def test_rollback_brings_the_half_done_recovery_back(scene):
    vm, before = scene.story.shell(scene.third), scene.before[scene.third.name]
    stories.rolled_back(vm)
    # Until the kubelet has seen it.
    vm.console.run("sleep 5")
    after = sums.digests(vm, " ".join(f"/{folder}" for folder in FOLDERS) + " ! -path '*.rolled-back-*'")
    assert after == before
    assert f"{BACKUP}/etcd.json" in after and not [path for path in after if path.startswith(f"{PODS}/")]


@pytest.mark.long
def test_pods_are_put_in_place_though_etcd_does_not_serve(tell, cluster):
    """One master of three has no quorum: at the plan's deadline the other pods start all the same, and it is said."""
    story = tell("icp-alone", cluster.masters, ports=(4001,))
    with web_server(served_folder(story, cluster)) as server:
        plan = PLAN.format(router=story.switch.router, port=server.server_port, snapshot=SNAPSHOT) + "finish: {deadline: 60s}\n"
        master = cluster["icp-master-3"]
        story.power_on(master, master.disk(story.work / "alone.img", damage="none"), stick=story.stick(plan))
        story.until_on_their_disks()
    vm = story.shell(master)
    done = vm.console.run("(n=0; until dmesg | grep 'etcd-rescue finish: ' && grep -q 'proxy started' /var/log/kubelet.log; do "
                          "sleep 2; n=$((n+2)); [ $n -lt 180 ] || exit 1; done)", 400)
    assert done.status == 0 and "that waited for it are in place all the same" in done.text, done.text
    started = dict(re.findall(r"kubelet: (\S+) started \(\d+\), second (\d+)", vm.console.run("cat /var/log/kubelet.log").text))
    assert started.keys() == {"etcd", *HYPERKUBE} and int(started["master"]) - int(started["etcd"]) >= 45
    said = vm.console.run(f"cat /var/log/pods/master.log; ls {STATE}/finish.json")
    assert "controller-manager: no etcd serves" in said.text and f"{STATE}/finish.json" in said.text
    assert sorted(vm.console.run(f"ls /{PODS}").text.split()) == sorted(master.pods())


PURGE = "source: file:/none\nrole: purge-only\nauto: yes\n"


def test_a_management_node_is_only_purged(lab, cluster, tmp_path):
    """On its tree, as the image does on its disk: one directory goes aside, nothing else, and comes back."""
    root, plan = cluster.management.tree("none", programs=False), tmp_path / "plan.yaml"
    plan.write_text(PURGE)
    before = sums.of_tree(root)
    status, outcome, said = stories.run_on(lab.program, root, plan)
    assert (status, outcome) == (0, "restored"), said
    after = {path: digest for path, digest in sums.of_tree(root).items() if "etcd-rescue" not in path}
    aside = {path: digest for path, digest in after.items() if f"{VOLUMES}.before-" in path}
    left = {path: digest for path, digest in before.items() if path.startswith(f"{VOLUMES}/")}
    assert left and list(aside.values()) == list(left.values()) and not (root / VOLUMES).exists()
    assert {path: digest for path, digest in after.items() if path not in aside} == \
        {path: digest for path, digest in before.items() if path not in left}
    assert stories.run_on(lab.program, root, plan)[:2] == (0, "already-restored")
    subprocess.run([lab.program, "rollback", "--root", root], check=True, capture_output=True)
    assert {path: digest for path, digest in sums.of_tree(root).items() if "etcd-rescue" not in path} == before
