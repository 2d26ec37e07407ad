"""etcd-rescue run and the plan's role: what stands aside and what is only purged; who is the recovery host."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from cli.test_run import MANIFEST, call, contents, marks, plan, program, run, snapshot, tree  # noqa: F401
from cli.tree import own_contents

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
STATE = "var/lib/etcd-rescue"


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def back(program, root, before):
    """All of it is taken back, byte by byte."""
    call(program, "rollback", "--root", root)
    assert own_contents(root) == before


def twice(program, root, plan):
    still = marks(root)
    result, said = run(program, root, plan)
    assert result["outcome"] == "already-restored" and marks(root) == still
    return said


def test_who_is_not_the_recovery_host_joins(program, tree, plan):
    plan.write_text(plan.read_text() + "recovery-host: master-1\nsurvivors: none\n")
    before = marks(tree)
    said = call(program, "run", "--root", tree, "--file", plan, "--dry-run")
    assert marks(tree) == before
    assert "role join: the plan's recovery-host is master-1 and this is master-2" in said.stderr
    assert re.search(r"^role +join: the next boot", said.stdout, re.M) and "--initial-cluster-state=existing" in said.stdout
    plan.write_text(plan.read_text() + "role: restore\n")
    assert run(program, tree, plan)[0]["clusters"][0]["initial_cluster"].count(",") == 2


def test_a_recovery_host_that_nobody_knows_is_refused(program, tree, plan):
    """Else every master would put its member aside and wait for the one that there is not."""
    plan.write_text("source: file:/nowhere/at-all\nrecovery-host: mastre-1\nsurvivors: none\n")
    before = marks(tree)
    result, said = run(program, tree, plan, status=6)
    assert "recovery-host is mastre-1, and no such member" in said and result["outcome"] == "untouched" and marks(tree) == before


def test_recovery_host_is_restored_alone(program, tree, plan):
    plan.write_text(plan.read_text() + "recovery-host: master-2\nsurvivors: none\n")
    result, _ = run(program, tree, plan)
    assert result["role"] == "single"
    assert result["clusters"][0]["initial_cluster"] == "master-2=https://127.0.10.12:2380"
    assert run(program, tree, plan)[0]["outcome"] == "already-restored"


@pytest.mark.parametrize("role, why", [("stand-aside", "role: join"), ("purge-only", "this disk has a control plane")])
def test_roles_of_other_nodes_are_refused(program, tree, plan, role, why):
    plan.write_text(plan.read_text() + f"role: {role}\n")
    before = marks(tree)
    result, said = run(program, tree, plan, status=1)
    assert why in said and result["outcome"] == "untouched" and marks(tree) == before


@pytest.fixture
def openshift(tmp_path):
    root = tmp_path / "openshift"
    subprocess.run(["cp", "-a", LAYOUTS / "openshift-4.6" / "before", root], check=True)
    write(root, {"etc/kubernetes/manifests/kube-apiserver-pod.yaml": "kind: Pod\nmetadata: {name: kube-apiserver}\n",
                 "etc/kubernetes/manifests/kube-scheduler-pod.yaml": "kind: Pod\nmetadata: {name: kube-scheduler}\n",
                 "var/lib/etcd/member/snap/db": "of the lost cluster",
                 "var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal": "its log"})
    return root


@pytest.mark.parametrize("how", ["role: stand-aside\n", "recovery-host: master-0\n"])
def test_openshift_master_stands_aside(program, openshift, tmp_path, how):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:/nowhere/at-all\n{how}")
    before = own_contents(openshift)
    shown = marks(openshift)
    said = call(program, "run", "--root", openshift, "--file", plan, "--dry-run").stdout
    assert re.search(r"^role +stand-aside: etcd and its API server stay away", said, re.M) and marks(openshift) == shown
    assert "first boot" not in said

    result, _ = run(program, openshift, plan)
    assert (result["outcome"], result["role"], result["clusters"]) == ("restored", "stand-aside", [])
    after = own_contents(openshift)
    gone = {name for name in before if name not in after}
    assert gone == {"etc/kubernetes/manifests/etcd-pod.yaml", "etc/kubernetes/manifests/kube-apiserver-pod.yaml",
                    "var/lib/etcd/member/snap/db", "var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal"}
    assert {name: after[name] for name in after} == {name: before[name] for name in before if name not in gone}
    keep = openshift / f"var/lib/etcd/member.before-{result['plan_id'][:8]}"
    assert (keep / "snap/db").read_text() == "of the lost cluster"
    assert not (openshift / STATE / "finish.json").exists()

    twice(program, openshift, plan)
    higher = tmp_path / "higher.yaml"
    higher.write_text(plan.read_text() + "generation: 2\n")
    result, said = run(program, openshift, higher, status=6)
    assert result["outcome"] == "refused" and "rollback first" in said
    # The operators have brought both back: nothing is missed.
    write(openshift, {"etc/kubernetes/manifests/etcd-pod.yaml": (LAYOUTS / "openshift-4.6/before/etc/kubernetes/manifests/"
                                                                   "etcd-pod.yaml").read_text() + "# revision 9\n",
                      "var/lib/etcd/member/snap/db": "joined"})
    twice(program, openshift, plan)
    back(program, openshift, before)


MEMBERS = """cluster:
  members:
    - {name: node-a, peer: "https://192.168.126.10:2380"}
    - {name: master-1, peer: "https://192.168.126.11:2380"}
