"""Archives and wrappings, by the real programs and by Python, also such as nobody would make in good faith."""

import io
import subprocess
import tarfile
import zipfile

import requirement


def through(*argv, data, **options):
    """What the program makes of `data`, which comes through a pipe as backup scripts do it."""
    argv = [requirement.need(argv[0]), *argv[1:]]
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True, timeout=120, **options).stdout


def tar(*files, **how):
    """Of (name, bytes) or a ready TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **how) as archive:
        for file in files:
            info, data = (file, b"") if isinstance(file, tarfile.TarInfo) else (tarfile.TarInfo(file[0]), file[1])
            if data:
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(name, kind, target="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for key, value in more.items():
        setattr(info, key, value)
    return info


class Unseekable(io.RawIOBase):
    """Makes zipfile write lengths behind the data, as Go's archive/zip always does."""

    def __init__(self):
        super().__init__()
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += data
        return len(data)


def zipped(*files, streamed=False, method=zipfile.ZIP_DEFLATED):
    out = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return bytes(out.bytes) if streamed else out.getvalue()
