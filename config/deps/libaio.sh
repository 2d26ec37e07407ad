# shellcheck shell=sh disable=SC2034,SC2154
# libaio: how LVM reads disks.
after='musl linux-headers'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	copy_source
	make -C src CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS -I." ENABLE_SHARED=0 libaio.a
	install -m 644 src/libaio.a "$sys/lib/"
	install -m 644 src/libaio.h "$sys/include/"
}
