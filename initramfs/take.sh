#!/bin/sh
# initramfs/take.sh NAME... - fetch and verify these inputs of config/versions
. "${0%/*}/lib.sh"

for name; do
	# 255 makes xargs stop instead of printing one more error for each of the rest.
	(take_input "$name") || exit 255
done
