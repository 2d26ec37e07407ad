# shellcheck shell=sh disable=SC2034,SC2154
# e2fsck, build/ARCH/tools/e2fsck; and libuuid for cryptsetup.
after='musl linux-headers'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	off=''
	for feature in nls elf-shlibs bsd-shlibs debugfs imager resizer defrag fuse2fs uuidd tls mmp tdb \
		backtrace testio-debug e2initrd-helper bmap-stats rpath; do
		off="$off --disable-$feature"
	done
	# A program of its own: not PIE, so that it is small.
	CFLAGS="$CFLAGS -fno-pie -fno-asynchronous-unwind-tables"
	LDFLAGS='-static -no-pie -Wl,--gc-sections -s'
	# One option a word.
	# shellcheck disable=SC2086
	configure $off --without-libarchive --with-root-prefix= BUILD_CC=gcc
	make libs
	make -C e2fsck e2fsck
	install -D -m 755 e2fsck/e2fsck "$build/$ARCH/tools/e2fsck"
	install -m 644 lib/uuid/libuuid.a "$sys/lib/"
	install -D -m 644 lib/uuid/uuid.h "$sys/include/uuid/uuid.h"
}
