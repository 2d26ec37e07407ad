"""`etcd-rescue finish` on OpenShift: redeployments in their order, certificates for known kubelets, lost masters' Nodes.

The kube-apiserver and etcd are real; CRDs and a thread stand in for the operators (operators.py).
"""

import json
import re
import subprocess
import threading
import time

import pytest

import requirement
from interop.finished import STATE, Objects, files, stamp
from interop.kubelets import BOOTSTRAP, REQUESTS, SERVING, Requests, addresses, kubelet
from interop.operators import KINDS, Operators

pytestmark = pytest.mark.needs("kube-apiserver-1.34", "etcd-3.6")

RESOURCES = "etc/kubernetes/static-pod-resources"
LOCAL = f"{RESOURCES}/kube-apiserver-certs/secrets/node-kubeconfigs/localhost.kubeconfig"
MAPS = "/api/v1/namespaces/kube-system/configmaps"


def localhost(m):
    """As OpenShift's operator lays it down, its certificates in files: one beside it, two as the container sees them."""
    config = m.root / LOCAL
    shared = m.root / RESOURCES / "kube-apiserver-certs/secrets/admin"
    config.parent.mkdir(parents=True)
    shared.mkdir(parents=True)
    m.identity("admin", "/O=system:masters/CN=system:admin")
    for kind in ("crt", "key"):
        (shared / f"tls.{kind}").write_bytes((m.pki / f"admin.{kind}").read_bytes())
    (config.parent / "ca-bundle.crt").write_bytes((m.pki / "ca.crt").read_bytes())
    config.write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: localhost
  cluster:
    certificate-authority: ca-bundle.crt
    server: https://127.0.0.1:{m.api_port}
contexts:
- name: system:admin
  context: {{cluster: localhost, user: system:admin}}
current-context: system:admin
users:
- name: system:admin
  user:
    client-certificate: /etc/kubernetes/static-pod-certs/secrets/admin/tls.crt
    client-key: /{RESOURCES}/kube-apiserver-certs/secrets/admin/tls.key
