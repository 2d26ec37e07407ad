"""What a disk holds after a cut: all of the first state, all of the last one, etcd fenced off, or what must never be.

    look(top)               every file and directory: kind, owner, mode, labels and ACLs, content
    Frame(first, last)      the states at both ends; where(now) says first, fenced or last, or raises Mixed; of one
                            that was run again, what each run makes anew (`made`: keys) may be another

    first, last     every file that is not etcd-rescue's own is as at that end, byte by byte, and the member of the
                    other end is complete somewhere (nothing is deleted), unless it was not there yet; in the first
                    state there may be directories of the last one that hold nothing but what is staged
    fenced          no manifest of etcd's where the kubelet looks: then each file may be of either end, but `member` is
                    one of the two, whole, and both members are on the disk, whole.  Where both do not fit on the file
                    system of `member` there may be none for a while: both are on the other one
"""

import hashlib
import os
import re
import stat
from collections import namedtuple

MANIFESTS = "etc/kubernetes/manifests/"
FENCE = MANIFESTS + "etcd.yaml"
DATA = "var/lib/etcd"
MEMBER = DATA + "/member"
ASIDE = "srv/spare"     # where the old member goes when both do not fit
# What etcd-rescue keeps for itself; nobody else reads there.
OWN = re.compile(r"(var/lib/etcd-rescue|var/log/etcd-rescue|var/lib/etcd/\.etcd-rescue"
                 r"|var/lib/(etcd/member|kubelet/pods)\.(before|rolled-back|next)-[0-9a-f]+(-[0-9]+)?"
                 r"|var/lib/etcd/member\.etcd-rescue-(in|out)"
                 r"|([^\n]*/)?\.[^/\n]+\.etcd-rescue-new|srv/spare/etcd|(var/lib/etcd/)?lost\+found|other)(/|$)")
CHUNK = 1 << 16
ZEROS = bytes(CHUNK)

Thing = namedtuple("Thing", "kind mode owner attributes content")


class Mixed(Exception):
    """A state that must never be."""


def written(fd, size):
    """The chunks that are not all hole, found before anything is read: what is read ahead of a hole looks like data."""
    at, chunks = 0, []
    while at < size:
        try:
            start = max(at, os.lseek(fd, at, os.SEEK_DATA) // CHUNK * CHUNK)
        except OSError:
            break  # nothing but a hole behind
        end = os.lseek(fd, start + CHUNK - 1, os.SEEK_HOLE) if start + CHUNK - 1 < size else size
        at = -(-end // CHUNK) * CHUNK
        chunks += range(start, at, CHUNK)
    return chunks


def content_of(path, size):
    """A digest of a file that costs nothing for its holes (a new WAL is 64 MB of them), nor minds where they are."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:
            for at in written(file.fileno(), size):
                chunk = os.pread(file.fileno(), CHUNK, at)
                if chunk != ZEROS[:len(chunk)]:
                    digest.update(at.to_bytes(8, "little") + chunk)
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return digest.hexdigest()


def look(top, inodes=None):
    """{path: Thing}; `inodes`, a dictionary, is filled with those of directories."""
    found = {}
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(top, directory)) as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                st = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(st.st_mode):
                    pending.append(path)
                    content = ""
                    if inodes is not None:
                        inodes[path] = st.st_ino
                elif stat.S_ISREG(st.st_mode):
                    content = content_of(entry.path, st.st_size)
                elif stat.S_ISLNK(st.st_mode):
                    content = os.readlink(entry.path)
                else:
                    content = str(st.st_rdev)
                names = os.listxattr(entry.path, follow_symlinks=False)
                attributes = tuple(sorted((n, os.getxattr(entry.path, n, follow_symlinks=False)) for n in names))
                found[path] = Thing(stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), (st.st_uid, st.st_gid),
                                    attributes, content)
    return found


def fingerprint(found, inodes):
    """Two disks with the same one are the same to whoever goes on from there (but for times)."""
    return hashlib.blake2b(repr((sorted(found.items()), sorted(inodes.items()))).encode(), digest_size=16).hexdigest()


def below(found, directory):
    """What is in a directory, and its own owner, mode and labels, by names relative to it."""
    if directory not in found:
        return None
    prefix = directory + "/"
    tree = {path[len(prefix):]: thing for path, thing in found.items() if path.startswith(prefix)}
    tree[""] = found[directory]
    return tree


def foreign(found):
    """What is not etcd-rescue's own."""
    return {path: thing for path, thing in found.items() if not OWN.match(path)}


def differs(path, old, new, now):
    """One line on what is wrong with one path."""
    if now is None:
        return f"{path} is missing"
    fields = [f for f in Thing._fields if getattr(now, f) not in {getattr(t, f) for t in (old, new) if t}]
    return f"{path}: {', '.join(fields) or 'all'} of neither end" if old or new else f"{path} is of neither end"


class Frame:
    """The two ends."""

    def __init__(self, first, last, fence=FENCE, moved=False, member=MEMBER, made=None):
        self.first, self.last, self.fence, self.moved = foreign(first), foreign(last), fence, moved
        self.member, self.made = member, made
        self.members = below(first, member), below(last, member)
        self.both = self.first.keys() | self.last.keys()

    def whole(self, now, member):
        """Is this member on the disk, under whatever name?  An empty one is no loss."""
        if not member or len(member) == 1:
            return True
        near, name = (os.path.dirname(self.member) + "/", ASIDE + "/"), max(member)
        return any(below(now, path) == member for path in now if path.startswith(near) and f"{path}/{name}" in now)

    def alike(self, found):
        """Without what is in the files that each run makes anew."""
        return {path: thing._replace(content="anew") if self.made.match(path) and thing.content else thing
                for path, thing in found.items()}

    def between(self, now):
        """The instant, which a cut may make long, at which the one is away and the other not there yet."""
        return self.moved and self.member not in now

    def where(self, now, again=False):
        if again and self.made:
            anew = Frame(self.alike(self.first), self.alike(self.last), self.fence, self.moved, self.member)
            return anew.where(self.alike(now))
        theirs = foreign(now)
        # The last member may not be made yet; directories may, in which it is staged.
        made = {path for path in theirs if path not in self.first and theirs[path] == self.last.get(path)
                and theirs[path].kind == stat.S_IFDIR}
        if {path: thing for path, thing in theirs.items() if path not in made} == self.first:
            return "first"
        if theirs == self.last:
            if not self.whole(now, self.members[0]):
                raise Mixed("the last state, and the first one's member is gone")
            return "last"
        wrong = [differs(p, self.first.get(p), self.last.get(p), theirs.get(p)) for p in sorted(self.both | theirs.keys())
                 if theirs.get(p) not in (self.first.get(p), self.last.get(p)) and not (p == self.fence and p not in now)
                 and not (self.between(now) and (p + "/").startswith(self.member + "/"))]
        if wrong:
            raise Mixed("; ".join(wrong[:4]))
        if not self.fence or self.fence in now:
            first = sum(theirs.get(p) == self.first.get(p) for p in self.both)
            raise Mixed(f"a mixture: {first} of {len(self.both)} paths are the first's, and etcd would start")
        if below(now, self.member) not in self.members and not self.between(now):
            raise Mixed("fenced, but the member is neither whole one")
        for member, end in zip(self.members, ("first", "last")):
            if not self.whole(now, member):
                raise Mixed(f"fenced, and the member of the {end} state is gone")
        return "fenced"
