"""`etcd-rescue finish`: real etcd servers over TLS, and a real kube-apiserver with objects made through its API."""

import json
import os
import subprocess
import time

import pytest

import requirement
from interop.finished import POD, STATE, Objects, files, stamp
from machine.master import Cluster
from sources.servers import Process, accepts


@pytest.mark.parametrize("version", ["3.3", "3.4", "3.5", "3.6", "3.7"])
def test_it_compares_the_members_and_goes_away(version, master, finish):
    m = master(version)
    m.start_etcd()
    m.record(*m.ids())
    status, did, said = finish(m)
    assert status == 0, said
    assert did["outcome"] == "done" and did["served"] and did["removed"]
    assert (did["members"], did["started"]) == (1, 1)
    assert files(m.root, "etc/systemd", STATE) == []
    assert not (m.root / "etc/systemd/system/kubelet.service.d").exists()
    log, = (m.root / "var/log/etcd-rescue").glob("*.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["result"] == "done"
    # Once more, and there is nothing to do.
    status, did, said = finish(m)
    assert status == 0 and did["outcome"] == "nothing", said


def test_another_cluster_is_told_and_everything_stays(master, finish):
    m = master()
    m.start_etcd(token="other")
    _, member = m.ids()
    m.record("cafe", member)
    before = files(m.root, "etc/systemd", STATE)
    status, did, said = finish(m)
    assert status == 1 and did["outcome"] == "failed", said
    assert "cluster cafe was restored" in said
    assert files(m.root, "etc/systemd", STATE) == before


def test_pods_that_wait_are_in_place_once_etcd_serves(master, finish):
    m = master()
    manifests, held = m.root / "etc/cfc/pods", m.root / STATE / "held"
    manifests.mkdir(parents=True)
    held.mkdir()
    (held / "k8s-master.json").write_text("{}")
    m.start_etcd()
    waiting = [{"path": "etc/cfc/pods/k8s-master.json", "held": f"{STATE}/held/k8s-master.json"}]
    m.record(*m.ids(), layout="icp", held=waiting)
    status, did, said = finish(m)
    assert status == 0 and did["released"] == 1, said
    assert (manifests / "k8s-master.json").read_text() == "{}"
    assert not held.exists()


def test_pods_that_wait_are_in_place_though_etcd_never_comes(master, finish):
    m = master()
    manifests, held = m.root / "etc/cfc/pods", m.root / STATE / "held"
    manifests.mkdir(parents=True)
    held.mkdir()
    (held / "k8s-master.json").write_text("{}")
    waiting = [{"path": "etc/cfc/pods/k8s-master.json", "held": f"{STATE}/held/k8s-master.json"}]
    m.record("cafe", "1", layout="icp", held=waiting)
    began = time.monotonic()
    status, did, said = finish(m, "--deadline", 3)
    assert status == 1 and did["released"] == 1, said
    assert "1 static pods that waited for it are in place all the same" in said
    assert 3 <= time.monotonic() - began < 40
    assert (manifests / "k8s-master.json").read_text() == "{}"
    # It stays, and the next boot may end it.
    assert (m.root / STATE / "finish.json").exists()
    m.start_etcd()
    m.record(*m.ids(), layout="icp", held=waiting)
    status, did, said = finish(m)
    assert status == 0 and did["released"] == 0, said


def test_pods_that_wait_are_put_in_place_by_one_program_at_a_time(master, finish, image_file):
    """The unit of the first boot is at work when a person starts it again."""
    m = master()
    m.record("cafe", "1", layout="icp", held=[])
    argv = [image_file("etcd-rescue"), "finish", "--root", m.root, "--deadline", "300"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as first:
        try:
            assert next(line for line in first.stderr if "waiting for" in line)
            before = files(m.root, ".")
            began = time.monotonic()
            status, did, said = finish(m, "--deadline", 15)
            assert status == 6 and did is None and f"at work here, process {first.pid} " in said, said
            assert time.monotonic() - began < 30 and files(m.root, ".") == before and first.poll() is None
        finally:
            first.kill()
    # It went with its program.
    m.start_etcd()
    m.record(*m.ids(), layout="icp", held=[])
    status, did, said = finish(m)
    assert status == 0 and did["outcome"] == "done", said


def test_a_member_that_never_started_is_told(master, finish):
    m = master()
    m.start_etcd()
    cluster, member = m.ids()
    etcd = m.pki / "etcd"
    subprocess.run([requirement.need("etcdctl-3.5"), f"--endpoints=https://127.0.0.1:{m.client}",
        f"--cacert={etcd}/ca.crt", f"--cert={etcd}/healthcheck-client.crt", f"--key={etcd}/healthcheck-client.key",
        "member", "add", "m2", "--learner", "--peer-urls=https://127.0.0.1:1"], check=True, capture_output=True, timeout=60)
    m.record(cluster, member)
    status, _, said = finish(m, "--deadline", 5)
    assert status == 1 and "that was not restored" in said


def test_a_dry_run_asks_nobody(master, finish):
    m = master()
    m.record("cafe", "1", layout="csm")
    before = files(m.root, ".")
    status, did, _ = finish(m, "--dry-run")
    assert status == 0 and did["outcome"] == "would"
    assert did["steps"] == ["etcd", "members", "stuck-pods", "cronjobs", "remove"]
    assert files(m.root, ".") == before


# With an API server.

@pytest.mark.needs("kube-apiserver-1.34")
def test_only_what_the_restore_left_behind_is_cleaned_up(master, finish):
    m = master("3.6")
    m.start_etcd()
    m.start_api()
    o = Objects(m)
    o.node("m1", "True")
    o.node("old-master", "Unknown")
    o.node("lost-but-ready", "True")
    o.node("not-ours", "Unknown")
    o.pod("stuck", "m1")
    o.pod("running", "m1", "Running")
    o.pod("unscheduled", None)
    o.pod("by-hand", "m1", owner=None)
    o.pod("leaving-with-its-node", "gone-node", "Running", leave=True)
    o.pod("leaving", "m1", "Running", leave=True)
    o.pod("unknown", "old-master", "Unknown")
    two_days, spec = stamp(-2 * 86400), "*/10 * * * *"
    was = {"given-up": o.cronjob("given-up", spec, two_days), "suspended": o.cronjob("suspended", spec, two_days, suspend=True),
        "elsewhere": o.cronjob("elsewhere", spec, two_days, timeZone="Europe/Berlin"),
        "yearly": o.cronjob("yearly", "0 0 1 1 *", two_days),
        "with-deadline": o.cronjob("with-deadline", "0 0 1 1 *", two_days, startingDeadlineSeconds=60)}
    time.sleep(3)
    said = m.record(*m.ids(), layout="csm", lost=["old-master", "lost-but-ready"])
    time.sleep(1.1)
    o.pod("young", "m1")
    status, did, text = finish(m, "--deadline", 32)
    assert status == 0, text
    assert set(o.names("/api/v1/nodes")) == {"m1", "lost-but-ready", "not-ours"}
    pods = o.names("/api/v1/namespaces/services/pods")
    # `stuck` is on its way: only a kubelet says that it is gone.
    assert set(pods) == {"stuck", "running", "unscheduled", "by-hand", "leaving", "young"}
    assert {name for name, pod in pods.items() if "deletionTimestamp" in pod["metadata"]} == {"stuck", "leaving"}
    jobs = o.names("/apis/batch/v1/cronjobs")
    assert {name for name in was if jobs[name]["metadata"]["uid"] != was[name]} == {"given-up"}, text
    anew = jobs["given-up"]
    assert anew["spec"]["schedule"] == spec and anew["metadata"]["labels"] == {"app": "given-up"} and "lastScheduleTime" not in \
        anew.get("status", {})
    assert did["cleaned"] == 5
    # The binding of kubeadm:cluster-admins is not there: the other kubeconfig was taken, and the Lease let go of.
    assert "super-admin.conf" in text
    lease = m.call("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/etcd-rescue")
    assert not lease["spec"].get("holderIdentity")
    assert files(m.root, "etc/systemd", STATE) == []
    # Turned off, or done once: nothing goes.
    o.pod("stuck-too", "m1")
    (m.root / STATE).mkdir(exist_ok=True)
    m.record(*m.ids(), layout="csm", restored=int(time.time()) + 5, **{"stuck-pods": False, "cronjobs": False})
    assert said["cronjobs"]
    status, did, text = finish(m, "--deadline", 20)
    assert status == 0 and did["cleaned"] == 0, text
    assert "deletionTimestamp" not in o.names("/api/v1/namespaces/services/pods")["stuck-too"]["metadata"]


@pytest.mark.needs("kube-apiserver-1.34")
def test_one_master_at_a_time_and_a_dead_one_is_not_waited_for(master, finish):
    m = master("3.6")
    m.start_etcd()
    m.start_api()
    o = Objects(m)
    o.node("old-master", "Unknown")
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    m.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-system"}}, (201, 409))
    m.call("POST", path, {"metadata": {"name": "etcd-rescue"}, "spec": {"holderIdentity": "m2", "leaseDurationSeconds": 600,
        "renewTime": stamp(0)[:-1] + ".000000Z"}})
    m.record(*m.ids(), lost=["old-master"])
    status, did, text = finish(m, "--deadline", 8)
    assert status == 0 and did["cleaned"] == 0 and "left to that one" in text, text
    assert "old-master" in o.names("/api/v1/nodes")
    # Of one that does not renew it, it is taken.
    m.call("PATCH", f"{path}/etcd-rescue", {"spec": {"leaseDurationSeconds": 5}}, type="application/merge-patch+json")
    (m.root / STATE).mkdir(exist_ok=True)
    m.record(*m.ids(), lost=["old-master"])
    status, did, text = finish(m, "--deadline", 24)
    assert status == 0 and did["cleaned"] == 1, text
    assert "old-master" not in o.names("/api/v1/nodes")


@pytest.mark.needs("kube-apiserver-1.34")
def test_what_one_master_has_done_the_next_is_spared(master, finish):
    m = master("3.6")
    m.start_etcd()
    m.start_api()
    o = Objects(m)

    def ends(**record):
        o.node("old-master", "Unknown")
        (m.root / STATE).mkdir(exist_ok=True)
        m.record(*m.ids(), lost=["old-master"], **record)
        status, did, text = finish(m, "--deadline", 24)
        left = "old-master" in o.names("/api/v1/nodes")
        if left:
            m.call("DELETE", "/api/v1/nodes/old-master")
        assert status == 0 and did["cleaned"] == int(not left), text
        return left, text
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/etcd-rescue"
    left, text = ends(snapshot="5" * 64)
    assert not left, text
    said = m.call("GET", path)
    done = f"etcd-rescue snapshot {'5' * 12} cluster {m.ids()[0]} nodes"
    assert said["metadata"]["annotations"] == {"etcd-rescue/done": done} and not said["spec"].get("holderIdentity")
    left, text = ends(snapshot="5" * 64, node="m2")
    assert left and "nodes: another master has done it" in text, text
    assert m.call("GET", path)["metadata"]["annotations"] == {"etcd-rescue/done": done}
    # Nor does one word spare what it does not name, nor another restore's anything.
    left, text = ends(snapshot="5" * 64, node="m2", layout="csm", **{"stuck-pods": False})
    assert left and "cronjobs: 0" in text, text
    assert m.call("GET", path)["metadata"]["annotations"] == {"etcd-rescue/done": f"{done} cronjobs"}
    # Who joined knows of no snapshot: it is spared nothing, and takes no note away.
    left, text = ends(node="m3")
    assert not left, text
    assert m.call("GET", path)["metadata"]["annotations"] == {"etcd-rescue/done": f"{done} cronjobs"}
    left, text = ends(snapshot="6" * 64)
    assert not left, text


@pytest.mark.needs("kube-apiserver-1.34")
def test_a_cronjob_whose_replacement_was_cut_is_made_again(master, finish):
    m = master("3.6")
    m.start_etcd()
    m.start_api()
    o = Objects(m)
    o.cronjob("there", "0 0 1 1 *")
    kept = m.root / STATE / "finish"
    kept.mkdir()
    for name in ("there", "cut"):
        (kept / f"services.{name}.json").write_text(json.dumps({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {
            "name": name, "namespace": "services"}, "spec": {"schedule": "5 4 * * *", "jobTemplate": {"spec": {"template": {
                "spec": {**POD, "restartPolicy": "Never"}}}}}}))
    m.record(*m.ids(), layout="csm", **{"stuck-pods": False})
    status, _, text = finish(m, "--deadline", 8)
    assert status == 0, text
    jobs = o.names("/apis/batch/v1/cronjobs")
    assert jobs["cut"]["spec"]["schedule"] == "5 4 * * *" and jobs["there"]["spec"]["schedule"] == "0 0 1 1 *"
    assert not kept.exists()


# From the commit to the end of the first boot.

LAID = {f"{STATE}/finish.json": 0o600, f"{STATE}/bin/etcd-rescue": 0o755,
    "etc/systemd/system/etcd-rescue-finish.service": 0o644,
    "etc/systemd/system/kubelet.service.d/50-etcd-rescue.conf": 0o644}


def last(program, *args, status=0):
    done = subprocess.run([program, *map(str, args), "--json"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads([line for line in done.stdout.splitlines() if '"outcome"' in line][-1])


def tree_of(root, *but):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.is_symlink()
        and not str(p.relative_to(root)).startswith(but)}


def test_what_the_commit_lays_down_ends_the_restore_and_is_gone(image_file, tmp_path):
    program = image_file("etcd-rescue")
    net = f"127.77.{os.getpid() % 250 + 1}"
    machine = Cluster(tmp_path / "cluster", ("master-1",), network=net, etcd="3.6")
    master = machine["master-1"]
    root = master.tree(damage="none", programs=False)
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{machine.snapshot()}\ngeneration: 1\nsurvivors: none\ncluster:\n  members:\n"
        f'    - {{name: master-1, peer: "{master.peer}"}}\n')
    before = tree_of(root, STATE, "var/log", "var/lib/etcd")
    run = ("run", "--root", root, "--file", plan, "--yes", "--force")
    shown = subprocess.run([program, *run, "--dry-run"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "first boot\n  etcd        waits until this node's etcd serves\n  members " in shown
    assert last(program, *run)["outcome"] == "restored"
    assert {name: (root / name).stat().st_mode & 0o777 for name in LAID} == LAID
    assert (root / f"{STATE}/bin/etcd-rescue").read_bytes() == program.read_bytes()
    assert last(program, *run)["outcome"] == "already-restored"

    flags = [word.strip()[2:] for word in (root / "etc/kubernetes/manifests/etcd.yaml").read_text().splitlines()
        if word.strip().startswith("- --")]
    flags = [flag.replace("=/etc/", f"={root}/etc/").replace("=/var/", f"={root}/var/").replace("https://127.0.0.1:2379,", "")
        .replace("http://127.0.0.1:2381", f"http://{net}.9:2381") for flag in flags]
    with Process([requirement.need("etcd-3.6"), *flags], tmp_path / "etcd.log") as server:
        server.wait_until(lambda: accepts(2379, master.address))
        # As systemd starts it: the program that lies there.
        did = last(root / f"{STATE}/bin/etcd-rescue", "finish", "--root", root)
        assert (did["outcome"], did["members"], did["started"], did["layout"]) == ("done", 1, 1, "kubeadm")
        # The program stays: it is what a person undoes the restore with.
        assert [name for name in LAID if (root / name).exists()] == [f"{STATE}/bin/etcd-rescue"]
        assert not (root / "etc/systemd/system/kubelet.service.d").exists()
        assert last(program, *run)["outcome"] == "already-restored"
    last(root / f"{STATE}/bin/etcd-rescue", "rollback", "--root", root)
    assert tree_of(root, STATE, "var/log", "var/lib/etcd") == before


def test_a_rollback_before_the_first_boot_leaves_none_of_it(image_file, tmp_path):
    program = image_file("etcd-rescue")
    machine = Cluster(tmp_path / "cluster", ("master-1",), network="127.78.1")
    root = machine["master-1"].tree(damage="none", programs=False)
    plan = tmp_path / "plan.yaml"
    text = f"source: file:{machine.snapshot()}\nsurvivors: none\nrole: single\n"
    plan.write_text(text)
    assert last(program, "run", "--root", root, "--file", plan, "--yes", "--force")["outcome"] == "restored"
    # The next generation's takes the place of what is still there.
    plan.write_text(f"{text}generation: 2\nfinish: {{deadline: 7m}}\n")
    assert last(program, "run", "--root", root, "--file", plan, "--yes", "--force")["outcome"] == "restored"
    assert json.loads((root / STATE / "finish.json").read_text())["deadline"] == 420
    last(program, "rollback", "--root", root)
    assert json.loads((root / STATE / "finish.json").read_text())["deadline"] == 900
    # Turned off, nothing of it is laid down.
    again = machine["master-1"].tree(damage="none", programs=False)
    before = tree_of(again, STATE, "var/log", "var/lib/etcd")
    plan.write_text(f"{text}finish: {{install: no}}\n")
    assert last(program, "run", "--root", again, "--file", plan, "--yes", "--force")["outcome"] == "restored"
    assert not any((again / name).exists() for name in LAID)
    last(program, "rollback", "--root", again)
    assert tree_of(again, STATE, "var/log", "var/lib/etcd") == before
    # Rolled back before the first boot, nothing of it is left.
    plan.write_text(text)
    assert last(program, "run", "--root", again, "--file", plan, "--yes", "--force", "--again")["outcome"] == "restored"
    assert all((again / name).exists() for name in LAID)
    last(program, "rollback", "--root", again)
    assert tree_of(again, STATE, "var/log", "var/lib/etcd") == before
    assert not any((again / name).exists() for name in LAID)
