"""A scenario: broken machines of a kind in, serving ones out, and the person did nothing but what is counted here.

	@pytest.fixture(scope="module")
	def story(tell):
	    story = tell("kubeadm", cluster.masters)           # a switch between them, nothing runs yet
	    ... make the disks (machine/master.py or one's own), start the source ...
	    before = contents(disk, ["etc/kubernetes", "var/lib/etcd"])
	    image = story.image(plan=PLAN)                     # counted: wrote a plan of N lines, put it into the image
	    for master in cluster:
	        story.power_on(master, disk, image)            # counted: attached the image and switched on
	    story.until_on_their_disks()
	    story.until_healthy(Etcd(story, cluster.cas, ...))
	    return story

	def test_...(story): one promise each, on the machines that run already, those that stop something last

Promises and what shows them (files by their sums: scenario/sums.py):

	the snapshot's data     etcd.keys() == reference(snapshot, work), but for what the plan drops; snakes(keys)
	membership and ids      etcd.members() == ids({name: [url]}, token); etcd.cluster_id()
	old data kept           kept(vm, "/var/lib/etcd/member.before-*") == below(before, "var/lib/etcd/member")
	rollback                rolled_back(vm), then digests(vm, FOLDERS) == before
	second boot             story.boot_image_again(master, FOLDERS) == []
	a fault                 run_on(program, tree, plan): natively, on a tree, is cheaper than a machine

What one run takes stays below 150 seconds on two processors; @pytest.mark.long is for boots beyond that. Inputs and
seconds go to scenario/NAME.json among the artefacts, of which README's table is made, consoles to scenario/NAME/.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import requirement
from interop.server import Server, free_ports
from machine import pki, tree
from machine.console import Silence
from machine.cpio import append
from machine.serving import CPU, NOT_ON_THE_DISK, note_that_it_ran, stop_serving
from machine.switch import Switch
from machine.vm import BOOT, Vm

LINE = "console=tty0 console=ttyS0,115200 panic=-1 no_timer_check rescue.wait=2"
RESTORE, SERVE = 420, 240       # seconds; several times what a busy machine takes
SNAKE = b"/registry/configmaps/default/snake-"
PROGRAM = "/var/lib/etcd-rescue/bin/etcd-rescue"        # as the restore leaves it on the disk


class Lab(NamedTuple):
    top: Path
    program: Path
    kernel: Path
    initramfs: Path
    accel: str
    work: Path
    artefacts: Path


class Key(NamedTuple):
    created: int
    modified: int
    version: int
    value: bytes


class Story:
    """machines: of machine/master.py, or what has .name, .address and .mac as well. ports: those of each machine that this
    host wants to reach; .port(machine, 2379) is ours that leads there."""

    def __init__(self, lab, name, machines, ports=(2379,), wires=None):
        self.lab, self.name, self.machines = lab, name, list(machines)
        self.work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=lab.work))
        self.inputs, self.seconds, self.vms, self._facts = [], {}, {}, {}
        self._power = None
        self._leave = contextlib.ExitStack()
        wanted = [(machine.name, port, f"{machine.address}:{port}") for machine in self.machines for port in ports]
        self._ports = dict(zip([(name, port) for name, port, _ in wanted], free_ports(len(wanted))))
        forward = {self._ports[name, port]: goal for name, port, goal in wanted}
        network = self.machines[0].address.rpartition(".")[0]
        self.switch = self._leave.enter_context(Switch(wires or len(self.machines), self.work, network, forward=forward))
        self.closing = self._leave.callback

    def port(self, machine, port=2379):
        return self._ports[machine.name, port]

    def say(self, text):
        since = time.monotonic() - self._power if self._power else 0
        print(f"{self.name}: {since:5.0f} s  {text}", flush=True)

    # What a person does

    def operator(self, did):
        """One input of a person, in words."""
        self.inputs.append(did)
        self.say(f"the operator {did}")

    def plan(self, text, name="plan.yaml"):
        path = self.work / name
        path.write_text(text)
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        self.operator(f"wrote a plan of {len(lines)} lines")
        return path

    def image(self, *wishes, plan=None, name="rescue.img"):
        """The initramfs with more in it, by the command that a person would use. wishes: options of `customise`."""
        extra, shown = self.work / f"{name}.extra", [*wishes]
        if plan is not None:
            wishes = ["--plan", self.plan(plan, f"{name}.yaml"), *wishes]
            shown = ["--plan", "plan.yaml", *shown]
        argv = [self.lab.top / "build.sh", "customise", "--initrd", "--output", extra, *wishes]
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.operator("./build.sh customise " + " ".join(Path(word).name if os.sep in str(word) else str(word) for word in shown))
        path = self.work / name
        path.write_bytes(append(self.lab.initramfs.read_bytes(), extra.read_bytes()))
        return path

    def stick(self, plan, credentials=None, **beside):
        """A removable volume labelled RESCUE with the plan, and the keys of the object store or other files beside it."""
        mformat, mcopy = requirement.need("mformat", "mcopy")
        files = {"plan.yaml": self.plan(plan), **beside}
        if credentials:
            files["credentials"] = self.work / "credentials"
            files["credentials"].write_text(credentials)
        path = self.work / "stick.img"
        subprocess.run([mformat, "-C", "-i", path, "-T", "16384", "-v", "RESCUE", "::"], check=True)
        for file, source in files.items():
            subprocess.run([mcopy, "-i", path, source, f"::{file}"], check=True)
        self.operator(f"put {' and '.join(files)} on a volume labelled RESCUE")
        return path

    def power_on(self, machine, disk, image=None, stick=None, memory=512, line=LINE, **options):
        """The image boots on this machine. The first one starts the clock."""
        number = self.machines.index(machine)
        self._power = self._power or time.monotonic()
        self.operator(f"attached the image to {machine.name} and switched it on")
        more = [disk] if isinstance(disk, (str, Path)) else list(disk)
        vm = Vm(machine.name, self.work / f"vm-{machine.name}", self.lab.accel, cpu=CPU, memory=memory, kernel=self.lab.kernel,
                initrd=image or self.lab.initramfs, append=line, disks=more, usb_disk=stick,
                wires=[(self.switch.wires[number], machine.mac)], reboot=True, **options)
        self.vms[machine.name] = self._leave.enter_context(vm)
        return vm

    # What the machines do

    def until_on_their_disks(self, *machines, seconds=BOOT + RESTORE):
        """Each of these (all that are switched on) has started its own disk, by itself; a shell waits there."""
        names = [machine.name for machine in machines] or list(self.vms)
        end, waiting = time.monotonic() + seconds, list(names)
        while waiting:
            # In turns, so that one that fails is heard before the others are done.
            name = waiting.pop(0)
            try:
                self.vms[name].console.expect(f"{name}: started from its own disk", 2, stop_at=NOT_ON_THE_DISK)
            except Silence as error:
                if "passed before" not in str(error) or time.monotonic() > end:
                    raise AssertionError(f"{name} does not run from its own disk: {error}") from None
                waiting.append(name)
        last = max(self.vms[name].console.when(f"{name}: started from its own disk") for name in names)
        self.seconds["own disks"] = max(self.seconds.get("own disks", 0), round(last - self._power, 1))
        self.say("all of them run from their own disks")

    def until_healthy(self, *etcds, seconds=SERVE):
        """Every member of each of these (class Etcd) is healthy."""
        end, patience = time.monotonic() + seconds, 4
        for etcd in etcds:
            while True:
                # All of it goes by when one is not there yet; a busy machine's may need more.
                answer = etcd.ask("endpoint", "health", f"--command-timeout={patience}s", check=False)
                patience = min(20, patience + 2)
                said = answer.stdout + answer.stderr
                if said.count("is healthy") == len(etcd.endpoints):
                    break
                assert time.monotonic() < end, f"etcd is not healthy after {seconds} s: {said}\n{self.complaints()}"
                time.sleep(1)
        self.until("healthy")

    def until(self, what):
        """It is so now, this many seconds after power-on."""
        self.seconds[what] = round(time.monotonic() - self._power, 1)
        self.say(what)

    def until_finished(self, machine, status=0, seconds=SERVE):
        """The first boot's `finish` has ended on this machine."""
        ended, console = r"wanted: etcd-rescue-finish\S* ended with status (\d+)", self.vms[machine.name].console
        # Whatever a shell has been asked meanwhile.
        said = console.seen(ended, seconds)
        assert int(said[1]) == status, console.text[-3000:]
        self.seconds["finished"] = max(self.seconds.get("finished", 0), round(console.when(ended) - self._power, 1))

    def shell(self, machine):
        """The machine with a shell awake on its console."""
        vm = self.vms[machine.name]
        if vm not in self._facts.setdefault("awake", []):
            vm.console.wake(BOOT)
            self._facts["awake"].append(vm)
        return vm

    def complaints(self):
        return "\n".join(f"{name}: {vm.console.text[-1500:]}" for name, vm in self.vms.items())

    def boot_image_again(self, machine, folders, stop=stop_serving):
        """The image starts once more on a restored machine and goes to the disk again; one line for each name below the
        folders that is not what it was. Nothing serves on the machine from then on."""
        return self.image_again(machine, folders, stop)()

    def image_again(self, machine, folders, stop=stop_serving):
        """The same for who looks at another machine meanwhile: what this returns is called for the lines."""
        vm = self.shell(machine)
        note_that_it_ran(vm)
        stop(vm)
        before = tree.record(vm, folders)
        assert any(path.endswith(".wal") for path in before), "etcd's data is not below these folders"
        vm.console.send("sync; reboot\n")

        def changes():
            vm.console.expect("this plan was restored here, and etcd has run on it since", BOOT + RESTORE,
                              stop_at=NOT_ON_THE_DISK)
            vm.console.expect(f"{machine.name}: started from its own disk", BOOT, stop_at=NOT_ON_THE_DISK)
            vm.console.wake(BOOT)
            changed = tree.changes(before, tree.record(vm, folders))
            self.say(f"{machine.name}: second boot of the image: {len(changed)} of {len(before)} names changed")
            return changed
        return changes

    def power_off(self, machine):
        """Off, its files written; the disk may be looked at from here."""
        vm = self.shell(machine)
        vm.console.send("sync; poweroff\n")
        vm.wait_for_end(120)
        del self.vms[machine.name]

    # The end

    def note(self, **facts):
        """Something for the table: story.note(members=3)."""
        self._facts.update(facts)

    def account(self):
        """For the person who reads what a run of the tests says last."""
        seconds = ", ".join(f"{what} {number:.0f} s" for what, number in self.seconds.items())
        return [f"{self.name}: {len(self.machines)} machines; from power-on: {seconds}; {len(self.inputs)} inputs of the operator:",
                *(f"  {did}" for did in self.inputs)]

    def close(self):
        folder = self.lab.artefacts / self.name
        folder.mkdir(parents=True, exist_ok=True)
        facts = {name: fact for name, fact in self._facts.items() if name != "awake"}
        (self.lab.artefacts / f"{self.name}.json").write_text(json.dumps(
            {"scenario": self.name, "machines": len(self.machines), "inputs": self.inputs, "seconds": self.seconds,
             "accelerator": self.lab.accel, **facts}, indent=1) + "\n")
        self._leave.close()
        for log in self.work.glob("vm-*/*.log"):
            shutil.copy(log, folder / f"{log.parent.name}.log")
        shutil.rmtree(self.work)


