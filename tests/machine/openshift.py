"""Masters of OpenShift 4.4 and later as RHCOS has them: an ostree deployment with its own /etc, /usr read-only, /var beside it,
/boot a file system of its own; SELinux labels on all that counts; static pods of numbered revisions.

	cluster = OpenshiftCluster(work)                     # master-0, master-1, master-2 at 192.168.126.10 and up
	path = cluster["master-1"].disk(work / "1.img", damage="db")
	tree = cluster["master-0"].tree(damage="none")       # the same as one tree, for `run --root`
	label(path, "var/lib/etcd")                          # as the file system has it

The etcd pod is that of golden/layouts/openshift-4.6; `discover-etcd-initial-cluster`, which that runs, is a stand-in that
knows the one member. The other pods sleep. The kernel line says ostree=, which initrd/init understands.
"""

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import requirement

from . import disk as disks, loader, pki
from .master import MANIFESTS, SNAPSHOT, TOP, Cluster, Master

NETWORK = "192.168.126"
GOLDEN = TOP / "tests/golden/layouts/openshift-4.6/before"
RESOURCES = Path("etc/kubernetes/static-pod-resources")
CERTIFICATES = RESOURCES / "etcd-certs"
ENV = CERTIFICATES / "configmaps/etcd-scripts/etcd.env"
KUBECONFIG = RESOURCES / "kube-apiserver-certs/secrets/node-kubeconfigs/localhost.kubeconfig"
# Of each component: in the backup, and on the disk since.
BACKUP = {"kube-apiserver": 7, "kube-controller-manager": 8, "kube-scheduler": 6, "etcd": 2}
ON_DISK = {**BACKUP, "kube-apiserver": 8}
SUM, BOOT_SUM = "1f" * 32, "2e" * 32
DEPLOYMENT, VAR = f"ostree/deploy/rhcos/deploy/{SUM}.0", "ostree/deploy/rhcos/var"
LABELS = {f"{DEPLOYMENT}/etc": "system_u:object_r:etc_t:s0",
          f"{DEPLOYMENT}/etc/kubernetes": "system_u:object_r:kubernetes_file_t:s0",
          VAR: "system_u:object_r:var_t:s0", f"{VAR}/lib": "system_u:object_r:var_lib_t:s0",
          f"{VAR}/lib/etcd": "system_u:object_r:container_var_lib_t:s0"}
# Directories of the deployment that are links into /var.
IN_VAR = {"home": "home", "root": "roothome", "mnt": "mnt", "opt": "opt"}


def resources(revisions):
    """{path below etc/kubernetes: text} of static pods of these revisions."""
    found = {}
    for component, revision in revisions.items():
        folder = f"static-pod-resources/{component}-pod-{revision}"
        found[f"{folder}/{component}-pod.yaml"] = SLEEPER.format(component, revision)
        found[f"{folder}/configmaps/config/config.yaml"] = f"of: {component} {revision}\n"
        found[f"{folder}/secrets/encryption-config/encryption-config"] = f"of: {component} {revision}\n"
    return found


