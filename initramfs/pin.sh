#!/bin/sh
# initramfs/pin.sh src|deb PACKAGE... - print the stanza of config/versions for the newest version
#
# For people who move the pins: review the output, put the licence in, paste it.
. "${0%/*}/lib.sh"
. "$top/initramfs/moved.sh"

main() {
	[ $# -ge 2 ] || die 'usage: initramfs/pin.sh src|deb PACKAGE...'
	case $1 in src | deb) ;; *) die "pin.sh: $1 is neither src nor deb" ;; esac
	pin_kind=$1
	shift
	private_apt
	for pin_package; do
		pin_files=$(listed "$pin_kind" "$pin_package")
		[ -n "$pin_files" ] || die "$pin_package: not in $suite"
		printf '%s %s %s LICENCE\n' "$pin_package" "$(package_version "$pin_kind" "$pin_package")" \
			"$(printf '%s\n' "$pin_files" | awk 'NR == 1 { print $1 }')"
		printf '%s\n' "$pin_files" | awk '{ printf "\t%s %s\n", $2, $3 }'
	done
}

main "$@"
