# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	fast
	copy_source
	CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS" ./configure --static --prefix="$sys"
	make libz.a AR="$AR" ARFLAGS="$ARFLAGS"
	make install AR="$AR" ARFLAGS="$ARFLAGS"
}
