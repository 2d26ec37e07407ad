"""etcd-rescue run and the plan's role: what it cannot do is refused before anything is looked at."""

import pytest

from cli.test_run import MANIFEST, call, contents, marks, plan, program, run, snapshot, tree  # noqa: F401


@pytest.mark.parametrize("role", ["join", "stand-aside", "purge-only"])
def test_what_is_no_restore_is_refused(program, tree, plan, role):
    plan.write_text(plan.read_text() + f"role: {role}\n")
    before = marks(tree)
    result, said = run(program, tree, plan, status=1)
    assert f"role: {role}: run restores" in said and result["outcome"] == "untouched"
    assert marks(tree) == before


def test_who_is_not_the_recovery_host_is_left_alone(program, tree, plan):
    plan.write_text(plan.read_text() + "recovery-host: master-1\nsurvivors: none\n")
    before = marks(tree)
    _, said = run(program, tree, plan, status=1)
    assert "recovery-host is master-1 and this is master-2" in said and marks(tree) == before
    plan.write_text(plan.read_text() + "role: restore\n")
    assert run(program, tree, plan)[0]["clusters"][0]["initial_cluster"].count(",") == 2


def test_recovery_host_is_restored_alone(program, tree, plan):
    plan.write_text(plan.read_text() + "recovery-host: master-2\nsurvivors: none\n")
    result, _ = run(program, tree, plan)
    assert result["clusters"][0]["initial_cluster"] == "master-2=https://127.0.10.12:2380"
    assert run(program, tree, plan)[0]["outcome"] == "already-restored"
