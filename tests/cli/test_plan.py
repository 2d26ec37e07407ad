"""etcd-rescue plan: the operator's file, every mistake in it, and where a machine's plan comes from."""

import functools
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from cli.fake_machine import Machine

TOP = Path(__file__).resolve().parent.parent.parent
GOLDEN = TOP / "tests" / "golden" / "plan"
WRONG = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
# An address of the shell that runs the tests must not become the program's proxy.
QUIET = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


@pytest.fixture
def run(program):
    def run(*args, cwd=GOLDEN):
        return subprocess.run([program, "plan", *map(str, args)], cwd=cwd, env=QUIET, capture_output=True,
                              text=True, timeout=60)
    return run


@pytest.fixture
def good(run):
    """The standard output of a run that must succeed and say nothing else."""
    def good(*args, **kwargs):
        done = run(*args, **kwargs)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout
    return good


def keys_of(node, path=""):
    """Every key of a parsed plan, as the table writes it: replace[].from."""
    if isinstance(node, dict):
        for name, value in node.items():
            key = f"{path}.{name}" if path else name
            yield key
            if key != "ebs.tags":
                yield from keys_of(value, key)
    elif isinstance(node, list):
        for item in node:
            yield from keys_of(item, path + "[]")


def uncommented(text):
    """config/plan.yaml with the keys that stand behind a bare "#" in force."""
    return re.sub(r"^( *)#(?=[a-z-])", r"\1", text, flags=re.M)


def test_operators_file_is_a_plan_of_defaults(good, tmp_path):
    text = (TOP / "config/plan.yaml").read_text()
    (tmp_path / "plan.yaml").write_text(text)
    assert good("--check", "plan.yaml", cwd=tmp_path) == "plan.yaml: the plan is good\n"
    shown = json.loads(good("--json", "--file", "plan.yaml", cwd=tmp_path))["plan"]
    (tmp_path / "bare.yaml").write_text("source: " + shown["source"] + "\n")
    assert shown == json.loads(good("--json", "--file", "bare.yaml", cwd=tmp_path))["plan"]


def test_operators_file_has_every_key_and_no_other(good, tmp_path):
    yaml = pytest.importorskip("yaml")
    text = uncommented((TOP / "config/plan.yaml").read_text())
    # Where a value and a group exclude each other, the file shows both.
    variants = [text, re.sub(r"^(snapshot: latest|shell: open)\n", "", text, flags=re.M)]
    found = set()
    for variant in variants[1:]:
        found |= set(keys_of(yaml.safe_load(variant)))
    known = {json.loads(line)["key"] for line in good("--keys", "--json").splitlines()}
    assert found == known
    # And as a whole it is a plan, but for the one pair that does not go together.
    whole = re.sub(r"^  before: .*\n", "", variants[1], flags=re.M)
    (tmp_path / "whole.yaml").write_text(whole)
    good("--check", "whole.yaml", cwd=tmp_path)


def test_operators_file_explains_what_it_says_by_default(good):
    """The default of a key in the file is the one in the table."""
    yaml = pytest.importorskip("yaml")
    plan = yaml.load((TOP / "config/plan.yaml").read_text(), yaml.BaseLoader)
    rows = {row["key"]: row for row in map(json.loads, good("--keys", "--json").splitlines())}

    def value(key):
        node = plan
        for name in key.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        return node[0] if isinstance(node, list) else node

    for key, row in rows.items():
        if row["default"] is not None:
            assert value(key) == row["default"], key
        elif key != "source" and "[]" not in key and row["type"] not in ("group", "list of groups"):
            assert value(key) is None, key


