"""./build.sh demo: three dead masters come back from an S3 snapshot, on their own disks, by themselves.

	demo.py [--without-apiserver] [--keep DIR]

Makes three installed masters whose etcd has lost its data, starts an object store with a snapshot of a real Kubernetes
cluster, boots out/etcd-rescue.iso on all three with a plan in it that says `auto: yes`, and then touches nothing more:
each machine restores itself and starts its own disk, where a stand-in for the kubelet starts etcd. Shown are the members, their
health, and the ConfigMaps snake-8 to snake-26 as a real kube-apiserver on the first master reads them. Leaves nothing
running and nothing behind; with --keep the transcripts of the consoles.
"""

import argparse
import base64
import contextlib
import gzip
import http.client
import json
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import requirement
from machine import pki
from machine.accelerator import choose
from machine.console import COLOUR, Silence
from machine.master import SNAPSHOT, Cluster
from machine.switch import Switch
from machine.vm import Vm
from sources.go_s3 import GoS3
from sources.servers import Certificates, free_port

TOP = Path(__file__).resolve().parent.parent
EXPECTED = {item.pop("name"): item for item in json.loads(
    (TOP / "tests" / "golden" / "kubernetes" / "configmaps.json").read_text())}
BUCKET, OBJECT = "etcd-backup", "bare-metal/etcd-2026-11-21T04-00-00Z.db"
PUBLIC = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
     "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}]}
PLAN = """generation: 1
source: s3://{bucket}/bare-metal/
s3: {{endpoint: "{endpoint}", region: {region}, addressing: path, credentials: none}}
cluster:
  members:
{members}
auto: yes
"""
# An emulator on a busy machine is too slow for the kernel's check of the timer.
PATIENT = "no_timer_check"
DAMAGE = ("missing", "db", "wal")
WORDS = {"missing": "its member directory is gone", "db": "half of its database is gone", "wal": "its write-ahead log is damaged"}
BOOT, RESTORE, SERVE, API = 300, 420, 240, 420      # seconds; several times what a busy machine of two cores takes
# What a machine says when a part of its way is behind it, in this order.
MARKS = (("firmware, boot loader, kernel", r"==> image"), ("check of the image", r"image: complete"),
         ("drivers, network, plan", r"Any key on any console"), ("countdown", r"==> identify"),
         ("find, fetch, check, stage", r"==> commit"), ("commit", r"commit: restored"),
         ("hand-off, the disk's kernel", r"started from its own disk"))
OURS = ("check of the image", "find, fetch, check, stage", "commit")     # what is neither firmware, kernel nor waiting


class Story:
    """What a person reads meanwhile, each line with the second it came in, and how long each part took."""

    def __init__(self):
        self.began = self.part_began = time.monotonic()
        self.parts, self._lock = [], threading.Lock()

    def say(self, text):
        with self._lock:
            print(f"{time.monotonic() - self.began:5.0f} s  {text}", flush=True)

    def part(self, name):
        """The part that ends now was this one."""
        now = time.monotonic()
        self.parts.append((name, now - self.part_began))
        self.part_began = now


class Watcher(threading.Thread):
    """Tells what a machine's console says, its own lines and not the kernel's."""

    SAID = re.compile(r"^((?:identify|target|snapshot|fetch|member|rewrite|prepare|gate|commit|handoff|hand-off|plan|run): .*|"
                      r"[-\w]+: started from its own disk.*|kubelet: .*)$")

    def __init__(self, story, master, vm):
        super().__init__(daemon=True)
        self.story, self.master, self.vm = story, master, vm
        self.stop = threading.Event()

    def run(self):
        shown, before = 0, None
        while not self.stop.wait(0.5):
            text = self.vm.console.text
            end = text.rfind("\n") + 1
            for line in re.split(r"[\r\n]+", COLOUR.sub("", text[shown:end])):
                found = self.SAID.match(line.strip())
                if found and found[1] != before:
                    before = found[1]
                    self.story.say(f"{self.master.name}: {before[:150]}")
            shown = end


def plan_of(cluster, store, router):
    members = "\n".join(f'    - {{name: {master.name}, peer: "{master.peer}"}}' for master in cluster)
    endpoint = store.tls_endpoint.replace("localhost", router).replace("127.0.0.1", router)
    return PLAN.format(bucket=BUCKET, endpoint=endpoint, region=store.region, members=members)


