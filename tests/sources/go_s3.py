"""versitygw: an S3 server in Go over a plain directory; built, so there only where Go's module proxy is."""

import requirement

from sources.nginx import Nginx
from sources.s3 import S3
from sources.servers import Process, free_port

FRONT = """location / {{
    proxy_pass {endpoint};
    proxy_set_header Host $http_host;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
}}"""


class GoS3(S3):
    """The server of class S3, and .close()."""

    def __init__(self, work, certificates):
        program = requirement.need("versitygw-1.8")
        port = free_port()
        super().__init__("versitygw", f"http://localhost:{port}", "GOTESTACCESSKEY", "go/test+secret=key", "eu-test-1")
        for name in ("objects", "sidecar", "versions"):
            (work / name).mkdir()
        # What the objects are is kept in files of its own: not every file system here has attributes.
        self._process = Process(
            [program, "--access", self.access, "--secret", self.secret, "--region", self.region, "--port",
             f"127.0.0.1:{port}", "--quiet", "posix", "--sidecar", work / "sidecar", "--versioning-dir", work / "versions",
             work / "objects"], work / "versitygw.log")
        self._process.wait_for_port(port)
        self._front = Nginx(work, work / "front", certificates, FRONT.format(endpoint=self.endpoint))
        self.tls_endpoint, self.ca = self._front.url, self._front.ca

    def close(self):
        self._front.close()
        self._process.close()
