"""The files of the image, opened and read: what is in, what is not, and how large it is."""

import fnmatch
import hashlib
import json
import re
import subprocess

import pytest

from contents import entries, iso_file, iso_places, module_bytes, pe_sections

MARKS = {"etcd-rescue": 3_500_000, "initramfs.img": 18_000_000, "etcd-rescue.iso": 36_000_000}
OUTPUTS = ["boot.ipxe", "done.cfg", "done.ipxe", "etcd-rescue", "etcd-rescue-firmware.iso", "etcd-rescue.efi",
           "etcd-rescue.iso", "firmware.img", "initramfs.img", "sbom.spdx.json", "vmlinuz"]

# What servers and hypervisors are made of. Left: the device as its bus describes it; right: its driver.
DEVICES = {
    "storage": {
        "pci:v00008086d00000A54sv00008086sd00004712bc01sc08i02": "nvme",
        "pci:v00008086d000028C0sv00000000sd00000000bc01sc04i00": "vmd",
        "pci:v00008086d0000A352sv00001028sd000008B9bc01sc06i01": "ahci",
        "pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00": "megaraid_sas",
        "pci:v00001000d000010E2sv00001028sd00001AE0bc01sc04i00": "megaraid_sas",
        "pci:v00001000d00000097sv00001000sd000030E0bc01sc07i00": "mpt3sas",
        "pci:v00001000d000000A5sv00001028sd00002114bc01sc07i00": "mpi3mr",
        "pci:v00009005d0000028Fsv0000103Csd00000600bc01sc07i00": "smartpqi",
        "pci:v0000103Cd00003239sv0000103Csd000021BDbc01sc04i00": "hpsa",
        "pci:v00009005d0000028Csv00009005sd00000500bc01sc04i00": "aacraid",
        "virtio:d00000002v00001AF4": "virtio_blk",
        "virtio:d00000008v00001AF4": "virtio_scsi",
        "xen:vbd": "xen_blkfront",
        "vmbus:32264132cb86a2449b5c50d1417354f5": "hv_storvsc",
        "vmbus:d96361baa104294db60572e2ffb1dc7f": "hv_storvsc",
        "pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i00": "vmw_pvscsi",
        "pci:v00001000d00000030sv000015ADsd00001976bc01sc00i00": "mptspi",
        "usb:v0781p5581d0100dc00dsc00dp00ic08isc06ip50in00": "usb_storage",
        "usb:v0BC2p2344d0100dc00dsc00dp00ic08isc06ip62in00": "uas",
        "scsi:t-0x05": "sr_mod",
        "scsi:t-0x00": "sd_mod",
    },
    "fibre channel": {
        "pci:v00001077d00002261sv00001077sd000002B0bc0Csc04i00": "qla2xxx",
        "pci:v00001077d00002532sv00001077sd0000015Dbc0Csc04i00": "qla2xxx",
        "pci:v000010DFd0000E300sv000010DFsd0000E310bc0Csc04i00": "lpfc",
        "pci:v000010DFd0000F100sv000010DFsd0000F100bc0Csc04i00": "lpfc",
    },
    "network": {
        "pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00": "e1000e",
        "pci:v00008086d00001521sv00001028sd00001F60bc02sc00i00": "igb",
        "pci:v00008086d000015F3sv00008086sd00000000bc02sc00i00": "igc",
        "pci:v00008086d000010FBsv00008086sd00000003bc02sc00i00": "ixgbe",
        "pci:v00008086d00001572sv00008086sd00000001bc02sc00i00": "i40e",
        "pci:v00008086d00001592sv00008086sd00000002bc02sc00i00": "ice",
        "pci:v00008086d00001889sv00008086sd00000000bc02sc00i00": "iavf",
        "pci:v000014E4d00001639sv00001028sd00000235bc02sc00i00": "bnx2",
        "pci:v000014E4d0000168Esv0000103Csd000018D3bc02sc00i00": "bnx2x",
        "pci:v000014E4d0000165Fsv00001028sd00001F5Bbc02sc00i00": "tg3",
        "pci:v000014E4d000016D7sv000014E4sd00001404bc02sc00i00": "bnxt_en",
        "pci:v000015B3d00001007sv000015B3sd00000006bc02sc00i00": "mlx4_core",
        "pci:v000015B3d00001017sv000015B3sd00000020bc02sc00i00": "mlx5_core",
        "pci:v000015B3d0000A2D6sv000015B3sd00000020bc02sc00i00": "mlx5_core",
        "pci:v00001077d00001656sv00001077sd00000000bc02sc00i00": "qede",
        "pci:v00001D6Ad000007B1sv00001D6Asd00000001bc02sc00i00": "atlantic",
        "pci:v000010ECd00008168sv00001043sd00008677bc02sc00i00": "r8169",
        "pci:v000019A2d00000710sv0000103Csd00003340bc02sc00i00": "be2net",
        "pci:v00001425d00005410sv00001425sd00000000bc02sc00i00": "cxgb4",
        "pci:v00001137d00000043sv00001137sd0000012Ebc02sc00i00": "enic",
        "pci:v00001DD8d00001002sv00001DD8sd00004007bc02sc00i00": "ionic",
        "pci:v00001924d00000A03sv00001924sd00008010bc02sc00i00": "sfc",
        "virtio:d00000001v00001AF4": "virtio_net",
        "pci:v00001D0Fd0000EC20sv00001D0Fsd0000EC20bc02sc00i00": "ena",
        "pci:v00001AE0d00000042sv00001AE0sd00000058bc02sc00i00": "gve",
        "pci:v000015ADd000007B0sv000015ADsd000007B0bc02sc00i00": "vmxnet3",
        "vmbus:635161f83edfc546913ff2d2f965ed0e": "hv_netvsc",
        "pci:v00001414d000000BAsv00001414sd00000000bc02sc00i00": "mana",
        "xen:vif": "xen_netfront",
        "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00": "e1000",
    },
    "keyboards and buses": {
        "pci:v00008086d00008D31sv00001028sd00000600bc0Csc03i30": "xhci_pci",
        "pci:v00008086d00008D26sv00001028sd00000600bc0Csc03i20": "ehci_pci",
        "pci:v00008086d00002934sv00001AF4sd00001100bc0Csc03i00": "uhci_hcd",
        "usb:v046DpC31Cd0110dc00dsc00dp00ic03isc01ip01in00": "usbhid",
        "hid:b0003g0001v0000046Bp0000FF10": "hid_generic",
    },
    "machine": {
        "acpi:QEMU0002:": "qemu_fw_cfg",
        "acpi:IPI0001:": "ipmi_si",
        "virtio:d00000004v00001AF4": "virtio_rng",
    },
}

