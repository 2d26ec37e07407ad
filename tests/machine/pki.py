"""A control plane's certificates and kubeconfigs with real keys, as kubeadm lays them out; made by openssl alone.

	authorities(folder)                          # the CAs and the service account key of a cluster, once
	issue(folder, pki, "master-1", address)      # what one master has of its own; the CAs are copied beside it

Elliptic curves throughout: RSA keys would take longer than everything else together.
"""

import base64
import shutil
import subprocess
from pathlib import Path

CAS = {"ca": "kubernetes", "etcd/ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
SERVER, CLIENT = "serverAuth", "clientAuth"


def openssl(*argv):
    return subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, text=True).stdout


def authorities(folder):
    """The three CAs and the key pair for service accounts, in kubeadm's places below folder."""
    folder = Path(folder)
    (folder / "etcd").mkdir(parents=True)
    for name, cn in CAS.items():
        openssl("req", "-x509", *CURVE, "-days", 3650, "-subj", f"/CN={cn}", "-keyout", folder / f"{name}.key", "-out",
                folder / f"{name}.crt", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
                "-addext", f"subjectAltName=DNS:{cn}")
    openssl("genrsa", "-out", folder / "sa.key", 2048)
    openssl("rsa", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub")
    return folder


def certificate(pki, name, ca, subject, usages, alternatives=()):
    """pki/NAME.crt and .key, signed by a CA of pki."""
    extra = ["-addext", "subjectAltName=" + ",".join(alternatives)] if alternatives else []
    openssl("req", "-x509", "-CA", pki / f"{ca}.crt", "-CAkey", pki / f"{ca}.key", *CURVE, "-days", 365, "-subj", subject,
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment",
            "-addext", f"extendedKeyUsage={','.join(usages)}", *extra, "-keyout", pki / f"{name}.key", "-out",
            pki / f"{name}.crt")


def issue(cas, kubernetes, name, address, service="10.96.0.1", endpoint=None):
    """Everything below etc/kubernetes of one master but its manifests. endpoint: what its kubeconfigs name."""
    kubernetes = Path(kubernetes)
    pki = kubernetes / "pki"
    shutil.copytree(cas, pki)
    own = [f"DNS:{name}", "DNS:localhost", f"IP:{address}", "IP:127.0.0.1", "IP:::1"]
    api = [f"DNS:{name}", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
           "DNS:kubernetes.default.svc.cluster.local", f"IP:{service}", f"IP:{address}"]
    certificate(pki, "apiserver", "ca", "/CN=kube-apiserver", [SERVER], api)
    certificate(pki, "apiserver-kubelet-client", "ca", "/O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client", [CLIENT])
    certificate(pki, "apiserver-etcd-client", "etcd/ca", "/CN=kube-apiserver-etcd-client", [CLIENT])
    certificate(pki, "front-proxy-client", "front-proxy-ca", "/CN=front-proxy-client", [CLIENT])
    certificate(pki, "etcd/server", "etcd/ca", f"/CN={name}", [SERVER, CLIENT], own)
    certificate(pki, "etcd/peer", "etcd/ca", f"/CN={name}", [SERVER, CLIENT], own)
    certificate(pki, "etcd/healthcheck-client", "etcd/ca", "/CN=kube-etcd-healthcheck-client", [CLIENT])
    for file, subject, user in (
            ("admin", "/O=kubeadm:cluster-admins/CN=kubernetes-admin", "kubernetes-admin"),
            ("super-admin", "/O=system:masters/CN=kubernetes-super-admin", "kubernetes-super-admin"),
            ("controller-manager", "/CN=system:kube-controller-manager", "system:kube-controller-manager"),
            ("scheduler", "/CN=system:kube-scheduler", "system:kube-scheduler"),
            ("kubelet", f"/O=system:nodes/CN=system:node:{name}", f"system:node:{name}")):
        kubeconfig(pki, kubernetes / f"{file}.conf", subject, user, address, endpoint)
    for path in kubernetes.rglob("*"):
        if path.is_file():
            path.chmod(0o644 if path.suffix in (".crt", ".pub") else 0o600)


def kubeconfig(pki, path, subject, user, address, endpoint=None):
    certificate(pki, "once", "ca", subject, [CLIENT])
    key, crt, ca = (base64.b64encode((pki / name).read_bytes()).decode() for name in ("once.key", "once.crt", "ca.crt"))
    (pki / "once.key").unlink()
    (pki / "once.crt").unlink()
    path.write_text(f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://{endpoint or address + ":6443"}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: {user}
  name: {user}@kubernetes
current-context: {user}@kubernetes
kind: Config
preferences: {{}}
users:
- name: {user}
  user:
    client-certificate-data: {crt}
    client-key-data: {key}
""")
