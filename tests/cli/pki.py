"""Certificates by OpenSSL: the CAs of a kubeadm cluster, and what stands in a certificate."""

import re
import subprocess

CAS = {"ca": "kubernetes", "etcd/ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"}
LEAVES = {
    "apiserver": "ca", "apiserver-kubelet-client": "ca", "apiserver-etcd-client": "etcd/ca",
    "front-proxy-client": "front-proxy-ca", "etcd/server": "etcd/ca", "etcd/peer": "etcd/ca",
    "etcd/healthcheck-client": "etcd/ca",
}
CONFIGS = ("admin", "super-admin", "controller-manager", "scheduler", "kubelet")


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True, **kwargs).stdout


def make_cas(root, kind):
    pki = root / "etc/kubernetes/pki"
    (pki / "etcd").mkdir(parents=True)
    new = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for name, cn in CAS.items():
        openssl("req", "-x509", *new, "-nodes", "-subj", f"/CN={cn}", "-days", "3650",
            "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
            "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.crt")
    openssl("genrsa", "-out", pki / "sa.key", "2048")
    (pki / "sa.pub").write_text(openssl("rsa", "-in", pki / "sa.key", "-pubout"))
    return pki


def self_signed(pki, key, begin, end):
    """A CA's certificate of other days; `req` of OpenSSL 3.0 knows no dates."""
    work = pki.parent / "dated"
    work.mkdir(exist_ok=True)
    (work / "index").write_text("")
    (work / "serial").write_text("01\n")
    openssl("req", "-new", "-key", key, "-subj", "/CN=kubernetes", "-out", work / "csr")
    (work / "config").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index\nnew_certs_dir={work}\n"
        f"serial={work}/serial\ndefault_md=sha256\n"
        "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nbasicConstraints=critical,CA:TRUE\n")
    return openssl("ca", "-batch", "-config", work / "config", "-selfsign", "-keyfile", key, "-in", work / "csr",
        "-startdate", begin, "-enddate", end, "-notext")


def fields(path):
    text = openssl("x509", "-in", path, "-noout", "-text")
    extensions = re.findall(r"X509v3 ([A-Z][^:]+):( critical)?\s*\n\s+(.*)", text)
    return {name: (value.strip(), bool(critical)) for name, critical, value in extensions}, text
