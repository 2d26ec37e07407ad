# shellcheck shell=sh disable=SC2034,SC2154
# mdadm, build/ARCH/tools/mdadm, for Linux' own metadata: not for Intel's and DDF firmware RAID, which
# take half of its size and a daemon to be written to.
after='musl linux-headers'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	copy_source
	sed -i '/^struct superswitch \*superlist\[\]/,/^};/{s/&super_ddf, &super_imsm,//}' util.c
	sed -i 's/st->ss == &super_imsm/0/' Assemble.c Create.c
	[ "$(cat Assemble.c Create.c util.c | grep -cE '&super_(ddf|imsm)')" -eq 0 ]
	make mdadm CC="$CC" CWFLAGS='-Wno-error' CHECK_RUN_DIR=0 USE_PIE= \
		CXFLAGS="$CFLAGS -fno-pie -fno-asynchronous-unwind-tables -DNO_LIBUDEV -DNO_COROSYNC -DNO_DLM -D_LARGEFILE64_SOURCE" \
		LDFLAGS='-static -no-pie -Wl,--gc-sections -s'
	install -D -m 755 mdadm "$build/$ARCH/tools/mdadm"
}
