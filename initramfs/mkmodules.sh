#!/bin/sh
# initramfs/mkmodules.sh - the signed kernel, and the modules of features.d with all they need
#
#   mkmodules.sh DEST         DEST/vmlinuz, DEST/version, DEST/lib/modules/VERSION/...
#   mkmodules.sh --tree       path of the whole unpacked kernel package (modules.dep and all)
#
# Modules stay as Debian ships them: .ko.xz, with the signature that Secure Boot's lockdown asks
# for. Other xz settings were tried: 1 to 2 % at best.
. "${0%/*}/lib.sh"

# kernel_tree: unpack the kernel package once for each version; the index is ours, made by depmod.
kernel_tree() {
	kernel_deb=$(fetch_verified kernel)
	kernel_dir=$build/$ARCH/kernel/$(basename "$kernel_deb")
	if [ ! -f "$kernel_dir/whole" ]; then
		room 400
		rm -rf "$build/$ARCH/kernel"
		mkdir -p "$kernel_dir"
		run kernel-unpack dpkg-deb -x "$kernel_deb" "$kernel_dir"
		[ ! -d "$kernel_dir/usr/lib/modules" ] || [ -d "$kernel_dir/lib" ] ||
			ln -s usr/lib "$kernel_dir/lib"
		run kernel-depmod depmod -b "$kernel_dir" "$(ls "$kernel_dir/lib/modules")"
		: >"$kernel_dir/whole"
	fi
	printf '%s\n' "$kernel_dir"
}

main() {
	need depmod dpkg-deb xz
	tree=$(kernel_tree)
	if [ "${1:-}" = --tree ]; then
		printf '%s\n' "$tree"
		return
	fi
	[ $# -eq 1 ] || die 'usage: mkmodules.sh DEST | --tree'
	version=$(ls "$tree/lib/modules")
	from=$tree/lib/modules/$version
	begin modules
	if ! awk -f "$top/initramfs/closure.awk" "$from/modules.builtin" "$from/modules.dep" \
		"$from/modules.alias" "$from/modules.softdep" "$top"/initramfs/features.d/*.modules \
		>"$stage/list" 2>"$stage/missing"; then
		cat "$stage/missing" >&2
		die "kernel $version does not have every module of initramfs/features.d (see above)"
	fi
	to=$stage/tree/lib/modules/$version
	mkdir -p "$to"
	sort -o "$stage/list" "$stage/list"
	# Links, not copies: nothing writes to them.
	while read -r module; do
		mkdir -p "$to/${module%/*}"
		ln "$from/$module" "$to/$module" 2>/dev/null || cp "$from/$module" "$to/$module"
	done <"$stage/list"
	cp "$from/modules.order" "$from/modules.builtin" "$from/modules.builtin.modinfo" "$to/"
	run modules-depmod depmod -b "$stage/tree" "$version"
	# The text forms are what the image's modprobe reads.
	rm -f "$to"/*.bin "$to/modules.order" "$to/modules.builtin.modinfo" "$to/modules.devname" \
		"$to/modules.symbols"
	cp "$tree/boot/vmlinuz-$version" "$stage/tree/vmlinuz"
	printf '%s\n' "$version" >"$stage/tree/version"
	rm -rf "$1"
	mkdir -p "${1%/*}"
	mv "$stage/tree" "$1"
	say "kernel $version: $(wc -l <"$stage/list") modules, $(du -sk --apparent-size "$1/lib" | cut -f1) KiB"
}

main "$@"