def start_store(work, router):
    """An S3 server on loopback, over TLS, with the snapshot in a bucket that anybody may read."""
    certificates = Certificates(work / "tls", addresses=f"IP:127.0.0.1,DNS:localhost,IP:{router}")
    (work / "store").mkdir()
    store = GoS3(work / "store", certificates)
    store.bucket(BUCKET)
    answer = store.request("PUT", f"/{BUCKET}", {"policy": ""}, json.dumps(PUBLIC).encode())
    if answer.status not in (200, 204):
        raise RuntimeError(f"the object store takes no policy: {answer.status} {answer.body[:200]!r}")
    store.put(BUCKET, OBJECT, gzip.decompress(SNAPSHOT.read_bytes()))
    return store


def customise(image, work, plan, ca):
    """The ISO with the plan and the store's CA in it, by the command that a person would use."""
    (work / "plan.yaml").write_text(plan)
    out = work / "etcd-rescue-demo.iso"
    done = subprocess.run([TOP / "build.sh", "customise", "--iso", image / "etcd-rescue.iso", "--output", out, "--plan",
                           work / "plan.yaml", "--ca", ca, "--cmdline", PATIENT], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"customise failed: {done.stderr.strip()}")
    return out


def wait_for_disk(story, vms):
    """Each machine has started its own disk by itself."""
    deadline = time.monotonic() + BOOT + RESTORE
    for name, vm in vms.items():
        try:
            vm.console.expect("started from its own disk", max(1, deadline - time.monotonic()),
                              stop_at=r"HAS NOT STARTED|what shall be done\?|Kernel panic - not")
        except Silence as error:
            raise RuntimeError(f"{name} did not come back: {error}") from None
    table(vms)
    story.part("boot the image, restore, start the disk")


def table(vms):
    """How long each machine took for each part of its way, and our own share of it."""
    print("\n           " + " " * 31 + "".join(f"{name:>11}" for name in vms))
    before, ours = {name: vm.started for name, vm in vms.items()}, dict.fromkeys(vms, 0.0)
    for part, pattern in MARKS:
        cells = []
        for name, vm in vms.items():
            at = vm.console.when(pattern)
            took = at - before[name] if at else None
            cells.append("          ?" if took is None else f"{took:9.1f} s")
            before[name] = at or before[name]
            if part in OURS:
                ours[name] += took or 0
        print(f"           {part:31}" + "".join(cells))
    print(f"           {'etcd-rescue itself':31}" + "".join(f"{seconds:9.1f} s" for seconds in ours.values()), flush=True)
    print(flush=True)


def ask(vm, command, seconds):
    answer = vm.console.run(f"{command} 2>/tmp/complaints || tail -n 1 /tmp/complaints", seconds)
    return answer.text


def wait_for_health(story, vm, cluster):
    endpoints = ",".join(master.client for master in cluster)
    deadline = time.monotonic() + SERVE
    while True:
        text = ask(vm, f"etcdctl --endpoints={endpoints} --command-timeout=20s endpoint health", 90)
        if text.count("is healthy") == len(cluster.masters):
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"etcd is not healthy after {SERVE} s: {text}")
        time.sleep(2)
    story.part("etcd starts, all members healthy")
    return text


def by_apiserver(story, cluster, work, port):
    """{name: data, uid and version} of the ConfigMaps in namespace default, as the API server on the first master says."""
    folder = work / "client"
    shutil.copytree(cluster.cas, folder)
    pki.certificate(folder, "demo", "ca", "/O=system:masters/CN=demo", [pki.CLIENT])
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "demo.crt", folder / "demo.key")
    # Reached through a port of ours; the certificate is for its name.
    context.check_hostname = False
    deadline, why = time.monotonic() + API, "it was not asked"
    while time.monotonic() < deadline:
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)) as connection:
            try:
                connection.request("GET", "/api/v1/namespaces/default/configmaps")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    story.part("kube-apiserver starts and answers")
                    return {item["metadata"]["name"]: {
                        "data": item.get("data", {}), "uid": item["metadata"]["uid"],
                        "rv": item["metadata"]["resourceVersion"]} for item in json.loads(body)["items"]}
                why = f"{answer.status} {body[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                why = str(error)
        time.sleep(2)
    raise RuntimeError(f"kube-apiserver does not answer after {API} s: {why}")


