# shellcheck shell=sh disable=SC2034,SC2154
after='musl linux-headers zlib bzip2 xz zstd lz4'
recipe() {
	configure --disable-bsdtar --disable-bsdcat --disable-bsdcpio --disable-bsdunzip \
		--with-zlib --with-bz2lib --with-lzma --with-zstd --with-lz4 --without-libb2 --without-lzo2 \
		--without-cng --without-openssl --without-nettle --without-mbedtls --without-xml2 \
		--without-expat --without-iconv --disable-acl --disable-xattr \
		CPPFLAGS="-I$sys/include"
	make
	make install
}
