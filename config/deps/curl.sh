# shellcheck shell=sh disable=SC2034,SC2154
# libcurl: http, https, file. SFTP is libssh's own. Trust anchors are given at run time, so
# that without any every https connection is refused.
after='mbedtls zlib'
recipe() {
	off=''
	for feature in ftp tftp ldap ldaps rtsp dict telnet pop3 imap smb smtp gopher mqtt ipfs manual \
		docs ntlm kerberos-auth negotiate-auth alt-svc hsts websockets doh tls-srp unix-sockets \
		sspi netrc cookies libcurl-option; do
		off="$off --disable-$feature"
	done
	# One option a word.
	# shellcheck disable=SC2086
	configure $off --with-mbedtls="$sys" --with-zlib="$sys" --without-ca-bundle --without-ca-path \
		--without-ca-fallback --without-zstd --without-brotli --without-libpsl --without-libidn2 \
		--without-nghttp2 --without-librtmp --without-libgsasl --without-libssh2 --without-libssh \
		--enable-file --enable-proxy --enable-ipv6 --enable-threaded-resolver --enable-aws
	make -C lib libcurl.la
	make -C lib install-libLTLIBRARIES
	make -C include install
	make install-pkgconfigDATA
}
