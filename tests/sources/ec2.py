"""EC2 as far as a volume out of a snapshot needs it, with what a mock that is done at once does not have: states that take
their time, answers that get lost, refusals, and the signature of every request looked at.

	with Ec2(keys=("AKIA..", "secret", None)) as ec2:
	    snap = ec2.snapshot(volume="vol-0b", tags={"a": "b"})
	    run(program, ..., env={"AWS_ENDPOINT_URL_EC2": ec2.endpoint, ...})

Every request has a number from 1; `faults[n]`, or faults["CreateVolume"] for the first of that action, is one of
    "lost"      not carried out, the connection is closed
    "unheard"   carried out, the answer is lost
    "hang"      carried out, and no answer for ever
    a code      refused with it ("UnauthorizedOperation"); (code, status), (code, status, times) where it matters
States change as they are looked at: a volume is `creating` for `slowness` looks, then `available`, and so on.
"""

import datetime
import hashlib
import hmac
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

GIB = 1 << 30


class Refusal(Exception):
    def __init__(self, code, message="no", status=400):
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, date, region, service, canonical, stamp):
    scope = f"{date}/{region}/{service}/aws4_request"
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac256(key, part)
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac256(key, text).hex()


def as_pattern(value):
    """A filter's value: * and ? are wild, behind a backslash they are themselves."""
    parts = re.findall(r"\\.|.", value, re.S)
    return "".join(".*" if p == "*" else "." if p == "?" else re.escape(p[-1]) for p in parts)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that was killed is what many tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        ec2 = self.server.ec2
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        with ec2.lock:
            ec2.requests.append(form)
            fault = ec2.faults.pop(len(ec2.requests), None) or ec2.take_fault(form["Action"])
            ec2.last = time.monotonic()
            if ec2.on_request:
                ec2.on_request(len(ec2.requests), form)
            if fault == "lost":
                return self.drop()
            try:
                self.check(body)
                if fault and fault not in ("unheard", "hang"):
                    code, status = fault if isinstance(fault, tuple) else (fault, 400)
                    raise Refusal(code, f"{code} was asked for by the test", status)
                answer, status = getattr(ec2, form["Action"])(form), 200
            except Refusal as refusal:
                status = refusal.status
                answer = (f"<Response><Errors><Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
                          "</Error></Errors><RequestID>r</RequestID></Response>")
        if fault == "unheard":
            return self.drop()
        if fault == "hang":
            time.sleep(600)
        data = ('<?xml version="1.0" encoding="UTF-8"?>\n' + answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        return None

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.ec2.skew)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def check(self, body):
        """The signature, as AWS verifies it."""
        ec2 = self.server.ec2
        access, secret, token = ec2.keys
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, ?"
                             r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)", self.headers.get("Authorization", ""))
        if not found:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        key, date, region, service, names, given = found.groups()
        if key != access:
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if token and self.headers.get("X-Amz-Security-Token") != token:
            raise Refusal("RequestExpired", "Request has expired.")
        stamp = self.headers["X-Amz-Date"]
        signed_at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(signed_at - time.time() - ec2.skew) > 300:
            raise Refusal("RequestExpired", "Request has expired.")
        names = names.split(";")
        if not {"host", "x-amz-date"} <= set(names) or token and "x-amz-security-token" not in names:
            raise Refusal("SignatureDoesNotMatch", "too few headers are signed", 403)
        headers = "".join(f"{n}:{' '.join(self.headers[n].split())}\n" for n in names)
        canonical = "\n".join(["POST", self.path, "", headers, ";".join(names), hashlib.sha256(body).hexdigest()])
        if region != ec2.region or service != "ec2" or \
                signature(secret, date, region, service, canonical, stamp) != given:
            raise Refusal("SignatureDoesNotMatch", "The request signature we calculated does not match", 403)


