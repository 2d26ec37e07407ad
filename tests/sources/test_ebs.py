"""A snapshot out of an EBS snapshot: volumes that come as disks of a machine made of files, and go again, whatever happens.

The disks are loop devices below a /sys and /dev of the program's own (disks.py); EC2 is one with states, faults and
signatures (ec2.py), and moto. The same with a real kernel's NVMe disk is in test_ebs_vm.py.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import requirement

from sources.disks import Disks, frozen_copy, loops_in
from sources.ec2 import Ec2
from sources.imds import Imds
from sources.snapshots import make

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MAIN, EVENTS = (GOLDEN / f"etcd-{v}/snapshot.db" for v in ("3.5", "3.6"))
NAME, VALUE = "kubernetes.io/created-for/pvc/name", "kube-etcd-snapshot-pvc"
TAG = {NAME: VALUE}
MIB = 1 << 20


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """images("ext4", partition): that file system with both databases, frozen in use; made once."""
    made = {}

    def image(kind="ext4", partition=False, **files):
        for tool in ("losetup", f"mkfs.{kind}", "unshare"):
            requirement.need(tool)
        key = (kind, partition, *sorted(files))
        if key not in made:
            content = {k.replace("__", "."): v for k, v in files.items()} or \
                {"snapshot.db": MAIN.read_bytes(), "snapshot-events.db": EVENTS.read_bytes()}
            made[key] = frozen_copy(tmp_path_factory.mktemp("image"), content, kind, (320 if kind == "xfs" else 64) * MIB,
                                    partition)
        return made[key]
    return image


@pytest.fixture
def imds():
    with Imds() as service:
        service.role_credentials()
        yield service


@pytest.fixture
def ec2(imds):
    keys = imds.credentials
    with Ec2((keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])) as service:
        yield service


class Site:
    """An instance with its cloud: what is there before must be there after, and nothing else."""

    def __init__(self, program, imds, endpoint, disks, out):
        self.program, self.disks, self.out = program, disks, out
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", **imds.environment,
                    "AWS_ENDPOINT_URL_EC2": endpoint}

    def argv(self, *words):
        return [*self.disks.wrapper, str(self.program), *map(str, words)]

    def __call__(self, *words, timeout=120):
        return subprocess.run(self.argv(*words), env=self.env, capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)

    def start(self, *words):
        return subprocess.Popen(self.argv(*words), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                stdin=subprocess.DEVNULL)

    def fetch(self, url="ebs:", *words):
        return self(*self.fetching(url, *words))

    def fetching(self, url="ebs:", *words):
        return ["fetch", "--ebs-tag", f"{NAME}={VALUE}", "--force", "-o", f"{self.out}/", *words, url]

    def arrived(self):
        """The bytes that were fetched, by what they are."""
        known = {hashlib.sha256(f.read_bytes()).digest(): f for f in (MAIN, EVENTS)}
        return {known.get(hashlib.sha256(f.read_bytes()).digest()) for f in self.out.rglob("*") if f.is_file()}


@pytest.fixture
def site(program, imds, ec2, images, tmp_path):
    disks = Disks(tmp_path / "machine", images())
    ec2.plug, ec2.unplug = disks.plug, disks.unplug
    ec2.kept = {ec2.volume(attached=(ec2.instance, "/dev/sda1")), ec2.volume(tags={"etcd-rescue": "i-0another"}),
                ec2.volume(tags={"Name": "etcd-rescue"})}
    (tmp_path / "out").mkdir()
    yield Site(program, imds, ec2.endpoint, disks, tmp_path / "out")
    disks.close()
    assert not loops_in(tmp_path)


def nothing_is_left(site, ec2):
    assert set(ec2.volumes) == ec2.kept
    assert not site.disks.loops and not site.disks.busy


def listed(done):
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# Which there are

def test_listing_shows_snapshots_by_their_tags_and_those_of_their_volume(site, ec2):
    claimed = ec2.volume(tags=TAG)
    old = ec2.snapshot(volume=claimed, started="2026-11-18T00:00:00.000Z", size=20)
    new = ec2.snapshot(tags=TAG, started="2026-11-20T00:00:00.000Z")
    both = ec2.snapshot(volume=claimed, tags=TAG, started="2026-11-19T00:00:00.000Z")
    making = ec2.snapshot(tags=TAG, state="pending", progress="45%", started="2026-11-21T00:00:00.000Z")
    ec2.snapshot(tags={NAME: "other"}, started="2026-11-20T01:00:00.000Z")
    ec2.snapshot(tags=TAG, started="2026-11-20T02:00:00.000Z", owner="amazon")
    rows = listed(site("list", "--json", "--ebs-tag", f"{NAME}={VALUE}", "ebs:"))
    assert [r["name"] for r in rows if r["rank"]] == [new, both, old]
    assert rows[2]["size"] == 20 << 30 and rows[0]["time"] == "2026-11-20T00:00:00Z" and rows[0]["role"] == "place"
    assert [(r["name"], r["why"]) for r in rows if not r["rank"]] == [(making, "still being made, 45%")]
    assert not {"CreateVolume", "AttachVolume", "DeleteVolume"} & set(ec2.actions())


def test_listing_goes_on_to_the_last_page(site, ec2):
    ec2.page = 3
    every = {ec2.snapshot(tags=TAG, started=f"2026-11-{day:02}T00:00:00.000Z") for day in range(1, 12)}
    assert {r["name"] for r in listed(site("list", "--json", "--ebs-tag", f"{NAME}={VALUE}", "ebs:"))} == every


def test_a_star_in_a_tag_is_a_star(site, ec2):
    ec2.snapshot(tags={"a": "bcd"})
    star = ec2.snapshot(tags={"a": "b*"})
    assert [r["name"] for r in listed(site("list", "--json", "--ebs-tag", "a=b*", "ebs:"))] == [star]


def test_no_snapshot_is_said(site, ec2):
    done = site("list", "--ebs-tag", "a=b", "ebs:")
    assert done.returncode == 1 and len(done.stderr.splitlines()) <= 2, done.stderr


@pytest.mark.parametrize("address, said", [
    ("ebs:", "needs tags to find snapshots by"),
    ("ebs:snap-xyz!", "an EBS address is"),
    ("ebs:disk-1", "an EBS address is"),
])
def test_addresses_that_make_no_sense(site, ec2, address, said):
    done = site("list", address)
    assert done.returncode == 2 and said in done.stderr
    assert not ec2.requests


# Reading one

@pytest.mark.parametrize("disk, system, partition", [
    ("nvme", "ext4", False), ("nvme", "ext4", True), ("nvme", "xfs", False), ("xen", "ext4", True)])
def test_newest_is_fetched_and_the_volume_goes(site, ec2, images, disk, system, partition):
    site.disks.image, site.disks.kind = images(system, partition), disk
    ec2.snapshot(tags=TAG, started="2026-11-19T00:00:00.000Z")
    new = ec2.snapshot(tags=TAG, started="2026-11-20T00:00:00.000Z")
    done = site.fetch()
    assert done.returncode == 0, done.stderr
    assert site.arrived() == {MAIN, EVENTS}
    nothing_is_left(site, ec2)
    made = next(form for form in ec2.requests if form["Action"] == "CreateVolume")
    assert (made["SnapshotId"], made["AvailabilityZone"], made["VolumeType"]) == (new, ec2.zone, "gp3")
    tags = {made[f"TagSpecification.1.Tag.{n}.Key"]: made[f"TagSpecification.1.Tag.{n}.Value"] for n in (1, 2)}
    assert tags["etcd-rescue"] == ec2.instance


def test_listing_one_shows_its_files(site, ec2):
    one = ec2.snapshot()
    rows = listed(site("list", "--json", f"ebs:{one}"))
    assert [(r["url"], r["events"]) for r in rows] == [(f"ebs:{one}:/snapshot.db", "snapshot-events.db")]
    nothing_is_left(site, ec2)


def test_type_and_operations_are_the_plans(site, ec2, tmp_path):
    ec2.snapshot(tags=TAG)
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: ebs\nebs: {{tags: {{{NAME}: {VALUE}}}, volume-type: io1, iops: 1000}}\n")
    done = site("fetch", "--plan", plan, "-o", f"{site.out}/")
    assert done.returncode == 0, done.stderr
    made = next(form for form in ec2.requests if form["Action"] == "CreateVolume")
    assert (made["VolumeType"], made["Iops"]) == ("io1", "1000")
    nothing_is_left(site, ec2)


def test_device_names_in_use_are_passed_over(site, ec2):
    """Those that are attached, and one that no volume shows."""
    ec2.kept.add(ec2.volume(attached=(ec2.instance, "/dev/xvdf")))
    ec2.reserved.add("/dev/sdg")
    ec2.snapshot(tags=TAG)
    assert site.fetch().returncode == 0
    assert [f["Device"] for f in ec2.requests if f["Action"] == "AttachVolume"] == ["/dev/sdg", "/dev/sdh"]
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("slowness, late", [(0, 0), (3, 3)])
def test_states_may_take_their_time(site, ec2, slowness, late):
    ec2.slowness, ec2.late = slowness, late
    ec2.snapshot(tags=TAG)
    done = site.fetch()
    assert done.returncode == 0, done.stderr
    nothing_is_left(site, ec2)


def test_busy_service_is_asked_again(site, ec2):
    for action in ("DescribeSnapshots", "CreateVolume", "AttachVolume", "DetachVolume", "DeleteVolume"):
        ec2.faults[action] = ("RequestLimitExceeded", 503)
    ec2.snapshot(tags=TAG)
    done = site.fetch()
    assert done.returncode == 0, done.stderr
    tokens = {f["ClientToken"] for f in ec2.requests if f["Action"] == "CreateVolume"}
    assert len(tokens) == 1 and ec2.actions().count("CreateVolume") == 2
    nothing_is_left(site, ec2)


def test_one_being_made_is_not_waited_for(site, ec2):
    one = ec2.snapshot(state="pending", progress="7%")
    done = site.fetch(f"ebs:{one}")
    assert done.returncode == 1 and "its state is pending, 7% done" in done.stderr
    assert "CreateVolume" not in ec2.actions()


def test_next_older_one_when_the_newest_has_nothing(site, ec2, images):
    """The volume of the first goes before that of the second comes."""
    ec2.snapshot(tags=TAG, started="2026-11-19T00:00:00.000Z")
    empty = ec2.snapshot(tags=TAG, started="2026-11-20T00:00:00.000Z")
    full, bare = images(), images("ext4", False, readme=b"nothing here")
    most = []

    def plug(volume):
        site.disks.image = bare if volume["snapshotId"] == empty else full
        most.append(len(ec2.ours()))
        site.disks.plug(volume)
    ec2.plug = plug
    done = site.fetch()
    assert done.returncode == 0, done.stderr
    assert site.arrived() == {MAIN, EVENTS} and len(most) == 2 and max(most) == 2   # one is the other instance's
    nothing_is_left(site, ec2)


# Refusals

@pytest.mark.parametrize("action", ["DescribeSnapshots", "CreateVolume", "AttachVolume"])
def test_missing_right_is_named(site, ec2, action):
    ec2.snapshot(tags=TAG)
    ec2.faults[action] = ("UnauthorizedOperation", 403)
    done = site.fetch()
    assert done.returncode == 1 and f"ec2:{action}" in done.stderr and "role etcd-rescue" in done.stderr
    nothing_is_left(site, ec2)


def test_volume_that_cannot_be_deleted_is_told_and_goes_the_next_time(site, ec2):
    ec2.snapshot(tags=TAG)
    ec2.faults["DeleteVolume"] = ("UnauthorizedOperation", 403)
    done = site.fetch()
    assert done.returncode == 0 and "the volume is still there" in done.stderr and "ec2:DeleteVolume" in done.stderr
    assert len(ec2.volumes) == len(ec2.kept) + 1
    assert site.fetch().returncode == 0
    nothing_is_left(site, ec2)


def test_encrypted_snapshot_whose_key_we_may_not_use(site, ec2):
    """EBS takes the order, and a moment later there is no volume."""
    ec2.snapshot(tags=TAG)
    ec2.becomes = "gone"
    done = site.fetch()
    assert done.returncode == 1 and "KMS key" in done.stderr
    nothing_is_left(site, ec2)


def test_wrong_clock_is_measured(site, ec2):
    ec2.skew = 3600
    done = site("list", "--ebs-tag", "a=b", "ebs:")
    assert done.returncode == 1
    assert re.search(r"this machine's clock is 3(59\d|60\d) seconds behind", done.stderr), done.stderr


def test_no_instance_cannot_read_but_list(site, ec2, program):
    one = ec2.snapshot(tags=TAG)
    site.env.update(AWS_EC2_METADATA_DISABLED="true", AWS_REGION=ec2.region, AWS_ACCESS_KEY_ID=ec2.keys[0],
                    AWS_SECRET_ACCESS_KEY=ec2.keys[1], AWS_SESSION_TOKEN=ec2.keys[2])
    del site.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"]
    assert [r["name"] for r in listed(site("list", "--json", "--ebs-tag", f"{NAME}={VALUE}", "ebs:"))] == [one]
    done = site.fetch()
    assert done.returncode == 2 and "only an EC2 instance can read an EBS snapshot" in done.stderr, done.stderr
    assert "CreateVolume" not in ec2.actions()


# What is not ours

def test_volume_that_lost_its_tag_is_left_alone(site, ec2):
    """Asked for just before: between detaching and deleting somebody takes the tag off."""
    ec2.snapshot(tags=TAG)

    def untag(_, form):
        if form["Action"] == "DetachVolume":
            ec2.volumes[form["VolumeId"]]["tags"].clear()
    ec2.on_request = untag
    done = site.fetch()
    assert done.returncode == 0 and "does not carry the tag" in done.stderr
    assert len(ec2.volumes) == len(ec2.kept) + 1 and not ec2.deleted


def test_volume_that_went_to_another_instance_is_left_alone(site, ec2):
    ec2.snapshot(tags=TAG)
    gone = ec2.volume(tags={"etcd-rescue": ec2.instance}, attached=("i-0another", "/dev/sdf"))
    ec2.kept.add(gone)
    done = site.fetch()
    assert done.returncode == 0 and f"{gone} is attached to i-0another, so it is left alone" in done.stderr
    nothing_is_left(site, ec2)


def test_two_at_once_do_not_take_each_others_volume(site, ec2):
    one = ec2.snapshot()
    waiting, go_on = threading.Event(), threading.Event()
    plug = ec2.plug

    def hold(volume):
        plug(volume)
        waiting.set()
        go_on.wait(60)
    ec2.plug = hold
    first = site.start(*site.fetching(f"ebs:{one}"))
    assert waiting.wait(60)
    second = site.fetch(f"ebs:{one}")
    go_on.set()
    text = first.communicate(timeout=120)
    assert second.returncode == 6 and "another etcd-rescue reads an EBS snapshot" in second.stderr
    assert first.returncode == 0, text
    nothing_is_left(site, ec2)


# Crashes

@pytest.fixture(scope="module")
def requests_of_a_run():
    """What a fetch by id asks, as the tests below found it; see test_the_requests_are_known."""
    return ["DescribeSnapshots", "DescribeVolumes", "CreateVolume", "DescribeVolumes", "DescribeVolumes", "DescribeVolumes",
            "AttachVolume", "DescribeVolumes", "DescribeVolumes", "DescribeVolumes", "DetachVolume", "DescribeVolumes",
            "DescribeVolumes", "DeleteVolume"]


REQUESTS = 14
SHORT = (3, 7, 11, 14)


def test_the_requests_are_known(site, ec2, requests_of_a_run):
    one = ec2.snapshot()
    assert site.fetch(f"ebs:{one}").returncode == 0
    assert ec2.actions() == requests_of_a_run and len(requests_of_a_run) == REQUESTS


@pytest.mark.parametrize("delay", [pytest.param(d, marks=() if d == 0.2 else pytest.mark.long)
                                   for d in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6)])
def test_run_killed_while_it_reads_leaves_nothing_mounted(site, ec2, images, delay):
    """Between the disk's coming and its going: while it is looked for, mounted, read."""
    site.disks.image = images("ext4", False, snapshot__db=make(4 * MIB))
    one = ec2.snapshot()
    plug, process = ec2.plug, []

    def strike(volume):
        plug(volume)
        threading.Timer(delay, process[0].kill).start()
    ec2.plug = strike
    with ec2.lock:
        process.append(site.start(*site.fetching(f"ebs:{one}")))
    process[0].communicate(timeout=120)
    assert process[0].returncode in (-signal.SIGKILL, 0)
    for device in [d for devices, _, _ in site.disks.loops.values() for d in devices]:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    ec2.plug = plug
    done = site.fetch(f"ebs:{one}")
    assert done.returncode == 0, done.stderr
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [pytest.param(n, marks=() if n in SHORT else pytest.mark.long)
                                    for n in range(1, REQUESTS + 1)])
