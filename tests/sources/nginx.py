"""nginx and Apache on a free port, each serving one directory."""

import requirement

from sources.servers import Process, free_port

NGINX = """
daemon off;
{processes}
pid {work}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log {work}/access.log;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    default_type application/octet-stream;
    sendfile on;
    client_max_body_size 0;
    {http}
    server {{
        listen 127.0.0.1:{port}{tls};
        server_name localhost;
        root {root};
        {certificate}
        {conf}
    }}
}}
"""

APACHE = """
ServerRoot {work}
ServerName localhost
PidFile {work}/apache.pid
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule autoindex_module {modules}/mod_autoindex.so
ErrorLog {work}/error.log
DocumentRoot {root}
<Directory {root}>
    Require all granted
    Options +Indexes
    {conf}
</Directory>
"""


class Nginx:
    """.url ends without a slash; .ca is a file, or None without TLS; .requests() are the lines of its access log."""

    def __init__(self, root, work, certificates=None, conf="", http="", workers=0):
        program = requirement.need("nginx-1.26")
        work.mkdir(parents=True, exist_ok=True)
        self.port, self._work = free_port(), work
        self.ca = certificates.ca if certificates else None
        self.url = f"{'https' if certificates else 'http'}://localhost:{self.port}"
        certificate = ""
        if certificates:
            certificate = f"ssl_certificate {certificates.certificate}; ssl_certificate_key {certificates.key};"
        # Alone it stays the user it was started as; with workers these would be another one.
        processes = f"user root; worker_processes {workers};" if workers else "master_process off;"
        (work / "nginx.conf").write_text(NGINX.format(
            work=work, root=root, port=self.port, conf=conf, http=http, processes=processes, certificate=certificate,
            tls=" ssl" if certificates else ""))
        self._process = Process([program, "-e", "stderr", "-p", work, "-c", work / "nginx.conf"], work / "nginx.log")
        self.pid = self._process.pid
        self._process.wait_for_port(self.port)

    def requests(self):
        return (self._work / "access.log").read_text().splitlines()

    def close(self):
        self._process.close()


class Apache:
    """.url ends without a slash. For its index pages: what else it can do is tested with nginx."""

    def __init__(self, root, work, conf=""):
        program = requirement.need("apache2-2.4")
        modules = program.resolve().parent / "root/usr/lib/apache2/modules"
        work.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        (work / "apache.conf").write_text(
            APACHE.format(work=work, root=root, port=self.port, conf=conf, modules=modules))
        # -X: one process, which stays the user it was started as.
        self._process = Process([program, "-X", "-f", work / "apache.conf"], work / "apache.log")
        self._process.wait_for_port(self.port)

    def close(self):
        self._process.close()
