"""`etcd-rescue finish` with kubeconfigs as OpenShift's static pods have them: one that may read everything and delete no Node,
one with a service account's token in a file, for an API server that is called otherwise than it is reached."""

import shutil
import time

import pytest

from interop.finished import STATE, Objects
from machine import pki

pytestmark = pytest.mark.needs("kube-apiserver-1.34", "etcd-3.6")

RESOURCES = "etc/kubernetes/static-pod-resources"
OF_POD = "/etc/kubernetes/static-pod-resources/secrets/localhost-recovery-client-token"
MANAGER, SYNCER = ((f"{RESOURCES}/{pod}-pod-*/configmaps/{name}/kubeconfig") for pod, name in (
    ("kube-controller-manager", "controller-manager-kubeconfig"), ("kube-apiserver", "kube-apiserver-cert-syncer-kubeconfig")))
ACCOUNT = "/api/v1/namespaces/openshift-kube-apiserver/serviceaccounts"


def kubeconfig(path, server, user, cluster):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""apiVersion: v1
clusters:
  - cluster:
      server: {server}
{cluster}
    name: loopback
contexts:
  - context:
      cluster: loopback
      user: me
    name: me
current-context: me
kind: Config
preferences: {{}}
users:
  - name: me
    user:
{user}
""")


def account(m):
    """Its token; it may do everything, as OpenShift's localhost-recovery-client."""
    m.call("POST", "/api/v1/namespaces", {"metadata": {"name": "openshift-kube-apiserver"}})
    m.call("POST", ACCOUNT, {"metadata": {"name": "localhost-recovery-client"}})
    m.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {"metadata": {"name": "recovery"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "localhost-recovery-client", "namespace": "openshift-kube-apiserver"}]})
    return m.call("POST", f"{ACCOUNT}/localhost-recovery-client/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"]


@pytest.fixture
def openshift(master):
    """The survivor of three; m.revision is where its newest API server has its secrets."""
    m = master("3.6")
    m.start_etcd()
    pki.certificate(m.pki, "recovery", "front-proxy-ca", "/CN=localhost-recovery", [pki.SERVER], ["DNS:localhost-recovery"])
    m.start_api(f"--tls-sni-cert-key={m.pki}/recovery.crt,{m.pki}/recovery.key")
    m.identity("manager", "/CN=system:kube-controller-manager")
    m.manager = m.root / MANAGER.replace("*", "3")
    ends = {"crt": "certificate", "key": "key"}
    kubeconfig(m.manager, f"https://127.0.0.1:{m.api_port}", "\n".join(
        f"      client-{what}: {m.pki / 'manager'}.{end}".replace(str(m.root), "") for end, what in ends.items()),
        "      certificate-authority: /etc/kubernetes/pki/ca.crt")
    for revision in ("9", "10"):
        m.config = m.root / SYNCER.replace("*", revision)
        m.token = m.config.parents[2] / "secrets/localhost-recovery-client-token/token"
        # The CA of this name's certificate alone: the server is believed as localhost-recovery, and not as localhost.
        kubeconfig(m.config, f"https://localhost:{m.api_port}", f"      tokenFile: {OF_POD}/token",
            f"      certificate-authority: {OF_POD}/ca.crt\n      tls-server-name: localhost-recovery")
        m.token.parent.mkdir(parents=True)
        shutil.copy(m.pki / "front-proxy-ca.crt", m.token.with_name("ca.crt"))
        m.token.write_text("of an older revision\n")
    return m


def record(m, *kubeconfigs):
    (m.root / STATE).mkdir(exist_ok=True)
    # What has been heard of a Node was before.
    m.record(*m.ids(), restored=int(time.time()) + 2, layout="openshift-4.2", role="single", snapshot="5" * 64, known=["m1", "m2"], kubeconfigs=kubeconfigs)


def test_lost_nodes_go_by_the_token_of_a_static_pod(openshift, finish):
    m, token = openshift, account(openshift)
    o = Objects(m)
    o.node("m1", "True")
    o.node("m2", "Unknown")
    tries = {"a word\nof two lines": f"the token of {m.config.relative_to(m.root)} is none", "wrong-" + token: "401"}
    for bad, why in tries.items():
        # Why the best one will not do is told, and not what the next ones lack.
        record(m, SYNCER, MANAGER)
        m.token.write_text(bad)
        status, did, text = finish(m, "--deadline", 6)
        assert status == 1 and did["outcome"] == "failed" and why in text and bad not in text, text
    # In the clear it goes nowhere.
    was = m.config.read_text()
    m.token.write_text(token + "\n")
    m.config.write_text(was.replace("https:", "http:"))
    status, did, text = finish(m, "--deadline", 6)
    assert status == 1 and "would send its token in the clear" in text and token not in text, text
    # Nor to a server that is not called so.
    m.config.write_text(was.replace("localhost-recovery\n", "localhost\n"))
    status, did, text = finish(m, "--deadline", 6)
    assert status == 1 and "certificate" in text and token not in text, text
    assert set(o.names("/api/v1/nodes")) == {"m1", "m2"}

    m.config.write_text(was)
    # Who may read all and delete nothing is passed over.
    record(m, MANAGER, SYNCER)
    status, did, text = finish(m, "--deadline", 32)
    assert status == 0 and did["cleaned"] == 1 and set(o.names("/api/v1/nodes")) == {"m1"}, text
    assert f"{m.config.relative_to(m.root)}" in text and token not in text
    for path in (m.root / "var/log/etcd-rescue").iterdir():
        assert token not in path.read_text()


def test_a_token_may_stand_in_the_kubeconfig_itself(openshift, finish):
    m, token = openshift, account(openshift)
    o = Objects(m)
    o.node("m1", "True")
    o.node("m2", "Unknown")
    m.manager.unlink()
    m.token.unlink()
    m.config.write_text(m.config.read_text().replace("      tokenFile", f"      token: {token}\n      tokenFile"))
    record(m, SYNCER)
    status, did, text = finish(m, "--deadline", 32)
    assert status == 0 and did["cleaned"] == 1 and set(o.names("/api/v1/nodes")) == {"m1"}, text
    assert token not in text