class Etcd:
    """The restored cluster, asked from here by the real etcdctl.

    endpoints: URLs on loopback. cas: folder with ca.crt and ca.key of the CA `ca` that clients are believed by, which issues
    us a certificate; None for a cluster without TLS. version: of etcdctl.
    """

    def __init__(self, work, endpoints, cas=None, ca="etcd/ca", version="3.6"):
        self.endpoints, self.version, self._tls = list(endpoints), version, []
        if cas:
            folder = Path(tempfile.mkdtemp(prefix="client-", dir=work)) / "pki"
            shutil.copytree(cas, folder)
            pki.certificate(folder, "reader", ca, "/CN=reader", [pki.CLIENT])
            self._tls = [f"--cacert={folder / ca}.crt", f"--cert={folder}/reader.crt", f"--key={folder}/reader.key"]

    def ask(self, *words, check=True, endpoints=None):
        argv = [requirement.need(f"etcdctl-{self.version}"), *self._tls, "--endpoints=" + ",".join(endpoints or self.endpoints),
                "--command-timeout=60s", *words]
        return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=check, timeout=120,
                              env={"ETCDCTL_API": "3", "PATH": os.defpath})

    def keys(self):
        """{key: Key} of all it serves."""
        return {base64.b64decode(kv["key"]): Key(kv["create_revision"], kv["mod_revision"], kv["version"],
                                                 base64.b64decode(kv.get("value", "")))
                for kv in json.loads(self.ask("get", "", "--from-key", "-w", "json").stdout).get("kvs", [])}

    def members(self):
        """{name: (id, peer URLs)} of all, ids in hexadecimal."""
        return {member["name"]: (f"{member['ID']:016x}", sorted(member["peerURLs"])) for member in self._members()["members"]}

    def cluster_id(self):
        return f"{self._members()['header']['cluster_id']:016x}"

    def _members(self):
        return json.loads(self.ask("member", "list", "-w", "json").stdout)

    def revision(self):
        return json.loads(self.ask("get", "x", "-w", "json").stdout)["header"]["revision"]


