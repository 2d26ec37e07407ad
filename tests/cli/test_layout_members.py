"""etcd-rescue plan --root: the cluster's members, by the disk, the snapshot and the plan."""

import gzip
import json
import subprocess

import pytest

from cli.layouts import TOP, claims, copy_of, put, seen


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture(scope="module")
def snapshot_of(image_file, tmp_path_factory):
    """snapshot_of({"m1": URL, ..}): a real cluster's database whose members are these."""
    top = tmp_path_factory.mktemp("snapshots")
    golden = top / "golden.db"
    golden.write_bytes(gzip.decompress((TOP / "tests/golden/kubernetes/snapshot.db.gz").read_bytes()))

    def make(members):
        where = top / f"{len(list(top.iterdir()))}"
        name, url = next(iter(members.items()))
        subprocess.run([image_file("etcd-rescue"), "snapshot", "restore", golden, "--data-dir", where, "--name", name,
            "--initial-advertise-peer-urls", url, "--initial-cluster",
            ",".join(f"{name}={url}" for name, url in members.items())], check=True, capture_output=True, timeout=60)
        return where / "member/snap/db"

    return make


def three(domain="10.0.0.1{}"):
    return {f"master-{i}": f"https://{domain.format(i)}:2380" for i in (1, 2, 3)}


def looked(program, root, *args):
    """As `seen`, where the disk has not the keys that the snapshot is read with."""
    done = subprocess.run([program, "plan", "--root", root, "--json", *args], capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


def test_first_kubeadm_master_learns_its_cluster_from_the_snapshot(program, snapshot_of, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    manifest = tree / "etc/kubernetes/manifests/etcd.yaml"
    manifest.write_text(manifest.read_text().replace("master-1=https://10.0.0.11:2380,", ""))
    found = looked(program, tree, "--snapshot", snapshot_of(three()))
    assert found["members"] == {"master-2": ["https://10.0.0.12:2380"]} and found["partial"]
    assert found["restored_members"] == {name: [url] for name, url in three().items()}
    assert "of which the disk has but some" in found["restored_members_from"]
    assert ("master-2", "the snapshot's members", False, False) in claims(found, "name")
    assert ("https://10.0.0.12:2380", "the snapshot's members", False, False) in claims(found, "peer")


def test_snapshot_of_another_cluster_is_no_list_of_members(program, snapshot_of, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    other = three() | {"master-2": "https://172.16.0.2:2380", "node-9": "https://10.0.0.12:2380"}
    found = looked(program, tree, "--snapshot", snapshot_of(other))
    assert "restored_members" not in found
    assert any("master-2 has https://10.0.0.12:2380 on the disk and https://172.16.0.2:2380 in the snapshot" in w
               for w in found["warnings"])
    assert any("the snapshot's members says node-9, etc/kubernetes/manifests/etcd.yaml says master-2, which is taken"
               in w for w in found["warnings"])


def test_replaced_address_is_the_snapshots_member_all_the_same(program, snapshot_of, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tmp_path / "plan.yaml", "source: s3://b/\nreplace: [{from: 10.0.0.12, to: 10.0.0.99}]\n")
    wanted = {name: [url.replace("10.0.0.12:", "10.0.0.99:")] for name, url in three().items()}
    args = ["--snapshot", snapshot_of(three()), "--file", tmp_path / "plan.yaml"]
    before = looked(program, tree, *args)
    assert before["restored_members"] == wanted
    subprocess.run([program, "rewrite", "--root", tree, "--file", tmp_path / "plan.yaml"], check=True,
        capture_output=True, timeout=30)
    after = looked(program, tree, *args)
    assert (after["restored_members"], after["edits"]) == (wanted, [])
    assert ("https://10.0.0.99:2380", "the snapshot's members", False, False) in claims(after, "peer")


def test_name_beside_an_address_is_one_member(program, snapshot_of, tmp_path):
    tree = copy_of("openshift-4.2-dns", tmp_path)
    members = {f"etcd-member-ocp-master{i}": f"https://10.15.155.21{i}:2380" for i in (0, 1, 2)}
    found = looked(program, tree, "--snapshot", snapshot_of(members))
    assert found["restored_members"] == {name: [url] for name, url in members.items()}
    assert not [c for c in found["identity"] if c["disagrees"]]


@pytest.mark.parametrize("text, status, words", [
    ("cluster: {members: [{name: master-1, peer: 'https://10.0.0.11:2380'}, {name: master-2, peer: 'https://10.0.0.99:2380'}]}",
        6, "the plan has master-2 at https://10.0.0.99:2380, this disk's etcd is at https://10.0.0.12:2380"),
    ("replace: [{from: 10.0.0.12, to: 'fd00::12'}]", 2, "10.0.0.12 cannot become fd00::12"),
    ("replace: [{from: master-2, to: 'fd00::12'}]", 2, "master-2 cannot become fd00::12"),
], ids=["members", "brackets", "name"])
def test_plan_that_would_leave_half_of_it_behind_is_refused(program, tmp_path, text, status, words):
    tree = copy_of("kubeadm", tmp_path)
    put(tmp_path / "plan.yaml", "source: s3://b/\n" + text + "\n")
    done = subprocess.run([program, "plan", "--root", tree, "--file", tmp_path / "plan.yaml"],
        capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (status, "") and words in done.stderr


def test_new_address_in_members_and_replace_goes_everywhere(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tmp_path / "plan.yaml", """source: s3://b/
replace: [{from: 10.0.0.12, to: 10.0.0.99}]
cluster: {members: [{name: master-1, peer: "https://10.0.0.11:2380"}, {name: master-2, peer: "https://10.0.0.99:2380"}]}
""")
    found = seen(program, tree, "--file", tmp_path / "plan.yaml")
    assert {"--initial-cluster", "10.0.0.12"} <= {e["what"] for e in found["edits"]}


def test_plan_without_this_nodes_member_says_so(program, tmp_path):
    tree = copy_of("kubeadm", tmp_path)
    put(tmp_path / "plan.yaml", "source: s3://b/\ncluster: {members: [{name: a, peer: 'https://10.0.0.11:2380'}]}\n")
    assert "etcd: this node's member master-2 is not among the plan's, a=https://10.0.0.11:2380" in \
        seen(program, tree, "--file", tmp_path / "plan.yaml")["warnings"]