class Ec2:
    def __init__(self, keys, region="eu-central-1", instance="i-0aaaabbbbccccdddd", zone="eu-central-1a",
                 address="127.0.0.1", port=0):
        self.keys, self.region, self.instance, self.zone = keys, region, instance, zone
        self.lock = threading.RLock()
        self.requests, self.faults = [], {}
        self.volumes, self.snapshots, self.tokens = {}, {}, {}
        self.slowness = 1
        self.late = 0           # looks by id until a new volume is known everywhere
        self.reserved = set()   # device names in use that no volume shows
        self.skew = 0
        self.page = 0           # at most so many on a page; 0: what is asked for
        self.plug = self.unplug = None   # called with the volume when it is attached, detached
        self.on_request, self.last = None, 0
        self.deleted = []
        self.server = Server((address, port), Handler)
        self.server.ec2 = self
        self.endpoint = f"http://{address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    # What a test puts there and looks at

    def snapshot(self, name=None, volume="vol-0ffffffffffffffff", state="completed", started="2026-11-20T18:00:30.000Z",
                 size=1, tags=None, owner="self", progress="100%"):
        name = name or f"snap-{len(self.snapshots) + 1:017x}"
        self.snapshots[name] = {"snapshotId": name, "volumeId": volume, "status": state, "startTime": started,
                                "volumeSize": size, "progress": progress, "ownerId": owner, "tags": dict(tags or {})}
        return name

    def volume(self, name=None, tags=None, attached=None, state=None, snapshot="", zone=None):
        """attached: (instance, device)."""
        name = name or f"vol-{len(self.volumes) + len(self.deleted) + 1:017x}"
        self.volumes[name] = {"volumeId": name, "size": 1, "snapshotId": snapshot, "availabilityZone": zone or self.zone,
                              "status": state or ("in-use" if attached else "available"), "tags": dict(tags or {}),
                              "at": dict(zip(("instanceId", "device"), attached), status="attached") if attached else None,
                              "looks": 0, "hidden": 0, "plugged": False}
        return name

    def ours(self):
        return {name: v for name, v in self.volumes.items() if "etcd-rescue" in v["tags"]}

    def actions(self):
        return [form["Action"] for form in self.requests]

    def take_fault(self, action):
        fault = self.faults.get(action)
        if isinstance(fault, tuple) and len(fault) == 3:
            code, status, times = fault
            self.faults[action] = (code, status, times - 1)
            if times <= 1:
                del self.faults[action]
            return code, status
        return self.faults.pop(action, None)

    # States that take their time

    def age(self, v):
        """The volume is looked at."""
        v["looks"] += 1
        if v["looks"] <= self.slowness:
            return
        at = v["at"]
        if v["status"] == "creating":
            v["status"] = v.get("becomes", "available")
            if v["status"] == "gone":
                del self.volumes[v["volumeId"]]
        elif at and at["status"] == "attaching":
            at["status"] = "attached"
            if self.plug:
                self.plug(v)
                v["plugged"] = True
        elif at and at["status"] == "detaching":
            v["at"], v["status"] = None, "available"
        else:
            return
        v["looks"] = 0

    def find(self, form):
        v = self.volumes.get(form["VolumeId"])
        if not v or v["hidden"]:
            raise Refusal("InvalidVolume.NotFound", f"The volume '{form['VolumeId']}' does not exist.")
        return v

    # The actions

    def listed(self, form, things, key, response, name, show):
        filters = {}
        for n in range(1, 100):
            if f"Filter.{n}.Name" not in form:
                break
            filters[form[f"Filter.{n}.Name"]] = [v for k, v in form.items() if k.startswith(f"Filter.{n}.Value.")]
        asked = [v for k, v in form.items() if re.fullmatch(r"(Snapshot|Volume)Id\.\d+", k)]
        for one in asked:
            if one not in things or things[one].get("hidden"):
                kind = "Snapshot" if key == "snapshotId" else "Volume"
                raise Refusal(f"Invalid{kind}.NotFound", f"The {kind.lower()} '{one}' does not exist.")

        def value(thing, field):
            if field.startswith("tag:"):
                return thing["tags"].get(field[4:])
            at = thing.get("at") or {}
            return {"volume-id": thing.get("volumeId"), "status": thing["status"],
                    "attachment.instance-id": at.get("instanceId")}[field]

        def fits(thing):
            return all(value(thing, field) is not None and any(re.fullmatch(as_pattern(v), value(thing, field), re.S)
                                                               for v in values) for field, values in filters.items())
        every = [t for t in things.values() if (not asked or t[key] in asked) and fits(t) and not t.get("hidden")]
        if form.get("Owner.1") == "self":
            every = [t for t in every if t["ownerId"] == "self"]
        if asked and "MaxResults" in form:
            raise Refusal("InvalidParameterCombination", "MaxResults and ids do not go together")
        first = int(form.get("NextToken", "0"))
        size = min(int(form.get("MaxResults", len(every) or 1)), self.page or 1000)
        more = f"<nextToken>{first + size}</nextToken>" if first + size < len(every) else ""
        items = "".join(f"<item>{show(t)}</item>" for t in every[first:first + size])
        return f'<{response} xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><{name}>{items}</{name}>{more}</{response}>'

    @staticmethod
    def fields(thing, *names):
        return "".join(f"<{n}>{escape(str(thing[n]))}</{n}>" for n in names) + "<tagSet>" + "".join(
            f"<item><key>{escape(k)}</key><value>{escape(v)}</value></item>" for k, v in thing["tags"].items()) + "</tagSet>"

    def show_volume(self, v):
        self.age(v)
        at = v["at"]
        where = f"<item><volumeId>{v['volumeId']}</volumeId>" + "".join(
            f"<{k}>{x}</{k}>" for k, x in at.items()) + "</item>" if at else ""
        return self.fields(v, "volumeId", "size", "snapshotId", "availabilityZone", "status") + \
            f"<attachmentSet>{where}</attachmentSet>"

    def DescribeSnapshots(self, form):
        return self.listed(form, self.snapshots, "snapshotId", "DescribeSnapshotsResponse", "snapshotSet", lambda s: self.fields(
            s, "snapshotId", "volumeId", "status", "startTime", "progress", "volumeSize"))

    def DescribeVolumes(self, form):
        for v in list(self.volumes.values()):
            v["hidden"] -= v["hidden"] > 0
            if v["status"] == "creating" and v.get("becomes") == "gone":
                self.age(v)
        return self.listed(form, self.volumes, "volumeId", "DescribeVolumesResponse", "volumeSet", self.show_volume)

    def CreateVolume(self, form):
        if form["SnapshotId"] not in self.snapshots:
            raise Refusal("InvalidSnapshot.NotFound", f"The snapshot '{form['SnapshotId']}' does not exist.")
        if form["AvailabilityZone"] != self.zone:
            raise Refusal("InvalidZone.NotFound", "no such zone")
        if form["VolumeType"] == "gp2" and "Iops" in form:
            raise Refusal("InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes.")
        name = self.tokens.get(form["ClientToken"])
        if not name:
            tags = {form[f"TagSpecification.1.Tag.{n}.Key"]: form[f"TagSpecification.1.Tag.{n}.Value"]
                    for n in range(1, 50) if f"TagSpecification.1.Tag.{n}.Key" in form}
            name = self.volume(tags=tags, state="creating", snapshot=form["SnapshotId"])
            self.volumes[name].update(hidden=self.late, type=form["VolumeType"], iops=form.get("Iops"))
            if getattr(self, "becomes", None):
                self.volumes[name]["becomes"] = self.becomes
            self.tokens[form["ClientToken"]] = name
        return f"<CreateVolumeResponse><volumeId>{name}</volumeId><status>creating</status></CreateVolumeResponse>"

    def AttachVolume(self, form):
        v = self.find(form)
        if v["at"]:
            raise Refusal("VolumeInUse", f"{v['volumeId']} is already attached to an instance")
        if v["status"] != "available":
            raise Refusal("IncorrectState", f"Volume '{v['volumeId']}' is not 'available'.")
        taken = {o["at"]["device"] for o in self.volumes.values() if o["at"] and o["at"]["instanceId"] == form["InstanceId"]}
        if form["Device"] in taken | self.reserved:
            raise Refusal("InvalidParameterValue", f"Invalid value '{form['Device']}' for unixDevice. Attachment point "
                          f"{form['Device']} is already in use")
        v["at"] = {"instanceId": form["InstanceId"], "device": form["Device"], "status": "attaching"}
        v.update(status="in-use", looks=0)
        return "<AttachVolumeResponse><status>attaching</status></AttachVolumeResponse>"

    def DetachVolume(self, form):
        v = self.find(form)
        if not v["at"] or v["at"]["instanceId"] != form["InstanceId"]:
            raise Refusal("IncorrectState", f"Volume '{v['volumeId']}' is in the '{v['status']}' state.")
        if v["at"]["status"] == "attaching":
            raise Refusal("IncorrectState", f"Volume '{v['volumeId']}' is still being attached.")
        if v["at"]["device"] != form["Device"]:
            raise Refusal("InvalidAttachment.NotFound", "no such attachment")
        v["at"]["status"] = "detaching"
        v["looks"] = 0
        if self.unplug and v["plugged"]:
            self.unplug(v)
            v["plugged"] = False
        return "<DetachVolumeResponse><status>detaching</status></DetachVolumeResponse>"

    def DeleteVolume(self, form):
        v = self.find(form)
        if v["at"]:
            raise Refusal("VolumeInUse", f"Volume {v['volumeId']} is currently attached")
        if v["status"] not in ("available", "error"):
            raise Refusal("IncorrectState", f"Volume {v['volumeId']} is {v['status']}")
        self.deleted.append(v["volumeId"])
        del self.volumes[v["volumeId"]]
        return "<DeleteVolumeResponse><return>true</return></DeleteVolumeResponse>"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
