"""etcd-rescue run, role join: the old member goes away, the configuration says that it comes into a cluster that is there,
etcd waits, and the first boot knows whom to ask."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.test_run import call, marks, program, run  # noqa: F401
from cli.test_run_role import STATE, write
from cli.tree import own_contents

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
HELD = f"{STATE}/held"

# The plan's members as the tree's disks name them; what waits, and who carries the members.
CASES = {
    "kubeadm": dict(manifests=["etc/kubernetes/manifests/etcd.yaml"], data=["mnt/fast/etcd"], port=2379),
    "icp": dict(manifests=["etc/cfc/pods/etcd.json"], data=["var/lib/etcd"], logs=["var/lib/etcd-wal/wal"], port=4001),
    "salt": dict(manifests=["etc/kubernetes/manifests/etcd.manifest", "etc/kubernetes/manifests/etcd-events.manifest"],
                 data=["mnt/master-pd/var/etcd/data", "mnt/master-pd/var/etcd/data-events"], port=2379),
    "openshift-4.2": dict(manifests=["etc/kubernetes/manifests/etcd-member.yaml"], data=["var/lib/etcd"], port=2379),
}


def before_of(layout, tmp_path):
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", LAYOUTS / layout / "before", root], check=True)
    for data in CASES[layout]["data"]:
        write(root, {f"{data}/member/snap/db": "of the lost cluster", f"{data}/member/wal/0.wal": "its log"})
    return root


def plan_of(program, root, tmp_path, more=""):
    """The members that the disk has, and one that was not there when it was made."""
    seen = json.loads(call(program, "plan", "--root", root, "--json").stdout.splitlines()[-1])
    own = (seen.get("clusters") or [seen])[0]
    rows = {name: urls[0] for name, urls in own["members"].items()}
    url = own["peer_urls"][0] if own.get("peer_urls") else rows[own["name"]]
    rows.setdefault(own["name"], url)
    rows["zz-other"] = re.sub(r"//[^/]*:", "//10.9.9.9:", url)
    path = tmp_path / "plan.yaml"
    listed = "".join(f"    - {{name: {name}, peer: \"{peer}\"}}\n" for name, peer in rows.items())
    path.write_text(f"source: file:/nowhere/at-all\nrole: join\n{more}cluster:\n  members:\n{listed}")
    return path, rows, own["name"]


def shown(said):
    """What the first boot is to do."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    steps, = [line["first_boot"] for line in lines if "first_boot" in line]
    return steps


@pytest.mark.parametrize("command", [("plan",), ("run", "--dry-run")])
def test_lost_nodes_are_left_to_who_restores(program, command, tmp_path):
    """Who is lost is known to who was restored; and of a node that joins its first boot is shown as it will be."""
    root = before_of("openshift-4.2", tmp_path)
    plan, _, _ = plan_of(program, root, tmp_path)
    joins = plan.read_text()
    said = call(program, *command, "--root", root, "--file", plan, "--json").stdout
    assert shown(said) == ["etcd", "members", "pods", "remove"]
    said = call(program, *command, "--root", root, "--file", plan).stdout
    assert "  etcd        adds this node's member to the cluster" in said and "  nodes " not in said
    # By the plan's recovery-host, too.
    plan.write_text(joins.replace("role: join", "recovery-host: zz-other"))
    said = call(program, *command, "--root", root, "--file", plan, "--json").stdout
    assert shown(said) == ["etcd", "members", "pods", "remove"]
    plan.write_text(joins.replace("role: join", "role: single"))
    said = call(program, "plan", "--root", root, "--file", plan, "--json").stdout
    assert shown(said) == ["etcd", "members", "nodes", "remove"]


