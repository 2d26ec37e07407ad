# shellcheck shell=sh
# initramfs/lib.sh - what every build script starts with: . "${0%/*}/lib.sh"
#
# Sets top (the project's root) and exports ARCH, OFFLINE, LOCKED and SOURCE_DATE_EPOCH.
# say die need need_for run room fetch_verified version_of begin publish; see each below.
# Works from any directory; everything written goes below $top/build and $top/out.
set -eu
umask 022

# The library lies beside the script that sources it, or in initramfs/ beside build.sh.
top=${0%/*}
[ "$top" != "$0" ] || top=.
top=$(CDPATH='' cd -- "$top" && pwd -P)
while [ ! -f "$top/initramfs/lib.sh" ] && [ -n "$top" ]; do top=${top%/*}; done
[ -n "$top" ] || { printf 'build: the script must lie inside the project\n' >&2; exit 1; }

build=$top/build
out=$top/out
cache=${ETCD_RESCUE_CACHE:-$build/cache}
ARCH=${ARCH:-x86_64}
OFFLINE=${OFFLINE:-}   # not empty: use the cache only
LOCKED=${LOCKED:-}     # not empty: refuse a newer Debian revision than the pinned one
stage=''
export ARCH OFFLINE LOCKED LC_ALL=C TZ=UTC
unset CDPATH CFLAGS CPPFLAGS LDFLAGS MAKELEVEL ENV

say() { printf '%s\n' "$*" >&2; }

# die TEXT: one line, exit 1. Of several that run at once and fail together only the first speaks:
# ONCE names a directory that whoever makes it may.
die() {
	[ -z "${ONCE:-}" ] || mkdir "$ONCE" 2>/dev/null || [ ! -d "$ONCE" ] || exit 1
	printf 'build: %s\n' "$*" >&2
	exit 1
}

# cleanup: runs however the script ends, so that nothing half made stays behind.
cleanup() {
	[ -z "$stage" ] || rm -rf "$stage"
	[ ! -d "$out" ] || rm -f "$out"/.*."$$".part
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# begin NAME: an empty $stage below build/, removed when the script ends.
begin() {
	mkdir -p "$build" 2>/dev/null || die "cannot write to $build: check its owner and free space"
	stage=$build/stage.$1.$$
	rm -rf "$stage"
	mkdir "$stage" || die "cannot make $stage: is the disk full?"
}

# publish FILE NAME: put a finished file into $out (per architecture) in one step.
publish() {
	case $ARCH in x86_64) ;; *) out=$top/out/$ARCH ;; esac
	mkdir -p "$out/$(dirname "$2")" || die "cannot make $out: check its owner"
	! cmp -s "$1" "$out/$2" || return 0
	publish_part=$out/.$(basename "$2").$$.part
	if ! cp "$1" "$publish_part" 2>/dev/null; then
		# Looked at before the cleanup makes room again.
		die "cannot write out/$2: $(full "$out" || printf 'check that out/ is writable')"
	fi
	touch -d "@$SOURCE_DATE_EPOCH" "$publish_part"
	mv -f "$publish_part" "$out/$2"
}

# full DIR [LOG]: says so and succeeds when DIR has less than 2 MB left, or the log tells of it.
full() {
	full_kb=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')
	[ "${full_kb:-9999}" -lt 2048 ] || grep -qs 'No space left on device' "${2:-}" || return 1
	printf 'the disk is full (%s KB left in %s); free some space and run again' "$full_kb" "$1"
}

# room MB: stop at once when build/ cannot hold what the next step makes.
room() {
	mkdir -p "$build" 2>/dev/null || die "cannot make $build: check its owner and free space"
	room_mb=$(($(df -Pk "$build" | awk 'NR == 2 { print $4 }') / 1024))
	[ "$room_mb" -ge "$1" ] ||
		die "disk full: this step needs about $1 MB below $build, $room_mb MB are free"
}

# run STEP COMMAND...: output goes to build/log/STEP.log; a failure names all three.
run() {
	run_step=$1
	shift
	run_log=$build/log/$run_step.log
	mkdir -p "${run_log%/*}"
	(printf '+ %s\n' "$*"; "$@") >"$run_log" 2>&1 </dev/null && return 0
	tail_of "$run_log"
	die "$run_step failed: $*: $(full "$build" "$run_log" || printf 'the log is %s' "${run_log#"$top/"}")"
}

# tail_of LOG: its last lines, marked as such.
tail_of() { tail -n 12 "$1" 2>/dev/null | sed 's/^/  | /' >&2 || :; }

# present PROBE: a command, or an absolute path; a|b means either of them.
present() {
	present_ifs=$IFS
	IFS='|'
	for present_one in $1; do
		case $present_one in
		/*) [ ! -e "$present_one" ] || break ;;
		*) if command -v "$present_one" >/dev/null 2>&1 ||
			[ -x "/usr/sbin/$present_one" ] || [ -x "/sbin/$present_one" ]; then break; fi ;;
		esac
		present_one=
	done
	IFS=$present_ifs
	[ -n "$present_one" ]
}

# need TOOL...: every tool is there, or its Debian package is named and installed.
need() {
	need_missing=''
	for need_tool; do
		! present "$need_tool" || continue
		need_package=$(awk -v t="$need_tool" '$1 !~ /^#/ { n = split($2, p, "|")
			for (i = 1; i <= n; i++) if (p[i] == t) { print $1; exit } }' "$top/config/host")
		[ -n "$need_package" ] ||
			die "$need_tool is missing and config/host does not say which package has it"
		need_missing="$need_missing $need_package"
	done
	[ -z "$need_missing" ] || install_packages "$need_missing"
}

# need_for USE...: the same for each line of config/host that has one of the uses.
need_for() {
	need_missing=''
	for need_use; do
		while read -r need_package need_probe need_uses; do
			case "$need_package $need_uses " in '#'*) continue ;; *" $need_use "*) ;; *) continue ;; esac
			case "$need_missing " in *" $need_package "*) continue ;; esac
			present "$need_probe" || need_missing="$need_missing $need_package"
		done <"$top/config/host"
	done
	[ -z "$need_missing" ] || install_packages "$need_missing"
}

# install_packages "P...": through sudo when not root; says what to type when it cannot.
install_packages() {
	# One argument, split here: the names are Debian package names and hold no blanks.
	# shellcheck disable=SC2086
	set -- $1
	install_hint="missing on this machine: $*; install with: apt-get install --no-install-recommends $*"
	[ -z "$OFFLINE${ETCD_RESCUE_NO_INSTALL:-}" ] || die "$install_hint"
	install_sudo=''
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null 2>&1 || die "$install_hint"
		install_sudo='sudo'
		[ -t 0 ] || install_sudo='sudo -n'
	fi
	say "installing missing host packages: $*"
	mkdir -p "$build/log"
	install_log=$build/log/host-packages.log
	# shellcheck disable=SC2086
	{ $install_sudo apt-get update &&
		$install_sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends "$@"; } >"$install_log" 2>&1 </dev/null ||
		die "$install_hint (the attempt's log is ${install_log#"$top/"})"
}

. "$top/initramfs/fetch.sh"

SOURCE_DATE_EPOCH=$(version_of epoch)
export SOURCE_DATE_EPOCH
