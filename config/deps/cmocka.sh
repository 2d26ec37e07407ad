# shellcheck shell=sh disable=SC2034,SC2154
# For the unit tests built for the target.
after='musl'
recipe() {
	cmake_install "$src" -DWITH_STATIC_LIB=ON -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF
}
