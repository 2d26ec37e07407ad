"""Manifests and configurations that were mutated: each is rewritten to just what was meant, or refused with its place.

What was meant is worked out here, with another reader of YAML: every value has the plan's names and addresses
replaced, where they stand alone, and everything else is as it was. The same mutations every time; a sample of them
in the normal run, all with --long.
"""

import ipaddress
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
import yaml

LAYOUTS = Path(__file__).resolve().parents[1] / "golden" / "layouts"
TREES = sorted(p for p in LAYOUTS.iterdir() if p.is_dir() and "replace:" in (p / "plan.yaml").read_text())
MUTATIONS, SAMPLE = 1000, 100
PART = "0-9A-Za-z_-"


@pytest.fixture(scope="module")
def program(image_file):
    return image_file("etcd-rescue")


HEX = "0-9A-Fa-f:."


def lone(text):
    """A name or an address where it is no part of a longer one."""
    v4 = re.fullmatch(r"[0-9]+(\.[0-9]+){3}", text)
    return rf"(?<![{PART}])(?<![{PART}]\.)" + re.escape(text) + rf"(?![{PART}])" + (rf"(?!\.[{PART}])" if v4 else "")


def address(text):
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


class Wanted:
    def __init__(self, plan):
        pairs = sorted(plan["replace"], key=lambda p: -len(p["from"]))
        self.to = {p["from"]: p["to"] for p in pairs if not address(p["from"])}
        self.v6 = {address(p["from"]): p["to"] for p in pairs if address(p["from"])}
        # Whatever could be an address of version 6 is read as one: it has many spellings.
        self.pattern = re.compile("|".join([f"({lone(p)})" for p in self.to] +
            [rf"((?<![.:{PART}])[{HEX}]*:[{HEX}]*[{HEX}](?![{PART}]))"]))

    def one(self, found):
        text = found.group(0)
        if text in self.to:
            return self.to[text]
        for end in (len(text), len(text) - 1 if text[-1] in ":." else len(text)):
            if address(text[:end]) in self.v6:
                return self.v6[address(text[:end])] + text[end:]
        return text

    def __call__(self, text):
        return self.pattern.sub(self.one, text)


def same_node(now, was, wanted, keep=False):
    assert (type(now), now.tag) == (type(was), was.tag), (now, was)
    if isinstance(was, yaml.ScalarNode):
        assert now.value == (was.value if keep else wanted(was.value)), (now.value, was.value)
    elif isinstance(was, yaml.SequenceNode):
        assert len(now.value) == len(was.value)
        for a, b in zip(now.value, was.value):
            same_node(a, b, wanted)
    else:
        assert len(now.value) == len(was.value)
        for (key, a), (old, b) in zip(now.value, was.value):
            same_node(key, old, wanted, keep=True)
            same_node(a, b, wanted, keep=str(old.value).endswith("-data"))


def documents(text):
    try:
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return None


def line_meant(line, wanted):
    body = line.strip()
    if not body or body[0] in "#;":
        return line
    mark = re.search(r"[ \t]#", line)
    at = mark.start() if mark else len(line)
    return wanted(line[:at]) + line[at:]


def is_document(name):
    return name.endswith((".yaml", ".yml", ".json", ".manifest", "kubeconfig")) or \
        (name.startswith("etc/kubernetes/") and name.endswith(".conf"))


def check_file(name, now, was, wanted):
    if not is_document(name):
        assert [line_meant(line, wanted) for line in was.split("\n")] == now.split("\n"), name
        return
    old = documents(was)
    if old is None: # the two readers do not agree on it: then byte by byte
        assert wanted(now) == wanted(was), name
        return
    new = documents(now)
    assert new is not None and len(new) == len(old), name
    for a, b in zip(new, old):
        assert (a is None) == (b is None)
        if b is not None:
            same_node(a, b, wanted)


# The mutations: of a text, with a generator of random numbers.