BY_NAME = """ext4 xfs btrfs vfat nls_cp437 nls_iso8859_1 nls_utf8 isofs squashfs overlay dm_mod dm_crypt dm_multipath
    md_mod raid1 raid10 raid456 xts aesni_intel crc32c_generic bonding 8021q efivarfs dmi_sysfs ipmi_devintf
    scsi_dh_alua loop algif_hash""".split()


@pytest.fixture(scope="module")
def root(image_file):
    return entries(image_file("initramfs.img").read_bytes())


@pytest.fixture(scope="module")
def modules(root):
    """name -> path of each module in the initramfs."""
    return {re.sub(r"\.ko\.xz$", "", path.rsplit("/", 1)[1]).replace("-", "_"): path
            for path in root if path.endswith(".ko.xz")}


@pytest.fixture(scope="module")
def table(root):
    """table("dep") is the text of modules.dep."""
    folder = next(path for path in root if re.fullmatch(r"lib/modules/[^/]+", path))
    return lambda kind: root[f"{folder}/modules.{kind}"].data.decode()


@pytest.fixture(scope="module")
def builtin(table):
    return {re.sub(r".*/|\.ko$", "", line).replace("-", "_") for line in table("builtin").split()}


@pytest.fixture(scope="module")
def info(root, modules):
    """name -> the key=value pairs a module carries inside itself."""
    found = {}
    for name, path in modules.items():
        raw = module_bytes(root[path])
        pairs = re.findall(rb"(?:^|\0)(depends|firmware|vermagic|softdep)=([^\0]*)\0", raw)
        # Consecutive pairs share the zero between them, so a second look is needed.
        pairs += re.findall(rb"\0(depends|firmware|vermagic|softdep)=([^\0]*)(?=\0)", raw)
        found[name] = ({(key.decode(), value.decode()) for key, value in pairs}, raw[-28:])
    return found


def test_all_outputs_are_there(image, image_file):
    for name in OUTPUTS:
        assert image_file(name).stat().st_size > 0, name
    assert not [path.name for path in image.iterdir() if path.name.endswith(".part")]


