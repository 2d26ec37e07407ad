"""The real kubelet and containerd on a master's disk, in place of the stand-in; images are made here, of the programs alone.

	cluster = Real(work, ["master-1"])
	disk = cluster["master-1"].disk(path, size=SIZE)

containerd, runc and their libraries are Debian's, the kubelet is built from its module. No kubeconfig: it runs the static
pods and asks nobody. The images have the names that the pods ask for and are imported at the first start, so nothing is
pulled. On the running machine `ctr -n k8s.io tasks list` and /var/log/kubelet.log tell what runs.
Source: OCI image format 1.1, image-layout.md (the archives).
"""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import requirement

from .master import Cluster, Master

CONTAINERS = Path(__file__).with_name("containers")
MUSL = "./build/x86_64/sysroot/bin/musl-gcc"
SIZE = 1800         # MiB of a root file system that has all this
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAUSE = "registry.k8s.io/pause:3.10"


class RealMaster(Master):
    def tree(self, *arguments, **options):
        root = super().tree(*arguments, **options)
        self._runtime(root)
        return root

    def _runtime(self, root):
        kubelet, _ = requirement.need("kubelet-1.34", "containerd-1.7")
        peer = requirement.PEERS.parent / "containerd-1.7" / "root"
        shutil.copytree(peer / "usr", root / "usr", symlinks=True, dirs_exist_ok=True)
        for name in ("lib", "lib64"):
            if not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        local = root / "usr/local/bin"
        shutil.copy(kubelet, local / "kubelet.bin")
        (local / "etcd").unlink()       # it comes in an image
        for name in ("kubelet", "containerd"):
            shutil.copy(CONTAINERS / name, local / name)
        (root / "etc/containerd").mkdir()
        shutil.copy(CONTAINERS / "config.toml", root / "etc/containerd")
        shutil.copy(CONTAINERS / "config.yaml", root / "var/lib/kubelet")
        table = root / "etc/inittab"
        table.write_text(table.read_text() + "::respawn:/usr/local/bin/containerd\n")
        self._images(root / "var/lib/images")

    def _images(self, folder):
        folder.mkdir()
        pause, version = self.cluster.work / "pause", self.cluster.etcd
        subprocess.run([requirement.need(MUSL), "-static", "-Os", "-s", "-o", pause, CONTAINERS / "pause.c"], check=True)
        archive(folder / "pause.tar", PAUSE, {"pause": pause.read_bytes()}, ["/pause"])
        etcd = requirement.need(f"etcd-{version}").read_bytes()
        archive(folder / "etcd.tar", f"registry.k8s.io/etcd:{version}.0-0", {"usr/local/bin/etcd": etcd}, ["etcd"])


class Real(Cluster):
    kind = RealMaster


def archive(path, name, programs, entry):
    """An image of one layer as an archive of an OCI layout."""
    layer = packed(programs, 0o755)
    blobs = {}

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    config = blob("config.v1+json", as_json({
        "architecture": "amd64", "os": "linux", "config": {"Env": [f"PATH={PATH}"], "Entrypoint": entry},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}))
    manifest = blob("manifest.v1+json", as_json({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
        "layers": [blob("layer.v1.tar+gzip", gzip.compress(layer, 1, mtime=0))]}))
    index = {"schemaVersion": 2, "manifests": [{**manifest, "annotations": {"io.containerd.image.name": name}}]}
    path.write_bytes(packed({"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}), "index.json": as_json(index), **blobs}, 0o644))


def as_json(value):
    return json.dumps(value).encode()


def packed(files, mode):
    """Bytes of a tar archive that is the same every time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()