"""


@pytest.mark.parametrize("known", ["master-2", "node-a"], ids=["disk", "plan"])
def test_nobody_stands_aside_for_a_recovery_host_that_nobody_knows(program, openshift, tmp_path, known):
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere/at-all\nrecovery-host: node-a\n")
    before = marks(openshift)
    result, said = run(program, openshift, plan, status=6)
    assert "recovery-host is node-a, and no such member is among master-0=" in said
    assert result["outcome"] == "untouched" and marks(openshift) == before
    plan.write_text(f"source: file:/nowhere/at-all\nrecovery-host: {known}\n{MEMBERS if known == 'node-a' else ''}")
    assert run(program, openshift, plan)[0]["role"] == "stand-aside"


def test_a_master_that_knows_no_other_stands_aside_with_a_warning(program, openshift, tmp_path):
    manifest = openshift / "etc/kubernetes/manifests/etcd-pod.yaml"
    text = re.sub(r' +- name: "NODE_master_[02]_.*\n +value:.*\n', "", manifest.read_text())
    assert "master_0" not in text and "NODE_master_1_ETCD_NAME" in text
    manifest.write_text(text)
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere/at-all\nrecovery-host: master-0\n")
    result, said = run(program, openshift, plan)
    assert result["role"] == "stand-aside" and "if none is called master-0, every master stands aside" in said


def test_an_openshift_master_is_not_made_to_join(program, openshift, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere\nrole: join\n")
    before = marks(openshift)
    assert "role: stand-aside" in run(program, openshift, plan, status=1)[1] and marks(openshift) == before


UNIT = "[Service]\nExecStart=/opt/kubernetes/hyperkube kubelet --kubeconfig=/etc/cfc/kubelet/kubelet-config {more}\n"


@pytest.mark.parametrize("more, place", [("--v=0", "var/lib/kubelet"), ("--root-dir=/data/kubelet --v=0", "data/kubelet")])
def test_management_node_is_purged_only(program, tmp_path, more, place):
    root, plan = tmp_path / "root", tmp_path / "plan.yaml"
    write(root, {"etc/os-release": "ID=linux\n", "etc/systemd/system/kubelet.service": UNIT.format(more=more),
                 "etc/cfc/pods/monitoring.json": "{}", f"{place}/pods/0000-11/etc-hosts": "127.0.0.1\n",
                 f"{place}/pods/0000-11/volumes/x/y": "left\n", f"{place}/pki/kubelet.crt": "certificate\n"})
    (root / place / "pods/0000-11/link").symlink_to("/etc/os-release")
    plan.write_text("source: file:/nowhere\nrole: purge-only\n")
    before, shown = own_contents(root), marks(root)
    said = call(program, "run", "--root", root, "--file", plan, "--dry-run").stdout
    assert re.search(r"^role +purge-only: the kubelet starts without", said, re.M) and marks(root) == shown

    result, _ = run(program, root, plan)
    assert (result["outcome"], result["role"]) == ("restored", "purge-only")
    gone = {name for name in before if name.startswith(f"{place}/pods/")}
    assert own_contents(root) == {name: before[name] for name in before if name not in gone}
    keep = root / place / f"pods.before-{result['plan_id'][:8]}"
    assert (keep / "0000-11/volumes/x/y").read_text() == "left\n" and (keep / "0000-11/link").is_symlink()
    assert not (root / place / "pods").exists() and not (root / STATE / "finish.json").exists()
    twice(program, root, plan)
    write(root, {f"{place}/pods/2222-33/etc-hosts": "new\n"})  # as the kubelet does
    twice(program, root, plan)

    call(program, "rollback", "--root", root)
    assert own_contents(root) == before
    assert (root / place / f"pods.rolled-back-{result['plan_id'][:8]}/2222-33/etc-hosts").read_text() == "new\n"
    assert run(program, root, plan, status=6)[0]["outcome"] == "refused"
    plan.write_text(plan.read_text() + "generation: 2\n")
    assert run(program, root, plan)[0]["outcome"] == "restored"
    assert json.loads(call(program, "forget", "--root", root, "--yes", "--json").stdout.splitlines()[-1])


@pytest.fixture
def management(tmp_path):
    """As IBM Cloud Private has them: certificates of etcd's clients are on every node, since the network is kept there."""
    root = tmp_path / "management"
    write(root, {"etc/os-release": "ID=linux\n", "etc/hostname": "icp-management-1\n",
                 "etc/systemd/system/kubelet.service": UNIT.format(more="--v=0"), "etc/cfc/pods/proxy.json": "{}",
                 "etc/cfc/conf/etcd/ca.pem": "CA", "etc/cfc/conf/etcd/client.pem": "certificate",
                 "var/lib/kubelet/pods/0000-11/volumes/x/y": "left\n"})
    return root


