"""UEFI firmware for a machine: OVMF with variables of its own, and keys of our own in them.

Secure Boot keys are written into the variable store as a file, before the machine starts: no enrolment tool, no root.
Source: UEFI specification 2.10, 32.4.1 (signature lists); EDK II MdeModulePkg/Include/Guid/VariableFormat.h (the store).
"""

import shutil
import struct
import uuid
from pathlib import Path

import requirement

OVMF = Path("/usr/share/OVMF")
CODE, CODE_SECURE = OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_CODE_4M.secboot.fd"
VARS, VARS_MICROSOFT = OVMF / "OVMF_VARS_4M.fd", OVMF / "OVMF_VARS_4M.ms.fd"

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
IMAGE_SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
CERT_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
AUTHENTICATED_STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792")
OWNER = uuid.UUID("1c4e5fd1-7a0d-4f2a-9a1e-6f1f3c0f7d11")      # ours; any will do

NON_VOLATILE, BOOT, RUNTIME, TIME_AUTHENTICATED = 1, 2, 4, 0x20
VARIABLE_START, VARIABLE_ADDED = 0x55AA, 0x3F


class Firmware:
    def __init__(self, code=CODE, variables=VARS):
        """variables: a file, or the bytes of a store."""
        self.code = code
        self._variables = variables

    @property
    def is_secure(self):
        return self.code == CODE_SECURE

    def arguments(self, work):
        """QEMU's options for it; the variables are copied into work, since the firmware writes to them."""
        store = Path(work) / "variables.fd"
        if isinstance(self._variables, bytes):
            store.write_bytes(self._variables)
        else:
            shutil.copyfile(self._variables, store)
        argv = ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={self.code}",
                "-drive", f"if=pflash,unit=1,format=raw,file={store}"]
        if self.is_secure:
            argv += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
        return argv


def plain():
    requirement.need(str(CODE), str(VARS))
    return Firmware()


def microsoft():
    """Secure Boot on, with the keys a server leaves its factory with. Needs machine q35,smm=on."""
    requirement.need(str(CODE_SECURE), str(VARS_MICROSOFT))
    return Firmware(CODE_SECURE, VARS_MICROSOFT)


def own_key(certificate):
    """Secure Boot on, with this certificate (DER) as the only key: PK, KEK and db. Needs machine q35,smm=on."""
    requirement.need(str(CODE_SECURE), str(VARS))
    store = VARS.read_bytes()
    for name, vendor in (("db", IMAGE_SECURITY), ("KEK", GLOBAL), ("PK", GLOBAL)):
        store = with_variable(store, name, vendor, signature_list(certificate))
    return Firmware(CODE_SECURE, store)


def signature_list(certificate):
    """An EFI_SIGNATURE_LIST of one X.509 certificate in DER."""
    size = 16 + len(certificate)
    return CERT_X509.bytes_le + struct.pack("<III", 28 + size, 0, size) + OWNER.bytes_le + certificate


def with_variable(store, name, vendor, data):
    """The store with one more time-authenticated variable at the end of its list."""
    # EFI_FIRMWARE_VOLUME_HEADER: its own length is 48 bytes in; the variable store's header follows it.
    start = struct.unpack_from("<H", store, 48)[0]
    if uuid.UUID(bytes_le=store[start:start + 16]) != AUTHENTICATED_STORE:
        raise ValueError("not a store of authenticated variables")
    end = start + struct.unpack_from("<I", store, start + 16)[0]
    at = start + 28
    while struct.unpack_from("<H", store, at)[0] == VARIABLE_START:
        name_size, data_size = struct.unpack_from("<II", store, at + 36)
        at += -(-(60 + name_size + data_size) // 4) * 4
    wide = (name + "\0").encode("utf-16-le")
    attributes = NON_VOLATILE | BOOT | RUNTIME | TIME_AUTHENTICATED
    # EFI_TIME: any valid one. Later updates must be newer, and this test makes none.
    when = struct.pack("<HBBBBBBIhBB", 2020, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    variable = struct.pack("<HBBIQ", VARIABLE_START, VARIABLE_ADDED, 0, attributes, 0) + when + \
        struct.pack("<III", 0, len(wide), len(data)) + vendor.bytes_le + wide + data
    variable += b"\xff" * (-len(variable) % 4)
    if at + len(variable) > end:
        raise ValueError(f"no room for {name} in the variable store")
    return store[:at] + variable + store[at + len(variable):]
