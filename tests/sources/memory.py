"""What a program holds of this machine's memory."""

import contextlib
import subprocess
import time
from pathlib import Path


def peak(argv):
    """The most memory a program held, in MiB; wait4() would tell that of pytest, from before the exec."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
        most = 0
        while child.poll() is None:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{child.pid}/status").read_text().split()
                if "VmHWM:" in words and Path(f"/proc/{child.pid}/exe").resolve() == Path(argv[0]).resolve():
                    most = max(most, int(words[words.index("VmHWM:") + 1]))
            time.sleep(0.002)
    assert child.returncode == 0 and most
    return most >> 10
