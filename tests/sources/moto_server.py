"""moto: EC2 (with EBS direct), S3 and STS in one process. It takes any signature."""

import requirement

from sources.s3 import S3
from sources.servers import Process, fetch, free_port


class Moto(S3):
    """The server of class S3 with every service of moto behind the same endpoint; .reset() forgets all, .close()."""

    def __init__(self, work):
        program = requirement.need("moto_server-5.1")
        port = free_port()
        super().__init__("moto", f"http://127.0.0.1:{port}", "MOTOTESTACCESSKEY", "moto/test+secret=key", "us-east-1")
        environment = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "PATH": "/usr/bin:/bin", "HOME": str(work)}
        self._process = Process([program, "-H", "127.0.0.1", "-p", port], work / "moto.log", env=environment, cwd=work)
        self._process.wait_for_port(port)

    def reset(self):
        fetch(self.endpoint + "/moto-api/reset", b"")

    def close(self):
        self._process.close()
