# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	fast
	copy_source
	set -- -C lib CC="$CC" AR="$AR" CFLAGS="$CFLAGS" PREFIX="$sys" BUILD_SHARED=no BUILD_STATIC=yes
	make "$@" liblz4.a
	rm lib/liblz4.a
	(cd lib && "$AR" "$ARFLAGS" liblz4.a lz4.o lz4frame.o lz4hc.o xxhash.o)
	install -m 644 lib/liblz4.a "$sys/lib/"
	install -m 644 lib/lz4.h lib/lz4frame.h lib/lz4hc.h "$sys/include/"
}