def member_id(urls, token):
    """As etcd computes it: the first eight bytes of SHA-1 over the sorted peer URLs and the token."""
    return hashlib.sha1(("".join(sorted(urls)) + token).encode()).hexdigest()[:16]


def ids(members, token):
    """What Etcd.members() must say of {name: [peer URL, ..]}."""
    return {name: (member_id(urls, token), sorted(urls)) for name, urls in members.items()}


def cluster_id(members, token):
    numbers = sorted(int(member_id(urls, token), 16) for urls in members.values())
    return hashlib.sha1(b"".join(struct.pack(">Q", number) for number in numbers)).hexdigest()[:16]


def reference(snapshot, work, edit=None):
    """{key: Key} of what etcdutl's own restore of this snapshot serves. edit(server): changes it first (snapshot_of)."""
    with _served(snapshot, work, edit) as server:
        return {key: Key(int(created), int(modified), int(version), base64.b64decode(value))
                for key, (created, modified, version, _, value) in server.keys().items()}


def snapshot_of(snapshot, work, path, edit=None, members=None, token="etcd-cluster", version="3.6"):
    """A snapshot of the same cluster a little later: edit(server) has put more into it, and {name: [peer URL, ..]} are the
    members that it tells of. version: of the server."""
    with _served(snapshot, work, edit, version) as server:
        subprocess.run([requirement.need("etcdctl-3.6"), f"--endpoints=127.0.0.1:{server.client_port}", "snapshot", "save", path],
                       check=True, capture_output=True)
    if members:
        # What one of them would save: its database as restored, and the SHA-256 that ends a snapshot.
        with tempfile.TemporaryDirectory(prefix="members-", dir=work) as folder:
            restore(path, Path(folder) / "data", next(iter(members)), members, token)
            database = (Path(folder) / "data/member/snap/db").read_bytes()
        path.write_bytes(database + hashlib.sha256(database).digest())
    return path