""")
    return [LOCAL]


@pytest.fixture
def openshift(master):
    """A restored recovery host: etcd, API server, three masters of which only it is ready, a worker."""
    m = master("3.6")
    m.start_etcd()
    # Where OpenShift's API server keeps its objects.
    m.api = m.start_api("--etcd-prefix=kubernetes.io")
    o = Objects(m)
    o.node("m1", "True")
    o.node("m2", "Unknown")
    o.node("m3", "Unknown")
    o.node("w1", "Unknown", master=False)
    addresses(m, "w1", ("Hostname", "w1"), ("InternalIP", "10.0.0.5"))
    addresses(m, "m2", ("Hostname", "m2"), ("InternalDNS", "m2.example.org"), ("InternalIP", "10.0.0.2"))
    m.kubeconfigs = localhost(m)
    return m


@pytest.fixture
def operators():
    made = []

    def make(m, **more):
        made.append(Operators(m, **more))
        made[-1].start()
        return made[-1]
    yield make
    for one in made:
        one.close()


def record(m, **more):
    (m.root / STATE).mkdir(exist_ok=True)
    return m.record(*m.ids(), **{"layout": "openshift-4.6", "known": ["m1", "m2", "m3", "w1", "w2"], "role": "single",
        "snapshot": "5" * 64, "kubeconfigs": m.kubeconfigs, **more})


# What the kubelet of w2 writes into its Node.
LIES = {"localhost": ("Hostname", "localhost"), "kubernetes": ("InternalDNS", "kubernetes"),
    "service": ("ExternalDNS", "kubernetes.default.svc"), "of-cluster": ("InternalDNS", "etcd.openshift-etcd.svc.cluster.local"),
    "loopback": ("InternalIP", "127.0.0.1"), "loopback6": ("InternalIP", "::1"), "mapped": ("InternalIP", "::ffff:127.0.0.1"),
    "unspecified": ("InternalIP", "0.0.0.0"), "link-local": ("ExternalIP", "169.254.169.254"), "link6": ("ExternalIP", "fe80::1"),
    "multicast": ("ExternalIP", "224.0.0.1"), "type": ("Alias", "w2.example.org"), "ip-type": ("HostIP", "10.0.0.7")}


def hostile(m, r):
    """Whatever must not be approved; the stranger's Node is there, and is none of the snapshot's."""
    Objects(m).node("stranger", "Unknown", master=False)
    addresses(m, "stranger", ("Hostname", "stranger"))
    r.node("of-a-stranger", BOOTSTRAP, "stranger")
    r.node("serving-of-a-stranger", kubelet("stranger"), "stranger", names="DNS:stranger", signer=SERVING)
    r.node("for-another-node", kubelet("w1"), "m2")
    r.node("serving-for-another-node", kubelet("w1"), "m2", names="DNS:m2", signer=SERVING)
    r.node("ready-node", BOOTSTRAP, "m1")
    r.node("client-with-a-name", BOOTSTRAP, "m2", names="DNS:m2")
    r.node("extra-name", kubelet("w1"), "w1", names="DNS:w1,IP:10.0.0.5,DNS:api.example.org", signer=SERVING)
    r.node("extra-address", kubelet("w1"), "w1", names="DNS:w1,IP:10.0.0.6", signer=SERVING)
    r.node("serving-by-the-bootstrapper", BOOTSTRAP, "w1", names="DNS:w1", signer=SERVING)
    r.make("extra-organization", BOOTSTRAP, "/O=system:nodes/O=system:masters/CN=system:node:m2")
    r.make("another-organization", BOOTSTRAP, "/O=system:masters/CN=system:node:m2")
    r.make("an-administrator", BOOTSTRAP, "/O=system:nodes/CN=system:admin")
    r.node("another-account", ("system:serviceaccount:default:node-bootstrapper", ["system:serviceaccounts",
        "system:serviceaccounts:default"]), "m2")
    r.node("more-groups", (kubelet("w1")[0], ["system:nodes", "system:authenticated", "ops"]), "w1")
    r.node("both-usages", BOOTSTRAP, "m2", usages=["digital signature", "client auth", "server auth"])
    r.node("another-signer", kubelet("w1"), "w1", signer="kubernetes.io/kube-apiserver-client")
    Objects(m).node("w2", "Unknown", master=False)
    addresses(m, "w2", ("Hostname", "w2"), ("InternalDNS", "M2"), *LIES.values())
    for name, (kind, address) in LIES.items():
        r.node(f"lies-{name}", kubelet("w2"), "w2", names=f"DNS:w2,{'IP' if kind.endswith('IP') else 'DNS'}:{address}",
            signer=SERVING)
    r.node("lies-capitals", kubelet("w2"), "w2", names="DNS:M2", signer=SERVING)
    # The first one of its node is before it, by its name.
    r.node("m2-second-key", BOOTSTRAP, "m2")
    # No header: the identity that kubeadm's tokens have, with a certificate of its own.
    m.identity("token", "/O=system:bootstrappers/CN=system:bootstrap:abcdef")
    r.node("another-bootstrap", None, "m2", identity="token")


def test_operators_in_their_order_and_certificates_for_known_kubelets_alone(openshift, operators, finish):
    m, r, asks_again = openshift, Requests(openshift), []
    r.node("m2-first", BOOTSTRAP, "m2")
    r.node("w1-client", BOOTSTRAP, "w1", usages=["digital signature", "key encipherment", "client auth"])
    r.node("w1-serving", kubelet("w1"), "w1", names="DNS:w1,IP:10.0.0.5", signer=SERVING)
    r.node("m1-renewed", kubelet("m1"), "m1")
    hostile(m, r)
    good = {"m2-first", "w1-client", "w1-serving", "m1-renewed"}
    over = threading.Event()

    def ask_again():  # as a kubelet does once it has its first one
        while not over.wait(0.3):
            if "m2-first" in r.approved():
                r.node("m2-serving", kubelet("m2"), "m2", names="DNS:m2.example.org,IP:10.0.0.2", signer=SERVING)
                asks_again.append("m2-serving")
                return
    thread = threading.Thread(target=ask_again)
    thread.start()
    work = operators(m)
    said = record(m)
    status, did, text = finish(m, "--deadline", 60)
    over.set()
    thread.join()
    assert status == 0, text
    assert did["steps"] == ["etcd", "members", "redeploy", "csr", "remove"]
    assert asks_again and r.approved() == good | {"m2-serving"}
    assert did["cleaned"] == 4 + len(good) + 1
    # Each after the one before it was done everywhere, with one text that tells the restore.
    assert [(plural, what) for plural, what, _ in work.log] == [(p, w) for p in KINDS for w in ("asked", "done")]
    cluster, = said["clusters"]
    reasons = {reason for _, what, reason in work.log if what == "asked"}
    assert {reason.rsplit(" ", 1)[0] for reason in reasons} == {
        f"etcd-rescue snapshot {'5' * 12} cluster {cluster['id']}, after revision"}
    for name in ("of-a-stranger", "extra-name", "more-groups", "another-bootstrap", "m2-second-key",
            *(f"lies-{lie}" for lie in LIES)):
        assert text.count(f"request {name} for a certificate is left alone") == 1, name
    assert f"request m2-first is approved: a client's certificate of node m2, asked for by {BOOTSTRAP[0]}" in text
    assert LOCAL in text and files(m.root, STATE) == []
    # Which keys it has seen is forgotten with each run.
    m.call("DELETE", f"{REQUESTS}/m2-second-key")
    # Another master of this restore, by a plan of its own: nothing changes.
    before = work.objects(), m.call("GET", REQUESTS)["items"]
    record(m, plan="1" * 64, node="m2", restored=said["restored"] + 7)
    status, did, text = finish(m, "--deadline", 24)
    assert status == 0 and did["cleaned"] == 0, text
    assert (work.objects(), m.call("GET", REQUESTS)["items"]) == before
    # Another restore, by the first plan, and with the certificates turned off.
    r.node("m3-client", BOOTSTRAP, "m3")
    record(m, snapshot="6" * 64, restored=said["restored"] + 1, csr=False)
    status, did, text = finish(m, "--deadline", 60)
    assert status == 0 and did["cleaned"] == 4 and "m3-client" not in r.approved(), text
    # Nor is what was made long before a restore.
    record(m, restored=int(time.time()) + 1200, redeploy=False)
    status, did, text = finish(m, "--deadline", 16)
    assert status == 0 and did["cleaned"] == 0 and "m3-client" not in r.approved(), text
    assert text.count("request m3-client for a certificate is left alone: it was made before the restore") == 1
    record(m, redeploy=False)
    status, did, text = finish(m, "--deadline", 16)
    assert status == 0 and did["cleaned"] == 1 and "m3-client" in r.approved(), text


def test_what_was_killed_goes_on(openshift, operators, image_file, finish):
    m = openshift
    work = operators(m, late=2.0)
    record(m)
    with subprocess.Popen([image_file("etcd-rescue"), "finish", "--root", m.root, "--deadline", "60"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        end = time.monotonic() + 60
        while ("kubeapiservers", "asked") not in [entry[:2] for entry in work.log] and time.monotonic() < end:
            time.sleep(0.05)
        first.kill()
    assert [entry[:2] for entry in work.log] == [("etcds", "asked"), ("etcds", "done"), ("kubeapiservers", "asked")]
    # It goes on while the API server is so young that it serves its own definitions only.
    m.api.close()
    ended = []
    thread = threading.Thread(target=lambda: ended.append(finish(m, "--deadline", 90)))
    thread.start()
    m.api = m.start_api("--etcd-prefix=kubernetes.io")
    thread.join()
    (status, did, text), = ended
    assert status == 0, text
    assert did["cleaned"] == 2 and "there is none" not in text
    assert [entry[:2] for entry in work.log] == [(p, w) for p in KINDS for w in ("asked", "done")]


def test_an_api_server_that_is_away_while_it_is_redeployed_is_waited_for(openshift, operators, finish):
    m = openshift
    work, ended = operators(m, late=2.0), []
    record(m)
    thread = threading.Thread(target=lambda: ended.append(finish(m, "--deadline", 90)))
    thread.start()
    # From here: the server ends with the thread that started it.
    while ("kubeapiservers", "asked") not in [entry[:2] for entry in work.log] and thread.is_alive():
        time.sleep(0.05)
    m.api.close()
    time.sleep(4)
    m.api = m.start_api("--etcd-prefix=kubernetes.io")
    thread.join()
    (status, did, text), = ended
    assert status == 0 and did["cleaned"] == 4, text
    assert "Could not connect to server" in text
    assert [entry[:2] for entry in work.log] == [(p, w) for p in KINDS for w in ("asked", "done")]


def test_a_redeployment_that_does_not_end_is_told_and_the_next_one_is_not_begun(openshift, operators, finish):
    m = openshift
    work = operators(m, late=0)
    work.free.clear()
    record(m)
    status, did, text = finish(m, "--deadline", 12)
    assert status == 1 and did["outcome"] == "failed", text
    assert "etcds: waits for a revision after 3, and there is no time left" in text
    assert [entry[:2] for entry in work.log] == [("etcds", "asked")]
    assert (m.root / STATE / "finish.json").exists()
    # The plan gives each redeployment more time than all the rest has.
    work.free.set()
    record(m, **{"deadline": 6, "redeploy-deadline": 60})
    status, did, text = finish(m)
    assert status == 0 and did["cleaned"] == 3, text
    assert [entry[:2] for entry in work.log] == [(p, w) for p in KINDS for w in ("asked", "done")]


def test_masters_that_are_no_members_any_more_lose_their_nodes(openshift, finish):
    m, o = openshift, Objects(openshift)
    o.node("m4", "Unknown")
    o.node("m5", "True")
    time.sleep(1.1)
    said = record(m, layout="openshift-4.2", known=["m1", "m2", "m3", "m5", "w1"])
    # As the snapshot has it: nobody has missed it yet.
    m.call("PATCH", "/api/v1/nodes/m3/status", {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x",
        "message": "x", "lastHeartbeatTime": stamp(-3600)}]}}, type="application/strategic-merge-patch+json")
    timer = threading.Timer(3, m.call, ("PATCH", "/api/v1/nodes/m3/status", {"status": {"conditions": [{"type": "Ready",
        "status": "Unknown"}]}}), {"type": "application/strategic-merge-patch+json"})
    timer.start()
    status, did, text = finish(m, "--deadline", 32)
    timer.join()
    assert status == 0 and did["steps"] == ["etcd", "members", "nodes", "remove"], text
    # The worker is none of its business, m4 is none of the snapshot's, m5 is alive.
    assert set(o.names("/api/v1/nodes")) == {"m1", "w1", "m4", "m5"} and did["cleaned"] == 2
    record(m, layout="openshift-4.2", known=said["known"])
    assert finish(m, "--deadline", 16)[1]["cleaned"] == 0


def test_a_configmap_does_where_no_leases_are_served(master, finish):
    m = master("3.6")
    m.start_etcd()
    m.start_api("--runtime-config=coordination.k8s.io/v1=false", "--feature-gates=APIServerIdentity=false")
    m.kubeconfigs = localhost(m)
    m.call("POST", "/api/v1/namespaces", {"metadata": {"name": "kube-system"}}, (201, 409))
    turn = {"holderIdentity": "m2", "leaseDurationSeconds": 600, "acquireTime": stamp(0), "renewTime": stamp(0),
        "leaderTransitions": 4}
    leader = "control-plane.alpha.kubernetes.io/leader"
    m.call("POST", MAPS, {"metadata": {"name": "etcd-rescue", "annotations": {leader: json.dumps(turn)}}})
    record(m)
    status, did, text = finish(m, "--deadline", 8)
    assert status == 0 and "left to that one" in text, text
    # Of one that does not renew it, it is taken, and let go of; no operators are there, which is told.
    m.call("PATCH", f"{MAPS}/etcd-rescue", {"metadata": {"annotations": {leader: json.dumps({**turn,
        "leaseDurationSeconds": 4})}}}, type="application/merge-patch+json")
    record(m)
    status, did, text = finish(m, "--deadline", 24)
    assert status == 0 and did["cleaned"] == 0, text
    assert all(f"{plural}: there is none to be redeployed" in text for plural in KINDS)
    now = json.loads(m.call("GET", f"{MAPS}/etcd-rescue")["metadata"]["annotations"][leader])
    assert now["holderIdentity"] == "" and now["leaderTransitions"] == 5


def test_the_commit_tells_the_first_boot_which_nodes_the_snapshot_knows(openshift, image_file, tmp_path):
    m, program, etcd, root = openshift, image_file("etcd-rescue"), openshift.pki / "etcd", tmp_path / "disk"
    subprocess.run([requirement.need("etcdctl-3.6"), f"--endpoints=https://127.0.0.1:{m.client}", f"--cacert={etcd}/ca.crt",
        f"--cert={etcd}/healthcheck-client.crt", f"--key={etcd}/healthcheck-client.key", "snapshot", "save",
        tmp_path / "snapshot.db"], check=True, capture_output=True, timeout=60)
    golden = requirement.TOP / "tests/golden/layouts/openshift-4.6/before"
    subprocess.run(["cp", "-a", golden, root], check=True)
    for path in (p for p in root.rglob("*") if p.is_file()):
        path.write_bytes(re.sub(rb"\b(10\.0\.0|192\.168\.126|10\.15\.155)\.", b"127.1.3.", path.read_bytes()))
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"source: file:{tmp_path}/snapshot.db\nrole: single\nsurvivors: none\n")
    run = [program, "run", "--root", root, "--file", plan, "--yes", "--force"]
    shown = subprocess.run([*run, "--dry-run"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert re.search(r"^  redeploy +has etcd, API server, .*\n  csr +approves certificates of kubelets", shown, re.M), shown
    subprocess.run(run, capture_output=True, check=True, timeout=60)
    said = json.loads((root / STATE / "finish.json").read_text())
    assert said["known"] == ["m1", "m2", "m3", "w1"] and said["layout"] == "openshift-4.6"
    assert said["kubeconfigs"][0] == LOCAL and said["redeploy"] and said["csr"]
    assert said["deadline"] == 900 and said["redeploy-deadline"] == 3600
