# shellcheck shell=sh disable=SC2034,SC2154
# lvm, build/ARCH/tools/lvm; and libdevmapper for cryptsetup. What nobody needs who only wants to get
# at his data, or to make room, is left out: it is half of it.
after='musl linux-headers libaio'

# Conversions, moves, merges, event handling, what describes itself.
left_out='lvconvert lvmconfig config dumpconfig lvmdevices lvmdiskscan lvpoll pvmove pvscan vgconvert
	vgexport vgimport vgimportclone vgimportdevices vgmerge vgsplit lvresize pvresize'

recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	copy_source
	streams
	quiet
	off=''
	for feature in readline selinux udev_sync udev_rules dmeventd blkid_wiping fsadm lvmimportvdo \
		blkdeactivate nls nvme-wwid systemd-journal app-machineid sd-notify use-lvmlockd \
		use-lvmpolld notify-dbus dbus-service cmdlib; do
		off="$off --disable-$feature"
	done
	# The word keeps LVM from adding -fPIC of its own.
	CFLAGS="$CFLAGS -fno-pie -fno-asynchronous-unwind-tables -DfPIC"
	LDFLAGS='-static -no-pie -Wl,--gc-sections -s'
	# One option a word; the answers are what a cross build cannot find out.
	# shellcheck disable=SC2086
	ac_cv_func_malloc_0_nonnull=yes ac_cv_func_realloc_0_nonnull=yes \
		./configure --host="${target:?}" --build="$(uname -m)-linux-gnu" --prefix= --sbindir=/bin $off \
		--enable-static_link --with-optimisation= --without-blkid --without-udev --without-systemd \
		--without-libnvme --with-vdo=none --with-integrity=none --with-thin-check= --with-cache-check= \
		--with-default-pid-dir=/run --with-default-dm-run-dir=/run --with-default-run-dir=/run/lvm \
		--with-default-locking-dir=/run/lock/lvm --with-confdir=/etc \
		CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS" LDFLAGS="$LDFLAGS"
	# It would tell with which options it was made, paths of this machine among them.
	sed -i 's/^#define LVM_CONFIGURE_LINE .*/#define LVM_CONFIGURE_LINE ""/' include/configure.h
	make -C include
	commands
	sed -i '/^DESC:/d' tools/command-lines.in
	make -C libdm libdevmapper.a || make -C libdm ioctl/libdevmapper.a
	make base/libbase.a device_mapper/libdevice-mapper.a
	make -C libdaemon
	make -C lib liblvm-internal.a
	make -C tools lvm.static
	install -D -m 755 tools/lvm.static "$build/$ARCH/tools/lvm"
	install -m 644 libdm/ioctl/libdevmapper.a "$sys/lib/"
	install -m 644 libdm/libdevmapper.h "$sys/include/"
}

# streams: musl's are constants; reopening them says the same.
streams() {
	sed -i -E 's/!\((std(in|out|err)) = fopen\(_PATH_DEVNULL, "([rw])"\)\)/!freopen(_PATH_DEVNULL, "\3", \1)/' \
		tools/lvmcmdline.c
	grep -q 'freopen(_PATH_DEVNULL' tools/lvmcmdline.c
}

# quiet: no texts for who debugs LVM, and no manual in the program.
quiet() {
	sed -i -E 's/^#define log_(debug[a-z_]*|info|notice)\(x\.\.\.\) .*/#define log_\1(x...) do { if (0) LOG_LINE(_LOG_DEBUG, x); } while (0)/' \
		lib/log/log.h
	[ "$(grep -c 'if (0) LOG_LINE' lib/log/log.h)" -gt 10 ]
	# Definitions keep their macros' other parameters.
	sed -i '/^#define cfg/s/ deprecation_comment, comment)/ comment1, comment2)/
		s/{*(*deprecation_comment)*, comment},$/NULL, NULL },/' lib/config/config.c
	[ "$(grep -c 'NULL, NULL },$' lib/config/config.c)" -eq 5 ]
	sed -i '/^#define arg(a/s/{ g,/{ NULL,/' tools/command.c
	grep -q '^#define arg(a, b, c, d, e, f, g) { NULL,' tools/command.c
}

# commands: without those left out; their numbers, which the rest knows, stay.
commands() {
	awk -v out="$left_out" 'BEGIN { n = split(out, v); for (i = 1; i <= n; i++) drop[v[i]] = 1 }
		/^[a-z]/ { skip = $1 in drop } /^[A-Z]+_[A-Z0-9_]+:/ { skip = 0 } !skip' tools/command-lines.in >lines
	mv lines tools/command-lines.in
	for command in $left_out; do
		printf '#define %s ((command_fn) 0)\n' "$command"
	done >tools/left_out.h
	sed -i '/^const struct command_name command_names/i #include "left_out.h"' tools/command.c
	for command in $left_out; do
		sed -i "/^\t{ ${command}_[a-z_0-9]*_CMD,/d" tools/lvmcmdline.c
	done
}
