#!/bin/sh
# initramfs/take.sh NAME... - fetch and verify these inputs of config/versions
. "${0%/*}/lib.sh"

for name; do
	# One that failed beside this one has said why; there is no use in fetching the rest.
	[ ! -d "${ONCE:-}" ] || exit 1
	take_input "$name"
done
