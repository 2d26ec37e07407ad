"""A canary in the place of every secret: it sings in no output, no error and no file, whatever the server says back."""

import base64
import concurrent.futures
import html
import itertools
import json
import urllib.parse

import pytest

from net import authority
from sources.snapshots import make

CANARY = itertools.count(1)


def canary():
    return f"CANARY{next(CANARY):03}/sings+a=song"


def forms(secret):
    """A secret as it may show itself."""
    plain = [secret, "user:" + secret]
    return {secret, *(base64.b64encode(text.encode()).decode().rstrip("=") for text in plain),
            urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), html.escape(secret), secret.encode().hex()}


class Evil:
    """A server that refuses, and tells in every place it can what it was told: request line, headers and body."""

    def __init__(self, certificate=None):
        self.status, self.heard = 403, ""
        self._server = authority.Server(self._answer, certificate)
        self.port = self._server.port
        self.url = f"{'https' if certificate else 'http'}://localhost:{self.port}"
        # PUT and POST, too: for metadata and STS.
        handler = self._server._server.RequestHandlerClass
        handler.do_PUT = handler.do_POST = handler.do_GET

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode("latin-1")
        told = f"{handler.command} {handler.path} " + " ".join(f"{n}: {v}" for n, v in handler.headers.items()) + " " + body
        self.heard += told + "\n"
        line = told.replace("\r", " ").replace("\n", " ")
        echo = html.escape(line)
        text = f"<Error><Code>{echo[:200]}</Code><Message>{echo}</Message><StringToSign>{echo}</StringToSign></Error>"
        if self.status == 404:
            text = f"<html><title>{echo}</title>{echo}</html>"
        elif self.status == 401:
            text = json.dumps({"message": line, "Code": line})
        authority.say(handler, text.encode(), self.status, WWW_Authenticate=f'Basic realm="{line}"', Server=line,
                      x_amz_bucket_region=line[:60], Content_Type=line[:60], ETag=f'"{line}"',
                      Location=f"{handler.path}{'&' if '?' in handler.path else '?'}again={urllib.parse.quote(line[:300])}")

    def close(self):
        self._server.close()


@pytest.fixture(scope="module")
def evil(certificates):
    servers = {"http": Evil(), "https": Evil(certificates.server)}
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def quiet_about(program, run, tmp_path, home, certificates):
    """quiet_about(secrets, args, env): runs list and fetch in every tone; the finished processes, none of which told."""
    def call(secrets, args, env, commands=("list", "fetch"), given=()):
        given, wrong = {str(path) for path in given}, set().union(*map(forms, secrets))

        def one(words):
            number, (command, tone) = words
            output = ["-o", tmp_path / f"got{number}.db", "--force"] if command == "fetch" else []
            done = run(program, command, *tone, *args, *output, env={"HOME": home, **env}, cwd=tmp_path)
            told = done.stdout + done.stderr
            for form in wrong:
                assert form not in told, f"{command} {tone} tells {form}: {told}"
            assert done.returncode in (0, 1, 2, 6), done
            return done
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(one, enumerate(itertools.product(commands, (["--verbose"], ["--verbose", "--json"])))))
        left = {str(path): path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*")
                if path.is_file() and str(path) not in given}
        for form in wrong:
            assert not [path for path, text in left.items() if form in text], form
        return runs
    return call


