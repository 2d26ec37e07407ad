"""The program as it is asked of an SFTP server."""

import itertools
import json

NUMBERS = itertools.count()


class Rescue:
    """The program at one server: .fetch(path) .list(path) .fails(path), options by name; `secret` goes into a file."""

    def __init__(self, run, program, work, server, **defaults):
        self.run, self.program, self.work, self.server, self.defaults = run, program, work, server, defaults
        self.said = ""

    def call(self, verb, url, *more, secret=None, **settings):
        options = {**self.defaults, **settings}
        if secret is not None:
            file = self.work / f"secret-{next(NUMBERS)}"
            file.write_text(secret + "\n")
            file.chmod(0o600)
            options["secret_file"] = file
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
        done = self.run(self.program, verb, "--json", "--verbose", *words, *more, url, timeout=600)
        self.said = done.stdout + done.stderr
        assert "CANARY" not in self.said
        return done

    def url(self, path):
        return path if path.startswith("sftp:") else f"{self.server.url}/{path}"

    def fetch(self, path="snapshot.db", **settings):
        target = self.work / f"fetched-{next(NUMBERS)}"
        done = self.call("fetch", self.url(path), "-o", target, **settings)
        assert done.returncode == 0, done.stderr
        return target.read_bytes()

    def list(self, path="", **settings):
        done = self.call("list", self.url(path), "--all", **settings)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert found, done.stderr
        return {one["name"]: one for one in found}

    def fails(self, path="snapshot.db", verb="fetch", **settings):
        """The one line of the error."""
        more = ["-o", self.work / "never"] if verb == "fetch" else []
        done = self.call(verb, self.url(path), *more, **settings)
        assert done.returncode not in (0, 2) and not (self.work / "never").exists(), done.stderr
        errors = [json.loads(line) for line in done.stderr.splitlines() if '"event":"error"' in line]
        assert len(errors) == 1, done.stderr
        assert "\n" not in errors[0]["text"]
        return errors[0]["text"]
