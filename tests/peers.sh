#!/bin/sh
# tests/peers.sh [--long | NAME...] - bring the real programs that tests compare with
#
# Without a name: everything in tests/peers.list that this machine can have and that need not be
# asked for; with --long also what only tests marked long need. What cannot be had is said in one line and is an error only when it was asked for by
# name. Nothing is installed and nothing is started: packages are unpacked, Go programs are built,
# all below build/peers. Run it again whenever you like; what is there and of the pinned version is
# left alone.
set -eu

. "${0%/*}/../initramfs/lib.sh"

peers=$build/peers
list=$top/tests/peers.list

names() { awk '/^[a-z]/ && !seen[$1]++ { print $1 }' "$list"; }
# wanted MARK...: all but those with one of these marks.
wanted() {
	awk -v marks=" $* " 'index(marks, " " $2 " ") { left[$1] }
		/^[a-z]/ && !($1 in left) && !seen[$1]++ { print $1 }' "$list"
}
kind_of() { lines "$1" | awk '{ print $2; exit }'; }
lines() { awk -v name="$1" '$1 == name && $2 != "asked" && $2 != "long"' "$list"; }
pin() { lines "$1" | sha256sum | cut -d' ' -f1; }

# unpack NAME: the programs of its packages into $stage.
unpack() {
	lines "$1" | while read -r _ _ pool sum file; do
		cached "$sum" || { mkdir -p "$cache/sha256" "$cache/partial" && download "$pool" "$file" "$sum"; } ||
			die "$1: $file is not to be had; put the version the mirror has now into tests/peers.list"
		dpkg-deb --fsys-tarfile "$cache/sha256/$sum" |
			tar -xf - -C "$stage" --wildcards --strip-components=3 './usr/bin/*' || exit 1
	done
}

# newer NAME FILE: the mirror has dropped this revision; the suite's own one serves a test as well.
newer() {
	. "$top/initramfs/moved.sh"
	private_apt
	read -r newer_pool sum newer_file <<-END
		$(listed deb "${2%%_*}")
	END
	[ -n "$newer_file" ] || return 1
	say "warning: $1: $2 is no longer on the mirror; taking $newer_file"
	cached "$sum" || download "$newer_pool" "$newer_file" "$sum"
}

# start PATH ARGUMENTS: prints a script that does, in whatever place it lies.
# shellcheck disable=SC2016
start() {
	cat <<-'END'
		#!/bin/sh
		root=$(dirname "$(readlink -f "$0")")/root
		libraries=$root/usr/lib/x86_64-linux-gnu
	END
	case $1 in
	*/python3*) printf 'export PYTHONHOME="$root/usr" PYTHONPATH="$root/usr/lib/python3/dist-packages"\n' ;;
	esac
	printf 'set -- "$root/%s" %s "$@"\n' "$1" "$2"
	cat <<-'END'
		exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/ceph" --argv0 "$1" "$@"
	END
}

# plant NAME: its packages with their libraries below $stage/root, and a script for each program
# that starts it with just these, so that the suite this machine runs does not matter.
plant() {
	mkdir "$stage/root"
	mkdir -p "$cache/sha256" "$cache/partial"
	lines "$1" | while read -r _ kind pool sum file; do
		[ "$kind" = tree ] || continue
		cached "$sum" || download "$pool" "$file" "$sum" || newer "$1" "$file" ||
			die "$1: neither $file nor a newer one is to be had"
		dpkg-deb --fsys-tarfile "$cache/sha256/$sum" | tar -xf - -C "$stage/root" \
			--no-same-owner --exclude='./usr/share/*' --exclude='./etc/*' --exclude='./var/*' || exit 1
	done
	lines "$1" | while read -r _ kind program path words; do
		[ "$kind" = run ] || continue
		[ -x "$stage/root/$path" ] || die "$1: its packages hold no $path"
		start "$path" "$words" >"$stage/$program"
		chmod 0755 "$stage/$program"
	done
}

