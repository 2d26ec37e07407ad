"""A real kube-apiserver for a scenario's restored cluster: it runs on this host, where the masters reach it as a site's load
balancer, and stores in the cluster's own etcd. Objects that are to be there before go into the snapshot as stored().

	api = api_host(story, cluster)              # before the disks are made: kubeconfigs name it from then on
	snapshot_of(..., edit)                      # where edit(server) does: stored(server, ...), served_before(api, server)
	... restored, its port answers ...
	serve(api, story.port(master))              # the etcd that it stores in; or start(), and later until_ready()

A new version of the server, as this is to the golden snapshot, writes some 200 objects of its own at its first start, each a
round of emulated masters; its second start writes none. So it has served the cluster before, when the snapshot was saved.
"""

import json
import re
import shutil
import uuid

import requirement
from interop.finished import Master, stamp
from machine import pki

SINCE = stamp(-3 * 86400)       # when what is stored was made
RBAC = "rbac.authorization.k8s.io"
# Of what it does besides serving, nothing: no leases of its own, no counting and compacting. Each flow control object is a
# write. etcd in an emulated machine takes its time.
LEAN = ("--endpoint-reconciler-type=none", "--feature-gates=APIServerIdentity=false", "--enable-priority-and-fairness=false",
        "--etcd-compaction-interval=0", "--etcd-count-metric-poll-period=0", "--etcd-db-metric-poll-interval=0",
        "--etcd-healthcheck-timeout=20s", "--etcd-readycheck-timeout=20s")


def api_host(story, cluster):
    """A Master of interop/finished.py without an etcd; call() asks the server."""
    host = Master(story.work / "api", cluster.cas, cluster.etcd)
    story.closing(keep_log, host, story.lab.artefacts / story.name)
    story.closing(host.close)
    pki.certificate(host.pki, "apiserver", "ca", "/CN=kube-apiserver", [pki.SERVER],
                    ["DNS:kubernetes", "IP:127.0.0.1", f"IP:{story.switch.router}"])
    cluster.endpoint = f"{story.switch.router}:{host.api_port}"
    return host


def keep_log(host, folder):
    if (host.root / "api.log").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(host.root / "api.log", folder)


def served_before(host, server, *more):
    """It serves the cluster that the snapshot is of, until all it writes by itself is written, and kubeadm's one binding, by
    which admin.conf is let in. server: of interop/server.py. Without the program nothing is done."""
    if not requirement.find("kube-apiserver-1.34"):
        return
    api = host.start_api(*LEAN, *more, etcd_server=f"http://127.0.0.1:{server.client_port}")
    host.call("POST", f"/apis/{RBAC}/v1/clusterrolebindings", {
        "metadata": {"name": "kubeadm:cluster-admins"}, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole",
                                                                  "name": "cluster-admin"},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "kubeadm:cluster-admins"}]})
    api.close()


def start(host, port, *more):
    """Starts it, with more options, for until_ready() to wait for. port: of its etcd."""
    host.client, host.more = port, (*LEAN, *more)
    host.server = host.launch_api(*host.more)


def until_ready(host, tries=4):
    """As on a master, where the kubelet does that, it is started again: it ends when its etcd is too slow at first."""
    for left in reversed(range(tries)):
        try:
            return host.until_api(host.server)
        except AssertionError:
            if not left:
                raise
            host.server = host.launch_api(*host.more)
    return None


def serve(host, port, *more, tries=4):
    """start() and until_ready()."""
    start(host, port, *more)
    return until_ready(host, tries)


def stored(server, prefix, kind, version, name, namespace="", status=None, spec=None, **metadata):
    """Put an object into etcd as JSON, which an API server reads as well as its own protobuf."""
    key = "/".join(["/registry", prefix, *([namespace] if namespace else []), name])
    about = {"name": name, "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, key)), "creationTimestamp": SINCE, **metadata,
             **({"namespace": namespace} if namespace else {})}
    server.put(key, json.dumps({"kind": kind, "apiVersion": version, "metadata": about, "spec": spec or {},
                                **({"status": status} if status else {})}))
    return key


def node(server, name, ready, master=True):
    labels = {"node-role.kubernetes.io/control-plane": ""} if master else {}
    condition = {"type": "Ready", "status": ready, "reason": "x", "message": "x", "lastHeartbeatTime": SINCE}
    return stored(server, "minions", "Node", "v1", name, status={"conditions": [condition]}, labels=labels)


def left_behind(vm):
    """Of what the first boot brought along, on this master: record, unit, who starts it."""
    found = vm.console.run("ls -d /var/lib/etcd-rescue/finish* /etc/systemd/system/etcd-rescue-finish.service "
                           "/etc/systemd/system/kubelet.service.d/50-etcd-rescue.conf 2>/dev/null", 120)
    return [line for line in found.text.splitlines() if line.startswith("/")]


def spared(vm):
    """Of which clean-ups this master's `finish` has heard that another one had done them."""
    said = vm.console.run("cat /var/log/wanted.log", 120).text
    return re.findall(r"finish: (\S+): another master has done it", said)


def let_go(host):
    """The Lease is there and has no holder; the names of what was done under it."""
    lease = host.call("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/etcd-rescue")
    assert not lease["spec"].get("holderIdentity"), lease
    return lease["metadata"]["annotations"]["etcd-rescue/done"].split()[5:]


def items(host, path):
    """{name: object} of a list."""
    return {item["metadata"]["name"]: item for item in host.call("GET", path)["items"]}
