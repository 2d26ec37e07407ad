#!/bin/sh
# build.sh - everything this project makes, one verb at a time; see usage below
. "${0%/*}/initramfs/lib.sh"

usage() {
	cat <<-'END'
	usage: ./build.sh [OPTION...] VERB [ARGUMENT...]

	  deps        fetch and build the libraries the program is linked with
	  bin         deps, then the program: out/etcd-rescue
	  image       bin, then kernel, initramfs, ISO, UKI, firmware, checksums and SBOM in out/
	  demo        image, then three dead masters restored by it in virtual machines; with
	              --without-apiserver no kube-apiserver is built for it (once, some minutes)
	  test        image, then every test; --long adds the slow ones
	  customise   put a plan, keys and network settings into a finished ISO; see --help there
	  clean       remove build/ and out/; clean --keep-cache leaves what was downloaded

	  --arch x86_64|aarch64   what to build for (x86_64)
	  --offline               use only what is in the cache (build/cache or $ETCD_RESCUE_CACHE)
	  --locked                fail rather than take a newer Debian revision than the pinned one
	  --help                  this text

	Results are in out/, everything else in build/. Missing host packages are named and installed.
	END
}

wrong() {
	say "build: $*; see ./build.sh --help"
	exit 2
}

do_deps() {
	room 1500
	need_for bin
	[ "$ARCH" = x86_64 ] || need_for "$ARCH"
	"$top/initramfs/deps.sh"
}

do_bin() {
	do_deps
	run "$ARCH-bin" make -C "$top/src" -j"$(nproc)" MODE=release ARCH="$ARCH"
	# The symbols stay in build/, for a debugger.
	begin bin
	run "$ARCH-strip" "${triple:?}-strip" -o "$stage/etcd-rescue" "$build/$ARCH-release/etcd-rescue"
	publish "$stage/etcd-rescue" etcd-rescue
	say "etcd-rescue for $ARCH: $(stat -c %s "$stage/etcd-rescue") bytes"
	rm -rf "$stage"
}

do_image() {
	[ "$ARCH" = x86_64 ] || die "the image is made for x86_64 only so far; for $ARCH there is: ./build.sh --arch $ARCH bin"
	room 3000
	need_for bin image
	do_bin
	"$top/initramfs/mkimage.sh"
}

do_test() {
	need_for bin image test
	[ "$ARCH" != x86_64 ] || do_image
	ARCH=native "$top/initramfs/deps.sh"
	"$top/tests/run.sh" "$@"
}

do_demo() {
	need_for bin image test
	do_image
	say 'demo: the real programs that it runs'
	"$top/tests/peers.sh" etcd-3.6 grub-2.12 versitygw-1.8 nginx-1.26
	[ "${1:-}" = --without-apiserver ] || "$top/tests/peers.sh" kube-1.34 ||
		say 'demo: kube-apiserver cannot be built here; what is restored is read from etcd itself'
	# pyenv and the like may shadow the interpreter that Debian's packages belong to.
	/usr/bin/python3 "$top/tests/demo.py" "$@"
}

do_clean() {
	case ${1:-} in
	'') rm -rf "$build" ;;
	--keep-cache) [ ! -d "$build" ] || find "$build" -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + ;;
	*) wrong "clean: unknown option $1" ;;
	esac
	rm -rf "$top/out"
}

main() {
	verb=''
	while [ $# -gt 0 ]; do
		case $1 in
		--arch) [ $# -ge 2 ] || wrong '--arch needs a value'
			ARCH=$2
			shift ;;
		--arch=*) ARCH=${1#*=} ;;
		--offline) OFFLINE=yes ;;
		--locked) LOCKED=yes ;;
		--help | -h)
			# After the verb, --help belongs to it.
			[ "$verb" != customise ] || break
			usage
			exit 0 ;;
		-*) [ -z "$verb" ] || break
			wrong "unknown option $1" ;;
		*) [ -z "$verb" ] || break
			verb=$1 ;;
		esac
		shift
	done
	[ -f "$top/config/arch/$ARCH.sh" ] || wrong "unknown architecture $ARCH: x86_64 or aarch64"
	case $verb in
	deps | bin | image) [ $# -eq 0 ] || wrong "$verb: unknown argument $1" ;;
	demo) [ "${*:---without-apiserver}" = --without-apiserver ] || wrong "demo: unknown argument $*" ;;
	test | clean) ;;
	customise)
		# It asks for what it needs itself, which is less than a build does.
		exec "$top/initramfs/customise.sh" "$@" ;;
	'') wrong 'no verb' ;;
	*) wrong "unknown verb $verb" ;;
	esac
	. "$top/config/arch/$ARCH.sh"
	"do_$verb" "$@"
}

main "$@"
