"""A snapshot out of an EBS snapshot: volumes that come as disks of a machine made of files, and go again, whatever happens.

The disks are loop devices below a /sys and /dev of the program's own (disks.py); EC2 is one with states, faults and
signatures (ec2.py), and moto. Killed and interrupted programs are in test_ebs_crash.py; the same with a real kernel's NVMe
disk is in test_ebs_vm.py.
"""

import json
import re
import threading
import time

import pytest

from sources.disks import Disks
from sources.ebs import EVENTS, MAIN, NAME, TAG, VALUE, Site, nothing_is_left


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


# The other EC2

@pytest.fixture
def moto_site(request, program, imds, images, tmp_path):
    moto = request.getfixturevalue("moto")
    imds.role_credentials()
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
