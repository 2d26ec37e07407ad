"""A scratch copy of the build scripts with two small inputs, and a Debian mirror on loopback to fetch them from."""

import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
SCRIPTS = ("build.sh", "CHANGELOG.md", "config/host", "config/arch")
PATCH = """--- a/hello
+++ b/hello
@@ -1 +1 @@
-upstream
+upstream, patched {number}
"""
RECIPE = """# shellcheck shell=sh
after='{after}'
recipe() {{
	grep -q 'patched' "$src/hello"
	printf '%s\\n' {name} >>"$top/built"
	install -m 644 "$src/hello" "$sys/lib/{name}"
}}
"""


def tarball(files, kind):
    """Bytes of a tar archive that are the same every time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    tool = {"gz": ["gzip", "-n"], "xz": ["xz"]}[kind]
    return subprocess.run(tool, input=out.getvalue(), capture_output=True, check=True).stdout


def upstream(name):
    return tarball({f"{name}-1.0/hello": "upstream\n"}, "gz")


def patches(name, number):
    return tarball({"debian/changelog": f"{name} (1.0-{number})\n", "debian/patches/series": "one.patch # why\n",
                    "debian/patches/one.patch": PATCH.format(number=number)}, "xz")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Mirror:
    """Files by their path below the site. `cut` closes the connection after so many bytes, once for each path."""

    def __init__(self):
        self.files, self.cut, self.asked = {}, {}, []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                path = self.path.replace("%7e", "~").replace("%2b", "+").removeprefix("/debian/")
                start = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0]
                mirror.asked.append((path, int(start)))
                data = mirror.files.get(path)
                if data is None:
                    self.send_error(404, "Not Found")
                    return
                start = min(int(start), len(data))
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                limit = mirror.cut.pop(path, None)
                try:
                    self.wfile.write(data[start:] if limit is None else data[start:start + limit])
                except ConnectionError:
                    pass  # the other side has given up, which may be what is tested
                if limit is not None:
                    self.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/debian"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def offer(self, pool, name, data):
        """A file of the pool: offer("main/musl", ...) is pool/main/m/musl/..."""
        component, source = pool.split("/")
        self.files[f"pool/{component}/{source[0]}/{source}/{name}"] = data

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Index:
    """Signs the mirror's index of suite trixie with a key made for it, as Debian's archive does with its own."""

    def __init__(self, home, mirror):
        self.home, self.mirror = home, mirror
        home.mkdir(mode=0o700)
        self.gpg("--passphrase", "", "--quick-generate-key", "archive", "ed25519", "sign", "never")
        self.keyring = home / "archive.gpg"
        self.keyring.write_bytes(self.gpg("--export"))

    def gpg(self, *arguments, data=b""):
        # With a home of its own, and no agent of the user's.
        done = subprocess.run(["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback",
                               *arguments], input=data, capture_output=True, check=True)
        return done.stdout

    def publish(self, name, version, files):
        """The one source package that the index lists."""
        sums = "".join(f" {sha256(data)} {len(data)} {file}\n" for file, data in files.items())
        sources = f"Package: {name}\nBinary: {name}\nVersion: {version}\nFormat: 3.0 (quilt)\n" \
            f"Directory: pool/main/{name[0]}/{name}\nChecksums-Sha256:\n{sums}\n".encode()
        index = {"main/source/Sources": sources, "main/binary-amd64/Packages": b"",
                 "non-free-firmware/source/Sources": b"", "non-free-firmware/binary-amd64/Packages": b""}
        release = "Origin: Debian\nSuite: stable\nCodename: trixie\nDate: Sun, 01 Nov 2026 00:00:00 UTC\n" \
            "Architectures: amd64\nComponents: main non-free-firmware\nSHA256:\n"
        for path, data in index.items():
            release += f" {sha256(data)} {len(data)} {path}\n"
            self.mirror.files[f"dists/trixie/{path}"] = data
        self.mirror.files["dists/trixie/InRelease"] = self.gpg("--clearsign", data=release.encode())
        for file, data in files.items():
            self.mirror.offer(f"main/{name}", file, data)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], check=False, capture_output=True)


class Tree:
    """The scratch copy: what is pinned, and the build run in it."""

    def __init__(self, path, mirror):
        self.path, self.mirror = path, mirror
        for name in SCRIPTS:
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (TOP / name).is_dir() else shutil.copy)(TOP / name, target)
        (path / "initramfs").mkdir()
        for script in (TOP / "initramfs").glob("*.sh"):
            shutil.copy(script, path / "initramfs")
        (path / "config" / "deps").mkdir()
        self.pins = ["epoch 1793491200 - -"]
        for name, after in (("musl", ""), ("zlib", "musl")):
            self.recipe(name, after)
            self.pin(name, "1.0-1", {f"{name}_1.0.orig.tar.gz": upstream(name),
                                     f"{name}_1.0-1.debian.tar.xz": patches(name, 1)})

    def recipe(self, name, after="", text=RECIPE):
        (self.path / "config" / "deps" / f"{name}.sh").write_text(text.format(name=name, after=after))

    def pin(self, name, version, files, offer=True):
        """One more stanza of config/versions; its files are on the mirror unless offer is false."""
        self.pins.append(f"{name} {version} main/{name} MIT")
        for file, data in files.items():
            self.pins.append(f"\t{sha256(data)} {file}")
            if offer:
                self.mirror.offer(f"main/{name}", file, data)
        (self.path / "config" / "versions").write_text("\n".join(self.pins) + "\n")

    def environment(self, **more):
        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
        return keep | {"ETCD_RESCUE_MIRROR": self.mirror.url, "ETCD_RESCUE_NO_INSTALL": "1", "no_proxy": "*"} | more

    def run(self, *command, prefix=(), **more):
        return subprocess.run([*prefix, *command], cwd=self.path, env=self.environment(**more), timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def build(self, *arguments, **more):
        return self.run("./build.sh", *arguments, **more)

    def built(self):
        """Names of the recipes run so far, in order."""
        log = self.path / "built"
        return log.read_text().split() if log.exists() else []

    def left(self):
        """Whatever a failed build must not leave: anything in out/, a stage, a file in the cache under a wrong sum."""
        found = [p for p in (self.path / "out").rglob("*") if p.is_file()]
        found += (self.path / "build").glob("stage.*")
        for file in (self.path / "build" / "cache" / "sha256").glob("*"):
            if sha256(file.read_bytes()) != file.name:
                found.append(file)
        return found
