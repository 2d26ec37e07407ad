"""Every way to keys of AWS against a server that verifies signatures; and that no secret of any of them is ever shown."""

import html
import json
import secrets
import shutil
import time

import pytest

from net.authority import Server, say
from sources import snapshots
from sources.imds import Imds, instant
from sources.s3_front import Front, error

CANARY = "CANARY0canary1secret2"
ROLE = "arn:aws:iam::123456789012:role/rescue"


class Agent:
    """STS and the agent of a container: .path what was asked, .keys (access, secret, session, lifetime) given next."""

    def __init__(self, keys, token):
        self.keys, self.token, self.status = [keys], token, 200
        self.asked = 0
        self._server = Server(self.answer)
        self.url = f"http://127.0.0.1:{self._server.port}"
        # POST is not among what the server answers by itself.
        self._server._server.RequestHandlerClass.do_POST = self._server._server.RequestHandlerClass.respond

    def answer(self, handler):
        self.asked += 1
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        access, secret, session, lifetime = self.keys[min(self.asked, len(self.keys)) - 1]
        until = instant(time.time() + lifetime)
        if handler.command == "POST":
            if f"WebIdentityToken={self.token}&" not in body + "&" or self.status != 200:
                return say(handler, f"<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>{html.escape(body)} {secret}</Message></Error>"
                           "</ErrorResponse>".encode(), 400)
            return say(handler, ("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                                 f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                                 f"<SessionToken>{session}</SessionToken><Expiration>{until}</Expiration></Credentials>"
                                 "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>").encode())
        if handler.headers.get("Authorization") != self.token or self.status != 200:
            return say(handler, f"{self.token} {secret}".encode(), 403)
        return say(handler, json.dumps({"AccessKeyId": access, "SecretAccessKey": secret, "Token": session,
                                        "Expiration": until}).encode(), Content_Type="application/json")

    def close(self):
        self._server.close()


