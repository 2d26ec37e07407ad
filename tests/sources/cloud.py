"""A cloud whose volumes become real NVMe disks of machines: EC2 and the metadata service beside QEMU.

	cloud = Cloud(work, image)                        # what is on every volume
	options = cloud.card(instance, work)              # of QEMU: the way to this instance's metadata
	cloud.machines[instance] = vm

AttachVolume hot-plugs a disk with the volume's serial number into the instance's machine, DetachVolume takes it out, which
the machine's kernel has to allow.
"""

import shlex
import shutil
import sys
import threading
import time

from machine.qmp import QmpError

from .ec2 import Ec2
from .imds import Imds

# The link-local network is a card of its own: that of an instance has an ordinary address as well.
NETWORK, ADDRESS = "169.254.169.0/24", "169.254.169.20"
# QEMU starts one for each connection to the metadata service's address.
RELAY = """
import os, socket, sys, threading
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def back():
    while piece := peer.recv(65536):
        os.write(1, piece)
    os._exit(0)
threading.Thread(target=back, daemon=True).start()
while piece := os.read(0, 65536):
    peer.sendall(piece)
peer.shutdown(socket.SHUT_WR)
threading.Event().wait(20)
"""


class Cloud:
    def __init__(self, work, image):
        self.work, self.image = work, image
        self.imds, self.machines = {}, {}
        self.first = Imds()
        self.keys = self.first.role_credentials()
        self.ec2 = Ec2(self.keys)
        self.imds[self.ec2.instance] = self.first
        self.ec2.plug, self.ec2.unplug = self.plug, self.unplug
        self.lock, self.gone, self.plugged = threading.Lock(), [], []

    def instance(self, name):
        """One more; its role is that of the first."""
        self.imds[name] = Imds()
        self.imds[name].identity["instanceId"] = name
        self.imds[name].role_credentials(access=self.keys[0], secret=self.keys[1], token=self.keys[2])
        return name

    def card(self, instance, work):
        """QEMU's options for a card by which this instance finds its metadata service."""
        work.mkdir(parents=True, exist_ok=True)
        (work / "relay.py").write_text(RELAY)
        port = self.imds[instance].server.server_port
        return ["-netdev", f"user,id=local,net={NETWORK},host=169.254.169.2,"
                f"guestfwd=tcp:169.254.169.254:80-cmd:{shlex.quote(sys.executable)} {work}/relay.py {port}",
                "-device", "virtio-net-pci,netdev=local"]

    def plug(self, volume):
        name = volume["volumeId"].replace("-", "")
        copy = self.work / name
        shutil.copyfile(self.image, copy)
        qmp = self.machines[volume["at"]["instanceId"]].qmp
        with self.lock:
            qmp("blockdev-add", **{"driver": "raw", "node-name": name, "file": {"driver": "file", "filename": str(copy)}})
            qmp("device_add", driver="nvme", id=f"dev-{name}", drive=name, serial=name)
        self.plugged.append(name)

    def unplug(self, volume):
        name = volume["volumeId"].replace("-", "")
        qmp = self.machines[volume["at"]["instanceId"]].qmp
        with self.lock:
            qmp("device_del", id=f"dev-{name}")
            deadline = time.monotonic() + 60
            while True:
                try:
                    qmp("blockdev-del", **{"node-name": name})
                    break
                except QmpError:
                    assert time.monotonic() < deadline, "the kernel does not let go of the disk"
                    time.sleep(0.2)
        (self.work / name).unlink()
        self.gone.append(name)

    def close(self):
        self.ec2.close()
        for service in self.imds.values():
            service.close()