def test_sums_vouch_for_every_output(image, image_file):
    sums = dict(reversed(line.split("  ")) for line in image_file("SHA256SUMS").read_text().splitlines())
    assert sorted(sums) == OUTPUTS
    for name, digest in sums.items():
        assert hashlib.sha256((image / name).read_bytes()).hexdigest() == digest, name


def test_sizes_stay_below_the_marks(image_file, root, artefacts, capsys):
    lines = [f"{name:26} {image_file(name).stat().st_size:9}" +
             (f"  mark {MARKS[name]}" if name in MARKS else "") for name in OUTPUTS]
    lines += ["", "largest files of the initramfs, as stored:"]
    largest = sorted(((len(entry.data), name) for name, entry in root.items()), reverse=True)[:10]
    lines += [f"{size:9} {name}" for size, name in largest]
    (artefacts / "sizes.txt").write_text("\n".join(lines) + "\n")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    for name, mark in MARKS.items():
        assert image_file(name).stat().st_size <= mark, "\n".join(lines)


def test_initramfs_belongs_to_root_and_holds_no_devices(root):
    times = {entry.mtime for entry in root.values()}
    assert len(times) == 1, "time stamps differ"
    for name, entry in root.items():
        assert (entry.uid, entry.gid) == (0, 0), name
        assert entry.is_file or entry.is_folder or entry.is_link, f"{name} is a device or a pipe"
        assert not entry.mode & 0o6000, f"{name} is setuid or setgid"
        assert entry.is_link or name == "tmp" or not entry.mode & 0o022, f"{name} can be written to by others"


def test_initramfs_has_what_init_needs(root):
    for name in ("init", "bin/busybox", "bin/etcd-rescue", "bin/mdadm", "bin/cryptsetup", "bin/lvm", "bin/e2fsck",
                 "etc/udhcpc/default.script"):
        assert root[name].is_file and root[name].mode & 0o111, name
    assert root["bin/modprobe"].data == b"busybox"
    assert not [name for name in root if name == "sbin" or name.startswith("sbin/")], \
        "the kernel would call /sbin/modprobe before /init"
    for name, entry in root.items():
        if entry.is_link and not entry.data.startswith(b"/proc/"):
            where = name.split("/")[:-1]
            for part in entry.data.decode().split("/"):
                where = where[:-1] if part == ".." else where + [part]
            assert "/".join(where) in root, f"{name} points to nothing"


def test_manifest_names_every_file_with_its_sum(root):
    lines = root["etc/etcd-rescue/manifest"].data.decode().splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    files = {"/" + name: entry for name, entry in root.items()
             if entry.is_file and name != "etc/etcd-rescue/manifest"}
    assert sorted(listed) == sorted(files)
    for name, entry in files.items():
        assert hashlib.sha256(entry.data).hexdigest() == listed[name], name


def test_nothing_secret_and_nothing_of_this_machine_is_in(root, top, image_file):
    for name, entry in root.items():
        assert not re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{20}", entry.data), name
        assert str(top).encode() not in entry.data, f"{name} names the folder it was built in"
    assert "etc/shadow" not in root
    # Only the manifest: a plan, a key or a password is the owner's to put in.
    assert [name for name in root if name.startswith("etc/etcd-rescue/")] == ["etc/etcd-rescue/manifest"]
    assert root["root"].mode & 0o077 == 0
    for name in ("etcd-rescue.iso", "etcd-rescue-firmware.iso"):
        assert not iso_file(image_file(name), "/boot/custom.img").strip(b"\0")


def test_trust_anchors_are_a_bundle(root):
    bundle = root["etc/ssl/certs/ca-certificates.crt"].data
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") == bundle.count(b"-----END CERTIFICATE-----") > 100
    assert b"\nISRG_Root_X1\n" in bundle.replace(b"# ", b"\n")


def test_every_listed_module_is_in_the_image(top, modules, builtin):
    listed = set()
    for path in (top / "initramfs" / "features.d").glob("*.modules"):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                listed.add(line.split()[0].replace("-", "_"))
    assert len(listed) > 150
    assert not listed - set(modules) - builtin
    assert not set(BY_NAME) - set(modules) - builtin


