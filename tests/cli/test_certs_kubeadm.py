"""Certificates and kubeconfigs of ours beside those that real kubeadm made of the same configuration."""

import base64
import json
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from cli.pki import CAS, CONFIGS, LEAVES

TOP = Path(__file__).resolve().parents[2]
GOLDEN = TOP / "tests" / "golden" / "kubeadm"
NAMES = {"551d0f": "key usage", "551d25": "extended key usage", "551d13": "basic constraints", "551d23": "authority key id",
    "551d11": "names", "551d0e": "subject key id"}
YEAR = 365 * 24 * 3600
MANIFEST = """apiVersion: v1
kind: Pod
metadata: {name: etcd}
spec:
  containers:
  - name: etcd
    command: [etcd, --name=master-2, --data-dir=/var/lib/etcd, --initial-advertise-peer-urls=https://10.0.0.12:2380]
    volumeMounts: [{mountPath: /var/lib/etcd, name: d}]
  volumes: [{name: d, hostPath: {path: /var/lib/etcd}}]
"""


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, text=True, **kwargs).stdout


def pieces(der):
    """[(tag, content, all of it)] of what follows each other."""
    found = []
    while der:
        length, start = der[1], 2
        if length & 0x80:
            start += length & 0x7f
            length = int.from_bytes(der[2:start], "big")
        found.append((der[0], der[start:start + length], der[:start + length]))
        der = der[start + length:]
    return found


def der_of(pem):
    return base64.b64decode("".join(pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].split()))


def seconds(piece):
    form = "%y%m%d%H%M%SZ" if piece[0] == 0x17 else "%Y%m%d%H%M%SZ"
    return int(datetime.strptime(piece[1].decode(), form).replace(tzinfo=timezone.utc).timestamp())


def body(pem):
    return pieces(pieces(pieces(der_of(pem))[0][1])[0][1])


def fields(pem, ca_pem, made):
    """Every field of a certificate, byte for byte where it is not chance or the CA's."""
    certificate = pieces(pieces(der_of(pem))[0][1])
    version, serial, algorithm, issuer, validity, subject, key, extensions = body(pem)
    ca = body(ca_pem)
    ca_extensions = {e[0][1].hex(): e[-1][1] for e in (pieces(x[1]) for x in pieces(pieces(ca[7][1])[0][1]))}
    begin, end = pieces(validity[1])
    key_algorithm, bits = pieces(key[1])
    found = {
        "version": version[2].hex(),
        "serial number": f"positive, {1 if 4 < len(serial[1]) <= 8 and serial[1][0] < 0x80 else len(serial[1])}",
        "signature algorithm": algorithm[2].hex(),
        "outer signature algorithm": certificate[1][2].hex(),
        "issuer, byte for byte the CA's subject": issuer[2] == ca[5][2],
        "issuer": issuer[2].hex(),
        "subject, with kinds of text": subject[2].hex(),
        "form of the dates": (begin[0], end[0]),
        "not before": "its CA's" if seconds(begin) == seconds(pieces(ca[4][1])[0])
            else "five minutes ago" if abs(seconds(begin) - (made - 300)) < 60 else begin[1],
        "not after": "in a year" if abs(seconds(end) - made - YEAR) < 60 else end[1],
        "key algorithm and curve": key_algorithm[2].hex(),
        "key size": len(bits[1]) // 8,
        "order of the extensions": [],
    }
    for extension in pieces(pieces(extensions[1])[0][1]):
        oid, *critical, value = pieces(extension[1])
        name = NAMES[oid[1].hex()]
        found["order of the extensions"].append(name)
        shown = value[1].hex()
        if name == "authority key id":
            key_id = pieces(ca_extensions["551d0e"])[0][1]
            shown = "the CA's" if value[1] == bytes((0x30, len(key_id) + 2, 0x80, len(key_id))) + key_id else shown
        found[name] = shown
        found[f"{name}: critical"] = [c[1].hex() for c in critical]
    return found


