"""etcd-rescue run on a master whose kubelet starts all static pods at once: which of them wait for etcd, and where; a second
restore while they still do; and `finish`, which puts them in place at its deadline though no etcd answers here."""

import json
import shutil
import subprocess

import pytest

from cli.test_run_layouts import GOLDEN, NETWORKS, place, program  # noqa: F401
from cli.tree import call, own_contents

PODS, BACKUP, STATE = "etc/cfc/pods", "etc/cfc/podbackup", "var/lib/etcd-rescue"
OWN = ("etc/systemd/system/etcd-rescue-finish.service", "etc/systemd/system/kubelet.service.d/50-etcd-rescue.conf",
       f"{STATE}/finish.json")


@pytest.fixture
def tree(program, tmp_path):  # noqa: F811
    root = tmp_path / "root"
    shutil.copytree(GOLDEN / "layouts" / "icp" / "before", root)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_bytes(NETWORKS.sub(rb"127.1.2.", path.read_bytes()))
    call(program, "snapshot", "restore", GOLDEN / "etcd-3.5" / "snapshot.db", "--data-dir", root / "var/lib/etcd",
         "--wal-dir", root / "var/lib/etcd-wal/wal")
    (root / PODS / "scheduler.json").write_text('{"address": "127.1.2.21"}')
    return root


