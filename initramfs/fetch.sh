# shellcheck shell=sh disable=SC2154
# initramfs/fetch.sh - third-party inputs: pinned in config/versions, kept by checksum
#
#   version_of NAME           the version in use, or the first pinned one
#   fetch_verified NAME [PAT] path in the cache of NAME's file (PAT: a shell pattern, if it has several)
#
# The mirror is the one this machine's apt uses. A file is fetched by the path Debian's pool gives
# it and its pinned checksum, so no index is needed; only when the mirror has moved on is Debian's
# signed index read (initramfs/moved.sh). Sourced by lib.sh.

records=$build/inputs   # NAME: what was taken; first line as in config/versions, then sum and file
helper=/usr/lib/apt/apt-helper
fetch_sandbox='APT::Sandbox::User=root'

# pins NAME: its stanzas, one file a line: stanza-number name version pool sum file
pins() {
	awk -v want="$1" '
		/^[[:space:]]*(#|$)/ { next }
		/^[^[:space:]]/ { n += $1 == want; mine = $1 == want; head = $1 " " $2 " " $3 }
		/^[[:space:]]/ && mine { print n, head, $1, $2 }' "$top/config/versions"
}

input_names() { awk '/^[a-z]/ && $3 ~ "/" && !seen[$1]++ { print $1 }' "$top/config/versions"; }

version_of() {
	if [ -f "$records/$1" ] && input_current "$1"; then
		awk 'NR == 1 { print $2 }' "$records/$1"
		return
	fi
	version_found=$(awk -v want="$1" '$1 == want { print $2; exit }' "$top/config/versions")
	[ -n "$version_found" ] || die "$1 is not in config/versions"
	printf '%s\n' "$version_found"
}

# input_current NAME: the record was made from the pins as they are now, and --locked allows it.
input_current() {
	[ "$(sed -n 's/^pins //p' "$records/$1" 2>/dev/null)" = "$(pins "$1" | sha256sum | cut -d' ' -f1)" ] ||
		return 1
	[ -z "$LOCKED" ] || ! grep -q '^moved ' "$records/$1"
}

# cached SUM: the file is in the cache.
cached() { [ -f "$cache/sha256/$1" ]; }

# fetch_verified NAME [PATTERN]: take the input if need be, print the path of the one file.
fetch_verified() {
	take_input "$1"
	fetch_found=''
	while read -r fetch_key fetch_sum fetch_file; do
		[ "$fetch_key" = file ] || continue
		# The pattern is the caller's.
		# shellcheck disable=SC2254
		case $fetch_file in ${2:-*}) ;; *) continue ;; esac
		[ -z "$fetch_found" ] || die "$1 has several files that match ${2:-*}; name one"
		fetch_found=$cache/sha256/$fetch_sum
	done <"$records/$1"
	[ -n "$fetch_found" ] || die "$1 has no file that matches ${2:-*} in config/versions"
	printf '%s\n' "$fetch_found"
}

# input_files NAME: "sum file" of everything taken for it.
input_files() { sed -n 's/^file //p' "$records/$1"; }

# have_input NAME: it has been taken before, and all of it is still in the cache.
have_input() {
	input_current "$1" || return 1
	for have_sum in $(input_files "$1" | cut -d' ' -f1); do
		cached "$have_sum" || return 1
	done
}

# take_input NAME: all files of the first alternative that can be had are in the cache.
take_input() {
	! have_input "$1" || return 0
	take_pins=$(pins "$1")
	[ -n "$take_pins" ] || die "$1 is not in config/versions"
	mkdir -p "$records" "$cache/sha256" "$cache/partial" 2>/dev/null ||
		die "cannot write below $cache: $(full "$build" || printf 'check its owner')"
	for take_n in $(printf '%s\n' "$take_pins" | cut -d' ' -f1 | uniq); do
		take_files=$(printf '%s\n' "$take_pins" | awk -v n="$take_n" '$1 == n')
		if take_files "$take_files"; then
			record_input "$take_files" ''
			return 0
		fi
	done
	[ -z "$OFFLINE" ] ||
		die "$1: ${take_missing} is not in the cache ($cache); run once without --offline"
	[ -z "$LOCKED" ] ||
		die "$1: the mirror no longer has ${take_missing} and --locked allows no other; update config/versions"
	. "$top/initramfs/moved.sh"
	take_moved "$1" "$take_pins"
}

