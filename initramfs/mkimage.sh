#!/bin/sh
# initramfs/mkimage.sh - everything of the image, in order, into out/; called by ./build.sh image
#
# Each step is remembered by the checksum of what it was made from, so a second run does nothing.
# out/ changes only at the end, when all is there.
. "${0%/*}/lib.sh"

image=$build/image
scripts=$top/initramfs

# key FILE-OR-DIR...: one checksum of contents, names and execute bits, plus the pins' and the date.
key() {
	{
		find "$@" -type f -printf '%m %P ' -exec sha256sum {} \; | sed "s|$top/||" | sort
		printf '%s\n' "$SOURCE_DATE_EPOCH"
		cat "$top/config/versions"
		# What the mirror really gave, when it has moved on from the pins.
		cat "$build"/inputs/* 2>/dev/null || :
	} | sha256sum | cut -d' ' -f1
}

# step NAME KEY OUTPUT COMMAND...: skip the command when OUTPUT was made from the same things.
step() {
	step_name=$1 step_key=$2 step_output=$3
	shift 3
	if [ -e "$step_output" ] && [ "$(cat "$image/$step_name.key" 2>/dev/null)" = "$step_key" ]; then
		return 0
	fi
	rm -f "$image/$step_name.key"
	say "image: $step_name"
	"$@"
	printf '%s\n' "$step_key" >"$image/$step_name.key"
}

# sizes: against the marks; the tests fail above them, the build only says so.
sizes() {
	for size_of in etcd-rescue:3500000 vmlinuz: initramfs.img:18000000 firmware.img: \
		etcd-rescue.iso:36000000 etcd-rescue-firmware.iso: etcd-rescue.efi:; do
		size_mark=${size_of#*:}
		printf '%-26s %9s bytes%s\n' "${size_of%:*}" "$(stat -c %s "$out/${size_of%:*}")" \
			"${size_mark:+ (mark $size_mark)}" >&2
	done
}

main() {
	binary=$out/etcd-rescue
	busybox=$build/$ARCH/busybox
	tools=$build/$ARCH/tools
	if [ ! -f "$binary" ] || [ ! -f "$busybox" ] || [ ! -f "$tools/cryptsetup" ]; then
		die 'the program is not built yet; run ./build.sh image'
	fi
	need cpio zstd xz xorriso mcopy mkfs.vfat depmod dpkg-deb
	mkdir -p "$image"
	# Two builds at once would mix their files.
	exec 9>"$image/lock"
	flock 9
	for input in kernel ca-certificates shim-signed grub-efi-amd64-signed systemd-boot-efi isolinux \
		syslinux-common $(awk '$1 ~ /^firmware-/ { print $1 }' "$scripts/features.d/firmware.list" | sort -u); do
		take_input "$input"
	done

	kernel_key=$(key "$scripts/mkmodules.sh" "$scripts/closure.awk" "$scripts"/features.d/*.modules)
	step kernel "$kernel_key" "$image/kernel/version" "$scripts/mkmodules.sh" "$image/kernel"
	kernel=$image/kernel/vmlinuz
	step initramfs "$kernel_key $(key "$scripts/mkinitramfs.sh" "$top/rootfs" "$binary" "$busybox" "$tools")" \
		"$image/initramfs.img" "$scripts/mkinitramfs.sh" --binary "$binary" --busybox "$busybox" \
		--tools "$tools" --modules "$image/kernel" --output "$image/initramfs.img"
	step firmware "$kernel_key $(key "$scripts/mkfirmware.sh" "$scripts/features.d/firmware.list")" \
		"$image/firmware.img" "$scripts/mkfirmware.sh" --modules "$image/kernel" \
		--output "$image/firmware.img"
	iso_key=$(key "$scripts/mkiso.sh" "$scripts/embed.sh" "$scripts/boot" "$kernel" "$image/initramfs.img")
	step iso "$iso_key" "$image/etcd-rescue.iso" "$scripts/mkiso.sh" --kernel "$kernel" \
		--initramfs "$image/initramfs.img" --output "$image/etcd-rescue.iso"
	step firmware-iso "$iso_key $(key "$image/firmware.img")" "$image/etcd-rescue-firmware.iso" \
		"$scripts/mkiso.sh" --kernel "$kernel" --initramfs "$image/initramfs.img" \
		--firmware "$image/firmware.img" --output "$image/etcd-rescue-firmware.iso"
	step uki "$(key "$scripts/mkuki.sh" "$scripts/pe.sh" "$kernel" "$image/initramfs.img")" \
		"$image/etcd-rescue.efi" "$scripts/mkuki.sh" --kernel "$kernel" \
		--release "$(cat "$image/kernel/version")" --initramfs "$image/initramfs.img" \
		--output "$image/etcd-rescue.efi"
	cp "$kernel" "$image/vmlinuz"
	for file in boot.ipxe done.ipxe done.cfg; do
		cp "$scripts/boot/$file" "$image/$file"
	done
	"$scripts/mksbom.sh" "$image/sbom.spdx.json"

	all='boot.ipxe done.cfg done.ipxe etcd-rescue-firmware.iso etcd-rescue.efi etcd-rescue.iso firmware.img
		initramfs.img sbom.spdx.json vmlinuz'
	# One list, split at blanks.
	# shellcheck disable=SC2086
	(cd "$image" && sha256sum $all) >"$image/sums"
	(cd "$out" && sha256sum etcd-rescue) >>"$image/sums"
	sort -k2 "$image/sums" >"$image/SHA256SUMS"
	if (cd "$out" && sha256sum --quiet -c "$image/SHA256SUMS") >/dev/null 2>&1 &&
		cmp -s "$image/SHA256SUMS" "$out/SHA256SUMS"; then
		say 'image: nothing has changed'
		return
	fi
	room 120
	# While files are replaced the old sums must not seem to vouch for them.
	rm -f "$out/SHA256SUMS"
	for file in $all SHA256SUMS; do
		publish "$image/$file" "$file"
	done
	sizes
}

main "$@"
