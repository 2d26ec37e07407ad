#!/bin/sh
# tests/lint/run.sh - what can be said about the sources without running them
#
# Needs a built build/<arch>-debug/etcd-rescue for the comparison of man page and --help.
# Prints one line a finding; exit 1 when there was any.
set -eu

top=$(CDPATH='' cd -- "${0%/*}/../.." && pwd -P)
findings=0

found() {
	printf 'lint: %s\n' "$*" >&2
	findings=$((findings + 1))
}

skipped() { printf 'lint: skipped: %s\n' "$*" >&2; }

# Other versions of clang-format break lines elsewhere; 14 is Debian 12's.
check_format() {
	version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	if [ "$version" != 14 ]; then
		skipped "format: clang-format 14 is wanted, ${version:-none} is here"
		return
	fi
	git ls-files -z 'src/*.[ch]' 'tests/*.[ch]' | xargs -0 -r clang-format --dry-run -Werror 2>&1 |
		sed -n 's/: error: code should be clang-formatted.*//p' | cut -d: -f1 | sort -u >"$list"
	while read -r file; do found "$file is not formatted: clang-format -i $file"; done <"$list"
}

check_shell() {
	git ls-files -z '*.sh' rootfs/init .ci/run | xargs -0 -r shellcheck -x >"$list" 2>&1 ||
		{ cat "$list" >&2; found 'shellcheck has something to say'; }
}

check_cppcheck() {
	# Each directory is there once it has sources.
	dirs=$(git ls-files 'src/codec/*.c' 'src/bolt/*.c' 'src/etcd/*.c' 'src/source/*.c' |
		cut -d/ -f1,2 | sort -u)
	[ -n "$dirs" ] || return 0
	# cppcheck 2.10 does not know _Noreturn, and so takes what follows out_of_memory for reachable.
	# shellcheck disable=SC2086
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		-D'_Noreturn=__attribute__((noreturn))' -j "$(nproc)" -I src --suppress=missingInclude $dirs 2>"$list" ||
		{ cat "$list" >&2; found 'cppcheck has something to say'; }
}

# A header is read alone, so it compiles alone.
check_headers() {
	sysroot=$top/build/$(uname -m)/sysroot
	git ls-files 'src/*.h' | while read -r header; do
		printf '#include "%s"\n' "${header#src/}" |
			"$sysroot/bin/musl-gcc" -std=gnu17 -D_GNU_SOURCE -Isrc -isystem "$sysroot/include" \
				-fsyntax-only -xc - 2>/dev/null || printf '%s\n' "$header"
	done >"$list"
	while read -r header; do found "$header does not compile alone"; done <"$list"
}

# The headers are the manual: where the knowledge comes from, units, who owns what, errors.
check_manual() {
	git ls-files 'src/base/*.h' 'src/os/*.h' 'src/codec/*.h' 'src/net/*.h' 'src/bolt/*.h' \
		'src/etcd/*.h' 'src/node/*.h' 'src/plan/*.h' 'src/ui/*.h' 'src/cmd/*.h' | while read -r header; do
		for field in Source Units Ownership Errors; do
			grep -q "^ \* $field: " "$header" || printf '%s says nothing under %s\n' "$header" "$field"
		done
	done >"$list"
	while read -r line; do found "$line"; done <"$list"
}

check_sizes() {
	git ls-files 'src/*.[ch]' 'initramfs/*.sh' build.sh 'tests/*.[ch]' 'tests/*.py' 'tests/*.sh' | xargs wc -l |
		awk '$2 != "total" && $1 > 400 { print $2 " has " $1 " lines: split it" }' >"$list"
	while read -r line; do found "$line"; done <"$list"
}

# A word that stands for unfinished work belongs into the issue list.
check_words() {
	git grep -nE '\b(TODO|FIXME|XXX)\b' -- src initramfs rootfs build.sh config tests \
		':!tests/lint' >"$list" || :
	while read -r line; do found "$line"; done <"$list"
}

# Every command and option of --help stands in the man page, and nothing else.
check_man() {
	program=$top/build/$(uname -m)-debug/etcd-rescue
	page=src/man/etcd-rescue.8.scd
	[ -x "$program" ] || { found "$program is not built"; return; }
	"$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\( [a-z-]*\)\{0,1\}\)  .*/\1/p' |
		sed 's/ *$//' >"$list"
	while read -r name; do
		grep -qx "## $name" "$page" || found "$page has no section for '$name'"
		# shellcheck disable=SC2086
		"$program" $name --help | sed -n 's/^  \(-., \|    \)--\([a-z-]*\).*/\2/p' |
			sort >"$list.help"
		awk -v name="## $name" '/^#/ { on = $0 == name } on' "$page" |
			sed -n 's/^\*.*--\([a-z-]*\)\*.*/\1/p' >"$list.page"
		printf '%s\n' help json quiet verbose >>"$list.page"
		sort -u "$list.page" | comm -3 "$list.help" - >"$list.diff"
		[ ! -s "$list.diff" ] ||
			found "$page and '$name --help' differ in: $(tr -d '\t' <"$list.diff" | tr '\n' ' ')"
	done <"$list"
}

main() {
	cd "$top"
	work=$(mktemp -d)
	list=$work/list
	trap 'rm -rf "$work"' EXIT
	check_format
	check_shell
	check_cppcheck
	check_headers
	check_manual
	check_sizes
	check_words
	check_man
	[ "$findings" -eq 0 ] || { printf 'lint: %s findings\n' "$findings" >&2; exit 1; }
	printf 'lint: clean\n'
}

main "$@"
