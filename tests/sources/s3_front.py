"""A front before an S3 server of the tests, which says what other servers say: one function decides each answer.

    with Front(server, lambda request: None) as front: ...        passes everything on
    None              passed on as it is
    (status, code)    an error of S3; a third element are its further elements, a fourth its headers
    bytes             a page with status 200
"""

import datetime
import email.utils
import http.client
import http.server
import ssl
import threading
import urllib.parse

PASSED = ("authorization", "range", "if-match", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "host")


class Asked:
    """One request: .method .target .path .query {name: value} .headers (lower case)"""

    def __init__(self, handler):
        self.method, self.target = handler.command, handler.path
        parts = urllib.parse.urlsplit(handler.path)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    @property
    def lists(self):
        return "prefix" in self.query

    @property
    def access(self):
        """The access key that signed it."""
        return self.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]

    @property
    def region(self):
        return (self.headers.get("authorization", "").partition("Credential=")[2].split("/") + [""] * 3)[2]


def error(code, more="", message=""):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}'
            "<RequestId>1</RequestId></Error>").encode()


class Front:
    """.endpoint .asked (every request) .target(asked): what the server is asked instead; .date: added to its Date"""

    def __init__(self, server, decide=lambda asked: None, certificate=None):
        self.asked, self.server, self.decide = [], server, decide
        self.target = lambda asked: asked.target
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked = Asked(self)
                front.asked.append(asked)
                verdict = front.decide(asked)
                if verdict is None:
                    verdict = front.pass_on(asked)
                if isinstance(verdict, bytes):
                    verdict = (200, verdict)
                status, body, *rest = verdict
                if isinstance(body, str):
                    body = error(body, *rest[:1])
                self.send_response_only(status)
                headers = rest[1] if len(rest) > 1 else {}
                for name, value in {"Content-Type": "application/xml", "Date": self.date_time_string(), **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_CONNECT = do_GET

            def log_message(self, *_):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.endpoint = f"http{'s' if certificate else ''}://localhost:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def pass_on(self, asked):
        connection = http.client.HTTPConnection(self.server.host, timeout=60)
        headers = {name: value for name, value in asked.headers.items() if name in PASSED}
        connection.request("GET", self.target(asked), headers=headers)
        answer = connection.getresponse()
        body, kept = answer.read(), {}
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                kept[name] = value
        connection.close()
        return answer.status, body, "", kept

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Skewed(Front):
    """The server's own verdict on a clock that is `ahead` seconds before ours, and its Date on top."""

    def __init__(self, server, ahead):
        super().__init__(server)
        self.ahead, self.healed = ahead, False

    def pass_on(self, asked):
        if self.healed:
            return super().pass_on(asked)
        self.healed = True
        answer = self.server.request("GET", asked.path, asked.query, skew=-self.ahead)
        now = datetime.datetime.now(datetime.timezone.utc).timestamp()
        return answer.status, answer.body, "", {"Date": email.utils.formatdate(now + self.ahead, usegmt=True)}
