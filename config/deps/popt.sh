# shellcheck shell=sh disable=SC2034,SC2154
# popt: the options of cryptsetup.
after='musl'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	# Without iconv: its tables are as large as all of cryptsetup.
	configure --disable-nls ac_cv_func_iconv=no am_cv_func_iconv=no
	[ "$(grep -c '^#define HAVE_ICONV' config.h)" -eq 0 ]
	make -C src libpopt.la
	make -C src install-libLTLIBRARIES install-includeHEADERS
}
