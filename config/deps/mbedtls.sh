# shellcheck shell=sh disable=SC2034,SC2154
# mbedTLS, safe in threads: libssh does not start without, and the data path has two.
after='musl'
recipe() {
	fast
	copy_source
	for option in MBEDTLS_THREADING_C MBEDTLS_THREADING_PTHREAD; do
		sed -i "s,^//#define $option\$,#define $option," include/mbedtls/mbedtls_config.h
		grep -qx "#define $option" include/mbedtls/mbedtls_config.h
	done
	mkdir obj
	cd obj || exit
	cmake_install .. -DENABLE_TESTING=OFF -DENABLE_PROGRAMS=OFF -DGEN_FILES=OFF \
		-DUSE_STATIC_MBEDTLS_LIBRARY=ON -DUSE_SHARED_MBEDTLS_LIBRARY=OFF -DMBEDTLS_FATAL_WARNINGS=OFF
}
