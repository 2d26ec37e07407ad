"""plan --root, rewrite and target on trees that somebody made to lead us astray: no way out, no waiting, one clear line."""

import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

import requirement

TOP = Path(__file__).resolve().parents[2]
LAYOUTS = TOP / "tests" / "golden" / "layouts"
MANIFESTS = "etc/kubernetes/manifests"
ETCD = f"{MANIFESTS}/etcd.yaml"
LIMIT = 60  # seconds, for what ends in one or never
COMMANDS = [["plan"], ["plan", "--json"], ["target"], ["target", "--json"]]
SECRET = "outside-of-the-tree"


@pytest.fixture
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", LAYOUTS / "kubeadm" / "before", root], check=True)
    return root


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    made = tmp_path_factory.mktemp("crowd") / "names"
    made.mkdir()
    at = os.open(made, os.O_RDONLY)
    for i in range(100_000):
        os.mknod(f"f{i:06}.yaml", stat.S_IFREG | 0o600, dir_fd=at)
    os.close(at)
    yield made
    shutil.rmtree(made)


def run(program, command, root, *args, before=(), cwd=None):
    """The program, within its limit; `before` are words in front of it."""
    began = time.monotonic()
    done = subprocess.run([*before, program, command[0], "--root", root, *command[1:], *args], capture_output=True, text=True,
                          timeout=LIMIT, cwd=cwd)
    assert time.monotonic() - began < LIMIT and done.returncode in (0, 1, 6), done
    assert SECRET not in done.stdout + done.stderr
    return done


def refused(done):
    """The one line of an error."""
    assert done.returncode in (1, 6) and done.stdout == "", done
    if done.stderr.startswith("{"):
        lines = done.stderr.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])["text"]
    assert done.stderr.startswith("etcd-rescue: "), done.stderr
    # A hint may follow, indented.
    first, *hints = done.stderr.removeprefix("etcd-rescue: ").splitlines()
    assert all(hint.startswith("  ") for hint in hints), done.stderr
    return first


def refused_by_all(program, root, *words):
    for command in COMMANDS:
        said = refused(run(program, command, root))
        for word in words:
            assert word in said, said


def replace(path, make):
    path.unlink()
    make(path)


def target(program, root):
    done = run(program, ["target", "--json"], root)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


@pytest.mark.parametrize("up", ["/", "../../../../../../../../../../../.."])
def test_links_out_of_the_tree_stay_inside(program, tree, tmp_path, up):
    outside = tmp_path / "outside.yaml"
    outside.write_text((tree / ETCD).read_text().replace("master-2", SECRET))
    replace(tree / ETCD, lambda p: p.symlink_to(up + str(outside)))
    refused_by_all(program, tree, "no control plane here")
    # The same link, to a file of the tree: as the machine itself would see it.
    (tree / "opt").mkdir()
    inside = tree / str(outside)[1:]
    inside.parent.mkdir(parents=True)
    inside.write_text((LAYOUTS / "kubeadm" / "before" / ETCD).read_text())
    done = run(program, ["plan"], tree)
    assert done.returncode == 0 and "master-2" in done.stdout


def test_directories_that_are_links_out(program, tree, tmp_path):
    outside = tmp_path / "outside"
    subprocess.run(["cp", "-a", tree / "etc", outside], check=True)
    (outside / "kubernetes/manifests/etcd.yaml").write_text(SECRET)
    subprocess.run(["rm", "-r", tree / "etc"], check=True)
    for up in str(outside), f"../../../../../..{outside}":
        (tree / "etc").symlink_to(up)
        refused_by_all(program, tree, "no control plane here")
        (tree / "etc").unlink()


def test_rewrite_leaves_what_a_link_leads_to(program, tree, tmp_path):
    outside = tmp_path / "hosts"
    outside.write_text("10.0.0.11 " + SECRET + "\n")
    replace(tree / "etc/hosts", lambda p: p.symlink_to(outside))
    before = outside.stat()
    done = run(program, ["rewrite"], tree, "--file", LAYOUTS / "kubeadm" / "plan.yaml")
    assert done.returncode in (0, 1, 6)
    assert (outside.read_text(), outside.stat().st_ino) == ("10.0.0.11 " + SECRET + "\n", before.st_ino)


@pytest.mark.parametrize("name", [ETCD, "etc/kubernetes", "etc"])
def test_links_that_lead_to_themselves(program, tree, name):
    subprocess.run(["rm", "-r", tree / name], check=True)
    (tree / name).symlink_to(Path(name).name)
    for command in COMMANDS:
        said = refused(run(program, command, tree))
        assert "no control plane here" in said or "ymbolic link loop" in said


