# shellcheck shell=sh
# initramfs/embed.sh - where customise puts things: into an ISO, into an EFI program, beside a kernel
#
# An ISO from mkiso.sh has a file of zeros, boot/custom.img, that both loaders load as the last
# initrd, and two menu files with room to grow. All three are overwritten in place: layout, boot
# records and partitions stay as they are. Nothing there is covered by a signature of the Debian
# chain, so Secure Boot keeps working. Sourced by customise.sh, which sets input, output, custom, any,
# private, cmdline, firmware, key and certificate; mkiso.sh takes the padding.
# shellcheck disable=SC2154

# finish FILE: the result takes its place in one step.
finish() {
	finish_part=$(dirname "$output")/.$(basename "$output").$$.part
	trap 'rm -f "$finish_part"; cleanup' EXIT
	(umask 077 && cp "$1" "$finish_part") 2>/dev/null ||
		die "--output: cannot write $output: $(full "$(dirname "$output")" || printf 'check the folder')"
	# A password's hash is not for everyone on this machine.
	[ -n "$private" ] || chmod 644 "$finish_part"
	mv -f "$finish_part" "$output"
}

# archive FILE: the additional initrd; the same inputs give the same bytes.
archive() {
	need cpio zstd
	find "$stage/custom" -type d -exec chmod 755 {} +
	find "$stage/custom" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
	(cd "$stage/custom" && find . ! -name . -print0 | sort -z |
		cpio --null --quiet -o -H newc --reproducible -R 0:0) >"$1.cpio"
	zstd -q -19 -T1 -f "$1.cpio" -o "$1" || die "zstd failed: $(full "$stage" || printf 'see above')"
	rm -f "$1.cpio"
}

# pad4 FILE: the kernel wants each archive to begin at a multiple of four.
pad4() { truncate -s $((($(stat -c %s "$1") + 3) / 4 * 4)) "$1"; }

into_initrd() {
	[ -z "$firmware" ] || cp "$firmware" "$stage/initrd"
	if [ -n "$any" ]; then
		archive "$stage/archive"
		cat "$stage/archive" >>"$stage/initrd"
	fi
	finish "$stage/initrd"
}

