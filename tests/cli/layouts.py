"""What `etcd-rescue plan --root` says of a copy of one of the layouts below tests/golden."""

import json
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def plan(program, root, *args):
    done = subprocess.run([program, "plan", "--root", root, *args], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def seen(program, root, *args):
    return json.loads(plan(program, root, "--json", *args))


def copy_of(layout, tmp_path):
    tree = tmp_path / "root"
    subprocess.run(["cp", "-a", TOP / "tests" / "golden" / "layouts" / layout / "before", tree], check=True)
    return tree


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def claims(found, what):
    return [(c["value"], c["source"], c["won"], c["disagrees"]) for c in found["identity"] if c["what"] == what]
