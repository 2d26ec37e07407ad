"""An HTTP server whose every answer has a Date, and for GET the content of FILE: PORT [CERTIFICATE [FILE]]; "" is none."""

import http.server
import ssl
import sys
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        body = self.server.content
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def main(port, certificate=None, file=None):
    server = http.server.ThreadingHTTPServer(("", int(port)), Handler)
    server.content = Path(file).read_bytes() if file else None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


main(*sys.argv[1:])