def flip_byte(text, r):
    at = r.randrange(len(text))
    return text[:at] + r.choice("\t \n\r'\"\\{}[]:,#&*!|>%@`$-?=~0aZ\u00e9") + text[at + 1:]


def drop_byte(text, r):
    at = r.randrange(len(text))
    return text[:at] + text[at + 1:]


def put_byte(text, r):
    at = r.randrange(len(text))
    return text[:at] + r.choice(" \t\n'\"\\:,#&*-|>=$%") + text[at:]


def with_line(change):
    def mutate(text, r):
        lines = text.split("\n")
        at = r.randrange(len(lines))
        lines[at:at + 1] = change(lines[at], r)
        return "\n".join(lines)
    mutate.__name__ = change.__name__
    return mutate


@with_line
def double_line(line, r):
    return [line, line]


@with_line
def drop_line(line, r):
    return []


@with_line
def indent_line(line, r):
    return [" " * r.randint(1, 3) + line]


@with_line
def outdent_line(line, r):
    return [line[r.randint(1, 2):] if line.startswith("  ") else line]


@with_line
def tab_line(line, r):
    return [line.replace("  ", "\t", 1)]


@with_line
def comment_behind(line, r):
    return [line + "  # 10.0.0.12 master-2 ncn-m001"]


@with_line
def comment_between(line, r):
    return [line, "# it's 10.0.0.12 \"master-2"]


@with_line
def quote_item(line, r):
    found = re.fullmatch(r"(\s*- (?:[\w-]+: )?|\s*[\w-]+: )([^'\"{\[&*|>#].*)", line)
    mark = r.choice("'\"")
    return [found.group(1) + mark + found.group(2) + mark] if found else [line]


@with_line
def fold_line(line, r):
    indent = len(line) - len(line.lstrip()) + 4
    return line.replace(" ", "\n" + " " * indent, 1).split("\n") if line.strip().count(" ") else [line]


def swap_lines(text, r):
    lines = text.split("\n")
    at = r.randrange(max(1, len(lines) - 1))
    lines[at:at + 2] = reversed(lines[at:at + 2])
    return "\n".join(lines)


def other_line_ends(text, r):
    return text.replace("\n", "\r\n")


def no_last_line_end(text, r):
    return text.rstrip("\n")


def two_documents(text, r):
    return text.rstrip("\n") + "\n---\n" + text


def cut(text, r):
    return text[:r.randrange(len(text))]


def dumped(text, r):
    """The same content in another style and order."""
    try:
        docs = list(yaml.safe_load_all(text))
        return yaml.safe_dump_all(docs, default_flow_style=r.choice([True, False, None]), sort_keys=r.random() < .5,
            default_style=r.choice([None, "'", '"', None]), width=r.choice([40, 80, 100000]), indent=r.choice([2, 4]))
    except (yaml.YAMLError, ValueError):
        return text


def json_dumped(text, r):
    try:
        docs = list(yaml.safe_load_all(text))
        return json.dumps(docs[0], indent=r.choice([None, 1, 4]), ensure_ascii=r.random() < .5) + "\n"
    except (yaml.YAMLError, ValueError, TypeError, IndexError):
        return text


def anchored(text, r):
    """One value is another's alias."""
    items = list(re.finditer(r"(?m)^\s*- (--[\w-]+=\S+)$", text))
    if not items:
        return text
    item = r.choice(items)
    return text[:item.start(1)] + "&v " + text[item.start(1):].rstrip("\n") + "\nextra: *v\n"


def escaped(text, r):
    """A letter in double quotes as its number."""
    places = [m.start(1) for m in re.finditer(r'"[^"\\\n]*?([a-z])[^"\\\n]*"', text)]
    if not places:
        return text
    at = r.choice(places)
    return text[:at] + f"\\u{ord(text[at]):04x}" + text[at + 1:]


def spelled(text, r):
    """An address of version 6 in another way."""
    return re.sub(r"fd00:10::([0-9]+)", lambda m: r.choice(["FD00:10::{}", "fd00:10:0:0:0:0:0:{}", "fd00:0010::00{}"])
        .format(m.group(1)), text, count=r.randint(1, 5))


