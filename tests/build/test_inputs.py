"""The build told wrong things, given wrong bytes or too little room: one clear line, and nothing half made."""

import json
import os
import signal
import subprocess
import time

import pytest

import requirement
from scratch import patches, sha256, tarball, upstream

DEBIAN_PATCHES = "musl_1.0-1.debian.tar.xz"


def complaint(done, status=1):
    """The one line a failed build ends with."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("build: ")]
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, done.stderr
    assert "***" not in done.stderr and "xargs" not in done.stderr
    return lines[0].removeprefix("build: ")


@pytest.mark.parametrize("arguments, word", [
    (["frobnicate"], "unknown verb frobnicate"),
    (["--frobnicate", "bin"], "unknown option --frobnicate"),
    (["bin", "more"], "unknown argument more"),
    (["--arch", "vax", "bin"], "unknown architecture vax"),
    (["--arch"], "--arch needs a value"),
    ([], "no verb"),
    (["clean", "--frobnicate"], "unknown option --frobnicate"),
])
def test_a_wrong_word_is_named_and_help_offered(tree, arguments, word):
    line = complaint(tree.build(*arguments), status=2)
    assert word in line and "--help" in line
    assert not tree.left()


def test_help_lists_every_verb(tree):
    text = tree.build("--help").stdout
    for verb in ("deps", "bin", "image", "demo", "test", "customise", "clean", "--arch", "--offline", "--locked"):
        assert verb in text


def test_the_image_of_another_architecture_is_declined(tree):
    assert "x86_64 only" in complaint(tree.build("--arch", "aarch64", "image"))


def test_a_missing_tool_is_named_with_its_package(tree, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for directory in ("/usr/sbin", "/usr/bin"):
        for name in os.listdir(directory):
            if name != "cmake" and not (tools / name).is_symlink():
                (tools / name).symlink_to(f"{directory}/{name}")
    line = complaint(tree.build("deps", PATH=str(tools)))
    assert "missing on this machine: cmake" in line and "apt-get install" in line
    assert tree.built() == []


def test_a_second_run_builds_nothing_and_a_change_only_what_depends_on_it(tree):
    assert tree.build("deps").returncode == 0
    assert tree.built() == ["musl", "zlib"]
    asked = len(tree.mirror.asked)
    assert tree.build("deps").returncode == 0
    assert tree.built() == ["musl", "zlib"]
    assert len(tree.mirror.asked) == asked
    with (tree.path / "config/deps/zlib.sh").open("a") as recipe:
        recipe.write("# changed\n")
    tree.build("deps")
    assert tree.built()[2:] == ["zlib"]
    with (tree.path / "config/deps/musl.sh").open("a") as recipe:
        recipe.write("# changed\n")
    tree.build("deps")
    assert tree.built()[3:] == ["musl", "zlib"]


def test_debians_patches_are_applied_to_upstream(tree):
    tree.build("deps")
    assert (tree.path / "build/x86_64/sysroot/lib/musl").read_text() == "upstream, patched 1\n"


def test_the_cache_is_enough_for_an_offline_build(tree, tmp_path):
    cache = str(tmp_path / "cache")
    assert tree.build("deps", ETCD_RESCUE_CACHE=cache).returncode == 0
    assert tree.build("clean").returncode == 0
    tree.mirror.files.clear()
    assert tree.build("--offline", "deps", ETCD_RESCUE_CACHE=cache).returncode == 0
    assert tree.built() == ["musl", "zlib"] * 2


def test_offline_with_an_empty_cache_names_the_file(tree):
    line = complaint(tree.build("--offline", "deps"))
    assert "1.0.orig.tar.gz is not in the cache" in line and "--offline" in line
    assert tree.mirror.asked == []
    assert not tree.left()


def test_a_mirror_that_does_not_answer(tree):
    tree.mirror.close()
    line = complaint(tree.build("deps"))
    assert "cannot download" in line and "1.0" in line
    assert not tree.left()


def test_no_mirror_in_the_machines_configuration(tree, tmp_path):
    empty = tmp_path / "apt.conf"
    empty.write_text('Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "/dev/null";\n')
    line = complaint(tree.build("deps", ETCD_RESCUE_MIRROR="", APT_CONFIG=str(empty)))
    assert line.startswith("no mirror") and "ETCD_RESCUE_MIRROR" in line
    assert not tree.left()


def test_wrong_bytes_from_the_mirror(tree):
    tree.mirror.offer("main/musl", DEBIAN_PATCHES, b"something else")
    line = complaint(tree.build("deps"))
    assert line.startswith(DEBIAN_PATCHES) and "wrong checksum" in line
    assert not tree.left()
    # The bad file is gone, so the mirror's recovery is enough.
    tree.mirror.offer("main/musl", DEBIAN_PATCHES, patches("musl", 1))
    assert tree.build("deps").returncode == 0


def test_a_broken_download_is_continued(tree):
    path = "pool/main/b/big/big_1.0.orig.tar.gz"
    data = tarball({"big-1.0/hello": "upstream\n", "big-1.0/noise": os.urandom(300000).hex()}, "gz")
    tree.pin("big", "1.0-1", {"big_1.0.orig.tar.gz": data})
    tree.mirror.cut[path] = 100000
    tree.run("initramfs/take.sh", "big")
    assert tree.run("initramfs/take.sh", "big").returncode == 0
    assert (tree.path / "build/cache/sha256" / sha256(data)).read_bytes() == data
    starts = [start for asked, start in tree.mirror.asked if asked == path]
    assert starts[0] == 0 and starts[-1] > 0
    assert not tree.left()


def test_an_alternative_is_taken_when_the_first_is_not_there(tree):
    tree.pin("yaml", "2.0-1", {"yaml_2.0.orig.tar.gz": b"never offered"}, offer=False)
    tree.pin("yaml", "1.0-1", {"yaml_1.0.orig.tar.gz": upstream("yaml")})
    assert tree.run("initramfs/take.sh", "yaml").returncode == 0
    assert (tree.path / "build/inputs/yaml").read_text().startswith("yaml 1.0-1 main/yaml\n")


@pytest.mark.needs("gpg", "gpgv", "/usr/lib/apt/apt-helper")
def test_a_newer_debian_revision_is_taken_with_a_warning_and_recorded(tree, index):
    del tree.mirror.files[f"pool/main/m/musl/{DEBIAN_PATCHES}"]
    index.publish("musl", "1.0-2", {"musl_1.0.orig.tar.gz": upstream("musl"),
                                    "musl_1.0-2.debian.tar.xz": patches("musl", 2)})
    line = complaint(tree.build("--locked", "deps"))
    assert DEBIAN_PATCHES in line and "--locked" in line
    done = tree.build("deps")
    assert done.returncode == 0, done.stderr
    assert "warning: musl 1.0-1 is no longer on the mirror; taking 1.0-2" in done.stderr
    assert (tree.path / "build/x86_64/sysroot/lib/musl").read_text() == "upstream, patched 2\n"
    sbom = tree.path / "sbom.json"
    assert tree.run("initramfs/mksbom.sh", str(sbom)).returncode == 0
    package, = [p for p in json.loads(sbom.read_text())["packages"] if p["name"] == "musl"]
    assert package["versionInfo"] == "1.0-2" and "pins 1.0-1" in package["comment"]
    # What an earlier run took does not get past --locked either.
    assert "--locked" in complaint(tree.build("--locked", "deps"))


@pytest.mark.needs("gpg", "gpgv", "/usr/lib/apt/apt-helper")
def test_another_upstream_version_is_not_taken(tree, index):
    del tree.mirror.files[f"pool/main/m/musl/{DEBIAN_PATCHES}"]
    index.publish("musl", "2.0-1", {"musl_2.0.orig.tar.gz": b"other", "musl_2.0-1.debian.tar.xz": patches("musl", 2)})
    line = complaint(tree.build("deps"))
    assert "another upstream version" in line and "config/versions" in line
    assert not tree.left()


@pytest.mark.needs("gpg", "gpgv", "/usr/lib/apt/apt-helper")
def test_an_index_nobody_trusted_signed_is_refused(tree, index):
    del tree.mirror.files[f"pool/main/m/musl/{DEBIAN_PATCHES}"]
    files = {"musl_1.0.orig.tar.gz": upstream("musl"), "musl_1.0-2.debian.tar.xz": patches("musl", 2)}
    index.publish("musl", "1.0-2", files)
    release = tree.mirror.files["dists/trixie/InRelease"]
    tree.mirror.files["dists/trixie/InRelease"] = release.replace(b"Suite: stable", b"Suite: forged")
    assert "cannot read the trixie index" in complaint(tree.build("deps"))
    assert not tree.left()


def test_a_failing_recipe_names_itself_its_command_and_its_log(tree):
    tree.recipe("zlib", "musl", "after='musl'\nrecipe() {{\n\ttrue\n\tfalse this one\n\ttrue\n}}\n")
    line = complaint(tree.build("deps"))
    assert line == "zlib for x86_64 failed at: false this one: the log is build/log/x86_64-zlib.log"
    assert (tree.path / "build/log/x86_64-zlib.log").exists()
    assert not tree.left()


def test_a_patch_that_does_not_apply_is_named(tree):
    tree.pin("other", "1.0-1", {"other_1.0.orig.tar.gz": tarball({"other-1.0/hello": "else\n"}, "gz"),
                                "other_1.0-1.debian.tar.xz": patches("musl", 1)})
    tree.recipe("other", "musl")
    line = complaint(tree.build("deps"))
    assert line.startswith("other for x86_64 failed") and "build/log/x86_64-other.log" in line
    assert "one.patch does not apply" in (tree.path / "build/log/x86_64-other.log").read_text()


def test_a_killed_build_leaves_nothing_and_can_be_run_again(tree):
    slow = tree.path / "config/deps/zlib.sh"
    text = slow.read_text()
    began = tree.path / "zlib-began"
    slow.write_text(text.replace("recipe() {", f"recipe() {{\n\ttouch {began}\n\tsleep 60"))
    build = subprocess.Popen(["./build.sh", "deps"], cwd=tree.path, env=tree.environment(), text=True,
                             start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert tree.built() == ["musl"]
    os.killpg(build.pid, signal.SIGTERM)
    assert build.wait(timeout=30) != 0
    build.stderr.close()
    assert not tree.left()
    slow.write_text(text)
    assert tree.build("deps").returncode == 0
    assert tree.built() == ["musl", "zlib"]


def test_two_builds_at_once_do_the_work_once(tree):
    builds = [subprocess.Popen(["./build.sh", "deps"], cwd=tree.path, env=tree.environment(),
                               stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [build.wait(timeout=60) for build in builds] == [0, 0]
    assert tree.built() == ["musl", "zlib"]


def small_disk(tree, directory, size, command):
    """Run command with a file system of that size below directory, in a mount namespace of its own."""
    requirement.need("unshare", "mount")
    (tree.path / directory).mkdir(parents=True, exist_ok=True)
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    script = f"mount -t tmpfs -o size={size} none {directory} || exit 77\n{command}\nstatus=$?\n" \
        f"find {directory} -type f >left; exit $status"
    done = tree.run("sh", "-c", script, prefix=unshare)
    if done.returncode == 77 or "unshare failed" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip("needs a mount namespace of its own (root, or unprivileged user namespaces)")
    return done


def test_a_disk_without_room_is_noticed_before_anything_is_begun(tree):
    line = complaint(small_disk(tree, "build", "64m", "./build.sh deps"))
    assert line.startswith("disk full") and "MB are free" in line
    assert tree.mirror.asked == []


def test_a_disk_that_fills_up_while_downloading(tree):
    tree.pin("big", "1.0-1", {"big_1.0.orig.tar.gz": os.urandom(8 << 20)})
    done = small_disk(tree, "build/cache", "4m", "initramfs/take.sh big")
    line = complaint(done)
    assert "the disk is full" in line and "big_1.0.orig.tar.gz" in line
    assert "cache/sha256/" not in (tree.path / "left").read_text()


def test_a_disk_that_fills_up_while_publishing(tree):
    (tree.path / "initramfs/put.sh").write_text(
        '. "${0%/*}/lib.sh"\nbegin put\nhead -c 8000000 /dev/zero >"$stage/big"\npublish "$stage/big" big.iso\n')
    line = complaint(small_disk(tree, "out", "4m", "sh initramfs/put.sh"))
    assert "cannot write out/big.iso" in line and "full" in line
    assert (tree.path / "left").read_text() == ""
    assert not tree.left()


def test_a_result_appears_whole_or_not_at_all(tree):
    """The old file stays until the new one is complete, and a build with the same result does not touch it."""
    script = tree.path / "initramfs/put.sh"
    script.write_text('. "${0%/*}/lib.sh"\nbegin put\nprintf "%s" "$1" >"$stage/f"\npublish "$stage/f" f\n')
    assert tree.run("sh", "initramfs/put.sh", "one").returncode == 0
    first = (tree.path / "out/f").stat()
    assert tree.run("sh", "initramfs/put.sh", "one").returncode == 0
    assert (tree.path / "out/f").stat().st_ino == first.st_ino
    assert tree.run("sh", "initramfs/put.sh", "two").returncode == 0
    assert (tree.path / "out/f").read_text() == "two"
    assert [p.name for p in (tree.path / "out").iterdir()] == ["f"]


def test_the_sbom_is_whole_and_the_same_every_time(tree):
    tree.build("deps")
    for name in ("one", "two"):
        done = tree.run("initramfs/mksbom.sh", name)
        assert done.returncode == 0, done.stderr
    assert (tree.path / "one").read_bytes() == (tree.path / "two").read_bytes()
    sbom = json.loads((tree.path / "one").read_text())
    assert sbom["spdxVersion"] == "SPDX-2.3" and sbom["creationInfo"]["created"] == "2026-11-01T00:00:00Z"
    ids = {package["SPDXID"] for package in sbom["packages"]} | {"SPDXRef-DOCUMENT"}
    for relation in sbom["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= ids
    package, = [p for p in sbom["packages"] if p["name"] == "musl"]
    assert package["licenseDeclared"] == "MIT" and package["supplier"] == "Organization: Debian"
    assert package["checksums"] == [{"algorithm": "SHA256", "checksumValue": sha256(upstream("musl"))}]
    assert sha256(patches("musl", 1)) in package["sourceInfo"]


def test_every_pinned_input_has_a_licence(top):
    for line in (top / "config/versions").read_text().splitlines():
        fields = line.split()
        if not line or line[0] in "#\t" or fields[0] == "epoch":
            continue
        assert len(fields) >= 4 and "/" in fields[2] and fields[3] != "LICENCE", line