def test_what_a_killed_run_leaves_the_next_one_takes_away(site, ec2, number, when):
    """kill -9 at each request, before EC2 has carried it out and after."""
    one = ec2.snapshot()
    process = []

    def strike(n, _):
        if n == number:
            process[0].send_signal(signal.SIGKILL)
    with ec2.lock:
        if when == "before":
            ec2.faults[number] = "lost"
        ec2.on_request = strike
        process.append(site.start(*site.fetching(f"ebs:{one}")))
    process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL and len(ec2.requests) == number
    ec2.on_request = None
    done = site.fetch(f"ebs:{one}")
    assert done.returncode == 0, done.stderr
    assert site.arrived() == {MAIN, EVENTS}
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("fault", ["unheard", "lost", ("InternalError", 500), ("UnauthorizedOperation", 403)],
                         ids=["unheard", "lost", "internal", "denied"])
@pytest.mark.parametrize("number", [pytest.param(n, marks=() if n in SHORT else pytest.mark.long)
                                    for n in range(1, REQUESTS + 1)])
def test_fault_of_any_request_costs_no_volume(site, ec2, number, fault):
    one = ec2.snapshot()
    ec2.faults[number] = fault
    done = site.fetch(f"ebs:{one}")
    denied = isinstance(fault, tuple) and fault[1] == 403
    if not denied:
        assert done.returncode == 0, done.stderr
    elif done.returncode:
        assert "add the right" in done.stderr
    if set(ec2.volumes) != ec2.kept:
        assert denied and "the volume is still there" in done.stderr
        assert site.fetch(f"ebs:{one}").returncode == 0
    assert site.arrived() == {MAIN, EVENTS} or done.returncode
    nothing_is_left(site, ec2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["fetch", "list"])
