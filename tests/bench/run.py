"""The whole job beside a plain copy: `run --root` (staged, read back, checked, committed) and cp with sync, alternating.

    run.py SNAPSHOT [--program PATH] [--runs N] [--warm]

The tree is a kubeadm master of one member beside the snapshot, so that both are on one file system. The mark is printed
with the figure; the exit status is 1 when it is missed. Make a snapshot with large.py or fill.py.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from restore import Marks, bench, evict, load

TOP = Path(__file__).resolve().parents[2]
LAYOUT = TOP / "tests" / "golden" / "layouts" / "kubeadm" / "before"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--program", type=Path, default=TOP / "out" / "etcd-rescue")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args()
    snapshot, marks = options.snapshot.resolve(), Marks()
    work = Path(tempfile.mkdtemp(prefix="bench.", dir=snapshot.parent))
    tree, copy, plan = work / "root", work / "copy", work / "plan.yaml"
    # The member's address is one of this host's own, where nobody has to be asked.
    plan.write_text(f"source: file:{snapshot}\nrole: single\nsurvivors: proceed\n")

    def prepare():
        load(snapshot) if options.warm else evict(snapshot)
        shutil.copytree(LAYOUT, tree)
        for path in (p for p in tree.rglob("*") if p.is_file()):
            path.write_text(path.read_text().replace("10.0.0.", "127.0.10."))

    def clean():
        shutil.rmtree(tree)
        copy.unlink(missing_ok=True)

    try:
        cases = {"etcd-rescue run": [options.program, "run", "--quiet", "--yes", "--force", "--root", tree, "--file", plan],
                 "cp and sync": ["sh", "-c", 'cp "$0" "$1" && sync "$1"', snapshot, copy]}
        print(f"run of {snapshot.stat().st_size / 1e6:.0f} MB, {'warm' if options.warm else 'cold'}, "
              f"median of {options.runs} (range)")
        got = bench(cases, options.runs, prepare, clean)
        mine = got["etcd-rescue run"]
        marks.check("time beside cp and sync", mine["wall"] / got["cp and sync"]["wall"], 2.2, "x")
        marks.check("memory", mine["rss"] / (1 << 20), 64, " MiB")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if marks.missed else 0


if __name__ == "__main__":
    sys.exit(main())