def test_modules_are_closed_under_dependencies(root, modules, builtin, table, info):
    """By what each module says of itself, and by the index that the image's modprobe reads."""
    for name, (pairs, _) in info.items():
        assert any(key == "vermagic" for key, _ in pairs), f"{name} tells nothing about itself"
        for key, value in pairs:
            if key == "depends" and value:
                missing = {dep.replace("-", "_") for dep in value.split(",")} - set(modules) - builtin
                assert not missing, f"{name} needs {missing}"
    folder = next(path for path in root if re.fullmatch(r"lib/modules/[^/]+", path))
    indexed = {}
    for line in table("dep").splitlines():
        path, deps = line.split(":")
        indexed[f"{folder}/{path}"] = [f"{folder}/{dep}" for dep in deps.split()]
    assert sorted(indexed) == sorted(modules.values())
    assert not {dep for deps in indexed.values() for dep in deps} - set(indexed)


def test_modules_keep_their_signature(info):
    unsigned = [name for name, (_, tail) in info.items() if tail != b"~Module signature appended~\n"]
    assert not unsigned, "Secure Boot's lockdown refuses these"


@pytest.mark.parametrize("topic", DEVICES)
def test_devices_find_their_driver(topic, table, modules, builtin):
    aliases = [line.split()[1:3] for line in table("alias").splitlines() if line.startswith("alias ")]
    lost = {}
    for device, driver in DEVICES[topic].items():
        drivers = {name.replace("-", "_") for pattern, name in aliases if fnmatch.fnmatchcase(device, pattern)}
        if driver not in builtin and driver not in drivers:
            lost[device] = (driver, drivers)
    assert not lost
    assert not set(DEVICES[topic].values()) - set(modules) - builtin


def test_firmware_is_complete(image_file, info, top):
    """Whatever file a driver of the image may ask for is carried, compressed as the kernel can read it."""
    carried = entries(image_file("firmware.img").read_bytes())
    wanted = {(value, name) for name, (pairs, _) in info.items() for key, value in pairs if key == "firmware"}
    assert len(wanted) > 60
    excused = {line.split()[1] for line in (top / "initramfs/features.d/firmware.list").read_text().splitlines()
               if line.startswith("absent")}
    missing = sorted(f"{value} ({name})" for value, name in wanted
                     if value not in excused and f"lib/firmware/{value}.xz" not in carried)
    assert not missing
    for name, entry in carried.items():
        assert (entry.uid, entry.gid) == (0, 0) and (entry.is_file or entry.is_folder or entry.is_link), name
        if entry.is_file:
            # The kernel's xz knows no check but CRC32.
            assert entry.data[:6] == b"\xfd7zXZ\0" and entry.data[7] == 1, name
        if entry.is_link:
            assert name.rsplit("/", 1)[0] + "/" + entry.data.decode() in carried, f"{name} points to nothing"
    for name in ("bnx2/bnx2-mips-09-6.2.1b.fw", "tigon/tg3.bin", "intel/ice/ddp/ice.pkg", "ql2500_fw.bin",
                 "cxgb4/t6fw.bin", "qed/qed_init_values_zipped-8.59.1.0.bin"):
        assert f"lib/firmware/{name}.xz" in carried