class OpenshiftMaster(Master):
    def _programs(self, root, apiserver):
        super()._programs(root, apiserver)
        local = root / "usr/local/bin"
        for name, text in (("etcdctl", ETCDCTL.format(self.name)), ("discover-etcd-initial-cluster", DISCOVER), ("ss", SS)):
            (local / name).write_text(text)
            (local / name).chmod(0o755)

    def _kubernetes(self, root, apiserver):
        certificates = root / CERTIFICATES
        for name in ("etcd-serving-ca", "etcd-peer-client-ca"):
            (certificates / "configmaps" / name).mkdir(parents=True)
            shutil.copy(self.cluster.cas / "etcd/ca.crt", certificates / "configmaps" / name / "ca-bundle.crt")
        secrets = certificates / "secrets/etcd-all-certs"
        secrets.mkdir(parents=True)
        for kind in ("peer", "serving"):
            name = f"etcd-{kind}-{self.name}"
            pki.certificate(self.cluster.cas, "etcd/once", "etcd/ca", f"/CN={name}", [pki.SERVER, pki.CLIENT],
                            [f"DNS:{self.name}", "DNS:localhost", f"IP:{self.address}", "IP:127.0.0.1"])
            for end in ("crt", "key"):
                (self.cluster.cas / f"etcd/once.{end}").rename(secrets / f"{name}.{end}")
        (root / "etc/kubernetes/static-pod-certs").symlink_to(f"/{CERTIFICATES}")
        texts = {MANIFESTS / "etcd-pod.yaml": self.manifest(), ENV: (GOLDEN / ENV).read_text(),
                 **{Path("etc/kubernetes") / name: text for name, text in {**resources(BACKUP), **resources(ON_DISK)}.items()}}
        for component, revision in ON_DISK.items():
            if component != "etcd":
                texts[MANIFESTS / f"{component}-pod.yaml"] = SLEEPER.format(component, revision)
        for path, text in texts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o600)
        (root / KUBECONFIG).parent.mkdir(parents=True)
        pki.kubeconfig(self.cluster.cas, root / KUBECONFIG, "/O=system:masters/CN=system:admin", "system:admin", "localhost",
                       self.cluster.endpoint)

    def manifest(self):
        """That of golden/layouts, where it is master-1's; the environment is every master's."""
        text = (GOLDEN / MANIFESTS / "etcd-pod.yaml").read_text()
        script, environment = text.split("\n    env:\n")
        for mark in ("-", "_"):
            script = script.replace(f"master{mark}1", self.name.replace("-", mark))
        return f"{script}\n    env:\n{environment}"

    def tree(self, damage="missing", fresh=False, member=None, dhcp=False, apiserver=None, programs=True):
        root = super().tree(damage, fresh, member, dhcp, apiserver, programs)
        (root / "etc/os-release").write_text('NAME="Red Hat Enterprise Linux CoreOS"\nID="rhcos"\nVERSION="46.82"\n'
                                             'PRETTY_NAME="Red Hat Enterprise Linux CoreOS 46.82 (Ootpa)"\n')
        (root / "var/home/core/assets").mkdir(parents=True, exist_ok=True)
        return root

    def ostree(self, root):
        """The tree as it lies on the disk: one deployment, its var beside it."""
        top = self.cluster.work / f"{self.name}.ostree"
        shutil.rmtree(top, ignore_errors=True)
        (top / DEPLOYMENT).parent.mkdir(parents=True)
        root.rename(top / DEPLOYMENT)
        deployment, var = top / DEPLOYMENT, top / VAR
        (deployment / "var").rename(var)
        (deployment / "var").mkdir()
        for name, place in IN_VAR.items():
            folder = deployment / name
            if (var / place).exists():
                folder.rmdir()
            else:
                folder.rename(var / place)
            folder.symlink_to(f"var/{place}")
        (deployment / "usr/local").rename(var / "usrlocal")
        (deployment / "usr/local").symlink_to("../var/usrlocal")
        (deployment / "sysroot").mkdir()
        (deployment / "ostree").symlink_to("sysroot/ostree")
        link = top / f"ostree/boot.1.1/rhcos/{BOOT_SUM}/0"
        link.parent.mkdir(parents=True)
        link.symlink_to(f"../../../deploy/rhcos/deploy/{SUM}.0")
        (top / "ostree/boot.1").symlink_to("boot.1.1")
        (top / "boot").mkdir()
        return top

    def disk(self, path, *, damage="missing", size=500, **options):
        """BIOS boots nothing of it by itself: the image hands on to its kernel by kexec."""
        disk = disks.Disk(path, f"{self.name} {Path(path).name}")
        root_id, boot_id = disk.uuid("root"), disk.uuid("boot")
        root = self.tree(damage, **options)
        (root / "etc/fstab").write_text("")
        boot = self.cluster.work / f"{self.name}.boot"
        shutil.rmtree(boot, ignore_errors=True)
        kernels = boot / f"ostree/rhcos-{BOOT_SUM}"
        kernels.mkdir(parents=True)
        source, version = loader.kernel()
        shutil.copyfile(source, kernels / f"vmlinuz-{version}")
        (kernels / f"initramfs-{version}.img").write_bytes(loader.initrd())
        (boot / "loader.1/entries").mkdir(parents=True)
        (boot / "loader").symlink_to("loader.1")
        (boot / "boot").symlink_to(".")
        (boot / "loader.1/entries/ostree-1-rhcos.conf").write_text(ENTRY.format(
            boot=f"rhcos-{BOOT_SUM}", link=f"/ostree/boot.1/rhcos/{BOOT_SUM}/0", version=version, root=root_id,
            boot_id=boot_id, words=loader.WORDS))
        shutil.copytree(TOP / "tests/golden/boot/rhcos/boot/grub2", boot / "grub2")
        disk.add(disks.LINUX, 100, disks.ext4(boot, "boot", boot_id), "boot")
        top = self.ostree(root)
        disk.add(disks.LINUX, size, disks.ext4(top, "root", root_id), "root")
        disk.write()
        put_labels(disk, top)
        for folder in (top, boot):
            shutil.rmtree(folder)
        return disk.path


