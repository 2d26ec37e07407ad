"""Devices plugged in while the image runs, as a BMC does with its keyboard and its virtual CD, get their drivers."""

from machine.vm import BOOT


def test_usb_devices_work_when_plugged_in_late(fleet, image_file):
    iso = image_file("etcd-rescue.iso")
    late = ("-device", "qemu-xhci,id=late", "-drive", f"if=none,id=medium,format=raw,readonly=on,file={iso}")
    with fleet.start("late", memory=192, cdrom=iso, extra=late) as vm:
        vm.console.wake(BOOT)
        vm.settle()
        before = vm.console.run("lsmod").text.split()
        assert "usb_storage" not in before and "usbhid" not in before
        vm.qmp("device_add", driver="usb-storage", bus="late.0", drive="medium", id="stick", removable=True)
        vm.qmp("device_add", driver="usb-kbd", bus="late.0", id="keyboard")
        found = vm.console.run("n=0; until blkid /dev/sda* | grep -q ETCD_RESCUE; do n=$((n+1)); [ $n -lt 60 ] || break; "
                               "sleep 1; done; [ $n -lt 60 ]", 180)
        assert found.status == 0, vm.console.run("dmesg | tail -n 20").text
        assert vm.console.run("n=0; until grep -q 'QEMU USB Keyboard' /proc/bus/input/devices; do n=$((n+1)); "
                              "[ $n -lt 60 ] || break; sleep 1; done; [ $n -lt 60 ]", 180).status == 0
        # The mount point takes it, so the drivers are more than names.
        assert vm.console.run("mount -t iso9660 -o ro /dev/sda /mnt && cat /mnt/.disk/info && umount /mnt", 60).text \
            .startswith("etcd-rescue ")
