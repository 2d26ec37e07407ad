"""What a program holds of this machine's memory."""

import subprocess
import sys

# wait4() tells of a program, and of its parent before the exec: that is some MiB here, and many in pytest.
LAUNCHER = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print(status, used.ru_maxrss, file=sys.stderr)
"""


def peak(argv):
    """The most memory a program held, in MiB."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *map(str, argv)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=True)
    status, most = map(int, done.stderr.splitlines()[-1].split())
    assert status == 0, done.stderr
    return most >> 10