def test_signal_takes_the_volume_away_at_once(site, ec2, command, number):
    one = ec2.snapshot()
    process = []
    plug = ec2.plug

    def strike(volume):
        plug(volume)
        process[0].send_signal(number)
    ec2.plug = strike
    with ec2.lock:
        process.append(site.start(*(site.fetching(f"ebs:{one}") if command == "fetch" else ["list", f"ebs:{one}"])))
    process[0].communicate(timeout=120)
    assert process[0].returncode == 128 + number
    nothing_is_left(site, ec2)


# The other EC2

@pytest.fixture
def moto_site(request, program, imds, images, tmp_path):
    moto = request.getfixturevalue("moto")
    disks = Disks(tmp_path / "machine", images())
    (tmp_path / "out").mkdir()
    yield moto, Site(program, imds, moto.endpoint, disks, tmp_path / "out")
    disks.close()


def ask(moto, action, **parameters):
    from urllib.parse import urlencode
    from urllib.request import Request, urlopen
    body = urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, "
                                "Signature=0", "Content-Type": "application/x-www-form-urlencoded"}
    with urlopen(Request(moto.endpoint + "/", body, headers), timeout=30) as answer:
        return answer.read().decode()


def test_moto_gives_and_takes_the_volume(moto_site, imds):
    moto, site = moto_site
    started = ask(moto, "RunInstances", ImageId="ami-12345678", MinCount=1, MaxCount=1)
    imds.identity.update(instanceId=re.search(r"<instanceId>(i-\w+)", started)[1], region="us-east-1",
                         availabilityZone=re.search(r"<availabilityZone>([\w-]+)", started)[1])
    tagged = {"TagSpecification.1.ResourceType": "volume", "TagSpecification.1.Tag.1.Key": NAME,
              "TagSpecification.1.Tag.1.Value": VALUE}
    volume = re.search(r"vol-\w+", ask(moto, "CreateVolume", Size=1, AvailabilityZone=imds.identity["availabilityZone"],
                                       **tagged))[0]
    for _ in range(2):
        ask(moto, "CreateSnapshot", VolumeId=volume)
        time.sleep(1.1)
    before = set(re.findall(r"vol-\w+", ask(moto, "DescribeVolumes")))
    over = threading.Event()

    def watch():
        """moto moves no disk: who looks sees it attached, and plugs it in."""
        while not over.wait(0.2):
            for name in re.findall(r"<volumeId>(vol-\w+)</volumeId>\s*<instanceId>", ask(moto, "DescribeVolumes")):
                if name not in before and name not in site.disks.loops:
                    site.disks.plug({"volumeId": name, "size": 1})
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        done = site.fetch()
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stderr
    assert site.arrived() == {MAIN, EVENTS}
    assert set(re.findall(r"vol-\w+", ask(moto, "DescribeVolumes"))) == before
