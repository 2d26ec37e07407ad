"""Requests for certificates as kubelets, and others, make them through the API."""

import base64

from machine.pki import CURVE, openssl

MACHINES = "openshift-machine-config-operator"
BOOTSTRAP = (f"system:serviceaccount:{MACHINES}:node-bootstrapper", ["system:serviceaccounts",
    f"system:serviceaccounts:{MACHINES}", "system:authenticated"])
CLIENT, SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
LABELS = {"made": "by-a-test"}


def kubelet(name):
    return f"system:node:{name}", ["system:nodes", "system:authenticated"]


def request(folder, name, subject, names=""):
    """A signing request, in base64; its key stays in the folder."""
    csr = folder / f"{name}.csr"
    extra = ["-addext", f"subjectAltName={names}"] if names else []
    openssl("req", "-new", *CURVE, "-keyout", folder / f"{name}.key", "-subj", subject, "-out", csr, *extra)
    return base64.b64encode(csr.read_bytes()).decode()


class Requests:
    """Certificate requests as kubelets make them, and others; each by the API, as somebody."""

    def __init__(self, m):
        self.m = m
        m.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "requests"}, "rules": [
            {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}]})
        m.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {"metadata": {"name": "requests"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "requests"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}]})

    def make(self, name, who, subject, names="", signer=CLIENT, usages=None, identity="test"):
        """`who`: (user, groups) to be; None: the identity itself."""
        usages = usages or ["digital signature", "server auth" if signer == SERVING else "client auth"]
        headers = [("Impersonate-User", who[0]), *(("Impersonate-Group", group) for group in who[1])] if who else []
        self.m.call("POST", REQUESTS, {"metadata": {"name": name, "labels": LABELS}, "spec": {
            "request": request(self.m.root, name, subject, names), "signerName": signer, "usages": usages}},
            identity=identity, headers=headers)

    def node(self, name, who, node, **more):
        self.make(name, who, f"/O=system:nodes/CN=system:node:{node}", **more)

    def approved(self):
        found = {}
        for item in self.m.call("GET", REQUESTS)["items"]:
            conditions = item.get("status", {}).get("conditions", [])
            assert item["metadata"]["labels"] == LABELS
            assert [c["type"] for c in conditions] in ([], ["Approved"])
            if conditions:
                found[item["metadata"]["name"]] = conditions[0]["message"]
        return set(found)


def addresses(m, node, *pairs):
    m.call("PATCH", f"/api/v1/nodes/{node}/status", {"status": {"addresses": [{"type": kind, "address": address}
        for kind, address in pairs]}}, type="application/merge-patch+json")
