# shellcheck shell=sh disable=SC2034,SC2154
# nettle: the hashes of cryptsetup. Of mbedTLS, which is here too, cryptsetup knows nothing yet.
after='musl'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	fast
	configure --disable-public-key --disable-assembler --disable-openssl --disable-documentation \
		--disable-dependency-tracking CC_FOR_BUILD=gcc
	make libnettle.a
	make install-headers
	install -m 644 libnettle.a "$sys/lib/"
}
