"""An object of an S3 server to a verified, staged file: etcd-rescue fetch beside libcurl, dd and other S3 clients.

    sources.py [SNAPSHOT] [--size MIB] [--program PATH] [--runs N] [--only WORD] [--skip-others]

In one run, alternating: libcurl is curl with as many connections, each taking its share to /dev/null; dd writes the same
bytes from the page cache to the file system of the result and syncs it; aws and mc are followed by a sync of what they
wrote. The server is versitygw with signatures; over loopback, over a cable between two network namespaces that is shaped
to 1 and 10 Gbit/s, and with a limit for each connection (nginx between); plain and over TLS. Marks: at least 0.9 times
the rate of the slower of libcurl and dd, ahead of the other clients, and never more than 64 MiB of memory.

Without a snapshot one of about --size MIB is made, which takes its time. Needs root for the namespaces; without, only the loopback is measured.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# In place of this directory, where the module `sources` would be this file.
sys.path[0] = str(TOP / "tests")

import requirement  # noqa: E402
from net import authority  # noqa: E402

MIB = 1 << 20
STREAMS = 4
ACCESS, SECRET, REGION = "BENCHACCESSKEY", "bench/secret+key", "us-east-1"
BUCKET, KEY = "backups", "snapshot.db"
SERVER, CLIENT = "10.213.0.1", "10.213.0.2"
PLAIN, TLS, LIMITED = 17070, 17443, 17080
PER_CONNECTION = 40 * 1000 * 1000
EFFECT = 0.9
MEMORY = 64


class Namespace:
    """A network of its own, kept by a process that does nothing."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
                                       stdout=subprocess.PIPE, text=True)
        if self.keeper.stdout.readline() != "up\n":
            self.close()
            raise OSError("network namespaces are not permitted here")

    def enter(self, argv):
        return ["nsenter", "--target", str(self.keeper.pid), "--net", *map(str, argv)]

    def run(self, *argv):
        subprocess.run(self.enter(argv), check=True, capture_output=True)

    def close(self):
        self.keeper.kill()
        self.keeper.wait()


class Here:
    """Where there are no namespaces: the machine's own loopback."""

    def enter(self, argv):
        return [str(word) for word in argv]

    def close(self):
        pass


class Network:
    """.server and .client, with a cable between them that can be shaped."""

    def __init__(self, stack):
        self.cable = False
        try:
            self.server, self.client = Namespace(), None
        except OSError as error:
            print(f"  skipped: shaped links: {error}")
            self.server = self.client = Here()
            return
        stack.callback(self.server.close)
        self.client = Namespace()
        stack.callback(self.client.close)
        self.server.run("ip", "link", "add", "bench0", "type", "veth", "peer", "name", "bench1", "netns",
                        str(self.client.keeper.pid))
        for side, card, address in ((self.server, "bench0", SERVER), (self.client, "bench1", CLIENT)):
            side.run("ip", "address", "add", f"{address}/24", "dev", card)
            side.run("ip", "link", "set", card, "up")
        self.cable = True

    def shape(self, gigabits):
        # The burst is what comes in 4 ms: less would not reach the rate with this clock.
        burst = gigabits * 500_000
        self.server.run("tc", "qdisc", "replace", "dev", "bench0", "root", "tbf", "rate", f"{gigabits}gbit", "burst",
                        str(burst), "latency", "20ms")