def make_cas(root, algorithm):
    pki, work = root / "etc/kubernetes/pki", root.parent / "dated"
    (pki / "etcd").mkdir(parents=True)
    work.mkdir()
    kind, size = algorithm.split("-")
    new = ["-newkey", f"rsa:{size}"] if kind == "rsa" else \
        ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size.upper().replace('P', 'P-')}"]
    for name, cn in CAS.items():
        (work / "index").write_text("")
        (work / "serial").write_text("01\n")
        (work / "config").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index\nserial={work}/serial\n"
            f"new_certs_dir={work}\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\n"
            "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\nbasicConstraints=critical,CA:TRUE\n"
            "subjectKeyIdentifier=hash\n")
        key = pki / f"{name}.key"
        openssl("req", "-new", *new, "-nodes", "-subj", f"/CN={cn}", "-keyout", key, "-out", work / "csr")
        (pki / f"{name}.crt").write_text(openssl("ca", "-batch", "-config", work / "config", "-selfsign", "-keyfile", key,
            "-in", work / "csr", "-startdate", "20251101000000Z", "-enddate", "20451101000000Z", "-notext"))
    for name in ("sa.key", "sa.pub"):
        (pki / name).write_text("# stands for it\n")
    return pki


def embedded(text, key):
    return base64.b64decode(re.search(rf"{key}: (\S+)", text)[1]).decode()


@pytest.mark.parametrize("golden", sorted(p for p in GOLDEN.iterdir() if p.is_dir()), ids=lambda p: p.name)
def test_no_field_differs(image_file, golden, tmp_path):
    root = tmp_path / "root"
    pki = make_cas(root, golden.name.split("-", 1)[1])
    (root / "etc/kubernetes/manifests").mkdir()
    (root / "etc/kubernetes/manifests/etcd.yaml").write_text(MANIFEST)
    config = (golden / "kubeadm.yaml").read_text()
    (root / "etc/kubernetes/kubeadm.yaml").write_text(config)
    now = int(datetime.now(timezone.utc).timestamp())
    made = int(re.search(r"# made: (\d+)", config)[1])
    done = subprocess.run([image_file("etcd-rescue"), "certs", "--root", root, "--json"], capture_output=True, text=True,
        timeout=300)
    assert done.returncode == 0, done.stderr
    issued = {item["path"] for item in json.loads(done.stdout)["items"]}
    there = {f"etc/kubernetes/{p.relative_to(golden)}" for p in golden.rglob("*.conf")}
    there |= {f"etc/kubernetes/pki/{name}.crt" for name in LEAVES}
    assert issued == there
    compared = set()
    for name, ca in LEAVES.items():
        theirs = fields((golden / f"{name}.crt").read_text(), (golden / f"{ca}.crt").read_text(), made)
        ours = fields((pki / f"{name}.crt").read_text(), (pki / f"{ca}.crt").read_text(), now)
        assert ours == theirs, name
        assert "subject key id" not in theirs
        assert all(isinstance(theirs[what], str) for what in ("not before", "not after")), theirs
        assert (pki / f"{name}.key").stat().st_mode & 0o777 == 0o600
        assert (pki / f"{name}.crt").stat().st_mode & 0o777 == 0o644
        kind = "RSA" if golden.name.split("-")[1] == "rsa" else "EC"
        assert (pki / f"{name}.key").read_text().startswith(f"-----BEGIN {kind} PRIVATE KEY-----\n")
        compared |= set(theirs)
    for name in CONFIGS:
        if not (golden / f"{name}.conf").exists():
            continue
        path = root / f"etc/kubernetes/{name}.conf"
        ours, theirs = path.read_text(), (golden / f"{name}.conf").read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert embedded(ours, "certificate-authority-data") == (pki / "ca.crt").read_text()
        a, b = (fields(embedded(text, "client-certificate-data"), embedded(text, "certificate-authority-data"), when)
            for text, when in ((ours, now), (theirs, made)))
        assert a == b, name
        blank = [re.sub(r"(-data:) \S+", r"\1 X", text) for text in (ours, theirs)]
        assert blank[0] == blank[1], name
        compared |= {f"kubeconfig: {line.split(':')[0].strip(' -')}" for line in blank[1].splitlines()}
    print("\n".join(sorted(compared)))
