"""The program as it is asked of a web server."""

import json

CANARY = "CANARYcanary0-secret-CANARY"


class Web:
    """The program: .list(url) and .fetch(url) as JSON, .fails(url) the one line of error; all that was said is looked through."""

    def __init__(self, run, program, work):
        self.run, self.program, self.work, self.n = run, program, work, 0

    def call(self, verb, url, *options, env=None):
        done = self.run(self.program, verb, "--json", "--verbose", *options, url, env=env)
        assert CANARY not in done.stdout + done.stderr
        self.warnings = [event["text"] for event in map(json.loads, done.stderr.splitlines()) if event["event"] == "warning"]
        return done

    def list(self, url, *options, **more):
        done = self.call("list", url, "--all", *options, **more)
        assert done.returncode == 0, done.stderr
        return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}

    def fetch(self, url, *options, **more):
        self.n += 1
        to = self.work / f"out-{self.n}"
        done = self.call("fetch", url, "-o", to, *options, **more)
        assert done.returncode == 0, done.stderr
        return to.read_bytes()

    def fails(self, url, *options, verb="list", **more):
        options = [*options, "-o", self.work / "never"] if verb == "fetch" else options
        done = self.call(verb, url, *options, **more)
        errors = [event["text"] for event in map(json.loads, done.stderr.splitlines()) if event["event"] == "error"]
        assert done.returncode in (1, 2) and not done.stdout and len(errors) == 1 and "\n" not in errors[0], done.stderr
        assert not (self.work / "never").exists()
        return errors[0]

    def secret(self, text=CANARY):
        path = self.work / "secret"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path