KINDS = [flip_byte, drop_byte, put_byte, double_line, drop_line, indent_line, outdent_line, tab_line, comment_behind,
    comment_between, quote_item, fold_line, swap_lines, other_line_ends, no_last_line_end, two_documents, cut, dumped,
    json_dumped, anchored, escaped, spelled]


def text_files(root):
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.name.endswith((".crt", ".key")))


def content(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*")
        if p.is_file() and "etcd-rescue" not in p.parts}


def run(program, command, tree, plan):
    done = subprocess.run([program, command, "--root", tree, "--file", plan, "--json"], capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check_tree(program, tree, plan, wanted):
    """True when it was rewritten, False when it was refused."""
    before = content(tree)
    code, out, err = run(program, "plan", tree, plan)
    assert content(tree) == before
    if code:
        assert code in (1, 6) and not out, (code, out, err)
        place = re.match(r"([^\n]+?):(\d+):(\d+): .", json.loads(err)["text"])
        assert place and place.group(1) in before, err
        return False
    edits = json.loads(out)["edits"]
    code, again, err = run(program, "rewrite", tree, plan)
    assert (code, err) == (0, "") and json.loads(again)["edits"] == edits
    after = content(tree)
    assert {name for name in after if after[name] != before.get(name)} == {e["file"] for e in edits}
    assert set(after) == set(before)
    for name in before:
        if name.endswith((".crt", ".key")):
            assert after[name] == before[name]
        else:
            check_file(name, after[name].decode(), before[name].decode(), wanted)
    code, out, err = run(program, "plan", tree, plan)
    assert (code, err) == (0, "") and json.loads(out)["edits"] == []
    return True


def replace_only(layout, tmp_path):
    plan = yaml.safe_load((layout / "plan.yaml").read_text())
    path = tmp_path / f"{layout.name}.yaml"
    path.write_text(yaml.safe_dump({"source": plan["source"], "replace": plan["replace"]}))
    return path, Wanted(plan)


def copy(layout, tree):
    subprocess.run(["rm", "-rf", tree], check=True)
    subprocess.run(["cp", "-a", layout / "before", tree], check=True)


@pytest.mark.parametrize("layout", TREES, ids=lambda p: p.name)
def test_what_is_not_mutated_becomes_what_is_meant(program, layout, tmp_path):
    plan, wanted = replace_only(layout, tmp_path)
    copy(layout, tmp_path / "tree")
    assert check_tree(program, tmp_path / "tree", plan, wanted)


def mutate(program, numbers, tmp_path):
    plans = [replace_only(layout, tmp_path) for layout in TREES]
    failed, rewritten, refused = [], 0, 0
    for n in numbers:
        r = random.Random(n)
        which = n % len(TREES)
        tree = tmp_path / "tree"
        copy(TREES[which], tree)
        path = r.choice(text_files(tree))
        text, kinds = path.read_bytes().decode(), [KINDS[n % len(KINDS)]]
        kinds += r.sample(KINDS, r.choice([0, 0, 1, 2]))
        for kind in kinds:
            text = kind(text, r) if text else text
        path.write_bytes(text.encode())
        try:
            good = check_tree(program, tree, *plans[which])
            rewritten, refused = rewritten + good, refused + (not good)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed.append(f"{n} {TREES[which].name} {path.relative_to(tree)} {[k.__name__ for k in kinds]}: {str(e)[:500]}")
    assert not failed, "\n".join(failed)
    assert rewritten > len(numbers) // 4 and refused > len(numbers) // 20, (rewritten, refused)


def test_sample_of_mutations_is_rewritten_as_meant_or_refused(program, tmp_path):
    mutate(program, range(0, MUTATIONS, MUTATIONS // SAMPLE), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("tenth", range(10))
def test_mutations_are_rewritten_as_meant_or_refused(program, tenth, tmp_path):
    mutate(program, range(tenth, MUTATIONS, 10), tmp_path)