def from_keys(text):
    """The same of what `etcdctl get -w json` prints, as far as the expected words stand in the stored objects."""
    found = {}
    for item in json.loads(text)["kvs"]:
        name = base64.b64decode(item["key"]).decode().rsplit("/", 1)[1]
        value, expected = base64.b64decode(item["value"]), EXPECTED.get(name, {"data": {}, "uid": ""})
        found[name] = {"data": {key: text for key, text in expected["data"].items()
                                if key.encode() in value and text.encode() in value},
                       "uid": expected["uid"] if expected["uid"].encode() in value else "another",
                       "rv": str(item["mod_revision"])}
    return found


def by_etcd(story, vm):
    text = ask(vm, "etcdctl get --prefix /registry/configmaps/default/ -w json", 60)
    story.part("read the keys")
    return from_keys(text)


def show(story, configmaps):
    """Print them, and compare with what the cluster's own API server said before the snapshot was taken."""
    for name in sorted(configmaps, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]):
        print(f"           {name:20} " + " ".join(f"{key}={value}" for key, value in sorted(configmaps[name]["data"].items()))[:100])
    missing = [name for name in EXPECTED if name not in configmaps]
    changed = [name for name, was in EXPECTED.items() if name in configmaps and configmaps[name] != was]
    if missing or changed:
        raise RuntimeError(f"ConfigMaps missing: {missing}, changed: {changed}")
    story.say(f"{len(EXPECTED)} ConfigMaps of the old cluster are there, each with the data, uid and version it had")


def play(story, work, image, apiserver):
    with contextlib.ExitStack() as leave:
        cluster = Cluster(work / "cluster")
        port = free_port()
        switch = leave.enter_context(Switch(3, work, forward={port: f"{cluster.masters[0].address}:6443"}))
        store = start_store(work, switch.router)
        leave.callback(store.close)
        iso = customise(image, work, plan_of(cluster, store, switch.router), store.ca)
        disks = {}
        for master, damage in zip(cluster, DAMAGE):
            first = master is cluster.masters[0]
            disks[master.name] = master.disk(work / f"{master.name}.img", damage=damage, apiserver=apiserver if first else None)
            story.say(f"{master.name} ({master.address}): installed, and dead: {WORDS[damage]}")
        story.part("make three masters and an object store")
        accel = choose("qemu-system-x86_64", image / "vmlinuz")
        story.say(f"power on: three machines with etcd-rescue.iso in the drive, plan inside, nobody at the keyboard ({accel})")
        vms = {}
        for number, master in enumerate(cluster):
            memory = 1536 if apiserver and number == 0 else 512
            vm = leave.enter_context(Vm(master.name, work / f"vm-{master.name}", accel, cpu="max", memory=memory, cdrom=iso,
                                        disks=[disks[master.name]], wires=[(switch.wires[number], master.mac)], reboot=True))
            vms[master.name] = vm
            watcher = Watcher(story, master, vm)
            watcher.start()
            leave.callback(watcher.stop.set)
        wait_for_disk(story, vms)
        first = vms[cluster.masters[0].name]
        for vm in vms.values():
            vm.console.wake(BOOT)
        health = wait_for_health(story, first, cluster)
        print(ask(first, "etcdctl member list -w table", 60), health, sep="\n", flush=True)
        if apiserver:
            story.say("reading the ConfigMaps through kube-apiserver on master-1 ...")
            configmaps = by_apiserver(story, cluster, work, port)
        else:
            story.say("no kube-apiserver here (tests/peers.sh kube-1.34 builds one): reading etcd's keys")
            configmaps = by_etcd(story, first)
        show(story, configmaps)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--without-apiserver", action="store_true")
    parser.add_argument("--image", type=Path, default=TOP / "out")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    # Who ends us in the middle finds nothing left either.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("demo: ended"))
    story, failure = Story(), None
    apiserver = None if options.without_apiserver else requirement.find("kube-apiserver-1.34")
    folder = Path(tempfile.mkdtemp(prefix="etcd-rescue-demo-"))
    try:
        play(story, folder, options.image, apiserver)
    except (RuntimeError, AssertionError, Silence) as error:
        failure = str(error)
    except pytest.skip.Exception as error:
        failure = error.msg
    finally:
        if options.keep:
            for log in folder.glob("vm-*/*.log"):
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, options.keep / f"{log.parent.name}.log")
        shutil.rmtree(folder)
    print()
    for name, seconds in story.parts:
        print(f"{seconds:6.0f} s  {name}")
    print(f"{time.monotonic() - story.began:6.0f} s  in all")
    if failure:
        sys.exit(f"demo: {failure}")
    print("\ndemo: the machines are off again, nothing was left behind. What was shown on three machines is out/etcd-rescue.iso\n"
          "and a plan; README.md says more.")


main()
