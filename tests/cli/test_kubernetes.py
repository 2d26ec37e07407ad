"""A real Kubernetes snapshot: what we read out of the file is what its API server said."""

import base64
import collections
import gzip
import json
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kubernetes"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("kubernetes") / "snapshot.db"
    path.write_bytes(gzip.decompress((GOLDEN / "snapshot.db.gz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def run(image_file):
    def call(*args):
        return subprocess.run([image_file("etcd-rescue"), *map(str, args)], check=True, capture_output=True,
                              timeout=60).stdout
    return call


def objects():
    for line in json.loads((GOLDEN / "objects.json").read_text()):
        yield line.split("|")


def test_objects_by_kind(run, snapshot):
    said = json.loads(run("snapshot", "inspect", snapshot, "-w", "json"))
    found = {r["kind"]: r["objects"] for r in said["resources"]}
    wanted = collections.Counter(kind for kind, *_ in objects())
    assert {kind: found[kind] for kind in wanted} == wanted
    assert len(said["nodes"]) == 40 and said["nodes"][0]["name"] == "node-00"
    assert {"default", "kube-system", "team-00"} <= {n["name"] for n in said["namespaces"]}
    assert said["secrets"] == [{"encrypted": False, "provider": "", "key": "", "objects": found["Secret"]}]
    assert said["newest"] == "2026-11-21T03:27:13Z"


def test_every_object_has_its_resource_version(run, snapshot):
    listed = [json.loads(line) for line in run("keys", snapshot, "-w", "json").splitlines()]
    versions = {(key["key"].rsplit("/", 1)[1], str(key["modRevision"])) for key in listed}
    for kind, _, name, _, version in objects():
        assert (name, version) in versions, f"{kind} {name} at {version}"


def test_the_values_are_the_objects(run, snapshot):
    for wanted in json.loads((GOLDEN / "configmaps.json").read_text()):
        key = f"/registry/configmaps/default/{wanted['name']}"
        kv = json.loads(run("keys", "get", snapshot, key, "-w", "json"))
        value = base64.b64decode(kv["value"])
        assert str(kv["mod_revision"]) == wanted["rv"] and wanted["uid"].encode() in value
        assert all(text.encode() in value for text in wanted["data"].values())
        assert run("keys", "get", snapshot, key) == value


def test_hashkv_is_the_members(run, snapshot):
    wanted = json.loads((GOLDEN / "hashkv.json").read_text())[0]["HashKV"]
    said = json.loads(run("snapshot", "hashkv", snapshot, "-w", "json"))
    assert (said["hash"], said["hashRevision"], said["compactRevision"]) == (
        wanted["hash"], wanted["header"]["revision"], wanted["compact_revision"])
