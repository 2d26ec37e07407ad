"""operator.openshift.io on a real kube-apiserver: its definitions, and what stands in for its operators.

The operators are programs of a whole OpenShift; here a thread does what can be seen of them through the API: it notices
late that a redeployment is asked for, tells a new revision, and brings one node after the other to it. What it needs it
makes through the API; with made=True it is there already, out of a snapshot (definition, operator).
"""

import http.client
import threading
import time

GROUP = "operator.openshift.io"
KINDS = {"etcds": "Etcd", "kubeapiservers": "KubeAPIServer", "kubecontrollermanagers": "KubeControllerManager",
    "kubeschedulers": "KubeScheduler"}
NODES = ("m1", "m2", "m3")
REVISIONS = {plural: 3 + at for at, plural in enumerate(KINDS)}
DONE = "AllNodesAtLatestRevision"
MERGE = "application/merge-patch+json"


def path(plural, more=""):
    return f"/apis/{GROUP}/v1/{plural}/cluster{more}"


def definition(plural, kind):
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"status": anything, "spec": {"type": "object", "properties": {
        "managementState": {"type": "string"}, "forceRedeploymentReason": {"type": "string"}}}}}
    return {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": {"group": GROUP, "scope": "Cluster", "names": {
        "plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}, "versions": [
            {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema}}]}}


def operator(kind):
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "cluster"}, "spec": {"managementState": "Managed"}}


def status(latest, nodes, at, progressing="False", reason=DONE):
    """nodes: names; at: the revision of each."""
    return {"latestAvailableRevision": latest, "conditions": [{"type": "StaticPodsAvailable", "status": "True"},
        {"type": "NodeInstallerProgressing", "status": progressing, "reason": reason,
            "message": f"{len(nodes)} nodes are at revision {latest}"}], "nodeStatuses": [
                {"nodeName": name, "currentRevision": one, "targetRevision": latest if one != latest else 0}
                for name, one in zip(nodes, at)]}


class Operators(threading.Thread):
    def __init__(self, master, *, late=1.0, pace=0.3, nodes=NODES, made=False):
        super().__init__(daemon=True)
        self.m, self.late, self.pace, self.nodes = master, late, pace, nodes
        self.log = []  # (plural, "asked", reason) and (plural, "done", revision), in the order they happened
        self.over, self.failure = threading.Event(), None
        self.free = threading.Event() # to go on with what it was asked for
        self.free.set()
        self.reasons = {plural: "" for plural in KINDS}
        self.revisions = dict(REVISIONS)
        if not made:
            self.make()

    def make(self):
        for plural, kind in KINDS.items():
            self.m.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(plural, kind))
        for plural, kind in KINDS.items():
            self.make_one(plural, operator(kind))
            self.tell(plural, "False", DONE, [self.revisions[plural]] * len(self.nodes))

    def make_one(self, plural, body):
        for _ in range(600):
            try:
                return self.m.call("POST", f"/apis/{GROUP}/v1/{plural}", body)
            except AssertionError:  # the definition is not served yet
                time.sleep(0.2)
        raise AssertionError(f"{plural} are never served")

    def call(self, *args, **more):
        """The API server may be away for a while: it is redeployed, too."""
        while True:
            try:
                return self.m.call(*args, **more)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                young = isinstance(error, AssertionError) and error.args[0][2] in (403, 500, 503)
                if self.over.wait(0.3) or isinstance(error, AssertionError) and not young:
                    raise

    def tell(self, plural, progressing, reason, revisions):
        told = status(self.revisions[plural], self.nodes, revisions, progressing, reason)
        self.call("PATCH", path(plural, "/status"), {"status": told}, type=MERGE)

    def objects(self):
        return {plural: self.call("GET", path(plural)) for plural in KINDS}

    def redeploy(self, plural, reason):
        self.log.append((plural, "asked", reason))
        self.reasons[plural] = reason
        self.over.wait(self.late)
        while not self.free.wait(0.1) and not self.over.is_set():
            pass
        at = [self.revisions[plural]] * len(self.nodes)
        self.revisions[plural] += 1
        for node in range(len(self.nodes)):
            self.tell(plural, "True", "", at)
            self.over.wait(self.pace)
            at[node] = self.revisions[plural]
        # All are there, and the condition says so a moment later.
        self.tell(plural, "True", "", at)
        self.over.wait(self.pace)
        self.log.append((plural, "done", self.revisions[plural]))
        self.tell(plural, "False", DONE, at)

    def run(self):
        try:
            while not self.over.wait(0.2):
                for plural, found in self.objects().items():
                    reason = found["spec"].get("forceRedeploymentReason", "")
                    if reason != self.reasons[plural]:
                        self.redeploy(plural, reason)
        except (AssertionError, OSError, http.client.HTTPException) as error:
            self.failure = None if self.over.is_set() else error

    def close(self):
        self.over.set()
        self.join(60)
        assert not self.failure, self.failure
