# shellcheck shell=sh disable=SC2034,SC2154
# Kernel headers, of the architecture. Not all of them: scsi/ would replace musl's own.
after='musl'
inputs='linux-libc-dev'
recipe() {
	[ "$ARCH" != native ] || return 0 # the host's C library came with its own
	dpkg-deb -x "$(fetch_verified linux-libc-dev)" deb
	cp -RL deb/usr/include/linux deb/usr/include/asm-generic deb/usr/include/mtd \
		"deb/usr/include/$asm/asm" "$sys/include/"
	rm -rf deb
}
