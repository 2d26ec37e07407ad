/* What boots on the disks below tests/golden/boot, as each distribution's own loader would. */
#pragma once

#include <stdbool.h>

static const struct golden {
	const char *name;
	bool root, boot, esp, uefi;
	const char *title, *origin, *want;
} goldens[] = {
	{ "debian", true, false, false, false, "Debian GNU/Linux", "boot/grub/grub.cfg",
		"root:boot/vmlinuz-6.1.0-18-amd64 + root:boot/initrd.img-6.1.0-18-amd64 | "
		"root=UUID=5f0d0ee5-6e8b-4a55-8a37-6ecf0fd2b7f1 ro quiet" },
	{ "debian", true, false, false, true, "Debian GNU/Linux", "boot/grub/grub.cfg",
		"root:boot/vmlinuz-6.1.0-18-amd64 + root:boot/initrd.img-6.1.0-18-amd64 | "
		"root=UUID=5f0d0ee5-6e8b-4a55-8a37-6ecf0fd2b7f1 ro quiet" },
	{ "ubuntu", true, true, false, false, "Ubuntu, with Linux 6.8.0-28-generic",
		"grub/grub.cfg",
		"boot:vmlinuz-6.8.0-28-generic + boot:microcode.cpio + "
		"boot:initrd.img-6.8.0-28-generic | "
		"root=/dev/mapper/ubuntu--vg-ubuntu--lv ro quiet splash vt.handoff=7" },
	{ "rocky", false, true, false, false,
		"Rocky Linux (5.14.0-362.8.1.el9_3.x86_64) 9.3 (Blue Onyx)",
		"loader/entries/4c2f-5.14.0-362.8.1.el9_3.x86_64.conf",
		"boot:vmlinuz-5.14.0-362.8.1.el9_3.x86_64 + "
		"boot:initramfs-5.14.0-362.8.1.el9_3.x86_64.img | "
		"root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M "
		"rd.lvm.lv=rl/root" },
	{ "rocky-saved", false, true, false, true,
		"Rocky Linux (5.14.0-70.13.1.el9_0.x86_64) 9.3 (Blue Onyx)",
		"loader/entries/4c2f-5.14.0-70.13.1.el9_0.x86_64.conf",
		"boot:vmlinuz-5.14.0-70.13.1.el9_0.x86_64 + "
		"boot:initramfs-5.14.0-70.13.1.el9_0.x86_64.img | "
		"root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M "
		"rd.lvm.lv=rl/root" },
	{ "rhel8", false, true, true, true,
		"Red Hat Enterprise Linux (4.18.0-513.5.1.el8_9.x86_64) 8.9 (Ootpa)",
		"loader/entries/9e1d-4.18.0-513.5.1.el8_9.x86_64.conf",
		"boot:vmlinuz-4.18.0-513.5.1.el8_9.x86_64 + "
		"boot:initramfs-4.18.0-513.5.1.el8_9.x86_64.img | root=UUID=0b7e ro rhgb quiet "
		"audit=1" },
	{ "rhcos", false, true, false, true,
		"Red Hat Enterprise Linux CoreOS 417.94.202502 (Plow) (ostree:0)",
		"loader/entries/ostree-2-rhcos.conf",
		"boot:ostree/rhcos-2222/vmlinuz-5.14.0-427.el9.x86_64 + "
		"boot:ostree/rhcos-2222/initramfs-5.14.0-427.el9.x86_64.img | "
		"ostree=/ostree/boot.1/rhcos/2222/0 ignition.platform.id=metal "
		"console=ttyS0,115200n8 root=UUID=5dfd rw rootflags=prjquota boot=UUID=96d1 "
		"systemd.unified_cgroup_hierarchy=1" },
	{ "sles", true, false, false, true, "SLES 15-SP5", "boot/grub2/grub.cfg",
		"root:boot/vmlinuz-5.14.21-150500.53-default + "
		"root:boot/initrd-5.14.21-150500.53-default | root=UUID=f00d splash=silent "
		"mitigations=auto quiet security=apparmor" },
	{ "btrfs", true, false, false, false, "Ubuntu", "boot/grub/grub.cfg",
		"root:boot/vmlinuz-6.8.0 + root:boot/initrd.img-6.8.0 | root=UUID=1 ro "
		"rootflags=subvol=@ \"dyndbg=file drivers/usb/core/hub.c +p\"" },
	{ "systemd-boot", false, false, true, true, "Debian GNU/Linux 12 (bookworm)",
		"loader/entries/debian-6.1.0-18.conf",
		"esp:4a6c/6.1.0-18-amd64/linux + esp:4a6c/6.1.0-18-amd64/microcode + "
		"esp:4a6c/6.1.0-18-amd64/initrd.img-6.1.0-18-amd64 | root=UUID=5f0d ro quiet "
		"systemd.machine_id=4a6c" },
	{ "extlinux", true, false, false, false, "lts", "boot/extlinux/extlinux.conf",
		"root:boot/extlinux/vmlinuz-lts + root:boot/extlinux/intel-ucode.img + "
		"root:boot/extlinux/initramfs-lts | root=UUID=88 modules=sd-mod,usb-storage,ext4 "
		"quiet rootfstype=ext4" },
	{ "syslinux", true, false, false, false, "old", "boot/syslinux/syslinux.cfg",
		"root:boot/vmlinuz-old + root:boot/initramfs-old | root=/dev/sda1 quiet" },
};
