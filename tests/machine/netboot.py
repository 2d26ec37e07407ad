"""What a network boot needs on the other side: a web server. DHCP and TFTP are QEMU's own (-netdev user).

The guest reaches our loopback as 10.0.2.2, so nothing listens on a real interface.
"""

import contextlib
import functools
import http.server
import threading

HOST_SEEN_BY_GUEST = "10.0.2.2"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"       # firmware wants a Content-Length and keeps the connection
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".efi": "application/efi"}

    def log_message(self, *_):
        pass

    def log_request(self, code="-", size="-"):
        self.server.requests.append((self.command, self.path, int(code)))


@contextlib.contextmanager
def web_server(directory):
    """Serves a directory on loopback; .url is how the guest names it, .requests what was asked for."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(directory)))
    server.requests = []
    server.url = f"http://{HOST_SEEN_BY_GUEST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
