"""Directories of backups as the systems in the field leave them."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def golden(version="3.5"):
    """A real snapshot, small."""
    return (GOLDEN / f"etcd-{version}" / "snapshot.db").read_bytes()


def put(root, name, data, modified=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if modified is not None:
        os.utime(path, (modified, modified))
    return path


def tar(files, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def csm(root, db):
    for stamp in ("2026-10-01-00-10-00", "2026-10-01-00-20-00"):
        put(root, f"bare-metal/etcd-backup-{stamp}.tar.gz", tar({f"etcd-backup-{stamp}/etcd-dump.bin": db}))
    return "bare-metal/etcd-backup-2026-10-01-00-20-00.tar.gz"


def openshift(root, db):
    for stamp in ("2026-10-01_001000", "2026-10-01_002000"):
        put(root, f"snapshot_{stamp}.db", db)
        put(root, f"static_kuberesources_{stamp}.tar.gz",
            tar({"static-pod-resources/kube-apiserver-pod-7/kube-apiserver-pod.yaml": b"kind: Pod\n"}))
    return "snapshot_2026-10-01_002000.db"


def openshift_42(root, db):
    for stamp in ("2020_03_15_101112", "2020_03_16_101112"):
        put(root, f"backup_{stamp}.snapshots.tgz", tar({"etcd-0.example.com/assets/backup/snapshot.db": db}))
        put(root, f"backup_{stamp}.misc.tgz",
            tar({"etcd-0.example.com/assets/backup/etcd-ca-bundle.crt": b"-----BEGIN CERTIFICATE-----\n"}))
    return "backup_2020_03_16_101112.snapshots.tgz"


def assets(root, db):
    put(root, "etcd-0.example.com/assets/backup/snapshot.db", db, 1_790_000_000)
    put(root, "etcd-1.example.com/assets/backup/snapshot.db", db, 1_790_000_100)
    return "etcd-1.example.com/assets/backup/snapshot.db"


def icp(root, db):
    put(root, "etcd.2019.06.04-04.03.02.db", db)
    put(root, "etcd.2019.06.05-04.03.02.db", db)
    return "etcd.2019.06.05-04.03.02.db"


def kops(root, db):
    for cluster in ("main", "events"):
        for stamp in ("2026-10-01T00:10:00Z-000001", "2026-10-01T00:20:00Z-000002"):
            put(root, f"backups/etcd/{cluster}/{stamp}/etcd.backup.gz", gzip.compress(db))
            put(root, f"backups/etcd/{cluster}/{stamp}/_etcd_backup.meta",
                json.dumps({"etcdVersion": "3.5.16", "timestamp": "1"}).encode())
    return "backups/etcd/main/2026-10-01T00:20:00Z-000002/etcd.backup.gz"


def k3s(root, db):
    put(root, "etcd-snapshot-server-1-1790000000", db)
    put(root, "etcd-snapshot-server-2-1790000300.zip", zipped({"etcd-snapshot-server-2-1790000300": db}))
    put(root, ".metadata/etcd-snapshot-server-2-1790000300", b"{}")
    return "etcd-snapshot-server-2-1790000300.zip"


def gardener(root, db):
    put(root, "v2/Full-00000000-00000100-1790000000.gz", gzip.compress(db))
    put(root, "v2/Incr-00000101-00000110-1790000300.gz", gzip.compress(b"[]"))
    return "v2/Full-00000000-00000100-1790000000.gz"


def kube_up(root, db):
    put(root, "snapshot.db", db, 1_790_000_000)
    put(root, "snapshot-events.db", golden("3.4"), 1_790_000_000)
    return "snapshot.db"


def packed(root, db):
    put(root, "etcd-2026-10-01T00:10:00Z.db.xz", lzma.compress(db))
    put(root, "etcd-2026-10-01T00:20:00+02:00.db.bz2", bz2.compress(db))
    return "etcd-2026-10-01T00:10:00Z.db.xz"


LAYOUTS = {f.__name__: f for f in (csm, openshift, openshift_42, assets, icp, kops, k3s, gardener, kube_up, packed)}
