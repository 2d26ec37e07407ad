"""The power of one machine goes in the middle of its commit, and comes back with the image still attached.

	for master in cluster:
	    story.power_on(master, disks[master.name], stick=stick)
	said = cut_while_it_commits(story, cluster[1], disk, stick=stick)       # its console up to there
	story.until_on_their_disks()
	goes_on(story, cluster[1], said)

In the middle: the journal says that it commits, and the disk is so slow that the end of it is far.
"""

import os
import time

from machine.console import COLOUR
from machine.serving import NOT_ON_THE_DISK
from machine.vm import BOOT
from scenario.story import RESTORE

COMMITTING = b'"phase":"committing"'      # in the journal
SLOW = 4        # writes a second
THROTTLE = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd"), 0)
PATIENCE = 120


def holds(disk, text):
    """Is this text anywhere on the disk? Holes are left out."""
    with open(disk, "rb") as image:
        size, at = image.seek(0, os.SEEK_END), 0
        while at < size:
            try:
                at = os.lseek(image.fileno(), at, os.SEEK_DATA)
            except OSError:     # nothing but a hole is left
                return False
            end = os.lseek(image.fileno(), at, os.SEEK_HOLE)
            image.seek(at)
            if text in image.read(end - at):
                return True
            at = end
    return False


def cut_while_it_commits(story, master, disk, **options):
    """options: those that it was switched on with; they are what it is switched on with again."""
    vm = story.vms[master.name]
    vm.console.expect("==> gate", BOOT + RESTORE, stop_at=NOT_ON_THE_DISK)
    vm.qmp("block_set_io_throttle", device="disk0", iops_wr=SLOW, **THROTTLE)
    end = time.monotonic() + PATIENCE
    while not holds(disk, COMMITTING):
        assert time.monotonic() < end, vm.console.text[-1000:]
        time.sleep(0.2)
    # Until what was written has got its name.
    time.sleep(8 / SLOW)
    said = COLOUR.sub("", vm.console.text)
    vm.close()
    story.say(f"the power of {master.name} is cut, and comes back")
    story.power_on(master, disk, **options)
    story.inputs.pop()         # nobody did that
    return said


def goes_on(story, master, before):
    """It had begun, had not ended, and the next boot has carried on from the journal."""
    after = COLOUR.sub("", story.vms[master.name].console.text)
    assert "==> commit" in before and "commit: restored" not in before
    assert "an earlier run was interrupted (committing); it goes on" in after and "commit: restored" in after
