#!/bin/sh
# initramfs/mkinitramfs.sh - rootfs/ + BusyBox + etcd-rescue + modules + trust anchors -> initramfs
#
#   mkinitramfs.sh --binary F --busybox F --tools DIR --modules DIR --output F
#
# Root is not needed: the archive says root owns everything, and holds no device nodes because
# /init mounts devtmpfs. The same inputs give the same bytes.
. "${0%/*}/lib.sh"

# applets: a link for each; all in /bin, and no /sbin at all (a /sbin/modprobe would be called by
# the kernel before /init runs, see rootfs/init).
applets() {
	"$root/bin/busybox" --list | while read -r applet; do
		[ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"
	done
}

# storage: what opens arrays, containers and volume groups, and its short names.
storage() {
	for tool in cryptsetup e2fsck lvm mdadm; do
		[ -f "$tools/$tool" ] || die "mkinitramfs.sh: $tools/$tool is not there; run ./build.sh image"
		install -m 755 "$tools/$tool" "$root/bin/$tool"
	done
	for name in lvchange lvcreate lvextend lvs pvcreate pvs vgchange vgcreate vgs; do
		ln -s lvm "$root/bin/$name"
	done
}

# trust: one file, sorted by name, each certificate after a line that names it.
trust() {
	ca_deb=$(fetch_verified ca-certificates)
	mkdir -p "$stage/ca" "$root/etc/ssl/certs"
	run image-ca dpkg-deb -x "$ca_deb" "$stage/ca"
	find "$stage/ca/usr/share/ca-certificates" -name '*.crt' | sort | while read -r certificate; do
		printf '# %s\n' "$(basename "$certificate" .crt)"
		sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' "$certificate"
	done >"$root/etc/ssl/certs/ca-certificates.crt"
	[ "$(grep -c 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt")" -gt 50 ] ||
		die 'the CA bundle is suspiciously short: look at the ca-certificates package'
}

# manifest: what `etcd-rescue boot` checks the unpacked image against; too little memory cuts it
# short in silence. Links are left out: what they point to is in.
manifest() {
	mkdir -p "$root/etc/etcd-rescue"
	(cd "$root" && find . -type f ! -path ./etc/etcd-rescue/manifest -print0 | sort -z |
		xargs -0 sha256sum | sed 's,  \./,  /,') >"$stage/manifest"
	mv "$stage/manifest" "$root/etc/etcd-rescue/manifest"
}

# pack DIR FILE: sorted, owned by root, one time stamp; then compressed with one thread, since the
# number of threads changes the bytes.
pack() {
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	(cd "$1" && find . ! -name . -print0 | sort -z |
		cpio --null --quiet -o -H newc --reproducible -R 0:0) >"$2.cpio"
	run image-zstd zstd -q -19 -T1 --no-progress -f "$2.cpio" -o "$2"
}

main() {
	binary='' busybox='' tools='' modules='' output=''
	while [ $# -gt 1 ]; do
		case $1 in
		--binary) binary=$2 ;;
		--busybox) busybox=$2 ;;
		--tools) tools=$2 ;;
		--modules) modules=$2 ;;
		--output) output=$2 ;;
		*) die "mkinitramfs.sh: unknown option $1" ;;
		esac
		shift 2
	done
	for part in "$binary" "$busybox" "$modules/version"; do
		[ -f "$part" ] || die "mkinitramfs.sh: ${part:-an input} is not there; run ./build.sh image"
	done
	[ -n "$output" ] || die 'mkinitramfs.sh: --output is missing'
	need cpio zstd dpkg-deb
	begin initramfs
	root=$stage/root
	mkdir -p "$root"
	cp -R "$top/rootfs/." "$root/"
	find "$root" -type d -exec chmod 755 {} +
	# Whatever the umask of the checkout was, scripts stay scripts.
	find "$root" -type f -perm -u+x -exec chmod 755 {} +
	find "$root" -type f ! -perm -u+x -exec chmod 644 {} +
	mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/mnt" "$root/tmp" \
		"$root/root" "$root/usr" "$root/var" "$root/lib/firmware"
	chmod 700 "$root/root"
	chmod 1777 "$root/tmp"
	ln -s ../bin "$root/usr/bin"
	ln -s ../run "$root/var/run"
	ln -s ../run "$root/var/lock"
	ln -s /proc/self/mounts "$root/etc/mtab"
	install -m 755 "$busybox" "$root/bin/busybox"
	install -m 755 "$binary" "$root/bin/etcd-rescue"
	storage
	applets
	for applet in init sh modprobe mdev mount; do
		[ -e "$root/bin/$applet" ] || die "BusyBox has no $applet: look at config/busybox.config"
	done
	cp -R "$modules/lib/modules" "$root/lib/"
	trust
	manifest
	pack "$root" "$stage/initramfs.img"
	mkdir -p "${output%/*}"
	mv "$stage/initramfs.img" "$output"
}

main "$@"
