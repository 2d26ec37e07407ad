# shellcheck shell=sh disable=SC2034,SC2154
# BusyBox: shell, init and tools of the image; build/ARCH/busybox.
after='musl linux-headers'
recipe() {
	[ "$ARCH" != native ] || return 0 # the image's only
	kernel_arch=$ARCH
	[ "$ARCH" != aarch64 ] || kernel_arch=arm64
	# CROSS_COMPILE gives ar and objcopy; the compiler is ours. Not PIE: init has no secrets to hide.
	set -- -C "$src" O="$obj" ARCH="$kernel_arch" CROSS_COMPILE="$triple-" CC="$CC" HOSTCC=gcc \
		SKIP_STRIP=n EXTRA_CFLAGS="-Os -ffile-prefix-map=$src=. $arch_cflags" \
		KBUILD_VERBOSE=0
	make "$@" defconfig
	(set +x; settings) >wanted
	# Last one wins for oldconfig; what it does not know it drops, so look afterwards.
	cut -d= -f1 wanted | sed 's/.*/^(# )?&[ =]/' | grep -vEf - .config >.config.rest
	cat .config.rest wanted >.config
	yes '' | make "$@" oldconfig >oldconfig.log
	honoured
	make "$@" busybox
	install -D -m 755 busybox "$build/$ARCH/busybox"
}

# settings: config/busybox.config as Kconfig writes it, CONFIG_X=n for off.
settings() {
	awk '$1 == "on" || $1 == "off" { for (i = 2; i <= NF; i++) print "CONFIG_" $i "=" ($1 == "on" ? "y" : "n") }
		$1 == "set" { print "CONFIG_" $2 "=" $3 }' "$top/config/busybox.config"
}

# honoured: every setting is what it was asked to be; an option that is gone counts as off.
honoured() {
	while IFS='=' read -r option value; do
		case $value in
		n) ! grep -q "^$option=" .config ;;
		*) grep -qxF "$option=$value" .config ;;
		esac || { printf 'config/busybox.config: %s=%s is not honoured\n' "$option" "$value" >&2; exit 1; }
	done <wanted
}
