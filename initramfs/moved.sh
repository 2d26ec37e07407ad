# shellcheck shell=sh disable=SC2154
# initramfs/moved.sh - the mirror has dropped a pinned revision: take the newer one, if it may be
#
# Source packages: the same upstream tarball (by checksum) with Debian's newer patches.
# Binary packages: the newer package. Both from the index that Debian's archive key signs; both
# printed, and recorded for the SBOM. Sourced by fetch.sh when a download was answered 404.

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_conf=$build/apt/apt.conf

# private_apt: indexes of the suite, whatever suite this machine runs, as root or not.
private_apt() {
	find_mirror
	need "$keyring"
	mkdir -p "$build/apt/lists/partial" "$build/apt/cache/archives/partial"
	cat >"$build/apt/sources.list" <<-END
		deb [arch=amd64 signed-by=$keyring] $mirror $suite main non-free-firmware
		deb-src [signed-by=$keyring] $mirror $suite main
	END
	cat >"$apt_conf" <<-END
		Dir::Etc::SourceList "$build/apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::State::Lists "$build/apt/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$build/apt/cache";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
		Acquire::Languages "none";
		APT::Sandbox::User "root";
		APT::Architecture "amd64";
		APT::Get::AllowUnauthenticated "false";
	END
	# A day-old index is fresh enough: pins move rarely, and a moved pin is looked up at most once.
	[ -z "$(find "$build/apt/fresh" -mmin -1440 2>/dev/null)" ] || return 0
	(
		flock 8
		APT_CONFIG=$apt_conf apt-get update -o APT::Update::Error-Mode=any >"$build/apt/update.log" 2>&1
	) 8>"$build/apt/lock" ||
		die "cannot read the $suite index: $(sed -n 's/^E: *//p' "$build/apt/update.log" | head -n 1)"
	touch "$build/apt/fresh"
}

# listed KIND PACKAGE: "pool sum file" of every file of the newest version; KIND is src or deb.
listed() {
	if [ "$1" = src ]; then
		APT_CONFIG=$apt_conf apt-get source --print-uris --download-only "$2" 2>/dev/null
	else
		(cd "$build/apt" && APT_CONFIG=$apt_conf apt-get download --print-uris "$2" 2>/dev/null)
	fi | sed -n "s,^'[^']*/pool/\([^/]*\)/[^/]*/\([^/]*\)/\([^/']*\)' .* SHA256:\([0-9a-f]*\)\$,\1/\2 \4 \3,p" |
		sed 's/%7e/~/g; s/%2b/+/g' | grep -vE '\.(dsc|asc)$'
}

# package_version KIND PACKAGE
package_version() {
	if [ "$1" = src ]; then
		APT_CONFIG=$apt_conf apt-cache showsrc --only-source "$2" | sed -n 's/^Version: //p' |
			sort -V | tail -n 1
	else
		APT_CONFIG=$apt_conf apt-cache policy "$2" | awk '$1 == "Candidate:" { print $2 }'
	fi
}

# current_name PACKAGE: a kernel's package name holds its version; its metapackage names the newest.
current_name() {
	case $1 in
	linux-image-[0-9]*)
		APT_CONFIG=$apt_conf apt-cache depends linux-image-amd64 |
			awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }' ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# take_moved NAME PINS: called when no pinned alternative of NAME can be had.
take_moved() {
	private_apt
	moved_pool=$(printf '%s\n' "$2" | awk 'NR == 1 { print $4 }')
	moved_from=$(printf '%s\n' "$2" | awk 'NR == 1 { print $3 }')
	case $2 in
	*.deb)
		moved_kind=deb
		moved_package=$(printf '%s\n' "$2" | awk 'NR == 1 { sub(/_.*/, "", $6); print $6 }')
		moved_package=$(current_name "$moved_package") ;;
	*) moved_kind=src moved_package=${moved_pool##*/} ;;
	esac
	moved_files=$(listed "$moved_kind" "$moved_package")
	[ -n "$moved_files" ] || die "$1: neither the pinned files nor any other of $moved_package are on the mirror"
	if [ "$moved_kind" = src ]; then
		moved_orig=$(printf '%s\n' "$moved_files" | awk '$3 ~ /\.orig\.tar/ { print $2 }')
		printf '%s\n' "$2" | grep -q -- " $moved_orig " ||
			die "$1: the mirror has another upstream version than the pinned $moved_from; update config/versions (initramfs/pin.sh src $moved_package)"
	fi
	moved_version=$(package_version "$moved_kind" "$moved_package")
	moved_pins=$(printf '%s\n' "$moved_files" | while read -r moved_p moved_s moved_f; do
		printf '1 %s %s %s %s %s\n' "$1" "$moved_version" "$moved_p" "$moved_s" "$moved_f"
	done)
	take_files "$moved_pins" || die "$1: the mirror lists $take_missing and does not have it; try another mirror (ETCD_RESCUE_MIRROR=URL)"
	say "warning: $1 $moved_from is no longer on the mirror; taking $moved_version (recorded in the SBOM)"
	record_input "$moved_pins" "$moved_from"
}
