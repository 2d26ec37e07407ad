# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	fast
	copy_source
	# Only small archives are written: the quickest way to compress is enough, and 200 KB less.
	for way in DFAST GREEDY LAZY LAZY2 BTLAZY2 BTOPT BTULTRA; do
		CFLAGS="$CFLAGS -DZSTD_EXCLUDE_${way}_BLOCK_COMPRESSOR"
	done
	set -- -C lib CC="$CC" AR="$AR" ARFLAGS="$ARFLAGS" RANLIB="$RANLIB" CFLAGS="$CFLAGS" \
		PREFIX="$sys" ZSTD_LEGACY_SUPPORT=0 ZSTD_LIB_DICTBUILDER=0 ZSTD_LIB_DEPRECATED=0 HAVE_THREAD=1
	make "$@" libzstd.a
	make "$@" install-static install-includes install-pc
}