class Server:
    """versitygw without and with TLS, and nginx that slows each connection, all over the one file."""

    def __init__(self, stack, network, work, snapshot):
        program = requirement.need("versitygw-1.8")
        bucket = work / "objects" / BUCKET
        bucket.mkdir(parents=True)
        # No copy of the gigabytes; the server knows no more of it than its name.
        os.link(snapshot, bucket / KEY)
        authority.make(work, "bench", f"IP:{SERVER},IP:127.0.0.1")
        self.ca, certificate, key = work / "bench.pem", work / "bench-server.pem", work / "bench-server.key"
        options = ["--access", ACCESS, "--secret", SECRET, "--region", REGION, "--keep-alive", "--quiet"]
        for port, more in ((PLAIN, []), (TLS, ["--cert", certificate, "--key", key])):
            (work / f"side{port}").mkdir()
            self.start(stack, network, [program, *options, *more, "--port", f":{port}", "posix", "--sidecar",
                                        work / f"side{port}", "--default-etag", '"bench"', work / "objects"],
                       work / f"{port}.log")
        (work / "nginx").mkdir()
        (work / "nginx.conf").write_text(f"""
            daemon off; user root; worker_processes 2; pid {work}/nginx.pid; error_log stderr;
            events {{ worker_connections 256; }}
            http {{
                access_log off; proxy_temp_path {work}/nginx/p; client_body_temp_path {work}/nginx/b;
                fastcgi_temp_path {work}/nginx/f; uwsgi_temp_path {work}/nginx/u; scgi_temp_path {work}/nginx/s;
                server {{
                    listen {LIMITED}; client_max_body_size 0;
                    location / {{
                        proxy_pass http://127.0.0.1:{PLAIN}; proxy_set_header Host $http_host; proxy_http_version 1.1;
                        proxy_max_temp_file_size 0; limit_rate {PER_CONNECTION};
                    }}
                }}
            }}""")
        self.start(stack, network, [requirement.need("nginx-1.26"), "-e", "stderr", "-p", work, "-c", work / "nginx.conf"],
                   work / "nginx.log")
        for port in (PLAIN, TLS, LIMITED):
            self.wait(network, port)

    @staticmethod
    def start(stack, network, argv, log):
        with log.open("wb") as output:
            child = subprocess.Popen(network.server.enter(argv), stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        stack.callback(child.wait)
        stack.callback(child.terminate)

    @staticmethod
    def wait(network, port):
        deadline = time.monotonic() + 20
        probe = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"]
        while subprocess.run(network.server.enter(probe), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                sys.exit(f"sources.py: the server on port {port} does not start")
            time.sleep(0.1)


def measure(argv, env, limit=1800):
    """Wall time, processor time and peak memory of one command; the memory is that of its largest process."""
    with tempfile.TemporaryFile() as said:
        begin = time.monotonic()
        child = subprocess.Popen(argv, env=env, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        while not (pid := os.wait4(child.pid, os.WNOHANG))[0]:
            if time.monotonic() - begin > limit:
                child.kill()
            time.sleep(0.002)
        wall, (_, status, usage) = time.monotonic() - begin, pid
        child.returncode = status
        if status:
            said.seek(0)
            sys.exit(f"sources.py: {' '.join(map(str, argv))[:200]}: {said.read().decode(errors='replace')[-600:]}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * 1024}


class Bench:
    def __init__(self, options, snapshot, work, ca, others):
        self.options, self.snapshot, self.out, self.ca, self.others = options, snapshot, work / "out", ca, others
        self.size, self.missed = snapshot.stat().st_size, 0

    def curl(self, url):
        share = -(-self.size // STREAMS)
        argv = ["curl", "--parallel", "--parallel-immediate", "--parallel-max", STREAMS]
        for number in range(STREAMS):
            last = min((number + 1) * share, self.size) - 1
            argv += ["--next"] * bool(number)
            argv += ["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", self.ca, "--user", f"{ACCESS}:{SECRET}",
                     "--aws-sigv4", f"aws:amz:{REGION}:s3", "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--range", f"{number * share}-{last}", "--output", "/dev/null", url]
        return argv

    def commands(self, endpoint):
        url = f"s3://{BUCKET}/{KEY}"
        ours = [self.options.program, "fetch", "--quiet", "-o", self.out, "--endpoint", endpoint]
        if endpoint.startswith("https"):
            ours += ["--ca", self.ca]
        cases = {"etcd-rescue": [*ours, url],
                 "libcurl": self.curl(f"{endpoint}/{BUCKET}/{KEY}"),
                 "dd": ["dd", f"if={self.snapshot}", f"of={self.out}", "bs=4M", "conv=fsync", "status=none"]}
        synced = 'out=$1; shift; "$@" && exec sync "$out"'
        if "aws-2.23" in self.others:
            cases["aws s3 cp"] = ["sh", "-c", synced, "sh", self.out, self.others["aws-2.23"], "s3", "cp", "--quiet", url,
                                  self.out]
        if "mc-2025" in self.others:
            cases["mc cp"] = ["sh", "-c", synced, "sh", self.out, self.others["mc-2025"], "--quiet", "cp",
                              f"bench/{BUCKET}/{KEY}", self.out]
        return cases

    def check(self, what, value, good):
        self.missed += not good
        print(f"  {'met   ' if good else 'MISSED'} {what}: {value}", flush=True)

    def clean(self):
        shutil.rmtree(self.out) if self.out.is_dir() else self.out.unlink(missing_ok=True)

    def verify(self):
        """The staged file is the object, byte for byte."""
        subprocess.run(["cmp", self.out, self.snapshot], check=True)

    def run(self, title, side, endpoint, link=None):
        if self.options.only and self.options.only not in title:
            return
        scheme, host = endpoint.split("://")
        env = {"PATH": os.environ["PATH"], "HOME": str(self.out.parent), "LC_ALL": "C", "AWS_ACCESS_KEY_ID": ACCESS,
               "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": endpoint,
               "AWS_EC2_METADATA_DISABLED": "true", "AWS_CA_BUNDLE": str(self.ca), "SSL_CERT_FILE": str(self.ca),
               "MC_HOST_bench": f"{scheme}://{ACCESS}:{SECRET}@{host}"}
        print(f"{title}: {self.size / 1e6:.0f} MB, median of {self.options.runs} (range)", flush=True)
        cases, results = self.commands(endpoint), {}
        for number in range(self.options.runs):
            for name, argv in cases.items():
                results.setdefault(name, []).append(measure(side.enter(argv), env))
                if name == "etcd-rescue" and not number:
                    self.verify()
                self.clean()
        rates = {}
        for name, runs in results.items():
            speed = sorted(self.size / run["wall"] / 1e6 for run in runs)
            rates[name] = statistics.median(speed)
            print(f"  {name:12} {rates[name]:7.0f} MB/s ({speed[0]:.0f}-{speed[-1]:.0f})  "
                  f"cpu {statistics.median(run['cpu'] for run in runs):6.2f} s  "
                  f"rss {max(run['rss'] for run in runs) / MIB:6.1f} MiB", flush=True)
        ours, slower = rates["etcd-rescue"], min(("libcurl", "dd"), key=rates.get)
        self.check(f"beside {slower}", f"{ours / rates[slower]:.2f}x (mark {EFFECT}x)", ours >= EFFECT * rates[slower])
        if link:
            print(f"  {ours * 8 / 1000 / link:.0%} of the link")
        for name in ("aws s3 cp", "mc cp"):
            if name in rates:
                self.check(f"ahead of {name}", f"{ours / rates[name]:.2f}x", ours > rates[name])
        memory = max(run["rss"] for run in results["etcd-rescue"]) / MIB
        self.check("peak memory", f"{memory:.1f} MiB (mark {MEMORY} MiB)", memory <= MEMORY)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("snapshot", type=lambda path: Path(path).resolve(), nargs="?")
    parser.add_argument("--size", type=int, default=2048, metavar="MIB")
    parser.add_argument("--program", type=lambda path: Path(path).resolve(), default=TOP / "out" / "etcd-rescue")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="just the cases with this in their title")
    parser.add_argument("--skip-others", action="store_true")
    options = parser.parse_args()
    # Below build, as /tmp may be memory.
    work = Path(tempfile.mkdtemp(prefix="bench.", dir=options.snapshot.parent if options.snapshot else TOP / "build"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        snapshot = options.snapshot
        if not snapshot:
            snapshot = work / "made.db"
            fill = [sys.executable, TOP / "tests/bench/fill.py", requirement.need("etcd-3.5"), requirement.need("etcdctl-3.5"),
                    snapshot, "--keys", str(max(100, options.size * 88))]
            subprocess.run(fill, check=True)
        others = {} if options.skip_others else {name: path for name in ("aws-2.23", "mc-2025")
                                                 if (path := requirement.find(name))}
        network = Network(stack)
        server = Server(stack, network, work, snapshot)
        bench = Bench(options, snapshot, work, server.ca, others)
        plain, tls = f"http://127.0.0.1:{PLAIN}", f"https://127.0.0.1:{TLS}"
        bench.run("loopback", network.server, plain)
        bench.run("loopback with TLS", network.server, tls)
        bench.run(f"{PER_CONNECTION // 1000000} MB/s a connection", network.server, f"http://127.0.0.1:{LIMITED}")
        for gigabits in (1, 10) if network.cable else ():
            network.shape(gigabits)
            bench.run(f"{gigabits} Gbit/s", network.client, f"http://{SERVER}:{PLAIN}", gigabits)
            bench.run(f"{gigabits} Gbit/s with TLS", network.client, f"https://{SERVER}:{TLS}", gigabits)
    sys.exit(1 if bench.missed else 0)


if __name__ == "__main__":
    main()