@pytest.mark.parametrize("name", ["etcd-rescue.iso", "etcd-rescue-firmware.iso"])
def test_iso_carries_the_image_and_two_loaders(name, image, image_file):
    iso = image_file(name)
    for path, original in (("/boot/vmlinuz", "vmlinuz"), ("/boot/initramfs.img", "initramfs.img"),
                           ("/boot/firmware.img", "firmware.img")):
        if original == "firmware.img" and "firmware" not in name:
            assert path not in iso_places(iso)
            continue
        assert iso_file(iso, path) == (image / original).read_bytes(), path
    report = subprocess.run(["xorriso", "-no_rc", "-indev", iso, "-report_el_torito", "plain", "-report_system_area",
                             "plain"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"El Torito boot img.*BIOS", report) and re.search(r"El Torito boot img.*UEFI", report)
    assert "GPT" in report and "isohybrid" in report


@pytest.mark.parametrize("name", ["etcd-rescue.iso", "etcd-rescue-firmware.iso"])
def test_both_menus_offer_the_same(name, image_file):
    iso = image_file(name)
    grub = iso_file(iso, "/boot/grub/grub.cfg").decode()
    bios = iso_file(iso, "/isolinux/isolinux.cfg").decode()
    titles = re.findall(r'^menuentry "(.*)"', grub, re.M)
    assert titles == re.findall(r"^\tMENU LABEL (.*)", bios, re.M)
    assert "serial port 1" in "".join(titles) and "local disk" in titles[-1]
    of_grub = [line.replace(" $args", "") for line in re.findall(r"^\tlinux /boot/vmlinuz (.*)", grub, re.M)]
    assert of_grub == re.findall(r"^\tAPPEND (.*)", bios, re.M)
    initrds = set(re.findall(r"^\tinitrd (.*)", grub, re.M))
    assert {line.replace(" ", ",") for line in initrds} == set(re.findall(r"^\tINITRD (.*)", bios, re.M))
    assert initrds.pop().split()[-1] == "/boot/custom.img"
    # The default entry must not open a serial port that may not be there.
    assert "console=" not in of_grub[0]


@pytest.mark.needs("sbverify")
def test_loaders_and_kernel_are_signed(image_file, tmp_path):
    iso = image_file("etcd-rescue.iso")
    # The EFI partition's place is in the GPT, whose entries begin at the third sector of 512 bytes.
    with open(iso, "rb") as disc:
        table = disc.read(34 * 512)
        kind = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
        entry = next(table[at:at + 128] for at in range(1024, len(table), 128) if table[at:at + 16] == kind)
        first, last = (int.from_bytes(entry[at:at + 8], "little") for at in (32, 40))
        disc.seek(first * 512)
        (tmp_path / "esp").write_bytes(disc.read((last + 1 - first) * 512))
    for program, signer in (("EFI/BOOT/BOOTX64.EFI", "Microsoft"), ("EFI/BOOT/grubx64.efi", "Debian")):
        subprocess.run(["mcopy", "-n", "-i", tmp_path / "esp", f"::/{program}", tmp_path / "program"], check=True)
        said = subprocess.run(["sbverify", "--list", tmp_path / "program"], capture_output=True, text=True).stdout
        assert signer in said, program
        (tmp_path / "program").unlink()
    said = subprocess.run(["sbverify", "--list", image_file("vmlinuz")], capture_output=True, text=True).stdout
    assert "Debian" in said


def test_efi_program_is_kernel_and_initramfs(image, image_file):
    sections, signed = pe_sections(image_file("etcd-rescue.efi").read_bytes())
    assert not signed
    assert sections[".linux"][1] == (image / "vmlinuz").read_bytes()
    assert sections[".initrd"][1] == (image / "initramfs.img").read_bytes()
    assert sections[".cmdline"][1] == b"quiet"
    assert sections[".uname"][1].decode() in (image / "vmlinuz").read_bytes().decode("latin-1")
    spans = sorted((address, address + len(data)) for address, data in sections.values())
    assert all(this[1] <= following[0] for this, following in zip(spans, spans[1:])), "sections overlap"


def test_ipxe_script_names_files_that_are_there(image, image_file):
    script = image_file("boot.ipxe").read_text()
    assert script.startswith("#!ipxe\n")
    lines = [line.split() for line in script.splitlines() if line and not line.startswith("#")]
    assert [line[0] for line in lines] == ["kernel", "initrd", "boot"]
    for line in lines[:2]:
        assert (image / [word for word in line[1:] if not word.startswith("-")][-1 if line[0] == "initrd" else 0]).is_file()
    assert "://" not in "".join(word for line in lines for word in line), "URLs are relative to the script"


def test_bill_of_materials_names_what_is_inside(image_file, root):
    bill = json.loads(image_file("sbom.spdx.json").read_text())
    assert bill["spdxVersion"] == "SPDX-2.3"
    packages = {package["name"]: package for package in bill["packages"]}
    for name in ("kernel", "musl", "busybox", "mbedtls", "curl", "libssh", "libarchive", "libfyaml", "ca-certificates",
                 "mdadm", "cryptsetup", "lvm2", "e2fsprogs", "nettle",
                 "shim-signed", "grub-efi-amd64-signed", "isolinux", "systemd-boot-efi", "firmware-bnx2"):
        assert packages[name]["versionInfo"], name
        assert packages[name]["licenseConcluded"] not in ("", "NOASSERTION"), name
    release = next(name.split("/")[2] for name in root if re.fullmatch(r"lib/modules/[^/]+", name))
    assert packages["kernel"]["versionInfo"].split("-")[0] in release