@pytest.mark.parametrize("layout", CASES)
def test_each_layout_joins_and_is_taken_back(program, layout, tmp_path):
    case = CASES[layout]
    root = before_of(layout, tmp_path)
    plan, rows, name = plan_of(program, root, tmp_path)
    before, shown = own_contents(root), marks(root)
    said = call(program, "run", "--root", root, "--file", plan, "--dry-run").stdout
    assert re.search(r"^role +join: the next boot", said, re.M) and marks(root) == shown

    result, said = run(program, root, plan)
    assert (result["outcome"], result["role"], result["clusters"]) == ("restored", "join", [])
    keep = f"member.before-{result['plan_id'][:8]}"
    for data in case["data"]:
        assert sorted(p.name for p in (root / data).iterdir()) == [keep]
        assert (root / data / keep / "snap/db").read_text() == "of the lost cluster"
    record = json.loads((root / STATE / "finish.json").read_text())
    assert record["role"] == "join" and record["layout"] == layout
    assert [h["path"] for h in record["held"]][:len(case["manifests"])] == case["manifests"]
    for held in record["held"]:
        assert (root / held["held"]).is_file() and not (root / held["path"]).exists()
        assert ((root / held["held"]).stat().st_mode & 0o777) == \
            ((LAYOUTS / layout / "before" / held["path"]).stat().st_mode & 0o777)
    assert len(record["clusters"]) == len(case["data"])
    for cluster in record["clusters"]:
        assert (cluster["id"], cluster["own"]) == ("0", "0")
        assert cluster["urls"] == next(m["urls"] for m in cluster["members"] if m["name"] == name)
        assert cluster["files"], "nobody says who the members are"
        for path in cluster["files"]:
            text = (root / path).read_text()
            assert cluster["listed"] in text and "existing" in text, path
        hosts = {m["name"]: re.sub(r".*//([^/]*):\d+", r"\1", m["urls"][0]) for m in cluster["members"]}
        assert {re.sub(r".*//([^/]*):\d+", r"\1", seed) for seed in cluster["seeds"]} == \
            {host for member, host in hosts.items() if member != name}
    assert {int(seed.rsplit(":", 1)[1]) for seed in record["clusters"][0]["seeds"]} == {case["port"]}
    assert record["clusters"][0]["listed"] == ",".join(f"{n}={u}" for n, u in rows.items())

    still = marks(root)
    assert run(program, root, plan)[0]["outcome"] == "already-restored" and marks(root) == still
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before


def first_boot(root, record):
    """What `finish` does with the record: the members that there are, and then the manifests."""
    for cluster in record["clusters"]:
        for path in cluster["files"]:
            new = root / (path + ".new")
            new.write_text((root / path).read_text().replace(cluster["listed"], cluster["listed"].split(",")[0] + ",new=http://1"))
            os.replace(new, root / path)
    for held in record["held"]:
        (root / held["path"]).parent.mkdir(parents=True, exist_ok=True)
        os.replace(root / held["held"], root / held["path"])


@pytest.mark.parametrize("old", ["data", "directories", "nothing"])
@pytest.mark.parametrize("layout", ["kubeadm", "salt", "openshift-4.2", "icp"])
def test_one_that_has_joined_is_done_and_can_be_taken_back(program, layout, old, tmp_path):
    """Also one on a new disk: what came into its place goes with the rollback."""
    root = before_of(layout, tmp_path)
    for data in CASES[layout]["data"] if old != "data" else ():
        shutil.rmtree(root / data / "member" if old == "directories" else root / data)
    if old != "nothing":
        write(root, {f"{wal}/{old}.wal": "the old log" for wal in CASES[layout].get("logs", []) if old == "data"})
        for wal in CASES[layout].get("logs", []):
            (root / wal).mkdir(parents=True, exist_ok=True)
    plan, _, _ = plan_of(program, root, tmp_path)
    before = own_contents(root)
    run(program, root, plan)
    first_boot(root, json.loads((root / STATE / "finish.json").read_text()))
    for data in CASES[layout]["data"]:
        write(root, {f"{data}/member/snap/db": "joined"})
    # Where etcd keeps its log apart, its directory is not the one that was there: etcd renames a new one into place.
    logs = [root / wal.lstrip("/") for wal in CASES[layout].get("logs", [])]
    for wal in logs:
        write(root, {f"{wal.relative_to(root)}.tmp/0.wal": "its new log"})
        shutil.rmtree(wal, ignore_errors=True)
        wal.with_name(wal.name + ".tmp").rename(wal)
    still = marks(root)
    result, _ = run(program, root, plan)
    assert (result["outcome"], result["served"]) == ("already-restored", True) and marks(root) == still
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before
    for wal in logs:
        assert (wal.with_name(f"{wal.name}.rolled-back-{result['plan_id'][:8]}") / "0.wal").read_text() == "its new log"
    # Once more, and once more back: nobody is in the way.
    run(program, root, plan, "--again")
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before