class Ways:
    """For each way: the environment and options that lead to one set of keys, and all that must never be seen."""

    def __init__(self, work, access, secret, session):
        self.work, self.access, self.secret, self.session = work, access, secret, session
        self.token = secrets.token_urlsafe(30)
        self.agent = Agent((access, secret, session, 3600), self.token)
        self.imds = Imds()
        self.hidden = [secret, self.token] + ([session] if session else [])

    def file(self, name, text):
        path = self.work / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def get(self, way):
        base = {"AWS_EC2_METADATA_DISABLED": "true"}
        section = f"aws_access_key_id = {self.access}\naws_secret_access_key = {self.secret}\n"
        section += f"aws_session_token = {self.session}\n" if self.session else ""
        if way == "env":
            session = {"AWS_SESSION_TOKEN": self.session} if self.session else {}
            return {**base, "AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret, **session}, []
        if way == "home":
            (self.work / ".aws").mkdir(exist_ok=True)
            self.file(".aws/credentials", f"[default]\n{section}")
            return {**base, "HOME": self.work}, []
        if way == "profile":
            path = self.file("shared", f"[default]\naws_access_key_id = A\naws_secret_access_key = B\n[rescue]\n{section}")
            return {**base, "AWS_SHARED_CREDENTIALS_FILE": path, "AWS_PROFILE": "rescue"}, []
        if way == "file":
            return base, ["--credentials", f"file:{self.file('keys', f'{self.access}:{self.secret}')}"]
        if way == "web identity":
            return {**base, "AWS_WEB_IDENTITY_TOKEN_FILE": self.file("token", self.token), "AWS_ROLE_ARN": ROLE,
                    "AWS_ENDPOINT_URL_STS": self.agent.url}, []
        if way == "container":
            return {**base, "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.agent.url + "/v1/credentials",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token}, []
        if way == "container file":
            return {**base, "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.agent.url + "/v1/credentials",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": self.file("token", self.token)}, []
        if way == "imds":
            self.imds.role_credentials(access=self.access, secret=self.secret, token=self.session)
            return self.imds.environment, []
        raise KeyError(way)

    def close(self):
        self.agent.close()
        self.imds.close()


# One token of temporary keys is of STS alone; the servers here know only keys of users, which have none.
WAYS = ["env", "home", "profile", "file", "web identity", "container", "container file", "imds"]
WITH_SESSION = [way for way in WAYS if way != "file"]


@pytest.fixture
def ways(tmp_path):
    opened = []

    def make(access, secret, session):
        opened.append(Ways(tmp_path, access, secret, session))
        return opened[-1]
    yield make
    for one in opened:
        one.close()


def call(run, program, endpoint, env, options, verb, *operands):
    done = run(program, verb, "--verbose", "--endpoint", endpoint, "--region", "us-east-1", *options, *operands, env=env)
    return done, done.stdout + done.stderr


@pytest.mark.parametrize("way", ["env", "home", "profile", "file"])
def test_keys_of_a_user_sign_what_a_server_verifies(radosgw, run, program, ways, way, tmp_path):
    bucket = radosgw.bucket()
    radosgw.put(bucket, "a.db", snapshots.make(1))
    given = ways(radosgw.access, radosgw.secret, None)
    env, options = given.get(way)
    done, text = call(run, program, radosgw.endpoint, env, options, "fetch", "-o", tmp_path / "fetched", f"s3://{bucket}/")
    assert done.returncode == 0, text
    assert (tmp_path / "fetched").read_bytes() == snapshots.make(1)
    assert not any(word in text for word in given.hidden)


def test_a_session_token_signs_what_a_server_verifies(radosgw, run, program, ways, tmp_path):
    bucket = radosgw.bucket()
    radosgw.put(bucket, "dir/a b.db", snapshots.make(1))
    endpoint, *keys = radosgw.sts()
    given = ways(*keys)
    env, options = given.get("env")
    done, text = call(run, program, endpoint, env, options, "fetch", "-o", tmp_path / "fetched", f"s3://{bucket}/")
    assert done.returncode == 0, text
    assert (tmp_path / "fetched").read_bytes() == snapshots.make(1) and not any(word in text for word in given.hidden)
    # Without the token these keys are nobody's; with another one, too.
    for token in ("", given.session[:-8] + "AAAAAAA="):
        done, text = call(run, program, endpoint, {**env, "AWS_SESSION_TOKEN": token}, options, "list", f"s3://{bucket}/")
        assert done.returncode == 1 and "AccessDenied" in text and not any(word in text for word in given.hidden), text
    env = {**env, "AWS_ACCESS_KEY_ID": radosgw.access, "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": ""}
    done, text = call(run, program, endpoint, env, options, "list", f"s3://{bucket}/")
    assert done.returncode == 1 and "or is the secret key wrong?" in text and CANARY not in text


def test_a_web_identity_at_a_real_sts(moto, run, program, tmp_path):
    bucket = moto.bucket()
    moto.put(bucket, "a.db", snapshots.make(1))
    (tmp_path / "token").write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZXNjdWUifQ." + CANARY)
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": tmp_path / "token", "AWS_ROLE_ARN": ROLE, "AWS_ENDPOINT_URL_STS": moto.endpoint,
           "AWS_EC2_METADATA_DISABLED": "true"}
    with Front(moto) as front:
        done, text = call(run, program, front.endpoint, env, [], "fetch", "-o", tmp_path / "fetched", f"s3://{bucket}/")
        assert done.returncode == 0, text
        assert all(asked.access.startswith("ASIA") and asked.headers["x-amz-security-token"] for asked in front.asked)
    assert f"STS by web identity, role {ROLE}" in text and CANARY not in text


def signed_with(front, access, session):
    return {(asked.access, asked.headers.get("x-amz-security-token")) for asked in front.asked} == {(access, session)}


@pytest.mark.parametrize("way", WITH_SESSION)
def test_temporary_keys_come_with_their_token(moto, run, program, ways, way, tmp_path):
    bucket = moto.bucket()
    moto.put(bucket, "a.db", snapshots.make(1))
    given = ways("ASIACANARYTEST000001", CANARY + "/sec+ret", CANARY + "/ses+sion==")
    env, options = given.get(way)
    with Front(moto) as front:
        done, text = call(run, program, front.endpoint, env, options, "fetch", "-o", tmp_path / "fetched", f"s3://{bucket}/")
        assert done.returncode == 0, text
        assert signed_with(front, given.access, given.session)
    assert (tmp_path / "fetched").read_bytes() == snapshots.make(1)
    assert "AWS keys from " in text and "...0001" in text and CANARY not in text


@pytest.mark.parametrize("json_too", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("way", WAYS)
def test_a_canary_is_never_shown(moto, run, program, ways, way, json_too):
    """The server refuses, and says all that it was told: in the message, in a header and as a web page."""
    given = ways("ASIACANARYTEST000001", secrets.token_urlsafe(30), None if way == "file" else secrets.token_urlsafe(90))
    env, options = given.get(way)
    for status, code, padding in ((403, "SignatureDoesNotMatch", 0), (403, "AccessDenied", 0), (400, "ExpiredToken", 0), (400, "Whatever", 0),
                                  (400, "Whatever", 195), (301, "X", 0), (404, "", 0)):
        def refuse(asked, status=status, code=code):
            # Long enough that it is cut within a secret, too.
            said = f"{given.session} {'x' * padding}{given.secret} {json.dumps(asked.headers)}"
            return status, error(code, message=said) if code else said.encode(), "", {"x-amz-bucket-region": given.secret.replace("/", "-").replace("+", "-")}
        with Front(moto, refuse) as front:
            for verb in ("list", "fetch"):
                done, text = call(run, program, front.endpoint, env, options + (["--json"] if json_too else []), verb, "s3://bucket/a.db")
                assert done.returncode in (1, 2), text
                assert front.asked, text
                assert not any(word[:12] in text for word in given.hidden), text


@pytest.mark.parametrize("way", ["web identity", "container", "imds"])
def test_who_refuses_us_keys_shows_no_secret(moto, run, program, ways, way):
    given = ways("ASIACANARYTEST000001", CANARY + "/sec+ret", CANARY + "/ses+sion==")
    env, options = given.get(way)
    given.agent.status = 403
    if way == "imds":
        given.imds.credentials["Code"] = "AssumeRoleUnauthorizedAccess"
    done, text = call(run, program, moto.endpoint, env, options, "list", "s3://bucket/")
    assert done.returncode == 1
    words = {"web identity": "STS refuses the web identity for " + ROLE, "container": "container credentials: ",
             "imds": "has no credentials: AssumeRoleUnauthorizedAccess"}
    assert words[way] in text and not any(word in text for word in given.hidden)


@pytest.mark.parametrize("way", ["web identity", "container", "imds"])
def test_keys_that_end_are_renewed(moto, run, program, ways, way, tmp_path):
    """The first ones end in a minute: they are replaced before they are used; those that the server calls ended, too."""
    bucket = moto.bucket()
    moto.put(bucket, "a.db", snapshots.make(400_000))
    given = ways("ASIAOLDOLDOLDOLD0001", CANARY, CANARY)
    env, options = given.get(way)
    new = ("ASIANEWNEWNEWNEW0002", CANARY + "2", CANARY + "2", 3600)
    given.agent.keys = [("ASIAOLDOLDOLDOLD0001", CANARY, CANARY, 3600), new]

    def decide(asked):
        if asked.access == new[0]:
            return None
        if asked.lists:
            return None
        given.imds.role_credentials(access=new[0], secret=new[1], token=new[2])
        return 400, "ExpiredToken"
    with Front(moto, decide) as front:
        done, text = call(run, program, front.endpoint, env, [*options, "--part-size", "64K"], "fetch", "-o", tmp_path / "fetched",
                          f"s3://{bucket}/")
        assert done.returncode == 0, text
        used = [asked.access for asked in front.asked]
    assert used[0] == "ASIAOLDOLDOLDOLD0001" and used[-1] == new[0]
    assert (tmp_path / "fetched").read_bytes() == snapshots.make(400_000)
    assert "...0002" in text and CANARY not in text


def test_an_instance_asks_its_own_region(run, program, ways):
    """AWS itself is behind a proxy that lets nobody through; the name that was asked for is what counts."""
    env, _ = ways("ASIACANARYTEST000001", CANARY, CANARY).get("imds")
    with Front(None, lambda asked: (407, b"")) as proxy:
        done = run(program, "list", "s3://etcd-backup/", env={**env, "https_proxy": proxy.endpoint})
    assert "https://etcd-backup.s3.eu-central-1.amazonaws.com" in done.stderr and done.returncode == 1


def test_a_chain_without_an_end_says_what_was_tried(run, program):
    done, text = call(run, program, "http://127.0.0.1:9", {"AWS_EC2_METADATA_DISABLED": "true"}, [], "list", "s3://bucket/")
    assert done.returncode == 1
    line, = [line for line in text.splitlines() if line.startswith("etcd-rescue: ")]
    for words in ("no AWS credentials", "environment: AWS_ACCESS_KEY_ID is not set", "web identity: ", "file: /nonexistent/.aws/credentials",
                  "container: ", "instance role: ", "credentials"):
        assert words in line


def test_a_broken_way_is_no_reason_to_be_somebody_else(run, program, tmp_path, ways):
    """Half a key in the environment, though a file has a whole one."""
    given = ways("ASIACANARYTEST000001", CANARY, None)
    env, _ = given.get("home")
    done, text = call(run, program, "http://127.0.0.1:9", {**env, "AWS_ACCESS_KEY_ID": "A"}, [], "list", "s3://bucket/")
    assert done.returncode == 1 and "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not" in text
    done, text = call(run, program, "http://127.0.0.1:9", {**env, "AWS_PROFILE": "other"}, [], "list", "s3://bucket/")
    assert done.returncode == 1 and "has no profile 'other'" in text


def test_the_image_takes_no_environment(radosgw, run, program, tmp_path):
    root = tmp_path / "root"
    (root / "etc/etcd-rescue").mkdir(parents=True)
    (root / "etc/etcd-rescue/manifest").write_text("")
    shutil.copy(program, root / "etcd-rescue")
    done = run("chroot", root, "/etcd-rescue", "list", "--endpoint", "http://127.0.0.1:9", "s3://bucket/", env=radosgw.env)
    assert done.returncode == 1 and "no AWS credentials: file: /root/.aws/credentials is not there" in done.stderr


def test_a_file_that_others_may_read_is_told(radosgw, run, program, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"{radosgw.access}:{CANARY}")
    keys.chmod(0o644)
    done, text = call(run, program, radosgw.endpoint, {}, ["--credentials", f"file:{keys}"], "list", "s3://bucket/")
    assert "can be read by others on this host" in text and CANARY not in text and done.returncode == 1
