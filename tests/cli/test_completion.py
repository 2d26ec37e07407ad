"""The completion file does in a real shell what it is for."""

import re
import shutil
import subprocess

import pytest

import requirement

ASK = """. "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_etcd_rescue
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


def output(*argv, **kwargs):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=60, **kwargs)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def commands(program):
    """Every name of the help, one or two words each."""
    lines = output(program, "--help").split("Commands:\n")[1].splitlines()
    return [re.split("  +", line.strip())[0] for line in lines if line.startswith("  ")]


@pytest.fixture
def complete(program, tmp_path):
    """complete("boot", "--d"): what bash offers for the last word."""
    bash = requirement.need("bash")
    file = tmp_path / "completion"
    file.write_text(output(program, "completion", "bash"))
    (tmp_path / "files").mkdir()

    def ask(*words):
        said = output(bash, "--norc", "-c", ASK, "bash", file, "etcd-rescue", *words, cwd=tmp_path / "files")
        return sorted(said.splitlines())
    ask.folder = tmp_path / "files"
    return ask


def test_first_word_is_a_command(complete, commands):
    assert complete("") == sorted({name.split()[0] for name in commands} | {"--help", "--version"})
    assert complete("boo") == ["boot"]
    assert complete("boot") == ["boot"]
    assert complete("nothing-such") == []


def test_second_word_of_a_family(complete, commands):
    for family in {name.split()[0] for name in commands if " " in name}:
        seconds = {name.split()[1] for name in commands if name.startswith(family + " ")}
        offered = set(complete(family, ""))
        assert offered == seconds or (family in commands and offered > seconds), family


def test_every_option_of_every_command_is_offered(complete, commands, program):
    for name in commands:
        told = set(re.findall(r"(?:^|\s)(--[a-z][a-z0-9-]*)", output(program, *name.split(), "--help").split("Options:\n")[1]))
        told = {option for option in told if option}
        offered = set(complete(*name.split(), "--"))
        assert {"--json", "--help"} <= offered <= told, name
    assert complete("boot", "--dr") == ["--dry-run"]
    assert complete("boot", "--dry-run", "--ro") == ["--root"]


def test_files_are_offered_where_one_may_stand(complete):
    for name in ("plan one.yaml", "plan-two.yaml", "other"):
        (complete.folder / name).touch()
    assert complete("plan", "--file", "pl") == ["plan one.yaml", "plan-two.yaml"]
    assert complete("snapshot", "status", "oth") == ["other"]
    # No file is a command.
    assert complete("pl") == ["plan"]
    assert complete("snapshot", "oth") == []


def test_another_shell_is_refused(program):
    done = subprocess.run([program, "completion", "fish"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and "'fish' is not bash or zsh" in done.stderr


def test_zsh_takes_the_file(program, tmp_path):
    """Its own completion needs a terminal; that the file loads and defines its function does not."""
    text = output(program, "completion", "zsh")
    assert text.startswith("#compdef etcd-rescue\n")
    # What zsh's bashcompinit lacks.
    assert "mapfile" not in text and "<(" not in text
    if not shutil.which("zsh"):
        return
    file = tmp_path / "_etcd-rescue"
    file.write_text(text)
    assert "_etcd_rescue" in output("zsh", "-f", "-c", f"autoload -U compinit; compinit -D; . {file}; "
                                    "whence -w _etcd_rescue; print ${_comps[etcd-rescue]}")
