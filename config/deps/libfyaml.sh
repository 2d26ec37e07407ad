# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	if [ -f "$src/CMakeLists.txt" ]; then
		cmake_install "$src" -DBUILD_TESTING=OFF -DENABLE_LIBCLANG=OFF
	else
		configure --disable-network
		make
		make install
	fi
}