class OpenshiftCluster(Cluster):
    kind = OpenshiftMaster

    def __init__(self, work):
        super().__init__(work, ["master-0", "master-1", "master-2"], network=NETWORK, first=10, etcd="3.4")

    def snapshot(self):
        """The golden database with these members, as one of them would save it."""
        path = self.work / "snapshot.db"
        if not path.exists():
            golden, folder = self.work / "golden.db", self.work / "saved"
            golden.write_bytes(gzip.decompress(SNAPSHOT.read_bytes()))
            first = self.masters[0]
            subprocess.run([requirement.need("etcdutl-3.6"), "snapshot", "restore", golden, f"--name={first.name}",
                            f"--data-dir={folder}", f"--initial-cluster={self.initial_cluster}",
                            f"--initial-advertise-peer-urls={first.peer}"], check=True, capture_output=True)
            database = (folder / "member/snap/db").read_bytes()
            path.write_bytes(database + hashlib.sha256(database).digest())
        return path


# Labels


def label_of(path):
    """That of the nearest folder that has one in LABELS."""
    while path and path not in LABELS:
        path = path.rpartition("/")[0]
    return LABELS.get(path)


def put_labels(disk, top):
    part = disk.partitions[-1]
    lines = []
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        text = label_of(name)
        if text and not path.is_symlink():
            lines.append(f'ea_set "/{name}" security.selinux {text}\n')
    disks.run("debugfs", "-w", "-f", "-", f"{disk.path}?offset={part.start}", input="".join(lines))


def label(disk, start, path):
    """The label of a path below the disk's own top, on a disk that no machine runs on."""
    said = disks.run("debugfs", "-R", f'ea_get "/{path}" security.selinux', f"{disk}?offset={start}")
    found = re.search(r'security\.selinux \(\d+\) = "([^"]*?)(?:\\000)?"', said)
    return found[1] if found else None


ENTRY = """title Red Hat Enterprise Linux CoreOS 46.82 (Ootpa) (ostree:0)
version 1
options random.trust_cpu=on {words} ostree={link} ignition.platform.id=metal root=UUID={root} rw boot=UUID={boot_id}
linux /ostree/{boot}/vmlinuz-{version}
initrd /ostree/{boot}/initramfs-{version}.img
"""

SLEEPER = """apiVersion: v1
kind: Pod
metadata:
  name: {0}
  namespace: openshift-{0}
  labels:
    revision: "{1}"
spec:
  containers:
  - command:
    - sleep
    - "86400"
    name: {0}
    image: quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5555
  hostNetwork: true
"""

ETCDCTL = """#!/bin/sh
certs=/etc/kubernetes/static-pod-resources/etcd-certs
export ETCDCTL_API=3 ETCDCTL_CACERT=$certs/configmaps/etcd-serving-ca/ca-bundle.crt
export ETCDCTL_CERT=$certs/secrets/etcd-all-certs/etcd-peer-{0}.crt ETCDCTL_KEY=$certs/secrets/etcd-all-certs/etcd-peer-{0}.key
exec /usr/local/bin/etcdctl.bin "$@"
"""

# Of a member that has its data it says what etcd knows already.
DISCOVER = """#!/bin/sh
for word; do
	case $word in
	--target-name=*) name=${word#*=} ;;
	--target-peer-url-host=*) host=${word#*=} ;;
	--data-dir=*) [ -d "${word#*=}/member" ] || exit 1 ;;
	esac
done
echo "$name=https://$host:2380"
"""

SS = "#!/bin/sh\n"