def test_management_node_is_known_by_its_disk(program, management, tmp_path):
    """The masters' plan does for it."""
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere\n")
    before, shown = own_contents(management), marks(management)
    for words in (["plan"], ["run", "--dry-run"]):
        said = call(program, words[0], "--root", management, "--file", plan, *words[1:])
        assert re.search(r"^role +purge-only: ", said.stdout, re.M) and marks(management) == shown
    found = json.loads(call(program, "plan", "--root", management, "--file", plan, "--json").stdout)
    assert (found["role"], found["layout"]) == ("purge-only", None)
    assert "a node of the layout icp without an etcd: etc/cfc/pods is there" in found["role_why"]

    result, said = run(program, management, plan)
    assert (result["outcome"], result["role"]) == ("restored", "purge-only") and found["role_why"] in said
    gone = "var/lib/kubelet/pods/0000-11/volumes/x/y"
    assert own_contents(management) == {name: before[name] for name in before if name != gone}
    assert (management / f"var/lib/kubelet/pods.before-{result['plan_id'][:8]}/0000-11/volumes/x/y").read_text() == "left\n"
    twice(program, management, plan)
    plan.write_text("source: file:/elsewhere\n")
    assert "restored by another plan" in run(program, management, plan, status=6)[1]
    plan.write_text("source: file:/elsewhere\ngeneration: 2\n")
    write(management, {"var/lib/kubelet/pods/2222-33/etc-hosts": "new\n"})
    assert run(program, management, plan)[0]["outcome"] == "restored" and not (management / "var/lib/kubelet/pods").exists()
    call(program, "rollback", "--root", management)
    call(program, "run", "--root", management, "--file", plan, "--again", "--yes")


@pytest.mark.parametrize("part", ["var/lib/etcd/lost+found/.keep", "var/lib/etcd-wal/.keep", "etc/cfc/podbackup/master.json",
                                  "etc/cfc/pods/master.json", "etc/cfc/conf/etcd/server.pem", "etc/cfc/conf/etcd/member-key.pem"])
def test_a_master_that_lost_its_manifest_is_not_purged(program, management, tmp_path, part):
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere\n")
    write(management, {part: "of a master"})
    before = marks(management)
    result, said = run(program, management, plan, status=6)
    assert "is a master's: bring the manifest back" in said and result["outcome"] == "untouched" and marks(management) == before
    told = subprocess.run([program, "plan", "--root", management, "--file", plan], capture_output=True, text=True, check=False)
    assert told.returncode == 6 and "is a master's: bring the manifest back" in told.stderr
    plan.write_text("source: file:/nowhere\nrole: purge-only\n")
    assert run(program, management, plan)[0]["role"] == "purge-only"


