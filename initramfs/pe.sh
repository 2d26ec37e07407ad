# shellcheck shell=sh
# initramfs/pe.sh - sections of a PE file (the EFI stub and what rides on it), with od, dd and printf
#
#   pe_sections FILE            "name virtual-size virtual-address raw-size raw-pointer" a line
#   pe_extract FILE NAME OUT    a section's bytes
#   pe_append FILE NAME DATA    add a section behind the last one
#   pe_cut FILE NAME            drop this section and all behind it
#   pe_seal FILE                time stamp and checksum, so that equal inputs give equal bytes
#   pe_signed FILE              does it carry a signature?
#
# Source: Microsoft's "PE Format". No objcopy: it stamps the time, and whoever customises an image
# need not have it. Sections lie in the file in the order of their addresses, as linkers do it.

pe_section_flags=1073741888     # 0x40000040: initialised data, readable

# pe_get FILE OFFSET SIZE: a little-endian number. od -t u4 reads the machine's order, which is it.
pe_get() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' \n'; }

# pe_put FILE OFFSET SIZE VALUE
pe_put() {
	pe_value=$4
	pe_bytes=''
	pe_left=$3
	while [ "$pe_left" -gt 0 ]; do
		pe_bytes=$pe_bytes$(printf '\\%03o' $((pe_value & 255)))
		pe_value=$((pe_value >> 8))
		pe_left=$((pe_left - 1))
	done
	# The bytes are octal escapes.
	# shellcheck disable=SC2059
	printf "$pe_bytes" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

pe_align() { printf '%s\n' $((($1 + $2 - 1) / $2 * $2)); }

# pe_open FILE: sets pe_head (offset of the header), pe_table (of the section table), pe_count.
pe_open() {
	if [ "$(head -c 2 "$1" 2>/dev/null)" != MZ ]; then
		die "$1 is not an EFI program"
	fi
	pe_head=$(pe_get "$1" 60 4)
	case $(pe_get "$1" "$pe_head" 4):$(pe_get "$1" $((pe_head + 24)) 2) in
	17744:523) ;;
	*) die "$1 is not a 64 bit EFI program" ;;
	esac
	pe_count=$(pe_get "$1" $((pe_head + 6)) 2)
	pe_table=$((pe_head + 24 + $(pe_get "$1" $((pe_head + 20)) 2)))
	pe_sector=$(pe_get "$1" $((pe_head + 56)) 4)
	pe_file_sector=$(pe_get "$1" $((pe_head + 60)) 4)
}

pe_sections() {
	pe_open "$1"
	pe_i=0
	while [ "$pe_i" -lt "$pe_count" ]; do
		pe_at=$((pe_table + pe_i * 40))
		printf '%s %s %s %s %s\n' "$(dd if="$1" bs=1 skip="$pe_at" count=8 2>/dev/null | tr -d '\000')" \
			"$(pe_get "$1" $((pe_at + 8)) 4)" "$(pe_get "$1" $((pe_at + 12)) 4)" \
			"$(pe_get "$1" $((pe_at + 16)) 4)" "$(pe_get "$1" $((pe_at + 20)) 4)"
		pe_i=$((pe_i + 1))
	done
}

pe_extract() {
	pe_line=$(pe_sections "$1" | awk -v n="$2" '$1 == n { print $2, $4, $5; exit }')
	[ -n "$pe_line" ] || die "$1 has no $2 section"
	# shellcheck disable=SC2086
	set -- "$1" "$3" $pe_line
	# The virtual size is the true one, the raw size is padded.
	tail -c +$(($5 + 1)) "$1" | head -c $(($3 < $4 ? $3 : $4)) >"$2"
}

pe_append() {
	pe_open "$1"
	pe_size=$(stat -L -c %s "$3")
	pe_at=$((pe_table + pe_count * 40))
	[ $((pe_at + 40)) -le "$(pe_get "$1" $((pe_head + 84)) 4)" ] ||
		die "$1 has no room for the header of section $2"
	pe_last=$((pe_at - 40))
	pe_address=$(pe_align $(($(pe_get "$1" $((pe_last + 12)) 4) + $(pe_get "$1" $((pe_last + 8)) 4))) "$pe_sector")
	pe_pointer=$(pe_align "$(stat -c %s "$1")" "$pe_file_sector")
	pe_raw=$(pe_align "$pe_size" "$pe_file_sector")
	truncate -s "$pe_pointer" "$1"
	cat "$3" >>"$1"
	truncate -s $((pe_pointer + pe_raw)) "$1"
	dd if=/dev/zero of="$1" bs=1 seek="$pe_at" count=40 conv=notrunc 2>/dev/null
	printf '%s' "$2" | dd of="$1" bs=1 seek="$pe_at" conv=notrunc 2>/dev/null
	pe_put "$1" $((pe_at + 8)) 4 "$pe_size"
	pe_put "$1" $((pe_at + 12)) 4 "$pe_address"
	pe_put "$1" $((pe_at + 16)) 4 "$pe_raw"
	pe_put "$1" $((pe_at + 20)) 4 "$pe_pointer"
	pe_put "$1" $((pe_at + 36)) 4 "$pe_section_flags"
	pe_put "$1" $((pe_head + 6)) 2 $((pe_count + 1))
	pe_put "$1" $((pe_head + 80)) 4 "$(pe_align $((pe_address + pe_size)) "$pe_sector")"
	pe_put "$1" $((pe_head + 32)) 4 $(($(pe_get "$1" $((pe_head + 32)) 4) + pe_raw))
}

pe_cut() {
	pe_keep=$(pe_sections "$1" | awk -v n="$2" '$1 == n { print NR - 1; exit }')
	pe_open "$1"
	while [ "${pe_keep:-$pe_count}" -lt "$pe_count" ]; do
		pe_count=$((pe_count - 1))
		pe_at=$((pe_table + pe_count * 40))
		pe_put "$1" $((pe_head + 32)) 4 \
			$(($(pe_get "$1" $((pe_head + 32)) 4) - $(pe_get "$1" $((pe_at + 16)) 4)))
		truncate -s "$(pe_get "$1" $((pe_at + 20)) 4)" "$1"
		dd if=/dev/zero of="$1" bs=1 seek="$pe_at" count=40 conv=notrunc 2>/dev/null
		pe_put "$1" $((pe_head + 6)) 2 "$pe_count"
		pe_put "$1" $((pe_head + 80)) 4 "$(pe_align $(($(pe_get "$1" $((pe_at - 28)) 4) + $(pe_get "$1" $((pe_at - 32)) 4))) "$pe_sector")"
	done
}

pe_seal() {
	pe_open "$1"
	pe_put "$1" $((pe_head + 8)) 4 "$SOURCE_DATE_EPOCH"
	# Firmware does not look at the checksum, and zero says that there is none.
	pe_put "$1" $((pe_head + 88)) 4 0
}

# The fifth data directory is the certificate table.
pe_signed() {
	pe_open "$1"
	[ "$(pe_get "$1" $((pe_head + 24 + 112 + 4 * 8 + 4)) 4)" -gt 0 ]
}