# compile NAME: a module of our own asks for the pinned versions, so Go verifies what it gets
# against its checksum database. What it has fetched and compiled stays with the other downloads,
# so that the next tree builds from it; no Go state elsewhere, and all of it can be removed.
compile() {
	mkdir -p "$cache/go" && state=$(CDPATH='' cd -- "$cache/go" && pwd) || exit 1
	mkdir "$stage/module" && cd "$stage/module" || exit 1
	export GOFLAGS='-mod=mod -modcacherw -trimpath' GOWORK=off CGO_ENABLED=0
	export GOPATH="$state" GOCACHE="$state/build" GOMODCACHE="$state/mod"
	[ -z "$OFFLINE" ] || export GOPROXY=off
	printf 'module peers\n\ngo 1.24\n' >go.mod
	lines "$1" | while read -r _ kind module version _; do
		[ "$kind" = go ] || continue
		go mod edit -require="$module@$version" || exit 1
	done
	lines "$1" | while read -r _ kind module version staged; do
		[ "$kind" = staged ] || continue
		go mod download "$module@$version" || exit 1
		# In its own repository they are folders beside it; elsewhere they are modules.
		sed -n 's,^[[:space:]]*\([^ ]*\) => \./staging/.*,\1,p' "$GOMODCACHE/cache/download/$module/@v/$version.mod" |
			while read -r part; do go mod edit -replace="$part=$part@$staged" || exit 1; done
	done
	lines "$1" | while read -r _ kind _ _ program package; do
		[ "$kind" = go ] || continue
		nice -n 10 go build -ldflags='-s -w' -o "$stage/$program" "$package" || exit 1
	done
}

# bring NAME: into build/peers/NAME in one step, with links in build/peers/bin.
bring() {
	[ "$(cat "$peers/$1/pin" 2>/dev/null)" != "$(pin "$1")" ] || return 0
	say "peer $1"
	begin "peer-$1"
	case $(kind_of "$1") in
	deb) unpack "$1" ;;
	tree) plant "$1" ;;
	go) run "peer-$1" compile "$1"; rm -rf "$stage/module" ;;
	esac
	pin "$1" >"$stage/pin"
	mkdir -p "$peers/bin"
	rm -rf "${peers:?}/$1"
	mv "$stage" "$peers/$1"
	for program in "$peers/$1"/*; do
		if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
		ln -sfn "../$1/${program##*/}" "$peers/bin/${program##*/}-${1##*-}"
	done
}

# impossible NAME: says why this machine cannot have it, or fails.
impossible() {
	case $(kind_of "$1") in
	'') printf 'it is not in tests/peers.list, which has: %s' "$(names | tr '\n' ' ')" ;;
	deb | tree) [ "$(uname -m)" != x86_64 ] || return 1
		printf 'the pinned packages are for x86_64' ;;
	go) # From 1.21 on Go brings the newer one that a module asks for.
		minor=$(go version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p')
		[ "${minor:-0}" -lt 21 ] || return 1
		printf 'it is built with Go (1.21 or later), which is not on PATH' ;;
	esac
}

main() {
	if [ "${1:-}" = --one ]; then
		bring "$2"
		return
	fi
	asked=$#
	case ${1:-} in
	'') eval "set -- $(wanted asked long | tr '\n' ' ')" ;;
	--long) asked=0
		eval "set -- $(wanted asked | tr '\n' ' ')" ;;
	esac
	failed=''
	for name; do
		if why=$(impossible "$name"); then
			[ "$asked" -eq 0 ] || die "peer $name: $why"
			say "peer $name left out: $why"
			continue
		fi
		# A process each: one that fails does not keep the others away.
		"$top/tests/peers.sh" --one "$name" || failed="$failed $name"
	done
	[ -z "$failed" ] || die "not all peers are here:$failed"
}

main "$@"
