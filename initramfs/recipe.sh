#!/bin/sh
# initramfs/recipe.sh NAME - run one recipe; called by deps.sh, all output goes to the log
#
# A recipe sees: src (patched source, not to be written), obj (an empty directory, the current
# one), sys (the sysroot and prefix), triple, target, CC AR RANLIB CFLAGS LDFLAGS, and the
# functions below. Its result is what it installs into sys.
. "${0%/*}/lib.sh"
. "$top/config/arch/$ARCH.sh"

sys=$build/$ARCH/sysroot
obj=$build/$ARCH/obj/$1
src=$build/src/$1

# Debug information would only be stripped; sections let the linker drop what nobody calls.
# Small by default; what works on every byte of a snapshot says `fast` and gets -O2.
size='-Os'
fast() { size=-O2; set_flags; }
set_flags() {
	CFLAGS="$size -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong ${arch_cflags:-}"
	CFLAGS="$CFLAGS -ffile-prefix-map=$build/src=. -ffile-prefix-map=$build/$ARCH=."
	LDFLAGS='-static-pie -Wl,--gc-sections'
}
CC=$sys/bin/musl-gcc
AR=${triple:?}-ar
RANLIB=$triple-ranlib
# D: no times, owners and modes of this machine in an archive. Used by the recipes.
# shellcheck disable=SC2034
ARFLAGS=rcsD
PKG_CONFIG_LIBDIR=$sys/lib/pkgconfig
PKG_CONFIG_PATH=
export PKG_CONFIG_LIBDIR PKG_CONFIG_PATH

# unpack INPUT DIR: upstream tarball, then Debian's patches in their order.
unpack() {
	unpack_sums=$(input_files "$1")
	[ "$(cat "$2.unpacked" 2>/dev/null)" != "$unpack_sums" ] || return 0
	rm -rf "$2" "$2.part" "$2.unpacked"
	mkdir -p "$2.part"
	tar -xf "$(fetch_verified "$1" '*.orig.tar.*')" -C "$2.part" --strip-components=1 --no-same-owner
	case $unpack_sums in
	*.debian.tar.*) apply "$(fetch_verified "$1" '*.debian.tar.*')" "$2.part" ;;
	esac
	# One time for all: a patched configure.ac must not look newer than its configure.
	find "$2.part" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	mv "$2.part" "$2"
	printf '%s\n' "$unpack_sums" >"$2.unpacked"
}

# apply TARBALL DIR
apply() {
	tar -xf "$1" -C "$2" --no-same-owner
	[ -f "$2/debian/patches/series" ] || return 0
	sed 's/[[:space:]]*#.*//; /^$/d; s/[[:space:]].*//' "$2/debian/patches/series" |
		while read -r apply_patch; do
			patch -d "$2" -p1 -s -f -N -F0 -E -i "debian/patches/$apply_patch" ||
				die "Debian's patch $apply_patch does not apply"
		done
}

# copy_source: for those that only build inside their own tree.
copy_source() { cp -a "$src/." .; }

# configure OPTION...: autotools; pretends to cross-compile, so that nothing is run or guessed.
configure() {
	"$src/configure" --host="${target:?}" --build="$(uname -m)-linux-gnu" --prefix="$sys" \
		--disable-shared --enable-static "$@" \
		CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS" LDFLAGS="$LDFLAGS"
}

# cmake_install DIR OPTION...: configure, build, install.
cmake_install() {
	cmake_dir=$1
	shift
	cmake -S "$cmake_dir" -B . -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$ARCH" \
		-DCMAKE_C_COMPILER="$CC" -DCMAKE_AR="$(command -v "$AR")" \
		-DCMAKE_RANLIB="$(command -v "$RANLIB")" -DCMAKE_C_FLAGS="$CFLAGS" \
		-DCMAKE_C_ARCHIVE_CREATE='<CMAKE_AR> qcD <TARGET> <OBJECTS>' \
		-DCMAKE_C_ARCHIVE_APPEND='<CMAKE_AR> qD <TARGET> <OBJECTS>' \
		-DCMAKE_C_ARCHIVE_FINISH='<CMAKE_RANLIB> -D <TARGET>' \
		-DCMAKE_EXE_LINKER_FLAGS="$LDFLAGS" -DCMAKE_BUILD_TYPE=None -DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_INSTALL_PREFIX="$sys" -DBUILD_SHARED_LIBS=OFF -DCMAKE_FIND_ROOT_PATH="$sys" \
		-DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
		-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY "$@"
	# make, not cmake --build: it takes its job slots from the make above.
	make
	make install
}

set_flags
. "$top/config/deps/$1.sh"
# Two architectures may want one source at the same time.
if [ "${inputs-$1}" = "$1" ]; then
	exec 7>"$build/src/.$1.lock"
	flock 7
	unpack "$1" "$src"
	exec 7>&-
fi
rm -rf "$obj"
mkdir -p "$obj" "$sys/include" "$sys/lib"
cd "$obj"
set -x
recipe
# libtool would follow these to paths of this machine.
rm -f "$sys"/lib/*.la
