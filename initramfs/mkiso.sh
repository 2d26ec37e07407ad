#!/bin/sh
# initramfs/mkiso.sh - one ISO for BIOS and UEFI, as a CD, as a BMC's virtual medium or on USB
#
#   mkiso.sh --kernel F --initramfs F [--firmware F] --output F
#
# UEFI starts Debian's shim (signed by Microsoft's key), it Debian's GRUB, that the signed kernel:
# Secure Boot stays on. BIOS starts isolinux. Both load boot/custom.img last, an initrd of zeros
# that `customise` fills in place; the kernel skips zeros.
. "${0%/*}/lib.sh"
. "$top/initramfs/embed.sh"

custom_bytes=524288     # room for a plan, keys, CAs; compressed
config_bytes=8192       # size of each menu file, padding included

# part NAME PATTERN: the one file of an unpacked Debian package.
part() {
	part_dir=$stage/debs/$1
	if [ ! -d "$part_dir" ]; then
		part_deb=$(fetch_verified "$1")
		mkdir -p "$part_dir"
		run "iso-$1" dpkg-deb -x "$part_deb" "$part_dir"
	fi
	part_file=$(find "$part_dir" -path "*/$2" -type f)
	[ -f "$part_file" ] || die "package $1 has no $2: the loader's files have moved"
	printf '%s\n' "$part_file"
}

# menu TEMPLATE SEPARATOR: names of the initrds put in, padded with comment lines to a fixed size.
menu() {
	menu_list=/boot/initramfs.img
	[ -z "$firmware" ] || menu_list=$menu_list$2/boot/firmware.img
	menu_list=$menu_list$2/boot/custom.img
	sed "s|@INITRDS@|$menu_list|" "$top/initramfs/boot/$1" >"$stage/menu"
	menu_left=$((config_bytes - $(stat -c %s "$stage/menu")))
	[ "$menu_left" -ge 4096 ] || die "boot/$1 is too long: raise config_bytes"
	cat "$stage/menu"
	padding "$menu_left"
}

# esp FILE MARK: the EFI partition. Sector-sized clusters make 4 MB a FAT16.
esp() {
	mkdir -p "$stage/esp/EFI/BOOT" "$stage/esp/boot/grub"
	cp "$(part shim-signed 'shimx64.efi.signed')" "$stage/esp/EFI/BOOT/BOOTX64.EFI"
	cp "$(part grub-efi-amd64-signed 'gcdx64.efi.signed')" "$stage/esp/EFI/BOOT/grubx64.efi"
	sed "s|@MARK@|$2|" "$top/initramfs/boot/esp.cfg" >"$stage/esp/boot/grub/grub.cfg"
	find "$stage/esp" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
	esp_kb=$(($(du -sk --apparent-size "$stage/esp" | cut -f1) + 128))
	esp_kb=$(((esp_kb + 31) / 32 * 32))
	run iso-esp mkfs.vfat --invariant -F 16 -s 1 -n ETCD-RESCUE -C "$1" "$esp_kb"
	(cd "$stage/esp" && run iso-esp-copy mcopy -s -m -Q -i "$1" EFI boot ::/)
}

main() {
	kernel='' initramfs='' firmware='' output=''
	while [ $# -gt 1 ]; do
		case $1 in
		--kernel) kernel=$2 ;;
		--initramfs) initramfs=$2 ;;
		--firmware) firmware=$2 ;;
		--output) output=$2 ;;
		*) die "mkiso.sh: unknown option $1" ;;
		esac
		shift 2
	done
	if [ ! -f "$kernel" ] || [ ! -f "$initramfs" ] || [ -z "$output" ]; then
		die 'usage: mkiso.sh --kernel F --initramfs F [--firmware F] --output F'
	fi
	need xorriso mcopy mkfs.vfat dpkg-deb
	begin "iso-$(basename "$output")"
	# One name and one id for one content: GRUB looks for it, and two sticks do not clash.
	id=$(cat "$kernel" "$initramfs" ${firmware:+"$firmware"} | sha256sum | cut -c1-32)
	disc=$stage/disc
	mkdir -p "$disc/boot/grub" "$disc/isolinux" "$disc/.disk"
	cp "$kernel" "$disc/boot/vmlinuz"
	cp "$initramfs" "$disc/boot/initramfs.img"
	[ -z "$firmware" ] || cp "$firmware" "$disc/boot/firmware.img"
	head -c "$custom_bytes" /dev/zero >"$disc/boot/custom.img"
	menu grub.cfg ' ' >"$disc/boot/grub/grub.cfg"
	menu isolinux.cfg , >"$disc/isolinux/isolinux.cfg"
	printf 'etcd-rescue %s\n' "$id" >"$disc/.disk/info"
	printf '%s\n' "$id" >"$disc/.disk/etcd-rescue-$id"
	cp "$(part isolinux ISOLINUX/isolinux.bin)" "$disc/isolinux/"
	for module in ldlinux.c32 menu.c32 libutil.c32; do
		cp "$(part syslinux-common "bios/$module")" "$disc/isolinux/"
	done
	esp "$stage/esp.img" ".disk/etcd-rescue-$id"
	guid=$(printf '%s' "$id" | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-4\3-8\4-\5/')
	date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)
	find "$disc" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
	chmod -R a-w "$disc"
	run "iso-$(basename "$output")" xorriso -no_rc -as mkisofs -V ETCD_RESCUE -J -r -o "$stage/iso" \
		-isohybrid-mbr "$(part isolinux ISOLINUX/isohdpfx.bin)" \
		-c isolinux/boot.cat -b isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table \
		-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \
		-append_partition 2 0xef "$stage/esp.img" -appended_part_as_gpt -partition_offset 16 \
		--modification-date="$date" --set_all_file_dates "$date" --gpt_disk_guid "$guid" "$disc"
	chmod -R u+w "$disc"
	mkdir -p "${output%/*}"
	mv "$stage/iso" "$output"
}

main "$@"
