#!/bin/sh
# initramfs/deps.sh [NAME...] - fetch the inputs and build the libraries, each only when it must be
#
# config/deps/NAME.sh is a recipe: `after` names the recipes it builds upon, recipe() builds;
# what it takes from NAME.* beside it belongs to it. A
# recipe is run again when its text, its inputs, the compiler or a recipe below it has changed:
# all of that is one checksum, kept in build/ARCH/stamps/NAME. make runs the recipes in order and
# shares the processors among them.
. "${0%/*}/lib.sh"
. "$top/config/arch/$ARCH.sh"
stamps=$build/$ARCH/stamps

recipes() {
	for recipe_file in "$top"/config/deps/*.sh; do
		recipe_file=${recipe_file##*/}
		printf '%s\n' "${recipe_file%.sh}"
	done
}

after_of() { sed -n "s/^after='\(.*\)'.*/\1/p" "$top/config/deps/$1.sh"; }
inputs_of() { sed -n "s/^inputs='\(.*\)'.*/\1/p" "$top/config/deps/$1.sh" | grep . || printf '%s\n' "$1"; }

# take_inputs NAME...: what is missing, four at a time.
take_inputs() {
	take_names=''
	for take_name; do
		have_input "$take_name" || take_names="$take_names $take_name"
	done
	[ -n "$take_names" ] || return 0
	# Once, not once for each of the four.
	[ -n "$OFFLINE" ] || find_mirror
	# shellcheck disable=SC2086
	printf '%s\n' $take_names | xargs -n 1 -P 4 "$top/initramfs/take.sh" || exit 1
}

# compiler: what the stamp must know about the tools.
compiler() {
	"${triple:?}-gcc" -v 2>&1 | grep -E '^(gcc version|Target)'
	"$triple-ld" --version | head -n 1
}

# key NAME: the checksum of everything NAME's result depends on.
key() {
	{
		cat "$top/config/deps/$1".* "$top/initramfs/recipe.sh" "$top/config/arch/$ARCH.sh"
		[ "$1" != busybox ] || cat "$top/config/busybox.config"
		for key_input in $(inputs_of "$1"); do input_files "$key_input"; done
		printf '%s\n' "$SOURCE_DATE_EPOCH" "$compiler"
		for key_below in $(after_of "$1"); do cat "$stamps/$key_below"; done
	} | sha256sum | cut -d' ' -f1
}

# failed_command LOG: the last command the recipe began, without what the exit trap adds. None means
# that it came to grief over the source.
failed_command() {
	awk '/^\+ cleanup$/ { exit } /^\+ / { last = substr($0, 3, 160) } END { print last == "" ? "unpack" : last }' "$1"
}

# one NAME: build it unless its stamp says that it is built.
one() {
	[ -n "${compiler:-}" ] || compiler=$(compiler)
	one_key=$(key "$1")
	[ "$(cat "$stamps/$1" 2>/dev/null)" != "$one_key" ] || return 0
	rm -f "$stamps/$1"
	say "building $1 for $ARCH"
	one_log=$build/log/$ARCH-$1.log
	if ! ONCE='' sh -eu "$top/initramfs/recipe.sh" "$1" >"$one_log" 2>&1 </dev/null; then
		tail_of "$one_log"
		die "$1 for $ARCH failed at: $(failed_command "$one_log"): $(
			full "$build" "$one_log" || printf 'the log is %s' "${one_log#"$top/"}")"
	fi
	printf '%s\n' "$one_key" >"$stamps/$1"
}

# plan: the recipes as a makefile. The + hands make's job slots down to each library's own make.
plan() {
	printf 'all: %s\n' "$*"
	for plan_name; do
		printf '%s: %s\n\t+@%s --one %s 2>&3\n' "$plan_name" "$(after_of "$plan_name")" \
			"$top/initramfs/deps.sh" "$plan_name"
	done
}

main() {
	if [ "${1:-}" = --one ]; then
		one "$2"
		exit 0
	fi
	# Recipe names hold no blanks.
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(recipes)
	for name; do
		[ -f "$top/config/deps/$name.sh" ] || die "no recipe config/deps/$name.sh"
	done
	mkdir -p "$build/$ARCH"
	exec 6>"$build/$ARCH/lock"
	flock -n 6 || { say "waiting for another build for $ARCH"; flock 6; }
	begin deps
	ONCE=$stage/failed
	export ONCE
	mkdir -p "$stamps" "$build/log" "$build/src" "$build/$ARCH/obj" "$build/$ARCH/sysroot"
	# shellcheck disable=SC2046
	take_inputs $(for name; do inputs_of "$name"; done | tr ' ' '\n' | sort -u)
	compiler=$(compiler)
	export compiler
	plan "$@" | MAKEFLAGS='' make -s -f - -j"${JOBS:-$(nproc)}" all 3>&2 >/dev/null 2>&1 || exit 1
}

main "$@"
