# shellcheck shell=sh disable=SC2034,SC2154
# musl: the C library, and sys/bin/musl-gcc, the compiler of everything else.
# Debian's patches make its wrapper build static-pie.
after=''
recipe() {
	if [ "$ARCH" = native ]; then
		mkdir -p "$sys/bin"
		printf '#!/bin/sh\nexec %s-gcc "$@"\n' "$triple" >"$sys/bin/musl-gcc"
		chmod +x "$sys/bin/musl-gcc"
		return
	fi
	# It configures itself for gcc's target and is its own C library, hence no CC of ours.
	CC="$triple-gcc" CFLAGS="$CFLAGS" "$src/configure" --target="$triple" --prefix="$sys" \
		--syslibdir="$sys/lib" --disable-shared --enable-wrapper=gcc \
		AR="$AR" RANLIB="$RANLIB"
	make AR="$AR"
	make install
}