def write(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def keys(tmp_path):
    """{way: (arguments, environment, secrets, files with them)} of everything that asks an object store."""
    ways = {}
    secret, session = canary(), canary()
    ways["env"] = ([], {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": session},
                   [secret, session], [])
    secret, session = canary(), canary()
    file = write(tmp_path / "credentials", f"[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = {secret}\n"
                 f"aws_session_token = {session}\n")
    ways["file"] = (["--credentials", f"file:{file}"], {}, [secret, session], [file])
    secret = canary()
    file = write(tmp_path / "broken", f"[default]\naws_access_key_id = AKIATEST\naws_secret_access_key {secret}\n{secret}\n")
    ways["broken file"] = (["--credentials", f"file:{file}"], {}, [secret], [file])
    secret = canary()
    ways["keys as an option"] = (["--credentials", f"AKIATEST:{secret}"], {}, [secret], [])
    return ways


STATUSES = [400, 401, 403, 404, 302, 200]
WAYS = ["env", "file", "broken file", "keys as an option"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("way", WAYS)
def test_keys_of_an_object_store(quiet_about, evil, tmp_path, way, status):
    args, env, secrets, given = keys(tmp_path)[way]
    evil["http"].status = status
    quiet_about(secrets, ["--endpoint", evil["http"].url, *args, "s3://bucket/backup/"], env, given=given)


@pytest.mark.parametrize("status", STATUSES)
def test_roles_of_machines_containers_and_pods(quiet_about, evil, imds, tmp_path, certificates, status):
    evil["http"].status = evil["https"].status = status
    keys_of_role = imds.role_credentials(secret=canary(), token=canary())
    quiet_about(keys_of_role[1:], ["--endpoint", evil["http"].url, "--credentials", "imds", "s3://bucket/backup/"],
                imds.environment)
    secret = canary()
    quiet_about([secret], ["--endpoint", evil["http"].url, "s3://bucket/backup/"],
                {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{evil['http'].port}/keys",
                 "AWS_CONTAINER_AUTHORIZATION_TOKEN": secret})
    secret = canary()
    token = write(tmp_path / "token", secret)
    quiet_about([secret], ["--endpoint", evil["https"].url, "--ca", certificates.ca, "s3://bucket/backup/"],
                {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r",
                 "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": evil["https"].url}, given=[token])


@pytest.mark.parametrize("status", STATUSES)
def test_the_key_that_objects_are_encrypted_with(quiet_about, evil, tmp_path, certificates, status):
    evil["https"].status = status
    secret = "CANARY0123456789abcdef0123456789"
    file = write(tmp_path / "sse.key", secret)
    env = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "plain"}
    quiet_about([secret], ["--endpoint", evil["https"].url, "--ca", certificates.ca, "--sse-key", file,
                           "s3://bucket/backup/a.db"], env, given=[file])


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_passwords_tokens_and_signed_addresses_of_web_servers(quiet_about, evil, tmp_path, certificates, scheme, status):
    server = evil[scheme]
    server.status, server.heard = status, ""
    ca = ["--ca", certificates.ca] if scheme == "https" else []
    secret = canary()
    file = write(tmp_path / "secret", secret + "\n")
    quiet_about([secret], [*ca, "--user", "user", "--secret-file", file, server.url + "/a.db"], {}, given=[file])
    quiet_about([secret], [*ca, "--secret-file", file, server.url + "/a.db"], {}, given=[file])
    file.unlink()
    quoted = urllib.parse.quote(secret, safe="")
    quiet_about([secret], [*ca, f"{scheme}://user:{quoted}@localhost:{server.port}/a.db"], {})
    secret, token = canary(), canary()
    query = urllib.parse.urlencode({"X-Amz-Signature": secret, "X-Amz-Security-Token": token})
    quiet_about([secret, token], [*ca, f"{server.url}/a.db?{query}"], {})
    if status != 302:
        assert urllib.parse.quote_plus(secret) in server.heard, "the canary never flew"


@pytest.mark.parametrize("status", [400, 403, 404, 407])
@pytest.mark.parametrize("how", ["environment", "option"])
def test_the_password_of_a_proxy(quiet_about, evil, how, status):
    evil["http"].status = status
    secret = canary()
    proxy = f"http://user:{urllib.parse.quote(secret, safe='')}@127.0.0.1:{evil['http'].port}"
    env = {"http_proxy": proxy, "https_proxy": proxy} if how == "environment" else {}
    args = [] if how == "environment" else ["--proxy", proxy]
    for scheme in ("http", "https"):
        quiet_about([secret], [*args, f"{scheme}://store.example/a.db"], env)


def test_passwords_and_passphrases_of_ssh(quiet_about, sshd, evil, tmp_path):
    server, secret = sshd(), canary()
    known = ["--known-hosts", server.known_hosts]
    file = write(tmp_path / "secret", secret)
    locked = server.user_key("ed25519", passphrase="another one")
    quiet_about([secret], [*known, "--secret-file", file, server.url + "/"], {}, given=[file])
    quiet_about([secret], [*known, "--secret-file", file, "--identity", locked, server.url + "/"], {}, given=[file])
    file.unlink()
    address = server.url.replace("@", ":" + urllib.parse.quote(secret, safe="") + "@")
    quiet_about([secret], [*known, address + "/"], {})
    # Nothing that talks SSH at all.
    quiet_about([secret], [*known, f"sftp://user:{urllib.parse.quote(secret, safe='')}@127.0.0.1:{evil['http'].port}/a.db"], {})


@pytest.mark.parametrize("text", [
    "source: s3://bucket/backup/\ns3:\n  secret-key: {}\n",
    "source: https://user:{}@localhost:1/a.db\n",
    "source: https://localhost:1/a.db?X-Amz-Signature={}\n",
    "source: s3://bucket/backup/\nproxy: http://user:{}@127.0.0.1:1\n",
    "source: s3://bucket/backup/\ns3:\n  credentials: AKIATEST:{}\n",
    "source: sftp://user:{}@127.0.0.1:1/a.db\n",
    "source: s3://bucket/backup/\nsftp:\n  secret: {}\n",
    "source: s3://bucket/backup/\nhttps:\n  secret: {}\n"])
def test_secrets_in_a_plan_where_none_belongs(quiet_about, tmp_path, text):
    secret = "CANARYinAplan"
    plan = write(tmp_path / "plan.yaml", text.format(secret))
    quiet_about([secret], ["--plan", plan], {"AWS_EC2_METADATA_DISABLED": "true"}, given=[plan])


def test_what_succeeds_tells_nothing_either(quiet_about, radosgw, nginx, sshd, tmp_path):
    data, bucket = make(60_000), radosgw.bucket()
    radosgw.put(bucket, "a.db", data)
    runs = quiet_about([radosgw.secret], ["--endpoint", radosgw.endpoint, f"s3://{bucket}/a.db"], radosgw.env)
    signed = radosgw.presign(bucket, "a.db")
    runs += quiet_about([signed.rpartition("=")[2]], [signed], {}, commands=["fetch"])
    root, secret = tmp_path / "root", canary()
    root.mkdir()
    (root / "a.db").write_bytes(data)
    users = write(tmp_path / "users", f"user:{{PLAIN}}{secret}\n")
    file = write(tmp_path / "secret", secret)
    web = nginx(root, conf=f'auth_basic "here"; auth_basic_user_file {users};')
    runs += quiet_about([secret], ["--user", "user", "--secret-file", file, web.url + "/a.db"], {}, given=[users, file])
    web.close()
    shell = sshd(password=secret)
    shell.put("a.db", data)
    runs += quiet_about([secret], ["--known-hosts", shell.known_hosts, "--secret-file", file, shell.url + "/a.db"], {},
                        given=[users, file])
    shell.close()
    for done in runs:
        assert done.returncode == 0, done.stderr