# iso_place PATH: sets place_at (byte offset) and place_size of a file in the ISO.
iso_place() {
	place=$(xorriso -no_rc -indev "$input" -find "$1" -exec report_lba 2>/dev/null |
		awk -F',' '/^File data lba:/ { gsub(/ /, ""); print $2, $4; exit }')
	[ -n "$place" ] ||
		die "--iso: $input has no $1: not an ISO of this project, or one from before customise existed"
	place_at=$((${place% *} * 2048))
	place_size=${place#* }
}

# iso_write FILE: over the place just found.
iso_write() {
	[ "$(stat -c %s "$1")" -eq "$place_size" ] || die "internal: $1 has not the size of its place"
	dd if="$1" of="$stage/iso" bs=2048 seek=$((place_at / 2048)) conv=notrunc 2>/dev/null ||
		die "cannot write the new ISO: $(full "$stage" || printf 'check build/')"
}

# iso_menu PATH PROGRAM: the menu file through awk, comments at its end give or take the room.
iso_menu() {
	iso_place "$1"
	tail -c +$((place_at + 1)) "$input" | head -c "$place_size" | sed '/^# *$/d' >"$stage/menu.old"
	awk -v args="$cmdline" "$2" "$stage/menu.old" >"$stage/menu"
	menu_left=$((place_size - $(stat -c %s "$stage/menu")))
	[ "$menu_left" -ge 0 ] || die "--cmdline: too long by $((-menu_left)) bytes"
	padding "$menu_left" >>"$stage/menu"
	iso_write "$stage/menu"
}

# padding BYTES: comment lines of 64 bytes, since isolinux does not like long ones.
padding() {
	padding_left=$1
	while [ "$padding_left" -gt 0 ]; do
		padding_line=$((padding_left > 128 ? 64 : padding_left))
		if [ "$padding_line" -eq 1 ]; then
			printf '\n'
		else
			printf "%-$((padding_line - 1))s\n" '#'
		fi
		padding_left=$((padding_left - padding_line))
	done
}

into_iso() {
	need xorriso
	iso_place /boot/custom.img
	: >"$stage/archive"
	[ -z "$any" ] || archive "$stage/archive"
	archive_size=$(stat -c %s "$stage/archive")
	[ "$archive_size" -le "$place_size" ] ||
		die "what is to go in takes $archive_size bytes, the ISO has room for $place_size: give fewer certificates"
	truncate -s "$place_size" "$stage/archive"
	cp "$input" "$stage/iso" || die "cannot copy $input: $(full "$stage" || printf 'check build/')"
	iso_write "$stage/archive"
	# The dollar signs are awk's.
	# shellcheck disable=SC2016
	iso_menu /boot/grub/grub.cfg '/^set args=/ { print "set args=\047" args "\047"; next } { print }'
	# shellcheck disable=SC2016
	iso_menu /isolinux/isolinux.cfg '/^\t# APPEND / { base = substr($0, 4) }
		/^\tAPPEND / { print "\t" base (args == "" ? "" : " " args); next } { print }'
	finish "$stage/iso"
}

into_uki() {
	# Here, not below in a pipeline, so that it ends with one line that names the input.
	pe_open "$input"
	[ "$(pe_sections "$input" | awk '{ printf "%s ", $1 }' | grep -c '\.linux \.osrel \.cmdline \.initrd ')" = 1 ] ||
		die "--uki: $input is not an EFI program of this project; ./build.sh image makes it"
	cp "$input" "$stage/uki" || die "cannot copy $input: $(full "$stage" || printf 'check build/')"
	chmod 600 "$stage/uki"
	uki=$stage/uki
	for section in .osrel .cmdline .initrd; do
		pe_extract "$uki" "$section" "$stage/$section"
	done
	if pe_signed "$uki"; then
		die "--uki: $input is signed already; start from the unsigned one that ./build.sh image makes"
	fi
	if grep -q '^CUSTOMISED=' "$stage/.osrel"; then
		die "--uki: $input is customised already; start from the one that ./build.sh image makes"
	fi
	pe_cut "$uki" .osrel
	printf 'CUSTOMISED=yes\n' >>"$stage/.osrel"
	[ -z "$cmdline" ] || printf ' %s' "$cmdline" >>"$stage/.cmdline"
	if [ -n "$firmware" ]; then
		pad4 "$stage/.initrd"
		cat "$firmware" >>"$stage/.initrd"
	fi
	if [ -n "$any" ]; then
		archive "$stage/archive"
		pad4 "$stage/.initrd"
		cat "$stage/archive" >>"$stage/.initrd"
	fi
	for section in .osrel .cmdline .initrd; do
		pe_append "$uki" "$section" "$stage/$section"
	done
	pe_seal "$uki"
	[ -z "$key" ] || sign_uki
	finish "$uki"
}

# sign_uki: with the owner's own key, which stays where it is.
sign_uki() {
	need sbsign
	[ -r "$key" ] || die "--sign: the key $key cannot be read"
	[ -r "$certificate" ] || die "--sign: the certificate $certificate cannot be read"
	grep -q 'BEGIN CERTIFICATE' "$certificate" || die "--sign: $certificate holds no certificate in PEM"
	sbsign --key "$key" --cert "$certificate" --output "$stage/signed" "$uki" >"$stage/sbsign.log" 2>&1 || {
		cat "$stage/sbsign.log" >&2
		die "--sign: sbsign failed (see above): do $key and $certificate belong together?"
	}
	sbverify --cert "$certificate" "$stage/signed" >/dev/null 2>&1 ||
		die "--sign: the signature does not verify: do $key and $certificate belong together?"
	mv "$stage/signed" "$uki"
}
