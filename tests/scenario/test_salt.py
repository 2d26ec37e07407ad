"""Salt masters on EC2: both databases out of an EBS snapshot found by its tag, whose volume comes as a disk and goes again.

One master is the whole cluster, so that it serves alone; with --long three restore beside each other. The power goes while
the volume is attached, and what boots next is the image again: it takes the volume of the run that died away, and ends
what that one began.
"""

import re

import pytest

import requirement
from machine import disk as disks
from machine.salt import DATA, ETCDS, SaltCluster, open_clients
from scenario.story import LINE, RESTORE, Etcd, cluster_id, ids, reference, rolled_back, snakes
from scenario.sums import below, contents, digests, kept
from machine.serving import NOT_ON_THE_DISK
from machine.vm import BOOT
from sources.cloud import ADDRESS, Cloud

TAG = {"kubernetes.io/created-for/pvc/name": "kube-etcd-snapshot-pvc"}
PLAN = """generation: 1
source: ebs
ebs: {{tags: {{kubernetes.io/created-for/pvc/name: kube-etcd-snapshot-pvc}}, endpoint: "{endpoint}"}}
auto: yes
"""
FOLDERS = ["/etc/kubernetes", f"/{DATA}"]
# An instance has one card for both; here the metadata service has one of its own.
CARDS = f"{LINE} ip=eth0:dhcp ip={ADDRESS}:::255.255.255.0::eth1:none"
BEHIND = 10000      # their clients' ports as they are reached from outside
# What a restore leaves out: which API servers there were, and who of the dead held a lease.
DROPPED = (b"/registry/masterleases/", b"/registry/leases/kube-system/kube-")


def volume_of(cluster, path):
    """What the backup job keeps on its volume, as a file system without a partition."""
    tree = cluster.work / "volume"
    tree.mkdir()
    for snapshot, name in ((cluster.snapshots["etcd"], "snapshot.db"), (cluster.snapshots["etcd-events"], "snapshot-events.db")):
        (tree / name).write_bytes(snapshot.read_bytes())
    with open(path, "wb") as file:
        file.truncate(32 << 20)
    disks.ext4(tree, "backup")(path, 0, 32 << 20)
    return path


class Site:
    """A cluster of salt masters, their disks before and the cloud they run in."""

    def __init__(self, tell, work, count):
        requirement.need("etcd-3.4", "etcdctl-3.4", "etcdutl-3.6")
        self.cluster = SaltCluster(work / "cluster", count)
        self.story = story = tell("salt" if count == 1 else f"salt-{count}", self.cluster.masters,
                                  ports=[BEHIND + etcd.client for etcd in ETCDS.values()])
        self.cloud = Cloud(work, volume_of(self.cluster, work / "volume.img"))
        story.closing(self.cloud.close)
        ec2 = self.cloud.ec2
        claimed = ec2.volume(tags=TAG)
        ec2.snapshot(volume=claimed, started="2026-11-19T06:02:00.000Z")
        ec2.snapshot(volume=claimed, started="2026-11-21T06:02:00.000Z", state="pending", progress="12%")
        self.newest = ec2.snapshot(volume=claimed, started="2026-11-20T06:02:00.000Z")
        ec2.volume(attached=(ec2.instance, "/dev/sda1"))
        ec2.volume(tags={"etcd-rescue": "i-0another"})
        ec2.volume(tags={"Name": "etcd-rescue"}, attached=(ec2.instance, "/dev/sdf"))
        self.not_ours = {name: dict(volume["tags"]) for name, volume in ec2.volumes.items()}
        self.instances = [ec2.instance] + [self.cloud.instance(f"i-0bbbb{n:012x}") for n in range(1, count)]
        self.disks = [master.disk(work / f"{master.name}.img", damage="db", etcd_partition=True, size=500, etcd_size=300)
                      for master in self.cluster]
        self.before = self.on_disk(self.disks[0])
        endpoint = ec2.endpoint.replace("127.0.0.1", story.switch.router)
        self.image = story.image(plan=PLAN.format(endpoint=endpoint))

    @staticmethod
    def on_disk(disk):
        """Its configuration and its data, by the paths of the running system."""
        data = contents(disk, ["var/etcd"], "etcd")
        return {**contents(disk, ["etc/kubernetes"]), **{f"{DATA}/{path.removeprefix('var/etcd/')}": sha
                                                         for path, sha in data.items()}}

    def power_on(self):
        for master, instance, disk in zip(self.cluster, self.instances, self.disks):
            vm = self.story.power_on(master, disk, self.image, line=CARDS,
                                     extra=self.cloud.card(instance, self.story.work / instance))
            self.cloud.machines[instance] = vm

    def etcd(self, what):
        """Both clusters, asked from here."""
        ports = [self.story.port(master, BEHIND + ETCDS[what].client) for master in self.cluster]
        return Etcd(self.story.work, [f"http://127.0.0.1:{port}" for port in ports], version="3.4")

    def until_they_serve(self):
        self.story.until_on_their_disks()
        for master in self.cluster:
            open_clients(self.story.shell(master), BEHIND)
        self.story.until_healthy(*(self.etcd(what) for what in ETCDS))

    def tokens(self):
        """As the manifests say them now."""
        said = self.story.shell(self.cluster.masters[0]).console.run("cat /etc/kubernetes/manifests/etcd*.manifest").text
        return {token.rsplit("-", 1)[0]: token for token in re.findall(r'--initial-cluster-token=\\"([^"\\]+)\\"', said)}