def test_data_directory_of_links_in_a_circle(program, tree):
    (tree / "mnt").mkdir(exist_ok=True)
    (tree / "mnt/fast").symlink_to("/mnt/slow")
    (tree / "mnt/slow").symlink_to("fast")
    for command in COMMANDS[2:]:
        assert "links that lead to each other" in refused(run(program, command, tree))


def test_data_directory_that_is_a_link_out(program, tree, tmp_path):
    (tree / "mnt").mkdir(exist_ok=True)
    (tmp_path / "outside/etcd/member").mkdir(parents=True)
    (tree / "mnt/fast").symlink_to(tmp_path / "outside")
    data = target(program, tree)["clusters"][0]["data"]
    assert data["real"] == f"{tmp_path}/outside/etcd" and data["inside"] == f"{tmp_path}/outside/etcd"[1:]
    assert data["device"] is None and data["has_member"] is False


def test_mounts_in_a_circle(program, tree):
    lines = [f"o /mnt/o{i} overlay upperdir=/mnt/o{(i + 1) % 60}/x,lowerdir=" + ":".join(f"/mnt/o{k}/y" for k in range(60))
             for i in range(60)]
    (tree / "etc/fstab").write_text("\n".join([*lines, "/mnt/o0/a/b/c /mnt/fast none bind"]))
    for command in COMMANDS[2:]:
        assert "lead to each other without end" in refused(run(program, command, tree))


def test_pipe_as_a_manifest(program, tree):
    replace(tree / ETCD, os.mkfifo)
    refused_by_all(program, tree, ETCD, "is a device or a pipe, not a file")


@pytest.mark.parametrize("name", ["etc/fstab", "etc/systemd/system/var-lib-etcd.mount", "etc/fstab.metal"])
def test_pipe_among_the_mounts(program, tree, name):
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tree / name)
    for command in COMMANDS[2:]:
        assert name in refused(run(program, command, tree))


@pytest.mark.parametrize("name", [
    "etc/hosts", "etc/hostname", "var/lib/kubelet/kubeadm-flags.env", f"{MANIFESTS}/kube-apiserver.yaml",
    "etc/kubernetes/admin.conf", "etc/netplan/50.yaml", "etc/sysconfig/network/ifcfg-eth0", "etc/network/interfaces",
    "etc/NetworkManager/system-connections/a.nmconnection", "etc/systemd/network/a.network", "etc/default/kubelet"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "directory"])
def test_what_is_no_file_beside_it(program, tree, name, kind):
    """Whatever of these is skipped or refused: the answer comes, and it names what is refused."""
    path = tree / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.mkdir()
    done = run(program, ["plan"], tree, "--file", LAYOUTS / "kubeadm" / "plan.yaml")
    if done.returncode:
        assert name in refused(done)
    assert run(program, ["target"], tree).returncode == 0


def test_device_as_a_manifest(program, tree):
    if os.geteuid() == 0:
        make = lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # noqa: E731  /dev/zero
    else:
        make = lambda path: os.mknod(path, stat.S_IFSOCK | 0o600)  # noqa: E731
    replace(tree / ETCD, make)
    refused_by_all(program, tree, ETCD)


def test_file_without_end(program, tree):
    with open(tree / ETCD, "r+b") as file:
        file.truncate(1 << 40)
    refused_by_all(program, tree, ETCD)


def test_directory_as_a_manifest(program, tree):
    replace(tree / ETCD, os.mkdir)
    refused_by_all(program, tree, ETCD, "is a directory, not a file")


@pytest.mark.parametrize("where, words", [
    (MANIFESTS, ["plan"]), ("etc/kubernetes", ["plan"]), ("etc/systemd/system", ["target"]), ("usr/lib/systemd/system", ["target"]),
    ("etc/sysconfig/network-scripts", ["plan"]), ("etc/netplan", ["plan"]), ("ostree/deploy", ["target"])])
def test_hundred_thousand_names(program, tree, crowd, where, words):
    """The directory is filled once; it gets what the tree has there, and its name."""
    path = tree / where
    path.mkdir(parents=True, exist_ok=True)
    own = [entry.name for entry in path.iterdir()]
    for name in own:
        (path / name).rename(crowd / name)
    path.rmdir()
    crowd.rename(path)
    try:
        args = ["--file", LAYOUTS / "kubeadm" / "plan.yaml"] if words == ["plan"] else []
        done = run(program, words, tree, *args)
    finally:
        path.rename(crowd)
        path.mkdir()
        for name in own:
            (crowd / name).rename(path / name)
    if done.returncode:
        assert f"{where}: more than 65536 entries" in refused(done)


