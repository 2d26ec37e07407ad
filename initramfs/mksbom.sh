#!/bin/sh
# initramfs/mksbom.sh [FILE] - what is inside the program and the image, as SPDX 2.3 JSON
#
# Without FILE: out/sbom.spdx.json. One package for each input that was taken (build/inputs), with
# the files' checksums, plus the compiler's run-time library, which is linked in as well. No time,
# path or mirror gets in: the same inputs and compiler give the same bytes.
. "${0%/*}/lib.sh"
. "$top/config/arch/$ARCH.sh"

id() { printf 'SPDXRef-%s' "$1" | sed 's/[^A-Za-z0-9.-]/-/g'; }

licence_of() {
	awk -v want="$1" '$1 == want { sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); print; exit }' "$top/config/versions"
}

# package NAME VERSION LICENCE SUPPLIER FILE SHA256 EXTRA
package() {
	printf '%s    {\n' "$comma"
	comma=',
'
	cat <<-END
	      "SPDXID": "$(id "$1")",
	      "name": "$1",
	      "versionInfo": "$2",
	      "supplier": "$4",
	      "downloadLocation": "NOASSERTION",
	      "filesAnalyzed": false,
	      "licenseConcluded": "$3",
	      "licenseDeclared": "$3",
	      "copyrightText": "NOASSERTION"$(
		[ -z "$5" ] || printf ',\n      "packageFileName": "%s"' "$5"
		[ -z "$6" ] || printf ',\n      "checksums": [{"algorithm": "SHA256", "checksumValue": "%s"}]' "$6"
		[ -z "$7" ] || printf ',\n      %s' "$7")
	END
	printf '    }'
}

# input NAME: its package. A source package has two files; the first carries the checksum field.
input() {
	input_record=$records/$1
	read -r _ input_version input_pool <"$input_record"
	# A source package goes by its own name, a binary one by its file's.
	input_package=$(sed -n 's/^file [^ ]* \([^_]*\)_.*\.deb$/\1/p' "$input_record")
	input_kind=''
	[ -n "$input_package" ] || { input_package=${input_pool##*/} input_kind='?arch=source'; }
	input_list=$(input_files "$1" | awk '{ printf "%s%s sha256 %s", sep, $2, $1; sep = "; " }')
	input_purl=pkg:deb/debian/$input_package@$(printf '%s' "$input_version" |
		sed 's/+/%2B/g; s/:/%3A/g')$input_kind
	input_extra="\"sourceInfo\": \"Debian pool $input_pool: $input_list\",
      \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\",
        \"referenceLocator\": \"$input_purl\"}]"
	input_moved=$(sed -n 's/^moved from //p' "$input_record")
	[ -z "$input_moved" ] || input_extra="$input_extra,
      \"comment\": \"deviation: config/versions pins $input_moved, which the mirror no longer had; the newer Debian revision of the same upstream was taken\""
	package "$1" "$input_version" "$(licence_of "$1")" 'Organization: Debian' \
		"$(input_files "$1" | awk 'NR == 1 { print $2 }')" \
		"$(input_files "$1" | awk 'NR == 1 { print $1 }')" "$input_extra"
}

# relation NAME: how an input gets to where it is.
relation() {
	case $1 in
	linux-libc-dev) relate "$1" BUILD_DEPENDENCY_OF etcd-rescue ;;
	cmocka) relate "$1" TEST_DEPENDENCY_OF etcd-rescue ;;
	busybox | cryptsetup | e2fsprogs | lvm2 | mdadm) relate image CONTAINS "$1" ;;
	json-c | nettle | popt) relate cryptsetup STATIC_LINK "$1" ;;
	libaio) relate lvm2 STATIC_LINK libaio ;;
	*) if [ -f "$top/config/deps/$1.sh" ]; then
			relate etcd-rescue STATIC_LINK "$1"
		else
			relate image CONTAINS "$1"
		fi ;;
	esac
}

relate() {
	printf ',\n    {"spdxElementId": "%s", "relationshipType": "%s", "relatedSpdxElement": "%s"}' \
		"$(id "$1")" "$2" "$(id "$3")"
}

document() {
	sbom_names=$(input_names | while read -r sbom_name; do
		[ ! -f "$records/$sbom_name" ] || printf '%s\n' "$sbom_name"
	done)
	sbom_version=$(sed -n '1s/^# \([^ ]*\).*/\1/p' "$top/CHANGELOG.md")
	sbom_gcc=$("${triple:?}-gcc" -dumpfullversion)
	sbom_libgcc=$("$triple-gcc" -print-libgcc-file-name)
	sbom_sum=$(for sbom_name in $sbom_names; do cat "$records/$sbom_name"; done |
		cat - "$sbom_libgcc" | sha256sum | cut -d' ' -f1)
	cat <<-END
	{
	  "spdxVersion": "SPDX-2.3",
	  "dataLicense": "CC0-1.0",
	  "SPDXID": "SPDXRef-DOCUMENT",
	  "name": "etcd-rescue-$sbom_version-$ARCH",
	  "documentNamespace": "urn:etcd-rescue:sbom:$sbom_version:$ARCH:$sbom_sum",
	  "creationInfo": {
	    "created": "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)",
	    "creators": ["Tool: etcd-rescue-mksbom-$sbom_version"]
	  },
	  "hasExtractedLicensingInfos": [{
	    "licenseId": "LicenseRef-redistributable-firmware",
	    "name": "firmware that may be redistributed in binary form",
	    "extractedText": "Each vendor's own terms; they are in the copyright file of the Debian package."
	  }],
	  "packages": [
	END
	comma=''
	package etcd-rescue "$sbom_version" Apache-2.0 NOASSERTION etcd-rescue '' \
		'"primaryPackagePurpose": "APPLICATION"'
	package image "$sbom_version" NOASSERTION NOASSERTION etcd-rescue.iso '' \
		'"primaryPackagePurpose": "OPERATING-SYSTEM"'
	package libgcc "$sbom_gcc" 'GPL-3.0-or-later WITH GCC-exception-3.1' 'Organization: Debian' \
		libgcc.a "$(sha256sum "$sbom_libgcc" | cut -d' ' -f1)" \
		'"comment": "of the compiler on the building machine"'
	for sbom_name in $sbom_names; do input "$sbom_name"; done
	printf '\n  ],\n  "relationships": [\n    %s' \
		'{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"}'
	relate image CONTAINS etcd-rescue
	relate etcd-rescue STATIC_LINK libgcc
	for sbom_name in $sbom_names; do relation "$sbom_name"; done
	printf '\n  ]\n}\n'
}

main() {
	[ $# -le 1 ] || die 'usage: initramfs/mksbom.sh [FILE]'
	[ -f "$records/musl" ] || die 'nothing has been built yet: run ./build.sh deps first'
	begin sbom
	document >"$stage/sbom.spdx.json"
	if [ $# -eq 1 ]; then
		mv "$stage/sbom.spdx.json" "$1"
	else
		publish "$stage/sbom.spdx.json" sbom.spdx.json
	fi
}

main "$@"
