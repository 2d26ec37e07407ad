"""What is cut short where no snapshot is restored: a disk that was never a master's joins (`pki:`), an OpenShift master
stands aside, a node without an etcd is purged of its pods; and the way back from each.
"""

import re
import shutil
import subprocess
from pathlib import Path

from crash import states
from crash.workload import GOLDEN, Rollback, Run, set_labels

PLAN = "source: file:/nowhere/at-all\nsurvivors: none\n"
FRESH = PLAN + """role: join
pki: file:{archive}
cluster:
  members:
    - {{name: master-1, peer: "https://127.0.10.11:2380"}}
    - {{name: master-3, peer: "https://127.0.10.13:2380"}}
    - {{name: master-4, peer: "https://127.0.10.14:2380", match: {{hostname: master-4}}}}
"""
API = """apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver}
spec:
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.30.2
    command: [kube-apiserver, --advertise-address=127.0.10.12, --service-cluster-ip-range=10.96.0.0/12]
"""
KUBELET = "[Service]\nExecStart=/usr/bin/kubelet --kubeconfig=/etc/kubernetes/kubelet.conf\n"
ETCD_POD, API_POD = (states.MANIFESTS + f"{name}-pod.yaml" for name in ("etcd", "kube-apiserver"))


def write(top, files):
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


def write_plans(directory, program):
    """Outside of the disk; with the archive of a healthy master for the one that is fresh."""
    from machine import pki
    healthy, archive = directory / "healthy", directory / "master.tar.zst"
    subprocess.run(["cp", "-a", f"{GOLDEN}/layouts/kubeadm/before", healthy], check=True)
    for path in (p for p in healthy.rglob("*") if p.is_file()):
        path.write_text(path.read_text().replace("10.0.0.", "127.0.10.").replace("/mnt/fast/etcd", "/var/lib/etcd"))
    pki.authorities(healthy / "etc/kubernetes/pki")
    pods = {f"{states.MANIFESTS}{name}.yaml": f"kind: Pod\nmetadata: {{name: {name}}}\n"
            for name in ("kube-scheduler", "kube-controller-manager")}
    write(healthy, {**pods, states.MANIFESTS + "kube-apiserver.yaml": API,
                    "var/lib/kubelet/config.yaml": "kind: KubeletConfiguration\nclusterDNS: [10.96.0.10]\n"})
    for command in (["certs"], ["collect", "-o", archive]):
        subprocess.run([program, *command, "--root", healthy], check=True, capture_output=True)
    shutil.rmtree(healthy)
    for name, text in (("fresh", FRESH.format(archive=archive)), ("stand-aside", PLAN + "role: stand-aside\n"),
                       ("purge-only", PLAN + "role: purge-only\n")):
        (directory / f"{name}.yaml").write_text(text)
    return directory


class Fresh(Run):
    """Another master's configuration becomes this node's, with keys of its own; there is no manifest of etcd's before,
    and none afterwards, so at no instant may there be one."""

    plan = "fresh"
    made = re.compile(r"etc/kubernetes/([a-z-]+\.conf|pki/(apiserver|front-proxy-client|etcd/(server|peer|healthcheck))\S*)$")

    def populate(self, top):
        write(top, {"etc/os-release": "ID=debian\n", "etc/hostname": "master-4\n", "usr/bin/kubelet": "\x7fELF",
                    "etc/systemd/system/kubelet.service": KUBELET, "var/log/syslog": ""})
        (top / "var/lib").mkdir()
        self.prepare(top)

    def resume(self, top):
        return super().resume(top) or self.unfit(top)

    def unfit(self, top):
        """Each certificate has its own key, and none is another run's or the other master's: one line, or None."""
        done = self.call([self.program, "certs", "--dry-run", "--root", top, "--layout", "kubeadm", "--name", "master-4",
                          "--address", "127.0.10.14"])
        wrong = [line for line in done.stdout.splitlines() if not line.startswith("good ") and states.FENCE not in line]
        return f"certificates: {wrong[:2]} {done.stderr}" if wrong or not done.stdout else None


class StandAside(Run):
    """Static pods of etcd and its API server go away, and so does the member."""

    plan, fence = "stand-aside", ETCD_POD

    def populate(self, top):
        subprocess.run(["cp", "-a", f"{GOLDEN}/layouts/openshift-4.6/before/.", top], check=True)
        write(top, {API_POD: "kind: Pod\nmetadata: {name: kube-apiserver}\n",
                    states.MANIFESTS + "kube-scheduler-pod.yaml": "kind: Pod\nmetadata: {name: kube-scheduler}\n",
                    states.MEMBER + "/snap/db": "of the lost cluster\n" * 3000,
                    states.MEMBER + "/wal/0000000000000000-0000000000000000.wal": "its log\n" * 9000, "var/log/syslog": ""})
        set_labels(top)
        self.prepare(top)


class PurgeOnly(Run):
    """The kubelet's directories of pods go away, by one rename: there is nothing between."""

    plan, fence, member = "purge-only", None, "var/lib/kubelet/pods"

    def populate(self, top):
        write(top, {"etc/os-release": "ID=linux\n", "etc/systemd/system/kubelet.service": KUBELET,
                    "etc/cfc/pods/monitoring.json": "{}", "var/lib/kubelet/pki/kubelet.crt": "certificate\n",
                    "var/log/syslog": ""})
        for n in range(8):
            write(top, {f"{self.member}/0000-{n}/etc-hosts": "127.0.0.1 localhost\n" * 400,
                        f"{self.member}/0000-{n}/volumes/kubernetes.io~empty-dir/left": f"of {n}\n"})
        self.prepare(top)


def back(role):
    """`rollback` of that, once others have been where it was."""

    class Back(role):
        made = None

        def command(self, top):
            return Rollback.command(self, top)

        def prepare(self, top):
            role(self.asked).go(top)
            write(top, {f"{self.member}/since": "then\n"})

        def resume(self, top):
            return Run.resume(self, top)

    return Back


WORKLOADS = {"fresh": Fresh, "stand-aside": StandAside, "purge-only": PurgeOnly,
             **{f"{name}-back": back(role) for name, role in
                (("fresh", Fresh), ("stand-aside", StandAside), ("purge-only", PurgeOnly))}}