# take_files "PINS": fetch each; fails when the mirror does not have one.
take_files() {
	while read -r _ _ _ take_pool take_sum take_file; do
		cached "$take_sum" || download "$take_pool" "$take_file" "$take_sum" || {
			take_missing=$take_file
			return 1
		}
	done <<-END
		$1
	END
}

# record_input "PINS" MOVED-FROM: what was taken, for the build and the SBOM.
record_input() {
	record_name=$(printf '%s\n' "$1" | awk 'NR == 1 { print $2 }')
	{
		printf '%s\n' "$1" | awk 'NR == 1 { print $2, $3, $4 }'
		printf '%s\n' "$1" | awk '{ print "file", $5, $6 }'
		printf 'pins %s\n' "$(pins "$record_name" | sha256sum | cut -d' ' -f1)"
		[ -z "$2" ] || printf 'moved from %s\n' "$2"
	} >"$records/.$record_name.$$" || die "cannot write $records: $(full "$records" || printf 'check its owner')"
	mv -f "$records/.$record_name.$$" "$records/$record_name"
}

# download POOL FILE SUM: into the cache; 1 when the mirror lacks it, dies when it is wrong.
# The partial file keeps its name, so an interrupted download continues; a lock keeps two
# builds from writing one file.
download() {
	[ -z "$OFFLINE" ] || return 1
	find_mirror
	download_package=${1##*/}
	case $download_package in lib?*) download_dir=${download_package%"${download_package#????}"} ;;
	*) download_dir=${download_package%"${download_package#?}"} ;; esac
	download_url=$mirror/pool/${1%/*}/$download_dir/$download_package/$2
	download_part=$cache/partial/$3
	(
		flock 9
		! cached "$3" || exit 0
		say "fetching $2"
		"$helper" -o "$fetch_sandbox" -o Acquire::Retries=2 \
			download-file "$download_url" "$download_part" >"$download_part.log" 2>&1 || exit 1
		download_got=$(sha256sum "$download_part" | cut -d' ' -f1)
		if [ "$download_got" != "$3" ]; then
			rm -f "$download_part"
			exit 3
		fi
		chmod 0644 "$download_part"
		mv "$download_part" "$cache/sha256/$3"
	) 9>"$download_part.lock" && download_rc=0 || download_rc=$?
	[ "$download_rc" -ne 3 ] ||
		die "$2: wrong checksum: the mirror sent other bytes than config/versions pins ($3)"
	if [ "$download_rc" -ne 0 ]; then
		grep -qE '404|Not Found' "$download_part.log" && return 1
		die "$2: cannot download: $(full "$cache" "$download_part.log" || sed -n 's/^E: *//p' "$download_part.log" | head -n 1)"
	fi
	rm -f "$download_part.log" "$download_part.lock"
}

# find_mirror: sets mirror from this machine's apt configuration, once for all scripts.
find_mirror() {
	mirror=${ETCD_RESCUE_MIRROR:-}
	[ -z "$mirror" ] || return 0
	[ -x "$helper" ] || die "no mirror: this is not a Debian system (apt is missing); use the Dockerfile"
	mirror=$(host_mirror)
	if [ -z "$mirror" ]; then
		# The machine's own lists are absent (a fresh container): read them privately.
		mkdir -p "$build/apt/host/partial"
		apt-get -o "$fetch_sandbox" -o "Dir::State::Lists=$build/apt/host" update \
			>"$build/apt/host.log" 2>&1 || :
		mirror=$(host_mirror -o "Dir::State::Lists=$build/apt/host")
	fi
	[ -n "$mirror" ] ||
		die "no mirror: apt on this machine names no reachable Debian archive; set ETCD_RESCUE_MIRROR=URL"
	ETCD_RESCUE_MIRROR=$mirror
	export ETCD_RESCUE_MIRROR
}

# host_mirror [OPTION...]: the first archive of Debian itself, not a -security or -updates suite.
host_mirror() {
	# The names in the format are apt's.
	# shellcheck disable=SC2016
	apt-get "$@" indextargets --format '$(ORIGIN)|$(RELEASE)|$(SITE)' 'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$1 == "Debian" && $2 !~ /-/ { print $3; exit }'
}