def is_restored(site):
    """Both etcds: the snapshot's keys, and the ids that come of addresses and token alone."""
    tokens = site.tokens()
    assert set(tokens) == {etcd.token for etcd in ETCDS.values()}
    for what, etcd in ETCDS.items():
        token, asked = tokens[etcd.token], site.etcd(what)
        members = {master.member: [f"https://{master.address}:{etcd.peer}"] for master in site.cluster}
        assert asked.members() == ids(members, token)
        assert asked.cluster_id() == cluster_id(members, token)
        keys, wanted = asked.keys(), reference(site.cluster.snapshots[what], site.story.work)
        assert all(key.startswith(DROPPED) for key in set(wanted) - set(keys))
        assert set(keys) <= set(wanted) and len(keys) > 10
        assert all(keys[key] == wanted[key] for key in keys)
    assert snakes(site.etcd("etcd").keys()) == list(range(8, 27))


def nothing_is_left(site):
    """No volume and no disk but those that were there before, and those as they were."""
    volumes = site.cloud.ec2.volumes
    assert {name: volume["tags"] for name, volume in volumes.items()} == site.not_ours
    assert set(site.cloud.ec2.deleted).isdisjoint(site.not_ours)
    assert sorted(site.cloud.gone) == sorted(site.cloud.plugged)


@pytest.fixture(scope="module")
def site(tell, tmp_path_factory):
    site = Site(tell, tmp_path_factory.mktemp("salt"), 1)
    site.power_on()
    console = site.story.vms[site.cluster.masters[0].name].console
    # The power goes when the volume is there and is being read.
    console.expect(rf"{site.newest} is mounted from", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
    site.story.vms[site.cluster.masters[0].name].qmp("system_reset")
    site.left = {name: volume["at"]["instanceId"] for name, volume in site.cloud.ec2.ours().items() if name not in site.not_ours}
    site.story.say("power cut while the volume is attached")
    site.until_they_serve()
    return site


def test_power_cut_left_a_volume_and_the_next_boot_none(site):
    assert list(site.left.values()) == site.instances
    nothing_is_left(site)
    assert len(site.cloud.plugged) == 2 and set(site.left) < set(site.cloud.ec2.deleted)
    # Before anything counts: who boots a restored disk again looks for no volume.
    said = site.story.vms[site.cluster.masters[0].name].console.text
    assert said.rindex("is deleted") < said.index("==> commit")


def test_both_databases_serve_as_two_clusters(site):
    is_restored(site)


def test_first_boot_finds_both_well(site):
    vm = site.story.shell(site.cluster.masters[0])
    ended = vm.console.run("n=0; until grep -q . /var/log/wanted.log && [ ! -e /var/lib/etcd-rescue/finish.json ]; do "
                           "[ $n -lt 120 ] || break; sleep 1; n=$((n+1)); done; tail -n 20 /var/log/wanted.log; [ $n -lt 120 ]", 400)
    assert ended.status == 0, ended.text
    assert "etcd-events" in ended.text


def test_old_data_is_kept(site):
    vm = site.story.shell(site.cluster.masters[0])
    for etcd in ETCDS.values():
        assert kept(vm, f"/{etcd.data}/member.before-*") == below(site.before, f"{etcd.data}/member")


@pytest.mark.long
def test_second_boot_of_the_image_changes_nothing_and_asks_for_no_volume(site):
    asked = len(site.cloud.ec2.requests)
    assert site.story.boot_image_again(site.cluster.masters[0], FOLDERS) == []
    assert len(site.cloud.ec2.requests) == asked


def test_rollback_brings_every_byte_back(site):
    vm = site.story.shell(site.cluster.masters[0])
    rolled_back(vm)
    now = digests(vm, " ".join(FOLDERS))
    assert {path: sha for path, sha in now.items() if "etcd-rescue" not in path and ".rolled-back-" not in path} == site.before


@pytest.mark.long
def test_three_masters_restore_beside_each_other(tell, tmp_path):
    site = Site(tell, tmp_path, 3)
    site.power_on()
    site.until_they_serve()
    is_restored(site)
    nothing_is_left(site)
    assert len(site.cloud.plugged) == 3