def test_more_manifests_than_a_control_plane_has(program, tree):
    def plan():
        return run(program, ["plan"], tree, "--file", LAYOUTS / "kubeadm" / "plan.yaml")
    for i in range(900):
        (tree / MANIFESTS / f"f{i}.yaml").write_text("kind: Pod\n")
    assert plan().returncode == 0
    for i in range(900, 1100):
        (tree / MANIFESTS / f"f{i}.yaml").write_text("kind: Pod\n")
    assert f"{MANIFESTS}: more than 1000 files in it" in refused(plan())


def test_more_network_files_than_anybody_has(program, tree):
    """They are but hints: the first are read."""
    (tree / "etc/netplan").mkdir()
    (tree / "big").write_text("network:\n" + "- a\n" * 8000)
    for i in range(5000):
        os.link(tree / "big", tree / "etc/netplan" / f"{i}.yaml")
    assert run(program, ["plan"], tree).returncode == 0


@pytest.mark.parametrize("name, mode", [(ETCD, 0), (MANIFESTS, 0), ("etc/kubernetes", 0), ("etc", 0)])
def test_what_may_not_be_read(program, tree, name, mode):
    """Permissions are nothing to root: the program runs as somebody else then."""
    before = []
    if os.geteuid() == 0:
        requirement.need("setpriv")
        before = ["setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    (tree / name).chmod(mode)
    try:
        for command in COMMANDS:
            # From where it stands: the directories above are nobody else's.
            said = refused(run(program, command, ".", before=before, cwd=tree))
            assert name in said and "ermission denied" in said, said
    finally:
        (tree / name).chmod(0o755)


@pytest.mark.parametrize("name", ["etc/fstab", "etc/systemd/system/a.mount"])
def test_names_with_what_steers_a_terminal(program, tree, name):
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    text = "LABEL=\x1b[2J /mnt/fast \x1b]0;x\x07 \x1b[31m\n" if name == "etc/fstab" else "[Mount]\nWhat=\x1b[2J\nWhere=/\x1b\n"
    (tree / name).write_text(text)
    done = run(program, ["target"], tree)
    assert done.returncode == 0 and "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stdout


def test_data_directory_is_followed_by_fstab(program, tree):
    (tree / "etc/fstab").write_text("LABEL=ETCD\\040DATA /mnt xfs defaults 0 2\n")
    data = target(program, tree)["clusters"][0]["data"]
    assert (data["path"], data["device"], data["inside"], data["reached"]) == ("/mnt/fast/etcd", "LABEL=ETCD DATA", "fast/etcd", False)
    assert data["chain"] == ["/mnt is LABEL=ETCD DATA, xfs, defaults (etc/fstab:1)"]
    assert "not looked into" in run(program, ["target"], tree).stdout


@pytest.mark.parametrize("layout, inside", [
    ("csm", "overlayfs"), ("icp", "var/lib/etcd"), ("openshift-4.2", "var/lib/etcd"), ("openshift-4.6", "var/lib/etcd"),
    ("salt", "mnt/master-pd/var/etcd/data"), ("kubeadm", "mnt/fast/etcd")])
def test_every_layout_has_its_place(program, layout, inside):
    found = target(program, LAYOUTS / layout / "before")
    assert found["layout"] == layout and found["clusters"][0]["data"]["inside"] == inside
    assert found["clusters"][0]["data"]["device"] == ("LABEL=ETCDK8S" if layout == "csm" else None)
    assert (found["clusters"][0]["wal"] is not None) == (layout == "icp")
    assert all(c["fence"] for c in found["clusters"])


@pytest.mark.parametrize("line, device", [
    ("UUID=0b5a0f2e-7a8f-4a52-8f10-2d2f9a1f3f3e / ext4 defaults 0 1", None),
    ("overlay / overlay lowerdir=/a,upperdir=/b 0 0", "LABEL=ETCDK8S"), ("# nothing", "LABEL=ETCDK8S")])
def test_a_csm_master_whose_fstab_mounts_the_root_is_an_ordinary_installation(program, tmp_path, line, device):
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", LAYOUTS / "csm" / "before", root], check=True)
    (root / "etc/fstab").write_text(line + "\n")
    data = target(program, root)["clusters"][0]["data"]
    assert (data["device"], data["inside"]) == (device, "overlayfs" if device else "var/lib/etcd")
