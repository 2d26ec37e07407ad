"""etcd-rescue plan --root: what a disk says of its control plane, and what a plan changes there, layout by layout."""

import json
import re
import subprocess

import pytest

from cli.fake_machine import machine_of
from cli.layouts import TOP, claims, copy_of, plan, put, seen

LAYOUTS = sorted(p for p in (TOP / "tests" / "golden" / "layouts").iterdir() if p.is_dir())


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(params=LAYOUTS, ids=lambda p: p.name)
def layout(request):
    return request.param


def files_below(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def edited(files, edits):
    """The files with every edit done, by its place and its old value alone."""
    lines = {name: text.decode().splitlines(keepends=True) for name, text in files.items()}
    for edit in sorted(edits, key=lambda e: (e["file"], e["line"], e["column"]), reverse=True):
        line = lines[edit["file"]][edit["line"] - 1]
        at = edit["column"] - 1
        assert line[at:].startswith(edit["old"]), (edit, line)
        lines[edit["file"]][edit["line"] - 1] = line[:at] + edit["new"] + line[at + len(edit["old"]):]
    return {name: "".join(text).encode() for name, text in lines.items()}


def test_disk_says_who_it_is(program, layout):
    expected = json.loads((layout / "expect.json").read_text())
    for tree, wanted in expected.items():
        found = seen(program, layout / tree)
        assert {key: found[key] for key in wanted} == wanted
        assert found["edits"] == []


def test_diff_of_the_plan_makes_the_tree_after(program, layout, tmp_path):
    before, after = files_below(layout / "before"), files_below(layout / "after")
    for name, text in before.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    text = subprocess.run([program, "plan", "--root", layout / "before", "--file", layout / "plan.yaml"],
        capture_output=True, check=True, timeout=30).stdout # bytes: line ends of another system stay
    diff = text[text.index(b"\n--- "):]
    subprocess.run(["patch", "--binary", "-p1", "--fuzz=0"], cwd=tmp_path, input=diff, check=True, capture_output=True)
    assert files_below(tmp_path) == after


def test_every_edit_tells_where_what_and_why(program, layout):
    found = seen(program, layout / "before", "--file", layout / "plan.yaml")
    assert found["edits"] and all(e["what"] and e["why"] and e["old"] != e["new"] for e in found["edits"])
    before = files_below(layout / "before")
    if all("\\" not in e["old"] + e["new"] for e in found["edits"]):
        assert edited(before, found["edits"]) == files_below(layout / "after")


def test_second_time_there_is_nothing_to_do(program, layout):
    assert seen(program, layout / "after", "--file", layout / "plan.yaml")["edits"] == []


def test_rewrite_makes_the_tree_after_and_keeps_what_was(program, layout, tmp_path):
    tree = tmp_path / "root"
    subprocess.run(["cp", "-a", layout / "before", tree], check=True)
    before, after = files_below(layout / "before"), files_below(layout / "after")
    command = [program, "rewrite", "--root", tree, "--file", layout / "plan.yaml"]

    subprocess.run([*command, "--dry-run"], check=True, capture_output=True, timeout=30)
    assert files_below(tree) == before

    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    changed = {edit["file"] for edit in json.loads(done.stdout)["edits"]}
    kept = files_below(tree / "var/lib/etcd-rescue/before")
    assert kept == {name: before[name] for name in changed}
    subprocess.run(["rm", "-r", tree / "var/lib/etcd-rescue"], check=True)
    assert files_below(tree) == after

    again = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "\n0 changes\n" in again.stdout and not (tree / "var/lib/etcd-rescue").exists()


def test_disk_of_two_layouts_or_none_is_refused_with_what_was_seen(program, tmp_path):
    done = subprocess.run([program, "plan", "--root", tmp_path], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no control plane here: looked for kubeadm, csm, icp, salt, openshift-4.2, openshift-4.6" in done.stderr
    for name in ("etc/kubernetes/manifests/etcd.yaml", "etc/cfc/pods/etcd.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    done = subprocess.run([program, "plan", "--root", tmp_path], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (6, "")
    assert "kubeadm (etc/kubernetes/manifests/etcd.yaml), icp (etc/cfc/pods/etcd.json)" in done.stderr


def test_addresses_that_contradict_each_other_are_caught(program, tmp_path):
    """The member list of one guide's example says .10, .9 and .8, where its members then are .7, .8 and .9."""
    tree = copy_of("csm", tmp_path)
    config = tree / "etc/kubernetes/kubeadmcfg.yaml"
    config.write_text(config.read_text().replace(
        "ncn-m001=https://10.252.1.7:2380,ncn-m002=https://10.252.1.8:2380,ncn-m003=https://10.252.1.9:2380",
        "ncn-m001=https://10.252.1.10:2380,ncn-m002=https://10.252.1.9:2380,ncn-m003=https://10.252.1.8:2380"))
    put(tree / "etc/sysconfig/network/ifcfg-bond0.nmn0", "BOOTPROTO='static'\nIPADDR='10.252.1.17/17'\n")
    warnings = "\n".join(seen(program, tree)["warnings"])
    assert "ncn-m001 advertises https://10.252.1.7:2380, its member list says https://10.252.1.10:2380" in warnings
    assert "etcd.service has" in warnings
    assert "advertises 10.252.1.7; the disk's network configuration has 10.252.1.17" in warnings


def test_members_of_the_first_kubeadm_master_are_known_to_be_but_some(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    manifest = tree / "etc/kubernetes/manifests/etcd.yaml"
    manifest.write_text(manifest.read_text().replace("master-1=https://10.0.0.11:2380,", ""))
    found = seen(program, tree)
    assert found["members"] == {"master-2": ["https://10.0.0.12:2380"]} and found["partial"] is True


def test_plan_that_knows_the_machine_has_the_last_word(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tree / "etc/netplan/50.yaml", "network: {ethernets: {eth0: {addresses: [10.0.0.12/24]}}}\n")
    put(tmp_path / "plan.yaml", """source: s3://b/
cluster:
  members:
    - {name: a, peer: "https://10.0.0.11:2380", match: {ip: 10.0.0.11}}
    - {name: b, peer: "https://10.0.0.12:2380", match: {ip: 10.0.0.12}}
""")
    found = seen(program, tree, "--file", tmp_path / "plan.yaml")
    assert [(c["value"], c["won"]) for c in found["identity"] if c["what"] == "name"] == \
        [("b", True), ("master-2", False), ("master-2", False)]
    assert {e["new"] for e in found["edits"] if e["what"] == "--name"} == {"b"}
    assert "name: etc/hostname says master-2, the plan by ip 10.0.0.12 says b, which is taken" in found["warnings"]


@pytest.mark.parametrize("layout, name, change", [
    ("kubeadm", "etc/kubernetes/manifests/etcd.yaml", ("--data-dir=/var/lib/etcd", "--data-dir=/elsewhere")),
    ("kubeadm", "etc/kubernetes/manifests/etcd.yaml", ("kind: Pod", "kind: [Pod")),
    ("csm", "etc/kubernetes/kubeadmcfg.yaml", ("kubeadm.k8s.io/v1beta3", "kubeadm.k8s.io/v1beta9")),
    ("salt", "etc/kubernetes/manifests/etcd.manifest", ("2>&1\"", "2>&1'\"")),
    ("openshift-4.6", "etc/kubernetes/manifests/etcd-pod.yaml", ("--target-name=master-1", "--target=master-1")),
])
def test_shape_that_is_not_known_is_refused_with_its_place(program, layout, name, change, tmp_path):
    tree = copy_of(layout, tmp_path)
    text = (tree / name).read_text()
    assert change[0] in text
    (tree / name).write_text(text.replace(*change))
    done = subprocess.run([program, "plan", "--root", tree], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"etcd-rescue: {re.escape(name)}:\d+:\d+: .+\n", done.stderr), done.stderr


def refused(program, tree, *args):
    done = subprocess.run([program, "plan", "--root", tree, *args], capture_output=True, text=True, timeout=30)
    assert (done.returncode != 0, done.stdout) == (True, ""), done.stdout
    return done.stderr


def test_longer_name_is_replaced_before_its_part(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tree / "etc/hosts", "10.0.0.12 master-2.example.org master-2\n")
    put(tmp_path / "plan.yaml", """source: s3://b/
replace:
  - {from: master-2, to: node-7}
  - {from: master-2.example.org, to: other.example.com}
""")
    edits = [e for e in seen(program, tree, "--file", tmp_path / "plan.yaml")["edits"] if e["file"] == "etc/hosts"]
    assert [(e["old"], e["new"]) for e in edits] == \
        [("master-2.example.org", "other.example.com"), ("master-2", "node-7")]


@pytest.mark.parametrize("pairs", [
    "[{from: master-2, to: master-1}, {from: master-1, to: master-2}]",
    "[{from: master-2, to: master-2.example.org}]",
    "[{from: 10.0.0.12, to: 10.0.0.13}, {from: 10.0.0.13, to: 10.0.0.14}]",
])
def test_replacement_that_a_second_run_would_do_again_is_refused(program, pairs, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tmp_path / "plan.yaml", f"source: s3://b/\nreplace: {pairs}\n")
    assert "in which something is replaced again" in refused(program, tree, "--file", tmp_path / "plan.yaml")


def test_unit_that_hides_how_it_starts_etcd_is_refused(program, tmp_path):
    tree = copy_of("csm", tmp_path)
    put(tree / "etc/systemd/system/etcd.service",
        "[Service]\nExecStart=/bin/sh -c 'exec etcd --name ncn-m001 --initial-cluster ncn-m001=https://10.252.1.7:2380'\n")
    put(tmp_path / "plan.yaml", "source: s3://b/\ncluster: {token: again}\n")
    said = refused(program, tree, "--file", tmp_path / "plan.yaml")
    assert "etcd-rescue: etc/systemd/system/etcd.service:2:11: it cannot be seen how this starts etcd" in said


def test_variables_of_a_unit_are_rewritten_where_no_flag_is(program, tmp_path):
    tree = copy_of("csm", tmp_path)
    put(tree / "etc/systemd/system/etcd.service",
        "[Service]\nEnvironmentFile=-/etc/etcd.env\nExecStart=/usr/bin/etcd --data-dir=/var/lib/etcd\n")
    put(tree / "etc/etcd.env", "# ours\nETCD_NAME=ncn-m001\nETCD_INITIAL_CLUSTER=\"ncn-m001=https://10.252.1.7:2380\"\n")
    put(tmp_path / "plan.yaml", "source: s3://b/\nreplace: [{from: ncn-m001, to: ncn-m009}]\n")
    edits = [e for e in seen(program, tree, "--file", tmp_path / "plan.yaml")["edits"] if e["file"] == "etc/etcd.env"]
    assert [(e["line"], e["old"], e["new"]) for e in edits] == [(2, "ncn-m001", "ncn-m009"), (3, "ncn-m001", "ncn-m009")]
    put(tmp_path / "plan.yaml", """source: s3://b/
cluster:
  token: again
  members:
    - {name: n1, peer: "https://10.252.1.7:2380", match: {ip: 10.252.1.7}}
""")
    put(tree / "etc/sysconfig/network/ifcfg-bond0.nmn0", "BOOTPROTO='static'\nIPADDR='10.252.1.7/17'\n")
    edits = [e for e in seen(program, tree, "--file", tmp_path / "plan.yaml")["edits"] if e["file"] == "etc/etcd.env"]
    assert [(e["what"], e["new"]) for e in edits] == \
        [("ETCD_NAME", "n1"), ("ETCD_INITIAL_CLUSTER", "n1=https://10.252.1.7:2380")]


def test_name_beside_an_address_is_no_contradiction(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    manifest = tree / "etc/kubernetes/manifests/etcd.yaml"
    manifest.write_text(manifest.read_text().replace(
        "master-2=https://10.0.0.12:2380", "master-2=https://etcd-1.example.org:2380"))
    found = seen(program, tree)
    assert any("that is one member if the name leads to the address" in w for w in found["warnings"])
    assert not any("its member list says" in w for w in found["warnings"])


@pytest.mark.parametrize("change, place", [
    (("    - etcd\n", "    - etcd\n    - --config-file=/etc/etcd.yml\n"), "etcd has its configuration in a file"),
    (("  hostNetwork: true\n", "  hostNetwork: true\n  x: &x {a: b}\n  y: {<<: *x}\n"), "merge keys are not understood"),
])
def test_what_would_be_overlooked_is_refused(program, change, place, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    manifest = tree / "etc/kubernetes/manifests/etcd.yaml"
    assert change[0] in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(*change))
    said = refused(program, tree)
    assert re.match(r"etcd-rescue: etc/kubernetes/manifests/etcd.yaml:\d+:\d+: ", said) and place in said


def test_forced_layout_without_its_files_is_refused(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    for layout in ("csm", "icp", "salt", "openshift-4.2", "openshift-4.6"):
        put(tmp_path / "plan.yaml", f"source: s3://b/\nlayout: {layout}\n")
        assert refused(program, tree, "--file", tmp_path / "plan.yaml")


@pytest.mark.parametrize("target", ["/etc/kubernetes/admin.conf", "../../etc/kubernetes/admin.conf", "config.d/../link"])
def test_file_behind_a_link_is_changed_once_where_it_is(program, target, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tree / "etc/kubernetes/admin.conf", "clusters:\n- cluster: {server: 'https://10.0.0.12:6443'}\n")
    (tree / "root/.kube/config.d").mkdir(parents=True)
    (tree / "root/.kube/link").symlink_to("/etc/kubernetes/admin.conf")
    (tree / "root/.kube/config").symlink_to(target)
    plan_file = TOP / "tests/golden/layouts/kubeadm/plan.yaml"
    edits = [e for e in seen(program, tree, "--file", plan_file)["edits"] if "conf" in e["file"]]
    assert [e["file"] for e in edits] == ["etc/kubernetes/admin.conf"]
    subprocess.run([program, "rewrite", "--root", tree, "--file", plan_file], check=True, capture_output=True, timeout=30)
    assert "10.0.0.22" in (tree / "etc/kubernetes/admin.conf").read_text()
    assert (tree / "root/.kube/config").is_symlink()


def test_link_that_leads_nowhere_or_in_a_ring_is_no_file(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    (tree / "root/.kube").mkdir(parents=True)
    (tree / "root/.kube/config").symlink_to("/root/.kube/config")
    (tree / "etc/default").mkdir(parents=True)
    (tree / "etc/default/kubelet").symlink_to("../../../../../nowhere")
    done = subprocess.run([program, "plan", "--root", tree, "--file", TOP / "tests/golden/layouts/kubeadm/plan.yaml"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode in (0, 1) and "nowhere" not in done.stdout


def test_running_machine_says_who_it_is(program, tmp_path):
    tree = copy_of("csm", tmp_path)
    machine = machine_of(tmp_path / "machine", "ip=10.252.1.7::10.252.0.1:255.255.128.0:ncn-m001:eth0:none",
        product_uuid="1b4e28ba-2fa1-11d2-883f-0016d3cca427", product_serial="XY12")
    found = seen(program, tree, "--machine", machine)
    assert claims(found, "name")[0] == ("ncn-m001", "ip= of the kernel line", True, False)
    assert ("10.252.1.7", "ip= of the kernel line", True, False) in claims(found, "address")
    put(tmp_path / "plan.yaml", """source: s3://b/
cluster:
  members:
    - {name: ncn-m001, peer: "https://10.252.1.7:2380", match: {mac: "52:54:00:AA:BB:CC", serial: xy12}}
    - {name: ncn-m002, peer: "https://10.252.1.8:2380", match: {uuid: 00000000-2fa1-11d2-883f-0016d3cca427}}
    - {name: ncn-m003, peer: "https://10.252.1.9:2380", match: {hostname: ncn-m003}}
""")
    found = seen(program, tree, "--machine", machine, "--file", tmp_path / "plan.yaml")
    assert claims(found, "name")[0] == ("ncn-m001", "the plan by mac 52:54:00:aa:bb:cc", True, False)
    # Not this machine's disk: of the machine nothing is said.
    assert all("kernel line" not in c["source"] and "the plan" not in c["source"]
               for c in seen(program, tree, "--file", tmp_path / "plan.yaml")["identity"])


def test_kernel_line_of_another_node_is_a_conflict_with_its_winner(program, tmp_path):
    tree = copy_of("csm", tmp_path)
    machine = machine_of(tmp_path / "machine", "ip=10.252.1.8::10.252.0.1:255.255.128.0:ncn-m002:eth0:none")
    found = seen(program, tree, "--machine", machine)
    assert "name: etc/kubernetes/kubeadmcfg.yaml says ncn-m001, ip= of the kernel line says ncn-m002, which is taken" \
        in found["warnings"]
    lost = [c for c in found["identity"] if c["what"] == "name" and c["rank"] == "the control plane's files"]
    assert [c["why"] for c in lost] == ["not taken, behind the kernel line"]
    assert "not taken, behind the kernel line" in plan(program, tree, "--machine", machine)


def test_two_members_of_the_plan_that_match_are_refused(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tree / "etc/netplan/50.yaml", "network: {ethernets: {eth0: {addresses: [10.0.0.12/24, 10.0.0.11/24]}}}\n")
    put(tmp_path / "plan.yaml", """source: s3://b/
cluster:
  members:
    - {name: a, peer: "https://10.0.0.11:2380", match: {ip: 10.0.0.11}}
    - {name: b, peer: "https://10.0.0.12:2380", match: {ip: 10.0.0.12}}
""")
    done = subprocess.run([program, "plan", "--root", tree, "--file", tmp_path / "plan.yaml"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 6
    assert "a (the plan by ip 10.0.0.11) and b (the plan by ip 10.0.0.12)" in done.stderr
