#!/bin/sh
# initramfs/mkuki.sh - etcd-rescue.efi: stub, kernel, initramfs and kernel line in one EFI program
#
#   mkuki.sh --kernel F --release VERSION --initramfs F --output F
#
# Unsigned, and the same bytes each time; `customise --sign` makes the signed form for machines that
# have the owner's own key.
. "${0%/*}/lib.sh"
. "$top/initramfs/pe.sh"

main() {
	kernel='' release='' initramfs='' output=''
	while [ $# -gt 1 ]; do
		case $1 in
		--kernel) kernel=$2 ;;
		--release) release=$2 ;;
		--initramfs) initramfs=$2 ;;
		--output) output=$2 ;;
		*) die "mkuki.sh: unknown option $1" ;;
		esac
		shift 2
	done
	if [ ! -f "$kernel" ] || [ ! -f "$initramfs" ] || [ -z "$release" ] || [ -z "$output" ]; then
		die 'usage: mkuki.sh --kernel F --release VERSION --initramfs F --output F'
	fi
	need dpkg-deb
	begin uki
	stub_deb=$(fetch_verified systemd-boot-efi)
	run uki-stub dpkg-deb -x "$stub_deb" "$stage/deb"
	uki=$stage/uki.efi
	cp "$stage/deb/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$uki" ||
		die 'package systemd-boot-efi has no linuxx64.efi.stub: it has moved'
	chmod 644 "$uki"
	printf 'ID=etcd-rescue\nNAME="etcd-rescue"\nPRETTY_NAME="etcd-rescue"\n' >"$stage/osrel"
	printf '%s' "$release" >"$stage/uname"
	# A line has to be there: with Secure Boot on, the stub then takes no other from outside.
	printf 'quiet' >"$stage/cmdline"
	pe_append "$uki" .uname "$stage/uname"
	pe_append "$uki" .linux "$kernel"
	# What customise changes comes last, so that it can cut here and go on.
	pe_append "$uki" .osrel "$stage/osrel"
	pe_append "$uki" .cmdline "$stage/cmdline"
	pe_append "$uki" .initrd "$initramfs"
	pe_seal "$uki"
	mkdir -p "${output%/*}"
	mv "$uki" "$output"
}

main "$@"
