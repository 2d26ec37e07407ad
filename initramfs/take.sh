#!/bin/sh
# initramfs/take.sh NAME... - fetch and verify these inputs of config/versions
. "${0%/*}/lib.sh"

for name; do
	take_input "$name"
done
