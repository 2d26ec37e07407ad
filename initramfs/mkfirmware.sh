#!/bin/sh
# initramfs/mkfirmware.sh - firmware.img: a second initrd with the files of firmware.list
#
#   mkfirmware.sh --modules DIR --output F
#
# Each file is compressed by itself, which the kernel undoes when a driver asks: unpacked it takes
# little memory. Every firmware name in the modules must be carried or excused.
. "${0%/*}/lib.sh"

list=$top/initramfs/features.d/firmware.list

# carry PACKAGE PATTERN: files and links of one line of the list.
carry() {
	carry_dir=$stage/debs/$1
	if [ ! -d "$carry_dir" ]; then
		carry_deb=$(fetch_verified "$1")
		mkdir -p "$carry_dir"
		run "firmware-$1" dpkg-deb -x "$carry_deb" "$carry_dir"
	fi
	carry_from=$carry_dir/usr/lib/firmware
	[ -d "$carry_from" ] || carry_from=$carry_dir/lib/firmware
	carry_any=''
	# The pattern is meant to expand.
	# shellcheck disable=SC2086
	for carry_file in $(cd "$carry_from" && printf '%s\n' $2); do
		if [ -h "$carry_from/$carry_file" ]; then
			mkdir -p "$to/$(dirname "$carry_file")"
			ln -sf "$(readlink "$carry_from/$carry_file").xz" "$to/$carry_file.xz"
		elif [ -f "$carry_from/$carry_file" ]; then
			mkdir -p "$to/$(dirname "$carry_file")"
			xz -9e --check=crc32 -T1 -c "$carry_from/$carry_file" >"$to/$carry_file.xz"
		else
			continue
		fi
		carry_any=yes
	done
	[ -n "$carry_any" ] || die "firmware.list: package $1 has nothing that matches $2"
}

# covered DIR: each name the modules give is there, or on the list of the absent.
covered() {
	find "$1/lib/modules" -name '*.ko.xz' | sort | while read -r module; do
		modinfo -F firmware "$module" | sed "s|\$| $(basename "$module" .ko.xz)|"
	done | sort -u >"$stage/named"
	while read -r name module; do
		[ ! -e "$to/$name.xz" ] || continue
		if awk -v n="$name" '$1 == "absent" && $2 == n { found = 1 } END { exit !found }' "$list"; then
			say "firmware not in Debian: $name ($module)"
		else
			say "firmware missing: $name ($module)"
			printf '%s\n' "$name" >>"$stage/missing"
		fi
	done <"$stage/named"
	[ ! -s "$stage/missing" ] ||
		die "$(wc -l <"$stage/missing") firmware files are missing (named above): carry them or excuse them in ${list#"$top/"}"
}

main() {
	modules='' output=''
	while [ $# -gt 1 ]; do
		case $1 in
		--modules) modules=$2 ;;
		--output) output=$2 ;;
		*) die "mkfirmware.sh: unknown option $1" ;;
		esac
		shift 2
	done
	if [ ! -d "$modules/lib/modules" ] || [ -z "$output" ]; then
		die 'usage: mkfirmware.sh --modules DIR --output F'
	fi
	need xz modinfo cpio dpkg-deb
	begin firmware
	to=$stage/root/lib/firmware
	mkdir -p "$to"
	while read -r package pattern why; do
		[ -n "$why" ] || case $package in
		'' | '#'*) ;;
		*) die "firmware.list: \"package, path, why\" expected: $package $pattern" ;;
		esac
		case $package in
		'' | '#'* | absent) ;;
		link) ln -s "${why%%[[:space:]]*}.xz" "$to/$pattern.xz" ;;
		*) carry "$package" "$pattern" ;;
		esac
	done <"$list"
	# A link whose file another line did not bring would only mislead.
	find "$to" -type l ! -exec test -e {} \; -delete
	covered "$modules"
	find "$stage/root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	(cd "$stage/root" && find . ! -name . -print0 | sort -z |
		cpio --null --quiet -o -H newc --reproducible -R 0:0) >"$stage/firmware.img"
	say "firmware: $(find "$to" -type f | wc -l) files, $(stat -c %s "$stage/firmware.img") bytes"
	mkdir -p "${output%/*}"
	mv "$stage/firmware.img" "$output"
}

main "$@"
