# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	fast
	configure --disable-nls --disable-xz --disable-xzdec --disable-lzmadec --disable-lzmainfo \
		--disable-lzma-links --disable-scripts --disable-doc --enable-threads=posix \
		--disable-microlzma --disable-lzip-decoder --disable-symbol-versions
	make
	make install
}
