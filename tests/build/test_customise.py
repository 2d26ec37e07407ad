"""`./build.sh customise`: what goes into a finished image, what is refused, and that nothing else changes."""

import os
import stat
import subprocess

import pytest

from contents import entries, iso_file, iso_places, pe_sections

AREAS = ("/boot/custom.img", "/boot/grub/grub.cfg", "/isolinux/isolinux.cfg")
PLAN = "generation: 1\nsource: s3://etcd-backup/bare-metal/\n"
HASH = "$6$salt$" + "a" * 86


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with a plan, its signature, keys and certificates, made for this run."""
    folder = tmp_path_factory.mktemp("keys")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    (folder / "plan.yaml").write_text(PLAN)
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "plan.key")
    openssl("pkey", "-in", "plan.key", "-pubout", "-out", "plan.pem")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key")
    openssl("pkey", "-in", "other.key", "-pubout", "-out", "other.pem")
    openssl("dgst", "-sha256", "-sign", "plan.key", "-out", "plan.sig", "plan.yaml")
    openssl("genrsa", "-out", "rsa.key", "2048")
    openssl("rsa", "-in", "rsa.key", "-pubout", "-out", "rsa.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test",
            "-days", "2")
    (folder / "both.pem").write_bytes((folder / "ca.crt").read_bytes() + (folder / "ca.key").read_bytes())
    (folder / "known_hosts").write_text("backup.local ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBB\n")
    (folder / "bridge").write_text("ip=dhcp\nbridge=br0:eth0\n")
    (folder / "network").write_text("# rack 7\nip=10.0.0.7::10.0.0.1:255.255.255.0::eth0:none\nnameserver=10.0.0.1\n")
    return folder


@pytest.fixture
def customise(top, keys, tmp_path):
    """customise(*args) runs it among the keys with --output tmp_path/result; returns (status, stderr)."""
    def run(*args, output="result"):
        done = subprocess.run([top / "build.sh", "customise", *map(str, args), "--output", tmp_path / output], cwd=keys,
                              capture_output=True, text=True, timeout=120)
        return done.returncode, done.stderr
    return run


EVERYTHING = ("--plan", "plan.yaml", "--plan-sig", "plan.sig", "--key", "other.pem", "--key", "plan.pem", "--ca",
              "ca.crt", "--known-hosts", "known_hosts", "--network", "network", "--shell-password", HASH)


def check_everything(archive, keys):
    held = {name.removeprefix("etc/etcd-rescue/"): entry for name, entry in entries(archive).items() if entry.is_file}
    originals = {"plan.yaml": "plan.yaml", "plan.yaml.sig": "plan.sig", "keys/plan.pem": "plan.pem",
                 "keys/other.pem": "other.pem", "ca/ca.crt.pem": "ca.crt", "known_hosts": "known_hosts",
                 "network": "network"}
    assert sorted(held) == sorted([*originals, "shell-password"])
    for name, original in originals.items():
        assert held[name].data == (keys / original).read_bytes(), name
    assert held["shell-password"].data.decode().strip() == HASH
    for name, entry in held.items():
        assert entry.mode & 0o777 == 0o600 and (entry.uid, entry.gid) == (0, 0), name


def outside(iso, places):
    """The bytes of an ISO but those of the areas that may change."""
    data = bytearray(iso.read_bytes())
    for area in AREAS:
        offset, size = places[area]
        data[offset:offset + size] = bytes(size)
    return data


@pytest.mark.parametrize("name", ["etcd-rescue.iso", "etcd-rescue-firmware.iso"])
def test_iso_takes_everything_and_keeps_its_layout(name, customise, image_file, keys, tmp_path):
    iso = image_file(name)
    status, said = customise("--iso", iso, *EVERYTHING, "--cmdline", "ip=dhcp rescue.plan=http://h/${mac}.yaml")
    assert status == 0, said
    made = tmp_path / "result"
    check_everything(iso_file(made, "/boot/custom.img"), keys)
    assert "set args='ip=dhcp rescue.plan=http://h/${mac}.yaml'\n" in iso_file(made, "/boot/grub/grub.cfg").decode()
    bios = iso_file(made, "/isolinux/isolinux.cfg").decode()
    assert bios.count("ip=dhcp rescue.plan=http://h/${mac}.yaml\n") == 4
    assert "\tAPPEND quiet ip=dhcp" in bios
    assert iso_places(made) == iso_places(iso)
    assert outside(made, iso_places(iso)) == outside(iso, iso_places(iso))
    # A password's hash is in it.
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


def test_customising_again_starts_from_nothing(customise, image_file, tmp_path):
    iso = image_file("etcd-rescue.iso")
    assert customise("--iso", iso, *EVERYTHING, "--cmdline", "a=1")[0] == 0
    assert customise("--iso", tmp_path / "result", "--network", "network", "--cmdline", "b=2", output="second")[0] == 0
    assert customise("--iso", iso, "--network", "network", "--cmdline", "b=2", output="fresh")[0] == 0
    assert (tmp_path / "second").read_bytes() == (tmp_path / "fresh").read_bytes()
    assert stat.S_IMODE((tmp_path / "second").stat().st_mode) == 0o644


def test_initrd_for_pxe(customise, image_file, keys, tmp_path):
    status, said = customise("--initrd", *EVERYTHING)
    assert status == 0, said
    check_everything((tmp_path / "result").read_bytes(), keys)
    firmware = image_file("firmware.img")
    assert customise("--initrd", "--firmware", firmware, "--network", "network", output="both")[0] == 0
    both = (tmp_path / "both").read_bytes()
    assert both.startswith(firmware.read_bytes())
    assert list(entries(both[firmware.stat().st_size:]))[-1] == "etc/etcd-rescue/network"


def test_efi_program_takes_everything(customise, image_file, keys, tmp_path):
    program = image_file("etcd-rescue.efi")
    status, said = customise("--uki", program, *EVERYTHING, "--cmdline", "ip=dhcp")
    assert status == 0, said
    before, _ = pe_sections(program.read_bytes())
    after, signed = pe_sections((tmp_path / "result").read_bytes())
    assert not signed and list(after) == list(before)
    assert after[".cmdline"][1] == b"quiet ip=dhcp"
    assert after[".linux"] == before[".linux"]
    initrd = before[".initrd"][1]
    assert after[".initrd"][1].startswith(initrd)
    check_everything(after[".initrd"][1][-(-len(initrd) // 4) * 4:], keys)
    status, said = customise("--uki", tmp_path / "result", "--network", "network", output="second")
    assert status == 1 and "customised already" in said and not (tmp_path / "second").exists()


@pytest.mark.needs("sbsign", "sbverify")
def test_signed_efi_program_verifies(customise, image_file, keys, tmp_path):
    program = image_file("etcd-rescue.efi")
    status, said = customise("--uki", program, "--sign", "ca.key", "ca.crt")
    assert status == 0, said
    verify = ["sbverify", "--cert", keys / "ca.crt"]
    assert subprocess.run([*verify, tmp_path / "result"], capture_output=True).returncode == 0
    assert subprocess.run([*verify, program], capture_output=True).returncode != 0
    status, said = customise("--uki", tmp_path / "result", "--network", "network", output="second")
    assert status == 1 and "signed already" in said
    status, said = customise("--uki", program, "--sign", "rsa.key", "ca.crt", output="second")
    assert status == 1 and "belong together" in said and not (tmp_path / "second").exists()


SECRETS = {
    "private key as key": (("--key", "plan.key"), "private key"),
    "private key behind a certificate": (("--ca", "both.pem"), "private key"),
    "private key as plan": (("--plan", "ca.key"), "private key"),
    "private key as known hosts": (("--known-hosts", "rsa.key"), "private key"),
    "password in clear": (("--shell-password", "geheim"), "hash"),
    "secret on the kernel line": (("--cmdline", "rescue.source=https://user:geheim@h/x"), "secret"),
    "presigned URL on the kernel line": (("--cmdline", "rescue.source=https://h/x?X-Amz-Signature=00"), "secret"),
}
SECRETS_IN_PLAN = {
    "secret key": "s3: {secret-key: wJalrXUtnFEMI}",
    "password": "sftp:\n  password: geheim",
    "user in URL": "report: https://user:geheim@host/x",
    "presigned": "https://bucket/x?X-Amz-Credential=a&X-Amz-Signature=00",
    "passphrase": "storage: {passphrase: geheim}",
}
MISTAKES = {
    "no input": (("--plan", "plan.yaml"), 2, "--iso"),
    "nothing to do": (("--initrd",), 2, "nothing to put in"),
    "two inputs": (("--initrd", "--iso", "x"), 2, "one of them"),
    "unknown option": (("--initrd", "--bogus", "x"), 2, "--bogus"),
    "value missing": (("--initrd", "--plan"), 2, "--plan"),
    "sign an ISO": (("--iso", "x", "--sign", "ca.key", "ca.crt"), 2, "--uki"),
    "no such plan": (("--initrd", "--plan", "nowhere.yaml"), 1, "nowhere.yaml"),
    "no such ISO": (("--iso", "nowhere.iso", "--plan", "plan.yaml"), 1, "nowhere.iso"),
    "not an ISO": (("--iso", "ca.crt", "--plan", "plan.yaml"), 1, "ca.crt"),
    "not an EFI program": (("--uki", "ca.crt", "--plan", "plan.yaml"), 1, "not an EFI program"),
    "key without signature": (("--initrd", "--plan", "plan.yaml", "--key", "plan.pem"), 1, "--plan-sig"),
    "signature without key": (("--initrd", "--plan", "plan.yaml", "--plan-sig", "plan.sig"), 1, "--key"),
    "signature of another key": (("--initrd", "--plan", "plan.yaml", "--plan-sig", "plan.sig", "--key", "other.pem"), 1,
                                 "not a signature"),
    "RSA key": (("--initrd", "--key", "rsa.pem"), 1, "P-256"),
    "key that is none": (("--initrd", "--key", "network"), 1, "public key"),
    "CA that is none": (("--initrd", "--ca", "network"), 1, "certificate"),
    "hosts that are none": (("--initrd", "--known-hosts", "network"), 1, "host type key"),
    "network that is none": (("--initrd", "--network", "known_hosts"), 1, "known_hosts:1"),
    "network the image would not hear": (("--initrd", "--network", "bridge"), 1, "bridge:2: bridge=br0:eth0"),
    "quote on the kernel line": (("--uki", "x", "--cmdline", "a='b'"), 1, "may stand there"),
}


@pytest.mark.parametrize("case", SECRETS)
def test_secrets_are_refused(case, customise, image_file, tmp_path):
    args, words = SECRETS[case]
    status, said = customise("--iso", image_file("etcd-rescue.iso"), *args)
    assert status == 1 and words in said.splitlines()[-1], said
    assert "geheim" not in said
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("case", SECRETS_IN_PLAN)
def test_secrets_in_the_plan_are_refused(case, customise, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("source: s3://b/p/\n" + SECRETS_IN_PLAN[case] + "\n")
    status, said = customise("--initrd", "--plan", plan)
    assert status == 1 and "secret" in said.splitlines()[-1], said
    assert "geheim" not in said and os.listdir(tmp_path) == ["plan.yaml"]


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_clear_line(case, customise, tmp_path):
    args, expected, words = MISTAKES[case]
    status, said = customise(*args)
    lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
    assert status == expected and len(lines) == 1 and words in lines[0], said
    assert os.listdir(tmp_path) == []


def test_too_much_is_refused_with_numbers(customise, image_file, keys, tmp_path):
    big = tmp_path / "big.pem"
    body = "\n".join(os.urandom(48).hex() for _ in range(16000))
    big.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    status, said = customise("--iso", image_file("etcd-rescue.iso"), "--ca", big)
    assert status == 1 and "has room for 524288" in said
    status, said = customise("--iso", image_file("etcd-rescue.iso"), "--cmdline", "a=" + "b" * 5000)
    assert status == 1 and "too long" in said
    assert os.listdir(tmp_path) == ["big.pem"]


@pytest.mark.needs("./out/etcd-rescue")
def test_plan_that_is_none_is_refused(customise, top, tmp_path):
    if subprocess.run([top / "out/etcd-rescue", "plan", "--help"], capture_output=True).returncode:
        pytest.skip("needs a program that can check a plan")
    plan = tmp_path / "plan.yaml"
    plan.write_text("sauce: s3://b/p/\n")
    status, said = customise("--initrd", "--plan", plan)
    assert status == 1 and "sauce" in said and "not a valid plan" in said
    assert os.listdir(tmp_path) == ["plan.yaml"]
