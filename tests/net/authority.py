"""A throw-away certificate authority, and an HTTPS server with a certificate of it."""

import http.server
import ssl
import subprocess
import threading


def make(work, name, addresses="IP:127.0.0.1,DNS:localhost"):
    """work/NAME.pem is the authority, work/NAME-server.pem the server's key and certificate."""
    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)
    ca, key = work / f"{name}.pem", work / f"{name}.key"
    server, request, own = work / f"{name}-server.pem", work / f"{name}.csr", work / f"{name}-server.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", key, "-out", ca, "-days", "30", "-subj", f"/CN={name} authority",
            "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", *curve, "-keyout", own, "-out", request, "-subj", f"/CN={name} server")
    (work / f"{name}.ext").write_text(f"subjectAltName={addresses}\n")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", "20", "-out", server,
            "-extfile", work / f"{name}.ext")
    server.write_bytes(server.read_bytes() + own.read_bytes())
    return ca.read_bytes()


class Server:
    """answer(handler) writes the answer to one request; all requests are kept as "METHOD path"."""

    def __init__(self, answer, certificate=None, host="127.0.0.1"):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                requests.append(f"{self.command} {self.path}")
                answer(self)

            do_GET = do_HEAD = do_CONNECT = respond

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def say(handler, body=b"", status=200, **headers):
    """A whole answer; a header's underscores become dashes."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), str(value))
    if "Content_Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
