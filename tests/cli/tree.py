"""A master's tree before and after: what is in it, and what a write would have touched."""

import hashlib
import subprocess


def call(program, *args, status=0, stdin=subprocess.DEVNULL):
    done = subprocess.run([program, *args], capture_output=True, text=True, timeout=120, stdin=stdin)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def contents(root):
    """Every file with what is in it."""
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(root.rglob("*")) if p.is_file() and not p.is_symlink()}


def own_contents(root):
    """The same of the machine's own files: neither this program's nor what it kept."""
    return {name: text for name, text in contents(root).items()
            if not any(ours in name for ours in ("etcd-rescue", ".before-", ".rolled-back-"))}


def marks(root):
    """What a write, a rename or a chmod would change."""
    return {str(p.relative_to(root)): (s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_mode, s.st_size)
            for p in sorted(root.rglob("*")) for s in [p.lstat()]}
