#!/bin/sh
# tests/run.sh [--long] [PYTEST-ARGUMENT...] - every test of this tree, fastest first
#
# Called by `./build.sh test` when everything it tests is built. --long adds the sweeps and
# what does not fit into the time of every run.
set -eu

top=$(CDPATH='' cd -- "${0%/*}/.." && pwd -P)

# `make check`, with what it printed kept for a look afterwards.
check() {
	printf '== layers, unit tests, sanitizers, lint\n'
	make --no-print-directory -j"$(nproc)" -C "$top/src" check
}

# The same unit tests as aarch64 programs under user-mode emulation.
check_aarch64() {
	printf '== unit tests for aarch64\n'
	"$top/build.sh" --arch aarch64 bin
	emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
	make --no-print-directory -j"$(nproc)" -C "$top/src" ARCH=aarch64 RUN="$emulator" unit
	"$emulator" "$top/out/aarch64/etcd-rescue" --version
}

# The programs to compare with. A test whose peer is missing is skipped by name, or fails if it
# must run, so this alone is no reason to stop.
peers() {
	printf '== peers: real programs to compare with\n'
	case " $* " in
	*' --long '*) set -- --long ;;
	*) set -- ;;
	esac
	"$top/tests/peers.sh" "$@" || printf 'some are missing\n'
}

# Debian's pytest; pyenv and the like may shadow the interpreter that it belongs to. What is delivered
# is what is tested, not the debug program that `check` has made. In one word: of two, pytest would
# take the second for a place where tests are.
# run_pytest LANE PYTEST-ARGUMENT...
run_pytest() {
	place=$places/$1
	shift
	/usr/bin/python3 -m pytest --image="$top/out" --basetemp="$place" "$@"
}

# Machines that boot and clusters that vote wait much, so that three lanes keep two processors busy.
# The last one is seen while it runs; what the others have said follows.
all_lanes() {
	run_pytest names --collect-only -q "$@" >"$logs/tests-names.log" 2>&1 || {
		cat "$logs/tests-names.log"
		return 1
	}
	lane boot "$@"
	lane scenario sources target "$@"
	trap 'kill -INT $lanes 2>/dev/null || :' EXIT INT TERM
	rest=$(printf "%s\n" */test_*.py | cut -d/ -f1 | uniq | grep -vx -e boot -e scenario -e sources -e target)
	status=0
	# shellcheck disable=SC2086
	run_pytest rest $rest --durations=25 "$@" || status=$?
	for one in $lanes; do
		wait "$one" || status=$?
	done
	trap - EXIT INT TERM
	cat "$logs/tests-boot.log" "$logs/tests-scenario.log"
	return "$status"
}

# lane DIRECTORY PYTEST-ARGUMENT...: in the background.
lane() {
	printf '== %s: the log is build/log/tests-%s.log until all is done\n' "$1" "$1"
	run_pytest "$1" "$@" --durations=25 >"$logs/tests-$1.log" 2>&1 &
	lanes="$lanes $!"
}

# Is this the whole suite, with or without --long?
is_whole() {
	for argument; do
		[ "$argument" = --long ] || return 1
	done
}

main() {
	began=$(date +%s)
	check
	check_aarch64
	peers "$@"
	printf '== everything else (%s s so far)\n' "$(($(date +%s) - began))"
	cd "$top/tests"
	logs=$top/build/log lanes=
	mkdir -p "$logs"
	# Sockets want a short path. What a test has left there is kept when one has failed.
	places=$(mktemp -d "${TMPDIR:-/tmp}/etcd-rescue.XXXXXX")
	status=0
	if is_whole "$@"; then all_lanes "$@"; else run_pytest one "$@"; fi || status=$?
	[ "$status" -ne 0 ] || rm -rf --one-file-system "$places"
	return "$status"
}

main "$@"
