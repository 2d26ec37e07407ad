"""What lies below some folders of a running machine, to the byte and the inode, so that two moments can be compared.

	before = record(vm, ["/etc/kubernetes", "/var/lib/etcd"])
	...
	assert changes(before, record(vm, ["/etc/kubernetes", "/var/lib/etcd"])) == []

Of each name: inode, kind and mode, owner, size, times of its content and of its inode, and of a file its MD5, of which an
emulated machine makes five in the time of one SHA-256. The time it was last read is left out. contents() forgets what a
copy cannot have: inode and times.
"""

import re
from typing import NamedTuple


class Entry(NamedTuple):
    inode: str
    mode: str
    owner: str
    size: str
    modified: str
    changed: str
    digest: str


def record(vm, folders, seconds=300):
    """{path: Entry}; a folder that is not there is an error."""
    where = " ".join(folders)
    stats = vm.console.run(f"find {where} -exec stat -c '%n|%i|%f|%u:%g|%s|%Y|%Z' {{}} +", seconds)
    assert stats.status == 0, stats.text
    sums = vm.console.run(f"find {where} -type f -exec md5sum {{}} +", seconds)
    assert sums.status == 0, sums.text
    # Between them may be what a service says on the console.
    digests = {path: digest for digest, path in re.findall(r"^([0-9a-f]{32})  (/.+)$", sums.text, re.M)}
    found = {}
    for line in (line for line in stats.text.splitlines() if line.count("|") == 6):
        path, *fields = line.split("|")
        found[path] = Entry(*fields, digests.get(path, ""))
    assert set(digests) <= set(found), "a file came between two looks"
    return found


def changes(before, after):
    """One line for each name that is not what it was."""
    lines = [f"{path} is gone" for path in sorted(set(before) - set(after))]
    lines += [f"{path} is new" for path in sorted(set(after) - set(before))]
    for path in sorted(set(before) & set(after)):
        was, now = before[path], after[path]
        lines += [f"{path}: {name} was {old}, is {new}" for name, old, new in zip(Entry._fields, was, now) if old != new]
    return lines


def contents(tree, top):
    """The same below another place: kind, mode, owner, and of files what is in them."""
    return {path.removeprefix(top): (entry.mode, entry.owner, entry.digest) for path, entry in tree.items()}