@pytest.mark.parametrize("case", WRONG)
def test_wrong_plan_is_refused_with_one_line(run, case):
    expected = (GOLDEN / f"{case}.txt").read_text()
    done = run("--check", f"{case}.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "etcd-rescue: " + expected)
    for secret in ("hunter2", "MIGH", "token@"):
        assert secret not in done.stderr
    done = run("--json", "--file", f"{case}.yaml")
    error = json.loads(done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
    assert (error["event"], error["code"]) == ("error", "format")
    # --file names the file by its whole path, --check as it was typed.
    assert error["text"].endswith(expected.strip().removeprefix(f"{case}.yaml"))


def test_minimal_plan_is_shown_with_every_default(good):
    assert good("--file", "good/minimal.yaml") == """\
# plan:       good/minimal.yaml (file)
# signed:     no
# unattended: allowed
generation: 1                                   # default
source: s3://etcd-backup/bare-metal/            # line 1
s3:
  addressing: auto                              # default
  credentials: auto                             # default
ebs:
  volume-type: gp3                              # default
  iops: auto                                    # default
snapshot: latest                                # default
role: auto                                      # default
bump-revision: auto                             # default
drop-keys: auto                                 # default
survivors: stop                                 # default
other-cluster: stop                             # default
gate: none                                      # default
missing: wait                                   # default
old: keep                                       # default
storage:
  luks-key: auto                                # default
  degraded: no                                  # default
  clear-immutable: no                           # default
layout: auto                                    # default
finish:
  install: yes                                  # default
  cronjobs: yes                                 # default
  stuck-pods: yes                               # default
  nodes: yes                                    # default
  redeploy: yes                                 # default
  csr: yes                                      # default
  deadline: 15m                                 # default
  redeploy-deadline: 1h                         # default
shell: open                                     # default
handoff: auto                                   # default
auto: no                                        # default
"""


def test_whole_plan_is_shown_in_yaml_and_json(good):
    text = good("--file", "good/design.yaml")
    shown = json.loads(good("--json", "--file", "good/design.yaml"))
    plan = shown["plan"]
    assert shown["event"] == "plan" and shown["way"] == "file" and shown["may_run_unattended"] is True
    assert plan["generation"] == 7 and plan["auto"] is True
    assert plan["source"] == "s3://etcd-backup/bare-metal/db.tar.gz?..."
    assert plan["snapshot"] == {"value": None, "before": "2026-11-20T18:00:00Z", "sha256": None, "version": None,
            "node": None, "folder": None, "allow-dirty": False}
    assert plan["cluster"]["members"][0] == {
        "name": "ncn-m001", "peer": "https://10.252.1.7:2380",
        "match": {"mac": "52:54:00:12:34:5a", "uuid": None, "serial": None, "hostname": None, "ip": None}}
    assert plan["replace"][1] == {"from": "ncn-m009", "to": "ncn-m001"}
    assert plan["finish"]["deadline"] == "90m" and plan["finish"]["cronjobs"] is False
    assert plan["shell"] == {"value": None, "password-hash": "(set)"}
    assert "$6$" not in text and 'password-hash: "(set)"' in text
    assert '- name: ncn-m001\n    peer: https://10.252.1.7:2380\n    match:\n      mac: "52:54:00:12:34:5a"\n' in text
    # Every key of the table is in the object.
    known = {json.loads(line)["key"] for line in good("--keys", "--json").splitlines()}
    assert known <= {key.replace("[]", "") if key.endswith("[]") else key for key in keys_of(plan)}


def test_yaml_that_is_shown_is_read_the_same_by_others(good):
    yaml = pytest.importorskip("yaml")
    text = good("--file", "good/design.yaml")
    read = yaml.load(text, yaml.BaseLoader)
    assert read["cluster"]["members"][1]["match"]["serial"] == "B5BRJS1/2"
    # Not even by a reader of YAML 1.1, for which a MAC address without quotes may be a number.
    assert yaml.safe_load(text)["cluster"]["members"][0]["match"]["mac"] == "52:54:00:12:34:5a"


def test_keys_are_told_to_people_and_programs(good):
    rows = [json.loads(line) for line in good("--keys", "--json").splitlines()]
    text = good("--keys")
    assert len(rows) > 60 and len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {"event", "key", "type", "list", "words", "default", "help"}
        assert f"{row['key']}\n" in text and row["help"] in text
    assert "source\n    address: s3:|ebs|ebs:|sftp:|https:|http:|file:|dev:|label:; must be said\n" in text


@pytest.mark.parametrize("args, status, line", [
    (["--check"], 2, "etcd-rescue: --check wants FILE\n  see: etcd-rescue plan --help\n"),
    (["--chek", "x"], 2, "etcd-rescue: unknown option --chek, did you mean --check?\n  see: etcd-rescue plan --help\n"),
    (["x"], 2, "etcd-rescue: plan: 'x' is one operand too many\n  see: etcd-rescue plan --help\n"),
    (["--keys", "--check", "x"], 2,
        "etcd-rescue: --keys, --check and --file do not go together\n  see: etcd-rescue plan --help\n"),
    (["--file", "x", "--machine", "/"], 2,
        "etcd-rescue: --machine does not go with --file alone\n  see: etcd-rescue plan --help\n"),
])
def test_wrong_usage_is_said_in_one_line(run, args, status, line):
    done = run(*args)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", line)


def test_file_that_is_not_there_is_named(run, tmp_path):
    for option in ("--check", "--file"):
        done = run(option, "none.yaml", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1 and "none.yaml" in done.stderr


def test_quiet_check_says_nothing(good):
    assert good("--check", "good/design.yaml", "--quiet") == ""
    assert json.loads(good("--check", "good/design.yaml", "--json")) == {
        "event": "check", "file": "good/design.yaml", "good": True}


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


@pytest.fixture
def web(tmp_path):
    """A web server on loopback: .path is its directory, .url its address, .asked what was asked for."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            server.asked.append(self.path)

    directory = tmp_path / "web"
    directory.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    server.asked, server.path = [], directory
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_machine_without_a_plan_says_where_it_looked(run, machine):
    done = run("--machine", machine.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("etcd-rescue: no plan: none by the kernel line, in the image, on a removable volume "
                           "RESCUE, by fw_cfg, SMBIOS or DHCP\n")


def test_plan_by_the_kernel_line_is_fetched_for_this_machine(good, machine, web):
    machine.put("proc/cmdline", f"console=ttyS0 rescue.plan={web.url}/${{mac}}.yaml rescue.auto=yes quiet\n")
    (web.path / "52:54:00:aa:bb:cc.yaml").write_text("source: s3://kernel/\ngeneration: 3\n")
    shown = json.loads(good("--json", "--machine", machine.path))
    assert shown["way"] == "kernel-line" and shown["name"] == f"{web.url}/52:54:00:aa:bb:cc.yaml"
    assert shown["plan"]["generation"] == 3 and shown["plan"]["auto"] is True
    assert (shown["may_run_unattended"], shown["why_attended"]) == (
        False, "the plan came over plain http and is not signed")
    text = good("--machine", machine.path)
    assert "# unattended: no: the plan came over plain http and is not signed\n" in text
    assert re.search(r"^auto: yes +# kernel line$", text, re.M)


def test_plan_that_cannot_be_fetched_is_not_replaced_by_another(run, machine, web):
    machine.put("proc/cmdline", f"rescue.plan={web.url}/gone.yaml\n")
    machine.put("etc/etcd-rescue/plan.yaml", "source: s3://image/\n")
    done = run("--machine", machine.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"rescue.plan: {web.url}/gone.yaml" in done.stderr.splitlines()[0]


def test_words_of_the_kernel_line_make_a_plan(good, machine):
    machine.put("proc/cmdline", "rescue.source=s3://b/ rescue.snapshot=x.db rescue.handoff=stay\n")
    shown = json.loads(good("--json", "--machine", machine.path))
    assert shown["way"] == "kernel-words"
    assert shown["plan"]["source"] == "s3://b/" and shown["plan"]["snapshot"]["value"] == "x.db"
    assert shown["plan"]["handoff"] == "stay"


def test_places_that_came_too_late_are_told(run, machine):
    machine.put("etc/etcd-rescue/plan.yaml", "source: s3://image/\n")
    machine.put("sys/firmware/qemu_fw_cfg/by_name/opt/etcd-rescue/plan/raw", "source: s3://fwcfg/\n")
    machine.put("run/etcd-rescue/net/eth0.lease", "opt224=" + b"https://dhcp/p".hex() + "\n")
    done = run("--json", "--machine", machine.path)
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    states = {place["way"]: place["state"] for place in shown["places"]}
    assert states == {"file": "absent", "kernel-line": "absent", "image": "taken", "volume": "absent",
                      "fw-cfg": "left", "smbios": "absent", "dhcp": "left", "kernel-words": "absent"}
    said = [json.loads(line)["text"] for line in done.stderr.splitlines()]
    assert said == ["fw_cfg opt/etcd-rescue/plan: there too, but another plan came first",
                    "https://dhcp/p: there too, but another plan came first"]


@pytest.mark.needs("openssl")
def test_image_with_a_key_takes_signed_plans_only(run, good, machine, web, tmp_path):
    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    openssl("ec", "-in", key, "-pubout", "-out", public)
    machine.put("etc/etcd-rescue/keys/site.pem", public.read_bytes())
    machine.put("proc/cmdline", f"rescue.plan={web.url}/p.yaml rescue.source=s3://evil/\n")
    plan = web.path / "p.yaml"
    plan.write_text("source: s3://signed/\nauto: yes\n")

    done = run("--machine", machine.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-2] == (
        f"etcd-rescue: {web.url}/p.yaml: not signed, and this image takes signed plans only; "
        "openssl dgst -sha256 -sign KEY -out PLAN.sig PLAN")

    openssl("dgst", "-sha256", "-sign", key, "-out", web.path / "p.yaml.sig", plan)
    done = run("--json", "--machine", machine.path)
    assert done.returncode == 0
    shown = json.loads(done.stdout)
    assert shown["signed_by"] == "/etc/etcd-rescue/keys/site.pem" and shown["may_run_unattended"] is True
    assert shown["plan"]["source"] == "s3://signed/" and shown["unheard"] == "rescue.source"

    plan.write_text("source: s3://changed/\nauto: yes\n")
    done = run("--machine", machine.path)
    assert done.returncode == 1 and "the plan was changed after it was signed" in done.stderr


def test_manual_page_has_every_key_as_the_table_has_it(good):
    page = (TOP / "src/man/etcd-rescue-plan.5.scd").read_text().split("# KEYS\n")[1].split("\n# ")[0]
    found = re.findall(r"^\*([^*\n]+)\*\n\t(.*)\n\n\t(.*)\.$", page, re.M)
    rows = [json.loads(line) for line in good("--keys", "--json").splitlines()]
    assert [key for key, _, _ in found] == [row["key"] for row in rows]
    for (key, kind, text), row in zip(found, rows):
        assert text.replace("\\_", "_").lower() == row["help"].lower(), key
        assert kind.endswith(f"default *{row['default']}*") if row["default"] else "default" not in kind, key
        for word in (row["words"] or "").split("|"):
            assert f"*{word}*" in kind or not word, key


def test_examples_of_the_manual_page_are_plans(good, tmp_path):
    page = (TOP / "src/man/etcd-rescue-plan.5.scd").read_text().split("# EXAMPLES\n")[1]
    examples = re.findall(r"^```\n(.*?)^```$", page, re.M | re.S)
    assert len(examples) == 2
    for example in examples:
        (tmp_path / "example.yaml").write_text(example)
        good("--check", "example.yaml", cwd=tmp_path)


@pytest.mark.needs("openssl")
def test_plan_over_https_needs_an_authority_of_the_image(run, machine, web, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=site",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    web.socket = tls.wrap_socket(web.socket, server_side=True)
    url = web.url.replace("http:", "https:")
    machine.put("proc/cmdline", f"rescue.plan={url}/p.yaml\n")
    (web.path / "p.yaml").write_text("source: s3://secure/\n")

    done = run("--machine", machine.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"rescue.plan: {url}/p.yaml" in done.stderr.splitlines()[0]

    machine.put("etc/etcd-rescue/ca/site.pem", cert.read_bytes())
    done = run("--json", "--machine", machine.path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    # TLS says who the server is, so the plan may run unattended without a signature.
    assert shown["plan"]["source"] == "s3://secure/" and shown["may_run_unattended"] is True