@pytest.mark.parametrize("more, why", [
    ("cluster: {members: [{name: icp-management-1, peer: 'https://10.1.2.3:2380'}]}", "this machine is the member icp-management-1"),
    ("layout: kubeadm", "manifests/etcd.yaml: No such file"), ("role: restore", "no control plane"), ("role: join", "no control plane")])
def test_what_the_plan_takes_for_a_master_is_not_purged(program, management, tmp_path, more, why):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:/nowhere\n{more}\n")
    before = marks(management)
    result, said = run(program, management, plan, status=6 if "members" in more else 1)
    assert why in said and result["outcome"] == "untouched" and marks(management) == before


def test_a_kubelet_alone_makes_no_node_that_is_purged(program, management, tmp_path):
    """A worker of another kind, or a master whose manifest is gone: that says the plan."""
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: file:/nowhere\n")
    subprocess.run(["rm", "-r", management / "etc/cfc"], check=True)
    before = marks(management)
    assert "no control plane" in run(program, management, plan, status=1)[1] and marks(management) == before


def shown_role(program, root, *more):
    done = subprocess.run([program, "plan", "--root", root, "--json", *more], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout.splitlines()[0])
    return done.returncode, found["role"], found["role_why"]


@pytest.mark.parametrize("layout, more, role, why", [
    ("kubeadm", "", "restore", "a control plane is here"), ("kubeadm", "role: single", "single", "the plan says so"),
    ("kubeadm", "recovery-host: master-2", "single", "this is the recovery host"),
    ("kubeadm", "recovery-host: master-1", "join", "recovery-host is master-1 and this is master-2"),
    ("openshift-4.6", "recovery-host: master-0", "stand-aside", "recovery-host is master-0 and this is master-1")])
def test_plan_says_the_role_before_it_is_run(program, tmp_path, layout, more, role, why):
    plan, root = tmp_path / "plan.yaml", LAYOUTS / layout / "before"
    plan.write_text(f"source: file:/nowhere\n{more}\n")
    status, said, because = shown_role(program, root, "--file", plan)
    assert (status, said) == (0, role) and why in because
    text = call(program, "plan", "--root", root, "--file", plan).stdout
    assert f"\nrole        {role}: {because}\n" in text
    assert shown_role(program, root)[1] == "restore"


@pytest.mark.parametrize("layout, more, why", [
    ("kubeadm", "role: stand-aside", "write role: join"), ("openshift-4.6", "role: join", "write role: stand-aside"),
    ("icp", "role: purge-only", "this disk has a control plane"),
    ("openshift-4.6", "recovery-host: mastre-0", "no such member is among")])
def test_plan_says_what_run_would_refuse(program, tmp_path, layout, more, why):
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:/nowhere\n{more}\n")
    status, role, because = shown_role(program, LAYOUTS / layout / "before", "--file", plan)
    assert status in (1, 6) and role is None and why in because


def test_what_has_no_kubelet_is_not_purged(program, tmp_path):
    root, plan = tmp_path / "root", tmp_path / "plan.yaml"
    write(root, {"etc/os-release": "ID=linux\n"})
    plan.write_text("source: file:/nowhere\nrole: purge-only\n")
    assert "no kubelet" in run(program, root, plan, status=1)[1] and not (root / "var").exists()


def test_icp_master_gets_rid_of_its_pods_with_the_restore(program, snapshot, tmp_path):
    root, plan = tmp_path / "root", tmp_path / "plan.yaml"
    subprocess.run(["cp", "-a", LAYOUTS / "icp" / "before", root], check=True)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("192.168.70.", "127.1.2."))
    write(root, {"var/lib/kubelet/pods/0000-11/etc-hosts": "old\n", "var/lib/etcd/.keep": ""})
    plan.write_text(f"source: file:{snapshot}\nrole: single\n")
    before = own_contents(root)
    result, said = run(program, root, plan)
    assert result["outcome"] == "restored" and "/var/lib/kubelet/pods goes aside" in said
    assert not (root / "var/lib/kubelet/pods").exists()
    back(program, root, before)