def test_a_service_waits_behind_a_condition(program, tmp_path):
    """HPE Cray's etcd is a service; its data lies on a volume of its own, which this tree has where that is mounted."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", LAYOUTS / "csm" / "before", root], check=True)
    plan = tmp_path / "plan.yaml"
    said = subprocess.run([program, "plan", "--root", root, "--json"], capture_output=True, text=True)
    own = json.loads(said.stdout.splitlines()[-1])
    members = "".join(f"    - {{name: {name}, peer: \"{urls[0]}\"}}\n" for name, urls in own["members"].items())
    plan.write_text(f"source: file:/nowhere\nrole: join\ncluster:\n  members:\n{members}")
    before = marks(root)
    # The volume is missing, and that is said; nothing was written.
    done = subprocess.run([program, "run", "--root", root, "--file", plan, "--yes"], capture_output=True, text=True)
    assert done.returncode == 1 and "ETCDK8S" in done.stderr
    assert own_contents(root) and set(before) <= set(marks(root))


UNIT = "etc/systemd/system/etcd.service"
MARKER = f"{STATE}/released/etcd.service"


def plain_csm(program, tmp_path):
    """One with an ordinary disk: its fstab says where all of it is."""
    root, plan = tmp_path / "root", tmp_path / "plan.yaml"
    subprocess.run(["cp", "-a", LAYOUTS / "csm" / "before", root], check=True)
    write(root, {"etc/fstab": "UUID=0 / ext4 defaults 0 1\n", "var/lib/etcd/member/snap/db": "of the lost cluster",
                 "var/lib/etcd/member/wal/0.wal": "its log"})
    own = json.loads(call(program, "plan", "--root", root, "--json").stdout.splitlines()[-1])
    members = "".join(f"    - {{name: {name}, peer: \"{urls[0]}\"}}\n" for name, urls in own["members"].items())
    plan.write_text(f"source: file:/nowhere\nrole: join\ncluster:\n  members:\n{members}")
    return root, plan


def starts(root):
    """Would systemd start etcd?"""
    files = [root / UNIT, *sorted((root / f"{UNIT}.d").glob("*.conf"))]
    return all((root / path).exists() for file in files for path in re.findall(r"^ConditionPathExists=/(\S+)$", file.read_text(),
                                                                               re.M))


def test_a_service_waits_for_its_marker_and_is_taken_back(program, tmp_path):
    root, plan = plain_csm(program, tmp_path)
    before = own_contents(root)
    assert starts(root)
    result, said = run(program, root, plan)
    assert (result["outcome"], result["role"], result["layout"]) == ("restored", "join", "csm"), said
    assert not starts(root) and not (root / "var/lib/etcd/member").exists()
    record = json.loads((root / STATE / "finish.json").read_text())
    cluster, = record["clusters"]
    assert sorted(cluster["files"]) == ["etc/kubernetes/kubeadmcfg.yaml", UNIT]
    assert all("existing" in (root / path).read_text() and cluster["listed"] in (root / path).read_text()
               for path in cluster["files"])
    assert record["held"] == [{"path": MARKER, "held": f"{HELD}/etcd.service"}]
    # What else was made for it goes with the record.
    assert {path for path in own_contents(root) if path not in before and "member.before" not in path} <= set(record["files"])
    still = marks(root)
    assert run(program, root, plan)[0]["outcome"] == "already-restored" and marks(root) == still
    first_boot(root, record)
    assert starts(root)
    write(root, {"var/lib/etcd/member/snap/db": "joined"})
    assert run(program, root, plan)[0]["served"]
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before and starts(root)


ADVERTISE = "        --initial-advertise-peer-urls=https://${ETCD_IPV4_ADDRESS}:2380 \\\n"


@pytest.mark.parametrize("conf, flag", [(None, True), ("#[member]\nETCD_SNAPSHOT_COUNT=100000", True), (None, False)])
def test_a_master_that_never_joined_is_told_how(program, tmp_path, conf, flag):
    """OpenShift 4.2 finds its members by the name server until a recovery says them. Nothing is said twice: with a variable
    beside its own flag etcd 3.4 does not start."""
    root = before_of("openshift-4.2", tmp_path)
    manifest, config = root / "etc/kubernetes/manifests/etcd-member.yaml", root / "etc/etcd/etcd.conf"
    plan, rows, name = plan_of(program, root, tmp_path)
    config.unlink()
    if conf:
        config.write_text(conf)
    text = manifest.read_text()
    assert text.count("exec etcd \\\n") == text.count(ADVERTISE) == 1
    text = text if flag else text.replace(ADVERTISE, "")
    manifest.write_text(text.replace("exec etcd \\\n", "exec etcd \\\n        --discovery-srv=ocp.example.org \\\n"))
    before = own_contents(root)
    run(program, root, plan)
    record = json.loads((root / STATE / "finish.json").read_text())
    cluster, = record["clusters"]
    assert cluster["files"] == ["etc/etcd/etcd.conf"] and cluster["urls"] == [rows[name]]
    assert config.read_text() == (conf + "\n\n" if conf else "") + (
        f"#[recover]\nETCD_NAME=\"{name}\"\nETCD_INITIAL_CLUSTER=\"{cluster['listed']}\"\n" +
        ("" if flag else f"ETCD_INITIAL_ADVERTISE_PEER_URLS=\"{rows[name]}\"\n") + "ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n")
    # The init container still finds out who this is; etcd itself is asked nothing of the sort.
    assert (root / HELD / "etcd-member.yaml").read_text() == text
    still = marks(root)
    assert run(program, root, plan)[0]["outcome"] == "already-restored" and marks(root) == still
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before


def test_a_log_apart_on_an_overlay_is_refused(program, tmp_path):
    """Once the upper layer's is put aside, a lower layer's segments would be back under an empty member."""
    root = before_of("icp", tmp_path)
    plan, _, _ = plan_of(program, root, tmp_path)
    write(root, {"etc/fstab": "o /var/lib/etcd-wal overlay lowerdir=/var/lib/etcd-wal,upperdir=/srv/upper,workdir=/srv/work 0 0\n",
                 "var/lib/etcd-wal/wal/0.wal": "of long ago", "srv/upper/wal/1.wal": "of the lost cluster"})
    before = marks(root)
    result, said = run(program, root, plan, status=6)
    assert "its write-ahead log, /var/lib/etcd-wal/wal, lies on an overlay" in said
    assert result["outcome"] == "untouched" and marks(root) == before
    (root / "etc/fstab").unlink()
    assert run(program, root, plan)[0]["outcome"] == "restored"


def test_a_flag_that_would_make_it_a_cluster_of_its_own_is_refused(program, tmp_path):
    """A variable beside its own flag is not believed."""
    root = before_of("openshift-4.2", tmp_path)
    path = root / CASES["openshift-4.2"]["manifests"][0]
    text = path.read_text()
    flag = "        --initial-advertise-peer-urls="
    assert flag in text
    path.write_text(text.replace(flag, f"        --initial-cluster-state=new \\\n{flag}"))
    plan = plan_of(program, root, tmp_path)[0]
    before = own_contents(root)
    outcome, said = run(program, root, plan, status=1)
    assert outcome["outcome"] == "untouched" and "take that flag away by hand" in said, said
    assert own_contents(root) == before


def test_nobody_to_ask_is_told(program, tmp_path):
    root = before_of("kubeadm", tmp_path)
    manifest = root / "etc/kubernetes/manifests/etcd.yaml"
    text = manifest.read_text()
    name = re.search(r"--name=(\S+)", text).group(1)
    manifest.write_text(re.sub(r"--initial-cluster=\S+", lambda m: "--initial-cluster=" + next(
        pair for pair in m.group(0).split("=", 1)[1].split(",") if pair.startswith(name + "=")), text))
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere\nrole: join\n")
    before = marks(root)
    done = subprocess.run([program, "run", "--root", root, "--file", plan, "--yes"], capture_output=True, text=True)
    assert done.returncode == 6 and "nobody but this node is known" in done.stderr and marks(root) == before
    plan.write_text("source: file:/nowhere\nrole: join\nfinish: {install: no}\n")
    done = subprocess.run([program, "run", "--root", root, "--file", plan, "--yes"], capture_output=True, text=True)
    assert done.returncode == 6 and "finish" in done.stderr and marks(root) == before


@pytest.mark.parametrize("layout", ["kubeadm", "salt", "csm"])
def test_killed_anywhere_it_is_old_or_fenced_or_new(program, layout, tmp_path):
    """A sample of kills in the middle: etcd is never started without the old member."""
    if layout == "csm":
        root, plan = plain_csm(program, tmp_path)
        data = root / "var/lib/etcd"
    else:
        root = before_of(layout, tmp_path)
        plan, _, _ = plan_of(program, root, tmp_path)
        manifest, data = root / CASES[layout]["manifests"][0], root / CASES[layout]["data"][0]
    before = own_contents(root)

    def would_start():
        return starts(root) if layout == "csm" else manifest.exists()

    kept = tmp_path / "kept"
    subprocess.run(["cp", "-a", root, kept], check=True)
    seen = set()
    for n in range(0, 60, 3):
        subprocess.run(["rm", "-rf", root], check=True)
        subprocess.run(["cp", "-a", kept, root], check=True)
        done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2,unlinkat,linkat",
                               "-e", f"inject=renameat2,unlinkat,linkat:signal=KILL:when={n + 1}",
                               program, "run", "--root", root, "--file", plan, "--yes"], capture_output=True)
        member = (data / "member").is_dir()
        seen.add((would_start(), member))
        assert not would_start() or member, f"cut at {n}: etcd would start on nothing"
        assert run(program, root, plan)[0]["outcome"] in ("restored", "already-restored")
        assert not would_start() and not (data / "member").exists()
        call(program, "rollback", "--root", root)
        assert own_contents(root) == before
        if done.returncode == 0:
            break
    assert len(seen) > 1
