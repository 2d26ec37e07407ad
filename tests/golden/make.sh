#!/bin/sh
# tests/golden/make.sh VERSION - tests/golden/etcd-VERSION anew, from a real etcd of that version
#
#   snapshot.db          `snapshot save` of a server that has seen puts, overwrites, deletes, a
#                        transaction, a lease, a compaction, a role and a user
#   expect.json          what that server and that version's own tools say about it
#   N/member.wal         of a restore with N members: the used bytes of member m1's WAL,
#   N/member.snap        its .snap,
#   N/db                 and its database (N = 1 only: it is the same but for the members)
#   source/wal, *.snap   the server's own WAL (used bytes) and its newest .snap
#   SHA256SUMS
#
# Needs tests/peers.sh etcd-VERSION. Not repeatable byte for byte (times, random lease ids), so it
# is run by hand, and what it makes is committed.
set -eu

top=$(CDPATH='' cd -- "${0%/*}/../.." && pwd -P)
server=''
work=''

die() { printf 'golden: %s\n' "$*" >&2; exit 1; }

cleanup() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; } || :
	[ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

client=http://127.0.0.1:23900
peer=http://127.0.0.1:23901

ctl() { ETCDCTL_API=3 "$bin/etcdctl-$version" --endpoints="$client" "$@"; }
# Since 3.6 only etcdutl reads snapshot files.
utl() {
	if [ -x "$bin/etcdutl-$version" ]; then
		"$bin/etcdutl-$version" "$@"
	else
		ETCDCTL_API=3 "$bin/etcdctl-$version" "$@"
	fi
}

start() {
	"$bin/etcd-$version" --name=source --data-dir="$work/source" \
		--listen-client-urls="$client" --advertise-client-urls="$client" \
		--listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" \
		--initial-cluster="source=$peer" --snapshot-count=15 >"$work/source.log" 2>&1 &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		! ctl endpoint health >/dev/null 2>&1 || return 0
		sleep 0.5
	done
	tail -n 5 "$work/source.log" >&2
	die "etcd $version does not come up"
}

fill() {
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		ctl put "/registry/configmaps/default/c$i" "value $i"
	done
	ctl put /registry/configmaps/default/c3 'changed once'
	ctl put /registry/configmaps/default/c3 'changed twice'
	ctl del /registry/configmaps/default/c4
	ctl del --prefix /registry/configmaps/default/c1
	ctl put '' 2>/dev/null || :
	head -c 6000 /dev/zero | tr '\0' 'x' | ctl put /large
	printf '\nput /txn/a 1\nput /txn/b 2\nput /txn/c 3\n\n\n' | ctl txn
	lease=$(ctl lease grant 86400 | awk '{ print $2 }')
	ctl put --lease="$lease" /leased 'gone tomorrow'
	ctl role add reader
	ctl role grant-permission reader read --prefix=true /registry/
	ctl user add alice:secret
	ctl user grant-role alice reader
	ctl compact 14
	ctl put /registry/configmaps/default/c3 'after the compaction'
	ctl put /registry/configmaps/default/c4 'born again'
}

observe() {
	printf '{\n"version": "%s",\n' "$("$bin/etcd-$version" --version | sed -n 's/^etcd Version: //p')"
	printf '"hashkv": %s,\n' "$(ctl -w json endpoint hashkv | tr -d '\n')"
	printf '"status": %s,\n' "$(utl -w json snapshot status "$work/snapshot.db" | tr -d '\n')"
	printf '"range": %s,\n' "$(ctl -w json get '' --prefix | tr -d '\n')"
	printf '"leases": %s\n}\n' "$(ctl -w json lease list | tr -d '\n')"
}

# used WAL FILE: what follows the last record is zero; records are multiples of eight bytes.
used() { sed '$ s/\x00*$//' "$1" | dd of="$2" bs=8 iflag=fullblock conv=sync status=none; }

restore() {
	members=''
	for i in $(seq 1 "$1"); do
		members=$members${members:+,}m$i=http://127.0.0.1:239$((i - 1))1
	done
	utl snapshot restore "$work/snapshot.db" --data-dir="$work/$1" --name=m1 --initial-cluster="$members" \
		--initial-cluster-token=tok --initial-advertise-peer-urls="$peer" >"$work/restore.log" 2>&1 ||
		{ cat "$work/restore.log" >&2; die "the restore with $1 members failed"; }
	mkdir -p "$result/$1"
	cp "$work/$1"/member/snap/*.snap "$result/$1/member.snap"
	used "$work/$1"/member/wal/0000000000000000-0000000000000000.wal "$result/$1/member.wal"
	[ "$1" -ne 1 ] || cp "$work/$1/member/snap/db" "$result/$1/db"
}

main() {
	[ $# -eq 1 ] || die "usage: tests/golden/make.sh VERSION, as in 3.5"
	version=$1
	bin=$top/build/peers/bin
	[ -x "$bin/etcd-$version" ] || die "run tests/peers.sh etcd-$version first"
	result=$top/tests/golden/etcd-$version
	work=$(mktemp -d "$top/build/golden.XXXXXX")
	start
	fill >"$work/fill.log" 2>&1 || { tail -n 3 "$work/fill.log" >&2; die "filling etcd $version failed"; }
	ctl snapshot save "$work/snapshot.db" >/dev/null 2>"$work/save.log" || die "$(tail -n 1 "$work/save.log")"
	rm -rf "$result"
	mkdir -p "$result"
	observe >"$result/expect.json"
	cp "$work/snapshot.db" "$result/snapshot.db"
	chmod 644 "$result/snapshot.db"
	kill "$server"
	wait "$server" || :
	server=''
	mkdir -p "$result/source"
	used "$work"/source/member/wal/0000000000000000-0000000000000000.wal "$result/source/wal"
	newest=$(find "$work/source/member/snap" -name '*.snap' | sort | tail -n 1)
	cp "$newest" "$result/source/${newest##*/}"
	for n in 1 3 5; do restore "$n"; done
	chmod -R u=rwX,go=rX "$result"
	(cd "$result" && rm -f SHA256SUMS && find . -type f | LC_ALL=C sort | xargs sha256sum >"$work/sums")
	cp "$work/sums" "$result/SHA256SUMS"
}

main "$@"
