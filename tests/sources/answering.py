"""Small servers and proxies of the tests' own, which answer as they are told."""

import contextlib
import http.server
import socket
import ssl
import threading
import urllib.parse


@contextlib.contextmanager
def answering(handler, tls=None, want_certificate=None):
    """A small server of the test's own: handler(request) answers; what came is kept in .seen."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            server.seen.append((self.path, dict(self.headers)))
            status, headers, body = handler(self)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        if want_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(want_certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.url = f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def proxy(answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
    """CONNECT or a whole address; .asked holds first lines. Another answer than 200 is all it says."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve(client):
        with client, contextlib.suppress(OSError, ValueError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(4096)
                if not piece:
                    return
                head += piece
            asked.append(head.decode())
            method, target, _ = head.split(b"\r\n")[0].decode().split()
            if not answer.startswith(b"HTTP/1.1 200"):
                client.sendall(answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
                return
            parts = urllib.parse.urlsplit(target if method != "CONNECT" else "//" + target)
            with socket.create_connection((parts.hostname, parts.port)) as server:
                if method == "CONNECT":
                    client.sendall(answer)
                else:
                    server.sendall(head.replace(target.encode(), (parts.path or "/").encode(), 1))
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def proxy_that_refuses():
    """Answers everything with 407."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n"
                                 b"Connection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