def restore(snapshot, folder, name, members, token):
    """etcdutl's own restore of one of {name: [peer URL, ..]}."""
    cluster = ",".join(f"{one}={url}" for one, urls in members.items() for url in urls)
    subprocess.run([requirement.need("etcdutl-3.6"), "snapshot", "restore", snapshot, f"--name={name}", "--data-dir", folder,
                    f"--initial-cluster={cluster}", f"--initial-cluster-token={token}",
                    "--initial-advertise-peer-urls=" + ",".join(members[name])], check=True, capture_output=True)


@contextlib.contextmanager
def _served(snapshot, work, edit, version="3.6"):
    with tempfile.TemporaryDirectory(prefix="reference-", dir=work) as folder:
        server = Server(version, "reference", Path(folder) / "data", free_ports(2))
        server.extra = [f"--initial-cluster=reference={server.peer_url}"]
        restore(snapshot, server.data_dir, "reference", {"reference": [server.peer_url]}, "reference")
        try:
            server.start().wait()
            if edit:
                edit(server)
            yield server
        finally:
            server.stop()


def snakes(keys):
    """Numbers of the golden snapshot's ConfigMaps among these keys; range(8, 27) when all are there."""
    return sorted(int(key.removeprefix(SNAKE)) for key in keys if key.startswith(SNAKE))


def rolled_back(vm, program=PROGRAM, seconds=240):
    """`rollback` on the running system, by the program that the restore left there."""
    said = vm.console.run(f"{program} rollback 2>&1", seconds)
    assert said.status == 0, said.text
    return said.text


def run_on(program, root, plan, *more, wait=120):
    """`run` on a tree: (exit status, outcome or None, all it said)."""
    done = subprocess.run([program, "run", "--root", root, "--file", plan, "--yes", "--json", *more], capture_output=True,
                          text=True, timeout=wait, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    outcomes = [line["outcome"] for line in lines if "outcome" in line]
    return done.returncode, outcomes[-1] if outcomes else None, done.stdout + done.stderr