def restore(program, place, tree, generation=1, more=""):  # noqa: F811
    plan = tree.parent / "plan.yaml"
    plan.write_text(f"source: file:{place}/\nrole: single\ngeneration: {generation}\n{more}")
    done = call(program, "run", "--root", tree, "--file", plan, "--yes", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "restored"
    return json.loads((tree / STATE / "finish.json").read_text())


def finish(program, tree):  # noqa: F811
    """Nobody answers for etcd, so it fails; the pods are in place all the same."""
    done = subprocess.run([program, "finish", "--root", tree, "--deadline", "1"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "is in place" in done.stderr
    return done.stderr


def files(folder):
    return {p.name: p.read_text() for p in folder.iterdir()} if folder.exists() else {}


def waiting(tree, record):
    """What waits, by the record that the first boot reads: {name: text}."""
    assert not [h["path"] for h in record["held"] if (tree / h["path"]).exists()]
    return {h["path"].removeprefix(f"{PODS}/"): (tree / h["held"]).read_text() for h in record["held"]}


def test_a_second_restore_finds_the_pods_that_wait_since_the_first(program, place, tree):  # noqa: F811
    before, pods = own_contents(tree), files(tree / PODS)
    first = waiting(tree, restore(program, place, tree))
    assert first == {name: pods[name] for name in ("master.json", "scheduler.json")} and list(files(tree / PODS)) == ["etcd.json"]
    once = own_contents(tree)

    second = restore(program, place, tree, 2, "replace: [{from: 127.1.2.21, to: 127.1.2.31}]\n")
    moved = {name: text.replace("127.1.2.21", "127.1.2.31") for name, text in first.items()}
    assert waiting(tree, second) == moved and list(files(tree / PODS)) == ["etcd.json"]

    call(program, "rollback", "--root", tree)
    assert own_contents(tree) == once, "not as the first restore left it"
    assert waiting(tree, json.loads((tree / STATE / "finish.json").read_text())) == first
    finish(program, tree)
    assert own_contents(tree)[f"{PODS}/master.json"] == before[f"{PODS}/master.json"]
    assert files(tree / PODS).keys() == pods.keys()


@pytest.mark.parametrize("text, why", [("{", "finish.json"), ('{"version": 99}', "of a newer etcd-rescue")])
def test_a_record_that_cannot_be_read_counts_only_while_pods_wait(program, place, tree, text, why):  # noqa: F811
    restore(program, place, tree)
    record = tree / STATE / "finish.json"
    record.write_text(text)
    plan = tree.parent / "plan.yaml"
    plan.write_text(f"source: file:{place}/\nrole: single\ngeneration: 2\n")
    before = own_contents(tree)
    said = call(program, "run", "--root", tree, "--file", plan, "--yes", status=1).stderr
    assert why in said and f"wait in /{STATE}/held (master.json)" in said and f"into /{PODS}, delete the record" in said
    assert own_contents(tree) == before
    # As it says.
    for path in (tree / STATE / "held").iterdir():
        path.rename(tree / PODS / path.name)
    said = call(program, "run", "--root", tree, "--file", plan, "--yes").stderr
    assert why in said and "is replaced unread" in said
    assert set(waiting(tree, json.loads(record.read_text()))) == {"master.json", "scheduler.json"}


def test_a_rollback_to_a_restore_whose_first_boot_never_came_brings_its_pods_back(program, place, tree):  # noqa: F811
    first = waiting(tree, restore(program, place, tree))
    left = {name: (tree / name).read_bytes() for name in OWN}
    restore(program, place, tree, 2)
    finish(program, tree)
    assert first.items() <= files(tree / PODS).items()
    for name in OWN:        # as `finish` does when all is well
        (tree / name).unlink()

    call(program, "rollback", "--root", tree)
    assert {name: (tree / name).read_bytes() for name in OWN} == left
    assert list(files(tree / PODS)) == ["etcd.json"]
    assert waiting(tree, json.loads((tree / STATE / "finish.json").read_text())) == first


def test_a_rollback_ends_the_first_boot_that_waits(program, place, tree):  # noqa: F811
    restore(program, place, tree)
    argv = [program, "finish", "--root", tree, "--deadline", "300"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waits:
        said = next(line for line in waits.stderr if "waiting for" in line)
        assert waits.poll() is None, said
        call(program, "rollback", "--root", tree)
        printed, _ = waits.communicate(timeout=60)
    assert waits.returncode == 0 and "nothing is left to finish" in printed


@pytest.mark.parametrize("moved", [["master.json"], ["master.json", "scheduler.json"],
                                   ["etcd.json", "master.json", "scheduler.json"]], ids=len)
def test_what_a_recovery_by_hand_has_moved_aside_is_put_back_after_etcd(program, place, tree, moved):  # noqa: F811
    pods = files(tree / PODS)
    (tree / BACKUP).mkdir()
    for name in moved:
        (tree / PODS / name).rename(tree / BACKUP / name)
    before = own_contents(tree)
    held = waiting(tree, restore(program, place, tree))
    assert held == {name: pods[name] for name in ("master.json", "scheduler.json")}
    finish(program, tree)
    assert files(tree / PODS).keys() == pods.keys()
    call(program, "rollback", "--root", tree)
    assert own_contents(tree) == before


def test_a_copy_of_all_pods_beside_them_is_left_alone(program, place, tree):  # noqa: F811
    shutil.copytree(tree / PODS, tree / BACKUP)
    (tree / BACKUP / "given-up.json").write_text("{}")
    assert set(waiting(tree, restore(program, place, tree))) == {"master.json", "scheduler.json"}


@pytest.mark.parametrize("marker, starter", [("etc/runlevels/default/local", "etc/local.d/etcd-rescue-finish.start"),
                                             ("etc/init/rc.conf", "etc/init/etcd-rescue-finish.conf"),
                                             ("etc/cron.d/other", "etc/cron.d/etcd-rescue-finish")])
def test_where_there_is_no_systemd_another_starts_the_rest(program, place, tree, marker, starter):  # noqa: F811
    shutil.rmtree(tree / "etc/systemd")
    (tree / marker).parent.mkdir(parents=True)
    (tree / marker).write_text("")
    before = own_contents(tree)
    record = restore(program, place, tree)
    assert record["files"] == [starter] and not (tree / "etc/systemd").exists()
    text = (tree / starter).read_text()
    assert f"/{STATE}/bin/etcd-rescue finish" in text and f"-f /{STATE}/finish.json" in text
    assert bool((tree / starter).stat().st_mode & 0o111) == starter.endswith(".start")
    if starter.endswith(".start"):
        subprocess.run(["sh", "-n", tree / starter], check=True)
    call(program, "rollback", "--root", tree)
    assert own_contents(tree) == before and not (tree / starter).exists() and (tree / starter).parent.is_dir()


def test_where_nothing_would_start_the_rest_it_is_said(program, place, tree):  # noqa: F811
    shutil.rmtree(tree / "etc/systemd")
    (tree / "etc/inittab").write_text("")
    plan = tree.parent / "plan.yaml"
    plan.write_text(f"source: file:{place}/\nrole: single\n")
    said = call(program, "run", "--root", tree, "--file", plan, "--yes").stderr
    assert f"run /{STATE}/bin/etcd-rescue finish by hand" in said
