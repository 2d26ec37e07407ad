"""Masters of an HPE Cray: etcd is a systemd service, who they are stands in kubeadm's configuration, their token is `tkn`.

	cluster = CsmCluster(work)                      # ncn-m001, -m002, -m003 at 10.252.1.7 and up
	path = cluster["ncn-m001"].disk(work / "m1.img", damage="db")
	cluster["ncn-m003"].form = "list"               # kubeadmcfg.yaml of v1beta4, whose arguments are a list

There is no systemd in the small test system: its init keeps units/services.sh running, which runs the command of
etcd.service as long as the conditions of the unit and its drop-ins hold, and is `systemctl stop` and `start`, too. Unit,
template and configuration are those of golden/layouts/csm with each master's name and address.
"""

import io
import shutil
import tarfile
from pathlib import Path

from . import pki, pods
from .master import MANIFESTS, TOP, Cluster, Master

NAMES = ("ncn-m001", "ncn-m002", "ncn-m003")
TOKEN = "tkn"
GOLDEN = TOP / "tests/golden/layouts"
FORMS = {"map": "csm", "list": "csm-v1beta4"}
CONFIG = Path("etc/kubernetes/kubeadmcfg.yaml")
UNIT = Path("etc/systemd/system/etcd.service")
FILES = (UNIT, Path("srv/cray/resources/common/etcd/etcd.service"), Path("etc/sysconfig/kubelet"))
SERVICES = Path(__file__).with_name("units") / "services.sh"


class CsmMaster(Master):
    form = "map"

    def _programs(self, root, apiserver):
        super()._programs(root, apiserver)
        (root / "usr/bin/etcd").symlink_to("../local/bin/etcd")

    def _own(self, text):
        """The golden text is ncn-m001's; the members in it are everybody's."""
        members = self.cluster.initial_cluster
        text = text.replace("ncn-m001=https://10.252.1.7:2380,ncn-m002=https://10.252.1.8:2380,ncn-m003=https://10.252.1.9:2380",
                            "EVERYBODY")
        return text.replace("ncn-m001", self.name).replace("10.252.1.7", self.address).replace("EVERYBODY", members)

    def _kubernetes(self, root, apiserver):
        kubernetes = root / "etc/kubernetes"
        kubernetes.mkdir()
        pki.issue(self.cluster.cas, kubernetes, self.name, self.address, endpoint=self.cluster.endpoint)
        golden = {CONFIG: FORMS[self.form], **dict.fromkeys(FILES, "csm")}
        for path, layout in golden.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(self._own((GOLDEN / layout / "before" / path).read_text()))
        (root / MANIFESTS).mkdir()
        if apiserver:
            (root / MANIFESTS / "kube-apiserver.yaml").write_text(pods.apiserver(self.address))
        self._service(root)

    def _service(self, root):
        for name in ("services", "systemctl"):
            shutil.copy(SERVICES, root / "usr/local/bin" / name)
            (root / "usr/local/bin" / name).chmod(0o755)
        inittab = root / "etc/inittab"
        inittab.write_text(inittab.read_text() + "::respawn:/usr/local/bin/services etcd.service\n")

    def restored(self, token=TOKEN):
        return super().restored(token)


class CsmCluster(Cluster):
    def __init__(self, work, names=NAMES, etcd="3.6"):
        super().__init__(work, names, etcd=etcd)
        self.masters = [CsmMaster(self, master.name, master.address, master.number) for master in self.masters]


def archive(name, snapshot):
    """What the backup job puts into the bucket: NAME.tar.gz with NAME/etcd-dump.bin in it. In bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(snapshot, f"{name}/etcd-dump.bin")
    return out.getvalue()


def stop_serving(vm):
    """etcd ends, and is not started again at the next start either; nothing writes to its data any more."""
    services = "/usr/local/bin/services"
    done = vm.console.run(f"printf '#!/bin/sh\\nexec sleep 86400\\n' >{services}.off; chmod 755 {services}.off; "
                          f"systemctl stop etcd && mv {services}.off {services}; kill $(cat /run/services.pid); ! pidof etcd", 120)
    assert done.status == 0, done.text
