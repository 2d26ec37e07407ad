"""The program as it is asked of an S3 server, and buckets of snapshots to ask for."""

import itertools
import json

from sources import snapshots

NUMBERS = itertools.count()


class Rescue:
    """The program under test at one server: .list(url) .fetch(url) .fails(url), with options by name and env in capitals."""

    def __init__(self, run, program, work, server, **defaults):
        self.run, self.program, self.work, self.server, self.defaults = run, program, work, server, defaults
        self.said = ""

    def call(self, verb, url, *more, **settings):
        settings = {"endpoint": self.server.endpoint, **self.defaults, **settings}
        env = {"AWS_ACCESS_KEY_ID": self.server.access, "AWS_SECRET_ACCESS_KEY": self.server.secret,
               "AWS_REGION": self.server.region, "AWS_EC2_METADATA_DISABLED": "true"}
        env.update({name: settings.pop(name) for name in list(settings) if name.isupper() or name.endswith("proxy")})
        wrap = settings.pop("wrap", [])
        options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items() if value is not None]
        done = self.run(*wrap, self.program, verb, "--json", "--verbose", *options, *more, url,
                        env={name: value for name, value in env.items() if value is not None})
        self.said = done.stdout + done.stderr
        return done

    def list(self, url, **settings):
        """What lies there, in the order of the names; whether it makes a snapshot is not of interest here."""
        done = self.call("list", url, "--all", **settings)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert found, done.stderr
        return sorted(found, key=lambda one: one["name"])

    def names(self, url, **settings):
        return [found["name"] for found in self.list(url, **settings)]

    def fetch(self, url, **settings):
        """The bytes of the one object that the address names."""
        target = self.work / f"fetched-{next(NUMBERS)}"
        done = self.call("fetch", url, "-o", target, **settings)
        assert done.returncode == 0, done.stderr
        return target.read_bytes()

    def fails(self, url, verb="list", **settings):
        """Its one line of error."""
        more = ["-o", self.work / "not-fetched"] if verb == "fetch" else []
        done = self.call(verb, url, *more, **settings)
        assert done.returncode in (1, 2) and not done.stdout, done.stdout
        errors = [event for event in map(json.loads, done.stderr.splitlines()) if event["event"] == "error"]
        assert len(errors) == 1 and "\n" not in errors[0]["text"], done.stderr
        return errors[0]["text"]


def fill(server, keys):
    """A bucket with snapshots of these names, each with content of its own."""
    bucket = server.bucket()
    for key in keys:
        server.put(bucket, key, content(key))
    return bucket


def content(key):
    return snapshots.make(1, key)
