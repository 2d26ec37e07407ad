# shellcheck shell=sh disable=SC2034,SC2154
# json-c: the header of LUKS2 in cryptsetup.
after='musl'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	cmake_install "$src" -DBUILD_TESTING=OFF -DBUILD_APPS=OFF -DDISABLE_EXTRA_LIBS=ON \
		-DDISABLE_WERROR=ON -DENABLE_THREADING=OFF
}
