"""A snapshot of a cluster that is not the disk's: etcd holds the CA that its pods are told, and it is another one."""

import subprocess

import requirement
from interop.server import Server, free_ports

KEY = "/registry/configmaps/kube-system/kube-root-ca.crt"


def _field(number, body):
    """A protobuf field of bytes; lengths up to 16 KiB."""
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + body


def root_ca(certificate):
    """ConfigMap kube-root-ca.crt as the API server stores it: "k8s", Unknown { TypeMeta, raw }."""
    meta = _field(1, b"kube-root-ca.crt") + _field(3, b"kube-system")
    entry = _field(1, b"ca.crt") + _field(2, certificate)
    return b"k8s\0" + _field(1, _field(1, b"v1") + _field(2, b"ConfigMap")) + _field(2, _field(1, meta) + _field(2, entry))


def snapshot(path, certificate, work, version="3.6"):
    """Taken from a real etcd; certificate: PEM, in bytes."""
    etcdctl = requirement.need(f"etcd-{version}", f"etcdctl-{version}")[1]
    server = Server(version, "foreign", work / "foreign", free_ports(2))
    server.extra = ["--initial-cluster", f"foreign={server.peer_url}"]
    server.start()
    try:
        server.wait()
        server.put(KEY, root_ca(certificate))
        subprocess.run([etcdctl, f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save", path], check=True,
                       capture_output=True)
    finally:
        server.stop()
    return path
