# shellcheck shell=sh disable=SC2034,SC2154
# libssh carries its own Ed25519, which mbedTLS lacks.
# Its constructor seeds a random generator before main(): every command, `boot` first of all, would
# wait for the kernel's entropy, a second and more where the CPU has no RDRAND. Off; what speaks SFTP
# calls ssh_init() itself.
after='mbedtls'
recipe() {
	# It reads 4 KiB at a time from its socket, which is a quarter of a million calls for a GiB.
	CFLAGS="$CFLAGS -DMAX_BUF_SIZE=65536"
	cmake_install "$src" -DWITH_MBEDTLS=ON -DWITH_SFTP=ON -DWITH_SERVER=OFF -DWITH_EXAMPLES=OFF \
		-DWITH_GSSAPI=OFF -DWITH_ZLIB=OFF -DWITH_PCAP=OFF -DWITH_NACL=OFF -DUNIT_TESTING=OFF \
		-DWITH_SYMBOL_VERSIONING=OFF -DHAVE_CONSTRUCTOR_ATTRIBUTE=OFF \
		-DMBEDTLS_INCLUDE_DIR="$sys/include" \
		-DMBEDTLS_CRYPTO_LIBRARY="$sys/lib/libmbedcrypto.a" \
		-DMBEDTLS_SSL_LIBRARY="$sys/lib/libmbedtls.a" -DMBEDTLS_X509_LIBRARY="$sys/lib/libmbedx509.a"
}
